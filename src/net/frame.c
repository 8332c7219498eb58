#include "net/frame.h"

#include <string.h>

#include "net/wire.h"

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

/* -1 for a field that we do not know. */
static int type_of(uint32_t field)
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
static const char *set_field(struct frame *frame, const struct wire_field *read)
{
	switch (read->number) {
	case FIELD_KIND:
		frame->unknown = read->value > PK__FRAME__KIND__EVENT;
		frame->kind = frame->unknown ? PK__FRAME__KIND__NONE : (Pk__Frame__Kind)read->value;
		break;
	case FIELD_ID:
		frame->id = read->value;
		break;
	case FIELD_METHOD:
		if (read->value > UINT32_MAX)
			return "method out of range";
		frame->method = (uint32_t)read->value;
		break;
	case FIELD_REPEAT_ID:
		if (read->bytes.len != 0 && read->bytes.len != FRAME_REPEAT_ID_SIZE)
			return "repeat id of a wrong size";
		frame->repeat_id = read->bytes;
		break;
	case FIELD_CREDIT:
		frame->credit = read->value;
		break;
	case FIELD_UPLOAD_SIZE:
		frame->upload_size = read->value;
		break;
	case FIELD_ERROR:
		if (read->value > UINT32_MAX)
			return "error out of range";
		frame->error = (int32_t)((uint32_t)read->value >> 1 ^
		                         ((read->value & 1) != 0 ? UINT32_MAX : 0));
		break;
	case FIELD_TEXT:
		if (read->bytes.len > FRAME_TEXT_MAX)
			return "text too long";
		frame->text = read->bytes;
		break;
	case FIELD_SECRET:
		frame->secret = read->value != 0;
		break;
	case FIELD_BODY:
		frame->body = read->bytes;
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
	for (int fields = 0; !cursor_at_end(&c); fields++) {
		struct wire_field read;
		if (fields == FRAME_FIELDS_MAX)
			return err_set(info, E_INVALID, "frame: too many fields");
		if (!wire_next(&c, &read))
			return err_set(info, E_INVALID, "frame: no field of protobuf");
		int known = type_of(read.number);
		if (known >= 0 && known != (int)read.type)
			return err_set(info, E_INVALID, "frame: field of a wrong type");
		const char *wrong = set_field(ret, &read);
		if (wrong != NULL)
			return err_set(info, E_INVALID, "frame: %s", wrong);
	}
	if (ret->kind == PK__FRAME__KIND__NONE && !ret->unknown)
		return err_set(info, E_INVALID, "frame: no kind");
	return 0;
}
