#ifndef POSTKASSE_STORE_MARK_H
#define POSTKASSE_STORE_MARK_H

/*
 * How far a mailbox has come, as five numbers. The directory keeps them (marks.h), so that a file that
 * comes back with less (an old copy, a lost WAL, a WAL of another day) is noticed when it is opened,
 * before anybody has seen a UID of it that stood for something else.
 *
 * A mark is taken only of what is durable: right after a durable commit, or after a checkpoint. What a
 * power cut may lawfully take back, namely changes of flags since then, is in no mark. modseq and uids
 * are sums over all folders there are and were, which every change of a mailbox makes larger: so it does
 * not matter which of its pages went back.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct db;
struct mailbox;
struct packer;

struct mark {
	bool known;
	bool accepting;      /* the operator lets the mailbox have less, once */
	uint32_t generation; /* how often that was so */
	uint32_t uid_validity;
	uint64_t modseq, uids, messages;
};

/* Whether a is further on than b. */
bool mark_newer(const struct mark *a, const struct mark *b);

/* ---- in the mailbox's turn ---- */

/* How far db has come; it counts as known. E_CORRUPT and what reading gives. */
int mark_read(struct db *db, struct mark *ret, struct errinfo *info) MUST_USE;
/* After a durable commit or a checkpoint: remembers how far the mailbox is, to be told. */
void mark_take(struct mailbox *mailbox);
/* Compares the file that was just opened with the mark that is known: E_CORRUPT when it has less, logged.
 * Where that was accepted, mark_renew is due. */
int mark_check(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Once, when it is due: gives all folders a new UIDVALIDITY and tells the owner, in one durable
 * transaction. */
int mark_renew(struct mailbox *mailbox, struct packer *packer, struct errinfo *info) MUST_USE;

#endif
