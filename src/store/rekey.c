#include "store/rekey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/request.h"
#include "store/schema.h"
#include "store/server.h"

enum {
	COUNTS = 5,
	STEP_PAGES = 64,
};

/* ---------------------------------------------------------------- the copy */

static int count_all(struct db *db, int64_t ret[COUNTS], struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM entry),"
			" (SELECT count(*) FROM attachment), (SELECT coalesce(sum(modseq), 0) FROM folder),"
			" (SELECT id_next FROM meta)");
	int rc = db_step(q, info);
	for (int i = 0; i < COUNTS && rc == DB_ROW; i++)
		ret[i] = db_int(q, i);
	db_reset(q);
	return rc < 0 ? rc : 0;
}

/* Opens under the new key, with all that is there. That its pages are whole needs no look at each of
 * them, which takes as long as the copy: they are the mailbox's own, and what the disk makes of one
 * later its tag tells. */
static int check_copy(struct mailbox *mailbox, const char *path, const struct data_key *next,
                      struct errinfo *info)
{
	struct db *copy;
	int rc = db_open(&copy, path, next, 0, info);
	if (rc != 0)
		return rc;
	int64_t before[COUNTS] = {0}, after[COUNTS] = {0};
	rc = schema_mailbox_check(copy, info);
	if (rc == 0)
		rc = count_all(mailbox->db, before, info);
	if (rc == 0)
		rc = count_all(copy, after, info);
	for (int i = 0; i < COUNTS && rc == 0; i++)
		if (before[i] != after[i])
			rc = err_set(info, E_CORRUPT, "the copy under the new key is not complete");
	db_close(copy);
	return rc;
}

/* ---------------------------------------------------------------- the change */

/* A WAL that stayed would be taken for the new file's: without its removal nothing is renamed. */
static int close_without_wal(struct mailbox *mailbox, const char *path, struct errinfo *info)
{
	int rc = mailbox_checkpoint(mailbox, true, info);
	if (rc != 0)
		return rc;
	mailbox_close_handles(mailbox);
	struct buf wal BUF_AUTO;
	buf_init(&wal, 4096);
	buf_addf(&wal, "%s-wal", path);
	buf_add_byte(&wal, '\0');
	bool there;
	rc = mailbox_path_there(wal.ptr, &there, info);
	if (rc == 0 && there)
		return err_set(info, E_BUSY, "the mailbox file is in use elsewhere");
	return rc;
}

static int change_file(struct mailbox *mailbox, const char *copy, const struct data_key *next,
                       struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	mailbox_path(mailbox, PATH_MAIN, &path);
	int rc = close_without_wal(mailbox, path.ptr, info);
	if (rc != 0)
		return rc;
	if (rename(copy, path.ptr) != 0)
		return err_set(info, err_from_errno(errno), "cannot rename the re-keyed mailbox file");
	mailbox_set_key(mailbox, next);
	return mailbox_sync_folder(mailbox, PATH_MAIN, info);
}

/* ---------------------------------------------------------------- room for it */

/* The copy has all pages of the file, those that are in its WAL only as well. */
static int check_room(const struct mailbox *mailbox, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		mailbox->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
	int rc = db_step(q, info);
	uint64_t bytes = rc == DB_ROW ? (uint64_t)db_int(q, 0) : 0;
	db_reset(q);
	if (rc < 0 || space_has_room(store_space(mailbox->store), bytes, 1))
		return rc < 0 ? rc : 0;
	return err_set(
		info, E_NO_SPACE,
		"no room for a second mailbox file of %llu bytes above the reserve of its volume",
		(unsigned long long)bytes);
}

/* Others take room, too, while it grows: a part of the reserve is for them. */
static int check_room_left(const struct mailbox *mailbox, struct errinfo *info)
{
	return space_has_room(store_space(mailbox->store), 0, 2)
	           ? 0
	           : err_set(info, E_NO_SPACE, "no room is left for the rest of a second mailbox file");
}

/* ---------------------------------------------------------------- its steps */

struct rekey {
	struct vaulted key;
	unsigned char salt[DATA_KEY_SALT_SIZE];
	struct db_copy *copy;
	int64_t started_ms;
};

