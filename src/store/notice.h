#ifndef POSTKASSE_STORE_NOTICE_H
#define POSTKASSE_STORE_NOTICE_H

/* Messages of the store's own, to the owner of a mailbox: plain ASCII text with its description, made
 * here because a store never parses mail. */

#include "store/batch.h"

struct notice_damage {
	uint64_t read, lost; /* messages of a damaged temporary mailbox */
	bool uncounted;      /* lost is not known */
	struct str kept;     /* the name of the file that was kept */
	struct str id;       /* DELIVERY_ID_SIZE bytes: the same damage is told once */
};

/* Adds the message that tells of damaged mail to INBOX. */
int notice_add_damage(struct batch *batch, const struct notice_damage *damage,
                      struct batch_result *ret, struct errinfo *info) MUST_USE;
/* Adds the message that tells of mail that waited and is not there, so many messages at least; id as above. */
int notice_add_missing(struct batch *batch, uint64_t messages, struct str id,
                       struct batch_result *ret, struct errinfo *info) MUST_USE;
/* Adds the message that tells of a mailbox that has been put back with less than it had. messages: what
 * there is; id as above. */
int notice_add_rollback(struct batch *batch, uint64_t messages, struct str id,
                        struct batch_result *ret, struct errinfo *info) MUST_USE;

#endif
