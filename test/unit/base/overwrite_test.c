/*
 * What is freed is overwritten, whoever frees it. Built without sanitizers in every build, with nothing of
 * ours but src/base/overwrite.c: reads pieces after they were freed, so nothing here may be freed to the
 * system.
 */

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>

enum { MAPPING = 64 << 20, MARK = 0xa7 };

static const size_t sizes[] = {
	1, 8, 24, 25, 40, 100, 128, 129, 1000, 1032, 1033, 4096, 20000, 65536, 100000, 500000, 900000,
};

/* An address that the compiler does not follow, for pieces that were freed. */
static uintptr_t address_of(const void *ptr)
{
	volatile uintptr_t at = (uintptr_t)ptr;
	return at;
}

/* Whether an aligned word of len bytes from at on is still full of MARK: the C library writes its lists
 * and sizes into the first and last words of what is free, never that. */
static bool marked(uintptr_t at, size_t len)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
		volatile const uint64_t *word = (volatile const uint64_t *)(at + i);
		if (*word == UINT64_C(0x0101010101010101) * MARK)
			return true;
	}
	return false;
}

/* A piece full of MARK up to its end, and after it one that keeps it from joining the top of the heap. */
static void *make(size_t size, void *(*allocate)(size_t size), void **after)
{
	void *ptr = allocate(size);
	assert_non_null(ptr);
	*after = malloc(size);
	assert_non_null(*after);
	memset(ptr, MARK, malloc_usable_size(ptr));
	return ptr;
}

static void *aligned_64(size_t size)
{
	return aligned_alloc(64, size);
}

static void *aligned_page(size_t size)
{
	void *ptr;
	return posix_memalign(&ptr, 4096, size) == 0 ? ptr : NULL;
}

static void *zeroed(size_t size)
{
	return calloc(1, size);
}

static void *by_array(size_t size)
{
	return reallocarray(NULL, 1, size);
}

static void *(*const allocators[])(size_t size) = {
	malloc, zeroed, aligned_64, aligned_page, by_array,
};

static void free_test(void **state)
{
	(void)state;
	for (size_t a = 0; a < sizeof(allocators) / sizeof(allocators[0]); a++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			void *after, *ptr = make(sizes[i], allocators[a], &after);
			size_t usable = malloc_usable_size(ptr);
			uintptr_t at = address_of(ptr);
			assert_true(marked(at, usable));
			errno = ERANGE;
			free(ptr);
			assert_int_equal(errno, ERANGE);
			assert_false(marked(at, usable));
			free(after);
		}
	}
	errno = ERANGE;
	free(NULL);
	assert_int_equal(errno, ERANGE);
}

static bool full(const unsigned char *ptr, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ptr[i] != MARK)
			return false;
	return true;
}

static void resize(size_t from, size_t to)
{
	void *after, *old = make(from, malloc, &after);
	size_t usable = malloc_usable_size(old);
	uintptr_t at = address_of(old);
	unsigned char *ptr = realloc(old, to);
	assert_non_null(ptr);
	assert_true(malloc_usable_size(ptr) >= to);
	assert_true(full(ptr, to < from ? to : from));
	if (address_of(ptr) != at) {
		assert_false(marked(at, usable));
	} else {
		/* What is kept of a piece that stays is not less than half of it. */
		assert_true(to >= usable / 2);
		free(ptr);
		assert_false(marked(at, usable));
		ptr = NULL;
	}
	free(ptr);
	free(after);
}

static void realloc_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			resize(sizes[i], sizes[j]);
	void *made = realloc(NULL, 100), *after = malloc(100);
	assert_non_null(made);
	size_t usable = malloc_usable_size(made);
	memset(made, MARK, usable);
	uintptr_t at = address_of(made);
	volatile size_t none = 0;
	assert_null(realloc(made, none));
	assert_false(marked(at, usable));
	free(after);
	void *volatile kept = malloc(100);
	memset(kept, MARK, 100);
	volatile size_t huge = PTRDIFF_MAX;
	errno = 0;
	assert_null(realloc(kept, huge));
	assert_int_equal(errno, ENOMEM);
	assert_true(full(kept, 100));
	free(kept);
}

