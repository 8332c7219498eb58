#ifndef POSTKASSE_BASE_CODEC_H
#define POSTKASSE_BASE_CODEC_H

/* Hexadecimal and base64 (RFC 4648 sections 4 and 8). Nothing here is for secrets: table look-ups
 * are not constant in time. */

#include "base/str.h"

/* Writes 2 * len lower-case digits and a NUL. */
void hex_encode(const void *bytes, size_t len, char *ret);

/* Appends the base64 form with padding; line_len > 0 (a multiple of 4) puts line_end after every
 * full line but not after the last one. */
void base64_encode(struct buf *out, struct str bytes, size_t line_len, struct str line_end);
/* Strict: alphabet, padding and unused bits as RFC 4648 section 3 demands, no white space. Appends
 * to out; false leaves out as it was. */
bool base64_decode(struct buf *out, struct str text);
/* Bytes of output for bytes of input, without line ends. */
size_t base64_size(size_t len);

#endif
