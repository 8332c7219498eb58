#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void must_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "postkasse: must(%s) failed at %s:%d\n", condition, file, line);
	abort();
}

static void *checked(void *ptr)
{
	if (ptr == NULL) {
		fputs("postkasse: out of memory\n", stderr);
		abort();
	}
	return ptr;
}

void *mem_new(size_t size)
{
	return checked(calloc(1, size == 0 ? 1 : size));
}

void *mem_new_array(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *mem_grow(void *old, size_t count, size_t size)
{
	return checked(reallocarray(old, count == 0 ? 1 : count, size == 0 ? 1 : size));
}

char *mem_copy_string(const char *ptr, size_t len)
{
	char *copy = mem_new(len + 1);
	if (len > 0)
		memcpy(copy, ptr, len);
	return copy;
}

void mem_auto_free(void *pointer_to_pointer)
{
	void *ptr;
	memcpy(&ptr, pointer_to_pointer, sizeof(ptr));
	free(ptr);
}
