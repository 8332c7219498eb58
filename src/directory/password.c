#include "directory/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/utf8.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"

/*
 * Passwords. Each is one slot. A new mailbox password or recovery code does not take the place of the
 * old one at once: both work until the new one was confirmed (PASSWORD_CONFIRM, sent when its owner
 * has seen it) or first used, so that a crash between our commit and the owner's screen locks nobody
 * out.
 */

#define KIND_MAILBOX  PK__PASSWORD_CREATE_REQUEST__KIND__MAILBOX
#define KIND_APP      PK__PASSWORD_CREATE_REQUEST__KIND__APP
#define KIND_RECOVERY PK__PASSWORD_CREATE_REQUEST__KIND__RECOVERY

/* A password on its way from the generator to its owner. */
struct fresh {
	struct buf password;
	struct key32 secret;
	struct slot slot;
	int64_t number;
	unsigned scopes;
	char key_record[KEY_RECORD_MAX];
	size_t key_record_len;
	bool first, rekey;
};

static void fresh_init(struct fresh *fresh)
{
	memset(fresh, 0, sizeof(*fresh));
	buf_init(&fresh->password, PASSWORD_MAX);
	password_generate(&fresh->password);
}

static void fresh_done(struct fresh *fresh)
{
	buf_done_wiped(&fresh->password);
	key32_wipe(&fresh->secret);
}

static int make_record(struct fresh *fresh, const char *mailbox, const struct data_key *current,
                       const struct data_key *next, struct errinfo *info)
{
	struct buf record BUF_AUTO;
	buf_init(&record, sizeof(fresh->key_record));
	key_record_seal(&record, str_from(mailbox), &fresh->secret, current, next);
	if (record.failed)
		return err_set(info, E_INTERNAL, "the key record does not fit");
	memcpy(fresh->key_record, record.ptr, record.len);
	fresh->key_record_len = record.len;
	return 0;
}

/* The data key that a mailbox file gets with this password: a salt of its own each time. */
static void make_data_key(const struct fresh *fresh, struct data_key *ret)
{
	unsigned char salt[DATA_KEY_SALT_SIZE];
	random_bytes(salt, sizeof(salt));
	data_key_derive(buf_str(&fresh->password), salt, ret);
}

/* ---------------------------------------------------------------- statements */

static int insert_slot(struct directory *d, const struct mailbox *mailbox,
                       const struct fresh *fresh, int64_t kind, struct str label,
                       struct errinfo *info)
{
	char now[DATE_SIZE];
	directory_now(now);
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO slot (mailbox, number, kind, scopes, label, created, stored_key,"
			   " server_key, by_scram, by_plain) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_int(q, 2, fresh->number);
	db_bind_int(q, 3, kind);
	db_bind_int(q, 4, fresh->scopes);
	db_bind_text(q, 5, label);
	db_bind_text(q, 6, str_from(now));
	db_bind_blob(q, 7, STR_OF(fresh->slot.stored_key, sizeof(fresh->slot.stored_key)));
	db_bind_blob(q, 8, STR_OF(fresh->slot.server_key, sizeof(fresh->slot.server_key)));
	db_bind_blob(q, 9, STR_OF(fresh->slot.by_scram, sizeof(fresh->slot.by_scram)));
	db_bind_blob(q, 10, STR_OF(fresh->slot.by_plain, sizeof(fresh->slot.by_plain)));
	return db_run(q, info);
}

/* Takes the number for a new slot and, with it, the key record that belongs to it. */
static int update_mailbox(struct directory *d, const struct mailbox *mailbox,
                          const struct fresh *fresh, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "UPDATE mailbox SET next_slot = $1, key_record = $2"
	                                    " WHERE id = $3 AND next_slot = $4 AND key_record = $5");
	db_bind_int(q, 1, fresh->number + 1);
	db_bind_blob(q, 2, STR_OF(fresh->key_record, fresh->key_record_len));
	db_bind_text(q, 3, str_from(mailbox->id));
	db_bind_int(q, 4, mailbox->next_slot);
	db_bind_blob(q, 5, STR_OF(mailbox->key_record, mailbox->key_record_len));
	int rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) != 1)
		rc = err_set(info, E_STALE, "the mailbox has changed meanwhile");
	return rc;
}

