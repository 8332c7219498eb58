#ifndef POSTKASSE_SMTP_ANSWER_H
#define POSTKASSE_SMTP_ANSWER_H

/*
 * One answer of what became of a message in each mailbox:
 *
 *   every target durable              250
 *   every target refused for good     that refusal
 *   anything else                     a 4yz: the sender comes again, finds out at RCPT who is refused
 *                                     for good, and nobody gets it twice (retry.h)
 */

#include "smtp/reply.h"
#include "store.pb-c.h"

/* error and reply are those of STORE_DELIVER, reply NULL when there is none that can be read. It may
 * come from a faulty peer: any count of results. */
enum smtp_reply_id smtp_answer(int error, const Pk__DeliverReply *reply, size_t targets);

/* For the log: why not all was delivered: error, or what the first mailbox that refused said. */
int smtp_answer_reason(int error, const Pk__DeliverReply *reply);

#endif
