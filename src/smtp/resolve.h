#ifndef POSTKASSE_SMTP_RESOLVE_H
#define POSTKASSE_SMTP_RESOLVE_H

/*
 * Who a recipient is: asks the directory, and keeps positive answers for SMTP_RESOLVE_MEMORY_MS, so
 * that a stream of mail for one mailbox does not ask for each. Loop thread only.
 */

#include "base/str.h"
#include "net/link.h"
#include "smtp/reply.h"

enum {
	SMTP_RESOLVE_MEMORY_MS = 3000,
	SMTP_RESOLVE_MAX = 4096, /* answers kept */
	SMTP_MAILBOX_MAX = 64,   /* bytes of a mailbox id that a directory may name */
	SMTP_KEY_SIZE = 32,
};

/* Where mail for a recipient goes. */
struct smtp_target {
	char mailbox[SMTP_MAILBOX_MAX + 1];
	unsigned char public_key[SMTP_KEY_SIZE];
	uint64_t quota_bytes;
};

struct smtp_resolver;
struct smtp_resolving; /* a question under way */

/* directory is borrowed. */
struct smtp_resolver *smtp_resolver_new(struct loop *loop, struct link *directory)
	__attribute__((returns_nonnull, warn_unused_result));
void smtp_resolver_free(struct smtp_resolver *resolver);

/* Looks among the kept answers. */
bool smtp_resolve_kept(struct smtp_resolver *resolver, struct str address, int64_t now_ms,
                       struct smtp_target *ret);
/* Asks; waits for a directory that is away as long as patience (borrowed until done) has it. done is called once from the loop, with SMTP_REPLY_RECIPIENT_OK and a target (borrowed), or
 * with the answer for the sender; not after smtp_resolve_cancel. */
struct smtp_resolving *smtp_resolve(
	struct smtp_resolver *resolver, struct str address, struct link_patience *patience,
	void (*done)(void *ctx, enum smtp_reply_id reply, const struct smtp_target *target), void *ctx);
void smtp_resolve_cancel(struct smtp_resolving *resolving);
/* Forgets all answers: one of them turned out to be outdated. */
void smtp_resolver_clear(struct smtp_resolver *resolver);

#endif
