#include "net/background.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"

enum { STACK_SIZE = 1024 * 1024 };

TAILQ_HEAD(jobs, background_job);

struct background {
	struct loop *loop;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	struct jobs waiting, finished;
	bool posted; /* give_back is on its way */
	bool stopping, freed;
};

static struct background_job *take_first(struct jobs *jobs)
{
	struct background_job *job = TAILQ_FIRST(jobs);
	if (job != NULL)
		TAILQ_REMOVE(jobs, job, entry);
	return job;
}

static void dispose(struct background *background)
{
	pthread_cond_destroy(&background->work);
	pthread_mutex_destroy(&background->lock);
	free(background);
}

static struct background_job *take_finished(struct background *background)
{
	pthread_mutex_lock(&background->lock);
	struct background_job *job = take_first(&background->finished);
	pthread_mutex_unlock(&background->lock);
	return job;
}

static void finish_all(struct background *background)
{
	struct background_job *job;
	while ((job = take_finished(background)) != NULL)
		job->done(job, true);
}

/* In the loop's thread. */
static void give_back(void *ctx)
{
	struct background *background = ctx;
	pthread_mutex_lock(&background->lock);
	background->posted = false;
	bool freed = background->freed;
	pthread_mutex_unlock(&background->lock);
	if (freed)
		dispose(background);
	else
		finish_all(background);
}

/* Under the lock, which is released while the job runs. */
static void run_one(struct background *background, struct background_job *job)
{
	pthread_mutex_unlock(&background->lock);
	job->run(job);
	stack_wipe_deep(); /* it was mail */
	pthread_mutex_lock(&background->lock);
	TAILQ_INSERT_TAIL(&background->finished, job, entry);
	if (!background->posted)
		loop_post(background->loop, give_back, background);
	background->posted = true;
}

static void *thread_main(void *ctx)
{
	struct background *background = ctx;
	pthread_mutex_lock(&background->lock);
	while (!background->stopping) {
		struct background_job *job = take_first(&background->waiting);
		if (job != NULL)
			run_one(background, job);
		else
			pthread_cond_wait(&background->work, &background->lock);
	}
	pthread_mutex_unlock(&background->lock);
	return NULL;
}

/* Signals are the loop's: the thread starts with all of them blocked. */
static bool start_thread(struct background *background)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	must(pthread_attr_init(&attributes) == 0);
	must(pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0);
	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	bool made = pthread_create(&background->thread, &attributes, thread_main, background) == 0;
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	pthread_attr_destroy(&attributes);
	return made;
}

struct background *background_new(struct loop *loop)
{
	struct background *background = mem_new(sizeof(*background));
	background->loop = loop;
	must(pthread_mutex_init(&background->lock, NULL) == 0);
	must(pthread_cond_init(&background->work, NULL) == 0);
	TAILQ_INIT(&background->waiting);
	TAILQ_INIT(&background->finished);
	return background;
}

void background_start(struct background *background, struct background_job *job)
{
	if (!background->has_thread)
		background->has_thread = start_thread(background);
	pthread_mutex_lock(&background->lock);
	if (background->has_thread) {
		TAILQ_INSERT_TAIL(&background->waiting, job, entry);
		pthread_cond_signal(&background->work);
	} else {
		run_one(background, job); /* no thread to be had: others wait this time */
	}
	pthread_mutex_unlock(&background->lock);
}

void background_free(struct background *background)
{
	struct background_job *job;
	if (background == NULL)
		return;
	pthread_mutex_lock(&background->lock);
	background->stopping = true;
	pthread_cond_signal(&background->work);
	pthread_mutex_unlock(&background->lock);
	if (background->has_thread)
		must(pthread_join(background->thread, NULL) == 0);
	finish_all(background);
	while ((job = take_first(&background->waiting)) != NULL)
		job->done(job, false);
	/* The thread is gone: nobody else looks at these. A give_back on its way still has the struct. */
	background->freed = true;
	if (!background->posted)
		dispose(background);
}
