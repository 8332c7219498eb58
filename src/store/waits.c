#include "store/waits.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "store/batch.h"
#include "store/notice.h"
#include "store/server.h"

enum { TAKEN_KEPT = 4 * WAITS_MAX }; /* files that are accounted for; those before are forgotten */

void wait_marks_put(struct wait_marks *marks, const struct wait_mark *mark)
{
	size_t at = 0;
	while (at < marks->count && marks->items[at].file != mark->file)
		at++;
	if (at == WAITS_MAX)
		return;
	marks->items[at] = *mark;
	if (at == marks->count)
		marks->count++;
}

/* ---------------------------------------------------------------- the temporary mailbox */

int waits_read(struct db *temporary, uint64_t *ret_file, uint64_t *ret_rows, struct errinfo *info)
{
	struct db_stmt *q = db_query(temporary, "SELECT id, file FROM sealed ORDER BY id DESC LIMIT 1");
	int rc = db_step(q, info);
	*ret_file = *ret_rows = 0;
	if (rc != DB_ROW)
		return rc;
	*ret_rows = (uint64_t)db_int(q, 0);
	*ret_file = (uint64_t)db_int(q, 1);
	db_reset(q);
	return 0;
}

int waits_opened(struct mailbox *mailbox, struct errinfo *info)
{
	struct wait_mark *mark = &mailbox->waiting;
	*mark = (struct wait_mark){.opened = (uint64_t)clock_realtime_us()};
	int rc = waits_read(mailbox->temporary, &mark->file, &mark->rows, info);
	mark->since = mark->rows;
	if (mark->file == 0) {
		random_bytes(&mark->file, sizeof(mark->file));
		mark->file = mark->file >> 1 | 1; /* a positive number in SQL */
	}
	return rc;
}

void waits_added(struct mailbox *mailbox)
{
	struct errinfo unused;
	uint64_t file, rows;
	/* What cannot be read now is told with the next message. */
	if (waits_read(mailbox->temporary, &file, &rows, &unused) != 0 || rows == 0)
		return;
	mailbox->waiting.rows = rows;
	wait_marks_put(&mailbox->waits_untold, &mailbox->waiting);
}

/* ---------------------------------------------------------------- the mailbox */

/* What is missing of one file when it has so many rows. */
static int add_missing(struct mailbox *mailbox, const struct wait_mark *known, uint64_t rows,
                       uint64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(mailbox->db, "SELECT rows, lost FROM taken WHERE file=?1");
	db_bind_int(q, 1, (int64_t)known->file);
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	uint64_t taken = rc == DB_ROW ? (uint64_t)db_int(q, 0) : 0;
	uint64_t told = rc == DB_ROW ? (uint64_t)db_int(q, 1) : 0;
	db_reset(q);
	if (taken < rows)
		taken = rows;
	*ret += known->rows > taken ? known->rows - taken : 0;
	*ret += known->lost > told ? known->lost - told : 0;
	return 0;
}

int waits_missing(struct mailbox *mailbox, uint64_t file, uint64_t rows, uint64_t *ret,
                  struct errinfo *info)
{
	int rc = 0;
	*ret = 0;
	for (size_t i = 0; i < mailbox->waits.count && rc == 0; i++)
		if (mailbox->waits.items[i].file == file)
			rc = add_missing(mailbox, &mailbox->waits.items[i], rows, ret, info);
	return rc;
}

int waits_missing_but(struct mailbox *mailbox, uint64_t but, uint64_t *ret, struct errinfo *info)
{
	int rc = 0;
	*ret = 0;
	for (size_t i = 0; i < mailbox->waits.count && rc == 0; i++)
		if (mailbox->waits.items[i].file != but)
			rc = add_missing(mailbox, &mailbox->waits.items[i], 0, ret, info);
	return rc;
}

