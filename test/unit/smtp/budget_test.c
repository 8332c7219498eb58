#include "smtp/budget.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static int granted[8];
static int granted_count;

static void note(void *ctx)
{
	granted[granted_count++] = *(int *)ctx;
}

struct fixture {
	struct smtp_budget budget;
	struct smtp_ticket tickets[4];
	int names[4];
};

static void setup(struct fixture *f, size_t total)
{
	granted_count = 0;
	smtp_budget_init(&f->budget, total);
	for (int i = 0; i < 4; i++) {
		f->names[i] = i;
		smtp_ticket_init(&f->tickets[i], &f->budget, note, &f->names[i]);
	}
}

static void within_the_total(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 100);
	assert_true(smtp_ticket_take(&f.tickets[0], 60));
	assert_true(smtp_ticket_take(&f.tickets[1], 40));
	assert_true(smtp_ticket_take(&f.tickets[1], 30)); /* has that already */
	assert_int_equal(f.budget.used, 100);
	smtp_ticket_release(&f.tickets[0]);
	smtp_ticket_release(&f.tickets[0]);
	smtp_ticket_release(&f.tickets[1]);
	assert_int_equal(f.budget.used, 0);
}

/* Both hold, both want more: one goes past the total, the other waits for it, nobody for ever. */
static void holders_do_not_lock_each_other(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 100);
	assert_true(smtp_ticket_take(&f.tickets[0], 50));
	assert_true(smtp_ticket_take(&f.tickets[1], 50));
	assert_true(smtp_ticket_take(&f.tickets[0], 80));
	assert_false(smtp_ticket_take(&f.tickets[1], 80));
	assert_true(smtp_ticket_take(&f.tickets[0], 200));
	assert_int_equal(granted_count, 0);
	smtp_ticket_release(&f.tickets[0]);
	assert_int_equal(granted_count, 1);
	assert_int_equal(granted[0], 1);
	assert_int_equal(f.tickets[1].held, 80);
	smtp_ticket_release(&f.tickets[1]);
	assert_int_equal(f.budget.used, 0);
}

static void first_come_first_served(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 100);
	assert_true(smtp_ticket_take(&f.tickets[0], 100));
	assert_true(smtp_ticket_take(&f.tickets[1], 10)); /* the one past the total */
	assert_false(smtp_ticket_take(&f.tickets[2], 95));
	assert_false(smtp_ticket_take(&f.tickets[3], 1)); /* would fit sooner, and waits its turn */
	smtp_ticket_release(&f.tickets[1]);
	assert_int_equal(granted_count, 1);
	assert_int_equal(granted[0], 2);
	smtp_ticket_release(&f.tickets[0]);
	assert_int_equal(granted_count, 2);
	assert_int_equal(granted[1], 3);
}

static void leaving_the_queue(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 10);
	assert_true(smtp_ticket_take(&f.tickets[0], 10));
	assert_true(smtp_ticket_take(&f.tickets[1], 10));
	assert_false(smtp_ticket_take(&f.tickets[2], 10));
	assert_false(smtp_ticket_take(&f.tickets[3], 10));
	smtp_ticket_release(&f.tickets[2]);
	assert_int_equal(granted_count, 0);
	smtp_ticket_release(&f.tickets[1]);
	assert_int_equal(granted_count, 1);
	assert_int_equal(granted[0], 3);
	smtp_ticket_release(&f.tickets[3]);
	smtp_ticket_release(&f.tickets[0]);
	assert_int_equal(f.budget.used, 0);
	assert_null(f.budget.past_total);
}

/* A message larger than the whole budget still comes through. */
static void larger_than_everything(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 10);
	assert_true(smtp_ticket_take(&f.tickets[0], 1000));
	assert_false(smtp_ticket_take(&f.tickets[1], 1000));
	smtp_ticket_release(&f.tickets[0]);
	assert_int_equal(granted_count, 1);
}

/* What has been taken without asking counts, and nobody new comes in before it is given back. */
static void taken_without_asking(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 100);
	assert_true(smtp_ticket_take(&f.tickets[0], 50));
	smtp_ticket_add(&f.tickets[0], 70);
	assert_int_equal(f.budget.used, 120);
	assert_true(smtp_ticket_take(&f.tickets[1], 10)); /* the one past the total */
	assert_false(smtp_ticket_take(&f.tickets[2], 10));
	smtp_ticket_release(&f.tickets[0]);
	assert_int_equal(granted_count, 1);
	assert_int_equal(f.budget.used, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_the_total),        cmocka_unit_test(holders_do_not_lock_each_other),
		cmocka_unit_test(first_come_first_served), cmocka_unit_test(leaving_the_queue),
		cmocka_unit_test(larger_than_everything),  cmocka_unit_test(taken_without_asking),
	};

	return cmocka_run_group_tests_name("smtp budget", tests, NULL, NULL);
}
