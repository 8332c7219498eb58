#ifndef POSTKASSE_IMAP_STATUS_H
#define POSTKASSE_IMAP_STATUS_H

/* Status items (RFC 9051 section 6.3.11), for STATUS and LIST ... RETURN (STATUS ...). */

#include "imap/client.h"

/* "(" status-att *(SP status-att) ")" into a set of items, opaque to the caller. */
bool imap_status_items(struct imap_parse *in, unsigned *ret);
/* Whether the set tells of modseqs: then the client has enabled CONDSTORE by asking. */
bool imap_status_has_modseq(unsigned items);
/* "* STATUS name (...)" */
void imap_status_write(struct buf *out, struct str name, unsigned items, bool utf8,
                       const Pk__FolderStatusReply *reply);

#endif
