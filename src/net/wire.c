#include "net/wire.h"

enum {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
	VARINT_MAX = 10,
	FIELD_COST = 48,      /* what protobuf-c notes of each field while it reads a message */
	ALLOCATION_COST = 32, /* of the C library for each piece of memory */
};

struct level {
	const ProtobufCMessageDescriptor *type;
	struct cursor c;
};

struct walk {
	struct level levels[WIRE_DEPTH_MAX];
	size_t depth; /* of the present level */
	size_t items, items_max;
	uint64_t memory;
};

static bool read_varint(struct cursor *c, uint64_t *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < VARINT_MAX; i++) {
		if (cursor_at_end(c))
			return false;
		unsigned char byte = (unsigned char)*c->p++;
		*ret |= (uint64_t)(byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

static bool read_content(struct cursor *c, unsigned wire, struct str *ret)
{
	uint64_t number;
	*ret = STR("");
	switch (wire) {
	case WIRE_VARINT:
		return read_varint(c, &number);
	case WIRE_FIXED64:
		return cursor_take(c, 8, ret);
	case WIRE_FIXED32:
		return cursor_take(c, 4, ret);
	case WIRE_BYTES:
		return read_varint(c, &number) && number <= cursor_left(c) &&
		       cursor_take(c, (size_t)number, ret);
	default:
		return false; /* groups, which nobody sends any more, and nonsense */
	}
}

static bool enter(struct walk *walk, const ProtobufCMessageDescriptor *type, struct str content)
{
	if (++walk->depth == WIRE_DEPTH_MAX)
		return false;
	walk->items++;
	walk->memory += type->sizeof_message + ALLOCATION_COST;
	walk->levels[walk->depth] = (struct level){type, cursor_of(content)};
	return true;
}

/* Counts one field; goes down into a message. */
static bool take_field(struct walk *walk, const ProtobufCFieldDescriptor *field, unsigned wire,
                       struct str content)
{
	walk->memory += FIELD_COST;
	if (field == NULL) { /* kept as an unknown one */
		walk->memory += sizeof(ProtobufCMessageUnknownField) + ALLOCATION_COST;
		return true;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		bool packed = wire == WIRE_BYTES && field->type != PROTOBUF_C_TYPE_STRING &&
		              field->type != PROTOBUF_C_TYPE_BYTES &&
		              field->type != PROTOBUF_C_TYPE_MESSAGE;
		size_t count = packed ? content.len : 1; /* a packed value has one byte at least */
		walk->items += count;
		walk->memory += count * sizeof(ProtobufCBinaryData);
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && wire == WIRE_BYTES)
		return enter(walk, field->descriptor, content);
	if (wire == WIRE_BYTES)
		walk->memory += ALLOCATION_COST;
	return true;
}

static bool within(const struct walk *walk)
{
	return walk->items <= walk->items_max && walk->memory <= WIRE_MEMORY_MAX;
}

bool wire_within(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max)
{
	struct walk walk = {.items_max = items_max};
	walk.levels[0] = (struct level){type, cursor_of(bytes)};
	for (;;) {
		struct level *level = &walk.levels[walk.depth];
		uint64_t tag;
		struct str content;
		if (cursor_at_end(&level->c)) {
			if (walk.depth-- == 0)
				return true;
			continue;
		}
		if (!read_varint(&level->c, &tag) || tag > UINT32_MAX ||
		    !read_content(&level->c, (unsigned)(tag & 7), &content))
			return false;
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
			level->type, (unsigned)(tag >> 3));
		if (!take_field(&walk, field, (unsigned)(tag & 7), content) || !within(&walk))
			return false;
	}
}
