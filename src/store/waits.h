#ifndef POSTKASSE_STORE_WAITS_H
#define POSTKASSE_STORE_WAITS_H

/*
 * Marks of temporary mailboxes, so that one that comes back with less than was acknowledged, or not at all, is
 * noticed: a flipped byte in its WAL, an old copy, a file that somebody removed. The rows of one are numbered
 * from 1 on, and its last row goes only with all others; so the number of the last row says how much was
 * acknowledged. The file has a number of its own, which is in each row.
 *
 *     the directory (marks.h)   file, rows: acknowledged, maybe more by now; lost: known to be missing
 *     the mailbox (taken)       file, rows, lost: accounted for: taken over, or told to be missing. Written with
 *                               the messages, in one transaction
 *
 * What the first has more than the second is still to come from the file; where that has not as much, it is
 * missing. So it does not matter where a crash comes in between. In the turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct db;
struct mailbox;
struct packer;
struct batch_result;

enum { WAITS_MAX = 8 };

struct wait_mark {
	uint64_t file;
	uint64_t rows;
	uint64_t since, opened; /* rows when it was opened, and when that was: see WaitingState */
	uint64_t lost;
	bool over; /* all of it is accounted for */
};

struct wait_marks {
	struct wait_mark items[WAITS_MAX];
	size_t count;
};

/* Adds a mark, or puts it in the place of the one of the same file. What there is no room for is left out: it
 * will be told another time. */
void wait_marks_put(struct wait_marks *marks, const struct wait_mark *mark);

/* Right after the temporary mailbox was opened to add to it: notes how far it is, and gives one without rows
 * a new number. */
int waits_opened(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* After a durable commit of rows. */
void waits_added(struct mailbox *mailbox);

/* The number of a temporary mailbox and of its last row; 0 when it has no rows. */
int waits_read(struct db *temporary, uint64_t *ret_file, uint64_t *ret_rows,
               struct errinfo *info) MUST_USE;
/* How many rows that were acknowledged are neither accounted for nor in a temporary mailbox of this number
 * whose last row is rows. */
int waits_missing(struct mailbox *mailbox, uint64_t file, uint64_t rows, uint64_t *ret,
                  struct errinfo *info) MUST_USE;
/* The same of all files that are known of but for one (0: of all). */
int waits_missing_but(struct mailbox *mailbox, uint64_t but, uint64_t *ret,
                      struct errinfo *info) MUST_USE;
/* In the mailbox's transaction: rows of file, up to this one, have been taken over. */
int waits_taken(struct mailbox *mailbox, uint64_t file, uint64_t rows,
                struct errinfo *info) MUST_USE;
/* Likewise: all that is known of file, or of all files but one, is accounted for. */
int waits_told(struct mailbox *mailbox, uint64_t file, struct errinfo *info) MUST_USE;
int waits_told_but(struct mailbox *mailbox, uint64_t but, struct errinfo *info) MUST_USE;
/* When nothing is left to be taken over: tells owner and operator what has not come, and notes for the
 * directory that all is accounted for. result is that of the message to the owner, if there is one. */
int waits_settle(struct mailbox *mailbox, struct packer *packer, struct batch_result *result,
                 struct errinfo *info) MUST_USE;

#endif
