#ifndef POSTKASSE_SMTP_TRANSACTION_H
#define POSTKASSE_SMTP_TRANSACTION_H

/*
 * A mail transaction (RFC 5321 section 3.3): from MAIL to the answer for the message. Owns the
 * message while it comes in, and its share of the memory budget.
 */

#include "front/front.h"
#include "smtp/data.h"
#include "smtp/path.h"
#include "smtp/resolve.h"

/* What the trace headers that we put in front can take, see smtp_trace_write. */
enum { SMTP_TRACE_MAX = 4096, SMTP_ID_SIZE = 17 /* 16 hex digits and a NUL */ };

struct smtp_transaction {
	const struct front *front; /* for the time of its budget */
	struct budget_ticket ticket;
	struct link_patience patience; /* for the cores, from MAIL to the answer for the message */
	char *reverse_path;            /* owned; without brackets, "" for the null path */
	bool utf8;
	struct smtp_target *targets; /* owned; one for each mailbox */
	size_t target_count, target_max;
	bool deferred;          /* some RCPT was told to come again later */
	size_t recipient_count; /* accepted RCPTs: several may lead to one mailbox */
	char *recipient;        /* owned; the first one, as written, for the trace header */
	/* The message. */
	struct buf message; /* trace headers, then what came in */
	size_t trace_size;  /* bytes of the former */
	struct smtp_data data;
	char id[SMTP_ID_SIZE];
};

/* Its ticket is the caller's to initialize. */
struct smtp_transaction *smtp_transaction_new(const struct front *front,
                                              const struct smtp_path *reverse_path, bool utf8,
                                              size_t target_max)
	__attribute__((returns_nonnull, warn_unused_result));
void smtp_transaction_free(struct smtp_transaction *transaction);
/* recipient is as written. At most target_max times. */
void smtp_transaction_add(struct smtp_transaction *transaction, struct str recipient,
                          const struct smtp_target *target);
/* The message is not wanted any more: gives its memory back. */
void smtp_transaction_drop(struct smtp_transaction *transaction);
/* Asks for the memory that incoming more bytes may need. False: the ticket waits. */
bool smtp_transaction_room(struct smtp_transaction *transaction, size_t incoming);
/* The message as it came in, without our trace headers. */
struct str smtp_transaction_content(const struct smtp_transaction *transaction);

#endif
