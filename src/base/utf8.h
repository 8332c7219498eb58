#ifndef POSTKASSE_BASE_UTF8_H
#define POSTKASSE_BASE_UTF8_H

/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF; NUL excluded. */

#include "base/str.h"

/* The length of the character at the start of s; 0 when there is none. */
size_t utf8_character(struct str s);
bool utf8_valid(struct str s);

#endif
