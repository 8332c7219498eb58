#include "imap/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

#include "store.pb-c.h"

typedef bool string_rule(struct imap_parse *in, struct str *ret);

struct vector {
	const char *text;
	const char *value; /* NULL: does not match */
	size_t used;
};

static struct imap_parse parse_of(struct str text, struct arena *arena)
{
	return (struct imap_parse){.c = cursor_of(text), .arena = arena};
}

static void check(string_rule *rule, const struct vector *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena *arena = arena_new(100000);
		struct str text = str_from(vectors[i].text);
		struct imap_parse in = parse_of(text, arena);
		struct str value = STR("unset");
		bool ok = rule(&in, &value);
		assert_int_equal(ok, vectors[i].value != NULL);
		assert_int_equal(text.len - cursor_left(&in.c), ok ? vectors[i].used : 0);
		if (ok) {
			assert_true(str_eq(value, str_from(vectors[i].value)));
			assert_int_equal(value.ptr[value.len], '\0');
		}
		/* Cut at every place: never past the end, and no movement on failure. */
		for (size_t len = 0; len < text.len; len++) {
			char *copy = str_dup(str_slice(text, 0, len));
			struct imap_parse cut = parse_of(STR_OF(copy, len), arena);
			if (!rule(&cut, &value))
				assert_int_equal(cursor_left(&cut.c), len);
			free(copy);
		}
		arena_free(arena);
	}
}

static void test_strings(void **state)
{
	(void)state;
	static const struct vector quoted[] = {
		{"\"\"", "", 2},
		{"\"a b\" c", "a b", 5},
		{"\"a\\\"b\\\\c\"", "a\"b\\c", 9},
		{"\"\xc3\xbc\"", "\xc3\xbc", 4},
		{"\"a", NULL, 0},
		{"\"a\\", NULL, 0},
		{"\"a\\b\"", NULL, 0},
		{"\"a\r\nb\"", NULL, 0},
		{"\"\xff\"", NULL, 0},
		{"a", NULL, 0},
		{"", NULL, 0},
	};
	check(imap_quoted, quoted, ARRAY_LEN(quoted));
	static const struct vector astrings[] = {
		{"abc def", "abc", 3},
		{"a]b", "a]b", 3},
		{"\"x\"", "x", 3},
		{"{3}\r\nabcd", "abc", 8},
		{"{3+}\r\nabcd", "abc", 9},
		{"{0}\r\n", "", 5},
		{"{3}\r\nab", NULL, 0},
		{"{3}abc", NULL, 0},
		{"{99999999999999999999}\r\nabc", NULL, 0},
		{"(", NULL, 0},
		{"", NULL, 0},
	};
	check(imap_astring, astrings, ARRAY_LEN(astrings));
	static const struct vector tags[] = {
		{"a1 x", "a1", 2}, {"A.b-c]! ", "A.b-c]!", 7}, {"+ x", NULL, 0}, {"a+", "a", 1},
		{" a", NULL, 0},
	};
	check(imap_tag, tags, ARRAY_LEN(tags));
	struct arena *arena = arena_new(1000);
	struct imap_parse in = parse_of(STR("{3}\r\na\0b"), arena);
	struct str value;
	assert_false(imap_astring(&in, &value));
	assert_string_equal(in.error, "NUL in a literal");
	arena_free(arena);
}

static void test_mailboxes(void **state)
{
	(void)state;
	static const struct vector mailboxes[] = {
		{"inbox", "INBOX", 5},
		{"InBoX", "INBOX", 5},
		{"inbox/a", "INBOX/a", 7},
		{"inboxes", "inboxes", 7},
		{"\"Sent Mail\"", "Sent Mail", 11},
		{"Entw&APw-rfe", "Entw\xc3\xbcrfe", 12},
		{"\"Entw\xc3\xbcrfe\"", "Entw\xc3\xbcrfe", 11},
		{"a&", NULL, 0},       /* not modified UTF-7 */
		{"&AGEAYg-", NULL, 0}, /* nor is this: ASCII stands for itself */
		{"\"Gr\xc3\xbc\xc3\x9f & x\"", "Gr\xc3\xbc\xc3\x9f & x", 0}, /* UTF-8, as many send it */
		{"\"100%*\"", "100%*", 0},
		{"{2}\r\n\xff\xff", NULL, 0},
		{"%", NULL, 0},
		{"", NULL, 0},
	};
	/* A name that is not valid leaves the cursor behind it; only the value counts here. */
	for (size_t i = 0; i < ARRAY_LEN(mailboxes); i++) {
		struct arena *arena = arena_new(100000);
		struct imap_parse in = parse_of(str_from(mailboxes[i].text), arena);
		struct str name;
		bool ok = imap_mailbox(&in, &name);
		assert_int_equal(ok, mailboxes[i].value != NULL);
		if (ok)
			assert_string_equal(name.ptr, mailboxes[i].value);
		else
			assert_non_null(in.error);
		arena_free(arena);
	}
	struct arena *arena = arena_new(100000);
	char *name = mem_new(IMAP_MAILBOX_NAME_MAX + 2);
	memset(name, 'x', IMAP_MAILBOX_NAME_MAX + 1);
	struct imap_parse in = parse_of(str_from(name), arena);
	struct str ret;
	assert_false(imap_mailbox(&in, &ret));
	in = parse_of(STR_OF(name, IMAP_MAILBOX_NAME_MAX), arena);
	assert_true(imap_mailbox(&in, &ret));
	free(name);
	arena_free(arena);
	static const struct vector patterns[] = {
		{"%", "%", 1},
		{"a*b/% ", "a*b/%", 5},
		{"\"\"", "", 2},
		{"(", NULL, 0},
	};
	check(imap_list_mailbox, patterns, ARRAY_LEN(patterns));
}

