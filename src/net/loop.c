#include "net/loop.h"

#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"

struct post {
	void (*callback)(void *ctx);
	void *ctx;
	struct post *next;
};

struct loop {
	struct event_base *base;
	struct event later_event, next_event, tidy_event;
	struct loop_task later; /* head of the ring of waiting tasks */
	struct loop_task next;  /* head of the ring of those for the next round */
	struct loop_task tidy;  /* head of the ring of those for loop_tidy */
	bool tidy_due;
	struct loop_held held; /* head of a ring */
	size_t held_count;
	struct event wake_event;
	int wake_fd;
	pthread_mutex_t post_lock; /* guards the next two */
	struct post *posts;
	struct post **posts_end;
	/* While time is held: when it stands, and the timers, earliest first. */
	bool time_is_held;
	bool running;
	_Atomic int64_t held_ms;
	TAILQ_HEAD(timers, timer) timers;
};

/* ---------------------------------------------------------------- the end of a round */

static void run_later(struct loop *loop)
{
	struct loop_task *head = &loop->later;
	while (head->next != head) {
		struct loop_task *task = head->next;
		loop_later_cancel(task);
		task->run(task->ctx);
	}
}

static void later_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	run_later(ctx);
}

static void append(struct loop_task *head, struct loop_task *task)
{
	task->next = head;
	task->previous = head->previous;
	task->previous->next = task;
	head->previous = task;
}

void loop_later(struct loop *loop, struct loop_task *task)
{
	if (task->next != NULL)
		return;
	struct loop_task *head = &loop->later;
	if (head->next == head)
		event_active(&loop->later_event, EV_TIMEOUT, 0);
	append(head, task);
}

/* A timer without delay is looked at after the events of the next round. */
void loop_next(struct loop *loop, struct loop_task *task)
{
	static const struct timeval no_delay;
	if (task->next != NULL)
		return;
	struct loop_task *head = &loop->next;
	if (head->next == head)
		event_add(&loop->next_event, &no_delay);
	append(head, task);
}

static void next_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	struct loop *loop = ctx;
	struct loop_task *head = &loop->next;
	while (head->next != head) {
		struct loop_task *task = head->next;
		loop_later_cancel(task);
		loop_later(loop, task);
	}
}

void loop_later_cancel(struct loop_task *task)
{
	if (task->next == NULL)
		return;
	task->previous->next = task->next;
	task->next->previous = task->previous;
	task->next = task->previous = NULL;
}

/* ---------------------------------------------------------------- after some work */

void loop_worked(struct loop *loop)
{
	static const struct timeval delay = {LOOP_TIDY_MS / 1000, LOOP_TIDY_MS % 1000 * 1000};
	if (loop->tidy_due)
		return;
	loop->tidy_due = true;
	event_add(&loop->tidy_event, &delay);
}

void loop_tidy(struct loop *loop, struct loop_task *task)
{
	if (task->next != NULL)
		return;
	append(&loop->tidy, task);
	loop_worked(loop);
}

/* Called from the loop itself, so that all frames of the work that was done lay below. */
static void tidy_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	struct loop *loop = ctx;
	struct loop_task *head = &loop->tidy;
	loop->tidy_due = false;
	while (head->next != head) {
		struct loop_task *task = head->next;
		loop_later_cancel(task);
		task->run(task->ctx);
	}
	stack_wipe_deep();
}

/* ---------------------------------------------------------------- posts of other threads */

static void run_posts(struct loop *loop)
{
	pthread_mutex_lock(&loop->post_lock);
	struct post *post = loop->posts;
	loop->posts = NULL;
	loop->posts_end = &loop->posts;
	pthread_mutex_unlock(&loop->post_lock);
	while (post != NULL) {
		struct post *next = post->next;
		post->callback(post->ctx);
		free(post);
		post = next;
	}
}

static void wake_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)what;
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));
	(void)got; /* nothing there: run_posts finds an empty list */
	loop_worked(ctx);
	run_posts(ctx);
}

void loop_post(struct loop *loop, void (*callback)(void *ctx), void *ctx)
{
	struct post *post = mem_new(sizeof(*post));
	post->callback = callback;
	post->ctx = ctx;
	pthread_mutex_lock(&loop->post_lock);
	bool first = loop->posts == NULL;
	*loop->posts_end = post;
	loop->posts_end = &post->next;
	pthread_mutex_unlock(&loop->post_lock);
	if (first) {
		uint64_t one = 1;
		ssize_t written = write(loop->wake_fd, &one, sizeof(one));
		(void)written; /* fails only when the counter is full, and then the loop wakes anyway */
	}
}

/* ---------------------------------------------------------------- the loop */

