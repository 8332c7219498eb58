#ifndef POSTKASSE_STORE_WORKER_H
#define POSTKASSE_STORE_WORKER_H

/*
 * Threads that do the blocking work. A task belongs to a turn (one for each mailbox): the tasks of a
 * turn run one at a time, in order, on whichever worker is free, so whoever runs one needs no locks
 * for what belongs to the mailbox. Results go back to the loop's thread in the order in which they
 * came about, many with one wake-up.
 *
 *     loop thread: task_start ──> turn ──> worker: run ──> loop thread: done
 *                     ^                      │ TASK_AGAIN: to the end of the turn's line
 *                     └── the caller's choice┘ TASK_DONE: on to done
 */

#include <sys/queue.h>

#include "base/str.h"
#include "net/loop.h"
#include "store/pack.h"

struct worker_pool;
struct task;
TAILQ_HEAD(task_list, task);

struct turn {
	TAILQ_ENTRY(turn) link; /* the pool's */
	struct task_list tasks; /* waiting, the pool's */
	bool busy;              /* in the line of turns, or with a worker */
};

/* What one worker has for itself; handed to each task that it runs. */
struct worker {
	struct worker_pool *pool;
	struct packer *packer;
};

enum task_outcome { TASK_DONE, TASK_AGAIN };

struct task {
	TAILQ_ENTRY(task) link;
	struct turn *turn;
	enum task_outcome (*run)(struct worker *worker, struct task *task); /* in a worker */
	void (*done)(struct task *task);                                    /* in the loop's thread */
};

struct worker_pool *worker_pool_new(struct loop *loop, int threads)
	__attribute__((returns_nonnull, warn_unused_result));
/* Every task must have come back. */
void worker_pool_free(struct worker_pool *pool);

/* An empty line of tasks. A turn needs no end: it owns nothing, and its tasks come back one by one. */
void turn_init(struct turn *turn);

/* Puts task (turn, run and done set) at the end of its turn's line. From the loop's thread. */
void task_start(struct worker_pool *pool, struct task *task);
/* From inside run: takes the next waiting task of the same turn out of the line if match says so. It
 * is then the caller's to end with task_finish. NULL: none, or not that kind. */
struct task *task_take_next(struct worker *worker, struct turn *turn,
                            bool (*match)(const struct task *task));
/* Sends a task that task_take_next gave on to its done. */
void task_finish(struct worker *worker, struct task *task);

#endif
