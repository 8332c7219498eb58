#include "mail/fold.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { ROOM = 100000 };

/* NFKC_Casefold of the whole text at once, by ICU alone. */
static void reference_fold(struct buf *out, struct str text)
{
	static UChar units[ROOM], folded[ROOM];
	static char bytes[ROOM];
	int32_t len;
	UErrorCode error = U_ZERO_ERROR;
	u_strFromUTF8WithSub(units, ROOM, &len, text.ptr, (int32_t)text.len, 0xfffd, NULL, &error);
	len = unorm2_normalize(unorm2_getNFKCCasefoldInstance(&error), units, len, folded, ROOM,
	                       &error);
	u_strToUTF8(bytes, ROOM, &len, folded, len, &error);
	assert_true(U_SUCCESS(error));
	buf_add(out, bytes, (size_t)len);
}

static void assert_folds_like_icu(struct str text)
{
	struct buf expected BUF_AUTO, found BUF_AUTO;
	buf_init(&expected, ROOM);
	buf_init(&found, ROOM);
	reference_fold(&expected, text);
	mail_fold(&found, text);
	if (!str_eq(buf_str(&expected), buf_str(&found)))
		fail_msg("\"%.*s\" gives \"%.*s\" instead of \"%.*s\"", STR_ARG(text), STR_ARG(found),
		         STR_ARG(expected));
}

static void add_code(struct buf *out, uint32_t code)
{
	char bytes[4];
	int32_t len;
	UChar units[2];
	int32_t count = code < 0x10000 ? 1 : 2;
	UErrorCode error = U_ZERO_ERROR;
	units[0] = (UChar)(code < 0x10000 ? code : 0xd7c0 + (code >> 10));
	units[1] = (UChar)(0xdc00 + (code & 0x3ff));
	u_strToUTF8(bytes, sizeof(bytes), &len, units, count, &error);
	if (U_SUCCESS(error))
		buf_add(out, bytes, (size_t)len);
}

