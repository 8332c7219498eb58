#ifndef POSTKASSE_SMTP_RETRY_H
#define POSTKASSE_SMTP_RETRY_H

/*
 * What a message is delivered under. Each delivery id is made from a random seed of the message and
 * the mailbox, so that a request to the store may be repeated. When the sender did not get a 250
 * although some mailbox may have the message already (one of several failed, the store went away, the
 * sender hung up), the seed is kept for a while under a digest of sender and content: the sender's
 * next attempt then carries the same delivery ids, and nobody gets the message twice. Bounded; lost
 * with the process.
 */

#include "base/str.h"

enum {
	SMTP_SEED_SIZE = 16,
	SMTP_DELIVERY_ID_SIZE = 16,
	SMTP_RETRY_DIGEST_SIZE = 32,
	SMTP_RETRY_MAX = 16384,
	SMTP_RETRY_MEMORY_MS = 6 * 60 * 60 * 1000,
};

struct smtp_seed {
	unsigned char bytes[SMTP_SEED_SIZE];
};

struct smtp_retry;

struct smtp_retry *smtp_retry_new(void) __attribute__((returns_nonnull, warn_unused_result));
void smtp_retry_free(struct smtp_retry *retry);
/* The seed of an earlier attempt at this message, else a new one. now_ms is monotonic. */
void smtp_retry_seed(struct smtp_retry *retry, struct str reverse_path, struct str content,
                     int64_t now_ms, struct smtp_seed *ret);
/* The attempt ended without a 250. */
void smtp_retry_remember(struct smtp_retry *retry, struct str reverse_path, struct str content,
                         int64_t now_ms, const struct smtp_seed *seed);
/* The attempt ended with one. */
void smtp_retry_forget(struct smtp_retry *retry, struct str reverse_path, struct str content);
/* For tests: how many are kept. */
size_t smtp_retry_count(const struct smtp_retry *retry);

/* The id that the message has for one mailbox. */
void smtp_delivery_id(const struct smtp_seed *seed, struct str mailbox,
                      unsigned char ret[SMTP_DELIVERY_ID_SIZE]);

#endif
