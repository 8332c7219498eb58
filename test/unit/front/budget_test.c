#include "front/budget.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { TICKETS = 8, KB = 1024, MB = 1024 * 1024 };

/* What happened, in order: the number of the ticket, negative when it was thrown out. */
static int events[32];
static int event_count;
static int64_t now;

struct fixture {
	struct budget budget;
	struct budget_ticket tickets[TICKETS];
	enum budget_reason reasons[TICKETS];
};

static struct fixture f;

static int number_of(const void *ctx)
{
	return (int)((const struct budget_ticket *)ctx - f.tickets);
}

static void on_granted(void *ctx)
{
	events[event_count++] = number_of(ctx);
}

static void on_evicted(void *ctx, enum budget_reason reason)
{
	int number = number_of(ctx);
	f.reasons[number] = reason;
	events[event_count++] = -number;
	budget_release(ctx, now);
}

static const struct budget_handlers handlers = {.granted = on_granted, .evicted = on_evicted};

/* keys has one letter for each ticket; a blank is no key. */
static void setup(size_t total, const char *keys)
{
	event_count = 0;
	now = 1000;
	budget_init(&f.budget);
	budget_set(&f.budget, total, 0);
	for (int i = 0; i < TICKETS; i++) {
		size_t len = keys[i] == ' ' ? 0 : 1;
		budget_ticket_init(&f.tickets[i], &f.budget, STR_OF(keys + i, len), &handlers,
		                   &f.tickets[i]);
	}
}

#define NO_KEYS "        "

static bool take(int number, size_t size)
{
	return budget_take(&f.tickets[number], size, now);
}

static void release(int number)
{
	budget_release(&f.tickets[number], now);
}

static void done(void)
{
	for (int i = 0; i < TICKETS; i++)
		release(i);
	assert_int_equal(f.budget.used, 0);
	assert_int_equal(f.budget.used_small, 0);
	assert_null(f.budget.past_total);
	assert_int_equal(map_count(f.budget.shares), 0);
	budget_done(&f.budget);
}

static void within_the_total(void **state)
{
	(void)state;
	setup(80, NO_KEYS);
	assert_true(take(0, 30));
	assert_true(take(1, 40));
	assert_true(take(1, 20)); /* has that already */
	assert_int_equal(f.budget.used, 70);
	release(0);
	release(0);
	done();
}

/* Both hold, both want more: one goes past the total, the other waits for it, nobody for ever. */
static void holders_do_not_lock_each_other(void **state)
{
	(void)state;
	setup(80, NO_KEYS);
	assert_true(take(0, 35));
	assert_true(take(1, 35));
	assert_true(take(0, 80));
	assert_false(take(1, 60));
	assert_true(take(0, 200));
	assert_int_equal(event_count, 0);
	release(0);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 1);
	assert_int_equal(f.tickets[1].held, 60);
	done();
}

static void first_come_first_served(void **state)
{
	(void)state;
	setup(80, NO_KEYS);
	assert_true(take(0, 70));
	assert_true(take(1, 10)); /* the one past the total */
	assert_false(take(2, 60));
	assert_false(take(3, 5)); /* would fit sooner, and waits its turn */
	release(1);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 2); /* it is the one past the total now */
	release(0);
	assert_int_equal(event_count, 2);
	assert_int_equal(events[1], 3);
	done();
}

static void leaving_the_queue(void **state)
{
	(void)state;
	setup(8, NO_KEYS);
	assert_true(take(0, 8));
	assert_false(take(1, 8));
	assert_false(take(2, 8));
	release(1);
	assert_int_equal(event_count, 0);
	release(0);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 2);
	done();
}

/* What has been taken without asking counts, and nobody new comes in before it is given back. */
static void taken_without_asking(void **state)
{
	(void)state;
	setup(80, NO_KEYS);
	assert_true(take(0, 50));
	budget_add(&f.tickets[0], 70);
	assert_int_equal(f.budget.used, 120);
	assert_true(take(1, 5)); /* the one past the total */
	assert_false(take(2, 5));
	release(0);
	assert_int_equal(event_count, 1);
	done();
}

/* Large ones, however many, leave an eighth for small ones; these pass large ones that wait, but take
 * only of that eighth then. */
static void room_for_small_ones(void **state)
{
	(void)state;
	setup(32 * MB, NO_KEYS);
	for (int i = 0; i < 3; i++)
		assert_true(take(i, 9 * MB));
	assert_true(take(3, 4 * MB)); /* past the total */
	assert_false(take(4, 2 * MB));
	for (int i = 0; i < 16; i++) {
		release(5);
		assert_true(take(5, BUDGET_SMALL));
	}
	assert_true(take(6, 200 * KB));
	budget_set(&f.budget, 12 * MB, 0);
	budget_check(&f.budget, now);
	assert_int_equal(event_count, 0);
	release(5);
	release(6);
	/* Of the reserve of now 1.5 MB: 256 KB is small still. */
	assert_true(take(5, BUDGET_SMALL));
	assert_true(take(6, BUDGET_SMALL));
	budget_set(&f.budget, 64 * MB, 0);
	budget_check(&f.budget, now);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 4);
	done();
}

/* One network has a quarter, and one message past it; others are not kept waiting by its wants. */
static void a_share_for_each(void **state)
{
	(void)state;
	setup(80 * MB, "aaaabb  ");
	assert_true(take(0, 15 * MB));
	assert_true(take(1, 10 * MB)); /* past the share */
	assert_false(take(2, 1 * MB));
	assert_true(take(3, 100 * KB)); /* small ones have a share of the reserve */
	assert_true(take(4, 20 * MB));
	assert_true(take(6, 10 * MB)); /* no key, no share */
	assert_true(take(5, 2 * MB));
	release(0);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 2);
	done();
}

