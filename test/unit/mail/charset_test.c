#include "mail/charset.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <iconv.h>
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
	/* labels as the WHATWG Encoding standard reads them */
	{{"don\x92t \x93x\x94", 9}, "ISO_8859-1", 0, "don\u2019t \u201cx\u201d", NULL},
	{{"don\x92t \x93x\x94", 9}, "iso8859-1", 0, "don\u2019t \u201cx\u201d", NULL},
	{{"\x93", 1}, "ISO8859_1", 0, "\u201c", NULL},
	{{"caf\xe9 \x93x\x94", 8}, "windows-1252", 0, "caf\u00e9 \u201cx\u201d", NULL},
	{{"caf\xe9 \x93", 6}, "ansi_x3.4-1968", 0, "caf\xef\xbf\xbd \xef\xbf\xbd", "caf\u00e9 \u201c"},
	{{"\x93\xfd\x94", 3}, "iso-8859-9", 0, "\u201c\u0131\u201d", NULL},
	{{"\xe4\xee", 2}, "x-cp1251", 0, "\u0434\u043e", NULL},
	{{"\xbb\xe1\xd2\xe9", 4}, "GB_2312-80", 0, "\u4f1a\u8bae", NULL},
	{{"\xe9\x46\x81\x30\x81\x30", 6}, "x-gbk", 0, "\u9555\xc2\x80", NULL},
	{{"\x80\xd2\xbb", 3}, "gbk", 0, "\u20ac\u4e00", NULL},
	{{"\x8c\x63\xb9\xe6", 4}, "euc-kr", 0, "\ub620\ubc29", NULL},
	{{"\x8c\x63", 2}, "ks_c_5601-1987", 0, "\ub620", NULL},
	{{"\x87\x40\x81\x60\\", 5}, "Shift_JIS", 0, "\u2460\uff5e\\", NULL},
	{{"\xa3\xe1\x87\x40", 4}, "big5", 0, "\u20ac\u43f0", NULL},
	{{"\xa4", 1}, "latin-9", 0, "\u20ac", NULL},
	{{"\0\xaara \xfe\xe3rii", 10},
     "ISO-8859-16",
     0,
     "\u0218ra \u021b\u0103rii",
     "\u0218ra \u021b\u0103rii"},
	{{"\x1b$B2q5D\x1b(B", 10}, "iso-2022-jp-ms", 0, "\u4f1a\u8b70", NULL},
	{{"\x1b$B2q5D\x1b(B", 10}, "CP50220", 0, "\u4f1a\u8b70", NULL},
	{{"\x1b$B-!\x1b(I1\x1b(B", 12}, "iso-2022-jp", 0, "\u2460\uff71", NULL},
	/* pieces put together, with shifts back and forth between them */
	{{"\x1b$B2q\x1b(B\x1b$B5D\x1b(B", 16}, "iso-2022-jp", 0, "\u4f1a\u8b70", NULL},
	{{"\x1b$B2q\x1b(B\x1b(J\x1b$@5D\x1b(Bx", 20}, "iso-2022-jp", 0, "\u4f1a\u8b70x", NULL},
	{{"~{;aRi~}~{M(V*~}", 16}, "hz-gb-2312", 0, "\u4f1a\u8bae\u901a\u77e5", NULL},
	{{"\x1b$)C\x0e!!\x0f\x0e!!\x0f", 12}, "iso-2022-kr", 0, "\u3000\u3000", NULL},
	{{"\x1b", 1}, "iso-2022-jp", 0, "\xef\xbf\xbd", NULL},
	{{"\x1b(\x1b(B~{", 7}, "iso-2022-jp", 0, NULL, NULL},
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
		if (cases[i].out != NULL)
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
	static const char *const charsets[] = {
		"utf-8",       "us-ascii", "windows-1251", "iso-2022-jp", "iso-2022-kr", "utf-16",
		"utf-7",       "gb18030",  "euc-jp",       "hz",          "scsu",        "bocu-1",
		"iso-2022-cn", "cp50220",  "euc-kr",       "x-gbk",       "latin10"};
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

/* Every byte of what is ours and not ICU's, as the C library reads it. */
static void test_latin10(void **state)
{
	(void)state;
	char bytes[255], expected[1024];
	char *in = bytes, *end = expected;
	size_t in_left = sizeof(bytes), room = sizeof(expected);
	struct buf out BUF_AUTO;
	buf_init(&out, sizeof(expected));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i + 1);
	iconv_t from = iconv_open("UTF-8", "ISO-8859-16");
	assert_true(from != (iconv_t)-1);
	assert_int_equal(iconv(from, &in, &in_left, &end, &room), 0);
	assert_int_equal(iconv_close(from), 0);
	assert_int_equal(mail_to_utf8(&out, STR_OF(bytes, sizeof(bytes)), STR("ISO-8859-16")), 0);
	assert_true(str_eq(buf_str(&out), STR_OF(expected, end - expected)));
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
		cmocka_unit_test(test_latin10),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
