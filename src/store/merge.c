#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "net/link.h"
#include "sealed.pb-c.h"
#include "store.pb-c.h"
#include "store/aside.h"
#include "store/notice.h"
#include "store/server.h"
#include "store/temporary.h"

/*
 * Taking over what waited. From a sound temporary mailbox rows are read in their order and deleted once
 * they are safe in the mailbox. One in which something does not open is set aside; its rows are then
 * looked for one by one, each found by itself, so that a damaged page costs the rows that lie on it. They
 * are not deleted there: a row that was taken over before is known by its delivery id.
 */

enum {
	KEYPAIRS_MAX = 8,
	MERGE_BYTES = 4 * 1024 * 1024,
	ROWS_PER_PAGE = 64,     /* more than can have been on one, to guess at ids */
	GUESSES = 1000,         /* in one step */
	MERGE_FAILURES_MAX = 3, /* one after the other; then what cannot be read is taken for damaged */
};

struct keypairs {
	struct seal_opener openers[KEYPAIRS_MAX]; /* the newest pair first */
	size_t count;
};

struct merge {
	struct mailbox *mailbox;
	struct packer *packer;
	struct keypairs keypairs;
	struct batch batch;
	struct merged *merged;
	int64_t done[MERGE_MAX];
	size_t done_count;
	uint64_t file;       /* that they are of: see waits.h */
	bool mailbox_failed; /* not the row, which may be as good as any */
	bool is_later;       /* the row waits for a version of us that can read it, and all behind it */
	bool damaged;        /* something in the temporary mailbox cannot be read or opened */
};

/* Private keys are in it. */
static void merge_free(struct merge **merge)
{
	wipe(*merge, sizeof(**merge));
	free(*merge);
}

/* Only where something waits: a key costs as much as half of what a login costs otherwise. */
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

/* ---------------------------------------------------------------- one row */

struct row {
	struct str delivery_id, sealed;
};

static int unseal(struct merge *merge, const struct row *row, struct buf *plain,
                  struct errinfo *info)
{
	struct buf packed BUF_AUTO;
	buf_init(&packed, row->sealed.len + 1);
	char context[SEALED_CONTEXT_SIZE];
	if (row->delivery_id.len != DELIVERY_ID_SIZE)
		return err_set(info, E_CORRUPT, "a sealed row without a delivery id");
	struct str bound = temporary_context(merge->mailbox, row->delivery_id, context);
	int rc = E_DENIED;
	for (size_t i = 0; i < merge->keypairs.count && rc != 0; i++)
		rc = seal_open(&merge->keypairs.openers[i], bound, row->sealed, &packed);
	if (rc != 0)
		return err_set(info, E_CORRUPT, "a sealed row does not open with this mailbox's keys");
	return unpack(merge->packer, buf_str(&packed), plain->max, plain, info);
}

/* The inverse of what is put together in temporary.c; all of it hostile until checked by batch_add. */
static Pk__SealedMail *split_plain(struct str plain, struct str *ret_raw)
{
	if (plain.len < SEALED_LENGTH_SIZE)
		return NULL;
	size_t head_len = 0;
	for (int i = 0; i < SEALED_LENGTH_SIZE; i++)
		head_len |= (size_t)(unsigned char)plain.ptr[i] << (8 * i);
	struct str rest = str_from_byte(plain, SEALED_LENGTH_SIZE);
	if (head_len > rest.len)
		return NULL;
	*ret_raw = str_from_byte(rest, head_len);
	return (Pk__SealedMail *)link_unpack(&pk__sealed_mail__descriptor, str_slice(rest, 0, head_len),
	                                     REQUEST_PARTS_MAX);
}

