#ifndef POSTKASSE_BASE_UTF8_H
#define POSTKASSE_BASE_UTF8_H

/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF; NUL excluded. */

#include "base/str.h"

/* The length of the character at the start of s; 0 when there is none. */
size_t utf8_character(struct str s);
bool utf8_valid(struct str s);
/* The length of the longest front of s that is valid, and of the run of ASCII (NUL included) there. */
size_t utf8_valid_length(struct str s);
size_t utf8_ascii_length(struct str s);
/* Whether a character is none to be seen and may change what a terminal shows: C0 and C1 controls, DEL, line and
 * paragraph separators, and what turns the direction of writing (Unicode 15, UAX #9). */
bool utf8_hides(uint32_t code_point);
/* Puts '?' for each byte of what is no UTF-8, or hides; characters of keep (such as "\n") stay. For text
 * that a person will read. */
void utf8_disarm(char *text, size_t len, const char *keep);
/* s cut to at most max bytes, never within a character of valid UTF-8. */
struct str utf8_cut(struct str s, size_t max);

#endif
