#ifndef POSTKASSE_IMAP_FOLDER_H
#define POSTKASSE_IMAP_FOLDER_H

/* The selected mailbox in IMAP's words: what has changed in it as untagged responses, and the message numbers of
 * commands. */

#include "front/view.h"
#include "imap/seqset.h"

/* "* FLAGS (...)" with the keywords in use and PERMANENTFLAGS with what may be set: RFC 9051 section 7.3.5
 * and 7.1. */
void imap_folder_write_flags(const struct view *folder, struct buf *out);
/* The same before a row that has a keyword which the client was not told of. */
void imap_folder_announce(struct view *folder, const Pk__FetchRow *row, struct buf *out);

struct imap_untagged {
	const struct view *folder;
	struct buf *out;
	bool condstore; /* MODSEQ with the flags */
};
/* Writes "* 5 EXISTS", "* 3 EXPUNGE", "* 3 FETCH (UID 7 FLAGS (...))", ... to to->out; to is borrowed. */
struct view_listener imap_untagged(struct imap_untagged *to, bool may_expunge);

/* Message numbers of a command to UID ranges of a request, in the arena: clipped to what the client
 * knows. E_INVALID: a sequence number that does not exist. *ret_count may be 0; for UIDs that only a
 * folder that is behind does not know, it is E_UNAVAILABLE instead. */
int imap_folder_uids(const struct view *folder, struct seqset *set, bool uid, struct arena *arena,
                     Pk__UidRange ***ret, size_t *ret_count) MUST_USE;
/* The same from ranges of UIDs. NULL: arena full. */
Pk__UidRange **imap_uid_ranges(struct arena *arena, const struct seq_range *ranges, size_t count);

#endif
