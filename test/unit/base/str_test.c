#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_compare(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		int order, order_nocase;
	} cases[] = {
		{"", "", 0, 0},        {"a", "", 1, 1},   {"", "a", -1, -1},     {"abc", "abd", -1, -1},
		{"ABC", "abc", -1, 0}, {"Z", "a", -1, 1}, {"ab", "abc", -1, -1}, {"\xc3", "a", 1, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str a = str_from(cases[i].a), b = str_from(cases[i].b);
		int order = str_compare(a, b), nocase = str_compare_nocase(a, b);
		assert_int_equal((order > 0) - (order < 0), cases[i].order);
		assert_int_equal((nocase > 0) - (nocase < 0), cases[i].order_nocase);
		assert_int_equal(str_eq(a, b), cases[i].order == 0);
		assert_int_equal(str_eq_nocase(a, b), cases[i].order_nocase == 0);
	}
}

static void test_find_and_slice(void **state)
{
	(void)state;
	struct str s = STR("one, two, three");
	assert_int_equal(str_find_byte(s, ','), 3);
	assert_int_equal(str_rfind_byte(s, ','), 8);
	assert_int_equal(str_find_byte(s, 'x'), -1);
	assert_int_equal(str_find(s, STR("two")), 5);
	assert_int_equal(str_find(s, STR("")), 0);
	assert_int_equal(str_find(STR(""), STR("a")), -1);
	assert_true(str_eq(str_slice(s, 5, 3), STR("two")));
	assert_true(str_eq(str_slice(s, 10, 100), STR("three")));
	assert_int_equal(str_slice(s, 99, 1).len, 0);
	assert_true(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
	assert_int_equal(str_trim(STR("  ")).len, 0);
	assert_true(str_starts_nocase(s, STR("ONE,")));
	assert_true(str_ends_nocase(s, STR("THREE")));
	assert_false(str_ends_nocase(STR("e"), STR("three")));
}

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t max, expect;
		bool ok;
	} cases[] = {
		{"0", 10, 0, true},
		{"007", 10, 7, true},
		{"10", 10, 10, true},
		{"11", 10, 0, false},
		{"", 10, 0, false},
		{"-1", 10, 0, false},
		{"1a", 10, 0, false},
		{"9", 5, 0, false},
		{"4294967295", UINT32_MAX, UINT32_MAX, true},
		{"4294967296", UINT32_MAX, 0, false},
		{"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
		{"18446744073709551616", UINT64_MAX, 0, false},
		{"99999999999999999999999", UINT64_MAX, 0, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t n = 77;
		bool ok = str_to_u64(str_from(cases[i].text), cases[i].max, &n);
		assert_int_equal(ok, cases[i].ok);
		assert_true(n == (ok ? cases[i].expect : 77));
	}
}

static void test_buf_limit(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 8);
	buf_add_text(&b, "12345");
	buf_add_byte(&b, '6');
	assert_false(b.failed);
	buf_add_text(&b, "789");
	assert_true(b.failed);
	assert_true(str_eq(buf_str(&b), STR("123456")));
	/* Once failed, even what would fit is left out: a hole in the middle would be worse. */
	buf_add_byte(&b, '7');
	assert_true(str_eq(buf_str(&b), STR("123456")));
	buf_clear(&b);
	assert_false(b.failed);
	buf_add_u64(&b, 12345678);
	assert_true(str_eq(buf_str(&b), STR("12345678")));
	buf_consume(&b, 3);
	assert_true(str_eq(buf_str(&b), STR("45678")));
	size_t len;
	char *stolen = buf_steal(&b, &len);
	assert_int_equal(len, 5);
	assert_memory_equal(stolen, "45678", 5);
	assert_null(b.ptr);
	free(stolen);
}

static void test_buf_format(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 64);
	buf_addf(&b, "%s=%d", "answer", 42);
	buf_addf(&b, "%s", "");
	assert_true(str_eq(buf_str(&b), STR("answer=42")));
	for (int i = 0; i < 10; i++)
		buf_addf(&b, "%s", "0123456789");
	assert_true(b.failed);
	assert_true(b.len <= 64);
}

static void test_cursor_stays_on_failure(void **state)
{
	(void)state;
	struct cursor c = cursor_of(STR("* 12 FETCH"));
	const char *start = c.p;
	uint64_t n;
	struct str text;
	assert_false(cursor_byte(&c, '+'));
	assert_false(cursor_u64(&c, 100, &n));
	assert_false(cursor_text(&c, STR("* 13")));
	assert_false(cursor_take(&c, 11, &text));
	assert_false(cursor_span(&c, ascii_is_alpha, &text));
	assert_ptr_equal(c.p, start);
	assert_true(cursor_text(&c, STR("* ")));
	assert_true(cursor_u64(&c, 12, &n));
	assert_int_equal(n, 12);
	assert_true(cursor_byte(&c, ' '));
	assert_true(cursor_text_nocase(&c, STR("fet")));
	assert_true(cursor_span(&c, ascii_is_alpha, &text));
	assert_true(str_eq(text, STR("CH")));
	assert_true(cursor_at_end(&c));
	assert_int_equal(cursor_peek(&c), -1);
	assert_int_equal(cursor_rest(&c).len, 0);
}

/* What a secret buffer leaves inside the memory that it keeps; that of freed memory cannot be looked at
 * here, test/e2e/memory_test.py does. */
static void test_buf_secret(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	static const char zeros[64];
	buf_init_secret(&b, 10000);
	buf_add_str(&b, STR("0123456789"));
	buf_consume(&b, 4);
	assert_true(str_eq(buf_str(&b), STR("456789")));
	assert_memory_equal(b.ptr + 6, zeros, 4);
	buf_clear(&b);
	assert_memory_equal(b.ptr, zeros, 10);
	for (int i = 0; i < 900; i++)
		buf_add_str(&b, STR("0123456789"));
	assert_int_equal(b.len, 9000);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.ptr[i], '0' + (int)(i % 10));
	buf_done(&b);
	assert_true(b.secret);
	assert_null(b.ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),    cmocka_unit_test(test_find_and_slice),
		cmocka_unit_test(test_numbers),    cmocka_unit_test(test_buf_limit),
		cmocka_unit_test(test_buf_format), cmocka_unit_test(test_cursor_stays_on_failure),
		cmocka_unit_test(test_buf_secret),
	};
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
