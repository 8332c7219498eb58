#include <stdlib.h>

#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/request.h"

/* STORE: flags and keywords of a set of messages, with UNCHANGEDSINCE (RFC 7162 section 3.1.3). */

enum { ROWS_MAX = 200000 };

struct row {
	uint32_t uid;
	uint64_t modseq;
	unsigned flags;
	size_t keywords; /* where they begin in texts, NUL-terminated */
	bool changed;
};

struct flags_change {
	struct request *request;
	struct folder folder;
	uint64_t modseq;   /* what changed entries get */
	struct buf wanted; /* the keywords asked for, as entries keep them */
	struct row *rows;
	size_t count, capacity;
	struct buf texts;
	struct uid_runs modified;
	bool any;
};

static void flags_change_done(struct flags_change *change)
{
	buf_done(&change->wanted);
	buf_done(&change->texts);
	uid_runs_done(&change->modified);
	free(change->rows);
}

static const Pk__StoreRequest *message_of(const struct flags_change *change)
{
	return (const Pk__StoreRequest *)change->request->message;
}

/* ---------------------------------------------------------------- the new value */

static unsigned new_flags(const Pk__StoreRequest *message, unsigned old)
{
	switch (message->operation) {
	case PK__STORE_REQUEST__OPERATION__ADD:
		return old | message->flags;
	case PK__STORE_REQUEST__OPERATION__REMOVE:
		return old & ~message->flags;
	default:
		return message->flags;
	}
}

static void add_word(struct buf *to, size_t start, struct str word)
{
	if (to->len > start)
		buf_add_byte(to, ' ');
	buf_add_str(to, word);
}

/* Both are rising lists of words: one walk merges them, or takes b out of a. */
static void combine(struct str a, struct str b, bool add, struct buf *to)
{
	size_t start = to->len;
	struct str x, y;
	bool has_x = keywords_next(&a, &x), has_y = keywords_next(&b, &y);
	while (has_x || (has_y && add)) {
		int order = !has_x ? 1 : !has_y ? -1 : str_compare(x, y);
		if (order <= 0) {
			if (order < 0 || add)
				add_word(to, start, x);
			has_x = keywords_next(&a, &x);
		} else if (add) {
			add_word(to, start, y);
		}
		if (order >= 0)
			has_y = keywords_next(&b, &y);
	}
}

static void new_keywords(const Pk__StoreRequest *message, struct str old, struct str wanted,
                         struct buf *to)
{
	if (message->operation == PK__STORE_REQUEST__OPERATION__REPLACE)
		buf_add_str(to, wanted);
	else
		combine(old, wanted, message->operation == PK__STORE_REQUEST__OPERATION__ADD, to);
}

/* ---------------------------------------------------------------- reading */

static size_t words_in(struct str keywords)
{
	struct str name;
	size_t n = 0;
	while (keywords_next(&keywords, &name))
		n++;
	return n;
}

static int add_row(struct flags_change *change, struct db_stmt *q)
{
	const Pk__StoreRequest *message = message_of(change);
	struct errinfo *info = &change->request->info;
	uint64_t modseq = (uint64_t)db_int(q, 1);
	if (message->has_unchanged_since && modseq > message->unchanged_since) {
		uid_runs_add(&change->modified, (uint32_t)db_int(q, 0));
		return 0;
	}
	if (change->count == ROWS_MAX)
		return err_set(info, E_LIMIT, "too many messages at once");
	if (change->count == change->capacity) {
		change->capacity = change->capacity == 0 ? 16 : change->capacity * 2;
		change->rows = mem_grow(change->rows, change->capacity, sizeof(*change->rows));
	}
	struct row *row = &change->rows[change->count++];
	unsigned old = (unsigned)db_int(q, 2);
	struct str old_keywords = db_text(q, 3);
	*row = (struct row){.uid = (uint32_t)db_int(q, 0), .modseq = modseq};
	row->flags = new_flags(message, old);
	row->keywords = change->texts.len;
	new_keywords(message, old_keywords, buf_str(&change->wanted), &change->texts);
	struct str keywords = str_from_byte(buf_str(&change->texts), row->keywords);
	row->changed = row->flags != old || !str_eq(keywords, old_keywords);
	if (words_in(keywords) > KEYWORDS_PER_MESSAGE)
		return err_set(info, E_LIMIT, "too many keywords");
	buf_add_byte(&change->texts, '\0');
	if (change->texts.failed)
		return err_set(info, E_LIMIT, "too many messages at once");
	if (row->changed) {
		change->any = true;
		folder_count(&change->folder, old, 0, -1);
		folder_count(&change->folder, row->flags, 0, 1);
		row->modseq = change->modseq;
	}
	return 0;
}

static int read_run(struct flags_change *change, const Pk__UidRange *run)
{
	struct db_stmt *q = db_query(change->request->mailbox->db,
	                             "SELECT uid, modseq, flags, keywords FROM entry"
	                             " WHERE folder=?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid");
	db_bind_int(q, 1, change->folder.id);
	db_bind_int(q, 2, run->first);
	db_bind_int(q, 3, run->last);
	int rc;
	while ((rc = db_step(q, &change->request->info)) == DB_ROW) {
		rc = add_row(change, q);
		if (rc != 0) {
			db_reset(q);
			return rc;
		}
	}
	return rc;
}

