#include "store/rekey.h"

#include <errno.h>
#include <stdio.h>

#include "store/request.h"
#include "store/schema.h"
#include "store/server.h"

enum { COUNTS = 5 };

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

/* Opens under the new key, whole, with all that was there. */
static int check_copy(struct mailbox *mailbox, const char *path, const struct data_key *next,
                      struct errinfo *info)
{
	struct db *copy;
	int rc = db_open(&copy, path, next, 0, info);
	if (rc != 0)
		return rc;
	struct buf findings BUF_AUTO;
	buf_init(&findings, 64 * 1024);
	int64_t before[COUNTS] = {0}, after[COUNTS] = {0};
	rc = schema_mailbox_check(copy, info);
	if (rc == 0)
		rc = db_integrity_check(copy, &findings, info);
	if (rc == 0)
		rc = count_all(mailbox->db, before, info);
	if (rc == 0)
		rc = count_all(copy, after, info);
	for (int i = 0; i < COUNTS && rc == 0; i++) {
		if (before[i] != after[i])
			rc = err_set(info, E_CORRUPT, "the copy under the new key is not complete");
	}
	db_close(copy);
	return rc;
}

/* ---------------------------------------------------------------- the change */

/* A WAL that stayed would be taken for the new file's: without its removal nothing is renamed. */
static int close_without_wal(struct mailbox *mailbox, const char *path, struct errinfo *info)
{
	int rc = db_checkpoint(mailbox->db, true, info);
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

int rekey_file(struct mailbox *mailbox, const struct data_key *next, struct errinfo *info)
{
	struct buf copy BUF_AUTO;
	buf_init(&copy, 4096);
	mailbox_path(mailbox, PATH_REKEY, &copy);
	int rc = mailbox_remove_file(mailbox, PATH_REKEY, info); /* of an attempt that was cut short */
	if (rc == 0)
		rc = db_copy_rekeyed(mailbox->db, copy.ptr, next, info);
	if (rc == 0)
		rc = check_copy(mailbox, copy.ptr, next, info);
	if (rc == 0)
		rc = change_file(mailbox, copy.ptr, next, info);
	struct errinfo ignored;
	int removed = mailbox_remove_file(mailbox, PATH_REKEY, &ignored);
	if (rc == 0 && removed == 0)
		log_info(store_log(mailbox->store), "store.rekeyed", F_TEXT("mailbox", mailbox->id));
	return rc;
}

int rekey_due(struct mailbox *mailbox, struct errinfo *info)
{
	struct data_key next DATA_KEY_AUTO = {0};
	if (!mailbox->has_next_key || !mailbox->has_key)
		return 0;
	if (!store_key_get(mailbox->store, &mailbox->next_key, &next.key))
		return err_set(info, E_INTERNAL, "a key was damaged in memory");
	for (size_t i = 0; i < sizeof(next.salt); i++)
		next.salt[i] = mailbox->next_salt[i];
	mailbox->has_next_key = false; /* the next opening says it again if this fails */
	wipe(&mailbox->next_key, sizeof(mailbox->next_key));
	int rc = mailbox_ready(mailbox, info);
	return rc == 0 ? rekey_file(mailbox, &next, info) : rc;
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

static int rekey_run(struct request *request)
{
	const Pk__RekeyRequest *message = (const Pk__RekeyRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct str secret = STR_OF_BYTES(message->mailbox_secret);
	struct str record = STR_OF_BYTES(message->key_record);
	struct buf new_record BUF_AUTO;
	buf_init(&new_record, KEY_RECORD_MAX);
	int rc = request_unlock(request, secret, record, &new_record);
	if (rc != 0)
		return rc;
	struct key32 secret_key KEY32_AUTO = {0};
	struct data_key current DATA_KEY_AUTO = {0}, next DATA_KEY_AUTO = {0};
	bool has_next;
	for (size_t i = 0; i < KEY_SIZE; i++)
		secret_key.bytes[i] = (unsigned char)secret.ptr[i];
	rc = key_record_open(record, str_from(mailbox->id), &secret_key, &current, &next, &has_next);
	if (rc != 0 || !has_next)
		return err_set(&request->info, E_INVALID, "the record holds no key to change to");
	if (new_record.len == 0)
		rc = rekey_due(mailbox, &request->info);
	return rc == 0 ? seal_new_record(request, &secret_key, &next) : rc;
}

const struct method store_method_rekey = {
	.number = PK__STORE_METHOD__STORE_REKEY,
	.name = "rekey",
	.roles = ROLE_CLI,
	.scope = METHOD_MAILBOX,
	.request = &pk__rekey_request__descriptor,
	.run = rekey_run,
};
