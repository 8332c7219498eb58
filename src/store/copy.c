#include <stdlib.h>

#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/request.h"

/* COPY and MOVE: new entries for the same messages, all of them or none. */

enum {
	COPY_ID_SIZE = 16,
	REPEATS_KEPT = 200, /* answers: a repeat comes within seconds, from few sessions */
};

struct copy {
	struct request *request;
	struct folder from, to;
	bool same; /* from and to are one folder: to is the one that counts */
	char now[ISO8601_SIZE];
	struct uid_runs source, target;
	int64_t uid_stop; /* entries that this copy itself adds to the same folder are not copied */
};

static void copy_done(struct copy *copy)
{
	uid_runs_done(&copy->source);
	uid_runs_done(&copy->target);
}

static int copy_entry(struct copy *copy, struct db_stmt *q)
{
	struct db *db = copy->request->mailbox->db;
	struct errinfo *info = &copy->request->info;
	/* The columns are q's only until it steps on, and adding may not touch what it reads. */
	char internal_date[ISO8601_SIZE + 8];
	struct buf keywords BUF_AUTO;
	buf_init(&keywords, KEYWORDS_PER_MESSAGE * (KEYWORD_SIZE_MAX + 1));
	buf_add_str(&keywords, db_text(q, 3));
	struct str date = str_slice(db_text(q, 4), 0, sizeof(internal_date));
	for (size_t i = 0; i < date.len; i++)
		internal_date[i] = date.ptr[i];
	struct entry entry = {
		.uid = (uint32_t)db_int(q, 0),
		.message = db_int(q, 1),
		.flags = (unsigned)db_int(q, 2),
		.keywords = buf_str(&keywords),
		.internal_date = STR_OF(internal_date, date.len),
		.size = db_int(q, 5),
		.save_date = str_from(copy->now),
	};
	struct entry old = entry;
	int rc = entry_add(db, &copy->to, &entry, info);
	if (rc != 0)
		return rc;
	uid_runs_add(&copy->source, old.uid);
	uid_runs_add(&copy->target, entry.uid);
	return 0;
}

static int copy_run_of_uids(struct copy *copy, const Pk__UidRange *run)
{
	struct db_stmt *q = db_query(copy->request->mailbox->db,
	                             "SELECT uid, message, flags, keywords, internal_date, size"
	                             " FROM entry WHERE folder=?1 AND uid BETWEEN ?2 AND ?3"
	                             " AND uid < ?4 ORDER BY uid");
	db_bind_int(q, 1, copy->from.id);
	db_bind_int(q, 2, run->first);
	db_bind_int(q, 3, run->last);
	db_bind_int(q, 4, copy->uid_stop);
	int rc;
	while ((rc = db_step(q, &copy->request->info)) == DB_ROW) {
		rc = copy_entry(copy, q);
		if (rc != 0) {
			db_reset(q);
			return rc;
		}
	}
	return rc;
}

