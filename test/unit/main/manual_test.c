#include "main/manual.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"

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
	for (size_t i = 0; i < count; i++) {
		struct buf line BUF_AUTO;
		buf_init(&line, 1 << 10);
		buf_addf(&line, "\n.It Ic %s No = Ar ", options[i].name);
		buf_add_byte(&line, '\0');
		const char *here = strstr(text.ptr, line.ptr), *next = strstr(here + 1, "\n.It ");
		const char *waits = strstr(here, "\nA change waits for the next start.\n");
		bool said = waits != NULL && (next == NULL || waits < next);
		assert_int_equal(said, options[i].reload == CONFIG_RESTARTS);
	}
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

static void add_x(struct buf *out)
{
	buf_add_text(out, "x\n");
}

static void sections_take_the_place_of_their_lines(void **state)
{
	(void)state;
	static const struct manual_mark marks[] = {{"@X@", add_x}, {"@OPTIONS@", manual_options}};
	static const struct {
		const char *page, *filled; /* NULL: refused */
	} cases[] = {
		{"a\n@X@\nb\n", "a\nx\nb\n"},
		{"@X@", "x\n"},
		{"@X@\n@X@\nend", "x\nx\nend"},
		{"", NULL},
		{"a\nb\n", NULL},
		{"a @X@\n", NULL},
		{"@Y@\n", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1 << 10);
		bool filled = manual_fill(&out, str_from(cases[i].page), marks, ARRAY_LEN(marks));
		assert_int_equal(filled, cases[i].filled != NULL);
		if (filled)
			assert_true(str_eq(buf_str(&out), str_from(cases[i].filled)));
	}
	struct buf small BUF_AUTO;
	buf_init(&small, 100);
	assert_false(manual_fill(&small, STR("@OPTIONS@\n"), marks, ARRAY_LEN(marks)));
}

static void text_is_never_markup(void **state)
{
	(void)state;
	static const struct {
		const char *text, *page;
	} cases[] = {
		{"", ""},
		{"plain words", "plain words"},
		{".Sh x", "\\&.Sh x"},
		{"'quote", "\\&'quote"},
		{"One. .Two", "One.\n\\&.Two"},
		{"a-b \\n", "a\\-b \\en"},
		{"  blanks  between ", "blanks between"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1 << 10);
		manual_text(&out, str_from(cases[i].text));
		assert_true(str_eq(buf_str(&out), str_from(cases[i].page)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(lines_are_short_and_no_macro_by_accident),
		cmocka_unit_test(sections_take_the_place_of_their_lines),
		cmocka_unit_test(text_is_never_markup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
