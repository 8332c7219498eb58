#include <stdlib.h>

#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/request.h"

/* CHANGES: what a front has missed since the modseq that it knows. */

enum { ROWS_MAX = 100000 }; /* in one answer; a front that is further behind selects again */

struct rows {
	Pk__FetchRow *items; /* owned, with their keywords */
	size_t count, capacity;
};

static void rows_done(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		for (size_t k = 0; k < rows->items[i].n_keywords; k++)
			free(rows->items[i].keywords[k]);
		free(rows->items[i].keywords);
	}
	free(rows->items);
}

static void add_row(struct rows *rows, struct db_stmt *q)
{
	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
		rows->items = mem_grow(rows->items, rows->capacity, sizeof(*rows->items));
	}
	Pk__FetchRow *row = &rows->items[rows->count++];
	pk__fetch_row__init(row);
	row->uid = (uint32_t)db_int(q, 0);
	row->modseq = (uint64_t)db_int(q, 1);
	row->flags = (uint32_t)db_int(q, 2);
	struct str keywords = db_text(q, 3), name;
	while (keywords_next(&keywords, &name)) {
		row->keywords = mem_grow(row->keywords, row->n_keywords + 1, sizeof(char *));
		row->keywords[row->n_keywords++] = str_dup(name);
	}
}

static int load_changed(struct db *db, int64_t folder, uint64_t since, struct rows *ret,
                        struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT uid, modseq, flags, keywords FROM entry"
	                                 " WHERE folder=?1 AND modseq>?2 ORDER BY uid");
	db_bind_int(q, 1, folder);
	db_bind_int(q, 2, (int64_t)since);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (ret->count == ROWS_MAX) {
			db_reset(q);
			return err_set(info, E_LIMIT, "too much has changed: select the folder again");
		}
		add_row(ret, q);
	}
	return rc;
}

static int load_entry(struct db *db, int64_t folder, uint32_t uid, struct rows *ret,
                      struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT uid, modseq, flags, keywords FROM entry"
	                                 " WHERE folder=?1 AND uid=?2");
	db_bind_int(q, 1, folder);
	db_bind_int(q, 2, uid);
	int rc = db_step(q, info);
	if (rc != DB_ROW)
		return rc;
	if (ret->count == ROWS_MAX)
		rc = err_set(info, E_LIMIT, "too much has changed: select the folder again");
	else
		add_row(ret, q);
	db_reset(q);
	return rc == DB_ROW ? 0 : rc;
}

/* Some entries lie on a damaged page: nothing can be told of those, but of the others. */
static int load_readable(struct db *db, int64_t folder, uint64_t since, struct rows *ret,
                         struct errinfo *info)
{
	struct uid_runs uids UID_RUNS_AUTO = {0};
	int rc = entry_uids(db, folder, since, &uids, info);
	rows_done(ret);
	*ret = (struct rows){0};
	for (size_t i = 0; i < uids.count && rc == 0; i++) {
		const Pk__UidRange *run = &uids.items[i];
		for (uint64_t uid = run->first; uid <= run->last && rc == 0; uid++) {
			rc = load_entry(db, folder, (uint32_t)uid, ret, info);
			rc = db_is_damage(rc) ? 0 : rc;
		}
	}
	return rc;
}

static int load_rows(struct db *db, int64_t folder, uint64_t since, struct rows *ret,
                     struct errinfo *info)
{
	int rc = load_changed(db, folder, since, ret, info);
	return db_is_damage(rc) ? load_readable(db, folder, since, ret, info) : rc;
}

/* Before this the records are gone: everything that is not there counts as expunged. */
static int load_all_missing(struct mailbox *mailbox, const struct folder *folder,
                            struct uid_runs *ret, struct errinfo *info)
{
	const struct folder_summary *summary;
	int rc = folder_summarize(mailbox, folder, &summary, info);
	if (rc != 0)
		return rc;
	uint32_t next = 1;
	for (size_t i = 0; i < summary->uids.count; i++) {
		const Pk__UidRange *run = &summary->uids.items[i];
		if (run->first > next)
			uid_runs_add_run(ret, next, run->first - 1);
		next = run->last + 1;
	}
	if (next < folder->uid_next)
		uid_runs_add_run(ret, next, folder->uid_next - 1);
	return 0;
}