static int remove_run(struct copy *copy, const Pk__UidRange *run)
{
	struct folder *from = copy->same ? &copy->to : &copy->from;
	struct db *db = copy->request->mailbox->db;
	for (uint64_t uid = run->first; uid <= run->last; uid++) {
		struct db_stmt *q = db_query(
			db, "SELECT message, flags, size FROM entry WHERE folder=?1 AND uid=?2");
		db_bind_int(q, 1, from->id);
		db_bind_int(q, 2, (int64_t)uid);
		int rc = db_step(q, &copy->request->info);
		if (rc < 0)
			return rc;
		struct entry entry = {.uid = (uint32_t)uid,
		                      .message = db_int(q, 0),
		                      .flags = (unsigned)db_int(q, 1),
		                      .size = db_int(q, 2)};
		db_reset(q);
		rc = entry_remove(copy->request->mailbox, from, &entry, &copy->request->info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* MOVE: the old entries go. */
static int remove_sources(struct copy *copy)
{
	struct folder *from = copy->same ? &copy->to : &copy->from;
	struct db *db = copy->request->mailbox->db;
	struct errinfo *info = &copy->request->info;
	int rc = 0;
	if (!copy->same)
		from->modseq++;
	for (size_t i = 0; i < copy->source.count && rc == 0; i++)
		rc = remove_run(copy, &copy->source.items[i]);
	if (rc == 0)
		rc = expunged_add(db, from, &copy->source, info);
	if (rc == 0 && !copy->same)
		rc = folder_put(db, from, info);
	if (rc == 0)
		request_changed(copy->request, (uint64_t)from->id, from->modseq, false);
	return rc;
}

static int copy_all(struct copy *copy, const struct uid_runs *uids, bool move)
{
	struct db *db = copy->request->mailbox->db;
	int rc = 0;
	copy->to.modseq++;
	for (size_t i = 0; i < uids->count && rc == 0; i++)
		rc = copy_run_of_uids(copy, &uids->items[i]);
	if (rc == 0 && copy->source.count == 0)
		return 0;
	if (rc == 0 && move)
		rc = remove_sources(copy);
	if (rc == 0)
		rc = folder_put(db, &copy->to, &copy->request->info);
	if (rc == 0)
		request_changed(copy->request, (uint64_t)copy->to.id, copy->to.modseq, true);
	return rc;
}

/* ---------------------------------------------------------------- repeats */

/* The answer to the request of that id. E_NOT_FOUND: there was none. */
static int find_reply(struct db *db, struct str id, ProtobufCMessage **ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT reply FROM copied WHERE id=?1");
	db_bind_blob(q, 1, id);
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_NOT_FOUND, "no such copy");
	if (rc < 0)
		return rc;
	*ret = link_unpack(&pk__copy_reply__descriptor, db_blob(q, 0), WIRE_ITEMS_MESSAGES);
	db_reset(q);
	return *ret == NULL ? err_set(info, E_CORRUPT, "the record of a copy is damaged") : 0;
}

static int keep_reply(struct db *db, struct str id, const Pk__CopyReply *reply,
                      struct errinfo *info)
{
	struct buf packed BUF_AUTO;
	buf_init(&packed, REPLY_MAX);
	link_pack(&packed, &reply->base);
	if (packed.failed)
		return err_set(info, E_TOO_LARGE, "too many messages at once");
	struct db_stmt *q = db_query(db, "INSERT INTO copied (id, reply) VALUES (?1, ?2)");
	db_bind_blob(q, 1, id);
	db_bind_blob(q, 2, buf_str(&packed));
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(db, "DELETE FROM copied WHERE number <= ?1");
	db_bind_int(q, 1, db_last_rowid(db) - REPEATS_KEPT);
	return db_run(q, info);
}

static void fill_reply(struct copy *copy, Pk__CopyReply *ret)
{
	pk__copy_reply__init(ret);
	ret->uid_validity = copy->to.uid_validity;
	ret->source = uid_runs_pointers(&copy->source);
	ret->n_source = copy->source.count;
	ret->target = uid_runs_pointers(&copy->target);
	ret->n_target = copy->target.count;
}

/* In a transaction: all of it, and what is told of it. */
static int copy_and_keep(struct copy *copy, const struct uid_runs *uids, Pk__CopyReply *ret)
{
	const Pk__CopyRequest *message = (const Pk__CopyRequest *)copy->request->message;
	struct str id = STR_OF_BYTES(message->copy_id);
	int rc = copy_all(copy, uids, message->move);
	fill_reply(copy, ret);
	if (rc != 0 || id.len == 0 || copy->source.count == 0)
		return rc;
	return keep_reply(copy->request->mailbox->db, id, ret, &copy->request->info);
}

static int copy_new(struct request *request)
{
	const Pk__CopyRequest *message = (const Pk__CopyRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct uid_runs uids UID_RUNS_AUTO = {0};
	struct copy copy __attribute__((cleanup(copy_done))) = {.request = request};
	iso8601_format(clock_realtime_us(), copy.now);
	int rc = uid_runs_from(&uids, message->uids, message->n_uids, &request->info);
	if (rc == 0)
		rc = folder_find(mailbox->db, str_from(message->to), &copy.to, &request->info);
	if (rc == 0)
		rc = folder_get(mailbox->db, (int64_t)message->folder, &copy.from, &request->info);
	if (rc == 0 && message->move && request->session->read_only &&
	    request->session->folder == message->folder)
		return err_set(&request->info, E_DENIED, "the folder is open to read only");
	if (rc == 0)
		rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc != 0)
		return rc;
	copy.same = copy.from.id == copy.to.id;
	copy.uid_stop = copy.from.uid_next;
	Pk__CopyReply reply;
	rc = copy_and_keep(&copy, &uids, &reply);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	if (rc != 0) {
		request->change_count = 0;
		return rc;
	}
	return request_reply(request, &reply.base);
}

static int copy_run(struct request *request)
{
	const Pk__CopyRequest *message = (const Pk__CopyRequest *)request->message;
	struct str id = STR_OF_BYTES(message->copy_id);
	ProtobufCMessage *reply = NULL;
	if (id.len != 0 && id.len != COPY_ID_SIZE)
		return err_set(&request->info, E_INVALID, "not the id of a copy");
	int rc = id.len == 0 ? E_NOT_FOUND
	                     : find_reply(request->mailbox->db, id, &reply, &request->info);
	if (rc == E_NOT_FOUND)
		return copy_new(request);
	if (rc == 0)
		rc = request_reply(request, reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return rc;
}

/* As clients delete, with a folder for it. */
static bool moves(const ProtobufCMessage *message)
{
	return ((const Pk__CopyRequest *)message)->move;
}

const struct method store_method_copy = {
	.core.number = PK__STORE_METHOD__STORE_COPY,
	.core.name = "copy",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__copy_request__descriptor,
	.core.items_max = REQUEST_UIDS_MAX,
	.core.aside = true,
	.scope = METHOD_SESSION,
	.grows = true,
	.frees = moves,
	.changes = true,
	.run = copy_run,
};
