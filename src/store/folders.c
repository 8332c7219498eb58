#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/request.h"

/* LIST and what changes the tree of folders. */

static int reply_empty(struct request *request)
{
	Pk__Empty reply = PK__EMPTY__INIT;
	return request_reply(request, &reply.base);
}

/* ---------------------------------------------------------------- LIST */

struct folder_list {
	Pk__Folder *items; /* owned, with their strings */
	size_t count, capacity;
	struct map *by_name; /* to index + 1 */
};

static void folder_list_done(struct folder_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].special_use);
	}
	free(list->items);
	map_free(list->by_name);
}

/* The item of that name, made if it is not there; valid until the next call. */
static Pk__Folder *list_item(struct folder_list *list, struct str name, bool *ret_made)
{
	size_t index = (size_t)(uintptr_t)map_get(list->by_name, name);
	*ret_made = index == 0;
	if (index > 0)
		return &list->items[index - 1];
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
		list->items = mem_grow(list->items, list->capacity, sizeof(*list->items));
	}
	Pk__Folder *item = &list->items[list->count++];
	pk__folder__init(item);
	item->name = str_dup(name);
	item->special_use = str_dup(STR(""));
	item->missing = true;
	map_put(list->by_name, name, (void *)(uintptr_t)list->count);
	return item;
}

static bool is_inbox_or_below(const char *name)
{
	struct str text = str_from(name);
	return str_starts(text, STR("INBOX")) && (text.len == 5 || text.ptr[5] == '/');
}

static int list_rows(struct folder_list *list, struct db *db, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "SELECT id, name, special_use, uid_validity FROM folder ORDER BY name");
	int rc;
	bool made;
	while ((rc = db_step(q, info)) == DB_ROW) {
		Pk__Folder *item = list_item(list, db_text(q, 1), &made);
		item->id = (uint64_t)db_int(q, 0);
		free(item->special_use);
		item->special_use = str_dup(db_text(q, 2));
		item->uid_validity = (uint32_t)db_int(q, 3);
		item->missing = false;
	}
	return rc;
}

/* The levels above, which may have no row of their own. */
static void list_parents(struct folder_list *list)
{
	size_t rows = list->count;
	for (size_t i = 0; i < rows; i++) {
		struct str name = str_from(list->items[i].name);
		ptrdiff_t slash;
		bool made = true;
		while (made && (slash = str_rfind_byte(name, '/')) > 0) {
			name.len = (size_t)slash;
			Pk__Folder *parent = list_item(list, name, &made);
			parent->has_children = true;
		}
	}
}

/* A name may stay subscribed without a folder (RFC 9051 section 6.3.7). */
static int list_subscriptions(struct folder_list *list, struct db *db, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT name FROM subscription ORDER BY name");
	int rc;
	bool made;
	while ((rc = db_step(q, info)) == DB_ROW)
		list_item(list, db_text(q, 0), &made)->subscribed = true;
	return rc;
}

/* The order of a tree walk: INBOX first, a level right before what is below it. */
static int compare_folders(const void *a, const void *b)
{
	const char *x = (*(Pk__Folder *const *)a)->name, *y = (*(Pk__Folder *const *)b)->name;
	bool x_inbox = is_inbox_or_below(x), y_inbox = is_inbox_or_below(y);
	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	while (*x != '\0' && *x == *y) {
		x++;
		y++;
	}
	/* The end, then the separator, then everything else. */
	int left = *x == '/' ? 1 : *x == '\0' ? 0 : (unsigned char)*x + 1;
	int right = *y == '/' ? 1 : *y == '\0' ? 0 : (unsigned char)*y + 1;
	return (left > right) - (left < right);
}