static void copy_salt(unsigned char to[DATA_KEY_SALT_SIZE], const unsigned char *from)
{
	for (size_t i = 0; i < DATA_KEY_SALT_SIZE; i++)
		to[i] = from[i];
}

static void rekey_free(struct rekey *rekey)
{
	db_copy_free(rekey->copy);
	wipe(&rekey->key, sizeof(rekey->key));
	free(rekey);
}

/* For want of room: it stays due. */
static void keep_due(struct mailbox *mailbox)
{
	const struct rekey *rekey = mailbox->rekey;
	if (rekey == NULL || mailbox->has_next_key)
		return;
	mailbox->next_key = rekey->key;
	copy_salt(mailbox->next_salt, rekey->salt);
	mailbox->has_next_key = true;
}

void rekey_abort(struct mailbox *mailbox)
{
	if (mailbox->rekey == NULL)
		return;
	rekey_free(mailbox->rekey);
	mailbox->rekey = NULL;
}

bool rekey_under_way(const struct mailbox *mailbox, const struct data_key *next)
{
	return mailbox->rekey != NULL &&
	       memcmp(mailbox->rekey->salt, next->salt, DATA_KEY_SALT_SIZE) == 0;
}

static int next_key(struct mailbox *mailbox, struct data_key *ret, struct errinfo *info)
{
	copy_salt(ret->salt, mailbox->rekey->salt);
	if (!store_key_get(mailbox->store, &mailbox->rekey->key, &ret->key))
		return err_set(info, E_INTERNAL, "a key was damaged in memory");
	return 0;
}

static int begin(struct mailbox *mailbox, const char *path, struct errinfo *info)
{
	struct rekey *rekey = mailbox->rekey = mem_new(sizeof(*rekey));
	rekey->key = mailbox->next_key;
	copy_salt(rekey->salt, mailbox->next_salt);
	rekey->started_ms = clock_monotonic_ms();
	mailbox->has_next_key = false; /* the next opening says it again if this fails */
	wipe(&mailbox->next_key, sizeof(mailbox->next_key));
	struct data_key next DATA_KEY_AUTO = {0};
	int rc = next_key(mailbox, &next, info);
	if (rc == 0)
		rc = mailbox_remove_file(mailbox, PATH_REKEY, info); /* of an attempt that was cut short */
	if (rc == 0)
		rc = db_copy_new(&rekey->copy, mailbox->db, path, &next, info);
	return rc;
}

/* The copy is as the mailbox is now, and this turn ends with it in the mailbox's place. */
static int finish(struct mailbox *mailbox, const char *path, const struct data_key *next,
                  struct errinfo *info)
{
	struct rekey *rekey = mailbox->rekey;
	/* Somebody has been given a record with yet another key, in which this one has no place. */
	if (mailbox->has_next_key)
		return err_set(info, E_STALE, "the password was changed again");
	int rc = check_copy(mailbox, path, next, info);
	mailbox->rekey = NULL;
	if (rc == 0)
		rc = change_file(mailbox, path, next, info);
	if (rc == 0)
		log_info(store_log(mailbox->store), "store.rekeyed", F_TEXT("mailbox", mailbox->id),
		         F_INT("ms", clock_monotonic_ms() - rekey->started_ms));
	rekey_free(rekey);
	return rc;
}

static int copy_some(struct mailbox *mailbox, const char *path, bool *ret_done,
                     struct errinfo *info)
{
	struct data_key next DATA_KEY_AUTO = {0};
	int rc = next_key(mailbox, &next, info);
	if (rc == 0)
		rc = db_copy_step(mailbox->rekey->copy, &next, STEP_PAGES, ret_done, info);
	if (rc == 0 && *ret_done)
		rc = finish(mailbox, path, &next, info);
	return rc;
}

static void note_room(struct mailbox *mailbox, int rc, const struct errinfo *info)
{
	bool was = atomic_exchange(&mailbox->rekey_put_off, rc == E_NO_SPACE);
	if (rc != E_NO_SPACE)
		return;
	keep_due(mailbox);
	mailbox->rekey_retry_ms = clock_monotonic_ms() + store_merge_retry_ms(mailbox->store);
	if (!was)
		log_warn(store_log(mailbox->store), "store.rekey_put_off", F_TEXT("mailbox", mailbox->id),
		         F_TEXT("text", info->text));
}

