#include "net/background.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

enum { JOBS = 5 };

/* A job that runs until it is let go. */
struct work {
	struct background_job job;
	sem_t begun, may_end;
	int number;
	bool ran, done;
};

static int order[JOBS];
static int done_count;

static void run(struct background_job *job)
{
	struct work *work = container_of(job, struct work, job);
	sem_post(&work->begun);
	sem_wait(&work->may_end);
}

static void done(struct background_job *job, bool ran)
{
	struct work *work = container_of(job, struct work, job);
	work->ran = ran;
	work->done = true;
	order[done_count++] = work->number;
}

static void works_init(struct work works[JOBS])
{
	done_count = 0;
	for (int i = 0; i < JOBS; i++) {
		works[i] = (struct work){.job = {.run = run, .done = done}, .number = i};
		sem_init(&works[i].begun, 0, 0);
		sem_init(&works[i].may_end, 0, 0);
	}
}

static void fire(void *ctx)
{
	struct work *works = ctx;
	/* Only now, from the loop: whoever ran a job in the loop would wait for ever. */
	for (int i = 0; i < JOBS; i++)
		sem_post(&works[i].may_end);
}

static void the_loop_goes_on(void **state)
{
	(void)state;
	struct work works[JOBS];
	struct loop *loop = loop_new();
	struct background *background = background_new(loop);
	struct timer *timer = timer_new(loop, fire, works);
	works_init(works);
	for (int i = 0; i < JOBS; i++)
		background_start(background, &works[i].job);
	sem_wait(&works[0].begun);
	assert_int_equal(done_count, 0);
	timer_start(timer, 0);
	for (int64_t until = clock_monotonic_ms() + 60000;
	     done_count < JOBS && clock_monotonic_ms() < until;)
		loop_run_once(loop, 10);
	assert_int_equal(done_count, JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(order[i], i);
		assert_true(works[i].ran);
	}
	timer_free(timer);
	background_free(background);
	loop_free(loop);
}

/* The one that runs is waited for, the others come back as they are; a wake-up may still be on its way. */
static void the_end(void **state)
{
	(void)state;
	for (int begun = 0; begun < 2; begun++) {
		struct work works[JOBS];
		struct loop *loop = loop_new();
		struct background *background = background_new(loop);
		works_init(works);
		for (int i = 0; i < JOBS; i++)
			background_start(background, &works[i].job);
		sem_wait(&works[0].begun);
		sem_post(&works[0].may_end);
		if (begun != 0) { /* the first is over, and the loop was told of it */
			sem_wait(&works[1].begun);
			sem_post(&works[1].may_end);
		}
		for (int i = 1; i < JOBS; i++)
			sem_post(&works[i].may_end);
		background_free(background);
		assert_int_equal(done_count, JOBS);
		assert_true(works[0].ran);
		for (int i = 0; i < JOBS; i++)
			assert_true(works[i].done);
		loop_free(loop);
		assert_int_equal(done_count, JOBS);
	}
}

static void nothing_was_begun(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	background_free(background_new(loop));
	background_free(NULL);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loop_goes_on),
		cmocka_unit_test(the_end),
		cmocka_unit_test(nothing_was_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
