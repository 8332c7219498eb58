/* The small pieces of src/base: arena, clock, errors, log, map. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

static void test_arena_maximum(void **state)
{
	(void)state;
	struct arena *arena = arena_new(100000);
	size_t total = 0;
	for (size_t size = 1; total + size + 16 <= 100000; size = size * 2 + 1) {
		char *bytes = arena_alloc(arena, size);
		assert_non_null(bytes);
		assert_int_equal((uintptr_t)bytes % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(bytes[i], 0);
		memset(bytes, 0xff, size);
		total += (size + 15) / 16 * 16;
	}
	assert_null(arena_alloc(arena, 100000));
	assert_null(arena_alloc(arena, SIZE_MAX));
	assert_null(arena_array(arena, SIZE_MAX / 2, 3));
	assert_null(arena_str(arena, STR_OF("", SIZE_MAX)).ptr);
	arena_free(arena);
	arena = arena_new(100000);
	struct str copy = arena_str(arena, STR("text"));
	assert_string_equal(copy.ptr, "text");
	assert_non_null(arena_alloc(arena, 90000));
	arena_free(arena);
	arena_free(NULL);
}

static void test_iso8601(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{-1000, "1969-12-31T23:59:59.999Z"},
		{951782400000000, "2000-02-29T00:00:00.000Z"},
		{1796000400123000, "2026-11-30T01:00:00.123Z"},
		{-62167219200000000, "0000-01-01T00:00:00.000Z"},
		{253402300799999000, "9999-12-31T23:59:59.999Z"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[ISO8601_SIZE];
		int64_t us = 1;
		iso8601_format(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
		assert_true(iso8601_parse(str_from(text), &us));
		assert_true(us == cases[i].us);
	}
	char text[ISO8601_SIZE];
	iso8601_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.000Z");
	iso8601_format(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	static const char *const bad[] = {
		"",
		"1970-01-01",
		"1970-01-01T00:00:00",
		"1970-13-01T00:00:00Z",
		"1970-02-30T00:00:00Z",
		"1970-01-01T24:00:00Z",
		"1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00.1234567890Z",
		"1970-01-01T00:00:00+00:00",
		"1970-01-01T00:00:00Zx",
		"1900-02-29T00:00:00Z",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t us;
		assert_false(iso8601_parse(str_from(bad[i]), &us));
	}
}

static void test_civil_every_day(void **state)
{
	(void)state;
	int64_t seconds = -2208988800; /* 1900-01-01, a Monday */
	int weekday = 1;
	for (int days = 0; days < 150000; days++, seconds += 86400) {
		struct civil civil = civil_from_seconds(seconds + 12345);
		assert_true(civil_valid(&civil));
		assert_true(civil_to_seconds(&civil) == seconds + 12345);
		assert_int_equal(civil_weekday(seconds), weekday);
		weekday = (weekday + 1) % 7;
	}
}

static void test_errors(void **state)
{
	(void)state;
	struct errinfo info;
	assert_int_equal(err_set(&info, E_QUOTA, "a\nb %d", 5), E_QUOTA);
	assert_string_equal(info.text, "a?b 5");
	assert_int_equal(err_set(NULL, E_IO, "x"), E_IO);
	for (int error = E_OK; error >= E_LAST; error--)
		assert_string_not_equal(err_name(error), "unknown");
	assert_string_equal(err_name(1), "unknown");
	assert_string_equal(err_name(E_LAST - 1), "unknown");
}

static void test_log_quotes_what_a_peer_sent(void **state)
{
	(void)state;
	char longer[LOG_VALUE_MAX + 50];
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	struct buf out BUF_AUTO;
	buf_init(&out, LOG_LINE_MAX);
	const struct log_field fields[] = {
		F_STR("name", STR("two words\r\nevent=forged \"x\" \\ \xc3\xa6")),
		F_TEXT("empty", ""),
		F_INT("n", -3),
		F_ERR(E_NO_SPACE),
		F_TEXT("long", longer),
		{0},
	};
	log_format(&out, "smtp", 0, LOG_LEVEL_WARN, "smtp.test", fields);
	buf_add_byte(&out, '\0');
	assert_non_null(strstr(out.ptr,
	                       "time=1970-01-01T00:00:00.000Z level=warn role=smtp event=smtp.test "
	                       "name=\"two words\\x0d\\x0aevent=forged \\\"x\\\" \\\\ "
	                       "\\xc3\\xa6\" empty=\"\" n=-3 error=no_space long=aaa"));
	assert_int_equal(strlen(strstr(out.ptr, "long=")), 5 + LOG_VALUE_MAX + 1);
	assert_ptr_equal(strchr(out.ptr, '\n'), out.ptr + out.len - 2);
}

static void test_map_against_a_table(void **state)
{
	(void)state;
	enum { KEYS = 500 };
	static int values[KEYS];
	bool there[KEYS] = {false};
	size_t count = 0;
	struct map *map = map_new();
	srandom(11);
	for (int i = 0; i < 20000; i++) {
		int k = (int)(random() % KEYS);
		char key[16];
		snprintf(key, sizeof(key), "key-%d", k);
		void *before = there[k] ? &values[k] : NULL;
		if (random() % 2 == 0) {
			assert_ptr_equal(map_put(map, str_from(key), &values[k]), before);
			count += !there[k];
			there[k] = true;
		} else {
			assert_ptr_equal(map_remove(map, str_from(key)), before);
			count -= there[k];
			there[k] = false;
		}
		assert_int_equal(map_count(map), count);
		assert_ptr_equal(map_get(map, str_from(key)), there[k] ? &values[k] : NULL);
	}
	size_t position = 0, seen = 0;
	struct str key;
	void *value;
	while (map_next(map, &position, &key, &value)) {
		assert_true(there[(int *)value - values]);
		seen++;
	}
	assert_int_equal(seen, count);
	map_free(map);
	map_free(NULL);
}

/* The reference vector of the SipHash paper, appendix A. */
static void test_siphash(void **state)
{
	(void)state;
	const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	char bytes[15];
	for (int i = 0; i < 15; i++)
		bytes[i] = (char)i;
	assert_true(siphash(key, STR_OF(bytes, 15)) == 0xa129ca6149be45e5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_maximum),
		cmocka_unit_test(test_iso8601),
		cmocka_unit_test(test_civil_every_day),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_log_quotes_what_a_peer_sent),
		cmocka_unit_test(test_map_against_a_table),
		cmocka_unit_test(test_siphash),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