static void test_flags(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		uint32_t bits;
		size_t keywords;
	} cases[] = {
		{"()", true, 0, 0},
		{"(\\Seen)", true, PK__FLAG__FLAG_SEEN, 0},
		{"(\\sEEn \\Deleted)", true, PK__FLAG__FLAG_SEEN | PK__FLAG__FLAG_DELETED, 0},
		{"(\\Recent)", true, 0, 0},
		{"(\\Answered \\Flagged \\Draft a $Forwarded)", true,
	     PK__FLAG__FLAG_ANSWERED | PK__FLAG__FLAG_FLAGGED | PK__FLAG__FLAG_DRAFT, 2},
		{"(a A a)", true, 0, 1},
		{"\\Seen x", true, PK__FLAG__FLAG_SEEN, 1},
		{"x", true, 0, 1},
		{"(\\Nonsense)", false, 0, 0},
		{"(\\)", false, 0, 0},
		{"(a", false, 0, 0},
		{"(a )", false, 0, 0},
		{"( a)", false, 0, 0},
		{"\"a\"", false, 0, 0},
		{"", false, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(100000);
		struct imap_parse in = parse_of(str_from(cases[i].text), arena);
		struct imap_flags flags;
		assert_int_equal(imap_store_flags(&in, &flags) && imap_end(&in), cases[i].good);
		if (cases[i].good) {
			assert_int_equal(flags.bits, cases[i].bits);
			assert_int_equal(flags.keyword_count, cases[i].keywords);
		} else {
			assert_non_null(in.error);
		}
		arena_free(arena);
	}
}

/* 65 keywords, each another one. */
static void test_too_many_keywords(void **state)
{
	(void)state;
	struct buf text BUF_AUTO;
	buf_init(&text, 10000);
	buf_add_byte(&text, '(');
	for (int i = 0; i <= IMAP_KEYWORDS_MAX; i++)
		buf_addf(&text, "%sk%d", i == 0 ? "" : " ", i);
	buf_add_byte(&text, ')');
	struct arena *arena = arena_new(100000);
	struct imap_parse in = parse_of(buf_str(&text), arena);
	struct imap_flags flags;
	assert_false(imap_flag_list(&in, &flags));
	assert_string_equal(in.error, "Too many keywords");
	arena_free(arena);
}

static void test_dates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds;
		bool good;
	} times[] = {
		{"\"01-Jan-1970 00:00:00 +0000\"", 0, true},
		{"\" 1-Jan-1970 00:00:00 +0000\"", 0, true},
		{"\"1-jan-1970 00:00:00 +0000\"", 0, true},
		{"\"23-Nov-2026 09:15:00 +0130\"", 1795419900, true},
		{"\"31-Dec-1969 23:59:59 +0000\"", -1, true},
		{"\"29-Feb-2024 00:00:00 -1200\"", 1709208000, true},
		{"\"30-Feb-2024 00:00:00 +0000\"", 0, false},
		{"\"01-Jan-1970 24:00:00 +0000\"", 0, false},
		{"\"01-Jan-1970 00:00:00 0000\"", 0, false},
		{"\"01-Jan-1970 00:00:00 +0060\"", 0, false},
		{"\"01-Xyz-1970 00:00:00 +0000\"", 0, false},
		{"01-Jan-1970 00:00:00 +0000", 0, false},
		{"\"01-Jan-1970 00:00:00 +0000", 0, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct imap_parse in = parse_of(str_from(times[i].text), NULL);
		int64_t seconds = 12345;
		assert_int_equal(imap_date_time(&in, &seconds), times[i].good);
		assert_int_equal(seconds, times[i].good ? times[i].seconds : 12345);
	}
	static const struct {
		const char *text;
		int64_t days;
		bool good;
	} dates[] = {
		{"1-Jan-1970", 0, true},   {"02-Jan-1970", 1, true},     {"\"2-Jan-1970\"", 1, true},
		{"31-Dec-1969", -1, true}, {"23-Nov-2026", 20780, true}, {"\"2-Jan-1970", 0, false},
		{"2-Jan-70", 0, false},    {"32-Jan-1970", 0, false},    {"0-Jan-1970", 0, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		struct imap_parse in = parse_of(str_from(dates[i].text), NULL);
		int64_t days = 12345;
		assert_int_equal(imap_date(&in, &days), dates[i].good);
		assert_int_equal(days, dates[i].good ? dates[i].days : 12345);
	}
}

static void test_words(void **state)
{
	(void)state;
	struct imap_parse in = parse_of(STR("FLAGS.SILENT (x)"), NULL);
	assert_false(imap_word(&in, STR("FLAGS")));
	assert_true(imap_word(&in, STR("flags.silent")));
	in = parse_of(STR("BODY[1]"), NULL);
	assert_true(imap_word(&in, STR("BODY")));
	in = parse_of(STR("BODYSTRUCTURE"), NULL);
	assert_false(imap_word(&in, STR("BODY")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings), cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_flags),   cmocka_unit_test(test_too_many_keywords),
		cmocka_unit_test(test_dates),   cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests_name("imap/parse", tests, NULL, NULL);
}