/* All other slots of this kind go once the new one is confirmed. */
static int mark_replaced(struct directory *d, const struct mailbox *mailbox, int64_t kind,
                         int64_t number, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "UPDATE slot SET replaced_by = $1"
	                                    " WHERE mailbox = $2 AND kind = $3 AND number <> $1");
	db_bind_int(q, 1, number);
	db_bind_text(q, 2, str_from(mailbox->id));
	db_bind_int(q, 3, kind);
	return db_run(q, info);
}

/* ---------------------------------------------------------------- the first password */

static int insert_mailbox(struct directory *d, const struct address *address,
                          const struct mailbox *mailbox, struct errinfo *info)
{
	char now[DATE_SIZE];
	directory_now(now);
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO mailbox (id, created, salt, iterations, key_record, next_slot)"
			   " VALUES ($1, $2, $3, $4, $5, $6)");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_text(q, 2, str_from(now));
	db_bind_blob(q, 3, STR_OF(mailbox->salt.bytes, SLOT_SALT_SIZE));
	db_bind_int(q, 4, mailbox->salt.iterations);
	db_bind_blob(q, 5, STR_OF(mailbox->key_record, mailbox->key_record_len));
	db_bind_int(q, 6, mailbox->next_slot);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(d->db, "UPDATE alias SET mailbox = $1 WHERE domain = $2 AND local = $3"
	                    " AND mailbox IS NULL");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_text(q, 2, str_from(address->domain));
	db_bind_text(q, 3, str_from(address->local));
	rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) != 1)
		rc = err_set(info, E_STALE, "the alias has changed meanwhile");
	return rc;
}

/* A mailbox that was made but never published holds nothing: an earlier attempt ended half-way. */
static int discard_unpublished(struct directory *d, const struct address *address,
                               const struct mailbox *mailbox, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "UPDATE alias SET mailbox = NULL WHERE domain = $1"
	                                    " AND local = $2 AND mailbox = $3");
	db_bind_text(q, 1, str_from(address->domain));
	db_bind_text(q, 2, str_from(address->local));
	db_bind_text(q, 3, str_from(mailbox->id));
	int rc = db_run(q, info);
	return rc != 0 ? rc : directory_mailbox_discard(d, mailbox, info);
}

/* The mailbox of that id, whose file has that key, with the fresh password as the one slot it has. */
static int insert_first(struct directory *d, const struct address *address, struct mailbox *mailbox,
                        struct fresh *fresh, const struct data_key *key, struct errinfo *info)
{
	random_bytes(mailbox->salt.bytes, SLOT_SALT_SIZE);
	mailbox->salt.iterations = SLOT_ITERATIONS;
	key32_random(&fresh->secret);
	int rc = make_record(fresh, mailbox->id, key, NULL, info);
	if (rc != 0)
		return rc;
	memcpy(mailbox->key_record, fresh->key_record, fresh->key_record_len);
	mailbox->key_record_len = fresh->key_record_len;
	fresh->first = true;
	fresh->number = 1;
	fresh->scopes = SCOPE_ALL;
	mailbox->next_slot = 2;
	slot_create(&fresh->slot, str_from(mailbox->id), &mailbox->salt, buf_str(&fresh->password),
	            &fresh->secret);
	rc = insert_mailbox(d, address, mailbox, info);
	return rc != 0 ? rc : insert_slot(d, mailbox, fresh, KIND_MAILBOX, STR(""), info);
}

static int create_first(struct directory *d, const struct address *address, struct mailbox *mailbox,
                        struct fresh *fresh, struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO;
	unsigned char id[MAILBOX_ID_SIZE / 2];
	int rc = mailbox->id[0] == '\0' ? 0 : discard_unpublished(d, address, mailbox, info);
	if (rc != 0)
		return rc;
	random_bytes(id, sizeof(id));
	hex_encode(id, sizeof(id), mailbox->id);
	make_data_key(fresh, &key);
	return insert_first(d, address, mailbox, fresh, &key, info);
}

