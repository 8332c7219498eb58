#include "base/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_are_whole_and_shortest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
