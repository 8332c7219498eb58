#ifndef POSTKASSE_SMTP_DATA_H
#define POSTKASSE_SMTP_DATA_H

/*
 * From the bytes that follow DATA or BDAT to the message. A pure state machine that may be fed in
 * pieces of any size.
 *
 * SMTP smuggling: only CR LF "." CR LF ends a message. A CR without LF, or a LF without CR, never
 * begins a line here; it spoils the message, whose rest is read up to the true end and dropped, so
 * that client and server keep the same idea of where commands begin. Lines may be of any length
 * (RFC 5321 section 4.5.3.1.6 asks for 998 at least), NUL and 8-bit bytes pass.
 */

#include "base/str.h"

enum smtp_data_fault { SMTP_DATA_FINE, SMTP_DATA_BARE, SMTP_DATA_TOO_LARGE };

struct smtp_data {
	enum {
		SMTP_DATA_LINE, /* at the start of a line */
		SMTP_DATA_DOT,  /* after the dot at the start of a line */
		SMTP_DATA_DOT_CR,
		SMTP_DATA_TEXT,
		SMTP_DATA_CR,
	} state;
	enum smtp_data_fault fault; /* the first one; nothing is kept after it */
};

void smtp_data_init(struct smtp_data *data);
/* DATA (RFC 5321 section 4.5.2): takes bytes up to the end of the message or of in, appends them
 * without the stuffed dots to out. Returns how many were taken; *ret_end tells that the message is
 * complete. When out is full the fault is SMTP_DATA_TOO_LARGE. */
size_t smtp_data_feed(struct smtp_data *data, struct str in, struct buf *out, bool *ret_end);
/* BDAT (RFC 3030): takes all of in, as it is. */
void smtp_data_feed_chunk(struct smtp_data *data, struct str in, struct buf *out);
/* After the last chunk: a CR at the very end is a bare one. */
void smtp_data_end_chunks(struct smtp_data *data);

#endif
