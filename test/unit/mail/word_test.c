#include "mail/word.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	const char *in, *out;
} cases[] = {
	{"plain text", "plain text"},
	{"", ""},
	/* RFC 2047 section 8 */
	{"=?ISO-8859-1?Q?a?=", "a"},
	{"=?ISO-8859-1?Q?a?= b", "a b"},
	{"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
	{"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab"},
	{"=?ISO-8859-1?Q?a_b?=", "a b"},
	{"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
	{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
     "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>"},
	{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
     "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
     "If you can read this you understand the example."},
	/* RFC 2231 section 5 */
	{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
	/* a character split between words, as many senders do */
	{"=?utf-8?q?M=C3?= =?UTF-8?q?=BCller?=", "M\xc3\xbcller"},
	{"=?utf-8?b?w?= =?utf-8?b?7w==?=", "\xef\xbf\xbd"},
	{"=?iso-2022-jp?b?GyRCJDMbKEI=?=", "\xe3\x81\x93"},
	{"=?gb2312?b?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd"},
	{"=?koi8-r?q?=F0=D2=C9=D7=C5=D4?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"},
	/* words that shift begin anew each */
	{"=?ISO-2022-JP?B?GyRCMnE1RCROGyhC?= =?iso-2022-jp?B?GyRCJCpDTiRpJDsbKEI=?=",
     "\u4f1a\u8b70\u306e\u304a\u77e5\u3089\u305b"},
	{"=?HZ-GB-2312?B?fns7YVJpfn0=?=\t=?hz-gb-2312?B?fntNKFYqfn0=?=", "\u4f1a\u8bae\u901a\u77e5"},
	{"=?utf-7?q?+AOQ?= =?utf-7?q?a+APw-b?=", "\u00e4a\u00fcb"},
	/* inside of words, with blanks, next to others */
	{"a=?utf-8?q?=C3=A4?=b", "a\xc3\xa4"
                             "b"},
	{"=?utf-8?q?two words?=", "two words"},
	{"=?utf-8?q?a?==?utf-8?q?b?=", "ab"},
	{"=?utf-8?Q?\?=x", "x"},
	/* not encoded words */
	{"=?", "=?"},
	{"=?\?q?x?=", "=?\?q?x?="},
	{"=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
	{"=?utf-8?q?abc", "=?utf-8?q?abc"},
	{"=?utf-8?q?a?b?=", "=?utf-8?q?a?b?="},
	{"=?utf-8?q", "=?utf-8?q"},
	{"a =? b ?= c", "a =? b ?= c"},
	/* unknown character set, bad bytes, raw bytes */
	{"=?nonesuch?q?=C3=A4?=", "\xc3\xa4"},
	{"=?nonesuch?q?=E4?=", "\xc3\xa4"},
	{"=?utf-8?q?=E4x?=", "\xef\xbf\xbdx"},
	{"=?utf-8?q?a=00b?=", "ab"},
	{"=?utf-8?q?a=0D=0AFrom:_b=7F?=", "a  From: b "},
	{"raw \xc3\xa4", "raw \xc3\xa4"},
	{"raw \xe4", "raw \xc3\xa4"},
	{"=?../../etc/passwd?q?x?=", "x"},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_words_decode(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
}

/* Cut anywhere in the input, and with room for part of the output only, it is valid UTF-8. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t len = 0; len <= strlen(cases[i].in); len++) {
			char *copy MEM_AUTO = mem_copy_string(cases[i].in, len);
			struct buf out BUF_AUTO, little BUF_AUTO;
			buf_init(&out, 1000);
			mail_words_decode(&out, STR_OF(copy, len));
			assert_true(utf8_valid(buf_str(&out)));
			buf_init(&little, len / 2);
			mail_words_decode(&little, STR_OF(copy, len));
			assert_true(utf8_valid(buf_str(&little)));
			assert_true(little.len <= len / 2);
		}
	}
}

static void test_linear(void **state)
{
	static const char *const pieces[] = {"=?", "=?a?q?", "=?a?q?b",
	                                     "=?a?q?b?= ", "=?a?b?YQ==?=\t=?b?q?x?= "};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf in BUF_AUTO, out BUF_AUTO;
		buf_init(&in, 1 << 19);
		buf_init(&out, 1 << 22);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		mail_words_decode(&out, buf_str(&in));
		assert_true(utf8_valid(buf_str(&out)));
	}
	assert_true(clock_monotonic_ms() - start < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
