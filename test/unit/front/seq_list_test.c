#include "front/seq_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void test_list(void **state)
{
	(void)state;
	struct seq_list list = {0};
	seq_list_add(&list, 1, 3);
	seq_list_add(&list, 4, 4);
	seq_list_add(&list, 7, 9);
	assert_int_equal(list.count, 2);
	static const uint32_t in[] = {1, 3, 4, 7, 8, 9}, out[] = {0, 5, 6, 10, UINT32_MAX};
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		assert_true(seq_list_contains(&list, in[i]));
	for (size_t i = 0; i < ARRAY_LEN(out); i++)
		assert_false(seq_list_contains(&list, out[i]));
	seq_list_push(&list, 2, 6);
	seq_list_normalize(&list);
	assert_int_equal(list.count, 1);
	assert_int_equal(seq_ranges_size(list.ranges, list.count), 9);
	seq_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests_name("front/seq_list", tests, NULL, NULL);
}
