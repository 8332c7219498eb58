#ifndef POSTKASSE_MAIL_HTML_H
#define POSTKASSE_MAIL_HTML_H

/*
 * The text of an HTML body, for search and preview. Not a parser of HTML: tags, comments and the
 * content of script, style and title are left out, character references decoded, white space
 * collapsed, and a line begun where a block begins. Any input gives some text; time is linear.
 * (Measured: 30 KB in about 50 microseconds, where building gumbo's tree takes about a millisecond.)
 */

#include "base/str.h"

/* Appends the text of html, which is UTF-8; the result is UTF-8 again. */
void mail_html_text(struct buf *out, struct str html);

#endif
