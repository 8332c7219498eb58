#include "store/message.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/digest.h"
#include "store/transfer.h"

enum {
	/* What may follow the regular lines of a base64 body and stay in the message. */
	TAIL_MAX = 4 * 1024,
};

/* ---------------------------------------------------------------- pieces */

static int piece_add(struct db *db, bool attachment, int64_t id, bool packed, struct str data,
                     struct errinfo *info)
{
	struct db_stmt *q =
		attachment
			? db_query(db, "INSERT INTO attachment_content (id, packed, data) VALUES (?1, ?2, ?3)")
			: db_query(db, "INSERT INTO content (id, packed, data) VALUES (?1, ?2, ?3)");
	db_bind_int(q, 1, id);
	db_bind_int(q, 2, packed);
	db_bind_blob(q, 3, data);
	return db_run(q, info);
}

int pieces_add(struct db *db, struct packer *packer, bool attachment, int64_t id, struct str bytes,
               struct errinfo *info)
{
	must(bytes.len / PIECE_SIZE < 1 << PIECE_BITS);
	struct buf frame BUF_AUTO;
	buf_init(&frame, 2 * PIECE_SIZE);
	/* Text is always worth a try; of an attachment the beginning decides for all of it. */
	bool worthwhile = !attachment || pack_worthwhile(packer, bytes);
	enum pack_kind kind = attachment ? PACK_DATA : PACK_TEXT;
	int64_t number = 0;
	for (size_t at = 0; at < bytes.len; at += PIECE_SIZE, number++) {
		struct str piece = str_slice(bytes, at, PIECE_SIZE);
		buf_clear(&frame);
		bool packed = worthwhile && pack(packer, kind, piece, &frame) && frame.len < piece.len;
		int rc = piece_add(db, attachment, id << PIECE_BITS | number, packed,
		                   packed ? buf_str(&frame) : piece, info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int pieces_delete(struct db *db, bool attachment, int64_t id, struct errinfo *info)
{
	struct db_stmt *q = attachment
	                        ? db_query(db,
	                                   "DELETE FROM attachment_content WHERE id BETWEEN ?1 AND ?2")
	                        : db_query(db, "DELETE FROM content WHERE id BETWEEN ?1 AND ?2");
	db_bind_int(q, 1, id << PIECE_BITS);
	db_bind_int(q, 2, (id + 1) * (1 << PIECE_BITS) - 1);
	return db_run(q, info);
}

/* ---------------------------------------------------------------- attachments */

static int find_attachment(struct db *db, struct str digest, int64_t *ret_id, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT id FROM attachment WHERE digest=?1");
	db_bind_blob(q, 1, digest);
	int rc = db_step(q, info);
	if (rc == 0)
		return E_NOT_FOUND;
	if (rc < 0)
		return rc;
	*ret_id = db_int(q, 0);
	db_reset(q);
	return 0;
}

static int store_attachment(struct mailbox *mailbox, struct packer *packer, struct str bytes,
                            int64_t *ret_id, struct errinfo *info)
{
	struct db *db = mailbox->db;
	unsigned char digest[SHA256_SIZE];
	sha256(bytes, digest);
	int rc = find_attachment(db, STR_OF(digest, sizeof(digest)), ret_id, info);
	if (rc != E_NOT_FOUND)
		return rc;
	*ret_id = mailbox_take_id(mailbox);
	struct db_stmt *q = db_query(db,
	                             "INSERT INTO attachment (id, digest, size) VALUES (?1, ?2, ?3)");
	db_bind_int(q, 1, *ret_id);
	db_bind_blob(q, 2, STR_OF(digest, sizeof(digest)));
	db_bind_int(q, 3, (int64_t)bytes.len);
	rc = db_run(q, info);
	return rc != 0 ? rc : pieces_add(db, packer, true, *ret_id, bytes, info);
}

int attachment_release(struct db *db, int64_t id, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "DELETE FROM attachment WHERE id=?1"
	                                 " AND NOT EXISTS (SELECT 1 FROM cut WHERE attachment=?1)");
	db_bind_int(q, 1, id);
	int rc = db_run(q, info);
	if (rc != 0 || db_changes(db) == 0)
		return rc;
	return pieces_delete(db, true, id, info);
}

/* ---------------------------------------------------------------- cutting */

/* Fills cut's shape and gives the bytes to keep: body itself, or decoded. */
static struct str shape_of(const Pk__Part *part, struct str body, struct cut *cut,
                           struct buf *decoded)
{
	struct base64_shape shape;
	cut->offset = part->body_offset;
	cut->size = body.len;
	cut->line_size = 0;
	cut->line_end = 0;
	buf_clear(decoded);
	if (part->encoding != PK__PART__ENCODING__BASE64 || !base64_lines_read(body, &shape, decoded) ||
	    body.len - shape.encoded_size > TAIL_MAX)
		return body;
	cut->size = shape.encoded_size;
	cut->line_size = shape.line_size;
	cut->line_end = shape.line_end;
	return buf_str(decoded);
}

int attachments_cut(struct mailbox *mailbox, struct packer *packer, struct str raw,
                    const Pk__Description *description, struct cut *ret, size_t max,
                    size_t *ret_count, struct errinfo *info)
{
	struct buf decoded BUF_AUTO;
	buf_init(&decoded, raw.len + 4);
	uint64_t end = 0; /* of the last cut: hostile descriptions may overlap */
	*ret_count = 0;
	for (size_t i = 0; i < description->n_parts && *ret_count < max; i++) {
		const Pk__Part *part = description->parts[i];
		if (!part->attachment || part->kind != PK__PART__KIND__LEAF ||
		    part->body_size < ATTACHMENT_MIN || part->body_offset < end)
			continue;
		struct cut *cut = &ret[*ret_count];
		struct str body = str_slice(raw, (size_t)part->body_offset, (size_t)part->body_size);
		struct str bytes = shape_of(part, body, cut, &decoded);
		int rc = store_attachment(mailbox, packer, bytes, &cut->attachment, info);
		if (rc != 0)
			return rc;
		end = cut->offset + cut->size;
		++*ret_count;
	}
	return 0;
}
