#include "store/temporary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/seal.h"
#include "net/link.h"
#include "store.pb-c.h"
#include "store/check.h"
#include "store/server.h"

enum {
	KEYPAIRS_MAX = 8,
	LENGTH_SIZE = 4,
	CONTEXT_SIZE = MAILBOX_ID_SIZE + DELIVERY_ID_SIZE,
	MERGE_BYTES = 4 * 1024 * 1024,
	SEALING_KEPT_MS = 5000,
	SEALING_MESSAGES = 1000,
};

/* What is sealed: a message and its description. */
#define PLAIN_MAX ((size_t)STORE_MESSAGE_MAX + LINK_MESSAGE_MAX + LENGTH_SIZE)

/* ---------------------------------------------------------------- sealing */

/* What is sealed is bound to this mailbox and this delivery. */
static struct str seal_context(const struct mailbox *mailbox, struct str delivery_id,
                               char ret[CONTEXT_SIZE])
{
	for (size_t i = 0; i < MAILBOX_ID_SIZE; i++)
		ret[i] = mailbox->id[i];
	for (size_t i = 0; i < DELIVERY_ID_SIZE; i++)
		ret[MAILBOX_ID_SIZE + i] = delivery_id.ptr[i];
	return STR_OF(ret, CONTEXT_SIZE);
}

/* The agreement with the recipient, from the last message or made anew. It is kept sealed under the
 * process's own key, and not for long: see crypto/seal.h. */
static int sealing_sender(struct mailbox *mailbox, struct str public_key, struct seal_sender *ret)
{
	struct sealing *kept = &mailbox->sealing;
	int64_t now = clock_monotonic_ms();
	if (kept->left > 0 && now < kept->until_ms &&
	    memcmp(kept->public_key, public_key.ptr, SEAL_PUBLIC_SIZE) == 0 &&
	    store_key_get(mailbox->store, &kept->key, &ret->key)) {
		memcpy(ret->header, kept->header, sizeof(ret->header));
		kept->left--;
		return 0;
	}
	memcpy(kept->public_key, public_key.ptr, SEAL_PUBLIC_SIZE);
	int rc = seal_sender_init(ret, kept->public_key);
	if (rc != 0)
		return rc;
	store_key_put(mailbox->store, &ret->key, &kept->key);
	memcpy(kept->header, ret->header, sizeof(kept->header));
	kept->until_ms = now + SEALING_KEPT_MS;
	kept->left = SEALING_MESSAGES;
	return 0;
}

/* Length of the packed AppendRequest (little-endian), the AppendRequest, the message; compressed,
 * then sealed. */
static int seal_item(struct mailbox *mailbox, struct packer *packer, const struct sealed_item *item,
                     struct buf *out, struct errinfo *info)
{
	Pk__AppendRequest head = PK__APPEND_REQUEST__INIT;
	char *folder MEM_AUTO = str_dup(item->folder);
	head.name = folder;
	head.internal_date = item->internal_date;
	union {
		const Pk__Description *in;
		Pk__Description *out;
	} description = {.in = item->description}; /* packing only reads it */
	head.description = description.out;
	struct buf plain BUF_AUTO, packed BUF_AUTO;
	buf_init(&plain, PLAIN_MAX);
	buf_init(&packed, 2 * PLAIN_MAX);
	buf_add(&plain, "\0\0\0\0", LENGTH_SIZE);
	link_pack(&plain, &head.base);
	size_t head_len = plain.len - LENGTH_SIZE;
	buf_add_str(&plain, item->raw);
	if (plain.failed)
		return err_set(info, E_TOO_LARGE, "message and description are too large");
	for (int i = 0; i < LENGTH_SIZE; i++)
		plain.ptr[i] = (char)(head_len >> (8 * i) & 0xff);
	if (!pack(packer, PACK_FAST, buf_str(&plain), &packed))
		return err_set(info, E_TOO_LARGE, "message and description are too large");
	struct seal_sender sender __attribute__((cleanup(seal_sender_wipe)));
	char context[CONTEXT_SIZE];
	int rc = sealing_sender(mailbox, item->public_key, &sender);
	if (rc == 0)
		rc = seal_with(&sender, seal_context(mailbox, item->delivery_id, context), buf_str(&packed),
		               out);
	return rc == 0 ? 0 : err_set(info, rc, "the message cannot be sealed");
}

