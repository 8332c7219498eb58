#include "base/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	struct str text;
	size_t first; /* length of its first character, 0: none */
	bool valid;
} cases[] = {
	{STR(""), 0, true},
	{STR("a"), 1, true},
	{STR("\x7f"), 1, true},
	{STR("\0"), 0, false},
	{STR("a\0b"), 1, false},
	{STR("\x80"), 0, false},
	{STR("\xbf"), 0, false},
	{STR("\xc0\x80"), 0, false},
	{STR("\xc1\xbf"), 0, false},
	{STR("\xc2\x80"), 2, true},
	{STR("\xdf\xbf"), 2, true},
	{STR("\xc3"), 0, false},
	{STR("\xc3\x41"), 0, false},
	{STR("\xe0\x9f\xbf"), 0, false},
	{STR("\xe0\xa0\x80"), 3, true},
	{STR("\xed\x9f\xbf"), 3, true},
	{STR("\xed\xa0\x80"), 0, false},
	{STR("\xed\xbf\xbf"), 0, false},
	{STR("\xee\x80\x80"), 3, true},
	{STR("\xef\xbf\xbf"), 3, true},
	{STR("\xe2\x82"), 0, false},
	{STR("\xf0\x8f\xbf\xbf"), 0, false},
	{STR("\xf0\x90\x80\x80"), 4, true},
	{STR("\xf4\x8f\xbf\xbf"), 4, true},
	{STR("\xf4\x90\x80\x80"), 0, false},
	{STR("\xf5\x80\x80\x80"), 0, false},
	{STR("\xff"), 0, false},
	{STR("gr\xc3\xbc\xc3\x9f"), 1, true},
	{STR("gr\xc3\xbc\xc3"), 1, false},
};

static void characters_are_whole_and_shortest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(utf8_character(cases[i].text), cases[i].first);
		assert_int_equal(utf8_valid(cases[i].text), cases[i].valid);
	}
}

static void cuts_are_between_characters(void **state)
{
	static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
	struct str s = STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	(void)state;
	for (size_t max = 0; max < ARRAY_LEN(kept); max++)
		assert_int_equal(utf8_cut(s, max).len, kept[max]);
}

static void fronts_have_their_length(void **state)
{
	(void)state;
	for (size_t len = 0; len < 40; len++) {
		char text[48];
		memset(text, 'a', sizeof(text));
		memcpy(text + len, "\xc3\xa4\xff", 3);
		struct str s = STR_OF(text, sizeof(text));
		assert_int_equal(utf8_ascii_length(s), len);
		assert_int_equal(utf8_valid_length(s), len + 2);
		assert_int_equal(utf8_valid_length(str_slice(s, 0, len + 1)), len);
		text[len] = '\0';
		assert_int_equal(utf8_valid_length(s), len);
	}
}

static void what_commands_a_terminal_is_disarmed(void **state)
{
	static const struct {
		const char *text, *keep, *shown;
	} rows[] = {
		{"", "", ""},
		{"plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "",
	     "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"a\x1b[31m\a\x7f", "", "a?[31m??"},
		{"a\nb\tc\r", "\n", "a\nb?c?"},
		{"a\nb\tc\r", "\n\t", "a\nb\tc?"},
		{"\xc2\x9b"
	     "31m \xc2\x85 \xc2\xa0",
	     "", "??31m ?? \xc2\xa0"},
		{"\xff\xc3", "", "??"},
		{"\xe2\x80\xae|\xe2\x80\xa8|\xe2\x81\xa6|\xe2\x80\x8f|\xd8\x9c", "", "???|???|???|???|??"},
		{"\xe2\x80\xaf \xe2\x81\xaa \xe2\x80\x8d", "", "\xe2\x80\xaf \xe2\x81\xaa \xe2\x80\x8d"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s", rows[i].text);
		utf8_disarm(text, strlen(text), rows[i].keep);
		assert_string_equal(text, rows[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_are_whole_and_shortest),
		cmocka_unit_test(cuts_are_between_characters),
		cmocka_unit_test(fronts_have_their_length),
		cmocka_unit_test(what_commands_a_terminal_is_disarmed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