int rekey_step(struct mailbox *mailbox, bool *ret_done, struct errinfo *info)
{
	*ret_done = mailbox->rekey == NULL && (!mailbox->has_next_key || !mailbox->has_key);
	if (*ret_done)
		return 0;
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	mailbox_path(mailbox, PATH_REKEY, &path);
	int rc = 0;
	if (mailbox->rekey == NULL) {
		rc = mailbox_ready(mailbox, info);
		if (rc == 0)
			rc = check_room(mailbox, info);
		if (rc == 0)
			rc = begin(mailbox, path.ptr, info);
	} else {
		rc = check_room_left(mailbox, info);
		if (rc == 0)
			rc = copy_some(mailbox, path.ptr, ret_done, info);
	}
	note_room(mailbox, rc, info);
	if (rc != 0) {
		struct errinfo ignored;
		rekey_abort(mailbox);
		(void)!mailbox_remove_file(mailbox, PATH_REKEY, &ignored);
	} else {
		mailbox->needs_care = true; /* whoever asked for it may go away meanwhile */
	}
	return rc;
}

/* ---------------------------------------------------------------- REKEY */

static int seal_new_record(struct request *request, const struct key32 *secret,
                           const struct data_key *next)
{
	struct buf record BUF_AUTO;
	buf_init(&record, KEY_RECORD_MAX);
	key_record_seal(&record, str_from(request->mailbox->id), secret, next, NULL);
	Pk__RekeyReply reply = PK__REKEY_REPLY__INIT;
	reply.key_record = packed_bytes(buf_str(&record));
	return request_reply(request, &reply.base);
}

/* What the request says, opened. */
static int open_record(struct request *request, struct key32 *secret, struct data_key *next)
{
	const Pk__RekeyRequest *message = (const Pk__RekeyRequest *)request->message;
	struct data_key current DATA_KEY_AUTO = {0};
	bool has_next;
	for (size_t i = 0; i < KEY_SIZE; i++)
		secret->bytes[i] = message->mailbox_secret.data[i];
	int rc = key_record_open(STR_OF_BYTES(message->key_record), str_from(request->mailbox->id),
	                         secret, &current, next, &has_next);
	return rc == 0 && has_next
	           ? 0
	           : err_set(&request->info, E_INVALID, "the record holds no key to change to");
}

static int rekey_run(struct request *request)
{
	const Pk__RekeyRequest *message = (const Pk__RekeyRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct key32 secret KEY32_AUTO = {0};
	struct data_key next DATA_KEY_AUTO = {0}, held DATA_KEY_AUTO = {0};
	struct buf new_record BUF_AUTO;
	buf_init(&new_record, KEY_RECORD_MAX);
	int rc = 0;
	if (!request->holds_key)
		rc = request_unlock(request, STR_OF_BYTES(message->mailbox_secret),
		                    STR_OF_BYTES(message->key_record), &new_record);
	if (rc == 0)
		rc = open_record(request, &secret, &next);
	bool done = new_record.len > 0;
	while (rc == 0 && !done) {
		if (store_stopping(request->store))
			return err_set(&request->info, E_UNAVAILABLE, "the store is stopping");
		rc = rekey_step(mailbox, &done, &request->info);
		if (rc == 0 && !done && request_slice_over(request))
			return REQUEST_AGAIN;
	}
	/* One that was given up because its handle was closed is over, too. */
	if (rc == 0 && (!mailbox_key(mailbox, &held) || !key32_eq(&held.key, &next.key)))
		rc = err_set(&request->info, E_UNAVAILABLE, "the change of the key was interrupted");
	return rc == 0 ? seal_new_record(request, &secret, &next) : rc;
}

const struct method store_method_rekey = {
	.core.number = PK__STORE_METHOD__STORE_REKEY,
	.core.name = "rekey",
	.core.roles = ROLE_CLI,
	.core.request = &pk__rekey_request__descriptor,
	.fills = true,
	.scope = METHOD_MAILBOX,
	.run = rekey_run,
};
