#include "store/entry.h"
#include "store/request.h"

/* SELECT, UNSELECT, STATUS. */

/* \Recent goes to the first session that selects the folder to write (RFC 3501 section 2.3.2). */
static int claim_recent(struct request *request, struct folder *folder)
{
	struct session *session = request->session;
	session->recent_from = folder->recent_from < folder->uid_next ? folder->recent_from : 0;
	if (session->read_only || session->recent_from == 0)
		return 0;
	return folder_claim_recent(request->mailbox, folder, &request->info);
}

static int special_use(struct db *db, int64_t folder, struct buf *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT special_use FROM folder WHERE id=?1");
	db_bind_int(q, 1, folder);
	int rc = db_step(q, info);
	if (rc == DB_ROW) {
		buf_add_str(ret, db_text(q, 0));
		db_reset(q);
	}
	buf_add_byte(ret, '\0');
	return rc < 0 ? rc : 0;
}

static int reply_selected(struct request *request, const struct folder *folder,
                          const struct folder_summary *summary)
{
	struct names keywords NAMES_AUTO = {0};
	struct buf use BUF_AUTO;
	buf_init(&use, 100);
	struct db *db = request->mailbox->db;
	bool full = false;
	int rc = keywords_all(db, &keywords, &request->info);
	if (rc == 0)
		rc = keywords_full(db, &full, &request->info);
	if (rc == 0)
		rc = special_use(db, folder->id, &use, &request->info);
	if (rc != 0)
		return rc;
	request->session->keywords_known = (int64_t)keywords.count;
	struct uid_runs uids UID_RUNS_AUTO = {0};
	for (size_t i = 0; i < summary->uids.count; i++)
		uid_runs_add_run(&uids, summary->uids.items[i].first, summary->uids.items[i].last);
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	reply.folder = (uint64_t)folder->id;
	reply.uid_validity = folder->uid_validity;
	reply.uid_next = folder->uid_next;
	reply.highest_modseq = folder->modseq;
	reply.first_unseen_uid = summary->first_unseen;
	reply.recent_from = request->session->recent_from;
	reply.uids = uid_runs_pointers(&uids);
	reply.n_uids = uids.count;
	reply.keywords = keywords.items;
	reply.n_keywords = keywords.count;
	reply.keywords_full = full;
	reply.special_use = use.ptr;
	reply.unseen = (uint32_t)folder->unseen;
	return request_reply(request, &reply.base);
}

static int select_run(struct request *request)
{
	const Pk__SelectRequest *message = (const Pk__SelectRequest *)request->message;
	struct session *session = request->session;
	struct folder folder;
	/* Whatever comes of this, the folder selected before is not any more (RFC 9051 section 6.3.2). */
	session->folder = 0;
	request->watch_set = true;
	request->watch = 0;
	int rc = folder_find(request->mailbox->db, str_from(message->name), &folder, &request->info);
	if (rc != 0)
		return rc;
	session->read_only = message->read_only;
	rc = claim_recent(request, &folder);
	const struct folder_summary *summary;
	if (rc == 0)
		rc = folder_summarize(request->mailbox, &folder, &summary, &request->info);
	if (rc == 0)
		rc = reply_selected(request, &folder, summary);
	if (rc == 0)
		session->folder = request->watch = (uint64_t)folder.id;
	return rc;
}

const struct method store_method_select = {
	.core.number = PK__STORE_METHOD__STORE_SELECT,
	.core.name = "select",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__select_request__descriptor,
	.scope = METHOD_SESSION,
	.reads_once = true,
	.run = select_run,
};

static int unselect_run(struct request *request)
{
	request->session->folder = 0;
	request->watch_set = true;
	request->watch = 0;
	Pk__Empty reply = PK__EMPTY__INIT;
	return request_reply(request, &reply.base);
}

const struct method store_method_unselect = {
	.core.number = PK__STORE_METHOD__STORE_UNSELECT,
	.core.name = "unselect",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__session_request__descriptor,
	.scope = METHOD_SESSION,
	.run = unselect_run,
};

static int count_recent(struct db *db, const struct folder *folder, uint32_t *ret,
                        struct errinfo *info)
{
	*ret = 0;
	if (folder->recent_from >= folder->uid_next)
		return 0;
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM entry WHERE folder=?1 AND uid>=?2");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, folder->recent_from);
	int rc = db_step(q, info);
	if (rc == DB_ROW) {
		*ret = (uint32_t)db_int(q, 0);
		db_reset(q);
	}
	/* No reason to say nothing of the folder. */
	return db_is_damage(rc) || rc == DB_ROW ? 0 : rc;
}

static int status_run(struct request *request)
{
	const Pk__FolderNameRequest *message = (const Pk__FolderNameRequest *)request->message;
	struct db *db = request->mailbox->db;
	struct folder folder;
	Pk__FolderStatusReply reply = PK__FOLDER_STATUS_REPLY__INIT;
	int rc = folder_find(db, str_from(message->name), &folder, &request->info);
	if (rc == 0)
		rc = count_recent(db, &folder, &reply.recent, &request->info);
	if (rc != 0)
		return rc;
	reply.folder = (uint64_t)folder.id;
	reply.uid_validity = folder.uid_validity;
	reply.uid_next = folder.uid_next;
	reply.messages = (uint32_t)folder.messages;
	reply.unseen = (uint32_t)folder.unseen;
	reply.deleted = (uint32_t)folder.deleted;
	reply.size = (uint64_t)folder.size;
	reply.highest_modseq = folder.modseq;
	return request_reply(request, &reply.base);
}

const struct method store_method_folder_status = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_STATUS,
	.core.name = "folder_status",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__folder_name_request__descriptor,
	.scope = METHOD_SESSION,
	.reads_once = true,
	.run = status_run,
};
