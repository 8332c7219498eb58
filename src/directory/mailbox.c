#include "directory/internal.h"

#include <string.h>

#include "base/clock.h"

struct str field_text(const char *proto_string)
{
	return proto_string == NULL ? STR("") : str_from(proto_string);
}

struct str field_bytes(const ProtobufCBinaryData *bytes)
{
	return STR_OF(bytes->data, bytes->len);
}

ProtobufCBinaryData field_make(const void *ptr, size_t len)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)ptr, .len = len};
}

void directory_now(char ret[DATE_SIZE])
{
	iso8601_format(clock_realtime_us(), ret);
}

/* Columns of the database have the sizes that we wrote: another one means a damaged file. */
static bool take_text(struct str text, char *ret, size_t size)
{
	if (text.len >= size)
		return false;
	if (text.len > 0)
		memcpy(ret, text.ptr, text.len);
	ret[text.len] = '\0';
	return true;
}

static bool take_blob(struct str blob, void *ret, size_t size)
{
	if (blob.len != size)
		return false;
	memcpy(ret, blob.ptr, size);
	return true;
}

/* The columns id, salt, iterations, key_record, public_key, store, next_slot from column on. */
static bool read_mailbox(struct db_stmt *q, int column, struct mailbox *ret)
{
	struct str record = db_blob(q, column + 3);
	int64_t iterations = db_int(q, column + 2);
	if (!take_text(db_text(q, column), ret->id, sizeof(ret->id)) ||
	    !take_blob(db_blob(q, column + 1), ret->salt.bytes, SLOT_SALT_SIZE) || iterations < 1 ||
	    iterations > 1000000 || record.len > sizeof(ret->key_record) ||
	    !take_text(db_text(q, column + 5), ret->store, sizeof(ret->store)))
		return false;
	ret->salt.iterations = (uint32_t)iterations;
	memcpy(ret->key_record, record.ptr, record.len);
	ret->key_record_len = record.len;
	ret->next_slot = db_int(q, column + 6);
	ret->published = !db_is_null(q, column + 4);
	return !ret->published ||
	       take_blob(db_blob(q, column + 4), ret->public_key, sizeof(ret->public_key));
}

int directory_mailbox_find(struct directory *d, const struct address *address, struct mailbox *ret,
                           struct errinfo *info)
{
	memset(ret, 0, sizeof(*ret));
	struct db_stmt *q = db_query(
		d->db, "SELECT a.created, a.disabled, a.quota_bytes, m.id, m.salt, m.iterations,"
			   " m.key_record, m.public_key, m.store, m.next_slot"
			   " FROM alias a LEFT JOIN mailbox m ON m.id = a.mailbox"
			   " WHERE a.domain = $1 AND a.local = $2");
	db_bind_text(q, 1, str_from(address->domain));
	db_bind_text(q, 2, str_from(address->local));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no such alias");
	ret->disabled = db_int(q, 1) != 0;
	ret->quota_bytes = (uint64_t)db_int(q, 2);
	bool fine = take_text(db_text(q, 0), ret->created, sizeof(ret->created)) &&
	            (db_is_null(q, 3) || read_mailbox(q, 3, ret));
	db_reset(q);
	return fine ? 0 : err_set(info, E_CORRUPT, "the directory has a damaged entry");
}

int directory_alias_find(struct directory *d, const char *text, struct address *ret_address,
                         struct mailbox *ret, struct errinfo *info)
{
	int rc = address_normalize(field_text(text), ret_address, info);
	if (rc == 0)
		rc = ret_address->detailed ? E_NOT_FOUND
		                           : directory_mailbox_find(d, ret_address, ret, info);
	return rc != E_NOT_FOUND ? rc : err_set(info, rc, "no such alias: %s", ret_address->text);
}

int directory_alias_begin(struct directory *d, const char *text, struct address *ret_address,
                          struct mailbox *ret, struct errinfo *info)
{
	int rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	rc = directory_alias_find(d, text, ret_address, ret, info);
	return rc == 0 ? 0 : directory_end(d, rc, info);
}

int directory_mailbox_by_id(struct directory *d, const char *id, struct mailbox *ret,
                            struct errinfo *info)
{
	memset(ret, 0, sizeof(*ret));
	struct db_stmt *q = db_query(
		d->db, "SELECT id, salt, iterations, key_record, public_key, store, next_slot"
			   " FROM mailbox WHERE id = $1");
	db_bind_text(q, 1, field_text(id));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no such mailbox");
	bool fine = read_mailbox(q, 0, ret);
	db_reset(q);
	return fine ? 0 : err_set(info, E_CORRUPT, "the directory has a damaged entry");
}

int directory_mailbox_prove(const struct mailbox *mailbox, const ProtobufCBinaryData *secret,
                            struct key32 *ret_secret, struct errinfo *info)
{
	struct data_key current DATA_KEY_AUTO, next DATA_KEY_AUTO;
	bool has_next;
	if (secret->len != KEY_SIZE)
		return err_set(info, E_DENIED, "not the secret of this mailbox");
	memcpy(ret_secret->bytes, secret->data, KEY_SIZE);
	int rc = key_record_open(STR_OF(mailbox->key_record, mailbox->key_record_len),
	                         str_from(mailbox->id), ret_secret, &current, &next, &has_next);
	return rc == 0 ? 0 : err_set(info, E_DENIED, "not the secret of this mailbox");
}
