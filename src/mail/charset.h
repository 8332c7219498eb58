#ifndef POSTKASSE_MAIL_CHARSET_H
#define POSTKASSE_MAIL_CHARSET_H

/*
 * From any character set to UTF-8, by ICU, named as charset_label.h says. What is appended is always valid UTF-8 without NUL: bytes
 * that mean nothing become U+FFFD. When out is full the rest is left off at a character and
 * out->failed is set.
 */

#include "base/str.h"

/* For tests: without guesses. 0; E_UNSUPPORTED for a character set that is not known, with nothing appended; E_TOO_LARGE when out
 * is full. An empty charset means US-ASCII. */
int mail_to_utf8(struct buf *out, struct str bytes, struct str charset) MUST_USE;

/* The same for text that has to be shown whatever it is: text in an unknown character set, and bytes
 * above 127 in US-ASCII, are taken as UTF-8 where they are that and as Windows-1252 otherwise. */
void mail_to_utf8_lenient(struct buf *out, struct str bytes, struct str charset);

/* Overwrites control characters (C0 and DEL) from start on with blanks: what an encoded word or a
 * percent sign brings into a field must not look like the end of that field. */
void mail_blank_controls(struct buf *b, size_t start);

#endif
