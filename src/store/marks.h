#ifndef POSTKASSE_STORE_MARKS_H
#define POSTKASSE_STORE_MARKS_H

/*
 * The store's talk with the directory about marks (mark.h, waits.h). What a mailbox has reached is told within
 * about a second, many mailboxes at once, and again until the directory has it; until then it is
 * remembered here. Everything runs in the loop's thread.
 */

#include "base/str.h"
#include "net/link.h"
#include "store/mark.h"
#include "store/waits.h"

struct marks;
struct marks_question;

/* directory is borrowed. missing: the directory has found that so much mail that waited for mailbox is gone. */
struct marks *marks_new(struct link *directory,
                        void (*missing)(void *ctx, const char *mailbox, uint64_t messages),
                        void *ctx);
/* Nothing may be asked any more. NULL is fine. */
void marks_free(struct marks *marks);

/* mailbox has come so far. */
void marks_put(struct marks *marks, const char *mailbox, const struct mark *mark);
/* So much waits for mailbox. */
void marks_put_waits(struct marks *marks, const char *mailbox, const struct wait_marks *waits);
/* Tells what there is to tell; every second. */
void marks_tell(struct marks *marks);
/* The same, and calls done once it is told or cannot be soon, maybe at once. */
void marks_flush(struct marks *marks, void (*done)(void *ctx), void *ctx);

/* How far mailbox had come, and what waits for it: answered gets 0, or E_UNAVAILABLE when the directory does not answer in time.
 * Always from the loop. */
struct marks_question *marks_ask(struct marks *marks, const char *mailbox,
                                 void (*answered)(void *ctx, int error, const struct mark *mark,
                                                  const struct wait_marks *waits),
                                 void *ctx);
/* Ends it with E_UNAVAILABLE, now. */
void marks_give_up(struct marks_question *question);

#endif