static int folder_list_run(struct request *request)
{
	struct folder_list list __attribute__((cleanup(folder_list_done))) = {.by_name = map_new()};
	struct db *db = request->mailbox->db;
	int rc = list_rows(&list, db, &request->info);
	if (rc == 0) {
		list_parents(&list);
		rc = list_subscriptions(&list, db, &request->info);
	}
	if (rc != 0)
		return rc;
	Pk__Folder **pointers MEM_AUTO = mem_new_array(list.count, sizeof(Pk__Folder *));
	for (size_t i = 0; i < list.count; i++)
		pointers[i] = &list.items[i];
	if (list.count > 0)
		qsort(pointers, list.count, sizeof(Pk__Folder *), compare_folders);
	Pk__FolderListReply reply = PK__FOLDER_LIST_REPLY__INIT;
	reply.folders = pointers;
	reply.n_folders = list.count;
	return request_reply(request, &reply.base);
}

const struct method store_method_folder_list = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_LIST,
	.core.name = "folder_list",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__session_request__descriptor,
	.scope = METHOD_SESSION,
	.reads_once = true,
	.run = folder_list_run,
};

/* ---------------------------------------------------------------- CREATE */

static int count_rows(struct db *db, struct db_stmt *q, int64_t *ret, struct errinfo *info)
{
	(void)db;
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	*ret = rc == DB_ROW ? db_int(q, 0) : 0;
	db_reset(q);
	return 0;
}

/* The canonical name must be free, and there must be room for one more folder. */
static int check_new_name(struct db *db, struct str name, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM folder WHERE name=?1");
	db_bind_text(q, 1, name);
	int64_t count;
	int rc = count_rows(db, q, &count, info);
	if (rc != 0)
		return rc;
	if (count > 0)
		return err_set(info, E_EXISTS, "there is such a folder");
	rc = count_rows(db, db_query(db, "SELECT count(*) FROM folder"), &count, info);
	if (rc == 0 && count >= FOLDERS_MAX)
		return err_set(info, E_LIMIT, "the mailbox has too many folders");
	return rc;
}

/* A separator at the end says that the name is meant for folders below it (RFC 9051 section 6.3.4). */
static int canonical_new_name(struct db *db, const char *name, struct buf *ret,
                              struct errinfo *info)
{
	struct str wanted = str_from(name);
	if (wanted.len > 1 && wanted.ptr[wanted.len - 1] == '/')
		wanted.len--;
	int rc = folder_name_check(wanted, ret, info);
	return rc == 0 ? check_new_name(db, buf_str(ret), info) : rc;
}

static int reply_folder(struct request *request, const struct folder *folder, struct str name,
                        const char *special_use)
{
	Pk__FolderReply reply = PK__FOLDER_REPLY__INIT;
	Pk__Folder item = PK__FOLDER__INIT;
	char *text MEM_AUTO = str_dup(name), *use MEM_AUTO = str_dup(str_from(special_use));
	item.id = (uint64_t)folder->id;
	item.name = text;
	item.special_use = use;
	item.uid_validity = folder->uid_validity;
	reply.folder = &item;
	return request_reply(request, &reply.base);
}

/* A folder that is made under a usual name has the use of that name, unless another one has it: who
 * deletes Trash and makes it again has it as it was. */
static int usual_use(struct db *db, struct str name, const char **ret, struct errinfo *info)
{
	const char *use = folder_usual_use(name);
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM folder WHERE special_use=?1");
	db_bind_text(q, 1, str_from(use));
	int64_t count;
	int rc = count_rows(db, q, &count, info);
	if (rc == 0 && count == 0)
		*ret = use;
	return rc;
}

static int folder_create_run(struct request *request)
{
	const Pk__FolderCreateRequest *message = (const Pk__FolderCreateRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	const char *use = message->special_use;
	struct buf name BUF_AUTO;
	buf_init(&name, FOLDER_NAME_MAX);
	if (!folder_use_valid(str_from(use)))
		return err_set(&request->info, E_INVALID, "not a special use");
	int rc = canonical_new_name(mailbox->db, message->name, &name, &request->info);
	if (rc == 0)
		rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc == 0 && use[0] == '\0')
		rc = usual_use(mailbox->db, buf_str(&name), &use, &request->info);
	if (rc != 0)
		return rc;
	struct folder folder;
	rc = folder_add(mailbox->db, buf_str(&name), str_from(use), &folder, &request->info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	return rc == 0 ? reply_folder(request, &folder, buf_str(&name), use) : rc;
}

const struct method store_method_folder_create = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_CREATE,
	.core.name = "folder_create",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__folder_create_request__descriptor,
	.scope = METHOD_SESSION,
	.grows = true,
	.changes = true,
	.run = folder_create_run,
};

