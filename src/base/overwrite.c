/*
 * Overwrites what is freed, in every process of this program: mail is not to stay in memory once nobody
 * works on it any more. free() and realloc() are defined here, so the loader gives them to everything
 * in the process: to us, to the libraries (OpenSSL, SQLite, libevent, protobuf-c, ICU, zstd), and to the C
 * library itself (reallocarray, getline, operator delete). All memory still comes from the C library and goes
 * back to it; none is handed on to anybody, or kept in its lists, with what it held.
 *
 * The C library could do this itself (glibc.malloc.perturb), but fills what it hands out as well, and passes
 * by its caches of small pieces, which must then be off: doc/decisions/0015-free-overwrites.md.
 *
 * Under AddressSanitizer the allocator is not the C library's, and this file is empty; max_free_fill_size
 * makes it do the same.
 */

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define OTHER_ALLOCATOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OTHER_ALLOCATOR 1
#endif
#endif

#ifdef OTHER_ALLOCATOR

typedef int overwrite_is_empty; /* ISO C wants something in a file */

#else

/* What glibc calls its own for those who define free(). */
void __libc_free(void *ptr);
void *__libc_realloc(void *ptr, size_t size);

/*
 * Whether a large piece is a mapping of its own, which goes back to the system as it is: writing into it
 * would only bring in pages that were never touched. Bit 1 of the word before a piece says so, in every
 * version of glibc; test-base-overwrite sees it.
 */
static bool is_mapping(const void *ptr)
{
	size_t head;
	memcpy(&head, (const char *)ptr - sizeof(head), sizeof(head));
	return (head & 2) != 0;
}

/* As the C library's: NULL is fine, errno stays. */
void free(void *ptr)
{
	if (ptr == NULL)
		return;
	/* Not its size when asked for: up to the end, where a larger piece may have been cut or kept. */
	if (!is_mapping(ptr))
		explicit_bzero(ptr, malloc_usable_size(ptr));
	__libc_free(ptr);
}

/*
 * As the C library's, but what moves leaves nothing where it was, and what shrinks much moves. A mapping
 * is moved by the system, page by page.
 */
void *realloc(void *ptr, size_t size)
{
	if (ptr == NULL)
		return malloc(size);
	if (size == 0) {
		free(ptr);
		return NULL;
	}
	if (is_mapping(ptr))
		return __libc_realloc(ptr, size);
	size_t usable = malloc_usable_size(ptr);
	if (size <= usable && size >= usable / 2)
		return ptr;
	void *moved = malloc(size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, ptr, size < usable ? size : usable);
	free(ptr);
	return moved;
}

#endif