/* ---------------------------------------------------------------- adding */

static int sum_sizes(struct mailbox *mailbox, struct errinfo *info)
{
	struct db_stmt *q = db_query(mailbox->temporary, "SELECT coalesce(sum(size), 0) FROM sealed");
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	mailbox->temporary_bytes = (uint64_t)db_int(q, 0);
	db_reset(q);
	return 0;
}

/* What the owner's mailbox holds only its key could tell: the size of its file stands for it. */
static uint64_t used_bytes(const struct mailbox *mailbox)
{
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	mailbox_path(mailbox, PATH_MAIN, &path);
	struct stat st;
	return mailbox->temporary_bytes + (stat(path.ptr, &st) == 0 ? (uint64_t)st.st_size : 0);
}

int temporary_begin(struct mailbox *mailbox, struct errinfo *info)
{
	if (mailbox->temporary == NULL) {
		bool there;
		int rc = mailbox_file_there(mailbox, PATH_MAIN, &there, info);
		if (rc == 0 && !there)
			return err_set(info, E_IO, "the mailbox file is not there");
		if (rc == 0)
			rc = mailbox_temporary_open(mailbox, true, info);
		if (rc == 0)
			rc = sum_sizes(mailbox, info);
		if (rc != 0)
			return rc;
	}
	return db_begin(mailbox->temporary, info);
}

static int check(struct mailbox *mailbox, const struct sealed_item *item, struct errinfo *info)
{
	if (item->public_key.len != SEAL_PUBLIC_SIZE)
		return err_set(info, E_UNAVAILABLE, "the mailbox has no key to seal to yet");
	if (item->delivery_id.len != DELIVERY_ID_SIZE)
		return err_set(info, E_INVALID, "not a delivery id");
	int rc = description_check(item->description, item->raw.len, info);
	if (rc != 0)
		return rc;
	if (item->quota != 0 && used_bytes(mailbox) + item->raw.len > item->quota)
		return err_set(info, E_QUOTA, "the mailbox is full");
	return 0;
}

int temporary_add(struct mailbox *mailbox, struct packer *packer, const struct sealed_item *item,
                  bool *ret_broken, struct errinfo *info)
{
	*ret_broken = false;
	int rc = check(mailbox, item, info);
	if (rc != 0)
		return rc;
	struct buf sealed BUF_AUTO;
	buf_init(&sealed, 2 * PLAIN_MAX + SEAL_OVERHEAD);
	rc = seal_item(mailbox, packer, item, &sealed, info);
	if (rc != 0)
		return rc;
	char now[ISO8601_SIZE];
	iso8601_format(clock_realtime_us(), now);
	struct db_stmt *q = db_query(mailbox->temporary,
	                             "INSERT INTO sealed (delivery, size, created, data)"
	                             " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING");
	db_bind_blob(q, 1, item->delivery_id);
	db_bind_int(q, 2, (int64_t)item->raw.len);
	db_bind_text(q, 3, str_from(now));
	db_bind_blob(q, 4, buf_str(&sealed));
	rc = db_run(q, info);
	*ret_broken = rc != 0;
	mailbox->temporary_bytes += item->raw.len;
	return rc;
}

int temporary_commit(struct mailbox *mailbox, struct errinfo *info)
{
	int rc = db_commit(mailbox->temporary, info);
	if (rc != 0)
		db_rollback(mailbox->temporary);
	else if (db_wal_bytes(mailbox->temporary) > MAILBOX_WAL_MAX)
		mailbox->needs_care = true;
	return rc;
}

