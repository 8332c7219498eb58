#ifndef POSTKASSE_STORE_FOLDER_H
#define POSTKASSE_STORE_FOLDER_H

/*
 * Folders of a mailbox: rows with their counters, which every change of an entry keeps up. Names are
 * UTF-8 with "/" between levels, INBOX in any case; a level without a row of its own exists as long
 * as a folder below it does. All functions are for the mailbox's turn.
 */

#include "db/db.h"
#include "store/mailbox.h"
#include "store/uids.h"

#include "store.pb-c.h"

enum {
	FOLDER_NAME_MAX = 1000, /* bytes */
	FOLDER_DEPTH_MAX = 32,
	FOLDERS_MAX = 10000,
	SUBSCRIPTIONS_MAX = 20000,
};

struct folder {
	int64_t id;
	uint32_t uid_validity, uid_next, recent_from;
	uint64_t modseq, expunged_since;
	int64_t messages, unseen, deleted, size;
};

/* Appends the canonical form. E_INVALID: not UTF-8, empty levels, control characters. */
int folder_name_check(struct str name, struct buf *ret, struct errinfo *info) MUST_USE;
/* E_NOT_FOUND. name in any form. */
int folder_find(struct db *db, struct str name, struct folder *ret, struct errinfo *info) MUST_USE;
/* E_NOT_FOUND. */
int folder_get(struct db *db, int64_t id, struct folder *ret, struct errinfo *info) MUST_USE;
/* Writes everything but id and uid_validity. */
int folder_put(struct db *db, const struct folder *folder, struct errinfo *info) MUST_USE;
/* Its new messages have been \Recent for somebody. Nobody is told of that: on a full volume they are once more. */
int folder_claim_recent(struct mailbox *mailbox, struct folder *folder,
                        struct errinfo *info) MUST_USE;
/* A new folder, name already checked, with a UIDVALIDITY that this mailbox never had. */
int folder_add(struct db *db, struct str name, struct str special_use, struct folder *ret,
               struct errinfo *info) MUST_USE;
/* Gives every folder a UIDVALIDITY that this mailbox never had: no UID stands for what it stood for. */
int folder_renew_all(struct db *db, struct errinfo *info) MUST_USE;
/* The folders of a new mailbox: INBOX, and those that the request names with their uses, or else the
 * usual ones. Subscribed. E_INVALID: a name or use that cannot be, or the same name twice. */
int folder_add_defaults(struct db *db, Pk__Folder *const *wanted, size_t count,
                        struct errinfo *info) MUST_USE;
/* "\\Trash" for "Papierkorb" and so on; "" for a name that says nothing. */
const char *folder_usual_use(struct str name);
/* Whether there is such a special use; "" is none and fine. */
bool folder_use_valid(struct str use);
/* What an entry with these flags adds to the counters; sign is 1 or -1. */
void folder_count(struct folder *folder, unsigned flags, int64_t size, int sign);

/* What SELECT needs to say, kept between sessions as long as the folder's modseq stands. */
struct folder_summary {
	int64_t folder;
	uint64_t modseq;
	uint32_t first_unseen;
	struct uid_runs uids;
};
void folder_summary_free(struct folder_summary *summary);
/* The UIDs of folder; borrowed until the next call or change. */
int folder_summarize(struct mailbox *mailbox, const struct folder *folder,
                     const struct folder_summary **ret, struct errinfo *info) MUST_USE;

#endif