/* The one past the total belongs to a network whose other message waits for its share: no lock. */
static void the_share_does_not_lock_the_total(void **state)
{
	(void)state;
	setup(80 * MB, "aabb    ");
	assert_true(take(0, 15 * MB));
	assert_true(take(2, 15 * MB));
	assert_true(take(4, 39 * MB));
	assert_true(take(3, 8 * MB));  /* past the share of b, and past the total */
	assert_false(take(1, 6 * MB)); /* past the share of a, waits for the total */
	assert_true(take(3, 30 * MB));
	assert_false(take(2, 20 * MB));
	release(3);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], 1); /* past the total now */
	release(1);
	assert_int_equal(event_count, 2);
	assert_int_equal(events[1], 2);
	done();
}

static void receive(int number, size_t bytes_a_second, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		now += 1000;
		budget_received(&f.tickets[number], bytes_a_second, now);
		budget_check(&f.budget, now);
	}
}

static void a_minimum_rate(void **state)
{
	(void)state;
	setup(80 * MB, NO_KEYS);
	budget_set(&f.budget, 80 * MB, 1000);
	assert_true(take(1, 1 * MB));
	receive(1, 1100, 600);
	assert_int_equal(event_count, 0);
	/* A burst buys a minute, no more. */
	budget_received(&f.tickets[1], 1 * MB, now);
	receive(1, 1, 59);
	assert_int_equal(event_count, 0);
	receive(1, 1, 22);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], -1);
	assert_int_equal(f.reasons[1], BUDGET_SLOW);
	/* Complete, or waiting for us: no rate is asked for. */
	assert_true(take(1, 65 * MB));
	budget_complete(&f.tickets[1]);
	assert_true(take(3, 8 * MB)); /* past the total */
	assert_false(take(2, 1 * MB));
	budget_complete(&f.tickets[3]);
	receive(3, 0, 600);
	assert_int_equal(event_count, 1);
	release(1);
	assert_int_equal(events[1], 2);
	receive(2, 0, 59);
	assert_int_equal(event_count, 2);
	receive(2, 0, 2);
	assert_int_equal(event_count, 3);
	assert_int_equal(events[2], -2);
	done();
}

/* Eight that sent much and then hardly anything hold everything: the largest of the slowest goes when a
 * ninth has waited for ten seconds, one a second, until it has what it wants. */
static void the_slowest_largest_goes_first(void **state)
{
	(void)state;
	setup(80 * MB, NO_KEYS);
	for (int i = 1; i < 7; i++)
		assert_true(take(i, (size_t)(i == 4 ? 14 : 10) * MB));
	assert_true(take(7, 8 * MB)); /* past the total */
	for (int second = 0; second < 60; second++) {
		now += 1000;
		for (int i = 1; i < 8; i++)
			budget_received(&f.tickets[i], i == 7 ? 1 * MB : 10, now);
		budget_check(&f.budget, now);
	}
	assert_int_equal(event_count, 0); /* nobody waits */
	assert_false(take(0, 15 * MB));
	receive(7, 1 * MB, 9);
	assert_int_equal(event_count, 0);
	receive(7, 1 * MB, 1);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0], -4);
	assert_int_equal(f.reasons[4], BUDGET_PRESSURE);
	receive(7, 1 * MB, 1);
	assert_int_equal(event_count, 3);
	assert_int_equal(events[1], -1);
	assert_int_equal(events[2], 0);
	receive(7, 1 * MB, 60);
	assert_int_equal(event_count, 3);
	done();
}

/* Whoever his own network keeps waiting has only those of it thrown out. */
static void pressure_within_a_share(void **state)
{
	(void)state;
	setup(80 * MB, "aaab    ");
	assert_true(take(3, 20 * MB));
	assert_true(take(1, 18 * MB));
	assert_true(take(2, 8 * MB));
	receive(3, 0, 30);
	assert_false(take(0, 10 * MB));
	receive(2, 1 * MB, 11);
	assert_int_equal(event_count, 2);
	assert_int_equal(events[0], -1);
	assert_int_equal(events[1], 0);
	done();
}

/* Those that come in fast are never thrown out, however long others wait. */
static void the_fast_stay(void **state)
{
	(void)state;
	setup(80 * MB, NO_KEYS);
	assert_true(take(1, 70 * MB));
	assert_true(take(2, 70 * MB)); /* past the total */
	assert_false(take(3, 1 * MB));
	for (int second = 0; second < 600; second++) {
		now += 1000;
		budget_received(&f.tickets[1], 2 * MB, now);
		budget_received(&f.tickets[2], 2 * MB, now);
		budget_check(&f.budget, now);
	}
	assert_int_equal(event_count, 0);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_the_total),
		cmocka_unit_test(holders_do_not_lock_each_other),
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(leaving_the_queue),
		cmocka_unit_test(taken_without_asking),
		cmocka_unit_test(room_for_small_ones),
		cmocka_unit_test(a_share_for_each),
		cmocka_unit_test(the_share_does_not_lock_the_total),
		cmocka_unit_test(a_minimum_rate),
		cmocka_unit_test(the_slowest_largest_goes_first),
		cmocka_unit_test(pressure_within_a_share),
		cmocka_unit_test(the_fast_stay),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
