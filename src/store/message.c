#include "store/message.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/digest.h"
#include "net/link.h"
#include "store/check.h"

enum {
	THREAD_REFERENCES_MAX = 20, /* the last ones; the beginning of a long chain was seen before */
	REFERENCE_MAX = 1000,
	DESCRIPTION_FIELD_MAX = 16 * 1024 * 1024, /* of rendered and of search fields */
	ID_BLOCK = 256,
};
#define ID_MAX (INT64_MAX >> PIECE_BITS)

/* ---------------------------------------------------------------- counters */

/* A block is taken off the counter at once, so that most transactions leave it alone. */
int mailbox_reserve_ids(struct mailbox *mailbox, int64_t count, struct errinfo *info)
{
	if (mailbox->id_limit - mailbox->id_next >= count)
		return 0;
	struct db_stmt *q = db_query(mailbox->db, "SELECT id_next FROM meta WHERE id=1");
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_CORRUPT, "the mailbox has no meta row");
	if (rc < 0)
		return rc;
	int64_t next = db_int(q, 0), block = count > ID_BLOCK ? count : ID_BLOCK;
	db_reset(q);
	if (next <= 0 || next > ID_MAX - block)
		return err_set(info, E_CORRUPT, "the mailbox has no number left for a message");
	q = db_query(mailbox->db, "UPDATE meta SET id_next=?1 WHERE id=1");
	db_bind_int(q, 1, next + block);
	rc = db_run(q, info);
	if (rc != 0)
		return rc;
	mailbox->id_next = next;
	mailbox->id_limit = next + block;
	return 0;
}

int64_t mailbox_take_id(struct mailbox *mailbox)
{
	must(mailbox->id_next < mailbox->id_limit);
	return mailbox->id_next++;
}

/* ---------------------------------------------------------------- threads */

/* Message-IDs are kept as numbers: 64 bits of their digest, so a row costs a dozen bytes. */
static int64_t reference_number(struct str id)
{
	unsigned char digest[SHA256_SIZE];
	sha256(id, digest);
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | digest[i];
	return (int64_t)number;
}

static int thread_of(struct db *db, int64_t reference, int64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT thread FROM thread WHERE reference=?1");
	db_bind_int(q, 1, reference);
	int rc = db_step(q, info);
	if (rc != DB_ROW)
		return rc == 0 ? E_NOT_FOUND : rc;
	*ret = db_int(q, 0);
	db_reset(q);
	return 0;
}

static int thread_remember(struct db *db, int64_t reference, int64_t thread, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		db, "INSERT OR IGNORE INTO thread (reference, thread) VALUES (?1, ?2)");
	db_bind_int(q, 1, reference);
	db_bind_int(q, 2, thread);
	return db_run(q, info);
}

/* The closest relative first: itself (an answer may have come before), parent, older ones. */
static size_t references_of(const Pk__Description *description, int64_t *ret)
{
	size_t count = 0;
	struct str id = str_from(description->message_id);
	struct str parent = str_from(description->in_reply_to);
	if (id.len > 0 && id.len <= REFERENCE_MAX)
		ret[count++] = reference_number(id);
	if (parent.len > 0 && parent.len <= REFERENCE_MAX)
		ret[count++] = reference_number(parent);
	for (size_t i = description->n_references; i > 0 && count < THREAD_REFERENCES_MAX; i--) {
		struct str reference = str_from(description->references[i - 1]);
		if (reference.len > 0 && reference.len <= REFERENCE_MAX)
			ret[count++] = reference_number(reference);
	}
	return count;
}

/* A thread once given is never changed (RFC 8474 section 5.2), so that two threads which turn out
 * to be one stay two. */