int directory_password_adopt(struct directory *d, const struct address *address,
                             struct mailbox *mailbox, const char *id, struct str password,
                             const unsigned char salt[DATA_KEY_SALT_SIZE], struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO;
	struct fresh fresh __attribute__((cleanup(fresh_done)));
	fresh_init(&fresh);
	int rc = mailbox->id[0] == '\0' ? 0 : discard_unpublished(d, address, mailbox, info);
	if (rc != 0)
		return rc;
	memcpy(mailbox->id, id, sizeof(mailbox->id));
	buf_clear(&fresh.password);
	buf_add_str(&fresh.password, password);
	data_key_derive(password, salt, &key);
	return insert_first(d, address, mailbox, &fresh, &key, info);
}

/* ---------------------------------------------------------------- further ones */

/* The mailbox secret, by any password of the alias. */
static int open_with_current(struct directory *d, const struct mailbox *mailbox, struct str current,
                             struct fresh *fresh, struct errinfo *info)
{
	struct slot_row rows[SLOTS_MAX];
	size_t count;
	int rc = slots_load(d, mailbox->id, rows, &count, info);
	if (rc != 0)
		return rc;
	if (current.len == 0)
		return err_set(info, E_DENIED, "a password that opens the mailbox now is needed");
	if (current.len > PASSWORD_MAX ||
	    slots_open(rows, count, mailbox, current, &fresh->secret) == NULL)
		return err_set(info, E_DENIED, "the current password is wrong");
	if (count >= SLOTS_MAX)
		return err_set(info, E_LIMIT, "too many passwords: revoke one first");
	return 0;
}

/* The key record for the new slot: unchanged, but for a new mailbox password. */
static int next_record(struct fresh *fresh, const struct mailbox *mailbox, int64_t kind,
                       struct errinfo *info)
{
	struct data_key current DATA_KEY_AUTO, next DATA_KEY_AUTO;
	bool has_next = false;
	struct str record = STR_OF(mailbox->key_record, mailbox->key_record_len);
	memcpy(fresh->key_record, record.ptr, record.len);
	fresh->key_record_len = record.len;
	if (kind != KIND_MAILBOX)
		return 0;
	int rc = key_record_open(record, str_from(mailbox->id), &fresh->secret, &current, &next,
	                         &has_next);
	if (rc != 0)
		return err_set(info, E_CORRUPT, "the key record of this mailbox is damaged");
	if (has_next)
		return err_set(info, E_BUSY,
		               "the last change of the mailbox password is still being finished");
	make_data_key(fresh, &next);
	fresh->rekey = true;
	return make_record(fresh, mailbox->id, &current, &next, info);
}

static int create_further(struct directory *d, const struct mailbox *mailbox,
                          const Pk__PasswordCreateRequest *asked, struct fresh *fresh,
                          struct errinfo *info)
{
	int64_t kind = asked->kind;
	int rc = open_with_current(d, mailbox, field_bytes(&asked->current), fresh, info);
	if (rc == 0)
		rc = next_record(fresh, mailbox, kind, info);
	if (rc != 0)
		return rc;
	fresh->number = mailbox->next_slot;
	slot_create(&fresh->slot, str_from(mailbox->id), &mailbox->salt, buf_str(&fresh->password),
	            &fresh->secret);
	rc = update_mailbox(d, mailbox, fresh, info);
	if (rc == 0)
		rc = insert_slot(d, mailbox, fresh, kind, field_text(asked->label), info);
	if (rc == 0 && kind != KIND_APP)
		rc = mark_replaced(d, mailbox, kind, fresh->number, info);
	return rc;
}

/* ---------------------------------------------------------------- PASSWORD_CREATE */

static int check_label(struct str label, struct errinfo *info)
{
	if (label.len > LABEL_MAX)
		return err_set(info, E_TOO_LARGE, "the name of a password has at most %d bytes", LABEL_MAX);
	const uint8_t *bytes = (const uint8_t *)label.ptr;
	for (int32_t i = 0; i < (int32_t)label.len;) {
		UChar32 c;
		U8_NEXT(bytes, i, (int32_t)label.len, c);
		if (c < 0x20 || c == 0x7f) /* negative: not UTF-8 */
			return err_set(info, E_INVALID, "the name of a password is one line of text");
	}
	return 0;
}

