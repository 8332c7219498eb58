#include "directory/internal.h"

/*
 * How much mail waits sealed, as a store has told: a row for each temporary mailbox of which not everything is
 * accounted for. It may say less than was acknowledged, but never more: a file that has less than its row has
 * lost mail. When the owner's mailbox is opened the store compares, tells the owner, and that the file is over.
 *
 * A file to which mail is added after a loss would soon have as much as its row again. So what is told says
 * how far the file was when it was opened, too; what is missing there is remembered here.
 */

struct known {
	bool there;
	int64_t acknowledged, opened, lost;
};

static int find(struct directory *d, const Pk__WaitingState *state, struct known *ret,
                struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT acknowledged, opened, lost FROM waiting_state"
	                                    " WHERE mailbox = $1 AND file = $2");
	db_bind_text(q, 1, field_text(state->mailbox));
	db_bind_int(q, 2, (int64_t)state->file);
	int rc = db_step(q, info);
	*ret = (struct known){.there = rc == DB_ROW};
	if (rc != DB_ROW)
		return rc;
	ret->acknowledged = db_int(q, 0);
	ret->opened = db_int(q, 1);
	ret->lost = db_int(q, 2);
	db_reset(q);
	return 0;
}

static int insert(struct directory *d, const Pk__WaitingState *state, const char *now,
                  struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO waiting_state (mailbox, file, acknowledged, opened, lost, updated)"
			   " SELECT id, CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), 0, $4"
			   " FROM mailbox WHERE id = $5");
	db_bind_int(q, 1, (int64_t)state->file);
	db_bind_int(q, 2, (int64_t)state->rows);
	db_bind_int(q, 3, (int64_t)state->opened);
	db_bind_text(q, 4, str_from(now));
	db_bind_text(q, 5, field_text(state->mailbox));
	return db_run(q, info);
}

static int update(struct directory *d, const Pk__WaitingState *state, const struct known *known,
                  uint64_t lost, const char *now, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "UPDATE waiting_state SET acknowledged = $1, opened = $2, lost = $3, updated = $4"
			   " WHERE mailbox = $5 AND file = $6 AND acknowledged = $7 AND opened = $8");
	db_bind_int(q, 1, (int64_t)state->rows);
	db_bind_int(q, 2, (int64_t)state->opened);
	db_bind_int(q, 3, known->lost + (int64_t)lost);
	db_bind_text(q, 4, str_from(now));
	db_bind_text(q, 5, field_text(state->mailbox));
	db_bind_int(q, 6, (int64_t)state->file);
	db_bind_int(q, 7, known->acknowledged);
	db_bind_int(q, 8, known->opened);
	return db_run(q, info);
}

static int forget(struct directory *d, const Pk__WaitingState *state, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db,
	                             "DELETE FROM waiting_state WHERE mailbox = $1 AND file = $2");
	db_bind_text(q, 1, field_text(state->mailbox));
	db_bind_int(q, 2, (int64_t)state->file);
	return db_run(q, info);
}

int directory_waiting_put(struct directory *d, const Pk__WaitingState *state, uint64_t *ret_lost,
                          struct errinfo *info)
{
	char now[DATE_SIZE];
	struct known known;
	*ret_lost = 0;
	if (state->file > INT64_MAX || state->rows > INT64_MAX || state->opened > INT64_MAX)
		return err_set(info, E_INVALID, "not what a store tells of mail that waits");
	if (state->over)
		return forget(d, state, info);
	int rc = find(d, state, &known, info);
	if (rc != 0)
		return rc;
	directory_now(now);
	if (!known.there)
		return insert(d, state, now, info);
	/* What comes late says nothing: it was true once. */
	int64_t opened = (int64_t)state->opened, rows = (int64_t)state->rows;
	if (opened < known.opened || (opened == known.opened && rows <= known.acknowledged))
		return 0;
	if (opened > known.opened && (int64_t)state->since < known.acknowledged)
		*ret_lost = (uint64_t)known.acknowledged - state->since;
	return update(d, state, &known, *ret_lost, now, info);
}

int directory_waiting_get(struct directory *d, const char *mailbox, struct waiting_states *ret,
                          struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT file, acknowledged, lost FROM waiting_state"
	                                    " WHERE mailbox = $1 ORDER BY updated, file");
	int rc;
	db_bind_text(q, 1, field_text(mailbox));
	ret->count = 0;
	while ((rc = db_step(q, info)) == DB_ROW && ret->count < WAITING_MAX) {
		Pk__WaitingState *row = &ret->rows[ret->count];
		pk__waiting_state__init(row);
		row->file = (uint64_t)db_int(q, 0);
		row->rows = (uint64_t)db_int(q, 1);
		row->lost = (uint64_t)db_int(q, 2);
		ret->pointers[ret->count++] = row;
	}
	if (rc == DB_ROW)
		db_reset(q);
	return rc < 0 ? rc : 0;
}

int directory_waiting_discard(struct directory *d, const char *mailbox, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "DELETE FROM waiting_state WHERE mailbox = $1");
	db_bind_text(q, 1, str_from(mailbox));
	return db_run(q, info);
}