static int merge_row(struct merge *merge, const struct row *row, struct errinfo *info)
{
	struct buf plain BUF_AUTO;
	buf_init(&plain, SEALED_PLAIN_MAX);
	int rc = unseal(merge, row, &plain, info);
	if (rc != 0)
		return rc;
	struct batch_item item = {.or_inbox = true, .delivery_id = row->delivery_id};
	Pk__SealedMail *head = split_plain(buf_str(&plain), &item.raw);
	if (head == NULL)
		return err_set(info, E_CORRUPT, "a sealed row that holds no message");
	if (head->version > SEALED_VERSION) {
		merge->mailbox_failed = merge->is_later = true;
		pk__sealed_mail__free_unpacked(head, NULL);
		return err_set(info, E_UNSUPPORTED, "mail that a later version has sealed");
	}
	item.folder = head->folder[0] == '\0' ? STR("INBOX") : str_from(head->folder);
	item.internal_date = head->internal_date;
	item.description = head->description;
	struct batch_result result;
	rc = batch_add(&merge->batch, &item, &result, info);
	merge->mailbox_failed = rc != 0 && rc != E_INVALID && rc != E_TOO_LARGE && rc != E_LIMIT;
	if (rc == 0 && !result.repeated) {
		merge->merged->last = result;
		merge->merged->count++;
	}
	pk__sealed_mail__free_unpacked(head, NULL);
	return rc;
}

/* Whether what failed in a temporary mailbox is there to stay: its bytes are wrong, or the system could
 * not read them several times. */
static bool is_damage(const struct merge *merge, int error)
{
	return error == E_CORRUPT ||
	       (error == E_IO && merge->mailbox->merge_failures >= MERGE_FAILURES_MAX);
}

static void log_row(const struct merge *merge, int64_t id, int error, const struct errinfo *info)
{
	log_error(store_log(merge->mailbox->store), "store.merge_failed",
	          F_TEXT("mailbox", merge->mailbox->id), F_INT("row", id), F_ERR(error),
	          F_TEXT("text", info->text));
}

/* ---------------------------------------------------------------- from a sound file */

/* Up to the first thing that is damaged; what comes before is good. */
static int merge_rows(struct merge *merge, struct errinfo *info)
{
	struct db_stmt *q = db_query(merge->mailbox->temporary, "SELECT id, delivery, data, file"
	                                                        " FROM sealed ORDER BY id LIMIT ?1");
	db_bind_int(q, 1, MERGE_MAX);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		int64_t id = db_int(q, 0);
		struct row row = {db_blob(q, 1), db_blob(q, 2)};
		uint64_t file = (uint64_t)db_int(q, 3);
		int error = merge_row(merge, &row, info);
		if (error == 0) {
			merge->done[merge->done_count++] = id;
			merge->file = file;
		}
		merge->damaged = error != 0 && !merge->mailbox_failed;
		if (merge->is_later) {
			log_row(merge, id, error, info);
			db_reset(q);
			return 0;
		}
		if (error != 0 || merge->batch.bytes > MERGE_BYTES) {
			db_reset(q);
			return merge->damaged ? 0 : error;
		}
	}
	merge->damaged = is_damage(merge, rc);
	return merge->damaged ? 0 : rc;
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
	mailbox_temporary_close(mailbox);
	return mailbox_remove_file(mailbox, PATH_TEMPORARY, info);
}

static int merge_step(struct merge *merge, bool *ret_more, struct errinfo *info)
{
	struct mailbox *mailbox = merge->mailbox;
	int rc = batch_begin(&merge->batch, mailbox, merge->packer, info);
	if (rc != 0)
		return rc;
	rc = merge_rows(merge, info);
	if (rc == 0 && merge->done_count > 0)
		rc = waits_taken(mailbox, merge->file, (uint64_t)merge->done[merge->done_count - 1], info);
	if (rc != 0) {
		batch_rollback(&merge->batch);
		return rc;
	}
	rc = batch_commit(&merge->batch, info);
	/* From here on the messages are in the mailbox for good. */
	if (rc == 0 && !merge->damaged) {
		rc = forget_rows(merge, info);
		merge->damaged = is_damage(merge, rc);
	}
	*ret_more = rc == 0 && !merge->is_later &&
	            (merge->done_count == MERGE_MAX || merge->batch.bytes > MERGE_BYTES);
	if (rc == 0 && !*ret_more && !merge->damaged) {
		rc = remove_when_empty(mailbox, info);
		merge->damaged = is_damage(merge, rc);
	}
	if (!merge->damaged)
		return rc;
	rc = aside_put(mailbox, info);
	*ret_more = rc == 0; /* the rest is read from where it is now */
	return rc;
}

/* ---------------------------------------------------------------- from a damaged file */

struct salvage {
	struct merge *merge;
	struct db *db;
	int64_t ids[GUESSES];
	size_t count;
	bool guessed; /* there need not be rows of these ids */
	bool end;     /* there are none behind them */
};

