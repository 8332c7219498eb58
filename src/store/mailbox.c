#include "store/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/folder.h"
#include "store/message.h"
#include "store/rekey.h"
#include "store/schema.h"
#include "store/server.h"

enum {
	WAL_MAX = 4 * 1024 * 1024,
	WAL_MAX_SHORT = 256 * 1024, /* on a volume that is nearly full */
};

/* ---------------------------------------------------------------- life */

bool mailbox_id_valid(struct str id)
{
	if (id.len != MAILBOX_ID_SIZE)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is_digit(id.ptr[i]) && !(id.ptr[i] >= 'a' && id.ptr[i] <= 'f'))
			return false;
	return true;
}

struct mailbox *mailbox_new(struct store *store, struct str id)
{
	must(mailbox_id_valid(id));
	struct mailbox *mailbox = mem_new(sizeof(*mailbox));
	for (size_t i = 0; i < id.len; i++)
		mailbox->id[i] = id.ptr[i];
	mailbox->store = store;
	random_bytes(&mailbox->generation, sizeof(mailbox->generation));
	mailbox->generation |= 1;
	LIST_INIT(&mailbox->sessions);
	turn_init(&mailbox->turn);
	return mailbox;
}

bool mailbox_holds_anything(const struct mailbox *mailbox)
{
	return mailbox->has_key || mailbox->db != NULL || mailbox->temporary != NULL;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	must(mailbox->session_count == 0 && mailbox->task_count == 0);
	must(!mailbox_holds_anything(mailbox));
	piece_cache_free(mailbox->pieces);
	folder_summary_free(mailbox->summary);
	free(mailbox);
}

/* ---------------------------------------------------------------- paths */

void mailbox_path(const struct mailbox *mailbox, enum mailbox_path which, struct buf *ret)
{
	static const char *const folders[] = {"mailboxes", "mailboxes", "mailboxes", "temporary"};
	static const char *const endings[] = {"", ".new", ".rekey", ""};
	buf_addf(ret, "%s/%s/%.2s/%s.sqlite%s", store_data_dir(mailbox->store), folders[which],
	         mailbox->id, mailbox->id, endings[which]);
	buf_add_byte(ret, '\0');
	must(!ret->failed);
}

static void folder_path(const struct mailbox *mailbox, enum mailbox_path which, struct buf *ret)
{
	mailbox_path(mailbox, which, ret);
	ret->len = (size_t)str_rfind_byte(buf_str(ret), '/');
	ret->ptr[ret->len] = '\0';
}

static int sync_folder_at(const char *path, struct errinfo *info)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "cannot open a folder of mailboxes");
	int rc = fsync(fd) == 0 ? 0 : err_from_errno(errno);
	close(fd);
	return rc == 0 ? 0 : err_set(info, rc, "cannot sync a folder of mailboxes");
}

int mailbox_sync_folder(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	folder_path(mailbox, which, &path);
	return sync_folder_at(path.ptr, info);
}

int mailbox_volume_check(const struct mailbox *mailbox, enum mailbox_path which,
                         struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	folder_path(mailbox, which, &path);
	path.len = (size_t)str_rfind_byte(buf_str(&path), '/') + 1;
	buf_add_text(&path, STORE_FOLDER_MARKER);
	buf_add_byte(&path, '\0');
	must(!path.failed);
	if (access(path.ptr, F_OK) == 0)
		return 0;
	return err_set(info, E_IO, "%s: %s: is the volume mounted?", path.ptr, strerror(errno));
}

int mailbox_make_folder(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info)
{
	int rc = mailbox_volume_check(mailbox, which, info);
	if (rc != 0)
		return rc;
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	folder_path(mailbox, which, &path);
	/* One that is there may be there because an attempt came so far, and its sync failed. */
	if (mkdir(path.ptr, 0700) != 0 && errno != EEXIST)
		return err_set(info, err_from_errno(errno), "cannot make a folder for mailboxes");
	path.ptr[str_rfind_byte(buf_str(&path), '/')] = '\0';
	return sync_folder_at(path.ptr, info);
}

int mailbox_path_there(const char *path, bool *ret, struct errinfo *info)
{
	*ret = access(path, F_OK) == 0;
	if (*ret || errno == ENOENT)
		return 0;
	return err_set(info, E_IO, "cannot look for a mailbox file: %s", strerror(errno));
}

int mailbox_file_there(const struct mailbox *mailbox, enum mailbox_path which, bool *ret,
                       struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, which, &path);
	return mailbox_path_there(path.ptr, ret, info);
}

