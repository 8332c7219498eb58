#ifndef POSTKASSE_STORE_REFUSED_H
#define POSTKASSE_STORE_REFUSED_H

/*
 * What an operator is to do something about. Mailboxes that could not be opened when that was last tried, and why: for an operator, who else would have
 * to find it in the log. Forgotten as soon as one opens, or its file is another one. And mail that waited
 * and is missing. Everything runs in the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#include "store.pb-c.h"

struct mailbox;
struct refused;

enum { REFUSED_MAX = 100 }; /* further ones are only in the log */

struct refused *refused_new(void) __attribute__((returns_nonnull, warn_unused_result));
/* NULL is fine. */
void refused_free(struct refused *refused);
/* What opening a mailbox came to; text says what is wrong where it did not, less that the file has less than
 * it had. What is the asker's fault (a wrong secret) says nothing about the mailbox. */
void refused_note(struct refused *refused, const struct mailbox *mailbox, int error, bool less,
                  const char *text);
/* So many messages that waited for mailbox are not there any more; told: its owner knows. Stays until the
 * store ends, or the mailbox is gone. */
void refused_note_missing(struct refused *refused, const char *mailbox, uint64_t messages,
                          bool told);
/* It is not there any more. */
void refused_forget(struct refused *refused, const char *mailbox);
/* Rows for a reply, REFUSED_MAX at most, borrowed until the next call of any of these. */
size_t refused_missing_rows(struct refused *refused, Pk__MissingMail *rows,
                            Pk__MissingMail **pointers);
size_t refused_rows(struct refused *refused, Pk__RefusedMailbox *rows,
                    Pk__RefusedMailbox **pointers);

#endif
