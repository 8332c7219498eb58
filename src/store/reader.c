#include "store/message.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/transfer.h"

/* One piece of content, and two of attachments. */
enum { CONTENT_SLOT = 0, SLOTS = 3 };

struct piece_cache {
	struct piece {
		int64_t id; /* 0: empty */
		struct buf bytes;
	} slots[SLOTS];
	int last_used; /* attachment slot */
};

void piece_cache_free(struct piece_cache *cache)
{
	if (cache == NULL)
		return;
	for (int i = 0; i < SLOTS; i++)
		buf_done(&cache->slots[i].bytes);
	free(cache);
}

static struct piece_cache *piece_cache_new(void)
{
	struct piece_cache *cache = mem_new(sizeof(*cache));
	for (int i = 0; i < SLOTS; i++)
		buf_init(&cache->slots[i].bytes, PIECE_SIZE);
	cache->last_used = 1;
	return cache;
}

/* The slot that has the piece, or the one to read it into. */
static struct piece *find_slot(struct piece_cache *cache, bool attachment, int64_t id)
{
	if (!attachment)
		return &cache->slots[CONTENT_SLOT];
	for (int i = CONTENT_SLOT + 1; i < SLOTS; i++)
		if (cache->slots[i].id == id)
			cache->last_used = i;
	if (cache->slots[cache->last_used].id != id)
		cache->last_used = SLOTS - cache->last_used;
	return &cache->slots[cache->last_used];
}

static int load(struct db *db, struct packer *packer, bool attachment, int64_t id,
                struct piece *piece, struct errinfo *info)
{
	struct db_stmt *q = attachment
	                        ? db_query(db,
	                                   "SELECT packed, data FROM attachment_content WHERE id=?1")
	                        : db_query(db, "SELECT packed, data FROM content WHERE id=?1");
	piece->id = 0;
	buf_clear(&piece->bytes);
	db_bind_int(q, 1, id);
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_CORRUPT, "a piece of a message is missing");
	if (rc < 0)
		return rc;
	struct str data = db_blob(q, 1);
	rc = 0;
	if (db_int(q, 0) != 0)
		rc = unpack(packer, data, PIECE_SIZE, &piece->bytes, info);
	else
		buf_add_str(&piece->bytes, data);
	db_reset(q);
	if (rc == 0 && piece->bytes.failed)
		rc = err_set(info, E_CORRUPT, "a piece of a message is too large");
	if (rc == 0)
		piece->id = id;
	return rc;
}

/* What is at position of the bytes of content or attachment id, to the end of its piece. */
static int bytes_at(struct message_reader *reader, bool attachment, int64_t id, uint64_t position,
                    struct str *ret, uint64_t *ret_piece_start, struct errinfo *info)
{
	struct mailbox *mailbox = reader->mailbox;
	if (mailbox->pieces == NULL)
		mailbox->pieces = piece_cache_new();
	uint64_t number = position / PIECE_SIZE;
	if (number >> PIECE_BITS != 0)
		return err_set(info, E_CORRUPT, "a message is larger than any can be");
	int64_t piece_id = id << PIECE_BITS | (int64_t)number;
	struct piece *piece = find_slot(mailbox->pieces, attachment, piece_id);
	if (piece->id != piece_id) {
		int rc = load(mailbox->db, reader->packer, attachment, piece_id, piece, info);
		if (rc != 0)
			return rc;
	}
	*ret_piece_start = number * PIECE_SIZE;
	*ret = str_from_byte(buf_str(&piece->bytes), (size_t)(position - *ret_piece_start));
	if (ret->len == 0)
		return err_set(info, E_CORRUPT, "a piece of a message is too short");
	return 0;
}

/* ---------------------------------------------------------------- messages */

void message_reader_done(struct message_reader *reader)
{
	free(reader->cuts);
	reader->cuts = NULL;
}

static int load_cuts(struct message_reader *reader, size_t count, struct errinfo *info)
{
	struct db_stmt *q = db_query(reader->mailbox->db,
	                             "SELECT offset, size, attachment, line_size, line_end FROM cut"
	                             " WHERE message=?1 ORDER BY offset");
	db_bind_int(q, 1, reader->id);
	reader->cuts = mem_new_array(count, sizeof(*reader->cuts));
	uint64_t end = 0;
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW && reader->cut_count < count) {
		struct cut cut = {
			.offset = (uint64_t)db_int(q, 0),
			.size = (uint64_t)db_int(q, 1),
			.attachment = db_int(q, 2),
			.line_size = (uint64_t)db_int(q, 3),
			.line_end = (unsigned)db_int(q, 4),
		};
		if (cut.offset < end || cut.offset > reader->size || cut.size > reader->size - cut.offset ||
		    cut.line_end > 2 || cut.line_size % 4 != 0)
			break;
		end = cut.offset + cut.size;
		reader->cuts[reader->cut_count++] = cut;
	}
	if (rc == DB_ROW)
		db_reset(q);
	if (rc < 0)
		return rc;
	if (rc == DB_ROW || reader->cut_count != count)
		return err_set(info, E_CORRUPT, "the attachments of a message do not fit");
	return 0;
}