int mailbox_remove_path(const char *path, bool *ret_removed, struct errinfo *info)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	*ret_removed = false;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		struct buf name BUF_AUTO;
		buf_init(&name, PATH_MAX);
		buf_addf(&name, "%s%s", path, endings[i]);
		buf_add_byte(&name, '\0');
		if (unlink(name.ptr) == 0)
			*ret_removed = true;
		else if (errno != ENOENT)
			return err_set(info, err_from_errno(errno), "cannot remove a mailbox file");
	}
	return 0;
}

int mailbox_remove_file(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, which, &path);
	bool removed;
	int rc = mailbox_remove_path(path.ptr, &removed, info);
	return rc == 0 && removed ? mailbox_sync_folder(mailbox, which, info) : rc;
}

/* ---------------------------------------------------------------- keys */

bool mailbox_key(struct mailbox *mailbox, struct data_key *ret)
{
	if (!mailbox->has_key || !store_key_get(mailbox->store, &mailbox->key, &ret->key))
		return false;
	for (size_t i = 0; i < sizeof(ret->salt); i++)
		ret->salt[i] = mailbox->salt[i];
	return true;
}

static void digest_key(const struct data_key *key, unsigned char ret[SHA256_SIZE])
{
	sha256(STR_OF(key->key.bytes, KEY_SIZE), ret);
}

/* To be asked at each login: opening the vault changes the rights of a page twice. */
static bool holds_key(const struct mailbox *mailbox, const struct data_key *key)
{
	unsigned char digest[SHA256_SIZE];
	digest_key(key, digest);
	return mailbox->has_key && equal_constant_time(digest, mailbox->key_digest, sizeof(digest));
}

void mailbox_set_key(struct mailbox *mailbox, const struct data_key *key)
{
	store_key_put(mailbox->store, &key->key, &mailbox->key);
	digest_key(key, mailbox->key_digest);
	for (size_t i = 0; i < sizeof(key->salt); i++)
		mailbox->salt[i] = key->salt[i];
	mailbox->has_key = true;
}

void mailbox_forget_key(struct mailbox *mailbox)
{
	wipe(&mailbox->key, sizeof(mailbox->key));
	wipe(mailbox->key_digest, sizeof(mailbox->key_digest));
	wipe(&mailbox->next_key, sizeof(mailbox->next_key));
	mailbox->has_key = mailbox->has_next_key = false;
	atomic_store(&mailbox->rekey_put_off, false);
}

/* ---------------------------------------------------------------- handles */

/* Before anything of the file is looked at: it has all that it had. */
static int check_opened(struct mailbox *mailbox, struct db *db, struct errinfo *info)
{
	mailbox->db = db;
	mailbox->unsynced = false;
	int rc = mark_check(mailbox, info);
	if (rc == 0)
		return 0;
	mailbox->db = NULL;
	/* Its WAL may be what is wrong with it, and is not to be copied into it now. */
	db_close_as_found(db);
	if (mailbox->has_less)
		mailbox_forget_key(mailbox);
	return rc;
}

static int open_main(struct mailbox *mailbox, const struct data_key *key, struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, PATH_MAIN, &path);
	struct db *db;
	int rc = db_open(&db, path.ptr, key, 0, info);
	if (rc == E_NOT_FOUND) /* whoever asks knows that there is such a mailbox */
		return err_set(info, E_IO, "the mailbox file is not there");
	if (rc != 0)
		return rc;
	rc = schema_mailbox_migrate(db, info);
	if (rc != 0) {
		db_close(db);
		return rc;
	}
	rc = check_opened(mailbox, db, info);
	if (rc == 0)
		store_handle_opened(mailbox->store);
	return rc;
}

/* Somebody has taken the file away, or put another one there, while it was open. */
static void log_misplaced(const struct mailbox *mailbox, const char *which)
{
	log_error(store_log(mailbox->store), "store.file_replaced", F_TEXT("mailbox", mailbox->id),
	          F_TEXT("file", which));
}

int mailbox_ready(struct mailbox *mailbox, struct errinfo *info)
{
	/* What is open is what others will open: not a file that was put aside, or is below a mount. One that has
	 * a sync before it is looked at after that. */
	if (mailbox->db != NULL && (mailbox->unsynced || db_in_place(mailbox->db)))
		return 0;
	if (mailbox->db != NULL) {
		log_misplaced(mailbox, "mailbox");
		mailbox_close_handles(mailbox);
	}
	struct data_key key DATA_KEY_AUTO = {0};
	if (!mailbox_key(mailbox, &key))
		return err_set(info, E_STALE, "the mailbox is not open");
	return open_main(mailbox, &key, info);
}

static void close_temporary(struct mailbox *mailbox, void (*close_it)(struct db *db))
{
	if (mailbox->temporary == NULL)
		return;
	db_rollback(mailbox->temporary);
	close_it(mailbox->temporary);
	mailbox->temporary = NULL;
	store_handle_closed(mailbox->store);
}

