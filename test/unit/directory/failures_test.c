#include "directory/failures.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { HOUR = 3600 * 1000 };

/* Answers get late after max, twice as late each time, and no later than some seconds. */
static void growing(void **state)
{
	static const int64_t expected[] = {0, 0, 0, 250, 500, 1000, 2000, 4000, 5000, 5000};
	struct failures *failures = failures_new();
	struct str address = STR("a@example.test"), remote = STR("192.0.2.1");
	(void)state;
	failures_configure(failures, 3, HOUR);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(failures_add(failures, address, remote, (int64_t)i), expected[i]);
	/* Nobody else is slowed down by that. */
	assert_int_equal(failures_add(failures, STR("b@example.test"), remote, 20), 0);
	assert_int_equal(failures_add(failures, address, STR("192.0.2.2"), 20), 0);
	/* The window begins with the first failure, and when it is over all is forgotten. */
	assert_int_equal(failures_add(failures, address, remote, HOUR - 1), 5000);
	assert_int_equal(failures_add(failures, address, remote, HOUR), 0);
	/* So it is after a login that worked. */
	for (int i = 0; i < 5; i++)
		(void)failures_add(failures, address, remote, HOUR);
	failures_clear(failures, address, remote);
	assert_int_equal(failures_add(failures, address, remote, HOUR), 0);
	failures_clear(failures, address, remote);
	failures_clear(failures, address, remote);
	failures_free(failures);
}

/* One network that tries many addresses is slowed down as a whole, later. */
static void whole_network(void **state)
{
	struct failures *failures = failures_new();
	int64_t delay_ms = 0;
	(void)state;
	failures_configure(failures, 3, HOUR);
	for (int i = 0; i < 3 * FAILURES_NETWORK_FACTOR; i++) {
		char address[32];
		int len = snprintf(address, sizeof(address), "%d@example.test", i);
		assert_int_equal(failures_add(failures, STR_OF(address, len), STR("192.0.2.1"), i), 0);
	}
	delay_ms = failures_add(failures, STR("last@example.test"), STR("192.0.2.1"), 100);
	assert_int_equal(delay_ms, FAILURES_DELAY_FIRST_MS);
	/* A login that worked for one of them ends its own count only. */
	failures_clear(failures, STR("last@example.test"), STR("192.0.2.1"));
	delay_ms = failures_add(failures, STR("last@example.test"), STR("192.0.2.1"), 100);
	assert_int_equal(delay_ms, 2 * FAILURES_DELAY_FIRST_MS);
	failures_free(failures);
}

static void networks(void **state)
{
	static const struct {
		const char *remote, *network;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2::1", "2001:db8:1:2::/64"},
		{"2001:db8:1:2:ffff::2", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"::1", "::/64"},
		{"", ""},
		{"/64", ""},
		{"local", "local"},
		{"not an address at all, and longer than one could ever be ......",
	     "not an address at all, and longer than one could e"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char network[FAILURES_NETWORK_SIZE], again[FAILURES_NETWORK_SIZE];
		failures_network(str_from(cases[i].remote), network);
		assert_true(strncmp(network, cases[i].network, sizeof(network) - 1) == 0);
		failures_network(str_from(network), again);
		assert_string_equal(network, again);
	}
}

struct seen {
	int count, limit;
	char text[400];
};

static bool see(void *ctx, const struct failures_row *row)
{
	struct seen *seen = ctx;
	size_t at = strlen(seen->text);
	snprintf(seen->text + at, sizeof(seen->text) - at, "%.*s %s %d %d; ", STR_ARG(row->address),
	         row->network, (int)row->count, (int)row->delay_ms);
	return ++seen->count < seen->limit;
}

/* Only what makes answers late is listed, and can be forgotten by address or by network. */
static void listing_and_forgetting(void **state)
{
	struct failures *failures = failures_new();
	(void)state;
	failures_configure(failures, 2, HOUR);
	for (int i = 0; i < 2; i++) {
		(void)failures_add(failures, STR("a@example.test"), STR("192.0.2.1"), 0);
		(void)failures_add(failures, STR("a@example.test"), STR("2001:db8::1"), 0);
	}
	(void)failures_add(failures, STR("b@example.test"), STR("192.0.2.1"), 0);
	(void)failures_add(failures, STR(""), STR(""), 0);
	struct seen seen = {.limit = 10};
	failures_each(failures, 1, see, &seen);
	assert_string_equal(seen.text, "a@example.test 192.0.2.1 2 250; "
	                               "a@example.test 2001:db8::/64 2 250; ");
	struct seen first = {.limit = 1};
	failures_each(failures, 1, see, &first);
	assert_int_equal(first.count, 1);
	struct seen later = {.limit = 10};
	failures_each(failures, HOUR, see, &later);
	assert_int_equal(later.count, 0);
	assert_int_equal(failures_forget(failures, STR("nobody@example.test")), 0);
	assert_int_equal(failures_forget(failures, STR("a@example.test")), 2);
	assert_int_equal(failures_add(failures, STR("a@example.test"), STR("192.0.2.1"), 1), 0);
	/* The network itself and two addresses. */
	assert_int_equal(failures_forget(failures, STR("192.0.2.1")), 3);
	assert_int_equal(failures_forget(failures, STR("192.0.2.1")), 0);
	failures_free(failures);
}

/* However many addresses somebody tries: memory stays bounded, and the oldest are forgotten. */
static void bounded(void **state)
{
	struct failures *failures = failures_new();
	(void)state;
	failures_configure(failures, 1, HOUR);
	for (int i = 0; i < FAILURES_KEPT + 1000; i++) {
		char address[32], remote[32];
		int len = snprintf(address, sizeof(address), "%d@example.test", i);
		int remote_len = snprintf(remote, sizeof(remote), "192.0.%d.%d", i / 256 % 256, i % 256);
		(void)failures_add(failures, STR_OF(address, len), STR_OF(remote, remote_len), i);
	}
	assert_int_equal(failures_count(failures), FAILURES_KEPT);
	failures_free(failures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growing),  cmocka_unit_test(whole_network),
		cmocka_unit_test(networks), cmocka_unit_test(listing_and_forgetting),
		cmocka_unit_test(bounded),
	};
	return cmocka_run_group_tests_name("directory/failures", tests, NULL, NULL);
}