int thread_assign(struct db *db, int64_t message, const Pk__Description *description,
                  int64_t *ret_thread, struct errinfo *info)
{
	int64_t references[THREAD_REFERENCES_MAX];
	size_t count = references_of(description, references);
	*ret_thread = message;
	int rc = E_NOT_FOUND;
	for (size_t i = 0; i < count && rc == E_NOT_FOUND; i++)
		rc = thread_of(db, references[i], ret_thread, info);
	if (rc != 0 && rc != E_NOT_FOUND)
		return rc;
	for (size_t i = 0; i < count; i++) {
		rc = thread_remember(db, references[i], *ret_thread, info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---------------------------------------------------------------- adding */

static void bind_field(struct db_stmt *q, int index, const char *text)
{
	db_bind_text(q, index, text_field(text, TEXT_FIELD_MAX));
}

static void bind_dates(struct db_stmt *q, int index, const Pk__Description *description,
                       char date[ISO8601_SIZE])
{
	int64_t limit = INT64_C(253402300799); /* the end of year 9999 */
	if (!description->has_sent_date || description->sent_date > limit ||
	    description->sent_date < -limit || abs(description->sent_zone) > 24 * 60) {
		db_bind_null(q, index);
		db_bind_null(q, index + 1);
		return;
	}
	iso8601_format(description->sent_date * 1000000, date);
	db_bind_text(q, index, str_from(date));
	db_bind_int(q, index + 1, description->sent_zone);
}

static int insert_message(struct db *db, struct packer *packer, int64_t id, struct str raw,
                          size_t cut_count, int64_t thread, const Pk__Description *description,
                          struct errinfo *info)
{
	unsigned char digest[SHA256_SIZE];
	sha256(raw, digest);
	Pk__Description only_parts = PK__DESCRIPTION__INIT;
	only_parts.n_parts = description->n_parts;
	only_parts.parts = description->parts;
	struct buf parts BUF_AUTO, packed BUF_AUTO;
	buf_init(&parts, DESCRIPTION_FIELD_MAX);
	buf_init(&packed, 2 * DESCRIPTION_FIELD_MAX);
	link_pack(&parts, &only_parts.base);
	if (parts.failed || !pack(packer, PACK_TEXT, buf_str(&parts), &packed))
		return err_set(info, E_TOO_LARGE, "a description that is too large");
	char date[ISO8601_SIZE];
	struct db_stmt *q = db_query(
		db, "INSERT INTO message (id, digest, size, header_size, attachments, thread, sent_date,"
			" sent_zone, subject, base_subject, message_id, in_reply_to, \"from\", \"to\", cc, bcc,"
			" sort_from, sort_to, sort_cc, preview, damaged, rendered_envelope,"
			" rendered_body_structure, parts, envelope, body_structure)"
			" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,"
			"?22,?23,?24,?25,?26)");
	db_bind_int(q, 1, id);
	db_bind_blob(q, 2, STR_OF(digest, sizeof(digest)));
	db_bind_int(q, 3, (int64_t)raw.len);
	db_bind_int(q, 4, (int64_t)description->parts[0]->header_size);
	db_bind_int(q, 5, (int64_t)cut_count);
	db_bind_int(q, 6, thread);
	bind_dates(q, 7, description, date);
	bind_field(q, 9, description->subject);
	bind_field(q, 10, description->base_subject);
	bind_field(q, 11, description->message_id);
	bind_field(q, 12, description->in_reply_to);
	bind_field(q, 13, description->from);
	bind_field(q, 14, description->to);
	bind_field(q, 15, description->cc);
	bind_field(q, 16, description->bcc);
	bind_field(q, 17, description->sort_from);
	bind_field(q, 18, description->sort_to);
	bind_field(q, 19, description->sort_cc);
	bind_field(q, 20, description->preview);
	db_bind_int(q, 21, description->damaged);
	/* Text is what earlier versions sealed; mail taken in now has structures. */
	db_bind_blob(q, 22, STR_OF_BYTES(description->rendered_envelope));
	db_bind_blob(q, 23, STR_OF_BYTES(description->rendered_body_structure));
	db_bind_blob(q, 24, buf_str(&packed));
	db_bind_blob(q, 25, STR_OF_BYTES(description->envelope));
	db_bind_blob(q, 26, STR_OF_BYTES(description->body_structure));
	return db_run(q, info);
}

static int insert_cuts(struct db *db, int64_t id, const struct cut *cuts, size_t count,
                       struct errinfo *info)
{
	for (size_t i = 0; i < count; i++) {
		struct db_stmt *q = db_query(
			db, "INSERT INTO cut (message, offset, size, attachment, line_size, line_end)"
				" VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
		db_bind_int(q, 1, id);
		db_bind_int(q, 2, (int64_t)cuts[i].offset);
		db_bind_int(q, 3, (int64_t)cuts[i].size);
		db_bind_int(q, 4, cuts[i].attachment);
		db_bind_int(q, 5, (int64_t)cuts[i].line_size);
		db_bind_int(q, 6, cuts[i].line_end);
		int rc = db_run(q, info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* What is left of raw without the cuts. */
static int insert_content(struct db *db, struct packer *packer, int64_t id, struct str raw,
                          const struct cut *cuts, size_t count, struct errinfo *info)
{
	if (count == 0)
		return pieces_add(db, packer, false, id, raw, info);
	struct buf rest BUF_AUTO;
	buf_init(&rest, raw.len);
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&rest, str_slice(raw, at, (size_t)cuts[i].offset - at));
		at = (size_t)(cuts[i].offset + cuts[i].size);
	}
	buf_add_str(&rest, str_from_byte(raw, at));
	return pieces_add(db, packer, false, id, buf_str(&rest), info);
}

static int insert_search_text(struct db *db, struct packer *packer, int64_t id,
                              const Pk__Description *description, struct errinfo *info)
{
	struct buf header BUF_AUTO, body BUF_AUTO;
	buf_init(&header, 2 * DESCRIPTION_FIELD_MAX);
	buf_init(&body, 2 * DESCRIPTION_FIELD_MAX);
	struct str search_header = STR_OF(description->search_header.data,
	                                  description->search_header.len);
	struct str search_text = STR_OF(description->search_text.data, description->search_text.len);
	if (!pack(packer, PACK_TEXT, search_header, &header) ||
	    !pack(packer, PACK_TEXT, search_text, &body))
		return err_set(info, E_TOO_LARGE, "a description that is too large");
	struct db_stmt *q = db_query(
		db, "INSERT INTO search_text (message, header, body) VALUES (?1, ?2, ?3)");
	db_bind_int(q, 1, id);
	db_bind_blob(q, 2, buf_str(&header));
	db_bind_blob(q, 3, buf_str(&body));
	return db_run(q, info);
}

int message_add(struct mailbox *mailbox, struct packer *packer, struct str raw,
                const Pk__Description *description, int64_t *ret_id, struct errinfo *info)
{
	struct db *db = mailbox->db;
	size_t max = description->n_parts < ATTACHMENTS_MAX ? description->n_parts : ATTACHMENTS_MAX;
	int rc = mailbox_reserve_ids(mailbox, 1 + (int64_t)max, info);
	if (rc != 0)
		return rc;
	int64_t id = *ret_id = mailbox_take_id(mailbox), thread;
	rc = thread_assign(db, id, description, &thread, info);
	if (rc != 0)
		return rc;
	struct cut *cuts MEM_AUTO = mem_new_array(max, sizeof(*cuts));
	size_t count;
	rc = attachments_cut(mailbox, packer, raw, description, cuts, max, &count, info);
	if (rc == 0)
		rc = insert_message(db, packer, id, raw, count, thread, description, info);
	if (rc == 0)
		rc = insert_cuts(db, id, cuts, count, info);
	if (rc == 0)
		rc = insert_content(db, packer, id, raw, cuts, count, info);
	if (rc == 0)
		rc = insert_search_text(db, packer, id, description, info);
	return rc;
}

/* ---------------------------------------------------------------- deleting */

static int delete_cuts(struct db *db, int64_t id, struct errinfo *info)
{
	for (;;) {
		struct db_stmt *q = db_query(db,
		                             "SELECT offset, attachment FROM cut WHERE message=?1 LIMIT 1");
		db_bind_int(q, 1, id);
		int rc = db_step(q, info);
		if (rc != DB_ROW)
			return rc;
		int64_t offset = db_int(q, 0), attachment = db_int(q, 1);
		db_reset(q);
		q = db_query(db, "DELETE FROM cut WHERE message=?1 AND offset=?2");
		db_bind_int(q, 1, id);
		db_bind_int(q, 2, offset);
		rc = db_run(q, info);
		if (rc == 0)
			rc = attachment_release(db, attachment, info);
		if (rc != 0)
			return rc;
	}
}

int message_delete(struct db *db, int64_t id, struct errinfo *info)
{
	int rc = delete_cuts(db, id, info);
	if (rc == 0)
		rc = pieces_delete(db, false, id, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(db, "DELETE FROM search_text WHERE message=?1");
	db_bind_int(q, 1, id);
	rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(db, "DELETE FROM message WHERE id=?1");
	db_bind_int(q, 1, id);
	return db_run(q, info);
}
