#include "smtp/retry.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/secret.h"

static bool same(const struct smtp_seed *a, const struct smtp_seed *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void remembers_only_what_failed(void **state)
{
	struct smtp_retry *retry = smtp_retry_new();
	struct smtp_seed first, second;

	(void)state;
	smtp_retry_seed(retry, STR("a@b.test"), STR("content"), 0, &first);
	smtp_retry_seed(retry, STR("a@b.test"), STR("content"), 0, &second);
	assert_false(same(&first, &second));
	smtp_retry_remember(retry, STR("a@b.test"), STR("content"), 0, &first);
	smtp_retry_seed(retry, STR("a@b.test"), STR("content"), 1000, &second);
	assert_true(same(&first, &second));
	smtp_retry_seed(retry, STR("a@b.test"), STR("Content"), 1000, &second);
	assert_false(same(&first, &second));
	smtp_retry_seed(retry, STR("a@b.testc"), STR("ontent"), 1000, &second);
	assert_false(same(&first, &second));
	smtp_retry_forget(retry, STR("a@b.test"), STR("content"));
	assert_int_equal(smtp_retry_count(retry), 0);
	smtp_retry_seed(retry, STR("a@b.test"), STR("content"), 1000, &second);
	assert_false(same(&first, &second));
	smtp_retry_free(retry);
}

static void forgets_with_time(void **state)
{
	struct smtp_retry *retry = smtp_retry_new();
	struct smtp_seed first, second;

	(void)state;
	smtp_retry_seed(retry, STR(""), STR("x"), 0, &first);
	smtp_retry_remember(retry, STR(""), STR("x"), 0, &first);
	smtp_retry_seed(retry, STR(""), STR("x"), SMTP_RETRY_MEMORY_MS - 1, &second);
	assert_true(same(&first, &second));
	/* a second failure counts from then on, and is still one entry */
	smtp_retry_remember(retry, STR(""), STR("x"), SMTP_RETRY_MEMORY_MS - 1, &second);
	assert_int_equal(smtp_retry_count(retry), 1);
	smtp_retry_seed(retry, STR(""), STR("x"), SMTP_RETRY_MEMORY_MS, &second);
	assert_true(same(&first, &second));
	smtp_retry_seed(retry, STR(""), STR("x"), 2 * (int64_t)SMTP_RETRY_MEMORY_MS, &second);
	assert_false(same(&first, &second));
	assert_int_equal(smtp_retry_count(retry), 0);
	smtp_retry_free(retry);
}

static void is_bounded(void **state)
{
	struct smtp_retry *retry = smtp_retry_new();
	struct smtp_seed seed, found;

	(void)state;
	memset(&seed, 7, sizeof(seed));
	for (uint32_t i = 0; i < SMTP_RETRY_MAX + 10; i++)
		smtp_retry_remember(retry, STR(""), STR_OF(&i, sizeof(i)), 0, &seed);
	assert_int_equal(smtp_retry_count(retry), SMTP_RETRY_MAX);
	smtp_retry_seed(retry, STR(""), STR_OF(&(uint32_t){9}, 4), 0, &found);
	assert_false(same(&seed, &found));
	smtp_retry_seed(retry, STR(""), STR_OF(&(uint32_t){10}, 4), 0, &found);
	assert_true(same(&seed, &found));
	smtp_retry_free(retry);
}

static void ids_differ_by_mailbox(void **state)
{
	struct smtp_seed seed;
	unsigned char a[SMTP_DELIVERY_ID_SIZE], b[SMTP_DELIVERY_ID_SIZE];

	(void)state;
	random_bytes(seed.bytes, sizeof(seed.bytes));
	smtp_delivery_id(&seed, STR("353a03f21e534321f5d6e267"), a);
	smtp_delivery_id(&seed, STR("353a03f21e534321f5d6e267"), b);
	assert_memory_equal(a, b, sizeof(a));
	smtp_delivery_id(&seed, STR("353a03f21e534321f5d6e268"), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_only_what_failed),
		cmocka_unit_test(forgets_with_time),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(ids_differ_by_mailbox),
	};

	if (crypto_init(NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("smtp retry", tests, NULL, NULL);
}
