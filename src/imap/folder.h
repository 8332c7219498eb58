#ifndef POSTKASSE_IMAP_FOLDER_H
#define POSTKASSE_IMAP_FOLDER_H

/*
 * The selected mailbox as the client knows it: which UID has which number, and up to which modseq it
 * was told of changes. The store knows more; folder_changes turns the difference into untagged
 * responses.
 */

#include "base/map.h"
#include "imap/seqset.h"
#include "imap/uidmap.h"

#include "store.pb-c.h"

struct imap_folder {
	char *name; /* owned */
	uint64_t id;
	uint32_t uid_validity;
	uint64_t seen_modseq;
	bool read_only;
	bool behind; /* asking for them failed: a client may know UIDs that we do not */
	bool dirty;  /* the store has, or may have, changes that we have not asked for */
	struct uidmap map;
	struct seq_list recent;     /* UIDs that are \Recent here; some may be expunged */
	Pk__ChangesRequest changes; /* the one that is under way: IDLE's arena must not grow */
	struct seq_list pending;    /* expunged in the store, still in map: the client was not told */
	struct map *keywords;       /* that FLAGS has told; each to itself */
	bool keywords_full;         /* the mailbox takes no further one */
	struct imap_shown *shown;   /* rows that the client has seen ahead of seen_modseq */
	size_t shown_count;
};

/* The state of a message that a command's own answer has shown: CHANGES need not tell it again. */
struct imap_shown {
	uint32_t uid;
	uint64_t modseq;
};

/* From the answer to SELECT. */
struct imap_folder *imap_folder_new(const Pk__SelectReply *reply, struct str name, bool read_only)
	__attribute__((returns_nonnull, warn_unused_result));
void imap_folder_free(struct imap_folder *folder);

/* How many messages are \Recent. */
uint32_t imap_folder_recent(const struct imap_folder *folder);
/* Notes a modseq that the client knows of because it caused it. */
void imap_folder_saw(struct imap_folder *folder, uint64_t modseq);

struct imap_untagged {
	struct buf *out;
	bool may_expunge;
	bool condstore;
};
/* "* FLAGS (...)" with the keywords in use and PERMANENTFLAGS with what may be set: RFC 9051 section 7.3.5
 * and 7.1. */
void imap_folder_write_flags(const struct imap_folder *folder, struct buf *out);
/* The same before a row that has a keyword which the client was not told of. */
void imap_folder_announce(struct imap_folder *folder, const Pk__FetchRow *row, struct buf *out);
/* Notes that a command's answer tells the flags of that message as they are at that modseq. */
void imap_folder_shown(struct imap_folder *folder, uint32_t uid, uint64_t modseq);
/* "* 3 FETCH (UID 7 FLAGS (...))" for a message that the client knows; else nothing. */
void imap_folder_write_fetch(struct imap_folder *folder, const Pk__FetchRow *row,
                             const struct imap_untagged *to);
/* Takes over what the store says has changed and writes it. */
void imap_folder_changes(struct imap_folder *folder, const Pk__ChangesReply *reply,
                         const struct imap_untagged *to);
/* Takes over which messages there are now from another SELECT of the same mailbox, and writes it. */
void imap_folder_reselected(struct imap_folder *folder, const Pk__SelectReply *reply,
                            const struct imap_untagged *to);
/* Removes messages, telling the client, or notes them for later. ranges need no order. */
void imap_folder_expunged(struct imap_folder *folder, Pk__UidRange *const *ranges, size_t count,
                          const struct imap_untagged *to);

/* Message numbers of a command to UID ranges of a request, in the arena: clipped to what the client
 * knows. E_INVALID: a sequence number that does not exist. *ret_count may be 0; for UIDs that only a
 * folder that is behind does not know, it is E_UNAVAILABLE instead. */
int imap_folder_uids(const struct imap_folder *folder, struct seqset *set, bool uid,
                     struct arena *arena, Pk__UidRange ***ret, size_t *ret_count) MUST_USE;
/* The same from ranges of UIDs. NULL: arena full. */
Pk__UidRange **imap_uid_ranges(struct arena *arena, const struct seq_range *ranges, size_t count);

#endif