static int put_taken(struct mailbox *mailbox, const struct wait_mark *mark, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		mailbox->db, "INSERT INTO taken (file, rows, lost) VALUES (?1, ?2, ?3)"
					 " ON CONFLICT (file) DO UPDATE SET rows = max(rows, excluded.rows),"
					 " lost = max(lost, excluded.lost)");
	db_bind_int(q, 1, (int64_t)mark->file);
	db_bind_int(q, 2, (int64_t)mark->rows);
	db_bind_int(q, 3, (int64_t)mark->lost);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(mailbox->db, "DELETE FROM taken WHERE number <="
	                          " (SELECT max(number) FROM taken) - ?1");
	db_bind_int(q, 1, TAKEN_KEPT);
	return db_run(q, info);
}

int waits_taken(struct mailbox *mailbox, uint64_t file, uint64_t rows, struct errinfo *info)
{
	const struct wait_mark mark = {.file = file, .rows = rows};
	return file == 0 || rows == 0 ? 0 : put_taken(mailbox, &mark, info);
}

int waits_told(struct mailbox *mailbox, uint64_t file, struct errinfo *info)
{
	int rc = 0;
	for (size_t i = 0; i < mailbox->waits.count && rc == 0; i++)
		if (mailbox->waits.items[i].file == file)
			rc = put_taken(mailbox, &mailbox->waits.items[i], info);
	return rc;
}

int waits_told_but(struct mailbox *mailbox, uint64_t but, struct errinfo *info)
{
	int rc = 0;
	for (size_t i = 0; i < mailbox->waits.count && rc == 0; i++)
		if (mailbox->waits.items[i].file != but)
			rc = put_taken(mailbox, &mailbox->waits.items[i], info);
	return rc;
}

/* ---------------------------------------------------------------- telling */

/* The same loss is told once, should this be cut short. */
static void notice_id(const struct mailbox *mailbox, unsigned char ret[SHA256_SIZE])
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2000);
	buf_addf(&text, "%s missing mail", mailbox->id);
	for (size_t i = 0; i < mailbox->waits.count; i++)
		buf_addf(&text, " %llu %llu", (unsigned long long)mailbox->waits.items[i].file,
		         (unsigned long long)mailbox->waits.items[i].rows);
	sha256(buf_str(&text), ret);
}

static int write_missing(struct batch *batch, uint64_t missing, struct batch_result *result,
                         struct errinfo *info)
{
	unsigned char id[SHA256_SIZE];
	notice_id(batch->mailbox, id);
	int rc = notice_add_missing(batch, missing, STR_OF(id, DELIVERY_ID_SIZE), result, info);
	return rc == 0 ? waits_told_but(batch->mailbox, 0, info) : rc;
}

static int tell_missing(struct mailbox *mailbox, struct packer *packer, uint64_t missing,
                        struct batch_result *ret, struct errinfo *info)
{
	struct batch batch;
	struct batch_result result;
	int rc = batch_begin(&batch, mailbox, packer, info);
	if (rc != 0)
		return rc;
	rc = write_missing(&batch, missing, &result, info);
	if (rc == 0)
		rc = batch_commit(&batch, info);
	else
		batch_rollback(&batch);
	if (rc != 0)
		return rc;
	if (!result.repeated)
		*ret = result;
	log_error(store_log(mailbox->store), "store.waiting_missing", F_TEXT("mailbox", mailbox->id),
	          F_INT("messages", missing), F_TEXT("owner", "told"));
	mailbox->waits_lost += missing;
	return 0;
}

int waits_settle(struct mailbox *mailbox, struct packer *packer, struct batch_result *result,
                 struct errinfo *info)
{
	uint64_t missing;
	int rc = waits_missing_but(mailbox, 0, &missing, info);
	/* Files on a volume that is not mounted are not missing. */
	if (rc == 0 && missing > 0)
		rc = mailbox_volume_check(mailbox, PATH_TEMPORARY, info);
	if (rc == 0 && missing > 0)
		rc = tell_missing(mailbox, packer, missing, result, info);
	for (size_t i = 0; i < mailbox->waits.count && rc == 0; i++) {
		struct wait_mark over = {.file = mailbox->waits.items[i].file, .over = true};
		wait_marks_put(&mailbox->waits_untold, &over);
	}
	if (rc == 0)
		mailbox->waits.count = 0;
	return rc;
}
