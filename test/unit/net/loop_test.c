/* The loop: order of posts from threads, work put off, timers, what loop_free runs and drops. */

#include "net/loop.h"

#include <pthread.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

enum { THREADS = 4, POSTS = 2000 };

struct poster {
	struct loop *loop;
	int next; /* expected */
	int seen;
};

struct post {
	struct poster *poster;
	int number;
};

static void take_post(void *ctx)
{
	struct post *post = ctx;
	assert_int_equal(post->number, post->poster->next);
	post->poster->next++;
	free(post);
}

static void *post_many(void *ctx)
{
	struct poster *poster = ctx;
	for (int i = 0; i < POSTS; i++) {
		struct post *post = mem_new(sizeof(*post));
		post->poster = poster;
		post->number = i;
		loop_post(poster->loop, take_post, post);
	}
	return NULL;
}

static void post_test(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct poster posters[THREADS] = {{0}};
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++) {
		posters[i].loop = loop;
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	int64_t until = clock_monotonic_ms() + 5000;
	for (size_t i = 0; i < THREADS; i++) {
		while (posters[i].next < POSTS && clock_monotonic_ms() < until)
			loop_run_once(loop, 50);
		assert_int_equal(posters[i].next, POSTS);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* What nobody waited for still runs. */
	struct poster late = {.loop = loop};
	post_many(&late);
	loop_free(loop);
	assert_int_equal(late.next, POSTS);
}

struct task {
	struct loop *loop;
	struct loop_task task;
	int runs, again;
};

static void run_task(void *ctx)
{
	struct task *task = ctx;
	task->runs++;
	if (task->again-- > 0)
		loop_next(task->loop, &task->task);
}

static void count(void *ctx)
{
	(*(int *)ctx)++;
}

static void drop(struct loop_held *held)
{
	loop_release(held);
}

static void later_test(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct task once = {.loop = loop, .task = {.run = run_task, .ctx = &once}};
	struct task more = {.loop = loop, .task = {.run = run_task, .ctx = &more}, .again = 3};
	loop_later(loop, &once.task);
	loop_later(loop, &once.task);
	loop_next(loop, &more.task);
	loop_run_once(loop, 20);
	for (int i = 0; i < 10; i++)
		loop_run_once(loop, 1);
	assert_int_equal(once.runs, 1);
	assert_int_equal(more.runs, 4);
	loop_later(loop, &once.task);
	loop_later_cancel(&once.task);
	loop_run_once(loop, 1);
	assert_int_equal(once.runs, 1);
	int fired = 0;
	struct timer *timer = timer_new(loop, count, &fired);
	timer_start(timer, 100000);
	timer_start(timer, 10); /* moved */
	int64_t start = clock_monotonic_ms();
	while (fired == 0 && clock_monotonic_ms() < start + 5000)
		loop_run_once(loop, 50);
	assert_int_equal(fired, 1);
	timer_start(timer, 1);
	timer_stop(timer);
	loop_run_once(loop, 20);
	assert_int_equal(fired, 1);
	timer_free(timer);
	struct loop_held held = {.drop = drop};
	loop_hold(loop, &held);
	assert_int_equal(loop_held_count(loop), 1);
	loop_later(loop, &more.task);
	loop_free(loop);
	assert_int_equal(more.runs, 5);
	assert_null(held.next);
}

/* Held time passes when it is told to, and what is due then runs in its order, at its time. */
struct ticker {
	struct loop *loop;
	struct timer *timer;
	int64_t every_ms;
	struct buf *told; /* shared */
	char name;
	int left;
};

static void tick(void *ctx)
{
	struct ticker *ticker = ctx;
	buf_addf(ticker->told, "%c%lld ", ticker->name,
	         (long long)(loop_now_ms(ticker->loop) % 1000000));
	if (--ticker->left > 0)
		timer_start(ticker->timer, ticker->every_ms);
}

static void held_time_test(void **state)
{
	(void)state;
	struct buf told BUF_AUTO;
	struct loop *loop = loop_new();
	loop_hold_time(loop);
	loop_advance(loop, 1000000 - loop_now_ms(loop) % 1000000);
	struct ticker fast = {loop, NULL, 20, &told, 'f', 3}, slow = {loop, NULL, 50, &told, 's', 2};
	buf_init(&told, 1000);
	fast.timer = timer_new(loop, tick, &fast);
	slow.timer = timer_new(loop, tick, &slow);
	timer_start(slow.timer, slow.every_ms);
	timer_start(fast.timer, fast.every_ms);
	loop_run_once(loop, 1);
	assert_int_equal(told.len, 0);
	loop_advance(loop, 19);
	assert_int_equal(told.len, 0);
	loop_advance(loop, 81);
	buf_add_byte(&told, '\0');
	assert_string_equal(told.ptr, "f20 f40 s50 f60 s100 ");
	assert_int_equal(loop_now_ms(loop) % 1000000, 100);
	buf_clear(&told);
	slow.left = 1;
	timer_start(slow.timer, 10);
	timer_start(slow.timer, 30); /* moves it */
	timer_start(fast.timer, 20);
	timer_stop(fast.timer);
	loop_advance(loop, 1000);
	buf_add_byte(&told, '\0');
	assert_string_equal(told.ptr, "s130 ");
	timer_start(fast.timer, 20);
	timer_free(fast.timer);
	timer_free(slow.timer);
	loop_advance(loop, 1000);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(post_test),
		cmocka_unit_test(later_test),
		cmocka_unit_test(held_time_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
