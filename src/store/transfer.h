#ifndef POSTKASSE_STORE_TRANSFER_H
#define POSTKASSE_STORE_TRANSFER_H

/*
 * Base64 bodies as mail programs write them: lines of one length, one kind of line end. Such a body
 * is kept decoded, with what it takes to write the same bytes again; a body that has any irregularity
 * is kept as it came. Pure functions.
 */

#include "base/str.h"

struct base64_shape {
	uint64_t line_size; /* characters in a line, a multiple of 4 */
	unsigned line_end;  /* bytes after each line but the last: 2 for CRLF, 1 for LF, 0: one line */
	uint64_t encoded_size; /* all characters and line ends; ends with the last character */
};

/* Decodes the longest regular beginning of text and appends its bytes to out. The bytes of text that
 * ret->encoded_size does not count are the caller's to keep. False, with out as it was, when there is
 * none. That base64_lines_write(ret, out) gives the same bytes has been checked. */
bool base64_lines_read(struct str text, struct base64_shape *ret, struct buf *out);

/* Where in the decoded bytes the encoded byte at offset comes from: a multiple of 3. */
uint64_t base64_lines_source(const struct base64_shape *shape, uint64_t offset);
/* Writes encoded bytes from offset on, at most room of them, to ret, and returns how many. source
 * holds decoded bytes from source_offset on (a multiple of 3, at or before what base64_lines_source
 * says for offset); at the end of source it stops short unless source_is_end. */
size_t base64_lines_write(const struct base64_shape *shape, uint64_t offset, struct str source,
                          uint64_t source_offset, bool source_is_end, char *ret, size_t room);

#endif
