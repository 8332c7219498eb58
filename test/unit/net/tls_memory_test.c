/* The pool of OpenSSL's record buffers, through OpenSSL's own functions. */

#include "net/tls_memory.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static bool filled(const unsigned char *ptr, unsigned char with, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ptr[i] != with)
			return false;
	return true;
}

static void sizes_test(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		bool pooled;
	} cases[] = {
		{1, false},       {TLS_MEMORY_MIN - 1, false}, {TLS_MEMORY_MIN, true},
		{16712, true},    {TLS_MEMORY_BLOCK, true},    {TLS_MEMORY_BLOCK + 1, false},
		{1000000, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t before = tls_memory_used();
		unsigned char *ptr = OPENSSL_malloc(cases[i].size);
		assert_int_equal(tls_memory_used() - before, cases[i].pooled);
		memset(ptr, 7, cases[i].size);
		/* Smaller, larger within a block, larger than any: the bytes stay. */
		size_t kept = cases[i].size < 1000 ? cases[i].size : 1000;
		ptr = OPENSSL_realloc(ptr, kept);
		assert_true(filled(ptr, 7, kept));
		ptr = OPENSSL_realloc(ptr, TLS_MEMORY_BLOCK);
		assert_true(filled(ptr, 7, kept));
		ptr = OPENSSL_realloc(ptr, 100000);
		assert_true(filled(ptr, 7, kept));
		assert_int_equal(tls_memory_used(), before);
		OPENSSL_free(ptr);
		ptr = OPENSSL_realloc(NULL, 20000);
		assert_int_equal(tls_memory_used(), before + 1);
		OPENSSL_free(ptr);
		assert_int_equal(tls_memory_used(), before);
	}
}

static size_t resident(void)
{
	size_t total = 0, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_int_equal(fscanf(file, "%zu %zu", &total, &pages), 2);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* All blocks and then some; what is given back goes back to the system. */
static void all_test(void **state)
{
	(void)state;
	enum { COUNT = TLS_MEMORY_BLOCKS + 10, SIZE = 16384 };
	unsigned char **ptrs = mem_new_array(COUNT, sizeof(*ptrs));
	size_t used = tls_memory_used(), before = resident();
	for (size_t i = 0; i < COUNT; i++) {
		ptrs[i] = OPENSSL_malloc(SIZE);
		memset(ptrs[i], (int)i, SIZE);
	}
	assert_int_equal(tls_memory_used(), TLS_MEMORY_BLOCKS);
	assert_true(resident() > before + (size_t)TLS_MEMORY_BLOCKS * SIZE);
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(filled(ptrs[i], (unsigned char)i, SIZE));
		OPENSSL_free(ptrs[i]);
	}
	assert_int_equal(tls_memory_used(), used);
	assert_true(resident() < before + (size_t)2 * TLS_MEMORY_KEPT * TLS_MEMORY_BLOCK);
	free(ptrs);
}

static void *churn(void *ctx)
{
	unsigned char mine = *(unsigned char *)ctx;
	unsigned char *ptrs[8];
	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < ARRAY_LEN(ptrs); i++) {
			ptrs[i] = OPENSSL_malloc(17000);
			memset(ptrs[i], mine, 17000);
		}
		for (size_t i = 0; i < ARRAY_LEN(ptrs); i++) {
			if (!filled(ptrs[i], mine, 17000))
				return ctx;
			OPENSSL_free(ptrs[i]);
		}
	}
	return NULL;
}

static void threads_test(void **state)
{
	(void)state;
	unsigned char names[4] = {1, 2, 3, 4};
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &names[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(void)
{
	if (!tls_memory_init())
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_test),
		cmocka_unit_test(all_test),
		cmocka_unit_test(threads_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
