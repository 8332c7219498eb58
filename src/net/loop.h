#ifndef POSTKASSE_NET_LOOP_H
#define POSTKASSE_NET_LOOP_H

/*
 * The event loop of a process: a thin owner of a libevent base. Everything else in src/net and the
 * fronts runs in its one thread. loop_post is the only function that another thread may call.
 */

#include <event2/event.h>

#include "base/error.h"
#include "base/str.h"

struct loop;
struct timer;

struct loop *loop_new(void) __attribute__((returns_nonnull, warn_unused_result));
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Handles what is ready, waiting at most timeout_ms for the first event. */
void loop_run_once(struct loop *loop, int timeout_ms);

/* The time that timers and deadlines go by: monotonic milliseconds. */
int64_t loop_now_ms(const struct loop *loop);
/* For tests, before the first timer: from now on time stands still until loop_advance. Threads may ask for it, too. */
void loop_hold_time(struct loop *loop);
/* For tests: lets held time pass. Timers run in the order in which they are due, each with what it causes;
 * from inside loop_run what they cause comes afterwards. */
void loop_advance(struct loop *loop, int64_t ms);

/* One-shot timers; starting a pending one moves it. The callback may free its timer. */
struct timer *timer_new(struct loop *loop, void (*callback)(void *ctx), void *ctx)
	__attribute__((returns_nonnull, warn_unused_result));
void timer_start(struct timer *timer, int64_t delay_ms);
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer);

/* Calls callback(ctx) in the loop's thread, soon, in the order of posting. From any thread. What was
 * posted and did not run by loop_free runs inside it. */
void loop_post(struct loop *loop, void (*callback)(void *ctx), void *ctx);

/* Work for the end of the present round: after the events that are being handled, before the loop
 * waits again, without a system call. The task lies inside its owner's struct, zeroed at first; it
 * runs once for each time it was put off, and is out of the loop's hands while it runs. */
struct loop_task {
	void (*run)(void *ctx);
	void *ctx;
	struct loop_task *next, *previous; /* NULL while not waiting */
};
/* Nothing when it waits already. */
void loop_later(struct loop *loop, struct loop_task *task);
/* The same, but all events that are ready by then are handled first: for work that goes on and on. */
void loop_next(struct loop *loop, struct loop_task *task);
void loop_later_cancel(struct loop_task *task);

/* Mail is not to stay where it was worked on. Somebody works on what came from a peer: within LOOP_TIDY_MS
 * the loop overwrites what was left on the stack of its thread. */
enum { LOOP_TIDY_MS = 1000 };
void loop_worked(struct loop *loop);
/* Besides, the task runs then: for memory that is kept from one piece of work to the next. */
void loop_tidy(struct loop *loop, struct loop_task *task);

/* Things that go on for a bounded time after their owner let go of them (connections sending their
 * last bytes): loop_free drops those that are left. */
struct loop_held {
	void (*drop)(struct loop_held *held); /* calls loop_release */
	struct loop *loop;
	struct loop_held *next, *previous;
};
void loop_hold(struct loop *loop, struct loop_held *held);
void loop_release(struct loop_held *held);
size_t loop_held_count(const struct loop *loop);

#endif