/* ---------------------------------------------------------------- writing */

static int write_rows(struct flags_change *change)
{
	struct db *db = change->request->mailbox->db;
	for (size_t i = 0; i < change->count; i++) {
		const struct row *row = &change->rows[i];
		if (!row->changed)
			continue;
		struct db_stmt *q = db_query(
			db, "UPDATE entry SET flags=?3, keywords=?4, modseq=?5 WHERE folder=?1 AND uid=?2");
		db_bind_int(q, 1, change->folder.id);
		db_bind_int(q, 2, row->uid);
		db_bind_int(q, 3, row->flags);
		db_bind_text(q, 4, str_from(change->texts.ptr + row->keywords));
		db_bind_int(q, 5, (int64_t)row->modseq);
		int rc = db_run(q, &change->request->info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int write_change(struct flags_change *change)
{
	struct request *request = change->request;
	struct mailbox *mailbox = request->mailbox;
	if (!change->any) {
		db_rollback(mailbox->db);
		return 0;
	}
	change->folder.modseq = change->modseq;
	int rc = write_rows(change);
	if (rc == 0)
		rc = folder_put(mailbox->db, &change->folder, &request->info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	if (rc == 0)
		request_changed(request, (uint64_t)change->folder.id, change->modseq, false);
	return rc;
}

static int reply_change(struct flags_change *change)
{
	size_t words = 0;
	for (size_t i = 0; i < change->count; i++)
		words += words_in(str_from(change->texts.ptr + change->rows[i].keywords));
	Pk__FetchRow *rows MEM_AUTO = mem_new_array(change->count, sizeof(*rows));
	Pk__FetchRow **pointers MEM_AUTO = mem_new_array(change->count, sizeof(Pk__FetchRow *));
	char **names MEM_AUTO = mem_new_array(words, sizeof(char *));
	size_t name = 0;
	for (size_t i = 0; i < change->count; i++) {
		pk__fetch_row__init(&rows[i]);
		rows[i].uid = change->rows[i].uid;
		rows[i].modseq = change->rows[i].modseq;
		rows[i].flags = change->rows[i].flags;
		rows[i].keywords = names + name;
		/* Blanks become the ends of strings. */
		char *text = change->texts.ptr + change->rows[i].keywords;
		struct str keywords = str_from(text), word;
		while (keywords_next(&keywords, &word)) {
			char *start = text + (word.ptr - text);
			start[word.len] = '\0';
			names[name++] = start;
			rows[i].n_keywords++;
		}
		pointers[i] = &rows[i];
	}
	Pk__StoreReply reply = PK__STORE_REPLY__INIT;
	reply.changed = pointers;
	reply.n_changed = change->count;
	reply.modified = uid_runs_pointers(&change->modified);
	reply.n_modified = change->modified.count;
	reply.highest_modseq = change->folder.modseq;
	return request_reply(change->request, &reply.base);
}

static int store_in(struct flags_change *change, const struct uid_runs *uids)
{
	struct request *request = change->request;
	const Pk__StoreRequest *message = message_of(change);
	struct mailbox *mailbox = request->mailbox;
	int rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc == 0)
		rc = folder_get(mailbox->db, (int64_t)message->folder, &change->folder, &request->info);
	if (rc == 0)
		rc = keywords_intern(mailbox->db, message->keywords, message->n_keywords, &change->wanted,
		                     &request->info);
	change->modseq = change->folder.modseq + 1;
	for (size_t i = 0; i < uids->count && rc == 0; i++)
		rc = read_run(change, &uids->items[i]);
	if (rc == 0)
		rc = write_change(change);
	return rc == 0 ? reply_change(change) : rc;
}

static int store_run_request(struct request *request)
{
	const Pk__StoreRequest *message = (const Pk__StoreRequest *)request->message;
	struct uid_runs uids UID_RUNS_AUTO = {0};
	if ((message->flags & ~(uint32_t)FLAGS_ALL) != 0 ||
	    (unsigned)message->operation > PK__STORE_REQUEST__OPERATION__REMOVE)
		return err_set(&request->info, E_INVALID, "not a change of flags");
	if (request->session->read_only && request->session->folder == message->folder)
		return err_set(&request->info, E_DENIED, "the folder is open to read only");
	int rc = uid_runs_from(&uids, message->uids, message->n_uids, &request->info);
	if (rc != 0)
		return rc;
	struct flags_change change __attribute__((cleanup(flags_change_done))) = {.request = request};
	buf_init(&change.wanted, KEYWORDS_PER_MESSAGE * (KEYWORD_SIZE_MAX + 1));
	buf_init(&change.texts, REPLY_MAX);
	return store_in(&change, &uids);
}

const struct method store_method_store = {
	.core.number = PK__STORE_METHOD__STORE_STORE,
	.core.name = "store",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__store_request__descriptor,
	.core.items_max = REQUEST_UIDS_MAX,
	.core.aside = true,
	.scope = METHOD_SESSION,
	.changes = true,
	.run = store_run_request,
};
