#ifndef POSTKASSE_IMAP_SYNC_H
#define POSTKASSE_IMAP_SYNC_H

/*
 * What others changed in the selected mailbox, from the store into untagged responses. Usually one
 * STORE_CHANGES; a client that missed more than fits one answer (somebody flagged a hundred thousand
 * messages) is brought up to date by selecting again and streaming the flags that changed.
 */

#include "imap/client.h"
#include "imap/folder.h"

/* Asks and writes, then calls done. When that failed (ok is false), the folder is dirty again.
 * The client may have been told BYE: then done is not called. */
void imap_sync(struct imap_client *client, void (*done)(struct imap_client *client, bool ok));
/* Writes what a view of the selected mailbox tells to client->out; to is filled in, and borrowed. */
struct view_listener imap_listener(struct imap_client *client, struct imap_untagged *to,
                                   bool may_expunge);
/* Notes a modseq of the selected mailbox that the client knows of, because it caused it or was told: with
 * less than that the mailbox does not come back, see session_saw. */
void imap_saw_modseq(struct imap_client *client, uint64_t modseq);

#endif
