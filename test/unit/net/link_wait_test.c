#include "net/link_wait.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { PATIENCE = 10000, LATE = 500000 /* long after all of it */ };

static void assert_look(const struct link_wait *wait, const struct link_life *life, int64_t now,
                        enum link_wait_state state, int64_t next)
{
	int64_t found;
	assert_int_equal(link_wait_look(wait, life, now, &found), state);
	if (state == LINK_WAIT_ON)
		assert_int_equal(found, next);
}

/* Not connected: the patience of all calls together is one. */
static void away(void **state)
{
	struct link_patience patience = {.left_ms = PATIENCE};
	struct link_wait wait;
	const struct link_life life = {0};
	(void)state;
	link_wait_begin(&wait, &patience, 1000);
	assert_look(&wait, &life, 1000, LINK_WAIT_ON, 11000);
	assert_look(&wait, &life, 10999, LINK_WAIT_ON, 11000);
	/* The link is back, and the core at work: that costs nothing. */
	link_wait_sent(&wait, 5000);
	assert_int_equal(patience.left_ms, PATIENCE - 4000);
	link_wait_end(&wait, &(struct link_life){.heard_ms = 9000}, 9000);
	assert_int_equal(patience.left_ms, PATIENCE - 4000);
	/* The next one has what is left. */
	link_wait_begin(&wait, &patience, 20000);
	assert_look(&wait, &life, 20000, LINK_WAIT_ON, 26000);
	assert_look(&wait, &life, 26000, LINK_WAIT_OVER, 0);
	link_wait_end(&wait, &life, 26003);
	assert_int_equal(patience.left_ms, 0);
	link_wait_begin(&wait, &patience, 30000);
	assert_look(&wait, &life, 30000, LINK_WAIT_OVER, 0);
	link_wait_end(&wait, &life, 30000);
	assert_int_equal(patience.left_ms, 0);
}

/* Asked for a sign of life every now and then, and giving it, a core may work as long as it likes. */
static void at_work(void **state)
{
	struct link_patience patience = {.left_ms = PATIENCE};
	struct link_wait wait;
	struct link_life life = {.heard_ms = 500};
	int64_t now = 1000;
	(void)state;
	link_wait_begin(&wait, &patience, now);
	link_wait_sent(&wait, now);
	for (; now < LATE; now += LINK_ASK_MS) {
		assert_look(&wait, &life, now, LINK_WAIT_ON, now + LINK_ASK_MS);
		assert_look(&wait, &life, now + LINK_ASK_MS, LINK_WAIT_ASK, 0);
		life.asked_ms = now + LINK_ASK_MS;
		life.heard_ms = now + LINK_ASK_MS; /* within the same millisecond */
	}
	assert_look(&wait, &life, now + LINK_ASK_MS - 1, LINK_WAIT_ON, now + LINK_ASK_MS);
	link_wait_end(&wait, &life, now);
	assert_int_equal(patience.left_ms, PATIENCE);
}

/* Connected and silent, as when its host is cut off: counts from the last sign of life. */
static void silent(void **state)
{
	struct link_patience patience = {.left_ms = PATIENCE};
	struct link_wait wait;
	struct link_life life = {.heard_ms = 3000, .asked_ms = 3250};
	(void)state;
	link_wait_begin(&wait, &patience, 1000);
	link_wait_sent(&wait, 1000);
	assert_look(&wait, &life, 3250, LINK_WAIT_ON, 13000);
	assert_look(&wait, &life, 13000, LINK_WAIT_OVER, 0);
	/* Who comes when the silence is known waits from then on. */
	struct link_wait second;
	link_wait_begin(&second, &patience, 8000);
	link_wait_sent(&second, 8000);
	assert_look(&second, &life, 8000, LINK_WAIT_ON, 18000);
	/* The connection is then found dead: it has been away all the time. */
	link_wait_lost(&wait, &life, 12000);
	assert_look(&wait, &life, 12000, LINK_WAIT_ON, 13000);
	link_wait_end(&wait, &life, 12500);
	assert_int_equal(patience.left_ms, PATIENCE - 9500);
	link_wait_end(&second, &life, 8100);
	assert_int_equal(patience.left_ms, PATIENCE - 9600);
}

/* Nothing is left: a core that answers soon does so, one that is known to be silent is not asked. */
static void nothing_left(void **state)
{
	struct link_patience patience = {.left_ms = 0};
	struct link_wait wait;
	struct link_life life = {.heard_ms = 900};
	(void)state;
	link_wait_begin(&wait, &patience, 1000);
	link_wait_sent(&wait, 1000);
	assert_look(&wait, &life, 1000, LINK_WAIT_ON, 1000 + LINK_ASK_MS);
	life.asked_ms = 1000 + LINK_ASK_MS;
	assert_look(&wait, &life, life.asked_ms, LINK_WAIT_ON, life.asked_ms + LINK_ASK_MS);
	assert_look(&wait, &life, life.asked_ms + LINK_ASK_MS, LINK_WAIT_OVER, 0);
	link_wait_begin(&wait, &patience, 2000);
	link_wait_sent(&wait, 2000);
	assert_look(&wait, &life, 2000, LINK_WAIT_OVER, 0);
}

/* A core that dies at work, having given signs of life, is away from then on. */
static void lost(void **state)
{
	struct link_patience patience = {.left_ms = PATIENCE};
	struct link_wait wait;
	const struct link_life life = {.heard_ms = 70000, .asked_ms = 69000};
	(void)state;
	link_wait_begin(&wait, &patience, 1000);
	link_wait_sent(&wait, 1000);
	link_wait_lost(&wait, &life, 70100);
	assert_look(&wait, &(struct link_life){0}, 70100, LINK_WAIT_ON, 80100);
	link_wait_sent(&wait, 71100);
	assert_int_equal(patience.left_ms, PATIENCE - 1000);
}

/* A stream that waited for the reader: the core is asked anew. */
static void again(void **state)
{
	struct link_patience patience = {.left_ms = PATIENCE};
	struct link_wait wait;
	struct link_life life = {.heard_ms = 1500};
	(void)state;
	link_wait_begin(&wait, &patience, 1000);
	link_wait_sent(&wait, 1000);
	link_wait_again(&wait, LATE);
	assert_look(&wait, &life, LATE, LINK_WAIT_ON, LATE + LINK_ASK_MS);
	life.asked_ms = LATE + LINK_ASK_MS;
	assert_look(&wait, &life, life.asked_ms, LINK_WAIT_ON, LATE + PATIENCE);
}

static void without(void **state)
{
	struct link_wait wait;
	const struct link_life life = {.heard_ms = 3000, .asked_ms = 3250};
	(void)state;
	link_wait_begin(&wait, NULL, 1000);
	assert_look(&wait, &life, LATE, LINK_WAIT_ON, INT64_MAX);
	link_wait_sent(&wait, 2000);
	assert_look(&wait, &life, LATE, LINK_WAIT_ON, INT64_MAX);
	link_wait_lost(&wait, &life, 4000);
	link_wait_end(&wait, &life, LATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(away),         cmocka_unit_test(at_work), cmocka_unit_test(silent),
		cmocka_unit_test(nothing_left), cmocka_unit_test(lost),    cmocka_unit_test(again),
		cmocka_unit_test(without),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
