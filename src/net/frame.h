#ifndef POSTKASSE_NET_FRAME_H
#define POSTKASSE_NET_FRAME_H

/*
 * pk.Frame of proto/link.proto by hand: body is borrowed from the message that is read, and goes out
 * from where it lies, so that a piece of a mail is not copied for its envelope. The bytes are those of
 * protobuf; a test compares with protobuf-c in both directions. Pure functions.
 */

#include "base/str.h"
#include "link.pb-c.h"

enum {
	FRAME_HEAD_MAX = 1200, /* the bytes of a frame before its body, at most */
	FRAME_TEXT_MAX = 1024,
	FRAME_REPEAT_ID_SIZE = 16,
	FRAME_FIELDS_MAX = 64, /* those of later versions included */
};

struct frame {
	Pk__Frame__Kind kind;
	bool unknown; /* kind is of a later version than ours; kind is NONE then */
	uint64_t id;
	uint32_t method;
	struct str repeat_id; /* empty or FRAME_REPEAT_ID_SIZE bytes */
	uint64_t credit;
	uint64_t upload_size;
	int32_t error;
	struct str text;
	bool secret; /* body holds one; so will the reply's */
	struct str body;
};

/* Appends everything of the frame but body's bytes, which follow. text is cut at FRAME_TEXT_MAX. */
void frame_put_head(struct buf *out, const struct frame *frame);

/* Reads a whole frame; its strings borrow from bytes. E_INVALID, with the reason in info, for what is
 * not protobuf, has a field of the wrong type or size or more than FRAME_FIELDS_MAX, or no kind; unknown
 * fields are passed over, of a field that comes twice the last one holds, as protobuf has it. */
int frame_parse(struct frame *ret, struct str bytes, struct errinfo *info) MUST_USE;

#endif
