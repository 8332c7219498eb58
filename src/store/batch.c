#include "store/batch.h"

#include "store/check.h"

int batch_begin(struct batch *ret, struct mailbox *mailbox, struct packer *packer,
                struct errinfo *info)
{
	*ret = (struct batch){.mailbox = mailbox, .packer = packer};
	iso8601_format(clock_realtime_us(), ret->now);
	return mailbox_begin(mailbox, DURABLE_COMMITTED, info);
}

static int write_folders(struct batch *batch, struct errinfo *info)
{
	for (int i = 0; i < batch->folder_count; i++) {
		int rc = folder_put(batch->mailbox->db, &batch->folders[i], info);
		if (rc != 0)
			return rc;
	}
	batch->folder_count = 0;
	return 0;
}

static int find_folder(struct batch *batch, const struct batch_item *item, struct folder **ret,
                       struct errinfo *info)
{
	struct folder found;
	struct db *db = batch->mailbox->db;
	int rc = folder_find(db, item->folder, &found, info);
	if (item->or_inbox && (rc == E_NOT_FOUND || rc == E_INVALID))
		rc = folder_find(db, STR("INBOX"), &found, info);
	if (rc != 0)
		return rc;
	for (int i = 0; i < batch->folder_count; i++) {
		if (batch->folders[i].id == found.id) {
			*ret = &batch->folders[i];
			return 0;
		}
	}
	if (batch->folder_count == BATCH_FOLDERS) {
		rc = write_folders(batch, info);
		batch->broken = rc != 0;
		if (rc != 0)
			return rc;
	}
	*ret = &batch->folders[batch->folder_count++];
	**ret = found;
	(*ret)->modseq++; /* one step for all that the batch adds */
	return 0;
}

/* E_NOT_FOUND: not seen before. */
static int find_delivery(struct db *db, struct str id, struct batch_result *ret,
                         struct errinfo *info)
{
	if (id.len == 0)
		return E_NOT_FOUND;
	struct db_stmt *q = db_query(db, "SELECT uid_validity, uid FROM delivery WHERE id=?1");
	db_bind_blob(q, 1, id);
	int rc = db_step(q, info);
	if (rc != DB_ROW)
		return rc == 0 ? E_NOT_FOUND : rc;
	*ret = (struct batch_result){
		.uid_validity = (uint32_t)db_int(q, 0), .uid = (uint32_t)db_int(q, 1), .repeated = true};
	db_reset(q);
	return 0;
}

static int remember_delivery(struct batch *batch, struct str id, const struct batch_result *result,
                             struct errinfo *info)
{
	if (id.len == 0)
		return 0;
	struct db_stmt *q = db_query(
		batch->mailbox->db,
		"INSERT INTO delivery (id, uid_validity, uid, created) VALUES (?1, ?2, ?3, ?4)");
	db_bind_blob(q, 1, id);
	db_bind_int(q, 2, result->uid_validity);
	db_bind_int(q, 3, result->uid);
	db_bind_text(q, 4, str_from(batch->now));
	return db_run(q, info);
}

static int check(struct batch *batch, const struct batch_item *item, struct errinfo *info)
{
	if (item->delivery_id.len != 0 && item->delivery_id.len != DELIVERY_ID_SIZE)
		return err_set(info, E_INVALID, "not a delivery id");
	if ((item->flags & ~(unsigned)FLAGS_ALL) != 0)
		return err_set(info, E_INVALID, "not a set of flags");
	int rc = description_check(item->description, item->raw.len, info);
	if (rc == 0)
		rc = keywords_check(item->keywords, item->keyword_count, info);
	if (rc != 0)
		return rc;
	if (item->quota != 0 && !batch->used_known) {
		rc = mailbox_used_bytes(batch->mailbox, &batch->used, info);
		batch->used_known = rc == 0;
	}
	if (rc == 0 && item->quota != 0 && batch->used + item->raw.len > item->quota)
		return err_set(info, E_QUOTA, "the mailbox is full");
	return rc;
}

static int write_item(struct batch *batch, struct folder *folder, const struct batch_item *item,
                      struct str keywords, struct batch_result *ret, struct errinfo *info)
{
	struct db *db = batch->mailbox->db;
	char internal_date[ISO8601_SIZE];
	date_text(item->internal_date, internal_date);
	struct entry entry = {
		.flags = item->flags,
		.size = (int64_t)item->raw.len,
		.internal_date = str_from(internal_date),
		.save_date = str_from(batch->now),
		.keywords = keywords,
	};
	int rc = message_add(batch->mailbox, batch->packer, item->raw, item->description,
	                     &entry.message, info);
	if (rc == 0)
		rc = entry_add(db, folder, &entry, info);
	*ret = (struct batch_result){.folder = folder->id,
	                             .modseq = folder->modseq,
	                             .uid_validity = folder->uid_validity,
	                             .uid = entry.uid};
	return rc == 0 ? remember_delivery(batch, item->delivery_id, ret, info) : rc;
}

int batch_add(struct batch *batch, const struct batch_item *item, struct batch_result *ret,
              struct errinfo *info)
{
	struct db *db = batch->mailbox->db;
	int rc = find_delivery(db, item->delivery_id, ret, info);
	if (rc != E_NOT_FOUND)
		return rc;
	rc = check(batch, item, info);
	struct folder *folder;
	if (rc == 0)
		rc = find_folder(batch, item, &folder, info);
	if (rc != 0)
		return rc;
	struct buf keywords BUF_AUTO;
	buf_init(&keywords, KEYWORDS_PER_MESSAGE * (KEYWORD_SIZE_MAX + 1));
	rc = keywords_intern(db, item->keywords, item->keyword_count, &keywords, info);
	if (rc == E_LIMIT)
		return rc;
	if (rc == 0)
		rc = write_item(batch, folder, item, buf_str(&keywords), ret, info);
	batch->broken = rc != 0;
	batch->count++;
	batch->bytes += item->raw.len;
	batch->used += item->raw.len;
	return rc;
}

bool batch_full(const struct batch *batch)
{
	return batch->count >= BATCH_COUNT_MAX || batch->bytes >= BATCH_BYTES_MAX;
}

int batch_commit(struct batch *batch, struct errinfo *info)
{
	int rc = write_folders(batch, info);
	if (rc == 0)
		rc = mailbox_commit(batch->mailbox, info);
	if (rc != 0)
		mailbox_rollback(batch->mailbox);
	return rc;
}

void batch_rollback(struct batch *batch)
{
	mailbox_rollback(batch->mailbox);
}
