#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	BLOCK_SIZE = 4096 - 64, /* the first; each further one doubles, up to the largest */
	BLOCK_SIZE_LARGEST = 256 * 1024,
};

struct block {
	struct block *older;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *newest;
	size_t used;
	size_t max;
	bool secret;
};

struct arena *arena_new(size_t max)
{
	struct arena *arena = mem_new(sizeof(*arena));
	arena->max = max;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	struct block *block = arena->newest;
	while (block != NULL) {
		struct block *older = block->older;
		if (arena->secret)
			explicit_bzero(block->bytes, block->used);
		free(block);
		block = older;
	}
	free(arena);
}

void arena_set_secret(struct arena *arena)
{
	arena->secret = true;
}

static struct block *block_for(struct arena *arena, size_t size)
{
	struct block *block = arena->newest;
	if (block != NULL && block->size - block->used >= size)
		return block;
	size_t room = BLOCK_SIZE;
	if (block != NULL && block->size < BLOCK_SIZE_LARGEST)
		room = block->size * 2;
	if (room < size)
		room = size;
	struct block *fresh = mem_grow(NULL, 1, sizeof(*fresh) + room);
	*fresh = (struct block){.older = block, .size = room};
	arena->newest = fresh;
	return fresh;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX - alignof(max_align_t))
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (size == 0)
		size = alignof(max_align_t);
	if (size > arena->max || arena->used > arena->max - size)
		return NULL;
	struct block *block = block_for(arena, size);
	void *ptr = block->bytes + block->used;
	block->used += size;
	arena->used += size;
	memset(ptr, 0, size);
	return ptr;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *copy = s.len == SIZE_MAX ? NULL : arena_alloc(arena, s.len + 1);
	if (copy == NULL)
		return (struct str){NULL, 0};
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return (struct str){copy, s.len};
}
