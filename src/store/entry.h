#ifndef POSTKASSE_STORE_ENTRY_H
#define POSTKASSE_STORE_ENTRY_H

/* Entries: a message in a folder, with UID, flags, keywords and dates. For the mailbox's turn. */

#include "base/clock.h"
#include "db/db.h"
#include "store/folder.h"

enum {
	FLAGS_ALL = 31, /* every bit of Pk__Flag */
	KEYWORDS_MAX = 1000,
	UID_LAST = 4294967294,
};

/* Seconds since 1970 as the text of a date column. Out of range gives the nearest date. */
void date_text(int64_t seconds, char ret[ISO8601_SIZE]);
/* Seconds since 1970, 0 for what is no date. */
int64_t date_seconds(struct str text);

/* The form in which an entry keeps keywords: their names as the mailbox first saw them, rising,
 * separated by blanks. Unknown ones are made; when there is no room for them, those that no entry has any
 * more go. E_LIMIT when the mailbox has too many all the same. */
int keywords_intern(struct db *db, char *const *keywords, size_t count, struct buf *ret,
                    struct errinfo *info) MUST_USE;
int keywords_count(struct db *db, int64_t *ret, struct errinfo *info) MUST_USE;
/* Whether no further keyword fits, not even in the place of one that is not used. */
int keywords_full(struct db *db, bool *ret, struct errinfo *info) MUST_USE;
/* Within a transaction: removes keywords that no entry has and that are not in keep. */
int keywords_tidy(struct db *db, char *const *keep, size_t count, struct errinfo *info) MUST_USE;
/* Walks the names in a keywords column. */
bool keywords_next(struct str *keywords, struct str *ret_name);
bool keywords_have(struct str keywords, struct str name);

/* An array of names for a protobuf-c message. */
struct names {
	char **items; /* owned, as are the strings */
	size_t count;
};
void names_done(struct names *names);
#define NAMES_AUTO __attribute__((cleanup(names_done)))
int keywords_all(struct db *db, struct names *ret, struct errinfo *info) MUST_USE;

struct entry {
	uint32_t uid;
	int64_t message;
	unsigned flags;
	int64_t size;
	struct str internal_date, save_date, keywords; /* borrowed */
};

/* Adds an entry at the end of folder (uid is assigned) and counts it. The folder's row is the
 * caller's to write. E_LIMIT when the folder has no UID left. */
int entry_add(struct db *db, struct folder *folder, struct entry *entry,
              struct errinfo *info) MUST_USE;
/* Deletes an entry of folder and counts it off; a message without any entry left becomes garbage. */
int entry_remove(struct mailbox *mailbox, struct folder *folder, const struct entry *entry,
                 struct errinfo *info) MUST_USE;
/* Notes for QRESYNC which UIDs went, at folder's modseq. */
int expunged_add(struct db *db, const struct folder *folder, const struct uid_runs *uids,
                 struct errinfo *info) MUST_USE;

/* Where a request is that goes over some messages of a folder in the order of their UIDs. */
struct uid_walk {
	struct uid_runs uids;
	size_t run;   /* where we are in uids */
	uint32_t uid; /* the next one to look at; 0: the beginning of the run */
};

/* The rest of the present run; false behind the last. */
bool uid_walk_rest(const struct uid_walk *walk, uint32_t *ret_first, uint32_t *ret_last);
void uid_walk_next_run(struct uid_walk *walk);
/* Steps over the next entry of the present run, which cannot be read any more: its UID comes from an index.
 * *ret_uid: 0 when there is none. */
int uid_walk_pass_over(struct uid_walk *walk, struct db *db, int64_t folder, uint32_t *ret_uid,
                       struct errinfo *info) MUST_USE;

/* The UIDs of a folder's entries with a modseq larger than since, from an index: also where the entries themselves
 * cannot be read any more. Ends what db_read_begin began. */
int entry_uids(struct db *db, int64_t folder, uint64_t since, struct uid_runs *ret,
               struct errinfo *info) MUST_USE;

#endif