void mailbox_temporary_close(struct mailbox *mailbox)
{
	close_temporary(mailbox, db_close);
}

void mailbox_temporary_close_as_found(struct mailbox *mailbox)
{
	close_temporary(mailbox, db_close_as_found);
}

bool mailbox_temporary_ready(struct mailbox *mailbox)
{
	if (mailbox->temporary != NULL && !db_in_place(mailbox->temporary)) {
		log_misplaced(mailbox, "temporary");
		mailbox_temporary_close(mailbox);
	}
	return mailbox->temporary != NULL;
}

int mailbox_temporary_open(struct mailbox *mailbox, bool create, struct errinfo *info)
{
	if (mailbox_temporary_ready(mailbox))
		return 0;
	bool there;
	int rc = mailbox_file_there(mailbox, PATH_TEMPORARY, &there, info);
	if (rc == 0 && !there && !create)
		return E_NOT_FOUND;
	if (rc == 0 && !there)
		rc = mailbox_make_folder(mailbox, PATH_TEMPORARY, info);
	if (rc != 0)
		return rc;
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, PATH_TEMPORARY, &path);
	struct data_key key DATA_KEY_AUTO = {0};
	store_temporary_key(mailbox->store, str_from(mailbox->id), &key.key);
	random_bytes(key.salt, sizeof(key.salt));
	struct db *db;
	rc = db_open(&db, path.ptr, &key, DB_CREATE | DB_SYNC_FULL, info);
	if (rc == E_DENIED && there && db_key_fits(path.ptr, &key))
		rc = err_set(info, E_CORRUPT, "the first page of a temporary mailbox is damaged");
	else if (rc == E_DENIED)
		rc = err_set(info, E_UNAVAILABLE, "a temporary mailbox under another host key");
	if (rc != 0)
		return rc;
	rc = schema_temporary_migrate(db, info);
	if (rc != 0) {
		db_close(db);
		return rc;
	}
	mailbox->temporary = db;
	store_handle_opened(mailbox->store);
	return 0;
}

uint64_t mailbox_wal_max(const struct mailbox *mailbox)
{
	return space_short(store_space(mailbox->store)) ? WAL_MAX_SHORT : WAL_MAX;
}

bool mailbox_held(const struct mailbox *mailbox)
{
	return clock_monotonic_ms() < mailbox->hold_until_ms;
}

int mailbox_checkpoint(struct mailbox *mailbox, bool truncate, struct errinfo *info)
{
	mailbox->generation++;
	return db_checkpoint(mailbox->db, truncate, info);
}

void mailbox_close_handles(struct mailbox *mailbox)
{
	must(!mailbox->unsynced);
	mailbox->generation++; /* the last connection to a file makes a checkpoint */
	if (mailbox->db != NULL)
		store_handle_closed(mailbox->store);
	mailbox_rollback(mailbox);
	rekey_abort(mailbox);
	db_close(mailbox->db);
	mailbox->db = NULL;
	mailbox_temporary_close(mailbox);
	piece_cache_free(mailbox->pieces);
	mailbox->pieces = NULL;
	folder_summary_free(mailbox->summary);
	mailbox->summary = NULL;
}

/* ---------------------------------------------------------------- opening */

static void remember_next_key(struct mailbox *mailbox, const struct data_key *next)
{
	store_key_put(mailbox->store, &next->key, &mailbox->next_key);
	for (size_t i = 0; i < sizeof(next->salt); i++)
		mailbox->next_salt[i] = next->salt[i];
	mailbox->has_next_key = mailbox->needs_care = true;
}

/* No key opens the file. Its first bytes are the salt of the password that it is encrypted under; next
 * may be NULL. The descriptor's end takes no lock away: nothing of ours has the file open. */
static int explain_denied(const struct mailbox *mailbox, const struct data_key *current,
                          const struct data_key *next, struct errinfo *info)
{
	unsigned char salt[DATA_KEY_SALT_SIZE] = {0};
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, PATH_MAIN, &path);
	int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool complete = fd >= 0 && pread(fd, salt, sizeof(salt), 0) == (ssize_t)sizeof(salt);
	if (fd >= 0)
		close(fd);
	if (!complete)
		return err_set(info, E_IO, "the mailbox file cannot be read");
	if (memcmp(salt, current->salt, sizeof(salt)) == 0 ||
	    (next != NULL && memcmp(salt, next->salt, sizeof(salt)) == 0))
		return err_set(info, E_CORRUPT, "the first page of the mailbox file is damaged");
	return err_set(
		info, E_STALE,
		"the file is under another mailbox password than the present one: a copy from before "
		"the last change (the password of then opens it in SQLite3MultipleCiphers programs), "
		"or its start is damaged");
}

