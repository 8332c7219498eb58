#include "store/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"

enum {
	WORKER_STACK_SIZE = 512 * 1024,
	IDLE_MS =
		1000, /* without work for so long, a worker keeps nothing of the mail that it worked on */
};

struct worker_pool {
	struct loop *loop;
	struct pack_tables *tables;
	pthread_mutex_t lock; /* guards what follows and every turn's line */
	pthread_cond_t work;
	TAILQ_HEAD(, turn) ready; /* turns with tasks and no worker */
	struct task_list finished;
	bool stopping;
	int thread_count;
	pthread_t threads[];
};

void turn_init(struct turn *turn)
{
	*turn = (struct turn){0};
	TAILQ_INIT(&turn->tasks);
}

static void deliver_finished(void *ctx)
{
	struct worker_pool *pool = ctx;
	struct task_list list = TAILQ_HEAD_INITIALIZER(list);
	pthread_mutex_lock(&pool->lock);
	TAILQ_CONCAT(&list, &pool->finished, link);
	pthread_mutex_unlock(&pool->lock);
	struct task *task;
	while ((task = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, task, link);
		task->done(task);
	}
}

/* Under the lock. True for the first of a batch: then wake_loop is due, once the lock is let go (or
 * else the loop would wake just to wait for it). */
static bool add_finished(struct worker_pool *pool, struct task *task)
{
	bool first = TAILQ_EMPTY(&pool->finished);
	TAILQ_INSERT_TAIL(&pool->finished, task, link);
	return first;
}

static void wake_loop(struct worker_pool *pool)
{
	loop_post(pool->loop, deliver_finished, pool);
}

void task_start(struct worker_pool *pool, struct task *task)
{
	pthread_mutex_lock(&pool->lock);
	must(!pool->stopping);
	struct turn *turn = task->turn;
	TAILQ_INSERT_TAIL(&turn->tasks, task, link);
	bool first = !turn->busy;
	if (first) {
		turn->busy = true;
		TAILQ_INSERT_TAIL(&pool->ready, turn, link);
	}
	pthread_mutex_unlock(&pool->lock);
	if (first)
		pthread_cond_signal(&pool->work);
}

struct task *task_take_next(struct worker *worker, struct turn *turn,
                            bool (*match)(const struct task *task))
{
	pthread_mutex_lock(&worker->pool->lock);
	struct task *task = TAILQ_FIRST(&turn->tasks);
	if (task != NULL && match(task))
		TAILQ_REMOVE(&turn->tasks, task, link);
	else
		task = NULL;
	pthread_mutex_unlock(&worker->pool->lock);
	return task;
}

void task_finish(struct worker *worker, struct task *task)
{
	struct worker_pool *pool = worker->pool;
	pthread_mutex_lock(&pool->lock);
	bool first = add_finished(pool, task);
	pthread_mutex_unlock(&pool->lock);
	if (first)
		wake_loop(pool);
}

/* Under the lock, which is released while the task runs. */
static void run_turn(struct worker *worker, struct turn *turn)
{
	struct worker_pool *pool = worker->pool;
	struct task *task = TAILQ_FIRST(&turn->tasks);
	must(task != NULL);
	TAILQ_REMOVE(&turn->tasks, task, link);
	pthread_mutex_unlock(&pool->lock);
	enum task_outcome outcome = task->run(worker, task);
	pthread_mutex_lock(&pool->lock);
	if (outcome == TASK_AGAIN)
		TAILQ_INSERT_TAIL(&turn->tasks, task, link);
	/* The turn's owner may go with the last done, so the turn is let go first. */
	turn->busy = !TAILQ_EMPTY(&turn->tasks);
	if (turn->busy)
		TAILQ_INSERT_TAIL(&pool->ready, turn, link); /* this worker looks there next */
	if (outcome == TASK_DONE && add_finished(pool, task)) {
		pthread_mutex_unlock(&pool->lock);
		wake_loop(pool);
		pthread_mutex_lock(&pool->lock);
	}
}

/* Under the lock: until there may be work. Whoever waits for long forgets first, then waits without end. */
static void wait_for_work(struct worker *worker, bool *forgotten)
{
	struct worker_pool *pool = worker->pool;
	int64_t until_ms = clock_monotonic_ms() + IDLE_MS;
	struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
	if (*forgotten) {
		pthread_cond_wait(&pool->work, &pool->lock);
	} else if (pthread_cond_timedwait(&pool->work, &pool->lock, &until) == ETIMEDOUT) {
		pthread_mutex_unlock(&pool->lock);
		packer_forget(worker->packer);
		stack_wipe_deep();
		*forgotten = true;
		pthread_mutex_lock(&pool->lock);
	}
}

static void *worker_main(void *ctx)
{
	struct worker_pool *pool = ctx;
	struct worker worker = {.pool = pool, .packer = packer_new(pool->tables)};
	bool forgotten = true;
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct turn *turn = TAILQ_FIRST(&pool->ready);
		if (turn != NULL) {
			TAILQ_REMOVE(&pool->ready, turn, link);
			run_turn(&worker, turn);
			forgotten = false;
		} else if (pool->stopping) {
			break;
		} else {
			wait_for_work(&worker, &forgotten);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	packer_free(worker.packer);
	return NULL;
}

struct worker_pool *worker_pool_new(struct loop *loop, int threads)
{
	must(threads > 0);
	struct worker_pool *pool = mem_new(sizeof(*pool) + (size_t)threads * sizeof(pool->threads[0]));
	pool->loop = loop;
	pool->tables = pack_tables_new();
	TAILQ_INIT(&pool->ready);
	TAILQ_INIT(&pool->finished);
	must(pthread_mutex_init(&pool->lock, NULL) == 0);
	pthread_condattr_t monotonic;
	must(pthread_condattr_init(&monotonic) == 0);
	must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&pool->work, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	pthread_attr_t attributes;
	must(pthread_attr_init(&attributes) == 0);
	must(pthread_attr_setstacksize(&attributes, WORKER_STACK_SIZE) == 0);
	/* Signals are the loop's: workers start with all of them blocked. */
	sigset_t all, before;
	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	for (int i = 0; i < threads; i++) {
		must(pthread_create(&pool->threads[i], &attributes, worker_main, pool) == 0);
		pool->thread_count++;
	}
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	pthread_attr_destroy(&attributes);
	return pool;
}

void worker_pool_free(struct worker_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->thread_count; i++)
		must(pthread_join(pool->threads[i], NULL) == 0);
	must(TAILQ_EMPTY(&pool->finished));
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	pack_tables_free(pool->tables);
	free(pool);
}