static int check_scopes(const Pk__PasswordCreateRequest *asked, unsigned *ret, struct errinfo *info)
{
	*ret = asked->kind == KIND_MAILBOX ? SCOPE_ALL : SCOPE_CLI;
	if (asked->kind != KIND_APP)
		return 0;
	if (asked->n_scopes == 0)
		*ret |= SCOPE_APP;
	for (size_t i = 0; i < asked->n_scopes; i++) {
		unsigned scope = scope_parse(field_text(asked->scopes[i])) & SCOPE_APP;
		if (scope == 0)
			return err_set(info, E_INVALID, "a password is for imap, pop3, smtp, dav");
		*ret |= scope;
	}
	return 0;
}

static void reply_password(const struct request *request, const struct address *address,
                           const struct mailbox *mailbox, const struct fresh *fresh)
{
	Pk__PasswordReply reply = PK__PASSWORD_REPLY__INIT;
	reply.address = (char *)(uintptr_t)address->text;
	reply.password = field_make(fresh->password.ptr, fresh->password.len);
	reply.slot = (uint64_t)fresh->number;
	reply.mailbox = (char *)(uintptr_t)mailbox->id;
	reply.mailbox_secret = field_make(fresh->secret.bytes, KEY_SIZE);
	reply.key_record = field_make(fresh->key_record, fresh->key_record_len);
	reply.first = fresh->first;
	reply.rekey = fresh->rekey;
	link_pack(request->reply, &reply.base);
}

static int create_in_transaction(struct directory *d, const Pk__PasswordCreateRequest *asked,
                                 const struct address *address, struct mailbox *mailbox,
                                 struct fresh *fresh, struct errinfo *info)
{
	if (mailbox->published)
		return create_further(d, mailbox, asked, fresh, info);
	if (asked->kind != KIND_MAILBOX)
		return err_set(info, E_NOT_FOUND, "the alias has no mailbox password yet: make that first");
	return create_first(d, address, mailbox, fresh, info);
}

static int password_create_run(struct directory *d, const struct request *request,
                               struct errinfo *info)
{
	const Pk__PasswordCreateRequest *asked = (const Pk__PasswordCreateRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	struct fresh fresh __attribute__((cleanup(fresh_done)));
	fresh_init(&fresh);

	if (asked->kind != KIND_MAILBOX && asked->kind != KIND_APP && asked->kind != KIND_RECOVERY)
		return err_set(info, E_INVALID, "unknown kind of password");
	int rc = check_label(field_text(asked->label), info);
	if (rc == 0)
		rc = check_scopes(asked, &fresh.scopes, info);
	if (rc == 0)
		rc = directory_alias_begin(d, asked->address, &address, &mailbox, info);
	if (rc != 0)
		return rc;
	rc = create_in_transaction(d, asked, &address, &mailbox, &fresh, info);
	rc = directory_end(d, rc, info);
	if (rc != 0)
		return rc;
	log_info(d->log, "directory.password_created", F_TEXT("mailbox", mailbox.id),
	         F_INT("kind", asked->kind), F_INT("slot", fresh.number));
	reply_password(request, &address, &mailbox, &fresh);
	return 0;
}

const struct method directory_method_password_create = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_CREATE,
	.core.name = "password_create",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__password_create_request__descriptor,
	.run = password_create_run,
};

/* ---------------------------------------------------------------- list, confirm, revoke */

static void read_info(struct db_stmt *q, Pk__PasswordInfo *ret)
{
	const char *names[5];
	pk__password_info__init(ret);
	ret->slot = (uint64_t)db_int(q, 0);
	ret->kind = (Pk__PasswordCreateRequest__Kind)db_int(q, 1);
	ret->n_scopes = scope_names((unsigned)db_int(q, 2) & SCOPE_APP, names);
	ret->scopes = mem_new_array(ret->n_scopes + 1, sizeof(*ret->scopes));
	for (size_t i = 0; i < ret->n_scopes; i++)
		ret->scopes[i] = (char *)(uintptr_t)names[i];
	ret->label = str_dup(db_text(q, 3));
	ret->created = str_dup(db_text(q, 4));
	ret->last_used = str_dup(db_text(q, 5));
	ret->replaced_by = (uint64_t)db_int(q, 6);
}

static void info_done(Pk__PasswordInfo *row)
{
	free(row->scopes);
	free(row->label);
	free(row->created);
	free(row->last_used);
}