struct loop *loop_new(void)
{
	/* A peer that closes while we write must be an error of that write, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	struct loop *loop = mem_new(sizeof(*loop));
	TAILQ_INIT(&loop->timers);
	loop->later.next = loop->later.previous = &loop->later;
	loop->next.next = loop->next.previous = &loop->next;
	loop->tidy.next = loop->tidy.previous = &loop->tidy;
	loop->held.next = loop->held.previous = &loop->held;
	loop->posts_end = &loop->posts;
	must(pthread_mutex_init(&loop->post_lock, NULL) == 0);
	struct event_config *config = event_config_new();
	must(config != NULL);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	must(loop->base != NULL);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(loop->wake_fd >= 0);
	event_assign(&loop->later_event, loop->base, -1, 0, later_cb, loop);
	event_assign(&loop->next_event, loop->base, -1, 0, next_cb, loop);
	event_assign(&loop->tidy_event, loop->base, -1, 0, tidy_cb, loop);
	event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, wake_cb, loop);
	event_add(&loop->wake_event, NULL);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	while (loop->held.next != &loop->held)
		loop->held.next->drop(loop->held.next);
	/* Each may cause more of the other kind. */
	while (loop->posts != NULL || loop->later.next != &loop->later ||
	       loop->next.next != &loop->next) {
		run_posts(loop);
		next_cb(-1, 0, loop);
		run_later(loop);
	}
	event_del(&loop->later_event);
	event_del(&loop->next_event);
	event_del(&loop->tidy_event);
	event_del(&loop->wake_event);
	close(loop->wake_fd);
	event_base_free(loop->base);
	pthread_mutex_destroy(&loop->post_lock);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

void loop_run(struct loop *loop)
{
	loop->running = true;
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	loop->running = false;
}

void loop_stop(struct loop *loop)
{
	event_base_loopexit(loop->base, NULL);
}

static void nothing_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

void loop_run_once(struct loop *loop, int timeout_ms)
{
	if (timeout_ms <= 0) {
		event_base_loop(loop->base, EVLOOP_NONBLOCK);
		return;
	}
	struct event bound;
	struct timeval delay = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	event_assign(&bound, loop->base, -1, 0, nothing_cb, NULL);
	event_add(&bound, &delay);
	event_base_loop(loop->base, EVLOOP_ONCE);
	event_del(&bound);
}

void loop_hold(struct loop *loop, struct loop_held *held)
{
	held->loop = loop;
	held->next = &loop->held;
	held->previous = loop->held.previous;
	held->previous->next = held;
	loop->held.previous = held;
	loop->held_count++;
}

void loop_release(struct loop_held *held)
{
	if (held->next == NULL)
		return;
	held->previous->next = held->next;
	held->next->previous = held->previous;
	held->next = held->previous = NULL;
	held->loop->held_count--;
}

size_t loop_held_count(const struct loop *loop)
{
	return loop->held_count;
}

/* ---------------------------------------------------------------- timers */

struct timer {
	struct event event;
	struct loop *loop;
	void (*callback)(void *ctx);
	void *ctx;
	TAILQ_ENTRY(timer) entry; /* of the loop's, while its time is held and this one waits */
	int64_t due_ms;
	bool waits;
};

static void timer_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	struct timer *timer = ctx;
	timer->callback(timer->ctx);
}

struct timer *timer_new(struct loop *loop, void (*callback)(void *ctx), void *ctx)
{
	struct timer *timer = mem_new(sizeof(*timer));
	timer->loop = loop;
	timer->callback = callback;
	timer->ctx = ctx;
	event_assign(&timer->event, loop->base, -1, 0, timer_cb, timer);
	return timer;
}

static void insert(struct timer *timer, int64_t due_ms)
{
	struct loop *loop = timer->loop;
	struct timer *other = TAILQ_FIRST(&loop->timers);
	timer->due_ms = due_ms;
	timer->waits = true;
	while (other != NULL && other->due_ms <= due_ms)
		other = TAILQ_NEXT(other, entry);
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, timer, entry);
	else
		TAILQ_INSERT_TAIL(&loop->timers, timer, entry);
}

void timer_start(struct timer *timer, int64_t delay_ms)
{
	if (delay_ms < 0)
		delay_ms = 0;
	if (timer->loop->time_is_held) {
		timer_stop(timer);
		insert(timer, loop_now_ms(timer->loop) + delay_ms);
		return;
	}
	struct timeval delay = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};
	event_add(&timer->event, &delay);
}

void timer_stop(struct timer *timer)
{
	event_del(&timer->event);
	if (timer->waits)
		TAILQ_REMOVE(&timer->loop->timers, timer, entry);
	timer->waits = false;
}

void timer_free(struct timer *timer)
{
	if (timer == NULL)
		return;
	timer_stop(timer);
	free(timer);
}

/* ---------------------------------------------------------------- time */

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->time_is_held ? atomic_load(&loop->held_ms) : clock_monotonic_ms();
}

void loop_hold_time(struct loop *loop)
{
	must(!loop->time_is_held);
	loop->time_is_held = true;
	atomic_store(&loop->held_ms, clock_monotonic_ms());
}

/* What is ready now, and what that makes ready; who never comes to rest has had his rounds then. */
static void run_ready(struct loop *loop)
{
	enum { ROUNDS = 8 };
	for (int i = 0; i < ROUNDS && !loop->running; i++)
		event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

void loop_advance(struct loop *loop, int64_t ms)
{
	int64_t until = loop_now_ms(loop) + ms;
	struct timer *timer;
	must(loop->time_is_held);
	run_ready(loop);
	while ((timer = TAILQ_FIRST(&loop->timers)) != NULL && timer->due_ms <= until) {
		if (timer->due_ms > loop_now_ms(loop))
			atomic_store(&loop->held_ms, timer->due_ms);
		timer_stop(timer);
		timer->callback(timer->ctx);
		run_ready(loop);
	}
	atomic_store(&loop->held_ms, until);
}
