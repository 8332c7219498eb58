#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/seal.h"
#include "store/folder.h"
#include "store/pack.h"
#include "store/request.h"
#include "store/schema.h"
#include "store/server.h"

/* CREATE: a mailbox file comes to be under another name, complete, and is then renamed. A repeat
 * with the same key finds it there and says the same. */

static int add_meta(struct db *db, const struct mailbox *mailbox, struct str now,
                    struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "INSERT INTO meta (id, mailbox, created, uid_validity,"
	                                 " id_next) VALUES (1, ?1, ?2, 0, 1)");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_text(q, 2, now);
	return db_run(q, info);
}

static int add_keypair(struct db *db, struct str now, struct errinfo *info)
{
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	struct key32 private_key KEY32_AUTO = {0};
	seal_keypair(public_key, &private_key);
	struct db_stmt *q = db_query(
		db, "INSERT INTO keypair (public, private, created) VALUES (?1, ?2, ?3)");
	db_bind_blob(q, 1, STR_OF(public_key, sizeof(public_key)));
	db_bind_blob(q, 2, STR_OF(private_key.bytes, sizeof(private_key.bytes)));
	db_bind_text(q, 3, now);
	return db_run(q, info);
}

/* As an ordinary zstd frame, which is a third of its size. */
static int add_dictionary(struct db *db, struct errinfo *info)
{
	struct str dictionary = pack_dictionary();
	size_t room = ZSTD_compressBound(dictionary.len);
	char *frame MEM_AUTO = mem_new(room);
	size_t len = ZSTD_compress(frame, room, dictionary.ptr, dictionary.len, 19);
	if (ZSTD_isError(len))
		return err_set(info, E_INTERNAL, "the dictionary does not compress");
	struct db_stmt *q = db_query(db, "INSERT INTO dictionary (id, data) VALUES (?1, ?2)");
	db_bind_int(q, 1, PACK_DICTIONARY);
	db_bind_blob(q, 2, STR_OF(frame, len));
	return db_run(q, info);
}

static int fill(struct db *db, const struct mailbox *mailbox, const Pk__CreateRequest *message,
                struct errinfo *info)
{
	char now[ISO8601_SIZE];
	iso8601_format(clock_realtime_us(), now);
	int rc = schema_mailbox_migrate(db, info);
	if (rc == 0)
		rc = db_begin(db, info);
	if (rc == 0)
		rc = add_meta(db, mailbox, str_from(now), info);
	if (rc == 0)
		rc = add_keypair(db, str_from(now), info);
	if (rc == 0)
		rc = add_dictionary(db, info);
	if (rc == 0)
		rc = folder_add_defaults(db, message->folders, message->n_folders, info);
	if (rc == 0)
		rc = db_commit(db, info);
	if (rc == 0)
		rc = db_checkpoint(db, true, info);
	return rc;
}

static int make_file(struct mailbox *mailbox, const struct data_key *key,
                     const Pk__CreateRequest *message, struct errinfo *info)
{
	struct buf temporary BUF_AUTO, path BUF_AUTO;
	buf_init(&temporary, 4096);
	buf_init(&path, 4096);
	mailbox_path(mailbox, PATH_NEW, &temporary);
	mailbox_path(mailbox, PATH_MAIN, &path);
	int rc = mailbox_make_folder(mailbox, PATH_MAIN, info);
	if (rc == 0)
		rc = mailbox_remove_file(mailbox, PATH_NEW, info); /* of an attempt that was cut short */
	struct db *db;
	if (rc == 0)
		rc = db_open(&db, temporary.ptr, key, DB_CREATE | DB_SYNC_FULL, info);
	if (rc != 0)
		return rc;
	rc = fill(db, mailbox, message, info);
	db_close(db); /* the last one: its -wal and -shm go */
	if (rc != 0)
		return rc;
	if (rename(temporary.ptr, path.ptr) != 0)
		return err_set(info, err_from_errno(errno), "cannot rename the new mailbox file");
	return mailbox_sync_folder(mailbox, PATH_MAIN, info);
}

static int create_file(struct request *request, struct str secret, struct str record)
{
	const Pk__CreateRequest *message = (const Pk__CreateRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct key32 secret_key KEY32_AUTO = {0};
	struct data_key current DATA_KEY_AUTO = {0}, next DATA_KEY_AUTO = {0};
	bool has_next;
	if (secret.len != KEY_SIZE || record.len > KEY_RECORD_MAX)
		return err_set(&request->info, E_INVALID, "not a mailbox secret with its key record");
	for (size_t i = 0; i < KEY_SIZE; i++)
		secret_key.bytes[i] = (unsigned char)secret.ptr[i];
	if (key_record_open(record, str_from(mailbox->id), &secret_key, &current, &next, &has_next) !=
	    0)
		return err_set(&request->info, E_DENIED, "the secret does not open this mailbox");
	return make_file(mailbox, &current, message, &request->info);
}

static int create_run(struct request *request)
{
	const Pk__CreateRequest *message = (const Pk__CreateRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct str secret = STR_OF_BYTES(message->mailbox_secret);
	struct str record = STR_OF_BYTES(message->key_record);
	struct buf unused BUF_AUTO;
	buf_init(&unused, KEY_RECORD_MAX);
	bool there;
	int rc = mailbox_file_there(mailbox, PATH_MAIN, &there, &request->info);
	if (rc == 0 && !there && mailbox->mark.known)
		return err_set(&request->info, E_IO, "the mailbox file is not there");
	/* One that is there may be there because an attempt came so far, and its sync failed. */
	if (rc == 0 && there)
		rc = mailbox_sync_folder(mailbox, PATH_MAIN, &request->info);
	else if (rc == 0)
		rc = create_file(request, secret, record);
	if (rc == 0)
		rc = request_unlock(request, secret, record, &unused);
	if (rc == E_STALE)
		return err_set(&request->info, E_EXISTS, "there is such a mailbox, under another key");
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(mailbox->db,
	                             "SELECT public FROM keypair ORDER BY id DESC LIMIT 1");
	rc = db_step(q, &request->info);
	if (rc == 0)
		return err_set(&request->info, E_CORRUPT, "the mailbox has no key pair");
	if (rc < 0)
		return rc;
	Pk__CreateReply reply = PK__CREATE_REPLY__INIT;
	reply.public_key = packed_bytes(db_blob(q, 0));
	rc = request_reply(request, &reply.base);
	db_reset(q);
	return rc;
}

const struct method store_method_create = {
	.core.number = PK__STORE_METHOD__STORE_CREATE,
	.core.name = "create",
	.core.roles = ROLE_CLI,
	.core.request = &pk__create_request__descriptor,
	.fills = true,
	.scope = METHOD_MAILBOX,
	.run = create_run,
};
