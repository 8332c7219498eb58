#ifndef POSTKASSE_IMAP_STRUCTURE_H
#define POSTKASSE_IMAP_STRUCTURE_H

/*
 * ENVELOPE and BODYSTRUCTURE (RFC 3501 section 7.4.2), from what a store gives: packed messages of
 * proto/structure.proto that another front made, or the text that an earlier version stored. Both may
 * come from a front that was taken over: whatever bytes they hold, what is written is one well-formed
 * value, and nothing of a text is written but through imap_write_string.
 */

#include "imap/scratch.h"
#include "structure.pb-c.h"

/* (date subject from sender reply-to to cc bcc in-reply-to message-id) */
void imap_write_envelope(struct buf *out, const Pk__Envelope *envelope);

/* BODYSTRUCTURE, or BODY where not extended. Only message/rfc822 nests: the nested form of
 * message/global is IMAP4rev2's. False, with out as it was, when the bodies are no tree in preorder or
 * nest more deeply than any description does. */
bool imap_write_body_structure(struct buf *out, const Pk__BodyStructure *structure, bool extended)
	__attribute__((warn_unused_result));

/* What a row of FETCH has of a message: one of both, or neither. */
struct imap_described {
	struct str packed;
	struct str rendered; /* text of an earlier version */
};

/* The same from what a row has; an empty value of the right form when it makes no sense. */
void imap_write_row_envelope(struct buf *out, struct scratch *scratch,
                             const struct imap_described *from);
void imap_write_row_structure(struct buf *out, struct scratch *scratch,
                              const struct imap_described *from, bool extended);

#endif
