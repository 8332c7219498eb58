#include "store/turn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "store/care.h"

enum { SHARE_MAX = 100 }; /* requests that share a sync with the one before them */

bool request_brings_secret(const struct method *method)
{
	return method != NULL && (method->scope == METHOD_OPENING || method->scope == METHOD_MAILBOX);
}

const struct method *request_method(const struct task *task)
{
	const char *at = (const char *)task - offsetof(struct request, task);
	return ((const struct request *)(const void *)at)->method;
}

struct request *request_take_next(struct request *leader, bool (*match)(const struct task *task))
{
	struct task *task = task_take_next(leader->worker, &leader->mailbox->turn, match);
	if (task == NULL)
		return NULL;
	struct request *next = container_of(task, struct request, task);
	next->worker = leader->worker;
	next->packer = leader->packer;
	return next;
}

/* ---------------------------------------------------------------- one request */

/* Whatever happened, the next request finds no open transaction. */
static void end_transactions(struct mailbox *mailbox)
{
	if (mailbox->db != NULL && db_in_transaction(mailbox->db))
		mailbox_rollback(mailbox);
	if (mailbox->temporary != NULL && db_in_transaction(mailbox->temporary))
		db_rollback(mailbox->temporary);
}

/* After damage the next request finds a fresh handle. */
static void leave(struct request *request)
{
	struct mailbox *mailbox = request->mailbox;
	if (db_is_damage(request->error))
		mailbox_close_handles(mailbox);
	request->wants_care = mailbox->needs_care;
	/* Here, where nobody waits for it; one that met a full volume may be done again. */
	if (!request->more && request->error != E_NO_SPACE)
		request_free_message(request);
	if (request->holds_key)
		mailbox->key_holders--;
	request->holds_key = false;
	if (mailbox->mark_untold)
		request->mark = mailbox->mark;
	request->has_less = mailbox->has_less;
	mailbox->mark_untold = mailbox->has_less = false;
	request->waits = mailbox->waits_untold;
	request->waits_lost = mailbox->waits_lost;
	mailbox->waits_untold.count = 0;
	mailbox->waits_lost = 0;
}

static int run_method(struct request *request)
{
	if (request_cancelled(request) && !request->method->grouped)
		return err_set(&request->info, E_CANCELLED, "nobody waits for this any more");
	if (request->unknown_error != 0)
		return err_set(&request->info, request->unknown_error,
		               "the directory does not say what the mailbox should have");
	int rc = request_unpack(request);
	if (rc != 0)
		return rc;
	if (mark_newer(&request->known, &request->mailbox->mark))
		request->mailbox->mark = request->known;
	if (request->asked)
		request->mailbox->waits = request->known_waits;
	request->asked = false;
	if (request->method->scope == METHOD_SESSION) {
		rc = mailbox_ready(request->mailbox, &request->info);
		if (rc == 0 && request->method->reads_once)
			rc = db_read_begin(request->mailbox->db, &request->info);
		if (rc != 0)
			return rc;
	}
	return request->method->run(request);
}

static enum task_outcome run_slice(struct request *request)
{
	request->slice_end_ms = clock_monotonic_ms() + SLICE_MS;
	int rc = run_method(request);
	if (request->mailbox->db != NULL)
		db_read_end(request->mailbox->db);
	if (rc == REQUEST_AGAIN)
		return TASK_AGAIN;
	request->error = rc < 0 ? rc : 0;
	request->more = rc == REQUEST_CHUNK;
	end_transactions(request->mailbox);
	if (request_brings_secret(request->method))
		stack_wipe();
	return TASK_DONE;
}

/* ---------------------------------------------------------------- one sync for many */

static bool may_share(const struct task *task)
{
	const struct method *method = request_method(task);
	return method != NULL && method->changes;
}

/* Nobody knows how durable that is which it says. What it changed is there: its own session is told, too. */
static void not_synced(struct request *request, int error, const struct errinfo *info)
{
	if (request->error != 0)
		return;
	request->error = error;
	request->info = *info;
	request->more = false;
	for (int i = 0; i < request->change_count; i++)
		request->changes[i].to_all = true;
}

/* False when the leader has failed with all of them. */
static bool share_sync(struct request *leader)
{
	struct request *sharing[SHARE_MAX];
	size_t count = 0;
	bool damage = false;
	while (count < SHARE_MAX && !damage && clock_monotonic_ms() < leader->slice_end_ms) {
		struct request *next = request_take_next(leader, may_share);
		if (next == NULL)
			break;
		must(run_slice(next) == TASK_DONE && !next->more);
		damage = db_is_damage(next->error);
		sharing[count++] = next;
	}
	struct errinfo info = {0};
	int rc = mailbox_sync(leader->mailbox, &info);
	if (rc != 0)
		not_synced(leader, rc, &info);
	for (size_t i = 0; i < count; i++) {
		if (rc != 0)
			not_synced(sharing[i], rc, &info);
		leave(sharing[i]);
		task_finish(leader->worker, &sharing[i]->task);
	}
	return rc == 0;
}

enum task_outcome request_run(struct worker *worker, struct task *task)
{
	struct request *request = container_of(task, struct request, task);
	request->worker = worker;
	request->packer = worker->packer;
	enum task_outcome outcome = run_slice(request);
	if (request->mailbox->unsynced && !share_sync(request))
		outcome = TASK_DONE;
	if (outcome == TASK_DONE)
		leave(request);
	return outcome;
}

/* ---------------------------------------------------------------- our own */

enum task_outcome request_run_care(struct worker *worker, struct task *task)
{
	struct request *request = container_of(task, struct request, task);
	request->worker = worker;
	request->packer = worker->packer;
	request->slice_end_ms = clock_monotonic_ms() + SLICE_MS;
	int rc = care_run(request, request->care);
	if (rc == REQUEST_AGAIN)
		return TASK_AGAIN;
	request->error = rc;
	end_transactions(request->mailbox);
	leave(request);
	return TASK_DONE;
}
