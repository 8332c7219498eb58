#include "store/temporary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/mem.h"
#include "crypto/seal.h"
#include "net/link.h"
#include "sealed.pb-c.h"
#include "store/aside.h"
#include "store/check.h"
#include "store/server.h"

enum {
	SEALING_KEPT_MS = 5000,
	SEALING_MESSAGES = 1000,
};

/* ---------------------------------------------------------------- sealing */

struct str temporary_context(const struct mailbox *mailbox, struct str delivery_id,
                             char ret[SEALED_CONTEXT_SIZE])
{
	for (size_t i = 0; i < MAILBOX_ID_SIZE; i++)
		ret[i] = mailbox->id[i];
	for (size_t i = 0; i < DELIVERY_ID_SIZE; i++)
		ret[MAILBOX_ID_SIZE + i] = delivery_id.ptr[i];
	return STR_OF(ret, SEALED_CONTEXT_SIZE);
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

/* See proto/sealed.proto. */
static int seal_item(struct mailbox *mailbox, struct packer *packer, const struct sealed_item *item,
                     struct buf *out, struct errinfo *info)
{
	Pk__SealedMail head = PK__SEALED_MAIL__INIT;
	char *folder MEM_AUTO = str_dup(item->folder);
	head.version = SEALED_VERSION;
	head.folder = folder;
	head.internal_date = item->internal_date;
	union {
		const Pk__Description *in;
		Pk__Description *out;
	} description = {.in = item->description}; /* packing only reads it */
	head.description = description.out;
	struct buf plain BUF_AUTO, packed BUF_AUTO;
	buf_init(&plain, SEALED_PLAIN_MAX);
	buf_init(&packed, 2 * SEALED_PLAIN_MAX);
	buf_add(&plain, "\0\0\0\0", SEALED_LENGTH_SIZE);
	link_pack(&plain, &head.base);
	size_t head_len = plain.len - SEALED_LENGTH_SIZE;
	buf_add_str(&plain, item->raw);
	if (plain.failed)
		return err_set(info, E_TOO_LARGE, "message and description are too large");
	for (int i = 0; i < SEALED_LENGTH_SIZE; i++)
		plain.ptr[i] = (char)(head_len >> (8 * i) & 0xff);
	if (!pack(packer, PACK_FAST, buf_str(&plain), &packed))
		return err_set(info, E_TOO_LARGE, "message and description are too large");
	struct seal_sender sender __attribute__((cleanup(seal_sender_wipe)));
	char context[SEALED_CONTEXT_SIZE];
	int rc = sealing_sender(mailbox, item->public_key, &sender);
	if (rc == 0)
		rc = seal_with(&sender, temporary_context(mailbox, item->delivery_id, context),
		               buf_str(&packed), out);
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

static int begin(struct mailbox *mailbox, struct errinfo *info)
{
	if (!mailbox_temporary_ready(mailbox)) {
		bool there;
		int rc = mailbox_file_there(mailbox, PATH_MAIN, &there, info);
		if (rc == 0 && !there)
			return err_set(info, E_IO, "the mailbox file is not there");
		if (rc == 0)
			rc = mailbox_temporary_open(mailbox, true, info);
		if (rc == 0)
			rc = sum_sizes(mailbox, info);
		if (rc == 0)
			rc = waits_opened(mailbox, info);
		if (rc != 0)
			return rc;
	}
	return db_begin(mailbox->temporary, info);
}

int temporary_begin(struct mailbox *mailbox, struct errinfo *info)
{
	int rc = begin(mailbox, info);
	if (rc != E_CORRUPT)
		return rc;
	rc = aside_put(mailbox, info);
	return rc == 0 ? begin(mailbox, info) : rc;
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
	buf_init(&sealed, 2 * SEALED_PLAIN_MAX + SEAL_OVERHEAD);
	rc = seal_item(mailbox, packer, item, &sealed, info);
	if (rc != 0)
		return rc;
	char now[ISO8601_SIZE];
	iso8601_format(clock_realtime_us(), now);
	struct db_stmt *q = db_query(mailbox->temporary,
	                             "INSERT INTO sealed (delivery, size, created, file, data)"
	                             " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING");
	db_bind_blob(q, 1, item->delivery_id);
	db_bind_int(q, 2, (int64_t)item->raw.len);
	db_bind_text(q, 3, str_from(now));
	db_bind_int(q, 4, (int64_t)mailbox->waiting.file);
	db_bind_blob(q, 5, buf_str(&sealed));
	rc = db_run(q, info);
	*ret_broken = rc != 0;
	mailbox->temporary_bytes += item->raw.len;
	return rc;
}

int temporary_commit(struct mailbox *mailbox, struct errinfo *info)
{
	int rc = db_commit(mailbox->temporary, info);
	if (rc == 0 && !db_in_place(mailbox->temporary))
		rc = err_set(info, E_IO, "the temporary mailbox was replaced meanwhile");
	if (rc != 0) {
		db_rollback(mailbox->temporary);
		return rc;
	}
	waits_added(mailbox);
	if (db_wal_bytes(mailbox->temporary) > mailbox_wal_max(mailbox))
		mailbox->needs_care = true;
	return 0;
}

/* ---------------------------------------------------------------- room to take it over */

bool temporary_has_room(const struct mailbox *mailbox, uint64_t most)
{
	static const char *const endings[] = {"", "-wal"};
	struct stat status;
	uint64_t bytes = 0;
	if (space_plenty(store_space(mailbox->store), 2 * most))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		struct buf path BUF_AUTO;
		buf_init(&path, PATH_MAX);
		mailbox_path(mailbox, PATH_TEMPORARY, &path);
		path.len--;
		buf_add(&path, endings[i], strlen(endings[i]) + 1);
		must(!path.failed);
		bytes += stat(path.ptr, &status) == 0 ? (uint64_t)status.st_size : 0;
	}
	if (bytes == 0)
		return true;
	return space_has_room(store_space(mailbox->store), 2 * (bytes < most ? bytes : most), 4);
}
