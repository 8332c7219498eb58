#include "imap/scratch.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/mem.h"

struct extra {
	struct extra *next;
	alignas(max_align_t) char bytes[];
};

struct scratch {
	char *base; /* taken at the first use */
	size_t used;
	struct extra *extras;
	size_t extra_used;
	ProtobufCAllocator allocator;
	struct loop *loop;
	struct loop_task tidy; /* gives base back */
};

static void *allocate(void *data, size_t size)
{
	struct scratch *scratch = data;
	size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (aligned < size)
		return NULL;
	if (aligned <= SCRATCH_SIZE - scratch->used) {
		void *ptr = scratch->base + scratch->used;
		scratch->used += aligned;
		return ptr;
	}
	if (aligned > SCRATCH_MAX - scratch->extra_used)
		return NULL;
	struct extra *extra = mem_grow(NULL, 1, sizeof(*extra) + aligned);
	extra->next = scratch->extras;
	scratch->extras = extra;
	scratch->extra_used += aligned;
	return extra->bytes;
}

static void release(void *data, void *ptr)
{
	(void)data;
	(void)ptr;
}

/* From the loop itself, when nobody looks at a message. */
static void tidy_cb(void *ctx)
{
	struct scratch *scratch = ctx;
	free(scratch->base);
	scratch->base = NULL;
}

struct scratch *scratch_new(struct loop *loop)
{
	struct scratch *scratch = mem_new(sizeof(*scratch));
	scratch->allocator = (ProtobufCAllocator){allocate, release, scratch};
	scratch->loop = loop;
	scratch->tidy = (struct loop_task){.run = tidy_cb, .ctx = scratch};
	return scratch;
}

struct scratch_mark scratch_mark(const struct scratch *scratch)
{
	return (struct scratch_mark){scratch->used, scratch->extra_used, scratch->extras};
}

void scratch_release(struct scratch *scratch, const struct scratch_mark *mark)
{
	while (scratch->extras != mark->extras) {
		struct extra *next = scratch->extras->next;
		free(scratch->extras);
		scratch->extras = next;
	}
	scratch->extra_used = mark->extra_used;
	scratch->used = mark->used;
}

void scratch_reset(struct scratch *scratch)
{
	const struct scratch_mark beginning = {0};
	scratch_release(scratch, &beginning);
}

void scratch_free(struct scratch *scratch)
{
	if (scratch == NULL)
		return;
	scratch_reset(scratch);
	loop_later_cancel(&scratch->tidy);
	free(scratch->base);
	free(scratch);
}

void *scratch_unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *type,
                     struct str bytes, size_t items_max)
{
	if (scratch->base == NULL)
		scratch->base = mem_grow(NULL, SCRATCH_SIZE, 1);
	if (scratch->loop != NULL)
		loop_tidy(scratch->loop, &scratch->tidy);
	return wire_unpack(type, bytes, items_max, &scratch->allocator);
}
