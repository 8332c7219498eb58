#include "store/entry.h"
#include "store/request.h"

/* EXPUNGE: entries marked \Deleted go at once, the messages behind them soon after (care.c). */

struct expunge {
	struct request *request;
	struct folder folder;
	struct uid_runs gone;
};

static int expunge_range(struct expunge *expunge, uint32_t first, uint32_t last)
{
	struct db *db = expunge->request->mailbox->db;
	struct errinfo *info = &expunge->request->info;
	for (int64_t uid = first;;) {
		/* Step by step: a row is not deleted under a query that stands on it. */
		struct db_stmt *q = db_query(db,
		                             "SELECT uid, message, flags, size FROM entry WHERE folder=?1"
		                             " AND uid BETWEEN ?2 AND ?3 AND (flags & 8) <> 0"
		                             " ORDER BY uid LIMIT 1");
		db_bind_int(q, 1, expunge->folder.id);
		db_bind_int(q, 2, uid);
		db_bind_int(q, 3, last);
		int rc = db_step(q, info);
		if (rc != DB_ROW)
			return rc;
		struct entry entry = {.uid = (uint32_t)db_int(q, 0),
		                      .message = db_int(q, 1),
		                      .flags = (unsigned)db_int(q, 2),
		                      .size = db_int(q, 3)};
		db_reset(q);
		rc = entry_remove(expunge->request->mailbox, &expunge->folder, &entry, info);
		if (rc != 0)
			return rc;
		uid_runs_add(&expunge->gone, entry.uid);
		uid = (int64_t)entry.uid + 1;
	}
}

static int expunge_all(struct expunge *expunge, const struct uid_runs *uids, bool all)
{
	if (all)
		return expunge_range(expunge, 1, UINT32_MAX);
	int rc = 0;
	for (size_t i = 0; i < uids->count && rc == 0; i++)
		rc = expunge_range(expunge, uids->items[i].first, uids->items[i].last);
	return rc;
}

static int write_expunge(struct expunge *expunge)
{
	struct request *request = expunge->request;
	struct mailbox *mailbox = request->mailbox;
	int rc = expunged_add(mailbox->db, &expunge->folder, &expunge->gone, &request->info);
	if (rc == 0)
		rc = folder_put(mailbox->db, &expunge->folder, &request->info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	if (rc == 0)
		request_changed(request, (uint64_t)expunge->folder.id, expunge->folder.modseq, false);
	return rc;
}

static int reply_expunged(struct expunge *expunge)
{
	Pk__ExpungeReply reply = PK__EXPUNGE_REPLY__INIT;
	reply.expunged = uid_runs_pointers(&expunge->gone);
	reply.n_expunged = expunge->gone.count;
	reply.highest_modseq = expunge->folder.modseq;
	return request_reply(expunge->request, &reply.base);
}

static int expunge_in(struct expunge *expunge)
{
	struct request *request = expunge->request;
	const Pk__ExpungeRequest *message = (const Pk__ExpungeRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct uid_runs uids UID_RUNS_AUTO = {0};
	int rc = uid_runs_from(&uids, message->uids, message->n_uids, &request->info);
	if (rc == 0)
		rc = folder_get(mailbox->db, (int64_t)message->folder, &expunge->folder, &request->info);
	if (rc == 0 && request->session->read_only && request->session->folder == message->folder)
		return err_set(&request->info, E_DENIED, "the folder is open to read only");
	if (rc != 0)
		return rc;
	if (expunge->folder.deleted == 0)
		return reply_expunged(expunge);
	rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc != 0)
		return rc;
	expunge->folder.modseq++;
	rc = expunge_all(expunge, &uids, message->all);
	if (rc == 0 && expunge->gone.count == 0) {
		expunge->folder.modseq--;
		db_rollback(mailbox->db);
		return reply_expunged(expunge);
	}
	if (rc == 0)
		rc = write_expunge(expunge);
	return rc == 0 ? reply_expunged(expunge) : rc;
}

static int expunge_run(struct request *request)
{
	struct expunge expunge = {.request = request};
	int rc = expunge_in(&expunge);
	uid_runs_done(&expunge.gone);
	return rc;
}

const struct method store_method_expunge = {
	.core.number = PK__STORE_METHOD__STORE_EXPUNGE,
	.core.name = "expunge",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__expunge_request__descriptor,
	.core.items_max = REQUEST_UIDS_MAX,
	.core.aside = true,
	.scope = METHOD_SESSION,
	.changes = true,
	.run = expunge_run,
};
