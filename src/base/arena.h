#ifndef POSTKASSE_BASE_ARENA_H
#define POSTKASSE_BASE_ARENA_H

/*
 * Memory that is released all at once: one arena to a connection, one to a command. An arena has a
 * maximum; going past it makes arena_alloc return NULL, which the caller turns into E_TOO_LARGE.
 */

#include <stddef.h>

#include "base/str.h"

struct arena;

/* max counts the bytes handed out, padding included. No memory is taken before the first use. */
struct arena *arena_new(size_t max) __attribute__((returns_nonnull, warn_unused_result));
void arena_free(struct arena *arena);
/* From now on what it releases is overwritten first: it may hold a secret. */
void arena_set_secret(struct arena *arena);
/* Zeroed bytes aligned for any type, or NULL past the maximum. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* count elements of size bytes; NULL also when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size) MUST_USE;
/* Copies s and puts a NUL after it; ret->ptr is NULL when the arena is full. */
struct str arena_str(struct arena *arena, struct str s) MUST_USE;

#endif
