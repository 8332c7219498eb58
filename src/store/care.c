#include "store/care.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/entry.h"
#include "store/message.h"
#include "store/rekey.h"
#include "store/server.h"
#include "store/temporary.h"

enum {
	GARBAGE_STEP = 20,         /* messages in a transaction */
	DELIVERY_DAYS = 30,        /* a repeat may come so late */
	EXPUNGED_RUNS_MAX = 10000, /* of a folder; older ones go */
	KEYWORDS_FEW = 100,
};

/* What is left to do, kept between slices. */
struct caring {
	struct merged merged;
	bool merging; /* what waits could not be taken over before */
	bool rekeyed, garbage_gone, vacuumed, pruned;
	int garbage_step;      /* messages in a transaction */
	int64_t garbage_after; /* those up to this one have been passed over */
	unsigned unlocks;      /* of the mailbox when this began */
};

/* ---------------------------------------------------------------- garbage */

static int next_garbage(struct db *db, int64_t after, int64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "SELECT message FROM garbage WHERE message>?1 ORDER BY message LIMIT 1");
	db_bind_int(q, 1, after);
	int rc = db_step(q, info);
	if (rc != DB_ROW)
		return rc == 0 ? E_NOT_FOUND : rc;
	*ret = db_int(q, 0);
	db_reset(q);
	return 0;
}

static int delete_garbage(struct db *db, int64_t message, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "DELETE FROM garbage WHERE message=?1");
	db_bind_int(q, 1, message);
	int rc = db_run(q, info);
	return rc == 0 ? message_delete(db, message, info) : rc;
}

/* One that lies on a damaged page stays, and is no reason to keep the others: after a failure they go
 * one by one, and it is passed over. */
static int pass_over_garbage(struct mailbox *mailbox, struct caring *caring, int64_t message,
                             int error, const struct errinfo *info)
{
	mailbox_rollback(mailbox);
	if (caring->garbage_step > 1) {
		caring->garbage_step = 1;
		return 0;
	}
	caring->garbage_after = message;
	log_error(store_log(mailbox->store), "store.garbage_damaged", F_TEXT("mailbox", mailbox->id),
	          F_INT("message", message), F_ERR(error), F_TEXT("text", info->text));
	return 0;
}

/* Some messages that no entry holds any more. */
static int collect_garbage(struct mailbox *mailbox, struct caring *caring, struct errinfo *info)
{
	int64_t message;
	int rc = next_garbage(mailbox->db, caring->garbage_after, &message, info);
	caring->garbage_gone = rc == E_NOT_FOUND;
	if (rc != 0)
		return caring->garbage_gone ? 0 : rc;
	rc = mailbox_begin(mailbox, DURABLE_SOMETIME, info);
	if (rc != 0)
		return rc;
	for (int i = 0; i < caring->garbage_step && rc == 0; i++) {
		rc = next_garbage(mailbox->db, caring->garbage_after, &message, info);
		if (rc == 0)
			rc = delete_garbage(mailbox->db, message, info);
	}
	if (db_is_damage(rc))
		return pass_over_garbage(mailbox, caring, message, rc, info);
	caring->garbage_gone = rc == E_NOT_FOUND;
	if (rc == 0 || caring->garbage_gone)
		rc = mailbox_commit(mailbox, info);
	return rc;
}

/* ---------------------------------------------------------------- free pages */

static int free_pages(struct db *db, int64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "PRAGMA freelist_count");
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	*ret = rc == DB_ROW ? db_int(q, 0) : 0;
	db_reset(q);
	return 0;
}

static int give_back_pages(struct mailbox *mailbox, bool *ret_done, struct errinfo *info)
{
	int64_t pages;
	int rc = free_pages(mailbox->db, &pages, info);
	*ret_done = rc == 0 && pages == 0;
	if (rc != 0 || *ret_done)
		return rc;
	rc = mailbox_begin(mailbox, DURABLE_SOMETIME, info);
	if (rc == 0)
		rc = db_exec(mailbox->db,
		             space_short(store_space(mailbox->store)) ? "PRAGMA incremental_vacuum(32)"
		                                                      : "PRAGMA incremental_vacuum(256)",
		             info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, info);
	return rc;
}

/* ---------------------------------------------------------------- old records */

static int prune_deliveries(struct db *db, struct errinfo *info)
{
	char limit[ISO8601_SIZE];
	date_text(clock_realtime_us() / 1000000 - (int64_t)DELIVERY_DAYS * 24 * 60 * 60, limit);
	struct db_stmt *q = db_query(db, "DELETE FROM delivery WHERE created < ?1");
	db_bind_text(q, 1, str_from(limit));
	return db_run(q, info);
}

/* Who asks for changes from before then is told of every UID that is not there. */
static int prune_expunged(struct db *db, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "UPDATE folder SET expunged_since = (SELECT modseq FROM expunged e"
			" WHERE e.folder = folder.id ORDER BY modseq DESC LIMIT 1 OFFSET ?1)"
			" WHERE (SELECT count(*) FROM expunged e WHERE e.folder = folder.id) > ?1");
	db_bind_int(q, 1, EXPUNGED_RUNS_MAX);
	int rc = db_run(q, info);
	if (rc != 0 || db_changes(db) == 0)
		return rc;
	return db_exec(db,
	               "DELETE FROM expunged WHERE modseq <= (SELECT expunged_since FROM folder"
	               " WHERE folder.id = expunged.folder)",
	               info);
}

