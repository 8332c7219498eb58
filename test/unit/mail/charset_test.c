#include "mail/charset.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	struct str in;
	const char *charset;
	int result;
	const char *out;
	const char *lenient;
} cases[] = {
	{{"abc", 3}, "", 0, "abc", "abc"},
	{{"abc", 3}, "US-ASCII", 0, "abc", "abc"},
	{{"\xc3\xa4", 2}, "utf-8", 0, "\xc3\xa4", "\xc3\xa4"},
	{{"\xc3\xa4", 2}, "us-ascii", 0, "\xef\xbf\xbd\xef\xbf\xbd", "\xc3\xa4"},
	{{"\xe4", 1}, "us-ascii", 0, "\xef\xbf\xbd", "\xc3\xa4"},
	{{"\xe4", 1}, "ISO-8859-1", 0, "\xc3\xa4", "\xc3\xa4"},
	{{"\x80", 1}, "iso-8859-1", 0, "\xe2\x82\xac", "\xe2\x82\xac"},
	{{"\xa4", 1}, "iso-8859-15", 0, "\xe2\x82\xac", "\xe2\x82\xac"},
	{{"\xe4", 1}, "nonesuch", E_UNSUPPORTED, "", "\xc3\xa4"},
	{{"\xe4", 1}, "../../data", E_UNSUPPORTED, "", "\xc3\xa4"},
	{{"\xe4", 1},
     "a very long name of a character set that does not exist anywhere",
     E_UNSUPPORTED,
     "",
     "\xc3\xa4"},
	{{"a\0b", 3}, "utf-8", 0, "ab", "ab"},
	{{"a\0b", 3}, "", 0, "ab", "ab"},
	{{"a\0b", 3}, "windows-1252", 0, "ab", "ab"},
	{{"\0a\0b", 4}, "utf-16be", 0, "ab", "ab"},
	{{"\xff\xfe"
      "a\0",
      4},
     "utf-16",
     0,
     "a",
     "a"},
	{{"+AOQ-", 5}, "utf-7", 0, "\xc3\xa4", "\xc3\xa4"},
	{{"\x1b$B$3\x1b(B", 8}, "iso-2022-jp", 0, "\xe3\x81\x93", "\xe3\x81\x93"},
	{{"\x82\xb1", 2}, "shift_jis", 0, "\xe3\x81\x93", "\xe3\x81\x93"},
	{{"\xb0\xa1", 2}, "euc-kr", 0, "\xea\xb0\x80", "\xea\xb0\x80"},
	{{"\xa4\xa4", 2}, "big5", 0, "\xe4\xb8\xad", "\xe4\xb8\xad"},
	/* RFC 3629: overlong, surrogates, beyond the end, truncated */
	{{"\xc0\xaf", 2}, "utf-8", 0, "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
	{{"\xed\xa0\x80x", 4}, "utf-8", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx", NULL},
	{{"\xf4\x90\x80\x80", 4}, "utf-8", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", NULL},
	{{"a\xe2\x82", 3}, "utf-8", 0, "a\xef\xbf\xbd\xef\xbf\xbd", NULL},
};

static void test_convert(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO, lenient BUF_AUTO;
		buf_init(&out, 1000);
		buf_init(&lenient, 1000);
		assert_int_equal(mail_to_utf8(&out, cases[i].in, str_from(cases[i].charset)),
		                 cases[i].result);
		assert_true(utf8_valid(buf_str(&out)));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
		mail_to_utf8_lenient(&lenient, cases[i].in, str_from(cases[i].charset));
		assert_true(utf8_valid(buf_str(&lenient)));
		buf_add_byte(&lenient, '\0');
		if (cases[i].lenient != NULL)
			assert_string_equal(lenient.ptr, cases[i].lenient);
	}
}

/* Every byte in many character sets, with little room and with much. */
static void test_any_bytes(void **state)
{
	static const char *const charsets[] = {"utf-8",       "us-ascii", "windows-1251", "iso-2022-jp",
	                                       "iso-2022-kr", "utf-16",   "utf-7",        "gb18030",
	                                       "euc-jp",      "hz",       "scsu",         "bocu-1"};
	(void)state;
	char bytes[1024];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 167 + i / 256 * 13);
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		for (size_t max = 0; max < 64; max++) {
			struct buf out BUF_AUTO;
			buf_init(&out, max);
			int result = mail_to_utf8(&out, STR_OF(bytes, sizeof(bytes)), str_from(charsets[i]));
			assert_true(result == E_TOO_LARGE || out.len < max);
			assert_true(utf8_valid(buf_str(&out)));
		}
		struct buf all BUF_AUTO;
		buf_init(&all, sizeof(bytes) * 4);
		assert_int_equal(mail_to_utf8(&all, STR_OF(bytes, sizeof(bytes)), str_from(charsets[i])),
		                 0);
		assert_true(utf8_valid(buf_str(&all)));
	}
}

/* A long text crosses every border inside. */
static void test_long(void **state)
{
	(void)state;
	struct buf in BUF_AUTO, out BUF_AUTO;
	buf_init(&in, 200000);
	buf_init(&out, 400000);
	for (size_t i = 0; i < 100000; i++)
		buf_add_byte(&in, (char)(i % 3 == 0 ? 0xe4 : 'a'));
	assert_int_equal(mail_to_utf8(&out, buf_str(&in), STR("windows-1252")), 0);
	assert_int_equal(out.len, 100000 + 33334);
	assert_true(utf8_valid(buf_str(&out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
