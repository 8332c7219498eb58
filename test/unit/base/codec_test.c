#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_hex(void **state)
{
	(void)state;
	char text[7];
	hex_encode("\x00\xff\x5a", 3, text);
	assert_string_equal(text, "00ff5a");
}

/* RFC 4648 section 10. */
static void test_base64_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *plain, *coded;
	} cases[] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf coded BUF_AUTO, plain BUF_AUTO;
		buf_init(&coded, 100);
		buf_init(&plain, 100);
		base64_encode(&coded, str_from(cases[i].plain), 0, STR(""));
		assert_true(str_eq(buf_str(&coded), str_from(cases[i].coded)));
		assert_true(base64_decode(&plain, str_from(cases[i].coded)));
		assert_true(str_eq(buf_str(&plain), str_from(cases[i].plain)));
	}
}

static void test_base64_refuses(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"Z",    "Zg",    "Zg=",  "Zh==",     "Zm9=", "Z===", "====",    "Zm8=Zm8=",
		"Zm 8", "Zm\n8", "Zm9-", "Zg==Zg==", "=g==", "Z=g=", "\xffm9v",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf plain BUF_AUTO;
		buf_init(&plain, 100);
		buf_add_text(&plain, "before");
		assert_false(base64_decode(&plain, str_from(cases[i])));
		assert_true(str_eq(buf_str(&plain), STR("before")));
	}
}

static void test_base64_lines(void **state)
{
	(void)state;
	struct buf coded BUF_AUTO;
	buf_init(&coded, 1000);
	base64_encode(&coded, STR("aaabbbcccd"), 8, STR("\r\n"));
	assert_true(str_eq(buf_str(&coded), STR("YWFhYmJi\r\nY2NjZA==")));
	buf_clear(&coded);
	base64_encode(&coded, STR("aaabbb"), 8, STR("\r\n"));
	assert_true(str_eq(buf_str(&coded), STR("YWFhYmJi")));
}

static void test_base64_round_trip(void **state)
{
	(void)state;
	srandom(7);
	for (size_t len = 0; len < 300; len++) {
		char *bytes MEM_AUTO = mem_new(len + 1);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)random();
		struct buf coded BUF_AUTO, plain BUF_AUTO;
		buf_init(&coded, 1000);
		buf_init(&plain, 1000);
		base64_encode(&coded, STR_OF(bytes, len), 0, STR(""));
		assert_int_equal(coded.len, base64_size(len));
		assert_true(base64_decode(&plain, buf_str(&coded)));
		assert_true(str_eq(buf_str(&plain), STR_OF(bytes, len)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_base64_refuses),
		cmocka_unit_test(test_base64_lines),
		cmocka_unit_test(test_base64_round_trip),
	};
	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