/* ---------------------------------------------------------------- taking over */

struct keypairs {
	struct seal_opener openers[KEYPAIRS_MAX]; /* the newest pair first */
	size_t count;
};

static void wipe_keypairs(struct keypairs **keypairs)
{
	wipe(*keypairs, sizeof(**keypairs));
}

static int load_keypairs(struct db *db, struct keypairs *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT private FROM keypair ORDER BY id DESC");
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW && ret->count < KEYPAIRS_MAX) {
		struct str key = db_blob(q, 0);
		if (key.len != KEY_SIZE)
			continue;
		struct key32 private_key KEY32_AUTO;
		memcpy(private_key.bytes, key.ptr, KEY_SIZE);
		seal_opener_init(&ret->openers[ret->count++], &private_key);
	}
	if (rc == DB_ROW)
		db_reset(q);
	return rc < 0 ? rc : 0;
}

static int unseal(struct mailbox *mailbox, struct packer *packer, struct keypairs *keypairs,
                  struct str delivery_id, struct str sealed, struct buf *plain,
                  struct errinfo *info)
{
	struct buf packed BUF_AUTO;
	buf_init(&packed, sealed.len + 1);
	char context[CONTEXT_SIZE];
	if (delivery_id.len != DELIVERY_ID_SIZE)
		return err_set(info, E_CORRUPT, "a sealed row without a delivery id");
	struct str bound = seal_context(mailbox, delivery_id, context);
	int rc = E_DENIED;
	for (size_t i = 0; i < keypairs->count && rc != 0; i++)
		rc = seal_open_with(&keypairs->openers[i], bound, sealed, &packed);
	if (rc != 0)
		return err_set(info, E_CORRUPT, "a sealed row does not open with this mailbox's keys");
	return unpack(packer, buf_str(&packed), PLAIN_MAX, plain, info);
}

/* The inverse of what seal_item puts together; all of it hostile until checked by batch_add. */
static Pk__AppendRequest *split_plain(struct str plain, struct str *ret_raw)
{
	if (plain.len < LENGTH_SIZE)
		return NULL;
	size_t head_len = 0;
	for (int i = 0; i < LENGTH_SIZE; i++)
		head_len |= (size_t)(unsigned char)plain.ptr[i] << (8 * i);
	struct str rest = str_from_byte(plain, LENGTH_SIZE);
	if (head_len > rest.len)
		return NULL;
	*ret_raw = str_from_byte(rest, head_len);
	return pk__append_request__unpack(NULL, head_len, (const uint8_t *)rest.ptr);
}

struct merge {
	struct mailbox *mailbox;
	struct packer *packer;
	struct keypairs keypairs;
	struct batch batch;
	struct merged *merged;
	int64_t done[MERGE_MAX], failed[MERGE_MAX];
	size_t done_count, failed_count;
};

static int merge_row(struct merge *merge, struct str delivery_id, struct str sealed,
                     struct errinfo *info)
{
	struct buf plain BUF_AUTO;
	buf_init(&plain, PLAIN_MAX);
	int rc = unseal(merge->mailbox, merge->packer, &merge->keypairs, delivery_id, sealed, &plain,
	                info);
	if (rc != 0)
		return rc;
	struct batch_item item = {.or_inbox = true, .delivery_id = delivery_id};
	Pk__AppendRequest *head = split_plain(buf_str(&plain), &item.raw);
	if (head == NULL)
		return err_set(info, E_CORRUPT, "a sealed row that holds no message");
	item.folder = head->name[0] == '\0' ? STR("INBOX") : str_from(head->name);
	item.internal_date = head->internal_date;
	item.description = head->description;
	struct batch_result result;
	rc = batch_add(&merge->batch, &item, &result, info);
	if (rc == 0 && !result.repeated) {
		merge->merged->last = result;
		merge->merged->count++;
	}
	pk__append_request__free_unpacked(head, NULL);
	return rc;
}

