#ifndef POSTKASSE_MAIL_BUILDER_H
#define POSTKASSE_MAIL_BUILDER_H

/*
 * What envelope.c and body_structure.c build the messages of proto/structure.proto with: arrays in an
 * arena, text in a budget. A hostile header can say ten times its size in addresses: past the budget
 * texts are left out and lists end early, so that a description stays bounded.
 */

#include "base/arena.h"
#include "structure.pb-c.h"

enum { MAIL_BUILD_BUDGET = 512 * 1024 };

struct mail_builder {
	struct arena *arena; /* borrowed */
	size_t budget;       /* bytes of text that may still come */
	struct buf scratch;
	bool cut;  /* something was left out */
	bool full; /* the arena is: the result is not to be used */
};

/* A builder with the whole budget. */
void mail_builder_init(struct mail_builder *b, struct arena *arena);
void mail_builder_done(struct mail_builder *b);

/* Takes cost from the budget; false if there is not so much left. */
bool mail_build_charge(struct mail_builder *b, size_t cost);
/* A copy of text; false, and *ret empty, where the budget has not so much left or text.ptr is NULL. */
bool mail_build_bytes(struct mail_builder *b, struct str text, ProtobufCBinaryData *ret);
/* The value of a field, unfolded, which may borrow from it; false where there is none. */
bool mail_build_field(struct mail_builder *b, struct str value, ProtobufCBinaryData *ret);

/* A list of pointers that grows; items is what protobuf takes. */
struct mail_build_list {
	void **items;
	size_t count, room;
};
/* A new item of size zeroed bytes at the end; NULL when the arena is full. */
void *mail_build_add(struct mail_builder *b, struct mail_build_list *list, size_t size) MUST_USE;

#endif