/* The C library's own calls, and those of libraries. */
static void others_test(void **state)
{
	(void)state;
	static char text[3000];
	memset(text, MARK, sizeof(text) - 1);

	void *after, *ptr = make(1000, malloc, &after);
	uintptr_t at = address_of(ptr);
	void *moved = reallocarray(ptr, 100, 1000);
	assert_non_null(moved);
	assert_true(address_of(moved) != at);
	assert_false(marked(at, 1000));
	free(moved);
	free(after);

	FILE *file = fmemopen(text, sizeof(text), "r");
	assert_non_null(file);
	char *line = malloc(16);
	size_t size = 16;
	assert_non_null(line);
	memset(line, MARK, 16);
	at = address_of(line);
	after = malloc(16);
	assert_true(getline(&line, &size, file) > 2000);
	assert_true(address_of(line) != at);
	assert_false(marked(at, 16));
	fclose(file);
	free(line);
	free(after);

	BIO *bio = BIO_new(BIO_s_mem());
	char *held;
	assert_int_equal(BIO_write(bio, text, 2000), 2000);
	assert_int_equal(BIO_get_mem_data(bio, &held), 2000);
	at = address_of(held);
	after = malloc(2000);
	assert_true(marked(at, 2000));
	BIO_free(bio);
	assert_false(marked(at, 2000));
	free(after);

	struct evbuffer *buffer = evbuffer_new();
	assert_int_equal(evbuffer_add(buffer, text, 2000), 0);
	at = address_of(evbuffer_pullup(buffer, -1));
	after = malloc(2000);
	assert_true(marked(at, 2000));
	evbuffer_free(buffer);
	assert_false(marked(at, 2000));
	free(after);
}

static long faults(void)
{
	struct rusage usage;
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* A piece that is a mapping of its own goes as it is: its pages are not touched, moved or not. */
static void mappings_test(void **state)
{
	(void)state;
	long pages = MAPPING / sysconf(_SC_PAGESIZE);
	unsigned char *ptr = malloc(MAPPING);
	assert_non_null(ptr);
	memset(ptr, MARK, 100);
	ptr[MAPPING - 1] = MARK;
	long before = faults();
	ptr = realloc(ptr, 2 * (size_t)MAPPING);
	assert_non_null(ptr);
	assert_true(full(ptr, 100) && ptr[MAPPING - 1] == MARK && ptr[MAPPING] == 0);
	ptr = realloc(ptr, MAPPING / 2);
	assert_non_null(ptr);
	assert_true(full(ptr, 100));
	free(ptr);
	assert_true(faults() - before < pages / 16);
	/* The same for one that is aligned. */
	ptr = aligned_alloc(4096, MAPPING);
	assert_non_null(ptr);
	ptr[0] = MARK;
	before = faults();
	free(ptr);
	assert_true(faults() - before < pages / 16);
}

static long resident(void)
{
	long size, pages;
	FILE *file = fopen("/proc/self/statm", "re");
	assert_non_null(file);
	char line[100], *end;
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	size = strtol(line, &end, 10);
	pages = strtol(end, NULL, 10);
	assert_true(size > 0 && pages > 0);
	return pages;
}

/* Memory that was overwritten can be given back. */
static void trim_test(void **state)
{
	(void)state;
	enum { COUNT = 4000, SIZE = 8000 };
	static void *pieces[COUNT];
	long before = resident();
	for (size_t i = 0; i < COUNT; i++) {
		pieces[i] = malloc(SIZE);
		assert_non_null(pieces[i]);
		memset(pieces[i], MARK, SIZE);
	}
	long pages = (long)COUNT * SIZE / sysconf(_SC_PAGESIZE);
	assert_true(resident() - before > pages / 2);
	void *last = malloc(SIZE);
	for (size_t i = 0; i < COUNT; i++)
		free(pieces[i]);
	malloc_trim(0);
	assert_true(resident() - before < pages / 10);
	free(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_test),   cmocka_unit_test(realloc_test),
		cmocka_unit_test(others_test), cmocka_unit_test(mappings_test),
		cmocka_unit_test(trim_test),
	};
	/* As the supervisor asks for its processes, and nothing back to the system but when asked for. */
	if (mallopt(M_MMAP_THRESHOLD, 1 << 20) != 1 || mallopt(M_TRIM_THRESHOLD, 1 << 30) != 1)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
