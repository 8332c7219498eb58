#include "net/tls_memory.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* OpenSSL's allocation functions have no context pointer, so this is state of the process. */
static struct {
	pthread_mutex_t lock; /* guards all but base */
	char *base;           /* set once, before the functions are installed */
	size_t fresh;         /* blocks from here on were never used */
	size_t free_count;
	uint16_t free[TLS_MEMORY_BLOCKS]; /* a stack: the last one freed is the next one used */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool in_pool(const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr, base = (uintptr_t)pool.base;
	return at >= base && at < base + TLS_MEMORY_RESERVED;
}

static void *pool_take(void)
{
	void *block = NULL;
	pthread_mutex_lock(&pool.lock);
	if (pool.free_count > 0)
		block = pool.base + (size_t)pool.free[--pool.free_count] * TLS_MEMORY_BLOCK;
	else if (pool.fresh < TLS_MEMORY_BLOCKS)
		block = pool.base + pool.fresh++ * TLS_MEMORY_BLOCK;
	pthread_mutex_unlock(&pool.lock);
	return block;
}

static void pool_give(void *ptr)
{
	size_t index = (size_t)((char *)ptr - pool.base) / TLS_MEMORY_BLOCK;
	/* It held plain text, as the C library's own memory does, which is overwritten when it is freed. */
	explicit_bzero(ptr, TLS_MEMORY_BLOCK);
	pthread_mutex_lock(&pool.lock);
	if (pool.free_count >= TLS_MEMORY_KEPT)
		(void)madvise(ptr, TLS_MEMORY_BLOCK, MADV_DONTNEED);
	pool.free[pool.free_count++] = (uint16_t)index;
	pthread_mutex_unlock(&pool.lock);
}

static bool fits(size_t size)
{
	return size >= TLS_MEMORY_MIN && size <= TLS_MEMORY_BLOCK;
}

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	void *block = fits(size) ? pool_take() : NULL;
	return block != NULL ? block : malloc(size);
}

static void give(void *ptr, const char *file, int line)
{
	(void)file;
	(void)line;
	if (ptr != NULL && in_pool(ptr))
		pool_give(ptr);
	else
		free(ptr);
}

/* Blocks move when they outgrow the pool, and never into it. */
static void *resize(void *ptr, size_t size, const char *file, int line)
{
	if (ptr == NULL)
		return take(size, file, line);
	if (!in_pool(ptr))
		return realloc(ptr, size);
	if (size > 0 && size <= TLS_MEMORY_BLOCK)
		return ptr;
	void *moved = NULL;
	if (size > 0) {
		moved = malloc(size);
		if (moved == NULL)
			return NULL;
		memcpy(moved, ptr, TLS_MEMORY_BLOCK);
	}
	give(ptr, file, line);
	return moved;
}

bool tls_memory_init(void)
{
	if (pool.base != NULL)
		return true;
	void *base = mmap(NULL, TLS_MEMORY_RESERVED, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	/* Records hold plain text of mail: not in a core dump, should one ever be written. */
	(void)madvise(base, TLS_MEMORY_RESERVED, MADV_DONTDUMP);
	pool.base = base;
	if (CRYPTO_set_mem_functions(take, resize, give) == 1)
		return true;
	pool.base = NULL;
	munmap(base, TLS_MEMORY_RESERVED);
	return false;
}

size_t tls_memory_used(void)
{
	pthread_mutex_lock(&pool.lock);
	size_t used = pool.fresh - pool.free_count;
	pthread_mutex_unlock(&pool.lock);
	return used;
}