int message_reader_init(struct message_reader *ret, struct mailbox *mailbox, struct packer *packer,
                        int64_t id, struct errinfo *info)
{
	*ret = (struct message_reader){.mailbox = mailbox, .packer = packer, .id = id};
	struct db_stmt *q = db_query(mailbox->db,
	                             "SELECT size, attachments, header_size FROM message WHERE id=?1");
	db_bind_int(q, 1, id);
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_NOT_FOUND, "no such message");
	if (rc < 0)
		return rc;
	ret->size = (uint64_t)db_int(q, 0);
	int64_t cuts = db_int(q, 1);
	ret->header_size = (uint64_t)db_int(q, 2);
	db_reset(q);
	if (cuts < 0 || cuts > ATTACHMENTS_MAX)
		return err_set(info, E_CORRUPT, "the attachments of a message do not fit");
	rc = cuts == 0 ? 0 : load_cuts(ret, (size_t)cuts, info);
	if (rc != 0)
		message_reader_done(ret);
	return rc;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes of the message from offset on, which lie outside every cut; skipped is how many bytes were
 * cut out before. */
static int read_content(struct message_reader *reader, uint64_t offset, uint64_t len,
                        uint64_t skipped, struct buf *out, struct errinfo *info)
{
	while (len > 0) {
		struct str bytes;
		uint64_t start;
		int rc = bytes_at(reader, false, reader->id, offset - skipped, &bytes, &start, info);
		if (rc != 0)
			return rc;
		size_t n = (size_t)smaller(bytes.len, len);
		buf_add(out, bytes.ptr, n);
		offset += n;
		len -= n;
	}
	return 0;
}

/* Encoded bytes from within on, as many as one piece gives; to has room for len. */
static int encode_piece(struct message_reader *reader, const struct cut *cut, uint64_t within,
                        char *to, size_t len, size_t *ret_len, struct errinfo *info)
{
	struct base64_shape shape = {cut->line_size, cut->line_end, cut->size};
	uint64_t position = base64_lines_source(&shape, within), start;
	/* Line ends need no source, and may stand where there is none any more. */
	*ret_len = base64_lines_write(&shape, within, STR(""), position, false, to, len);
	if (*ret_len > 0)
		return 0;
	struct str bytes;
	int rc = bytes_at(reader, true, cut->attachment, position, &bytes, &start, info);
	if (rc != 0)
		return rc;
	/* Only the last piece is shorter than the others, and only there padding stands. */
	bool is_end = position + bytes.len < start + PIECE_SIZE;
	*ret_len = base64_lines_write(&shape, within, bytes, position, is_end, to, len);
	return *ret_len > 0 ? 0 : err_set(info, E_CORRUPT, "an attachment is too short");
}

/* Bytes of a cut from within on, as they stood in the message. */
static int read_cut(struct message_reader *reader, const struct cut *cut, uint64_t within,
                    uint64_t len, struct buf *out, struct errinfo *info)
{
	while (len > 0) {
		size_t n = 0;
		int rc;
		if (cut->line_size > 0) {
			char *to = buf_reserve(out, (size_t)len);
			if (to == NULL)
				return 0; /* out says so itself */
			rc = encode_piece(reader, cut, within, to, (size_t)len, &n, info);
			out->len += n;
		} else {
			struct str bytes = {NULL, 0};
			uint64_t start;
			rc = bytes_at(reader, true, cut->attachment, within, &bytes, &start, info);
			n = rc == 0 ? (size_t)smaller(bytes.len, len) : 0;
			buf_add(out, bytes.ptr, n);
		}
		if (rc != 0)
			return rc;
		within += n;
		len -= n;
	}
	return 0;
}

int message_read(struct message_reader *reader, uint64_t offset, uint64_t len, struct buf *out,
                 struct errinfo *info)
{
	if (offset > reader->size || len > reader->size - offset)
		return err_set(info, E_INVALID, "beyond the end of a message");
	uint64_t end = offset + len, skipped = 0;
	int rc = 0;
	for (size_t i = 0; i <= reader->cut_count && offset < end && rc == 0; i++) {
		const struct cut *cut = i < reader->cut_count ? &reader->cuts[i] : NULL;
		uint64_t stop = cut == NULL ? end : smaller(cut->offset, end);
		if (offset < stop) {
			rc = read_content(reader, offset, stop - offset, skipped, out, info);
			offset = stop;
		}
		if (rc != 0 || cut == NULL || offset == end)
			continue;
		stop = smaller(cut->offset + cut->size, end);
		if (offset < stop) {
			rc = read_cut(reader, cut, offset - cut->offset, stop - offset, out, info);
			offset = stop;
		}
		skipped += cut->size;
	}
	if (rc == 0 && out->failed)
		rc = err_set(info, E_TOO_LARGE, "more was asked for than can be sent");
	return rc;
}

/* Touches the pieces of content or of an attachment. */
static int touch_pieces(struct db *db, bool attachment, int64_t id, struct errinfo *info)
{
	struct db_stmt *q = attachment
	                        ? db_query(db, "SELECT data FROM attachment_content"
	                                       " WHERE id BETWEEN ?1 AND ?2")
	                        : db_query(db, "SELECT data FROM content WHERE id BETWEEN ?1 AND ?2");
	db_bind_int(q, 1, id << PIECE_BITS);
	db_bind_int(q, 2, ((id + 1) << PIECE_BITS) - 1);
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (db_blob(q, 0).len == 0) {
			db_reset(q);
			return err_set(info, E_CORRUPT, "a piece of a message is empty");
		}
	}
	return rc;
}

int message_check_readable(struct message_reader *reader, struct errinfo *info)
{
	int rc = touch_pieces(reader->mailbox->db, false, reader->id, info);
	for (size_t i = 0; i < reader->cut_count && rc == 0; i++)
		rc = touch_pieces(reader->mailbox->db, true, reader->cuts[i].attachment, info);
	return rc;
}
