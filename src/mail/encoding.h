#ifndef POSTKASSE_MAIL_ENCODING_H
#define POSTKASSE_MAIL_ENCODING_H

/* Content-Transfer-Encodings undone, for search and for IMAP BINARY. Lenient as RFC 2045 section 6
 * asks of a decoder: what does not belong is passed over, what is cut short gives what there is. */

#include "base/str.h"
#include "mail.pb-c.h"

/* Appends the decoded body. 0; E_UNSUPPORTED for OTHER; E_TOO_LARGE when out is full, which then
 * holds a part of it. */
int mail_decode(struct buf *out, struct str body, Pk__Part__Encoding encoding) MUST_USE;

/* base64 of RFC 2045 section 6.8 up to its padding; bytes outside of the alphabet are ignored. */
void mail_base64_decode(struct buf *out, struct str text);
/* RFC 2045 section 6.7; header: the Q encoding of RFC 2047 section 4.2, where "_" is a space. */
void mail_quoted_printable_decode(struct buf *out, struct str text, bool header);

#endif
