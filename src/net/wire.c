#include "net/wire.h"

enum {
	/* What protobuf-c notes of each field while it reads a message, in pieces that double, the first few
	 * on the stack. */
	FIELD_COST = 64,
	FIELDS_FREE = 16,
	ALLOCATION_COST = 32, /* of the C library for each piece of memory */
};

static bool long_varint(struct cursor *c, uint64_t *ret)
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

/* Nearly every one is a single byte. */
static inline bool varint(struct cursor *c, uint64_t *ret)
{
	if (c->p < c->end && (unsigned char)*c->p < 0x80) {
		*ret = (unsigned char)*c->p++;
		return true;
	}
	return long_varint(c, ret);
}

bool wire_next(struct cursor *c, struct wire_field *ret)
{
	uint64_t tag;
	struct str skipped;
	if (!varint(c, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	*ret = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
	switch (ret->type) {
	case WIRE_VARINT:
		return varint(c, &ret->value);
	case WIRE_FIXED64:
		return cursor_take(c, 8, &skipped);
	case WIRE_FIXED32:
		return cursor_take(c, 4, &skipped);
	case WIRE_BYTES:
		if (!varint(c, &ret->value) || ret->value > cursor_left(c))
			return false;
		ret->bytes = STR_OF(c->p, ret->value);
		c->p += ret->value;
		return true;
	default:
		return false;
	}
}

struct level {
	const ProtobufCMessageDescriptor *type;
	struct cursor c;
	size_t fields, singles; /* all; those that no list is made of */
};

struct walk {
	struct level levels[WIRE_DEPTH_MAX];
	size_t depth; /* of the present level */
	size_t items, items_max;
	uint64_t memory, memory_max;
};

static bool enter(struct walk *walk, const ProtobufCMessageDescriptor *type, struct str content)
{
	if (++walk->depth == WIRE_DEPTH_MAX)
		return false;
	walk->items++;
	walk->memory += type->sizeof_message + ALLOCATION_COST;
	walk->levels[walk->depth] = (struct level){.type = type, .c = cursor_of(content)};
	return true;
}

/* How many values a packed list makes protobuf-c take room for, at most. */
static size_t count_packed(ProtobufCType type, struct str bytes)
{
	switch (type) {
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
		break;
	default:
		return bytes.len;
	}
	size_t ends = 0; /* of varints */
	for (size_t i = 0; i < bytes.len; i++)
		ends += (unsigned char)bytes.ptr[i] < 0x80;
	return ends;
}

/* Counts one field; goes down into a message. */
static bool take_field(struct walk *walk, const ProtobufCFieldDescriptor *field,
                       const struct wire_field *read)
{
	struct level *level = &walk->levels[walk->depth];
	if (level->fields++ >= FIELDS_FREE)
		walk->memory += FIELD_COST;
	if (field == NULL) { /* of a later version: kept, and perhaps a list's */
		walk->items++;
		walk->memory += sizeof(ProtobufCMessageUnknownField) + ALLOCATION_COST;
		return true;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		bool packed = read->type == WIRE_BYTES && field->type != PROTOBUF_C_TYPE_STRING &&
		              field->type != PROTOBUF_C_TYPE_BYTES &&
		              field->type != PROTOBUF_C_TYPE_MESSAGE;
		size_t count = packed ? count_packed(field->type, read->bytes) : 1;
		walk->items += count;
		walk->memory += count * sizeof(ProtobufCBinaryData);
	} else if (++level->singles > level->type->n_fields) {
		return false; /* again and again: only the last would count, and each takes its time */
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && read->type == WIRE_BYTES)
		return enter(walk, field->descriptor, read->bytes);
	if (read->type == WIRE_BYTES)
		walk->memory += ALLOCATION_COST;
	return true;
}

static bool within(const struct walk *walk)
{
	return walk->items <= walk->items_max && walk->memory <= walk->memory_max;
}

bool wire_cost(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max,
               uint64_t *ret_memory)
{
	struct walk walk = {.items_max = items_max, .memory_max = items_max * WIRE_ITEM_MEMORY};
	if (walk.memory_max < WIRE_MEMORY_MAX)
		walk.memory_max = WIRE_MEMORY_MAX;
	walk.levels[0] = (struct level){.type = type, .c = cursor_of(bytes)};
	for (;;) {
		struct level *level = &walk.levels[walk.depth];
		struct wire_field read;
		if (cursor_at_end(&level->c)) {
			if (walk.depth-- > 0)
				continue;
			*ret_memory = walk.memory;
			return true;
		}
		if (!wire_next(&level->c, &read))
			return false;
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
			level->type, read.number);
		if (!take_field(&walk, field, &read) || !within(&walk))
			return false;
	}
}

bool wire_within(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max)
{
	uint64_t memory;
	return wire_cost(type, bytes, items_max, &memory);
}

ProtobufCMessage *wire_unpack_measured(const ProtobufCMessageDescriptor *type, struct str bytes,
                                       ProtobufCAllocator *allocator)
{
	static const uint8_t nothing[1];
	return protobuf_c_message_unpack(type, allocator, bytes.len,
	                                 bytes.len == 0 ? nothing : (const uint8_t *)bytes.ptr);
}

ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                              size_t items_max, ProtobufCAllocator *allocator)
{
	return wire_within(type, bytes, items_max) ? wire_unpack_measured(type, bytes, allocator)
	                                           : NULL;
}
