#ifndef POSTKASSE_MAIL_CHARSET_LABEL_H
#define POSTKASSE_MAIL_CHARSET_LABEL_H

/*
 * What the names of character sets in mail mean: the labels of the WHATWG Encoding standard, which says
 * how they are used (iso-8859-1 is windows-1252, gb2312 is gb18030, euc-kr is windows-949), and those that
 * mail has besides: UTF-7, and the variants of ISO-2022.
 */

#include "base/str.h"

enum mail_charset_kind {
	MAIL_CHARSET_OTHER, /* not in the table: ICU may know it by this name */
	MAIL_CHARSET_ASCII, /* also where there is no name */
	MAIL_CHARSET_UTF8,
	MAIL_CHARSET_EXTENDS, /* another one in which ASCII is written as ASCII */
	MAIL_CHARSET_LATIN10, /* ISO-8859-16, which ICU has no table for */
	MAIL_CHARSET_SHIFTS,  /* the meaning of a byte depends on those before it */
};

struct mail_charset {
	enum mail_charset_kind kind;
	const char *converter; /* ICU's name; NULL for OTHER, ASCII, UTF8 and LATIN10 */
};

/* Case, blanks and punctuation do not count: "ISO8859_1" is "iso-8859-1". */
struct mail_charset mail_charset_find(struct str label);

#endif
