#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* Of what is too long both ends are kept: what it is about, and what is wrong with it. */
static void the_cause_is_not_cut_off(void **state)
{
	(void)state;
	for (size_t len = 1; len < 6000; len = len * 3 / 2 + 1) {
		struct errinfo info;
		char name[6001];
		memset(name, 'x', len);
		name[len] = '\0';
		assert_int_equal(err_set(&info, E_IO, "%s: %s", name, strerror(ENAMETOOLONG)), E_IO);
		assert_int_equal(info.error, E_IO);
		assert_int_equal(info.text[0], 'x');
		if (len < 4900)
			assert_non_null(strstr(info.text, "x: File name too long"));
		assert_true((strstr(info.text, "...") != NULL) == (len + 20 > sizeof(info.text)));
	}
}

static void a_text_is_never_cut_within_a_character(void **state)
{
	(void)state;
	for (size_t start = 0; start < 4; start++) {
		struct errinfo info;
		char name[700] = "abc";
		size_t len = start;
		for (; len + 4 < sizeof(name); len += 3)
			memcpy(name + len, "\xe2\x82\xac", 3);
		name[len] = '\0';
		(void)err_set(&info, E_IO, "%s.", name);
		assert_true(utf8_valid(str_from(info.text)));
		assert_null(strchr(info.text, '?'));
		assert_true(strlen(info.text) > sizeof(info.text) - 10);
	}
}

static void what_commands_a_terminal_does_not_get_in(void **state)
{
	struct errinfo info;
	(void)state;
	(void)err_set(&info, E_INVALID, "%s",
	              "a\x1b[2J\n\xff\xc2\x9b"
	              "b");
	assert_string_equal(info.text, "a?[2J????b");
	assert_int_equal(err_set(NULL, E_INVALID, "nobody asks"), E_INVALID);
}

static void every_error_has_a_name(void **state)
{
	(void)state;
	for (int error = 0; error >= E_LAST; error--)
		assert_string_not_equal(err_name(error), "unknown");
	assert_string_equal(err_name(1), "unknown");
	assert_string_equal(err_name(E_LAST - 1), "unknown");
	assert_int_equal(err_from_errno(ENOENT), E_NOT_FOUND);
	assert_int_equal(err_from_errno(EDQUOT), E_NO_SPACE);
	assert_int_equal(err_from_errno(EACCES), E_DENIED);
	assert_int_equal(err_from_errno(ENAMETOOLONG), E_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cause_is_not_cut_off),
		cmocka_unit_test(a_text_is_never_cut_within_a_character),
		cmocka_unit_test(what_commands_a_terminal_does_not_get_in),
		cmocka_unit_test(every_error_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
