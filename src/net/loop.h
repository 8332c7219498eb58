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

/* One-shot timers; starting a pending one moves it. The callback may free its timer. */
struct timer *timer_new(struct loop *loop, void (*callback)(void *ctx), void *ctx)
	__attribute__((returns_nonnull, warn_unused_result));
void timer_start(struct timer *timer, int64_t delay_ms);
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer);

/* Calls callback(ctx) in the loop's thread, soon, in the order of posting. From any thread. */
void loop_post(struct loop *loop, void (*callback)(void *ctx), void *ctx);

#endif
