#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/seal.h"
#include "crypto/slot.h"
#include "store/request.h"
#include "store/schema.h"
#include "store/server.h"

/*
 * ATTACH: what the directory has to know of a mailbox file that it has no row for. The password makes the
 * data key, as in any program with SQLite3MultipleCiphers; nothing of it is kept.
 */

struct found {
	char mailbox[MAILBOX_ID_SIZE + 1];
	unsigned char salt[DATA_KEY_SALT_SIZE];
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	struct mark mark;
};

static int look(struct mailbox *mailbox, const char *path, struct found *ret, struct errinfo *info)
{
	struct errinfo cause;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(info, E_NOT_FOUND, "there is no mailbox file %s", path);
	if (fd < 0)
		return err_set(info, E_IO, "%s: %s", path, strerror(errno));
	int rc = db_file_look(fd, ret->salt, &cause);
	if (rc == 0)
		(void)!fchmod(fd, 0600); /* a restored file has any mode */
	/* and whoever put it here may have left it to the kernel when to write it */
	if (rc == 0 && fsync(fd) != 0)
		rc = err_set(&cause, E_IO, "cannot be written to the disk (%s): put it there again",
		             strerror(errno));
	close(fd);
	if (rc == 0)
		rc = mailbox_sync_folder(mailbox, PATH_MAIN, &cause);
	if (rc != 0)
		return err_set(info, rc, "%s %s", path, cause.text);
	rc = mailbox_temporary_open(mailbox, false, info);
	if (rc == E_UNAVAILABLE)
		return err_set(
			info, rc,
			"mail waits for this mailbox in temporary/%.2s/%s.sqlite, under another host "
			"key: put that key back, or move the file away",
			mailbox->id, mailbox->id);
	/* Damage to what waits is seen to at the first login. */
	return rc == 0 || rc == E_NOT_FOUND || rc == E_CORRUPT ? 0 : rc;
}

static int open_file(struct db **ret, const char *path, struct str password,
                     const struct found *found, struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO = {0};
	data_key_derive(password, found->salt, &key);
	int rc = db_open(ret, path, &key, 0, info);
	if (rc != E_DENIED)
		return rc;
	if (db_key_fits(path, &key))
		return err_set(info, E_CORRUPT,
		               "the password is right, but the first page of %s is damaged", path);
	return err_set(info, E_DENIED, "the mailbox password is wrong: it does not open the file");
}

static int read_content(struct db *db, struct found *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT mailbox, (SELECT public FROM keypair"
	                                 " ORDER BY id DESC LIMIT 1) FROM meta");
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	struct str id = rc == DB_ROW ? db_text(q, 0) : STR("");
	struct str public_key = rc == DB_ROW ? db_blob(q, 1) : STR("");
	bool fine = mailbox_id_valid(id) && public_key.len == sizeof(ret->public_key);
	if (fine) {
		memcpy(ret->mailbox, id.ptr, id.len);
		memcpy(ret->public_key, public_key.ptr, public_key.len);
	}
	db_reset(q);
	if (!fine)
		return err_set(info, E_CORRUPT, "the file has lost its first tables");
	return mark_read(db, &ret->mark, info);
}

/* Whoever hands a file in may have put anything into it: the schema must be ours to the last trigger. */
static int examine(struct db *db, struct found *ret, struct errinfo *info)
{
	int rc = schema_mailbox_migrate(db, info);
	if (rc == 0)
		rc = schema_mailbox_check(db, info);
	if (rc == 0)
		rc = db_checkpoint(db, true, info); /* so that all that is told below is durable */
	return rc == 0 ? read_content(db, ret, info) : rc;
}

static int reply_found(struct request *request, struct found *found)
{
	Pk__AttachReply reply = PK__ATTACH_REPLY__INIT;
	reply.mailbox = found->mailbox;
	reply.salt = packed_bytes(STR_OF(found->salt, sizeof(found->salt)));
	reply.public_key = packed_bytes(STR_OF(found->public_key, sizeof(found->public_key)));
	reply.generation = found->mark.generation;
	reply.uid_validity = found->mark.uid_validity;
	reply.modseq = found->mark.modseq;
	reply.uids = found->mark.uids;
	reply.messages = found->mark.messages;
	return request_reply(request, &reply.base);
}

static int attach_run(struct request *request)
{
	const Pk__AttachRequest *message = (const Pk__AttachRequest *)request->message;
	struct str password = STR_OF_BYTES(message->password);
	struct mailbox *mailbox = request->mailbox;
	struct errinfo *info = &request->info;
	struct found found = {0};
	struct buf path BUF_AUTO;
	struct db *db;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, PATH_MAIN, &path);
	if (mailbox->has_key)
		return err_set(info, E_BUSY, "somebody has this mailbox open");
	int rc = look(mailbox, path.ptr, &found, info);
	if (rc == 0 && (password.len == 0 || password.len > PASSWORD_MAX))
		rc = err_set(info, E_DENIED, "the mailbox password is needed");
	if (rc == 0)
		rc = open_file(&db, path.ptr, password, &found, info);
	if (rc != 0)
		return rc;
	rc = examine(db, &found, info);
	if (rc == 0)
		db_close(db);
	else
		db_close_as_found(db);
	/* What an earlier file of that name had is no measure for this one. */
	mailbox->mark = (struct mark){0};
	mailbox->has_less = mailbox->mark_untold = false;
	mailbox->renew_to = 0;
	return rc == 0 ? reply_found(request, &found) : rc;
}

static void forget_mark(struct request *request)
{
	request->mailbox->vouched = false;
}

const struct method store_method_attach = {
	.core.number = PK__STORE_METHOD__STORE_ATTACH,
	.core.name = "attach",
	.core.roles = ROLE_CLI,
	.core.request = &pk__attach_request__descriptor,
	.scope = METHOD_MAILBOX,
	.without_mark = true,
	.run = attach_run,
	.finished = forget_mark,
};
