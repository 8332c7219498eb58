#ifndef POSTKASSE_STORE_REKEY_H
#define POSTKASSE_STORE_REKEY_H

/*
 * A mailbox file under a new data key: copied, checked, renamed over the old one. Killed at any
 * point, the old file or the new one is there, whole. In the mailbox's turn; sessions go on.
 */

#include "store/mailbox.h"

/* The mailbox is open. On failure it is as it was. */
int rekey_file(struct mailbox *mailbox, const struct data_key *next, struct errinfo *info) MUST_USE;
/* The re-key that mailbox_unlock found due, if any. */
int rekey_due(struct mailbox *mailbox, struct errinfo *info) MUST_USE;

#endif
