#include <string.h>

#include "directory/internal.h"

/*
 * MAILBOX_ATTACH: a mailbox file that is there, of another installation or put back, becomes an alias's.
 * One transaction: whoever is cut short finds nothing and begins again. App passwords and recovery codes
 * that the file once had were rows of another directory, and are gone with it.
 */

/* A mailbox has one alias. */
static int check_free(struct directory *d, const char *id, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT a.local, a.domain FROM mailbox m"
	                                    " LEFT JOIN alias a ON a.mailbox = m.id WHERE m.id = $1");
	db_bind_text(q, 1, str_from(id));
	int rc = db_step(q, info);
	if (rc == DB_ROW)
		rc = err_set(info, E_EXISTS, "the mailbox %s is that of %.*s@%.*s already", id,
		             STR_ARG(db_text(q, 0)), STR_ARG(db_text(q, 1)));
	db_reset(q);
	return rc;
}

static int find_or_add(struct directory *d, const struct address *address, uint64_t quota_bytes,
                       struct mailbox *ret, struct errinfo *info)
{
	int rc = directory_mailbox_find(d, address, ret, info);
	if (rc == 0 && ret->published)
		return err_set(info, E_EXISTS, "the alias has a mailbox already: %s", address->text);
	if (rc != E_NOT_FOUND)
		return rc;
	rc = directory_alias_insert(d, address, quota_bytes, info);
	return rc != 0 ? rc : directory_mailbox_find(d, address, ret, info);
}

/* Its slots are opened with a fast hash, which only what was made at random withstands. */
static int check_password(const Pk__MailboxAttachRequest *asked, struct errinfo *info)
{
	if (asked->password.len == 0)
		return err_set(info, E_DENIED, "the mailbox password is needed");
	if (!password_generated(field_bytes(&asked->password)))
		return err_set(
			info, E_INVALID,
			"the password of this file was not generated, and could be guessed: give the "
			"file a generated one first (PRAGMA rekey)");
	if (asked->salt.len != DATA_KEY_SALT_SIZE || asked->public_key.len != 32 ||
	    asked->state == NULL || strcmp(asked->state->mailbox, asked->mailbox) != 0)
		return err_set(info, E_INVALID, "not what the store told of the file");
	return 0;
}

static int publish(struct directory *d, const Pk__MailboxAttachRequest *asked, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "UPDATE mailbox SET public_key = $1 WHERE id = $2");
	db_bind_blob(q, 1, field_bytes(&asked->public_key));
	db_bind_text(q, 2, field_text(asked->mailbox));
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	/* Its file was to go, and was put back instead. */
	q = db_query(d->db, "DELETE FROM removed_mailbox WHERE id = $1");
	db_bind_text(q, 1, field_text(asked->mailbox));
	rc = db_run(q, info);
	return rc != 0 ? rc : directory_state_put(d, asked->state, info);
}

static int attach(struct directory *d, const Pk__MailboxAttachRequest *asked,
                  const struct address *address, struct errinfo *info)
{
	struct mailbox mailbox;
	int rc = check_free(d, asked->mailbox, info);
	if (rc == 0)
		rc = find_or_add(d, address, asked->quota_bytes, &mailbox, info);
	if (rc == 0)
		rc = check_password(asked, info);
	if (rc == 0)
		rc = directory_password_adopt(d, address, &mailbox, asked->mailbox,
		                              field_bytes(&asked->password), asked->salt.data, info);
	return rc != 0 ? rc : publish(d, asked, info);
}

static int mailbox_attach_run(struct directory *d, const struct request *request,
                              struct errinfo *info)
{
	const Pk__MailboxAttachRequest *asked = (const Pk__MailboxAttachRequest *)request->message;
	struct address address;
	int rc = directory_alias_check(asked->address, asked->quota_bytes, &address, info);
	if (rc == 0 && field_text(asked->mailbox).len != MAILBOX_ID_SIZE)
		rc = err_set(info, E_INVALID, "not the name of a mailbox");
	if (rc == 0)
		rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	rc = directory_end(d, attach(d, asked, &address, info), info);
	if (rc != 0)
		return rc;
	log_info(d->log, "directory.mailbox_attached", F_TEXT("mailbox", asked->mailbox));
	return directory_alias_reply(d, &address, request, info);
}

const struct method directory_method_mailbox_attach = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_ATTACH,
	.core.name = "mailbox_attach",
	.core.roles = ROLE_CLI,
	.core.request = &pk__mailbox_attach_request__descriptor,
	.grows = true,
	.run = mailbox_attach_run,
};
