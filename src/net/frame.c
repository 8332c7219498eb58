#include "net/frame.h"

#include <string.h>

/* The wire format: https://protobuf.dev/programming-guides/encoding/ */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum field {
	FIELD_KIND = 1,
	FIELD_ID = 2,
	FIELD_METHOD = 3,
	FIELD_REPEAT_ID = 4,
	FIELD_CREDIT = 5,
	FIELD_UPLOAD_SIZE = 6,
	FIELD_ERROR = 7,
	FIELD_TEXT = 8,
	FIELD_SECRET = 9,
	FIELD_BODY = 15,
};

/* ---------------------------------------------------------------- writing */

static void put_varint(struct buf *out, uint64_t n)
{
	char bytes[10];
	size_t len = 0;
	while (n >= 0x80) {
		bytes[len++] = (char)(n | 0x80);
		n >>= 7;
	}
	bytes[len++] = (char)n;
	buf_add(out, bytes, len);
}

static void put_tag(struct buf *out, enum field field, int wire)
{
	put_varint(out, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_number(struct buf *out, enum field field, uint64_t n)
{
	if (n == 0)
		return;
	put_tag(out, field, WIRE_VARINT);
	put_varint(out, n);
}

static void put_bytes_head(struct buf *out, enum field field, size_t len)
{
	if (len == 0)
		return;
	put_tag(out, field, WIRE_BYTES);
	put_varint(out, len);
}

static uint64_t zigzag(int32_t n)
{
	return (uint32_t)n << 1 ^ (n < 0 ? UINT32_MAX : 0);
}

void frame_put_head(struct buf *out, const struct frame *frame)
{
	struct str text = str_slice(frame->text, 0, FRAME_TEXT_MAX);
	put_number(out, FIELD_KIND, (uint64_t)frame->kind);
	put_number(out, FIELD_ID, frame->id);
	put_number(out, FIELD_METHOD, frame->method);
	put_bytes_head(out, FIELD_REPEAT_ID, frame->repeat_id.len);
	buf_add_str(out, frame->repeat_id);
	put_number(out, FIELD_CREDIT, frame->credit);
	put_number(out, FIELD_UPLOAD_SIZE, frame->upload_size);
	put_number(out, FIELD_ERROR, zigzag(frame->error));
	put_bytes_head(out, FIELD_TEXT, text.len);
	buf_add_str(out, text);
	put_number(out, FIELD_SECRET, frame->secret);
	put_bytes_head(out, FIELD_BODY, frame->body.len);
}

/* ---------------------------------------------------------------- reading */

static bool varint(struct cursor *c, uint64_t *ret)
{
	uint64_t n = 0;
	const char *p = c->p;
	for (unsigned int shift = 0; shift < 64 && p < c->end; shift += 7) {
		unsigned char byte = (unsigned char)*p++;
		if (shift == 63 && byte > 1)
			return false;
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			c->p = p;
			*ret = n;
			return true;
		}
	}
	return false;
}

struct value {
	uint64_t number;
	struct str bytes;
};

static bool wire_value(struct cursor *c, int wire, struct value *ret)
{
	struct str skipped;
	switch (wire) {
	case WIRE_VARINT:
		return varint(c, &ret->number);
	case WIRE_FIXED64:
		return cursor_take(c, 8, &skipped);
	case WIRE_FIXED32:
		return cursor_take(c, 4, &skipped);
	case WIRE_BYTES:
		return varint(c, &ret->number) && ret->number <= cursor_left(c) &&
		       cursor_take(c, (size_t)ret->number, &ret->bytes);
	default:
		return false; /* groups: never written by proto3 */
	}
}

/* -1 for a field that we do not know. */
static int wire_of(uint64_t field)
{
	switch (field) {
	case FIELD_KIND:
	case FIELD_ID:
	case FIELD_METHOD:
	case FIELD_CREDIT:
	case FIELD_UPLOAD_SIZE:
	case FIELD_ERROR:
	case FIELD_SECRET:
		return WIRE_VARINT;
	case FIELD_REPEAT_ID:
	case FIELD_TEXT:
	case FIELD_BODY:
		return WIRE_BYTES;
	default:
		return -1;
	}
}

/* Returns what is wrong with the value, or NULL. */
static const char *set_field(struct frame *frame, uint64_t field, const struct value *value)
{
	switch (field) {
	case FIELD_KIND:
		frame->unknown = value->number > PK__FRAME__KIND__EVENT;
		frame->kind = frame->unknown ? PK__FRAME__KIND__NONE : (Pk__Frame__Kind)value->number;
		break;
	case FIELD_ID:
		frame->id = value->number;
		break;
	case FIELD_METHOD:
		if (value->number > UINT32_MAX)
			return "method out of range";
		frame->method = (uint32_t)value->number;
		break;
	case FIELD_REPEAT_ID:
		if (value->bytes.len != 0 && value->bytes.len != FRAME_REPEAT_ID_SIZE)
			return "repeat id of a wrong size";
		frame->repeat_id = value->bytes;
		break;
	case FIELD_CREDIT:
		frame->credit = value->number;
		break;
	case FIELD_UPLOAD_SIZE:
		frame->upload_size = value->number;
		break;
	case FIELD_ERROR:
		if (value->number > UINT32_MAX)
			return "error out of range";
		frame->error = (int32_t)((uint32_t)value->number >> 1 ^
		                         ((value->number & 1) != 0 ? UINT32_MAX : 0));
		break;
	case FIELD_TEXT:
		if (value->bytes.len > FRAME_TEXT_MAX)
			return "text too long";
		frame->text = value->bytes;
		break;
	case FIELD_SECRET:
		frame->secret = value->number != 0;
		break;
	case FIELD_BODY:
		frame->body = value->bytes;
		break;
	default:
		break;
	}
	return NULL;
}

int frame_parse(struct frame *ret, struct str bytes, struct errinfo *info)
{
	memset(ret, 0, sizeof(*ret));
	struct cursor c = cursor_of(bytes);
	while (!cursor_at_end(&c)) {
		uint64_t tag;
		struct value value = {0};
		if (!varint(&c, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
			return err_set(info, E_INVALID, "frame: bad tag");
		int wire = (int)(tag & 7);
		int known = wire_of(tag >> 3);
		if (!wire_value(&c, wire, &value))
			return err_set(info, E_INVALID, "frame: cut or bad value");
		if (known >= 0 && known != wire)
			return err_set(info, E_INVALID, "frame: field of a wrong type");
		const char *wrong = set_field(ret, tag >> 3, &value);
		if (wrong != NULL)
			return err_set(info, E_INVALID, "frame: %s", wrong);
	}
	if (ret->kind == PK__FRAME__KIND__NONE && !ret->unknown)
		return err_set(info, E_INVALID, "frame: no kind");
	return 0;
}
