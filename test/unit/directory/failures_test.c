#include "directory/failures.h"

#include <stdio.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { HOUR = 3600 * 1000 };

static void counting(void **state)
{
	struct failures *failures = failures_new();
	struct str address = STR("a@example.test"), remote = STR("192.0.2.1");
	(void)state;
	failures_configure(failures, 3, HOUR);
	for (int i = 0; i < 3; i++) {
		assert_false(failures_full(failures, address, remote, i));
		failures_add(failures, address, remote, i);
	}
	assert_true(failures_full(failures, address, remote, HOUR - 1));
	assert_false(failures_full(failures, STR("b@example.test"), remote, HOUR - 1));
	assert_false(failures_full(failures, address, STR("192.0.2.2"), HOUR - 1));
	/* The window begins with the first failure, and when it is over all are forgotten. */
	assert_false(failures_full(failures, address, remote, HOUR));
	assert_int_equal(failures_count(failures), 0);
	failures_add(failures, address, remote, HOUR);
	failures_clear(failures, address, remote);
	assert_int_equal(failures_count(failures), 0);
	failures_clear(failures, address, remote);
	failures_free(failures);
}

static void remotes(void **state)
{
	struct failures *failures = failures_new();
	struct str address = STR("a@example.test");
	(void)state;
	failures_configure(failures, 1, HOUR);
	failures_add(failures, address, STR("2001:db8:1:2::1"), 0);
	assert_true(failures_full(failures, address, STR("2001:db8:1:2:ffff::2"), 0));
	assert_false(failures_full(failures, address, STR("2001:db8:1:3::1"), 0));
	failures_add(failures, address, STR("::ffff:192.0.2.1"), 0);
	assert_false(failures_full(failures, address, STR("::ffff:192.0.2.2"), 0));
	failures_add(failures, address, STR(""), 0);
	assert_true(failures_full(failures, address, STR(""), 0));
	failures_add(failures, address,
	             STR("not an address at all, and longer than one could be ......"), 0);
	failures_free(failures);
}

/* However many addresses somebody tries: memory stays bounded, and the oldest are forgotten. */
static void bounded(void **state)
{
	struct failures *failures = failures_new();
	(void)state;
	failures_configure(failures, 1, HOUR);
	for (int i = 0; i < FAILURES_KEPT + 1000; i++) {
		char address[32];
		int len = snprintf(address, sizeof(address), "%d@example.test", i);
		failures_add(failures, STR_OF(address, len), STR("192.0.2.1"), i);
	}
	assert_int_equal(failures_count(failures), FAILURES_KEPT);
	assert_false(failures_full(failures, STR("999@example.test"), STR("192.0.2.1"), 60000));
	assert_true(failures_full(failures, STR("1000@example.test"), STR("192.0.2.1"), 60000));
	failures_free(failures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counting),
		cmocka_unit_test(remotes),
		cmocka_unit_test(bounded),
	};
	return cmocka_run_group_tests_name("directory/failures", tests, NULL, NULL);
}