static int query_ids(struct salvage *salvage, struct db_stmt *q, struct errinfo *info)
{
	salvage->count = 0;
	db_bind_int(q, 1, salvage->merge->merged->after);
	db_bind_int(q, 2, MERGE_MAX);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW && salvage->count < MERGE_MAX)
		salvage->ids[salvage->count++] = db_int(q, 0);
	db_reset(q);
	salvage->merge->merged->io_failed |= rc == E_IO;
	salvage->end = rc == 0 && salvage->count < MERGE_MAX;
	return rc == DB_ROW ? 0 : rc;
}

static int64_t count_pages(struct db *db)
{
	struct errinfo ignored;
	struct db_stmt *q = db_query(db, "PRAGMA page_count");
	int64_t count = db_step(q, &ignored) == DB_ROW ? db_int(q, 0) : 0;
	db_reset(q);
	return count;
}

/* What ids come next: from the index that knows them all; else from the table, as far as it can be walked
 * from here; else every number, as far as there can be rows. */
static void next_ids(struct salvage *salvage, struct errinfo *info)
{
	int rc = query_ids(salvage,
	                   db_query(salvage->db, "SELECT id FROM sealed"
	                                         " INDEXED BY sqlite_autoindex_sealed_1 WHERE id>?1"
	                                         " ORDER BY id LIMIT ?2"),
	                   info);
	if (rc == 0)
		return;
	salvage->merge->merged->uncounted = true;
	rc = query_ids(salvage,
	               db_query(salvage->db, "SELECT id FROM sealed NOT INDEXED WHERE id>?1"
	                                     " ORDER BY id LIMIT ?2"),
	               info);
	if (rc == 0 || salvage->count > 0)
		return;
	int64_t after = salvage->merge->merged->after;
	salvage->guessed = true;
	while (salvage->count < GUESSES)
		salvage->ids[salvage->count++] = ++after;
	salvage->end = after >= count_pages(salvage->db) * ROWS_PER_PAGE;
}

static int salvage_row(struct salvage *salvage, int64_t id, struct errinfo *info)
{
	struct merge *merge = salvage->merge;
	struct merged *merged = merge->merged;
	struct db_stmt *q = db_query(salvage->db,
	                             "SELECT delivery, data, file FROM sealed WHERE id=?1");
	db_bind_int(q, 1, id);
	int rc = db_step(q, info);
	if (rc == 0 && salvage->guessed)
		return 0;
	if (rc == DB_ROW || !salvage->guessed)
		merged->rows = (uint64_t)id;
	if (rc == DB_ROW) {
		struct row row = {db_blob(q, 0), db_blob(q, 1)};
		merged->file = (uint64_t)db_int(q, 2);
		rc = merge_row(merge, &row, info);
		db_reset(q);
		if (rc != 0 && merge->mailbox_failed)
			return rc;
	} else if (rc == 0) {
		rc = err_set(info, E_CORRUPT, "a sealed row is missing");
	}
	merged->io_failed |= rc == E_IO;
	merged->read += rc == 0;
	merged->lost += rc != 0;
	/* A guess in a damaged place would say the same of every number. */
	if (rc != 0 && !salvage->guessed)
		log_row(merge, id, rc, info);
	return 0;
}

static int salvage_rows(struct salvage *salvage, struct errinfo *info)
{
	struct merge *merge = salvage->merge;
	int rc = 0;
	next_ids(salvage, info);
	for (size_t i = 0; i < salvage->count && rc == 0; i++) {
		rc = salvage_row(salvage, salvage->ids[i], info);
		if (rc == 0)
			merge->merged->after = salvage->ids[i];
		if (merge->batch.bytes > MERGE_BYTES || merge->batch.count >= BATCH_COUNT_MAX) {
			salvage->end = salvage->end && i + 1 == salvage->count;
			break;
		}
	}
	return rc;
}

/* E_CORRUPT: nothing in it can be read. */
static int open_damaged(struct mailbox *mailbox, unsigned number, struct db **ret,
                        struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	aside_path(mailbox, ASIDE_DAMAGED, number, &path);
	struct data_key key DATA_KEY_AUTO = {0};
	store_temporary_key(mailbox->store, str_from(mailbox->id), &key.key);
	int rc = db_open(ret, path.ptr, &key, DB_EXCLUSIVE, info);
	return rc == E_DENIED && db_key_fits(path.ptr, &key) ? E_CORRUPT : rc;
}