/* Which of the two is the key of the file. */
static int find_key(struct mailbox *mailbox, const struct data_key *current,
                    const struct data_key *next, bool has_next, bool *ret_is_next,
                    struct errinfo *info)
{
	*ret_is_next = false;
	if (mailbox->has_key) {
		*ret_is_next = has_next && holds_key(mailbox, next);
		if (*ret_is_next || holds_key(mailbox, current))
			return mailbox_ready(mailbox, info);
		return err_set(info, E_STALE, "the mailbox has another key by now");
	}
	int rc = open_main(mailbox, current, info);
	if (rc == E_DENIED && has_next) {
		*ret_is_next = true;
		rc = open_main(mailbox, next, info);
	}
	if (rc == E_DENIED)
		return explain_denied(mailbox, current, has_next ? next : NULL, info);
	if (rc == 0)
		mailbox_set_key(mailbox, *ret_is_next ? next : current);
	return rc;
}

int mailbox_unlock(struct mailbox *mailbox, struct str secret, struct str record,
                   struct buf *new_record, struct errinfo *info)
{
	struct key32 secret_key KEY32_AUTO = {0};
	if (secret.len != KEY_SIZE || record.len > KEY_RECORD_MAX)
		return err_set(info, E_INVALID, "not a mailbox secret with its key record");
	for (size_t i = 0; i < KEY_SIZE; i++)
		secret_key.bytes[i] = (unsigned char)secret.ptr[i];
	struct data_key current DATA_KEY_AUTO = {0}, next DATA_KEY_AUTO = {0};
	bool has_next, is_next;
	struct str id = str_from(mailbox->id);
	if (key_record_open(record, id, &secret_key, &current, &next, &has_next) != 0)
		return err_set(info, E_DENIED, "the secret does not open this mailbox");
	int rc = find_key(mailbox, &current, &next, has_next, &is_next, info);
	if (rc != 0)
		return rc;
	/* Once the new record is kept, nothing opens the file that was here before. */
	if (is_next)
		rc = mailbox_sync_folder(mailbox, PATH_MAIN, info);
	if (rc != 0)
		return rc;
	mailbox->unlocks++;
	if (is_next)
		key_record_seal(new_record, id, &secret_key, &next, NULL);
	else if (has_next && !rekey_under_way(mailbox, &next))
		remember_next_key(mailbox, &next);
	return 0;
}

/* ---------------------------------------------------------------- transactions */

int mailbox_begin(struct mailbox *mailbox, enum durability durability, struct errinfo *info)
{
	mailbox->durability = durability;
	db_set_sync_full(mailbox->db, durability == DURABLE_COMMITTED);
	return db_begin(mailbox->db, info);
}

/* All that is in the file is on the disk. */
static void synced(struct mailbox *mailbox)
{
	mailbox->unsynced = false;
	mark_take(mailbox);
}

static int misplaced(struct errinfo *info)
{
	return err_set(info, E_IO, "the mailbox file was replaced meanwhile");
}

int mailbox_commit(struct mailbox *mailbox, struct errinfo *info)
{
	int rc = db_commit(mailbox->db, info);
	if (rc == 0 && !db_in_place(mailbox->db))
		rc = misplaced(info);
	if (rc == 0 && mailbox->durability == DURABLE_COMMITTED)
		synced(mailbox);
	else if (rc == 0 && mailbox->durability == DURABLE_ANSWERED)
		mailbox->unsynced = true;
	if (rc == 0 && db_wal_bytes(mailbox->db) > mailbox_wal_max(mailbox))
		mailbox->needs_care = true;
	return rc;
}

int mailbox_sync(struct mailbox *mailbox, struct errinfo *info)
{
	if (!mailbox->unsynced)
		return 0;
	int rc = db_sync(mailbox->db, info);
	if (rc == 0 && !db_in_place(mailbox->db))
		rc = misplaced(info);
	if (rc == 0)
		synced(mailbox);
	mailbox->unsynced = false;
	return rc;
}

/* Ids that were reserved in what is undone are not ours. */
void mailbox_rollback(struct mailbox *mailbox)
{
	mailbox->id_next = mailbox->id_limit = 0;
	if (mailbox->db != NULL)
		db_rollback(mailbox->db);
}

int mailbox_used_bytes(struct mailbox *mailbox, uint64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(mailbox->db, "SELECT coalesce(sum(size), 0) FROM folder");
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	int64_t sum = rc == DB_ROW ? db_int(q, 0) : 0;
	db_reset(q);
	*ret = sum < 0 ? 0 : (uint64_t)sum;
	return 0;
}
