#include "front/describing.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static int described_count;

static void described(struct describing *describing)
{
	(void)describing;
	described_count++;
}

static struct str message_of(char *to, size_t size)
{
	static const char head[] = "Subject: It is long\r\nContent-Type: text/html\r\n\r\n";
	memset(to, '&', size);
	memcpy(to, head, sizeof(head) - 1);
	return STR_OF(to, size);
}

static void check_description(const struct describing *describing, size_t size)
{
	const Pk__Description *d = describing->description;
	assert_non_null(d);
	assert_string_equal(d->subject, "It is long");
	assert_int_equal(d->parts[0]->body_offset + d->parts[0]->body_size, size);
}

static void a_small_one_at_once(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct background *background = background_new(loop);
	struct describing describing = {0};
	char *text = malloc(DESCRIBING_AT_ONCE_MAX);
	struct str message = message_of(text, DESCRIBING_AT_ONCE_MAX);
	assert_true(describing_begin(&describing, background, message, described));
	assert_false(describing.under_way);
	check_description(&describing, message.len);
	describing_done(&describing);
	describing_done(&describing);
	assert_int_equal(described_count, 0);
	background_free(background);
	loop_free(loop);
	free(text);
}

static void a_large_one_beside_the_loop(void **state)
{
	(void)state;
	enum { SIZE = 8 * 1024 * 1024 };
	struct loop *loop = loop_new();
	struct background *background = background_new(loop);
	struct describing describing = {0};
	char *text = malloc(SIZE);
	described_count = 0;
	assert_false(describing_begin(&describing, background, message_of(text, SIZE), described));
	assert_true(describing.under_way);
	int rounds = 0;
	for (int64_t until = clock_monotonic_ms() + 60000;
	     described_count == 0 && clock_monotonic_ms() < until; rounds++)
		loop_run_once(loop, 1);
	assert_int_equal(described_count, 1);
	assert_true(rounds > 1);
	assert_false(describing.under_way);
	check_description(&describing, SIZE);
	describing_done(&describing);
	background_free(background);
	loop_free(loop);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_one_at_once),
		cmocka_unit_test(a_large_one_beside_the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