/* The same name gives the same id, should this be cut short and come again. */
static void notice_id(const struct mailbox *mailbox, struct str name,
                      unsigned char ret[SHA256_SIZE])
{
	struct buf text BUF_AUTO;
	buf_init(&text, 1000);
	buf_addf(&text, "%s damaged mail ", mailbox->id);
	buf_add_str(&text, name);
	sha256(buf_str(&text), ret);
}

/* The number of the temporary mailbox that new mail goes into; 0 where there is none, or it cannot be read. */
static uint64_t present_file(struct mailbox *mailbox)
{
	struct errinfo ignored;
	uint64_t file = 0, rows;
	if (mailbox_temporary_open(mailbox, false, &ignored) != 0 ||
	    waits_read(mailbox->temporary, &file, &rows, &ignored) != 0)
		return 0;
	return file;
}

/* Counts what was acknowledged and is not among the rows. A file in which none can be read is whichever of
 * those that are missing. */
static int count_missing(struct merge *merge, struct errinfo *info)
{
	struct merged *merged = merge->merged;
	uint64_t missing;
	merge->file = merged->file != 0 ? 0 : present_file(merge->mailbox);
	int rc = merged->file != 0
	             ? waits_missing(merge->mailbox, merged->file, merged->rows, &missing, info)
	             : waits_missing_but(merge->mailbox, merge->file, &missing, info);
	if (rc == 0)
		merged->lost += missing;
	return rc;
}

static int write_damage(struct merge *merge, const struct notice_damage *damage,
                        struct batch_result *result, struct errinfo *info)
{
	struct mailbox *mailbox = merge->mailbox;
	uint64_t file = merge->merged->file;
	int rc = notice_add_damage(&merge->batch, damage, result, info);
	if (rc != 0)
		return rc;
	return file != 0 ? waits_told(mailbox, file, info) : waits_told_but(mailbox, merge->file, info);
}

/* Everything that can be read is in the mailbox; the owner and the operator are told. */
static int finish_salvage(struct merge *merge, struct errinfo *info)
{
	struct mailbox *mailbox = merge->mailbox;
	struct merged *merged = merge->merged;
	struct buf name BUF_AUTO;
	buf_init(&name, 1000);
	aside_name(mailbox, ASIDE_SALVAGED, merged->aside, &name);
	unsigned char id[SHA256_SIZE];
	notice_id(mailbox, buf_str(&name), id);
	int rc = count_missing(merge, info);
	if (rc != 0)
		return rc;
	struct notice_damage damage = {
		.read = merged->read,
		.lost = merged->lost,
		.uncounted = merged->uncounted,
		.kept = buf_str(&name),
		.id = STR_OF(id, DELIVERY_ID_SIZE),
	};
	rc = batch_begin(&merge->batch, mailbox, merge->packer, info);
	if (rc != 0)
		return rc;
	struct batch_result result;
	rc = write_damage(merge, &damage, &result, info);
	if (rc != 0) {
		batch_rollback(&merge->batch);
		return rc;
	}
	if (!result.repeated)
		merged->last = result;
	rc = batch_commit(&merge->batch, info);
	if (rc == 0)
		rc = aside_finish(mailbox, merged->aside, info);
	if (rc != 0)
		return rc;
	mailbox->waits_lost += merged->lost + (merged->uncounted && merged->lost == 0);
	log_error(store_log(mailbox->store), "store.temporary_salvaged", F_TEXT("mailbox", mailbox->id),
	          F_STR("kept", buf_str(&name)), F_INT("read", merged->read),
	          F_INT("lost", merged->lost), F_TEXT("complete", merged->uncounted ? "no" : "yes"));
	return 0;
}