/* Few are left as they are: looking for those that nobody uses reads every entry. */
static int prune_keywords(struct db *db, struct errinfo *info)
{
	int64_t count;
	int rc = keywords_count(db, &count, info);
	return rc == 0 && count > KEYWORDS_FEW ? keywords_tidy(db, NULL, 0, info) : rc;
}

static int prune(struct mailbox *mailbox, struct errinfo *info)
{
	int rc = mailbox_begin(mailbox, DURABLE_SOMETIME, info);
	if (rc == 0)
		rc = prune_deliveries(mailbox->db, info);
	if (rc == 0)
		rc = prune_expunged(mailbox->db, info);
	if (rc == 0)
		rc = prune_keywords(mailbox->db, info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, info);
	return rc;
}

/* ---------------------------------------------------------------- a due re-key */

static int rekey_some(struct mailbox *mailbox, struct caring *caring, struct errinfo *info)
{
	int rc = rekey_step(mailbox, &caring->rekeyed, info);
	if (rc != E_NO_SPACE)
		return rc;
	caring->rekeyed = true; /* for this time */
	return 0;
}

/* ---------------------------------------------------------------- all of it */

/* Of a WAL that is longer than that. It keeps its length and is written over from its beginning: a sync of
 * bytes that were there before costs a third less than one that makes a file longer. Where room is short
 * it is cut off. */
static int checkpoint(struct mailbox *mailbox, uint64_t longest, struct errinfo *info)
{
	bool truncate = space_short(store_space(mailbox->store));
	int rc = 0;
	if (mailbox->db != NULL && db_wal_bytes(mailbox->db) > longest && !mailbox_held(mailbox))
		rc = mailbox_checkpoint(mailbox, truncate, info);
	if (rc == 0 && mailbox->temporary != NULL && db_wal_bytes(mailbox->temporary) > longest)
		rc = db_checkpoint(mailbox->temporary, truncate, info);
	return rc == E_BUSY && truncate ? 0 : rc; /* somebody else reads the file */
}

/* Where room is short, freed pages are not worth more for lying in the file: it shrinks now. */
static int last_checkpoint(struct mailbox *mailbox, struct errinfo *info)
{
	bool all = space_short(store_space(mailbox->store));
	return checkpoint(mailbox, all ? 0 : mailbox_wal_max(mailbox), info);
}

/* One step of what needs the open mailbox; *ret_done: nothing is left. */
static int care_step(struct request *request, struct caring *caring, enum care care, bool *ret_done)
{
	struct mailbox *mailbox = request->mailbox;
	struct errinfo *info = &request->info;
	if (caring->merging)
		return temporary_merge(mailbox, request->packer, &caring->merged, &caring->merging, info);
	if (store_stopping(mailbox->store))
		caring->rekeyed = true; /* the next opening says again that it is due */
	if (!caring->rekeyed)
		return rekey_some(mailbox, caring, info);
	if (!caring->garbage_gone && atomic_load(&mailbox->streams_inside) == 0)
		return collect_garbage(mailbox, caring, info);
	if (!caring->vacuumed)
		return give_back_pages(mailbox, &caring->vacuumed, info);
	if (!caring->pruned && care == CARE_FORGET) {
		caring->pruned = true;
		return prune(mailbox, info);
	}
	*ret_done = true;
	return 0;
}

static int tidy(struct request *request, struct caring *caring, enum care care)
{
	struct mailbox *mailbox = request->mailbox;
	/* A handle that is already given back is not opened again just for this. */
	bool done = mailbox->db == NULL && mailbox->rekey == NULL && !mailbox->has_next_key &&
	            !caring->merging;
	int rc = checkpoint(mailbox, mailbox_wal_max(mailbox), &request->info);
	while (rc == 0 && !done) {
		rc = mailbox_ready(mailbox, &request->info);
		if (rc == 0)
			rc = care_step(request, caring, care, &done);
		if (rc == 0)
			rc = checkpoint(mailbox, mailbox_wal_max(mailbox), &request->info);
		if (rc == 0 && !done && request_slice_over(request))
			return REQUEST_AGAIN;
	}
	return rc == 0 ? last_checkpoint(mailbox, &request->info) : rc;
}

int care_run(struct request *request, enum care care)
{
	struct mailbox *mailbox = request->mailbox;
	struct caring *caring = request->state;
	if ((care == CARE_FORGET && mailbox->key_holders > 0) ||
	    (care == CARE_CLOSE && mailbox_held(mailbox)))
		return 0; /* the next tick asks again */
	if (caring == NULL) {
		caring = request->state = mem_new(sizeof(*caring));
		request->state_free = free;
		caring->unlocks = mailbox->unlocks;
		caring->garbage_step = GARBAGE_STEP;
		caring->merging = care == CARE_TIDY && mailbox->has_key && mailbox->merge_retry_ms != 0;
		mailbox->needs_care = false;
	}
	bool anything = mailbox->has_key || mailbox->temporary != NULL;
	int rc = anything ? tidy(request, caring, care) : 0;
	if (rc == REQUEST_AGAIN)
		return rc;
	const struct batch_result *last = &caring->merged.last;
	if (last->folder != 0)
		request_changed(request, (uint64_t)last->folder, last->modseq, true);
	if (care == CARE_CLOSE || care == CARE_FORGET)
		mailbox_close_handles(mailbox);
	/* Somebody may have opened it between two slices. */
	request->forgot = care == CARE_FORGET && caring->unlocks == mailbox->unlocks;
	if (request->forgot)
		mailbox_forget_key(mailbox);
	return rc;
}
