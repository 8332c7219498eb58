#ifndef POSTKASSE_NET_BACKGROUND_H
#define POSTKASSE_NET_BACKGROUND_H

/*
 * One thread beside a loop, for work that only computes and whose length a peer determines: done in the
 * loop, it would stall everybody who is served there. Jobs run one after the other, in the order of their
 * start. The thread is made with the first of them.
 *
 * A job lies inside its owner's struct. From background_start until done is called it is not the owner's:
 * what run works on must stay, whatever becomes of those who wanted it.
 */

#include <sys/queue.h>

#include "net/loop.h"

struct background;

struct background_job {
	TAILQ_ENTRY(background_job) entry;
	/* In the thread: touches nothing but what is the job's own. */
	void (*run)(struct background_job *job);
	/* In the loop's thread, once; false: background_free came before run was begun. */
	void (*done)(struct background_job *job, bool ran);
};

struct background *background_new(struct loop *loop)
	__attribute__((returns_nonnull, warn_unused_result));
/* run and done are set. done is never called from inside. */
void background_start(struct background *background, struct background_job *job);
/* Waits for the job that is running; then done is called for every job. NULL is fine. */
void background_free(struct background *background);

#endif
