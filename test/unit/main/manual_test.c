#include "main/manual.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/config.h"

static void every_option_is_explained(void **state)
{
	(void)state;
	struct buf text BUF_AUTO;
	size_t count;
	const struct config_option *options = config_options(&count);
	buf_init(&text, 1 << 20);
	manual_options(&text);
	const char *at = NULL;
	buf_add_byte(&text, '\0');
	assert_false(text.failed);
	for (size_t i = 0; i < count; i++) {
		struct buf line BUF_AUTO;
		buf_init(&line, 1 << 10);
		buf_addf(&line, "\n.It Ic %s No = Ar ", options[i].name);
		buf_add_byte(&line, '\0');
		/* In the order of the table, and once. */
		const char *found = strstr(at == NULL ? text.ptr : at, line.ptr);
		assert_non_null(found);
		assert_null(strstr(found + 1, line.ptr));
		at = found;
	}
	assert_non_null(strstr(text.ptr, "\nFrom 64K to 1G.\nThe default is\n.Ql 50M .\n"));
	assert_non_null(strstr(text.ptr, "\nOne of: debug info warn error.\n"));
	assert_non_null(strstr(text.ptr, "\nThe default is empty.\n"));
}

static void lines_are_short_and_no_macro_by_accident(void **state)
{
	(void)state;
	struct buf text BUF_AUTO;
	buf_init(&text, 1 << 20);
	manual_options(&text);
	struct str rest = buf_str(&text);
	while (rest.len > 0) {
		ptrdiff_t end = str_find_byte(rest, '\n');
		assert_true(end >= 0);
		struct str line = str_slice(rest, 0, (size_t)end);
		assert_true(line.len > 0 && line.len <= 90);
		if (line.ptr[0] == '.')
			assert_true(str_starts(line, STR(".Ss ")) || str_starts(line, STR(".Bl ")) ||
			            str_starts(line, STR(".It ")) || str_starts(line, STR(".Ql ")) ||
			            str_starts(line, STR(".El")));
		assert_int_not_equal(line.ptr[0], '\'');
		rest = str_from_byte(rest, (size_t)end + 1);
	}
}

/* The exit code, and what was printed in *ret for free(). */
static int print(const char *page, char **ret)
{
	size_t len;
	FILE *from = fmemopen((void *)(uintptr_t)page, strlen(page), "r");
	FILE *to = open_memstream(ret, &len);
	int code = manual_print(from, to);
	fclose(from);
	fclose(to);
	return code;
}

static void options_take_the_place_of_their_line(void **state)
{
	(void)state;
	char *text;
	assert_int_equal(print("before\n@OPTIONS@\nafter\n", &text), 0);
	assert_ptr_equal(strstr(text, "before\n.Ss "), text);
	assert_non_null(strstr(text, ".El\nafter\n"));
	assert_null(strstr(text, "@OPTIONS@"));
	free(text);
	assert_int_equal(print("no place\n", &text), 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(lines_are_short_and_no_macro_by_accident),
		cmocka_unit_test(options_take_the_place_of_their_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
