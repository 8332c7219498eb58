#ifndef POSTKASSE_STORE_ASIDE_H
#define POSTKASSE_STORE_ASIDE_H

/*
 * A temporary mailbox in which something is damaged is set aside, so that new mail gets a new one. At the
 * next opening what can be read is taken over; then the file is kept, under a name that says so. We never
 * remove it: whoever runs the host may, or may put a sound copy in its place under the first name.
 *
 *     temporary/35/353a….sqlite.damaged-1     what can be read is still to be taken over
 *     temporary/35/353a….sqlite.salvaged-1    it was
 *
 * In the mailbox's turn.
 */

#include "store/mailbox.h"

enum aside { ASIDE_DAMAGED, ASIDE_SALVAGED };
enum { ASIDE_MAX = 20 }; /* files of one mailbox */

/* The path of one, appended with a NUL. */
void aside_path(const struct mailbox *mailbox, enum aside which, unsigned number, struct buf *ret);
/* Its name without the folders, appended without a NUL. */
void aside_name(const struct mailbox *mailbox, enum aside which, unsigned number, struct buf *ret);
/* Closes the temporary mailbox and sets its file aside, durably; says so in the log. E_LIMIT. */
int aside_put(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* The first one that nothing was taken from yet, 0 when there is none. That there is none is believed for
 * a minute: one that somebody puts there by hand is seen then. */
int aside_waiting(struct mailbox *mailbox, unsigned *ret_number, struct errinfo *info) MUST_USE;
/* What could be read of it was taken over, durably. */
int aside_finish(const struct mailbox *mailbox, unsigned number, struct errinfo *info) MUST_USE;
/* Whether there is such a file. */
int aside_there(const struct mailbox *mailbox, enum aside which, unsigned number, bool *ret,
                struct errinfo *info) MUST_USE;
/* All of them, with the mailbox. */
int aside_remove_all(const struct mailbox *mailbox, struct errinfo *info) MUST_USE;

#endif
