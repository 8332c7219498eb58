#ifndef POSTKASSE_MAIL_WORD_H
#define POSTKASSE_MAIL_WORD_H

/* Encoded words in header fields: RFC 2047, with the language of RFC 2231 section 5. */

#include "base/str.h"

/* Appends the unfolded text as UTF-8 without NUL, encoded words decoded wherever they stand, control
 * characters in them made blanks. Bytes
 * above 127 outside of them are taken as UTF-8 or else as Windows-1252. When out is full the rest is
 * left off and out->failed is set. */
void mail_words_decode(struct buf *out, struct str text);

#endif
