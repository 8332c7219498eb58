#include "directory/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum {
	USES_MAX = 10000,         /* remembered before they are written ahead of time */
	USES_DELAY_MS = 60 * 1000 /* until they are written */
};

/* A slot that was used and whose row does not say so yet. */
struct use {
	char mailbox[MAILBOX_ID_SIZE + 1];
	int64_t number;
	char when[DATE_SIZE];
};

static const struct {
	const char *name;
	enum scope scope;
} scopes[] = {
	{"imap", SCOPE_IMAP}, {"pop3", SCOPE_POP3}, {"smtp", SCOPE_SMTP},
	{"dav", SCOPE_DAV},   {"cli", SCOPE_CLI},
};

unsigned scope_parse(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (str_eq(word, str_from(scopes[i].name)))
			return scopes[i].scope;
	return 0;
}

size_t scope_names(unsigned set, const char *ret[5])
{
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if ((set & scopes[i].scope) != 0)
			ret[count++] = scopes[i].name;
	return count;
}

static bool read_slot(struct db_stmt *q, struct slot_row *ret)
{
	struct {
		struct str from;
		void *to;
		size_t size;
	} blobs[] = {
		{db_blob(q, 3), ret->slot.stored_key, sizeof(ret->slot.stored_key)},
		{db_blob(q, 4), ret->slot.server_key, sizeof(ret->slot.server_key)},
		{db_blob(q, 5), ret->slot.by_scram, sizeof(ret->slot.by_scram)},
		{db_blob(q, 6), ret->slot.by_plain, sizeof(ret->slot.by_plain)},
	};
	ret->number = db_int(q, 0);
	ret->kind = db_int(q, 1);
	ret->scopes = (unsigned)db_int(q, 2);
	for (size_t i = 0; i < ARRAY_LEN(blobs); i++) {
		if (blobs[i].from.len != blobs[i].size)
			return false;
		memcpy(blobs[i].to, blobs[i].from.ptr, blobs[i].size);
	}
	return true;
}

int slots_load(struct directory *d, const char *mailbox, struct slot_row *rows, size_t *ret_count,
               struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "SELECT number, kind, scopes, stored_key, server_key, by_scram, by_plain FROM slot"
			   " WHERE mailbox = $1 ORDER BY number");
	db_bind_text(q, 1, str_from(mailbox));
	size_t count = 0;
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (count == SLOTS_MAX || !read_slot(q, &rows[count])) {
			db_reset(q);
			return err_set(info, E_CORRUPT, "the directory has a damaged entry");
		}
		count++;
	}
	*ret_count = count;
	return rc;
}

const struct slot_row *slots_open(const struct slot_row *rows, size_t count,
                                  const struct mailbox *mailbox, struct str password,
                                  struct key32 *ret_secret)
{
	struct key32 key KEY32_AUTO;
	slot_plain_key(str_from(mailbox->id), &mailbox->salt, password, &key);
	for (size_t i = 0; i < count; i++)
		if (slot_open_plain(&rows[i].slot, str_from(mailbox->id), &key, ret_secret))
			return &rows[i];
	return NULL;
}

int slots_delete_replaced(struct directory *d, const char *mailbox, int64_t number,
                          struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db,
	                             "SELECT number FROM slot WHERE mailbox = $1 AND replaced_by = $2");
	db_bind_text(q, 1, str_from(mailbox));
	db_bind_int(q, 2, number);
	size_t found = 0;
	int rc;
	for (; (rc = db_step(q, info)) == DB_ROW; found++)
		directory_revoked(d, mailbox, db_int(q, 0));
	if (rc != 0 || found == 0)
		return rc;
	q = db_query(d->db, "DELETE FROM slot WHERE mailbox = $1 AND replaced_by = $2");
	db_bind_text(q, 1, str_from(mailbox));
	db_bind_int(q, 2, number);
	return db_run(q, info);
}

/* ---------------------------------------------------------------- use, written later */

void slots_used(struct directory *d, const char *mailbox, int64_t number)
{
	struct buf key BUF_AUTO;
	buf_init(&key, MAILBOX_ID_SIZE + 24);
	buf_addf(&key, "%s %lld", mailbox, (long long)number);
	struct use *use = map_get(d->uses, buf_str(&key));
	if (use == NULL) {
		if (map_count(d->uses) >= USES_MAX)
			slots_flush(d, true);
		if (map_count(d->uses) == 0)
			timer_start(d->use_timer, USES_DELAY_MS);
		use = mem_new(sizeof(*use));
		memcpy(use->mailbox, mailbox, strlen(mailbox) + 1);
		use->number = number;
		(void)map_put(d->uses, buf_str(&key), use);
	}
	directory_now(use->when);
}

static int write_use(struct directory *d, const struct use *use, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "UPDATE slot SET last_used = $1 WHERE mailbox = $2 AND number = $3");
	db_bind_text(q, 1, str_from(use->when));
	db_bind_text(q, 2, str_from(use->mailbox));
	db_bind_int(q, 3, use->number);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	/* Its owner has it, so what it replaces is not needed any more. */
	return slots_delete_replaced(d, use->mailbox, use->number, info);
}

static int write_uses(struct directory *d, struct errinfo *info)
{
	size_t position = 0;
	struct str key;
	void *value;
	/* Nobody was told about any of this: losing the last minute of it to a power cut is fine. */
	db_set_sync_full(d->db, false);
	int rc = db_begin(d->db, info);
	while (rc == 0 && map_next(d->uses, &position, &key, &value))
		rc = write_use(d, value, info);
	rc = directory_end(d, rc, info);
	db_set_sync_full(d->db, true);
	return rc;
}

static void forget_uses(struct directory *d)
{
	size_t position = 0;
	struct str key;
	void *value;
	while (map_next(d->uses, &position, &key, &value)) {
		(void)map_remove(d->uses, key);
		free(value);
	}
}

void slots_flush(struct directory *d, bool last)
{
	struct errinfo info = {0};
	timer_stop(d->use_timer);
	if (map_count(d->uses) == 0)
		return;
	int rc = write_uses(d, &info);
	for (unsigned i = 0; rc == E_NO_SPACE && i < SPACE_REPEATS_MAX && directory_space_give(d, i);
	     i++)
		rc = write_uses(d, &info);
	if (rc == E_NO_SPACE && !last) {
		log_warn(d->log, "directory.last_used_late", F_ERR(rc), F_TEXT("reason", info.text));
		timer_start(d->use_timer, USES_DELAY_MS);
		return;
	}
	if (rc != 0)
		log_warn(d->log, "directory.last_used_lost", F_ERR(rc), F_TEXT("reason", info.text));
	forget_uses(d);
}
