#ifndef POSTKASSE_BASE_MEM_H
#define POSTKASSE_BASE_MEM_H

/*
 * Memory that cannot fail: running out ends the process, here and nowhere else. Every size that a
 * peer influences is therefore checked against a named limit before one of these is called.
 */

#include <stddef.h>

/* Returns size zeroed bytes, to be released with free(); a size of 0 counts as 1. */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns count zeroed elements of size bytes each; an overflow of the product ends the process. */
void *mem_new_array(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull, warn_unused_result));

/* Like realloc() to count elements of size bytes; memory past the old end is not zeroed. */
void *mem_grow(void *old, size_t count, size_t size)
	__attribute__((returns_nonnull, warn_unused_result));

/* Returns a copy of len bytes with a NUL after them, to be released with free(). */
char *mem_copy_string(const char *ptr, size_t len)
	__attribute__((malloc, returns_nonnull, warn_unused_result));

/* For scope cleanup of heap pointers: char *text MEM_AUTO = ...; */
#define MEM_AUTO __attribute__((cleanup(mem_auto_free)))
void mem_auto_free(void *pointer_to_pointer);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The structure that holds a member, from a pointer to that member. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
