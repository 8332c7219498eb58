#ifndef POSTKASSE_MAIL_FOLD_H
#define POSTKASSE_MAIL_FOLD_H

/*
 * The form in which text is searched: stored search text and queries both go through mail_fold, and a
 * query matches where its folded form is a substring of the folded text.
 *
 * The form is Unicode's NFKC_Casefold: full case folding ("ß" becomes "ss"), compatibility
 * composition (full-width and half-width forms, ligatures, "…" as "...", a no-break space as a space,
 * "e" with a combining accent as "é"), default ignorable characters (soft hyphen, zero-width joiners)
 * removed. Accents stay. For ASCII it is lower case.
 */

#include "base/str.h"

/* Appends the folded form of utf8; a byte that is not UTF-8 counts as U+FFFD. When out is full the
 * rest is left off at a character and out->failed is set. */
void mail_fold(struct buf *out, struct str utf8);

#endif
