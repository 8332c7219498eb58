#include "imap/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"

static const struct {
	const char *pattern, *name;
	bool matches;
} cases[] = {
	{"*", "INBOX", true},
	{"*", "a/b/c", true},
	{"%", "INBOX", true},
	{"%", "a/b", false},
	{"a/%", "a/b", true},
	{"a/%", "a/b/c", false},
	{"a/%/c", "a/b/c", true},
	{"%/%", "a/b", true},
	{"%/%", "a", false},
	{"a*c", "a/b/c", true},
	{"a*c", "a/b/d", false},
	{"*b", "a/bb", true},
	{"*%", "a/b/c", true},
	{"%*", "a/b/c", true},
	{"a%b*c", "axxb/c", true},
	{"a%b*c", "ax/xb/c", false},
	{"inbox", "INBOX", true},
	{"InB%", "INBOX", true},
	{"inbox/a", "INBOX/a", true},
	{"inbox/A", "INBOX/a", false},
	{"sent", "Sent", false},
	{"", "a", false},
	{"a", "", false},
	{"*/", "a/b", false},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(imap_pattern_matches(str_from(cases[i].pattern), str_from(cases[i].name)),
		                 cases[i].matches);
}

/* The definition, exponential and obviously right. */
static bool defined(const char *p, const char *n)
{
	if (*p == '\0')
		return *n == '\0';
	if (*p == '*' || *p == '%') {
		if (defined(p + 1, n))
			return true;
		return *n != '\0' && !(*p == '%' && *n == '/') && defined(p, n + 1);
	}
	return *p == *n && defined(p + 1, n + 1);
}

static void test_against_definition(void **state)
{
	(void)state;
	static const char in_pattern[] = "ab/*%", in_name[] = "ab/";
	srand(11);
	for (int round = 0; round < 200000; round++) {
		char pattern[8] = {0}, name[9] = {0};
		int pattern_len = rand() % 8, name_len = rand() % 9;
		for (int i = 0; i < pattern_len; i++)
			pattern[i] = in_pattern[rand() % 5];
		for (int i = 0; i < name_len; i++)
			name[i] = in_name[rand() % 3];
		assert_int_equal(imap_pattern_matches(str_from(pattern), str_from(name)),
		                 defined(pattern, name));
	}
}

static void test_limit(void **state)
{
	(void)state;
	assert_true(imap_pattern_allowed(STR("********************************")));
	assert_false(imap_pattern_allowed(STR("********************************%")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_against_definition),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests_name("imap/pattern", tests, NULL, NULL);
}
