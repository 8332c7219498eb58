#ifndef POSTKASSE_IMAP_SCRATCH_H
#define POSTKASSE_IMAP_SCRATCH_H

/*
 * Where a link message is unpacked while it is being looked at: one per process, emptied after each
 * message, so that a row of a FETCH costs no malloc and a connection holds nothing between messages. Its
 * memory goes back to the system when the loop has become quiet.
 */

#include <protobuf-c/protobuf-c.h>

#include "net/loop.h"
#include "net/wire.h"

enum {
	SCRATCH_SIZE = 2 * 1024 * 1024, /* kept; a message that needs more gets more for its time */
	SCRATCH_MAX = 256 * 1024 * 1024,
};

struct scratch;

/* loop may be NULL: then the memory stays until scratch_free. */
struct scratch *scratch_new(struct loop *loop) __attribute__((returns_nonnull, warn_unused_result));
void scratch_free(struct scratch *scratch);
/* Unpacks; NULL when the bytes are not a message of that type, or one that is larger than items_max allows
 * (wire_within). The result is valid until scratch_reset, or scratch_release of a mark made before, and
 * is not freed otherwise. */
void *scratch_unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *type,
                     struct str bytes, size_t items_max);
void scratch_reset(struct scratch *scratch);

/* Gives back what was unpacked after the mark: a message inside a message, looked at one by one. */
struct extra;
struct scratch_mark {
	size_t used, extra_used;
	struct extra *extras;
};
struct scratch_mark scratch_mark(const struct scratch *scratch);
void scratch_release(struct scratch *scratch, const struct scratch_mark *mark);

#endif