static int salvage_step(struct merge *merge, bool *ret_more, struct errinfo *info)
{
	struct salvage *salvage MEM_AUTO = mem_new(sizeof(*salvage));
	struct merged *merged = merge->merged;
	salvage->merge = merge;
	int rc = open_damaged(merge->mailbox, merged->aside, &salvage->db, info);
	if (is_damage(merge, rc)) {
		merged->uncounted = true;
		return finish_salvage(merge, info);
	}
	if (rc != 0)
		return rc;
	rc = batch_begin(&merge->batch, merge->mailbox, merge->packer, info);
	if (rc == 0) {
		rc = salvage_rows(salvage, info);
		if (rc == 0)
			rc = batch_commit(&merge->batch, info);
		else
			batch_rollback(&merge->batch);
	}
	db_close_as_found(salvage->db);
	if (rc != 0)
		return rc;
	*ret_more = !salvage->end;
	if (*ret_more)
		return 0;
	if (merged->io_failed && !is_damage(merge, E_IO))
		return err_set(info, E_IO, "a temporary mailbox cannot be read at the moment");
	return finish_salvage(merge, info);
}

/* ---------------------------------------------------------------- both */

/* One that has less than was acknowledged counts as damaged. */
static int look_for_less(struct merge *merge, bool *ret_damaged, struct errinfo *info)
{
	struct mailbox *mailbox = merge->mailbox;
	uint64_t file, rows, missing;
	if (mailbox->waits.count == 0)
		return 0;
	int rc = waits_read(mailbox->temporary, &file, &rows, info);
	*ret_damaged = is_damage(merge, rc);
	if (rc != 0)
		return rc;
	rc = file != 0 ? waits_missing(mailbox, file, rows, &missing, info)
	               : waits_missing_but(mailbox, 0, &missing, info);
	*ret_damaged = rc == 0 && missing > 0;
	return rc;
}

static int next_source(struct merge *merge, bool *ret_more, struct errinfo *info)
{
	struct mailbox *mailbox = merge->mailbox;
	struct merged *merged = merge->merged;
	unsigned aside;
	int rc = aside_waiting(mailbox, &aside, info);
	if (rc != 0)
		return rc;
	if (aside != merged->aside) {
		merged->aside = aside;
		merged->after = 0;
		merged->file = merged->rows = 0;
		merged->read = merged->lost = 0;
		merged->uncounted = merged->io_failed = false;
	}
	if (aside != 0) {
		bool rows_left = false;
		rc = load_keypairs(mailbox->db, &merge->keypairs, info);
		if (rc == 0)
			rc = salvage_step(merge, &rows_left, info);
		*ret_more = rc == 0; /* after this file there may be another, or the present one */
		return rc;
	}
	rc = mailbox_temporary_open(mailbox, false, info);
	if (rc == E_NOT_FOUND)
		return 0;
	bool damaged = is_damage(merge, rc);
	if (rc == 0)
		rc = look_for_less(merge, &damaged, info);
	if (damaged) {
		rc = aside_put(mailbox, info);
		*ret_more = rc == 0;
		return rc;
	}
	if (rc == 0)
		rc = load_keypairs(mailbox->db, &merge->keypairs, info);
	return rc == 0 ? merge_step(merge, ret_more, info) : rc;
}

/* Mail that waits is safe where it is; what is left of the volume is for what makes room. */
static void put_off(struct mailbox *mailbox)
{
	if (mailbox->merge_retry_ms == 0)
		log_warn(store_log(mailbox->store), "store.merge_put_off", F_TEXT("mailbox", mailbox->id));
	mailbox->merge_retry_ms = clock_monotonic_ms() + store_merge_retry_ms(mailbox->store);
}

int temporary_merge(struct mailbox *mailbox, struct packer *packer, struct merged *merged,
                    bool *ret_more, struct errinfo *info)
{
	*ret_more = false;
	if (!temporary_has_room(mailbox, MERGE_BYTES)) {
		put_off(mailbox);
		return 0;
	}
	struct merge *merge __attribute__((cleanup(merge_free))) = mem_new(sizeof(*merge));
	merge->mailbox = mailbox;
	merge->packer = packer;
	merge->merged = merged;
	int rc = next_source(merge, ret_more, info);
	if (rc == 0 && !*ret_more && mailbox->waits.count > 0)
		rc = waits_settle(mailbox, packer, &merged->last, info);
	if (rc != 0 && rc != E_NO_SPACE)
		mailbox->merge_failures++;
	else if (rc == 0 && !*ret_more)
		mailbox->merge_failures = 0;
	mailbox->merge_retry_ms = rc == 0 ? 0
	                                  : clock_monotonic_ms() + store_merge_retry_ms(mailbox->store);
	return rc;
}
