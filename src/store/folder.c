#include "store/folder.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/server.h"

/* ---------------------------------------------------------------- names */

static bool level_valid(struct str level)
{
	if (level.len == 0)
		return false;
	for (size_t i = 0; i < level.len; i++) {
		unsigned char c = (unsigned char)level.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static bool levels_valid(struct str name)
{
	int depth = 0;
	for (;;) {
		ptrdiff_t slash = str_find_byte(name, '/');
		struct str level = slash < 0 ? name : str_slice(name, 0, (size_t)slash);
		if (!level_valid(level) || ++depth > FOLDER_DEPTH_MAX)
			return false;
		if (slash < 0)
			return true;
		name = str_from_byte(name, (size_t)slash + 1);
	}
}

int folder_name_check(struct str name, struct buf *ret, struct errinfo *info)
{
	if (name.len > FOLDER_NAME_MAX || !utf8_valid(name) || !levels_valid(name))
		return err_set(info, E_INVALID, "not a folder name");
	struct str inbox = STR("INBOX");
	bool is_inbox = str_starts_nocase(name, inbox) &&
	                (name.len == inbox.len || name.ptr[inbox.len] == '/');
	buf_add_str(ret, is_inbox ? inbox : str_slice(name, 0, inbox.len));
	buf_add_str(ret, str_from_byte(name, inbox.len));
	return 0;
}

/* ---------------------------------------------------------------- rows */

#define COLUMNS                                                                                    \
	"id, uid_validity, uid_next, recent_from, modseq, expunged_since, messages, unseen, deleted, " \
	"size"

static int read_row(struct db_stmt *q, struct folder *ret, struct errinfo *info)
{
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_NOT_FOUND, "no such folder");
	if (rc < 0)
		return rc;
	*ret = (struct folder){
		.id = db_int(q, 0),
		.uid_validity = (uint32_t)db_int(q, 1),
		.uid_next = (uint32_t)db_int(q, 2),
		.recent_from = (uint32_t)db_int(q, 3),
		.modseq = (uint64_t)db_int(q, 4),
		.expunged_since = (uint64_t)db_int(q, 5),
		.messages = db_int(q, 6),
		.unseen = db_int(q, 7),
		.deleted = db_int(q, 8),
		.size = db_int(q, 9),
	};
	db_reset(q);
	return 0;
}

int folder_find(struct db *db, struct str name, struct folder *ret, struct errinfo *info)
{
	struct buf canonical BUF_AUTO;
	buf_init(&canonical, FOLDER_NAME_MAX);
	int rc = folder_name_check(name, &canonical, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM folder WHERE name=?1");
	db_bind_text(q, 1, buf_str(&canonical));
	return read_row(q, ret, info);
}

int folder_get(struct db *db, int64_t id, struct folder *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM folder WHERE id=?1");
	db_bind_int(q, 1, id);
	return read_row(q, ret, info);
}

int folder_put(struct db *db, const struct folder *folder, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "UPDATE folder SET uid_next=?2, recent_from=?3, modseq=?4, expunged_since=?5,"
			" messages=?6, unseen=?7, deleted=?8, size=?9 WHERE id=?1");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, folder->uid_next);
	db_bind_int(q, 3, folder->recent_from);
	db_bind_int(q, 4, (int64_t)folder->modseq);
	db_bind_int(q, 5, (int64_t)folder->expunged_since);
	db_bind_int(q, 6, folder->messages);
	db_bind_int(q, 7, folder->unseen);
	db_bind_int(q, 8, folder->deleted);
	db_bind_int(q, 9, folder->size);
	return db_run(q, info);
}

int folder_claim_recent(struct mailbox *mailbox, struct folder *folder, struct errinfo *info)
{
	folder->recent_from = folder->uid_next;
	int rc = mailbox_begin(mailbox, DURABLE_SOMETIME, info);
	if (rc == 0)
		rc = folder_put(mailbox->db, folder, info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, info);
	if (rc == 0)
		return 0;
	db_rollback(mailbox->db);
	return rc == E_NO_SPACE ? 0 : rc;
}

/* Counts up in meta, and starts with the time of creation: so it differs from that of any mailbox
 * that was here under this id before, too. */
static int next_uid_validity(struct db *db, uint32_t *ret, struct errinfo *info)
{
	int64_t now = clock_realtime_us() / 1000000;
	struct db_stmt *q = db_query(db, "UPDATE meta SET uid_validity = max(uid_validity + 1, ?1)"
	                                 " RETURNING uid_validity");
	db_bind_int(q, 1, now > UINT32_MAX ? 0 : now);
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	int64_t value = rc == DB_ROW ? db_int(q, 0) : 0;
	/* An UPDATE with RETURNING has done all its work by the first row, but ends with the last. */
	while (rc == DB_ROW)
		rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (value <= 0 || value > UINT32_MAX)
		return err_set(info, E_CORRUPT, "no UIDVALIDITY is left");
	*ret = (uint32_t)value;
	return 0;
}

int folder_add(struct db *db, struct str name, struct str special_use, struct folder *ret,
               struct errinfo *info)
{
	*ret = (struct folder){.uid_next = 1, .recent_from = 1, .modseq = 1, .expunged_since = 1};
	int rc = next_uid_validity(db, &ret->uid_validity, info);
	if (rc != 0)
		return rc;
	char now[ISO8601_SIZE];
	iso8601_format(clock_realtime_us(), now);
	struct db_stmt *q = db_query(db, "INSERT INTO folder (name, special_use, uid_validity, created)"
	                                 " VALUES (?1, ?2, ?3, ?4)");
	db_bind_text(q, 1, name);
	db_bind_text(q, 2, special_use);
	db_bind_int(q, 3, ret->uid_validity);
	db_bind_text(q, 4, str_from(now));
	rc = db_run(q, info);
	ret->id = db_last_rowid(db);
	return rc;
}

