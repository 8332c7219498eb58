#include "directory/internal.h"

#include <string.h>

/* The key record of a mailbox, for who holds its secret; and the public key that it publishes. */

static void reply_record(const struct request *request, struct str record)
{
	Pk__KeyRecordReply reply = PK__KEY_RECORD_REPLY__INIT;
	reply.key_record = field_make(record.ptr, record.len);
	link_pack(request->reply, &reply.base);
}

static int key_record_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__KeyRecordRequest *asked = (const Pk__KeyRecordRequest *)request->message;
	struct mailbox mailbox;
	struct key32 secret KEY32_AUTO;
	int rc = directory_mailbox_by_id(d, asked->mailbox, &mailbox, info);
	if (rc == 0)
		rc = directory_mailbox_prove(&mailbox, &asked->mailbox_secret, &secret, info);
	if (rc == 0)
		reply_record(request, STR_OF(mailbox.key_record, mailbox.key_record_len));
	return rc;
}

const struct method directory_method_key_record = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD,
	.core.name = "key_record",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__key_record_request__descriptor,
	.run = key_record_run,
};

static bool same_key(const struct data_key *a, const struct data_key *b)
{
	return key32_eq(&a->key, &b->key) && memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

/* A record may only lose a key: what it holds must be what the old one held. So a front that went
 * astray cannot lock anybody out of a mailbox. */
static int check_successor(const struct mailbox *mailbox, struct str record,
                           const struct key32 *secret, struct errinfo *info)
{
	struct data_key old[2], new[2];
	bool old_has_next = false, new_has_next = false;
	struct str id = str_from(mailbox->id);
	int rc = key_record_open(STR_OF(mailbox->key_record, mailbox->key_record_len), id, secret,
	                         &old[0], &old[1], &old_has_next);
	if (rc == 0)
		rc = key_record_open(record, id, secret, &new[0], &new[1], &new_has_next);
	bool fine = rc == 0 && !new_has_next &&
	            (same_key(&new[0], &old[0]) || (old_has_next && same_key(&new[0], &old[1])));
	for (size_t i = 0; i < 2; i++) {
		data_key_wipe(&old[i]);
		data_key_wipe(&new[i]);
	}
	return fine ? 0 : err_set(info, E_DENIED, "not a key record that follows the present one");
}

static int key_record_set_run(struct directory *d, const struct request *request,
                              struct errinfo *info)
{
	const Pk__KeyRecordSetRequest *asked = (const Pk__KeyRecordSetRequest *)request->message;
	struct str record = field_bytes(&asked->key_record), replaces = field_bytes(&asked->replaces);
	struct mailbox mailbox;
	struct key32 secret KEY32_AUTO;

	if (record.len == 0 || record.len > KEY_RECORD_MAX)
		return err_set(info, E_INVALID, "malformed key record");
	int rc = directory_mailbox_by_id(d, asked->mailbox, &mailbox, info);
	if (rc == 0)
		rc = directory_mailbox_prove(&mailbox, &asked->mailbox_secret, &secret, info);
	if (rc != 0)
		return rc;
	struct str present = STR_OF(mailbox.key_record, mailbox.key_record_len);
	if (str_eq(present, record)) { /* a repeat */
		reply_record(request, record);
		return 0;
	}
	if (!str_eq(present, replaces))
		return err_set(info, E_STALE, "the key record has changed meanwhile");
	rc = check_successor(&mailbox, record, &secret, info);
	if (rc != 0)
		return rc;

	rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(
		d->db, "UPDATE mailbox SET key_record = $1 WHERE id = $2 AND key_record = $3");
	db_bind_blob(q, 1, record);
	db_bind_text(q, 2, str_from(mailbox.id));
	db_bind_blob(q, 3, replaces);
	rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) != 1)
		rc = err_set(info, E_STALE, "the key record has changed meanwhile");
	rc = directory_end(d, rc, info);
	if (rc == 0)
		reply_record(request, record);
	return rc;
}

const struct method directory_method_key_record_set = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD_SET,
	.core.name = "key_record_set",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__key_record_set_request__descriptor,
	.run = key_record_set_run,
};

/* The alias that a mailbox belongs to, as a reply. */
static int reply_published(struct directory *d, const struct mailbox *mailbox,
                           const struct request *request, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT a.local, a.domain, a.created, a.quota_bytes,"
	                                    " (SELECT count(*) FROM slot s WHERE s.mailbox = a.mailbox)"
	                                    " FROM alias a WHERE a.mailbox = $1");
	db_bind_text(q, 1, str_from(mailbox->id));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no alias has this mailbox");
	struct buf address BUF_AUTO, created BUF_AUTO;
	buf_init(&address, ADDRESS_MAX + 1);
	buf_init(&created, DATE_SIZE);
	buf_addf(&address, "%.*s@%.*s", STR_ARG(db_text(q, 0)), STR_ARG(db_text(q, 1)));
	buf_addf(&created, "%.*s", STR_ARG(db_text(q, 2)));
	buf_add_byte(&address, '\0');
	buf_add_byte(&created, '\0');
	if (address.failed || created.failed) {
		db_reset(q);
		return err_set(info, E_CORRUPT, "the directory has a damaged entry");
	}
	Pk__AliasReply reply = PK__ALIAS_REPLY__INIT;
	reply.address = address.ptr;
	reply.created = created.ptr;
	reply.mailbox = (char *)(uintptr_t)mailbox->id;
	reply.ready = true;
	reply.quota_bytes = (uint64_t)db_int(q, 3);
	reply.passwords = (uint32_t)db_int(q, 4);
	db_reset(q);
	link_pack(request->reply, &reply.base);
	return 0;
}

static int mailbox_publish_run(struct directory *d, const struct request *request,
                               struct errinfo *info)
{
	const Pk__MailboxPublishRequest *asked = (const Pk__MailboxPublishRequest *)request->message;
	struct str public_key = field_bytes(&asked->public_key);
	struct mailbox mailbox;
	struct key32 secret KEY32_AUTO;

	int rc = directory_mailbox_by_id(d, asked->mailbox, &mailbox, info);
	if (rc == 0)
		rc = directory_mailbox_prove(&mailbox, &asked->mailbox_secret, &secret, info);
	if (rc == 0 && public_key.len != sizeof(mailbox.public_key))
		rc = err_set(info, E_INVALID, "malformed public key");
	if (rc != 0)
		return rc;
	if (mailbox.published) {
		if (!str_eq(STR_OF(mailbox.public_key, sizeof(mailbox.public_key)), public_key))
			return err_set(info, E_EXISTS, "the mailbox has another public key already");
		return reply_published(d, &mailbox, request, info);
	}
	rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(
		d->db, "UPDATE mailbox SET public_key = $1 WHERE id = $2 AND public_key IS NULL");
	db_bind_blob(q, 1, public_key);
	db_bind_text(q, 2, str_from(mailbox.id));
	rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) != 1)
		rc = err_set(info, E_STALE, "the mailbox was published meanwhile");
	rc = directory_end(d, rc, info);
	return rc != 0 ? rc : reply_published(d, &mailbox, request, info);
}

const struct method directory_method_mailbox_publish = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_PUBLISH,
	.core.name = "mailbox_publish",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__mailbox_publish_request__descriptor,
	.run = mailbox_publish_run,
};