/* ---------------------------------------------------------------- names and what is below */

/* All names below name are those between "name/" and "name0": "0" follows "/" in ASCII. */
static void bind_below(struct db_stmt *q, int index, struct str name, struct buf *from,
                       struct buf *to)
{
	buf_add_str(from, name);
	buf_add_byte(from, '/');
	buf_add_str(to, name);
	buf_add_byte(to, '0');
	must(!from->failed && !to->failed);
	db_bind_text(q, index, buf_str(from));
	db_bind_text(q, index + 1, buf_str(to));
}

static int has_below(struct db *db, struct str name, bool *ret, struct errinfo *info)
{
	struct buf from BUF_AUTO, to BUF_AUTO;
	buf_init(&from, FOLDER_NAME_MAX + 1);
	buf_init(&to, FOLDER_NAME_MAX + 1);
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM folder WHERE name > ?1 AND name < ?2");
	bind_below(q, 1, name, &from, &to);
	int64_t count;
	int rc = count_rows(db, q, &count, info);
	*ret = rc == 0 && count > 0;
	return rc;
}

static bool is_inbox(struct str canonical)
{
	return str_eq(canonical, STR("INBOX"));
}

/* ---------------------------------------------------------------- DELETE */

static int run_on_folder(struct db_stmt *q, int64_t folder, struct errinfo *info)
{
	db_bind_int(q, 1, folder);
	return db_run(q, info);
}

static int delete_folder(struct mailbox *mailbox, int64_t folder, struct errinfo *info)
{
	struct db *db = mailbox->db;
	mailbox->needs_care = true;
	int rc = run_on_folder(
		db_query(db, "INSERT OR IGNORE INTO garbage (message) SELECT DISTINCT message"
	                 " FROM entry e WHERE folder=?1 AND NOT EXISTS"
	                 " (SELECT 1 FROM entry o WHERE o.message = e.message AND o.folder <> ?1)"),
		folder, info);
	if (rc == 0)
		rc = run_on_folder(db_query(db, "DELETE FROM entry WHERE folder=?1"), folder, info);
	if (rc == 0)
		rc = run_on_folder(db_query(db, "DELETE FROM expunged WHERE folder=?1"), folder, info);
	if (rc == 0)
		rc = run_on_folder(db_query(db, "UPDATE meta SET"
		                                " modseq_gone = modseq_gone + f.modseq + 1,"
		                                " uids_gone = uids_gone + f.uid_next"
		                                " FROM folder f WHERE f.id=?1"),
		                   folder, info);
	if (rc == 0)
		rc = run_on_folder(db_query(db, "DELETE FROM folder WHERE id=?1"), folder, info);
	return rc;
}

/* Those below would stay behind without it (RFC 9051 section 6.3.5); and a level that only exists through
 * what is below it cannot be deleted. */
static int check_nothing_below(struct db *db, struct str name, struct errinfo *info)
{
	bool below = false;
	int rc = has_below(db, name, &below, info);
	if (rc != 0)
		return rc;
	return below ? err_set(info, E_EXISTS, "there are folders below that name") : 0;
}

static int folder_delete_run(struct request *request)
{
	const Pk__FolderNameRequest *message = (const Pk__FolderNameRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct buf name BUF_AUTO;
	buf_init(&name, FOLDER_NAME_MAX);
	int rc = folder_name_check(str_from(message->name), &name, &request->info);
	if (rc != 0)
		return rc;
	if (is_inbox(buf_str(&name)))
		return err_set(&request->info, E_DENIED, "INBOX cannot be deleted");
	struct folder folder;
	rc = check_nothing_below(mailbox->db, buf_str(&name), &request->info);
	if (rc == 0)
		rc = folder_find(mailbox->db, buf_str(&name), &folder, &request->info);
	if (rc == 0)
		rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc == 0)
		rc = delete_folder(mailbox, folder.id, &request->info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	if (rc != 0)
		return rc;
	request_changed(request, (uint64_t)folder.id, folder.modseq + 1, true);
	return reply_empty(request);
}

const struct method store_method_folder_delete = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_DELETE,
	.core.name = "folder_delete",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__folder_name_request__descriptor,
	.scope = METHOD_SESSION,
	.changes = true,
	.run = folder_delete_run,
};