int folder_renew_all(struct db *db, struct errinfo *info)
{
	for (int64_t last = 0;;) {
		struct db_stmt *q = db_query(db, "SELECT min(id) FROM folder WHERE id>?1");
		db_bind_int(q, 1, last);
		int rc = db_step(q, info);
		if (rc < 0)
			return rc;
		last = rc == DB_ROW ? db_int(q, 0) : 0; /* of NULL: 0 */
		db_reset(q);
		if (last == 0)
			return 0;
		uint32_t uid_validity;
		rc = next_uid_validity(db, &uid_validity, info);
		if (rc != 0)
			return rc;
		q = db_query(db, "UPDATE folder SET uid_validity=?2, modseq=modseq+1 WHERE id=?1");
		db_bind_int(q, 1, last);
		db_bind_int(q, 2, uid_validity);
		rc = db_run(q, info);
		if (rc != 0)
			return rc;
	}
}

static int add_default(struct db *db, struct str name, struct str use, struct errinfo *info)
{
	struct folder folder;
	int rc = folder_add(db, name, use, &folder, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(db, "INSERT INTO subscription (name, created)"
	                                 " SELECT name, created FROM folder WHERE id=?1");
	db_bind_int(q, 1, folder.id);
	return db_run(q, info);
}

static int add_wanted(struct db *db, const Pk__Folder *wanted, struct errinfo *info)
{
	struct buf name BUF_AUTO;
	struct folder folder;
	buf_init(&name, FOLDER_NAME_MAX);
	int rc = folder_name_check(str_from(wanted->name), &name, info);
	if (rc == 0 && !folder_use_valid(str_from(wanted->special_use)))
		rc = err_set(info, E_INVALID, "not a special use");
	if (rc != 0)
		return rc;
	if (str_eq(buf_str(&name), STR("INBOX")))
		return 0;
	rc = folder_find(db, buf_str(&name), &folder, info);
	if (rc == 0)
		return err_set(info, E_INVALID, "two folders of a new mailbox have the same name");
	if (rc != E_NOT_FOUND)
		return rc;
	return add_default(db, buf_str(&name), str_from(wanted->special_use), info);
}

int folder_add_defaults(struct db *db, Pk__Folder *const *wanted, size_t count,
                        struct errinfo *info)
{
	static const struct {
		const char *name, *special_use;
	} defaults[] = {
		{"Drafts", "\\Drafts"}, {"Sent", "\\Sent"},   {"Archive", "\\Archive"},
		{"Junk", "\\Junk"},     {"Trash", "\\Trash"},
	};
	int rc = add_default(db, STR("INBOX"), STR(""), info);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = add_wanted(db, wanted[i], info);
	for (size_t i = 0; i < ARRAY_LEN(defaults) && count == 0 && rc == 0; i++)
		rc = add_default(db, str_from(defaults[i].name), str_from(defaults[i].special_use), info);
	return rc;
}

bool folder_use_valid(struct str use)
{
	static const char *const known[] = {"",       "\\All",  "\\Archive", "\\Drafts",   "\\Flagged",
	                                    "\\Junk", "\\Sent", "\\Trash",   "\\Important"};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(use, str_from(known[i])))
			return true;
	return false;
}

void folder_count(struct folder *folder, unsigned flags, int64_t size, int sign)
{
	folder->messages += sign;
	folder->size += sign * size;
	if ((flags & PK__FLAG__FLAG_SEEN) == 0)
		folder->unseen += sign;
	if ((flags & PK__FLAG__FLAG_DELETED) != 0)
		folder->deleted += sign;
}

/* ---------------------------------------------------------------- summary */

void folder_summary_free(struct folder_summary *summary)
{
	if (summary == NULL)
		return;
	uid_runs_done(&summary->uids);
	free(summary);
}

static int scan(struct db *db, struct folder_summary *summary, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT uid, flags FROM entry WHERE folder=?1 ORDER BY uid");
	db_bind_int(q, 1, summary->folder);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		uint32_t uid = (uint32_t)db_int(q, 0);
		uid_runs_add(&summary->uids, uid);
		if (summary->first_unseen == 0 && (db_int(q, 1) & PK__FLAG__FLAG_SEEN) == 0)
			summary->first_unseen = uid;
	}
	return rc;
}

/* Which entries there are is known all the same: whoever has read them keeps them, what comes is seen. */
static void log_damage(struct mailbox *mailbox, const struct folder *folder,
                       const struct errinfo *info)
{
	if (!mailbox->entries_damaged)
		log_error(store_log(mailbox->store), "store.entries_damaged",
		          F_TEXT("mailbox", mailbox->id), F_INT("folder", folder->id),
		          F_TEXT("text", info->text));
	mailbox->entries_damaged = true;
}

int folder_summarize(struct mailbox *mailbox, const struct folder *folder,
                     const struct folder_summary **ret, struct errinfo *info)
{
	struct folder_summary *summary = mailbox->summary;
	if (summary != NULL && summary->folder == folder->id && summary->modseq == folder->modseq) {
		*ret = summary;
		return 0;
	}
	folder_summary_free(summary);
	mailbox->summary = NULL;
	summary = mem_new(sizeof(*summary));
	summary->folder = folder->id;
	summary->modseq = folder->modseq;
	int rc = scan(mailbox->db, summary, info);
	if (db_is_damage(rc)) {
		log_damage(mailbox, folder, info);
		rc = entry_uids(mailbox->db, summary->folder, 0, &summary->uids, info);
	}
	if (rc != 0) {
		folder_summary_free(summary);
		return rc;
	}
	*ret = mailbox->summary = summary;
	return 0;
}