static void test_examples(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"Hello, WORLD @[`{ 0-9", "hello, world @[`{ 0-9"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"},
		{"Stra\xc3\x9f"
	     "e M\xc3\x9cLLER",
	     "strasse m\xc3\xbcller"},
		{"e\xcc\x81", "\xc3\xa9"},
		{"E\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
		{"\xef\xbc\xa1\xef\xbc\xa2", "ab"},
		{"\xef\xac\x81n\xc2\xa0x\xe2\x80\xa6", "fin x..."},
		{"so\xc2\xad"
	     "ft",
	     "soft"},
		{"\xd0\x9f\xd0\xa0\xd0\x98", "\xd0\xbf\xd1\x80\xd0\xb8"},
		{"\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83"},
		{"\xf0\x9f\x98\x80 A", "\xf0\x9f\x98\x80 a"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_fold(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
}

/* Each character alone, after a letter, and before a combining accent: what the tables know by
 * themselves must be what ICU says. */
static void test_every_character(void **state)
{
	static const char *const after[] = {"",  "\xcc\x81", "\xcc\x88", "\xe3\x82\x99",
	                                    "x", "\xc3\x84"};
	(void)state;
	for (uint32_t code = 1; code <= 0x1ffff; code++) {
		/* the large uniform blocks by samples */
		if (code >= 0x3500 && code < 0xf000 && code % 97 != 0)
			continue;
		if (code > 0x2000 && code % 7 != 0 && code > 0x3500)
			continue;
		for (size_t i = 0; i < (code < 0x3200 ? ARRAY_LEN(after) : 2); i++) {
			struct buf text BUF_AUTO;
			buf_init(&text, 100);
			buf_add_text(&text, "oA");
			add_code(&text, code);
			buf_add_text(&text, after[i]);
			assert_folds_like_icu(buf_str(&text));
		}
	}
}

/* Random mixtures long enough to cross the borders between pieces. */
static void test_mixtures(void **state)
{
	static const uint32_t interesting[] = {
		'A',    'z',    ' ',   0xc4,   0xe9,   0xdf,   0x301,   0x308,  0x130,  0x149,
		0x3a3,  0x390,  0x416, 0x439,  0x4e2d, 0x3042, 0x3099,  0xac00, 0x11a8, 0x2026,
		0xfb01, 0xff21, 0xad,  0x200d, 0xa0,   0xfdfa, 0x1f600, 0x1d160};
	(void)state;
	uint32_t random = 1;
	for (int round = 0; round < 300; round++) {
		struct buf text BUF_AUTO;
		buf_init(&text, 20000);
		size_t count = (size_t)round * 7;
		for (size_t i = 0; i < count; i++) {
			random = random * 1664525 + 1013904223;
			size_t pick = random >> 16;
			/* runs of ASCII between them, of every length */
			if (pick % 5 == 0)
				for (size_t n = pick / 5 % 40; n > 0; n--)
					buf_add_byte(&text, (char)('A' + (n + pick) % 50));
			add_code(&text, interesting[pick % ARRAY_LEN(interesting)]);
		}
		assert_folds_like_icu(buf_str(&text));
	}
}

/* Folding what is folded changes nothing: queries and text meet. */
static void test_idempotent(void **state)
{
	(void)state;
	for (uint32_t code = 1; code < 0x3000; code++) {
		struct buf text BUF_AUTO, once BUF_AUTO, twice BUF_AUTO;
		buf_init(&text, 10);
		buf_init(&once, 100);
		buf_init(&twice, 100);
		add_code(&text, code);
		mail_fold(&once, buf_str(&text));
		mail_fold(&twice, buf_str(&once));
		assert_true(str_eq(buf_str(&once), buf_str(&twice)));
	}
}

/* Garbage gives UTF-8, little room gives the front of it. */
static void test_garbage_and_room(void **state)
{
	(void)state;
	uint32_t random = 7;
	for (int round = 0; round < 2000; round++) {
		char bytes[64];
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = (char)(random >> 24 | (random >> 13 & 1 ? 0x80 : 0));
			if (bytes[i] == 0)
				bytes[i] = 'A';
		}
		struct buf all BUF_AUTO, some BUF_AUTO;
		buf_init(&all, 10000);
		mail_fold(&all, STR_OF(bytes, sizeof(bytes)));
		assert_true(utf8_valid(buf_str(&all)));
		buf_init(&some, (size_t)round % 50);
		mail_fold(&some, STR_OF(bytes, sizeof(bytes)));
		assert_true(utf8_valid(buf_str(&some)));
		assert_true(some.len <= some.max);
		assert_true(some.failed || str_eq(buf_str(&all), buf_str(&some)));
	}
}

/* A megabyte of combining accents, of ideographs, of anything: no time that grows with its square. */
static void test_linear(void **state)
{
	static const char *const pieces[] = {"\xcc\x81",     "\xe4\xb8\xad", "\xe3\x81\x8b\xe3\x82\x99",
	                                     "\xff",         "a\xcc\x81",    "\xc3\x9f",
	                                     "\xef\xb7\xba", "\xe1\x84\x80"};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf in BUF_AUTO, out BUF_AUTO;
		buf_init(&in, 1 << 20);
		buf_init(&out, 1 << 24);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		mail_fold(&out, buf_str(&in));
		assert_false(out.failed);
		assert_true(utf8_valid(buf_str(&out)));
	}
	assert_true(clock_monotonic_ms() - start < 30000);
}

/* Blanks as they are seen, compared with the rule written plainly, at every length and place. */
static void test_search_form(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"a\tb", "a b"},
		{"a \t  b", "a b"},
		{" A  ", " a "},
		{"a\r\nb\r", "a\nb"},
		{"a\xc2\xa0 \xe3\x80\x80 b", "a b"},
		{"a \n b", "a \n b"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_search_form(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
	uint32_t random = 1;
	for (int round = 0; round < 20000; round++) {
		char in[40], plain[40];
		size_t len = (size_t)round % sizeof(in), count = 0;
		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			in[i] = "abcdefgh  \t\r\n"[(random >> 24) % 13];
			char c = in[i] == '\t' ? ' ' : in[i];
			if (c != '\r' && (c != ' ' || count == 0 || plain[count - 1] != ' '))
				plain[count++] = c;
		}
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_search_form(&out, STR_OF(in, len));
		assert_true(str_eq(buf_str(&out), STR_OF(plain, count)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),         cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_mixtures),         cmocka_unit_test(test_idempotent),
		cmocka_unit_test(test_garbage_and_room), cmocka_unit_test(test_search_form),
		cmocka_unit_test(test_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
