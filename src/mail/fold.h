#ifndef POSTKASSE_MAIL_FOLD_H
#define POSTKASSE_MAIL_FOLD_H

/*
 * The form in which text is searched: stored search text and queries both go through mail_search_form,
 * and a query matches where its form is a substring of the form of the text.
 *
 * It is Unicode's NFKC_Casefold: full case folding ("ß" becomes "ss"), compatibility composition
 * (full-width and half-width forms, ligatures, "…" as "...", a no-break space as a space, "e" with a
 * combining accent as "é"), default ignorable characters (soft hyphen, zero-width joiners) removed.
 * Accents stay. For ASCII it is lower case. On top of that blanks are as a reader sees them: a tab is
 * one, several are one, so that neither a folded field nor alignment hides a phrase. CR is left out.
 */

#include "base/str.h"

/* Appends that form of utf8; a byte that is not UTF-8 counts as U+FFFD. A blank at its beginning joins
 * with one at the end of out. When out is full the rest is left off at a character and out->failed is
 * set. */
void mail_search_form(struct buf *out, struct str utf8);

/* NFKC_Casefold alone, likewise. */
void mail_fold(struct buf *out, struct str utf8);

#endif
