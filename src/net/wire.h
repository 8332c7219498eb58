#ifndef POSTKASSE_NET_WIRE_H
#define POSTKASSE_NET_WIRE_H

/*
 * What a peer's protobuf bytes would cost to unpack, found out without unpacking them: two bytes of an
 * empty part become hundreds in memory, and protobuf-c nests by recursion. Pure functions.
 */

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

enum {
	WIRE_DEPTH_MAX = 64,                /* messages inside of messages */
	WIRE_MEMORY_MAX = 64 * 1024 * 1024, /* beside the bytes of strings themselves */
};

/* Whether bytes are of the shape of protobuf, hold no more than items_max values of repeated fields and
 * inner messages together, and take no more than WIRE_MEMORY_MAX and their own length to unpack as
 * type, on the way there included. Stops at the first that is too much. */
bool wire_within(const ProtobufCMessageDescriptor *type, struct str bytes, size_t items_max);

#endif