static int reply_list(struct directory *d, const struct address *address,
                      const struct mailbox *mailbox, const struct request *request,
                      struct errinfo *info)
{
	Pk__PasswordListReply reply = PK__PASSWORD_LIST_REPLY__INIT;
	Pk__PasswordInfo rows[SLOTS_MAX], *pointers[SLOTS_MAX];
	int rc;
	slots_flush(d, false); /* the asker wants to see what was used */
	struct db_stmt *q = db_query(
		d->db, "SELECT number, kind, scopes, label, created, coalesce(last_used, ''),"
			   " coalesce(replaced_by, 0) FROM slot WHERE mailbox = $1 ORDER BY number");
	db_bind_text(q, 1, str_from(mailbox->id));
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (reply.n_passwords == SLOTS_MAX)
			continue;
		read_info(q, &rows[reply.n_passwords]);
		pointers[reply.n_passwords] = &rows[reply.n_passwords];
		reply.n_passwords++;
	}
	reply.address = (char *)(uintptr_t)address->text;
	reply.mailbox = (char *)(uintptr_t)mailbox->id;
	reply.ready = mailbox->published;
	reply.passwords = pointers;
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	for (size_t i = 0; i < reply.n_passwords; i++)
		info_done(&rows[i]);
	return rc;
}

static int password_list_run(struct directory *d, const struct request *request,
                             struct errinfo *info)
{
	const Pk__AliasRequest *asked = (const Pk__AliasRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	int rc = directory_alias_find(d, asked->address, &address, &mailbox, info);
	return rc != 0 ? rc : reply_list(d, &address, &mailbox, request, info);
}

const struct method directory_method_password_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_LIST,
	.core.name = "password_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__alias_request__descriptor,
	.run = password_list_run,
};

/* The kind of one slot; E_NOT_FOUND. */
static int slot_kind(struct directory *d, const struct mailbox *mailbox, int64_t number,
                     int64_t *ret_kind, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT kind FROM slot WHERE mailbox = $1 AND number = $2");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_int(q, 2, number);
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no such password");
	*ret_kind = db_int(q, 0);
	db_reset(q);
	return 0;
}

/* What it was to replace stays. */
static int delete_slot(struct directory *d, const struct mailbox *mailbox, int64_t number,
                       struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "UPDATE slot SET replaced_by = NULL WHERE mailbox = $1 AND replaced_by = $2");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_int(q, 2, number);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	directory_revoked(d, mailbox->id, number);
	q = db_query(d->db, "DELETE FROM slot WHERE mailbox = $1 AND number = $2");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_int(q, 2, number);
	return db_run(q, info);
}

/* Both take the same request: a slot of an address. */
static int change_slot(struct directory *d, const struct request *request, bool revoke,
                       struct errinfo *info)
{
	const Pk__PasswordRevokeRequest *asked = (const Pk__PasswordRevokeRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	int64_t number = (int64_t)asked->slot, kind = 0;
	int rc = directory_alias_begin(d, asked->address, &address, &mailbox, info);
	if (rc != 0)
		return rc;
	rc = slot_kind(d, &mailbox, number, &kind, info);
	if (rc == 0 && revoke && kind == KIND_MAILBOX)
		rc = err_set(info, E_DENIED, "the mailbox password can be replaced, not revoked");
	if (rc == 0)
		rc = revoke ? delete_slot(d, &mailbox, number, info)
		            : slots_delete_replaced(d, mailbox.id, number, info);
	rc = directory_end(d, rc, info);
	if (rc != 0)
		return rc;
	log_info(d->log, revoke ? "directory.password_revoked" : "directory.password_confirmed",
	         F_TEXT("mailbox", mailbox.id), F_INT("slot", number));
	return reply_list(d, &address, &mailbox, request, info);
}

static int password_revoke_run(struct directory *d, const struct request *request,
                               struct errinfo *info)
{
	return change_slot(d, request, true, info);
}

const struct method directory_method_password_revoke = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_REVOKE,
	.core.name = "password_revoke",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__password_revoke_request__descriptor,
	.run = password_revoke_run,
};

static int password_confirm_run(struct directory *d, const struct request *request,
                                struct errinfo *info)
{
	return change_slot(d, request, false, info);
}

const struct method directory_method_password_confirm = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_CONFIRM,
	.core.name = "password_confirm",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__password_revoke_request__descriptor,
	.run = password_confirm_run,
};
