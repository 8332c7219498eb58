#include "imap/utf7.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"

static void test_both_ways(void **state)
{
	(void)state;
	static const struct {
		const char *utf7, *utf8;
	} cases[] = {
		{"", ""},
		{"INBOX", "INBOX"},
		{"Sent Mail", "Sent Mail"},
		{"a&-b", "a&b"},
		{"&-&-", "&&"},
		{"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5"
	                                        "\xe6\x9c\xac\xe8\xaa\x9e"},
		{"&2D3eAA-", "\xf0\x9f\x98\x80"},
		{"&AOQA9gD8-", "\xc3\xa4\xc3\xb6\xc3\xbc"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		assert_true(utf7_decode(str_from(cases[i].utf7), &out));
		assert_true(str_eq(buf_str(&out), str_from(cases[i].utf8)));
		buf_clear(&out);
		utf7_encode(str_from(cases[i].utf8), &out);
		assert_true(str_eq(buf_str(&out), str_from(cases[i].utf7)));
	}
}

static void test_not_utf7(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"&",        /* open */
		"a&APw",    /* open */
		"&AGE-",    /* "a" must stand for itself */
		"&2D0-",    /* half a pair */
		"&3gA-",    /* the other half */
		"&AP=-",    /* no digit */
		"&APx-",    /* bits left over that are not zero */
		"&A-",      /* too short for a unit */
		"&AAA-",    /* NUL */
		"\xc3\xbc", /* eight bits */
		"a\x01z",   /* a control character */
		"&2D3YPQ-", /* two first halves */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		buf_add_text(&out, "kept");
		assert_false(utf7_decode(str_from(cases[i]), &out));
		assert_true(str_eq(buf_str(&out), STR("kept")));
	}
}

static void test_utf8_valid(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"", true},
		{"abc", true},
		{"\xc3\xbc", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\xc0\x80", false},         /* overlong */
		{"\xe0\x80\x80", false},     /* overlong */
		{"\xed\xa0\x80", false},     /* surrogate */
		{"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
		{"\xc3", false},
		{"\x80", false},
		{"\xff", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(utf8_valid(str_from(cases[i].text)), cases[i].valid);
	assert_false(utf8_valid(STR("a\0b")));
}

/* What decodes encodes back to a form that decodes to the same. */
static void test_all_short_inputs(void **state)
{
	(void)state;
	static const char alphabet[] = "&-A,aPw2D3e";
	for (unsigned n = 0; n < 11 * 11 * 11 * 11 * 11; n++) {
		char text[5];
		unsigned rest = n;
		for (size_t i = 0; i < sizeof(text); i++, rest /= 11)
			text[i] = alphabet[rest % 11];
		struct buf once BUF_AUTO, again BUF_AUTO, twice BUF_AUTO;
		buf_init(&once, 100);
		buf_init(&again, 100);
		buf_init(&twice, 100);
		if (!utf7_decode(STR_OF(text, sizeof(text)), &once))
			continue;
		assert_true(utf8_valid(buf_str(&once)));
		utf7_encode(buf_str(&once), &again);
		assert_true(utf7_decode(buf_str(&again), &twice));
		assert_true(str_eq(buf_str(&once), buf_str(&twice)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_not_utf7),
		cmocka_unit_test(test_utf8_valid),
		cmocka_unit_test(test_all_short_inputs),
	};
	return cmocka_run_group_tests_name("imap/utf7", tests, NULL, NULL);
}
