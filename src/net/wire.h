#ifndef POSTKASSE_NET_WIRE_H
#define POSTKASSE_NET_WIRE_H

/*
 * Protobuf as it stands on the wire (https://protobuf.dev/programming-guides/encoding/), field by field,
 * and what a peer's bytes would cost to unpack, found out without unpacking them: two bytes of an empty
 * part become hundreds in memory, and protobuf-c nests by recursion. Pure functions.
 */

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

enum {
	WIRE_DEPTH_MAX = 64,                /* messages inside of messages */
	WIRE_MEMORY_MAX = 64 * 1024 * 1024, /* beside the bytes of strings themselves; or so much */
	WIRE_ITEM_MEMORY = 64,              /* for each item that may be, where that is more */
	/* How many items there may be: in what has no list, or a short one; */
	WIRE_ITEMS_FEW = 1000,
	/* in a list that somebody writes in one piece: parts, addresses, rows of a chunk, sessions; */
	WIRE_ITEMS_MANY = 200 * 1000,
	/* and where every message of a folder may be named: less than SCRATCH_MAX of imap/scratch.h. */
	WIRE_ITEMS_MESSAGES = 4 * 1000 * 1000,
};

/* Of a field, what comes after its number. */
enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;   /* of a WIRE_VARINT; the length of a WIRE_BYTES */
	struct str bytes; /* of a WIRE_BYTES, borrowed */
};

/* Takes the next field; false where the bytes are cut or no protobuf, or a group, which nobody sends any
 * more. Not to be called at the end. */
bool wire_next(struct cursor *c, struct wire_field *ret) __attribute__((warn_unused_result));

/* Whether bytes are of the shape of protobuf, hold no more than items_max values of repeated fields, inner
 * messages and fields that type does not have together, repeat no other field time and again, and take no
 * more than WIRE_MEMORY_MAX, or items_max * WIRE_ITEM_MEMORY where that is more, and their own length to
 * unpack as type, on the way there included. Stops at the first that is too much: items_max bounds the
 * time, too. */
bool wire_within(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max);
/* The same; *ret_memory: what it takes to unpack besides the length of the strings in it. */
bool wire_cost(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max,
               uint64_t *ret_memory);
/* Unpacks what wire_within or wire_cost has let pass. NULL as of wire_unpack. */
ProtobufCMessage *wire_unpack_measured(const ProtobufCMessageDescriptor *type, struct str bytes,
                                       ProtobufCAllocator *allocator);
/* Unpacks what wire_within lets pass: the only way to do so, see test/style.py. NULL when it does not, or
 * when the bytes are no such message, or when allocator (NULL: malloc) has no room. */
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                              size_t items_max, ProtobufCAllocator *allocator);

#endif
