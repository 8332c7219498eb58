#ifndef POSTKASSE_IMAP_WRITER_H
#define POSTKASSE_IMAP_WRITER_H

/* How values look in responses (RFC 9051 section 4): each function appends one value to a buffer. */

#include "base/str.h"

/* In quotes where that is allowed, else as a literal. Any bytes: NUL, which neither may have, is left
 * out. */
void imap_write_string(struct buf *out, struct str text);
/* An atom where possible, else a string. */
void imap_write_astring(struct buf *out, struct str text);
/* A mailbox name: modified UTF-7, or UTF-8 once the client enabled that. */
void imap_write_mailbox(struct buf *out, struct str name, bool utf8);
/* atom = 1*ATOM-CHAR, which a keyword is: what is none is not written. */
bool imap_is_atom(struct str text);
/* (\Seen keyword): bits is a set of enum Flag of store.proto. */
void imap_write_flags(struct buf *out, uint32_t bits, char *const *keywords, size_t keyword_count,
                      bool recent);
/* "23-Nov-2026 09:15:00 +0000" with its quotes. */
void imap_write_date_time(struct buf *out, int64_t seconds);

#endif