/* A row that cannot be opened stays, marked, and does not hold up the others. */
static int merge_rows(struct merge *merge, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		merge->mailbox->temporary,
		"SELECT id, delivery, data FROM sealed WHERE failed=0 ORDER BY id LIMIT ?1");
	db_bind_int(q, 1, MERGE_MAX);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		int64_t id = db_int(q, 0);
		int error = merge_row(merge, db_blob(q, 1), db_blob(q, 2), info);
		if (merge->batch.broken) {
			db_reset(q);
			return error;
		}
		if (error == 0) {
			merge->done[merge->done_count++] = id;
		} else {
			merge->failed[merge->failed_count++] = id;
			log_error(store_log(merge->mailbox->store), "store.merge_failed",
			          F_TEXT("mailbox", merge->mailbox->id), F_INT("row", id), F_ERR(error),
			          F_TEXT("text", info == NULL ? "" : info->text));
		}
		if (merge->batch.bytes > MERGE_BYTES) {
			db_reset(q);
			return 0;
		}
	}
	return rc;
}

static int forget_rows(struct merge *merge, struct errinfo *info)
{
	struct db *db = merge->mailbox->temporary;
	int rc = db_begin(db, info);
	for (size_t i = 0; i < merge->done_count && rc == 0; i++) {
		struct db_stmt *q = db_query(db, "DELETE FROM sealed WHERE id=?1");
		db_bind_int(q, 1, merge->done[i]);
		rc = db_run(q, info);
	}
	for (size_t i = 0; i < merge->failed_count && rc == 0; i++) {
		struct db_stmt *q = db_query(db, "UPDATE sealed SET failed=1 WHERE id=?1");
		db_bind_int(q, 1, merge->failed[i]);
		rc = db_run(q, info);
	}
	if (rc == 0)
		rc = db_commit(db, info);
	if (rc != 0)
		db_rollback(db);
	return rc;
}

static int remove_when_empty(struct mailbox *mailbox, struct errinfo *info)
{
	struct db_stmt *q = db_query(mailbox->temporary, "SELECT 1 FROM sealed LIMIT 1");
	int rc = db_step(q, info);
	if (rc != 0) {
		db_reset(q);
		return rc < 0 ? rc : 0;
	}
	db_close(mailbox->temporary);
	mailbox->temporary = NULL;
	store_handle_closed(mailbox->store);
	return mailbox_remove_file(mailbox, PATH_TEMPORARY, info);
}

int temporary_merge(struct mailbox *mailbox, struct packer *packer, struct merged *merged,
                    bool *ret_more, struct errinfo *info)
{
	*ret_more = false;
	int rc = mailbox_temporary_open(mailbox, false, info);
	if (rc != 0)
		return rc == E_NOT_FOUND ? 0 : rc;
	struct merge *merge MEM_AUTO = mem_new(sizeof(*merge));
	merge->mailbox = mailbox;
	merge->packer = packer;
	merge->merged = merged;
	struct keypairs *wiped __attribute__((cleanup(wipe_keypairs))) = &merge->keypairs;
	rc = load_keypairs(mailbox->db, wiped, info);
	if (rc == 0)
		rc = batch_begin(&merge->batch, mailbox, packer, info);
	if (rc != 0)
		return rc;
	rc = merge_rows(merge, info);
	if (rc != 0) {
		batch_rollback(&merge->batch);
		return rc;
	}
	rc = batch_commit(&merge->batch, info);
	/* From here on the messages are in the mailbox for good. */
	if (rc == 0)
		rc = forget_rows(merge, info);
	if (rc != 0)
		return rc;
	*ret_more = merge->done_count + merge->failed_count == MERGE_MAX ||
	            merge->batch.bytes > MERGE_BYTES;
	return *ret_more ? 0 : remove_when_empty(mailbox, info);
}
