#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "store/worker.h"

/* Turns: their tasks in order, one at a time, each back once; many turns at once. */

enum { TURNS = 8, TASKS = 500 };

struct line {
	struct turn turn;
	atomic_int running;
	int last, done, slices;
};

struct job {
	struct task task;
	struct line *line;
	int number, slices_left;
};

static int back;

static void on_done(struct task *task)
{
	(void)task;
	back++;
}

static enum task_outcome run(struct worker *worker, struct task *task)
{
	struct job *job = container_of(task, struct job, task);
	assert_non_null(worker->packer);
	assert_int_equal(atomic_fetch_add(&job->line->running, 1), 0);
	if (job->slices_left > 0) {
		job->slices_left--;
		job->line->slices++;
		atomic_fetch_sub(&job->line->running, 1);
		return TASK_AGAIN;
	}
	job->line->done++;
	atomic_fetch_sub(&job->line->running, 1);
	return TASK_DONE;
}

static void start_all(struct worker_pool *pool, struct line *lines, struct job *jobs,
                      enum task_outcome (*how)(struct worker *, struct task *), int slices)
{
	back = 0;
	for (int i = 0; i < TURNS * TASKS; i++) {
		struct job *job = &jobs[i];
		job->line = &lines[i % TURNS];
		job->number = i / TURNS;
		job->slices_left = slices > 0 ? i % slices : 0;
		job->task = (struct task){.turn = &job->line->turn, .run = how, .done = on_done};
		task_start(pool, &job->task);
	}
}

static void test_turns(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct worker_pool *pool = worker_pool_new(loop, 4);
	struct line lines[TURNS] = {0};
	struct job *jobs = mem_new_array(TURNS * TASKS, sizeof(*jobs));
	for (int i = 0; i < TURNS; i++)
		turn_init(&lines[i].turn);
	start_all(pool, lines, jobs, run, 5);
	for (int i = 0; i < 3000 && back < TURNS * TASKS; i++)
		loop_run_once(loop, 10);
	assert_int_equal(back, TURNS * TASKS);
	int slices = 0;
	for (int i = 0; i < TURNS; i++) {
		assert_int_equal(lines[i].done, TASKS);
		slices += lines[i].slices;
	}
	assert_int_equal(slices, TURNS * TASKS / 5 * (0 + 1 + 2 + 3 + 4));
	worker_pool_free(pool);
	loop_free(loop);
	free(jobs);
}

static enum task_outcome run_ordered(struct worker *worker, struct task *task)
{
	struct job *job = container_of(task, struct job, task);
	(void)worker;
	assert_int_equal(job->number, job->line->last);
	job->line->last++;
	return TASK_DONE;
}

static bool even_number(const struct task *task)
{
	const struct job *job = (const struct job *)(const void *)((const char *)task -
	                                                           offsetof(struct job, task));
	return job->number % 2 == 0;
}

/* Each odd one takes the even one behind it along. */
static enum task_outcome run_grouped(struct worker *worker, struct task *task)
{
	struct job *job = container_of(task, struct job, task);
	assert_int_equal(job->number, job->line->last);
	job->line->last++;
	struct task *next = job->number % 2 == 1 ? task_take_next(worker, task->turn, even_number)
	                                         : NULL;
	if (next != NULL) {
		assert_int_equal(container_of(next, struct job, task)->number, job->line->last);
		job->line->last++;
		task_finish(worker, next);
	}
	return TASK_DONE;
}

static void run_in_order(enum task_outcome (*how)(struct worker *, struct task *))
{
	struct loop *loop = loop_new();
	struct worker_pool *pool = worker_pool_new(loop, 3);
	struct line lines[TURNS] = {0};
	struct job *jobs = mem_new_array(TURNS * TASKS, sizeof(*jobs));
	for (int i = 0; i < TURNS; i++)
		turn_init(&lines[i].turn);
	start_all(pool, lines, jobs, how, 0);
	for (int i = 0; i < 3000 && back < TURNS * TASKS; i++)
		loop_run_once(loop, 10);
	assert_int_equal(back, TURNS * TASKS);
	for (int i = 0; i < TURNS; i++)
		assert_int_equal(lines[i].last, TASKS);
	worker_pool_free(pool);
	loop_free(loop);
	free(jobs);
}

static void test_order(void **state)
{
	(void)state;
	run_in_order(run_ordered);
}

static void test_groups(void **state)
{
	(void)state;
	run_in_order(run_grouped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