/* ---------------------------------------------------------------- RENAME */

static int rename_rows(struct db *db, struct str from, struct str to, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "UPDATE folder SET name=?2 WHERE name=?1");
	db_bind_text(q, 1, from);
	db_bind_text(q, 2, to);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	struct buf first BUF_AUTO, last BUF_AUTO;
	buf_init(&first, FOLDER_NAME_MAX + 1);
	buf_init(&last, FOLDER_NAME_MAX + 1);
	/* substr counts characters: what follows is as long whatever the prefix was. */
	q = db_query(db, "UPDATE folder SET name = ?3 || substr(name, length(?4) + 1)"
	                 " WHERE name > ?1 AND name < ?2");
	bind_below(q, 1, from, &first, &last);
	db_bind_text(q, 3, to);
	db_bind_text(q, 4, from);
	return db_run(q, info);
}

/* Renamed children must fit, and must not meet a folder that is there: a name below a free name can
 * be taken (as "b/c" is while "b" is not). */
static int check_children(struct db *db, struct str from, struct str to, struct errinfo *info)
{
	struct buf first BUF_AUTO, last BUF_AUTO;
	buf_init(&first, FOLDER_NAME_MAX + 1);
	buf_init(&last, FOLDER_NAME_MAX + 1);
	struct db_stmt *q = db_query(
		db, "SELECT count(*) FROM folder a WHERE a.name > ?1 AND a.name < ?2"
			" AND (length(CAST(?3 || substr(a.name, length(?4) + 1) AS BLOB)) > ?5 OR EXISTS"
			" (SELECT 1 FROM folder b WHERE b.name = ?3 || substr(a.name, length(?4) + 1)))");
	bind_below(q, 1, from, &first, &last);
	db_bind_text(q, 3, to);
	db_bind_text(q, 4, from);
	db_bind_int(q, 5, FOLDER_NAME_MAX);
	int64_t count;
	int rc = count_rows(db, q, &count, info);
	if (rc == 0 && count > 0)
		return err_set(info, E_EXISTS, "a folder below would get a name that cannot be");
	return rc;
}

