#ifndef TEST_NET_LIES_H
#define TEST_NET_LIES_H

/*
 * What a core that somebody has taken over may answer: messages of any type, filled with what hurts most.
 * Bytes of protobuf, made from the descriptor of the message. To be included after cmocka.h.
 */

#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* Lines that a client would take for the server's, should they ever get into its stream as they are. */
#define LIE_MARK "7777 LIE"
#define LIE_TEXT "x\r\n* " LIE_MARK "\r\na0 OK " LIE_MARK "\r\n250 " LIE_MARK "\r\n"

enum lie {
	LIE_EMPTY,     /* a message with nothing in it */
	LIE_TEXTS,     /* each string is LIE_TEXT, numbers are small and fall */
	LIE_HUGE,      /* numbers near 2^32, in falling order */
	LIE_HUGER,     /* near 2^64 */
	LIE_ZERO,      /* lists of zeros and empty strings */
	LIE_MANY,      /* lists of many */
	LIE_WRONG,     /* a message of another type */
	LIE_CUT,       /* the end is missing */
	LIE_GARBAGE,   /* no message at all */
	LIE_LONG_TEXT, /* strings of 100 KB */
	LIE_ERROR,     /* an error that there is not, and LIE_TEXT for its reason */
	LIE_STALE,     /* errors that there are, with such a reason */
	LIE_UNAVAILABLE,
	LIE_CORRUPT,
	LIE_STREAM, /* pieces without end, asked for or not, then silence */
	LIE_EVENTS, /* events of any kind before the reply */
	LIE_COUNT,
};

enum { LIE_DEPTH_MAX = 4, LIE_BODY_MAX = 4 * 1024 * 1024, LIE_LONG = 100 * 1024, LIE_LIST = 3 };

static inline void lie_varint(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_add_byte(out, (char)(n | 0x80));
	buf_add_byte(out, (char)n);
}

static inline void lie_field(struct buf *out, uint32_t number, struct str bytes)
{
	lie_varint(out, (uint64_t)number << 3 | 2);
	lie_varint(out, bytes.len);
	buf_add_str(out, bytes);
}

static inline uint64_t lie_number(enum lie lie, size_t place)
{
	switch (lie) {
	case LIE_HUGE:
		return UINT32_MAX - place;
	case LIE_HUGER:
		return UINT64_MAX - place;
	case LIE_ZERO:
		return 0;
	default:
		return 3 - place % 3;
	}
}

static inline void lie_text(struct buf *out, uint32_t number, enum lie lie)
{
	if (lie == LIE_LONG_TEXT) {
		char *text = malloc(LIE_LONG);
		memset(text, 'x', LIE_LONG);
		lie_field(out, number, STR_OF(text, LIE_LONG));
		free(text);
	} else {
		lie_field(out, number, lie == LIE_ZERO ? STR("") : STR(LIE_TEXT));
	}
}

static inline void lie_fill(struct buf *out, const ProtobufCMessageDescriptor *type, enum lie lie,
                            int depth);

static inline void lie_value(struct buf *out, const ProtobufCFieldDescriptor *field, enum lie lie,
                             size_t place, int depth)
{
	struct buf inner BUF_AUTO;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		lie_text(out, field->id, lie);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		buf_init(&inner, LIE_BODY_MAX);
		lie_fill(&inner, field->descriptor, lie, depth + 1);
		lie_field(out, field->id, buf_str(&inner));
		break;
	default:
		lie_varint(out, (uint64_t)field->id << 3);
		lie_varint(out, lie_number(lie, place));
	}
}

/* Every field of type, lists of LIE_LIST values. */
static inline void lie_fill(struct buf *out, const ProtobufCMessageDescriptor *type, enum lie lie,
                            int depth)
{
	for (unsigned i = 0; i < type->n_fields && depth < LIE_DEPTH_MAX; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		size_t count = field->label != PROTOBUF_C_LABEL_REPEATED ? 1
		               : lie == LIE_MANY && depth == 0           ? 3000
		                                                         : LIE_LIST;
		for (size_t at = 0; at < count; at++)
			lie_value(out, field, lie, at, depth);
	}
}

/* The bytes of lie in place of a message of type; other: of a wrong type. */
static inline void lie_body(struct buf *out, const ProtobufCMessageDescriptor *type,
                            const ProtobufCMessageDescriptor *other, enum lie lie)
{
	switch (lie) {
	case LIE_EMPTY:
		break;
	case LIE_WRONG:
		lie_fill(out, other, LIE_TEXTS, 0);
		break;
	case LIE_CUT:
		lie_fill(out, type, LIE_TEXTS, 0);
		out->len -= out->len > 0;
		break;
	case LIE_GARBAGE:
		buf_add_text(out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" LIE_TEXT);
		break;
	default:
		lie_fill(out, type, lie, 0);
	}
}

/* The error that lie is, or 0. */
static inline int lie_error(enum lie lie)
{
	switch (lie) {
	case LIE_ERROR:
		return -9999;
	case LIE_STALE:
		return E_STALE;
	case LIE_UNAVAILABLE:
		return E_UNAVAILABLE;
	case LIE_CORRUPT:
		return E_CORRUPT;
	default:
		return 0;
	}
}

#endif
