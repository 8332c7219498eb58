#ifndef POSTKASSE_SMTP_DELIVER_H
#define POSTKASSE_SMTP_DELIVER_H

/*
 * Hands a message to the store, and tells the session what to answer when the store has spoken. A
 * delivery outlives its session: a message that was handed over is not called back.
 */

#include "smtp/front.h"
#include "smtp/transaction.h"

/* Takes the transaction over. session is told by smtp_delivered. */
struct smtp_delivery *smtp_deliver(struct smtp_front *front, struct smtp_transaction *transaction,
                                   struct smtp_session *session)
	__attribute__((returns_nonnull, warn_unused_result));
/* The session is gone: its sender did not see the answer and will come again. */
void smtp_deliver_forsake(struct smtp_delivery *delivery);

/* In session.c: the answer is there. */
void smtp_delivered(struct smtp_session *session, enum smtp_reply_id reply, const char *id);

#endif
