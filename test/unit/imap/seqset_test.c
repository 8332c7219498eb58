#include "imap/seqset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

/* Parses, normalizes with highest, and formats; NULL: no set. */
static bool round_trip(struct str text, uint32_t highest, struct buf *out, size_t *ret_used)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct cursor c = cursor_of(text);
	struct seqset set;
	int error = seqset_parse(&c, arena, &set);
	*ret_used = text.len - cursor_left(&c);
	if (error == 0) {
		seqset_normalize(&set, highest);
		seq_ranges_format(out, set.ranges, set.count);
	}
	arena_free(arena);
	return error == 0;
}

static void test_parse_and_normalize(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t highest;
		const char *normalized; /* NULL: not a set */
		size_t used;
	} cases[] = {
		{"1", 10, "1", 1},
		{"1,2,3", 10, "1:3", 5},
		{"3,1,2", 10, "1:3", 5},
		{"5:2", 10, "2:5", 3},
		{"*", 10, "10", 1},
		{"1:*", 10, "1:10", 3},
		{"*:4", 10, "4:10", 3},
		{"15:*", 10, "10:15", 4},
		{"*:*", 10, "10", 3},
		{"2:4,3:7,9", 10, "2:7,9", 9},
		{"1,1,1", 10, "1", 5},
		{"4294967295", 10, "4294967295", 10},
		{"4294967294:4294967295,1", 10, "1,4294967294:4294967295", 23},
		{"1:4294967295,7", 10, "1:4294967295", 14},
		{"1 FLAGS", 10, "1", 1},
		{"*", 0, "", 1},
		{"1:*", 0, "", 3},
		{"3,1:*", 0, "3", 5},
		{"0", 10, NULL, 0},
		{"1:0", 10, NULL, 0},
		{"", 10, NULL, 0},
		{"1,", 10, NULL, 0},
		{"1,,2", 10, NULL, 0},
		{",1", 10, NULL, 0},
		{"1:", 10, NULL, 0},
		{"4294967296", 10, NULL, 0},
		{"x", 10, NULL, 0},
		{"-1", 10, NULL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		size_t used;
		bool ok = round_trip(str_from(cases[i].text), cases[i].highest, &out, &used);
		assert_int_equal(ok, cases[i].normalized != NULL);
		assert_int_equal(used, cases[i].used);
		if (ok)
			assert_true(str_eq(buf_str(&out), str_from(cases[i].normalized)));
	}
}

/* Cut anywhere, a set is a shorter set or none, and never reads past its end. */
static void test_cut(void **state)
{
	(void)state;
	struct str text = STR("12:15,7,*:3,99:*");
	for (size_t len = 0; len <= text.len; len++) {
		char *copy = str_dup(str_slice(text, 0, len));
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		size_t used;
		round_trip(STR_OF(copy, len), 20, &out, &used);
		assert_true(used == 0 || used == len);
		mem_auto_free(&copy);
	}
}

static void test_arena_full(void **state)
{
	(void)state;
	struct arena *arena = arena_new(64);
	struct cursor c = cursor_of(STR("1,3,5,7,9,11,13,15,17,19"));
	struct seqset set;
	assert_int_equal(seqset_parse(&c, arena, &set), E_TOO_LARGE);
	arena_free(arena);
}

static void test_search_result(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1024);
	struct cursor c = cursor_of(STR("$"));
	struct seqset set;
	assert_int_equal(seqset_parse(&c, arena, &set), 0);
	assert_true(set.search_result);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_normalize),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_arena_full),
		cmocka_unit_test(test_search_result),
	};
	return cmocka_run_group_tests_name("imap/seqset", tests, NULL, NULL);
}
