#include "mail/encoding.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

static const struct {
	Pk__Part__Encoding encoding;
	struct str in, out;
} cases[] = {
	{PK__PART__ENCODING__IDENTITY, {"a=3D\0b\r\n", 8}, {"a=3D\0b\r\n", 8}},
	/* base64: RFC 4648 section 10, then what a lenient decoder meets */
	{PK__PART__ENCODING__BASE64, {"", 0}, {"", 0}},
	{PK__PART__ENCODING__BASE64, {"Zg==", 4}, {"f", 1}},
	{PK__PART__ENCODING__BASE64, {"Zm8=", 4}, {"fo", 2}},
	{PK__PART__ENCODING__BASE64, {"Zm9v", 4}, {"foo", 3}},
	{PK__PART__ENCODING__BASE64, {"Zm9vYmFy", 8}, {"foobar", 6}},
	{PK__PART__ENCODING__BASE64, {"Zm9v\r\nYmFy\r\n", 12}, {"foobar", 6}},
	{PK__PART__ENCODING__BASE64, {"Z m\t9\r\nv!Ym*Fy", 14}, {"foobar", 6}},
	{PK__PART__ENCODING__BASE64, {"Zm9vYg", 6}, {"foob", 4}},
	{PK__PART__ENCODING__BASE64, {"Zm9vYmE", 7}, {"fooba", 5}},
	{PK__PART__ENCODING__BASE64, {"Zm9vY", 5}, {"foo", 3}},
	{PK__PART__ENCODING__BASE64, {"Zg==Zm9v", 8}, {"f", 1}},
	{PK__PART__ENCODING__BASE64, {"====", 4}, {"", 0}},
	{PK__PART__ENCODING__BASE64, {"\xff\xfeZm9v", 6}, {"foo", 3}},
	/* quoted-printable */
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=3Db", 5}, {"a=b", 3}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"=c3=A4", 6}, {"\xc3\xa4", 2}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=\r\nb", 5}, {"ab", 2}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a= \t\r\nb", 7}, {"ab", 2}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=\nb", 4}, {"ab", 2}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=", 2}, {"a", 1}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=3", 3}, {"a=3", 3}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a=zzb", 5}, {"a=zzb", 5}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a==3D", 5}, {"a==", 3}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a_b\r\n", 5}, {"a_b\r\n", 5}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"a\0b", 3}, {"a\0b", 3}},
	{PK__PART__ENCODING__QUOTED_PRINTABLE, {"=\rx", 3}, {"=\rx", 3}},
};

static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 100);
		buf_add_byte(&out, '>');
		assert_int_equal(mail_decode(&out, cases[i].in, cases[i].encoding), 0);
		assert_int_equal(out.len, cases[i].out.len + 1);
		assert_memory_equal(out.ptr + 1, cases[i].out.ptr, cases[i].out.len);
	}
}

static void test_other(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 100);
	assert_int_equal(mail_decode(&out, STR("x"), PK__PART__ENCODING__OTHER), E_UNSUPPORTED);
	assert_int_equal(out.len, 0);
}

/* What base64_encode wrote, in lines of any length, comes back, whatever the length. */
static void test_round_trip(void **state)
{
	(void)state;
	char bytes[300];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 37 + i / 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		for (size_t line = 0; line <= 76; line += 4) {
			struct buf text BUF_AUTO, out BUF_AUTO;
			buf_init(&text, 5000);
			buf_init(&out, 300);
			base64_encode(&text, STR_OF(bytes, len), line, STR("\r\n"));
			assert_int_equal(mail_decode(&out, buf_str(&text), PK__PART__ENCODING__BASE64), 0);
			assert_int_equal(out.len, len);
			if (len > 0)
				assert_memory_equal(out.ptr, bytes, len);
		}
	}
}

/* Too little room: an error, and the front of the content. */
static void test_full(void **state)
{
	static const Pk__Part__Encoding encodings[] = {PK__PART__ENCODING__IDENTITY,
	                                               PK__PART__ENCODING__BASE64,
	                                               PK__PART__ENCODING__QUOTED_PRINTABLE};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		for (size_t max = 0; max < 9; max++) {
			struct buf out BUF_AUTO;
			buf_init(&out, max);
			struct str in = i == 1 ? STR("Zm9vYmFyZm9vYmFy") : STR("foobar=\r\nfoobar");
			assert_int_equal(mail_decode(&out, in, encodings[i]), E_TOO_LARGE);
			assert_true(out.len <= max);
			if (out.len > 0)
				assert_memory_equal(out.ptr, i == 0 ? "foobar=\r\n" : "foobarfoo", out.len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
