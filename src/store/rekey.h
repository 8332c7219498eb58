#ifndef POSTKASSE_STORE_REKEY_H
#define POSTKASSE_STORE_REKEY_H

/*
 * A mailbox file under a new data key: copied page by page, checked, renamed over the old one. The
 * copy is made in small steps in the mailbox's turn, between which sessions go on reading and writing;
 * what they write goes into the copy, too. Killed at any point, the old file or the new one is there,
 * whole.
 */

#include "store/mailbox.h"

/* One step of the re-key that mailbox_unlock found due, if any. *ret_done: none is under way any more.
 * After a failure everything is as it was, and the next opening says again that it is due. E_NO_SPACE: the
 * volume has no room for the copy, or has none any more; it stays due, and may be tried again at any time. */
int rekey_step(struct mailbox *mailbox, bool *ret_done, struct errinfo *info) MUST_USE;
/* Gives up the one that is under way, if any: before the handle is closed. */
void rekey_abort(struct mailbox *mailbox);
/* Whether one to the key with that salt is under way. */
bool rekey_under_way(const struct mailbox *mailbox, const struct data_key *next);

#endif
