#ifndef POSTKASSE_STORE_TURN_H
#define POSTKASSE_STORE_TURN_H

/*
 * What a worker does with a request whose turn it is: it works, and what it changed is durable before it is
 * answered. The changes that wait behind it for the same mailbox are done first and share that sync.
 */

#include "store/request.h"

/* The run of a request's task. */
enum task_outcome request_run(struct worker *worker, struct task *task);
/* The same for one of our own. */
enum task_outcome request_run_care(struct worker *worker, struct task *task);
/* The next request that waits for the leader's mailbox, if match says so: it runs now, with the leader, and is
 * to be ended with task_finish. NULL: none, or not that kind. */
struct request *request_take_next(struct request *leader, bool (*match)(const struct task *task));
/* Of a task that is a request's: how it is done. NULL: one of our own. */
const struct method *request_method(const struct task *task);
/* Requests that open a mailbox, or do without a session, bring its secret. */
bool request_brings_secret(const struct method *method);

#endif