static int load_expunged(struct mailbox *mailbox, const struct folder *folder, uint64_t since,
                         struct uid_runs *ret, struct errinfo *info)
{
	if (since < folder->expunged_since)
		return load_all_missing(mailbox, folder, ret, info);
	struct db_stmt *q = db_query(mailbox->db, "SELECT uid_first, uid_last FROM expunged"
	                                          " WHERE folder=?1 AND modseq>?2 ORDER BY uid_first");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, (int64_t)since);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW)
		uid_runs_add_run(ret, (uint32_t)db_int(q, 0), (uint32_t)db_int(q, 1));
	return rc;
}

/* New messages are \Recent for the session that sees them first. */
static int claim(struct request *request, struct folder *folder, uint32_t *ret_recent_from)
{
	*ret_recent_from = 0;
	if (folder->recent_from >= folder->uid_next)
		return 0;
	*ret_recent_from = folder->recent_from;
	if (request->session->read_only)
		return 0;
	return folder_claim_recent(request->mailbox, folder, &request->info);
}

/* The mailbox's keywords, when their number is not what this session was told last. */
static int new_keywords(struct request *request, struct names *ret)
{
	int64_t count;
	struct db *db = request->mailbox->db;
	int rc = keywords_count(db, &count, &request->info);
	if (rc != 0 || count == request->session->keywords_known)
		return rc;
	request->session->keywords_known = count;
	return keywords_all(db, ret, &request->info);
}

static int reply_gone(struct request *request)
{
	Pk__ChangesReply reply = PK__CHANGES_REPLY__INIT;
	reply.folder_gone = true;
	return request_reply(request, &reply.base);
}

static int changes_run(struct request *request)
{
	const Pk__ChangesRequest *message = (const Pk__ChangesRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct folder folder;
	int rc = folder_get(mailbox->db, (int64_t)message->folder, &folder, &request->info);
	if (rc == E_NOT_FOUND)
		return reply_gone(request);
	struct rows rows __attribute__((cleanup(rows_done))) = {0};
	struct uid_runs expunged UID_RUNS_AUTO = {0};
	struct names keywords NAMES_AUTO = {0};
	bool full = false;
	Pk__ChangesReply reply = PK__CHANGES_REPLY__INIT;
	if (rc == 0 && folder.modseq > message->since_modseq)
		rc = load_rows(mailbox->db, folder.id, message->since_modseq, &rows, &request->info);
	if (rc == 0 && folder.modseq > message->since_modseq)
		rc = load_expunged(mailbox, &folder, message->since_modseq, &expunged, &request->info);
	if (rc == 0 && message->claim_recent)
		rc = claim(request, &folder, &reply.recent_from);
	if (rc == 0)
		rc = new_keywords(request, &keywords);
	if (rc == 0 && keywords.count > 0)
		rc = keywords_full(mailbox->db, &full, &request->info);
	if (rc != 0)
		return rc;
	Pk__FetchRow **pointers MEM_AUTO = mem_new_array(rows.count, sizeof(Pk__FetchRow *));
	for (size_t i = 0; i < rows.count; i++)
		pointers[i] = &rows.items[i];
	reply.highest_modseq = folder.modseq;
	reply.expunged = uid_runs_pointers(&expunged);
	reply.n_expunged = expunged.count;
	reply.changed = pointers;
	reply.n_changed = rows.count;
	reply.uid_next = folder.uid_next;
	reply.keywords = keywords.items;
	reply.n_keywords = keywords.count;
	reply.keywords_full = full;
	return request_reply(request, &reply.base);
}

const struct method store_method_changes = {
	.core.number = PK__STORE_METHOD__STORE_CHANGES,
	.core.name = "changes",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__changes_request__descriptor,
	.scope = METHOD_SESSION,
	.reads_once = true,
	.run = changes_run,
};