/* INBOX stays: its messages move to a new folder, those below it stay (RFC 9051 section 6.3.6). */
static int rename_inbox(struct request *request, struct str to)
{
	struct db *db = request->mailbox->db;
	struct errinfo *info = &request->info;
	struct folder inbox, target;
	int rc = folder_find(db, STR("INBOX"), &inbox, info);
	const struct folder_summary *summary;
	if (rc == 0)
		rc = folder_summarize(request->mailbox, &inbox, &summary, info);
	if (rc == 0)
		rc = folder_add(db, to, STR(""), &target, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(db, "UPDATE entry SET folder=?2, modseq=?3 WHERE folder=?1");
	db_bind_int(q, 1, inbox.id);
	db_bind_int(q, 2, target.id);
	db_bind_int(q, 3, (int64_t)++target.modseq);
	rc = db_run(q, info);
	target.uid_next = inbox.uid_next;
	target.recent_from = inbox.recent_from;
	target.messages = inbox.messages;
	target.unseen = inbox.unseen;
	target.deleted = inbox.deleted;
	target.size = inbox.size;
	inbox.messages = inbox.unseen = inbox.deleted = inbox.size = 0;
	inbox.modseq++;
	if (rc == 0)
		rc = expunged_add(db, &inbox, &summary->uids, info);
	if (rc == 0)
		rc = folder_put(db, &inbox, info);
	if (rc == 0)
		rc = folder_put(db, &target, info);
	request_changed(request, (uint64_t)inbox.id, inbox.modseq, true);
	return rc;
}

static int rename_folder(struct request *request, struct str from, struct str to)
{
	struct db *db = request->mailbox->db;
	struct folder folder;
	bool below;
	int rc = folder_find(db, from, &folder, &request->info);
	if (rc != 0 && rc != E_NOT_FOUND)
		return rc;
	bool missing = rc == E_NOT_FOUND;
	rc = has_below(db, from, &below, &request->info);
	if (rc == 0 && missing && !below)
		return err_set(&request->info, E_NOT_FOUND, "no such folder");
	/* Below itself a folder would be out of reach. */
	if (rc == 0 && str_starts(to, from) && to.len > from.len && to.ptr[from.len] == '/')
		return err_set(&request->info, E_INVALID, "a folder cannot be moved below itself");
	if (rc == 0)
		rc = check_children(db, from, to, &request->info);
	return rc == 0 ? rename_rows(db, from, to, &request->info) : rc;
}

static int folder_rename_run(struct request *request)
{
	const Pk__FolderRenameRequest *message = (const Pk__FolderRenameRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct buf from BUF_AUTO, to BUF_AUTO;
	buf_init(&from, FOLDER_NAME_MAX);
	buf_init(&to, FOLDER_NAME_MAX);
	int rc = folder_name_check(str_from(message->from), &from, &request->info);
	if (rc == 0)
		rc = canonical_new_name(mailbox->db, message->to, &to, &request->info);
	if (rc == 0)
		rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc != 0)
		return rc;
	rc = is_inbox(buf_str(&from)) ? rename_inbox(request, buf_str(&to))
	                              : rename_folder(request, buf_str(&from), buf_str(&to));
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	return rc == 0 ? reply_empty(request) : rc;
}

const struct method store_method_folder_rename = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_RENAME,
	.core.name = "folder_rename",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__folder_rename_request__descriptor,
	.scope = METHOD_SESSION,
	.grows = true,
	.changes = true,
	.run = folder_rename_run,
};

/* ---------------------------------------------------------------- SUBSCRIBE */

static int subscribe(struct db *db, struct str name, struct errinfo *info)
{
	int64_t count;
	int rc = count_rows(db, db_query(db, "SELECT count(*) FROM subscription"), &count, info);
	if (rc == 0 && count >= SUBSCRIPTIONS_MAX)
		return err_set(info, E_LIMIT, "the mailbox has too many subscriptions");
	if (rc != 0)
		return rc;
	char now[ISO8601_SIZE];
	iso8601_format(clock_realtime_us(), now);
	struct db_stmt *q = db_query(
		db, "INSERT OR IGNORE INTO subscription (name, created) VALUES (?1, ?2)");
	db_bind_text(q, 1, name);
	db_bind_text(q, 2, str_from(now));
	return db_run(q, info);
}

static int folder_subscribe_run(struct request *request)
{
	const Pk__FolderSubscribeRequest *message = (const Pk__FolderSubscribeRequest *)
	                                                request->message;
	struct mailbox *mailbox = request->mailbox;
	struct buf name BUF_AUTO;
	buf_init(&name, FOLDER_NAME_MAX);
	int rc = folder_name_check(str_from(message->name), &name, &request->info);
	if (rc == 0)
		rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc != 0)
		return rc;
	if (message->subscribed) {
		rc = subscribe(mailbox->db, buf_str(&name), &request->info);
	} else {
		struct db_stmt *q = db_query(mailbox->db, "DELETE FROM subscription WHERE name=?1");
		db_bind_text(q, 1, buf_str(&name));
		rc = db_run(q, &request->info);
	}
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	return rc == 0 ? reply_empty(request) : rc;
}

const struct method store_method_folder_subscribe = {
	.core.number = PK__STORE_METHOD__STORE_FOLDER_SUBSCRIBE,
	.core.name = "folder_subscribe",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__folder_subscribe_request__descriptor,
	.scope = METHOD_SESSION,
	.grows = true,
	.changes = true,
	.run = folder_subscribe_run,
};
