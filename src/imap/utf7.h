#ifndef POSTKASSE_IMAP_UTF7_H
#define POSTKASSE_IMAP_UTF7_H

/* Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3) to and from UTF-8. */

#include "base/str.h"

/* Appends the UTF-8 form of name, or leaves out alone and returns false: not modified UTF-7 (bytes
 * above 0x7e, an open shift, unused bits set, half a surrogate pair, an encoded ASCII character). */
bool utf7_decode(struct str name, struct buf *out) MUST_USE;
/* Appends the modified UTF-7 form of name, which must be valid UTF-8. */
void utf7_encode(struct str name, struct buf *out);

#endif
