#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/message.h"
#include "store/request.h"
#include "store/section.h"

/*
 * FETCH: a stream of chunks, each of some rows or of one stretch of a large body. Between two chunks
 * nothing is held open: the next one finds its place by UID, and a message that is gone by then is
 * left out. Only a message that has been sent in part is kept until the rest of it is sent.
 */

enum {
	SECTIONS_MAX = 1000,
	PATH_LEVELS_MAX = 100,
	PIECE_MIN = 16 * 1024, /* of a body, however full the chunk is */
	EMAIL_ID_BYTES = 15,   /* of the digest */
	NEEDS_MESSAGE = PK__FETCH_ITEM__FETCH_ENVELOPE | PK__FETCH_ITEM__FETCH_BODY_STRUCTURE |
	                PK__FETCH_ITEM__FETCH_PREVIEW | PK__FETCH_ITEM__FETCH_IDS |
	                PK__FETCH_ITEM__FETCH_PARTS,
};

struct fetch {
	struct uid_walk walk;
	bool prepared;
	/* Where a message goes on whose sections did not fit into the chunk before. */
	bool inside;
	/* What cannot be read is left out, and the answer in the end is an error. */
	unsigned unreadable;
	int error;
	struct mailbox *mailbox; /* whose streams_inside counts us while inside */
	uint32_t inside_uid;
	int64_t inside_message;
	size_t section;
	uint64_t offset;
	/* Scratch of one row. */
	struct buf data;  /* bytes of sections */
	struct buf texts; /* strings with a NUL, where the row needs them so */
	Pk__SectionData *sections;
	Pk__SectionData **section_pointers;
	char *keywords[KEYWORDS_PER_MESSAGE];
};

static const Pk__FetchRequest *message_of(const struct request *request)
{
	return (const Pk__FetchRequest *)request->message;
}

/* ---------------------------------------------------------------- state */

static void set_inside(struct fetch *fetch, struct mailbox *mailbox, bool inside)
{
	if (inside && !fetch->inside)
		atomic_fetch_add(&mailbox->streams_inside, 1);
	if (!inside && fetch->inside)
		atomic_fetch_sub(&fetch->mailbox->streams_inside, 1);
	fetch->mailbox = mailbox;
	fetch->inside = inside;
}

static void fetch_free(void *state)
{
	struct fetch *fetch = state;
	set_inside(fetch, fetch->mailbox, false);
	buf_done(&fetch->data);
	buf_done(&fetch->texts);
	free(fetch->sections);
	free(fetch->section_pointers);
	uid_runs_done(&fetch->walk.uids);
	free(fetch);
}

static int fetch_new(struct request *request)
{
	const Pk__FetchRequest *message = message_of(request);
	if (message->n_sections > SECTIONS_MAX)
		return err_set(&request->info, E_LIMIT, "too many sections");
	for (size_t i = 0; i < message->n_sections; i++)
		if (message->sections[i]->n_path > PATH_LEVELS_MAX)
			return err_set(&request->info, E_LIMIT, "a section nested too deeply");
	struct fetch *fetch = mem_new(sizeof(*fetch));
	request->state = fetch;
	request->state_free = fetch_free;
	buf_init(&fetch->data, CHUNK_SIZE + PIECE_MIN);
	buf_init(&fetch->texts, TEXT_FIELD_MAX + KEYWORDS_PER_MESSAGE * (KEYWORD_SIZE_MAX + 1) + 1024);
	fetch->sections = mem_new_array(message->n_sections, sizeof(*fetch->sections));
	fetch->section_pointers = mem_new_array(message->n_sections, sizeof(Pk__SectionData *));
	return uid_runs_from(&fetch->walk.uids, message->uids, message->n_uids, &request->info);
}

/* ---------------------------------------------------------------- \Seen */

static int mark_run(struct db *db, struct folder *folder, const Pk__UidRange *run,
                    struct errinfo *info)
{
	struct db_stmt *q = db_query(db,
	                             "UPDATE entry SET flags = flags | 1, modseq = ?4"
	                             " WHERE folder=?1 AND uid BETWEEN ?2 AND ?3 AND (flags & 1) = 0");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, run->first);
	db_bind_int(q, 3, run->last);
	db_bind_int(q, 4, (int64_t)folder->modseq);
	int rc = db_run(q, info);
	if (rc == 0)
		folder->unseen -= db_changes(db);
	return rc;
}

/* On a full volume messages are given all the same, and stay unseen. */
static int full_is_fine(int rc)
{
	return rc == E_NO_SPACE ? 0 : rc;
}

static int mark_seen(struct request *request, const struct uid_runs *uids)
{
	struct mailbox *mailbox = request->mailbox;
	struct folder folder;
	uint64_t id = message_of(request)->folder;
	if (request->session->read_only && request->session->folder == id)
		return 0;
	int rc = folder_get(mailbox->db, (int64_t)id, &folder, &request->info);
	if (rc != 0 || folder.unseen == 0)
		return rc;
	rc = mailbox_begin(mailbox, DURABLE_ANSWERED, &request->info);
	if (rc != 0)
		return full_is_fine(rc);
	int64_t before = folder.unseen;
	folder.modseq++;
	for (size_t i = 0; i < uids->count && rc == 0; i++)
		rc = mark_run(mailbox->db, &folder, &uids->items[i], &request->info);
	if (rc == 0 && folder.unseen == before) {
		db_rollback(mailbox->db);
		return 0;
	}
	if (rc == 0)
		rc = folder_put(mailbox->db, &folder, &request->info);
	if (rc == 0)
		rc = mailbox_commit(mailbox, &request->info);
	if (rc == 0)
		request_changed(request, id, folder.modseq, false);
	else
		db_rollback(mailbox->db);
	return full_is_fine(rc);
}

static int prepare(struct request *request, struct fetch *fetch)
{
	struct folder folder;
	int rc = folder_get(request->mailbox->db, (int64_t)message_of(request)->folder, &folder,
	                    &request->info);
	if (rc == 0 && message_of(request)->mark_seen) {
		rc = mark_seen(request, &fetch->walk.uids);
		/* They can be read, though not marked: the damaged entry makes the answer an error. */
		rc = db_is_damage(rc) ? 0 : rc;
	}
	fetch->prepared = rc == 0;
	return rc;
}

/* ---------------------------------------------------------------- sections */

/* The stored part table of a message; NULL with *rc set when it cannot be had. */
static Pk__Description *load_parts(struct request *request, int64_t message, int *ret_rc)
{
	struct db_stmt *q = db_query(request->mailbox->db, "SELECT parts FROM message WHERE id=?1");
	db_bind_int(q, 1, message);
	int rc = db_step(q, &request->info);
	struct buf parts BUF_AUTO;
	buf_init(&parts, LINK_MESSAGE_MAX);
	if (rc == DB_ROW) {
		rc = unpack(request->packer, db_blob(q, 0), parts.max, &parts, &request->info);
		db_reset(q);
	} else if (rc == 0) {
		rc = err_set(&request->info, E_NOT_FOUND, "no such message");
	}
	Pk__Description *description = NULL;
	if (rc == 0) {
		description = (Pk__Description *)link_unpack(&pk__description__descriptor, buf_str(&parts),
		                                             REQUEST_PARTS_MAX);
		if (description == NULL)
			rc = err_set(&request->info, E_CORRUPT, "the part table of a message does not parse");
	}
	*ret_rc = rc;
	return description;
}

static bool needs_parts(const Pk__FetchRequest *message)
{
	for (size_t i = 0; i < message->n_sections; i++)
		if (section_needs_parts(message->sections[i]))
			return true;
	return false;
}

/* As much of one section as there is room for; *ret_whole: to its end. */
static int read_section(struct request *request, struct fetch *fetch, struct message_reader *reader,
                        const Pk__Description *parts, size_t room, Pk__SectionData *ret,
                        bool *ret_whole)
{
	const Pk__Section *section = message_of(request)->sections[fetch->section];
	struct section_place place = section_find(section, parts, reader->size, reader->header_size);
	pk__section_data__init(ret);
	ret->index = (uint32_t)fetch->section;
	ret->missing = place.missing;
	ret->encoding = place.encoding;
	ret->total = place.size;
	ret->offset = fetch->offset;
	uint64_t left = place.size > fetch->offset ? place.size - fetch->offset : 0;
	*ret_whole = left <= room;
	ret->data.len = *ret_whole ? (size_t)left : room;
	fetch->offset += ret->data.len;
	return message_read(reader, place.offset + ret->offset, ret->data.len, &fetch->data,
	                    &request->info);
}

static size_t room_left(const struct request *request, const struct fetch *fetch)
{
	size_t used = request->chunk.len + fetch->data.len;
	return used + PIECE_MIN < CHUNK_SIZE ? CHUNK_SIZE - used : PIECE_MIN;
}

static int read_sections(struct request *request, struct fetch *fetch,
                         struct message_reader *reader, const Pk__Description *parts,
                         Pk__FetchRow *row)
{
	size_t wanted = message_of(request)->n_sections, count = 0;
	bool whole = true;
	while (fetch->section < wanted && whole) {
		if (count > 0 && fetch->data.len + request->chunk.len >= CHUNK_SIZE)
			break;
		Pk__SectionData *data = &fetch->sections[count];
		fetch->section_pointers[count++] = data;
		int rc = read_section(request, fetch, reader, parts, room_left(request, fetch), data,
		                      &whole);
		if (rc != 0)
			return rc;
		if (whole) {
			fetch->section++;
			fetch->offset = 0;
		}
	}
	/* data does not move any more. */
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		fetch->sections[i].data.data = (uint8_t *)fetch->data.ptr + at;
		at += fetch->sections[i].data.len;
	}
	row->sections = fetch->section_pointers;
	row->n_sections = count;
	row->more = fetch->section < wanted;
	return 0;
}

/* Once the length of a body has been sent, all of it must follow: what goes out in several pieces is
 * looked at before its first byte does. */
static int check_whole(struct request *request, struct fetch *fetch, struct message_reader *reader,
                       const Pk__Description *parts)
{
	const Pk__FetchRequest *message = message_of(request);
	uint64_t total = 0;
	if (fetch->inside)
		return 0;
	for (size_t i = 0; i < message->n_sections; i++)
		total += section_find(message->sections[i], parts, reader->size, reader->header_size).size;
	return total <= PIECE_MIN ? 0 : message_check_readable(reader, &request->info);
}

/* Fills in the sections of row from where fetch stands, as far as they go into this chunk. */
static int add_sections(struct request *request, struct fetch *fetch, int64_t message,
                        Pk__FetchRow *row)
{
	buf_clear(&fetch->data);
	if (message_of(request)->n_sections == 0)
		return 0;
	struct message_reader reader MESSAGE_READER_AUTO = {0};
	int rc = message_reader_init(&reader, request->mailbox, request->packer, message,
	                             &request->info);
	if (rc != 0)
		return rc;
	Pk__Description *parts = NULL;
	if (needs_parts(message_of(request)))
		parts = load_parts(request, message, &rc);
	if (rc == 0)
		rc = check_whole(request, fetch, &reader, parts);
	if (rc == 0)
		rc = read_sections(request, fetch, &reader, parts, row);
	if (parts != NULL)
		pk__description__free_unpacked(parts, NULL);
	if (row->more) {
		fetch->inside_uid = row->uid;
		fetch->inside_message = message;
	} else {
		fetch->section = 0;
		fetch->offset = 0;
	}
	set_inside(fetch, request->mailbox, row->more);
	return rc;
}

/* ---------------------------------------------------------------- rows */

/* FetchChunk.rows is field 1: rows are packed one by one, so that none needs to be kept. */
static int add_row(struct request *request, const Pk__FetchRow *row)
{
	size_t size = pk__fetch_row__get_packed_size(row);
	char *to = buf_reserve(&request->chunk, size + 11);
	if (to == NULL)
		return err_set(&request->info, E_TOO_LARGE, "a message's description is too large to send");
	*to++ = 1 << 3 | 2;
	size_t rest = size, head = 1;
	do {
		*to++ = (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
		rest >>= 7;
		head++;
	} while (rest > 0);
	pk__fetch_row__pack(row, (uint8_t *)to);
	request->chunk.len += head + size;
	return 0;
}

static char *add_text(struct fetch *fetch, struct str text)
{
	size_t at = fetch->texts.len;
	buf_add_str(&fetch->texts, text);
	buf_add_byte(&fetch->texts, '\0');
	return fetch->texts.failed ? NULL : fetch->texts.ptr + at;
}

static void add_keywords(struct fetch *fetch, struct str keywords, Pk__FetchRow *row)
{
	struct str name;
	row->keywords = fetch->keywords;
	while (row->n_keywords < KEYWORDS_PER_MESSAGE && keywords_next(&keywords, &name)) {
		char *text = add_text(fetch, name);
		if (text != NULL)
			fetch->keywords[row->n_keywords++] = text;
	}
}

/* What entry knows: columns 0 to 7 of both queries. */
static void add_entry(struct fetch *fetch, struct db_stmt *q, unsigned items, Pk__FetchRow *row)
{
	row->uid = (uint32_t)db_int(q, 0);
	row->modseq = (uint64_t)db_int(q, 1);
	row->flags = (uint32_t)db_int(q, 2);
	add_keywords(fetch, db_text(q, 3), row);
	if ((items & PK__FETCH_ITEM__FETCH_INTERNAL_DATE) != 0)
		row->internal_date = date_seconds(db_text(q, 4));
	if ((items & PK__FETCH_ITEM__FETCH_SIZE) != 0)
		row->size = (uint64_t)db_int(q, 5);
	if ((items & PK__FETCH_ITEM__FETCH_SAVE_DATE) != 0)
		row->save_date = date_seconds(db_text(q, 6));
}

static void add_ids(struct fetch *fetch, struct str digest, int64_t thread, Pk__FetchRow *row)
{
	char text[2 * EMAIL_ID_BYTES + 2] = "M";
	if (digest.len >= EMAIL_ID_BYTES)
		hex_encode(digest.ptr, EMAIL_ID_BYTES, text + 1);
	row->email_id = add_text(fetch, str_from(text));
	size_t at = fetch->texts.len;
	buf_addf(&fetch->texts, "T%lld", (long long)thread);
	buf_add_byte(&fetch->texts, '\0');
	row->thread_id = fetch->texts.failed ? NULL : fetch->texts.ptr + at;
}

/* What message knows: columns 8 on of the joined query. parts is unpacked into *parts. */
static int add_message(struct request *request, struct fetch *fetch, struct db_stmt *q,
                       unsigned items, struct buf *parts, Pk__FetchRow *row)
{
	if ((items & PK__FETCH_ITEM__FETCH_IDS) != 0)
		add_ids(fetch, db_blob(q, 8), db_int(q, 9), row);
	if ((items & PK__FETCH_ITEM__FETCH_PREVIEW) != 0)
		row->preview = add_text(fetch, db_text(q, 10));
	if ((items & PK__FETCH_ITEM__FETCH_ENVELOPE) != 0) {
		row->rendered_envelope = packed_bytes(db_blob(q, 11));
		row->envelope = packed_bytes(db_blob(q, 14));
	}
	if ((items & PK__FETCH_ITEM__FETCH_BODY_STRUCTURE) != 0) {
		row->rendered_body_structure = packed_bytes(db_blob(q, 12));
		row->body_structure = packed_bytes(db_blob(q, 15));
	}
	if ((items & PK__FETCH_ITEM__FETCH_PARTS) == 0)
		return 0;
	int rc = unpack(request->packer, db_blob(q, 13), parts->max, parts, &request->info);
	row->parts = packed_bytes(buf_str(parts));
	return rc;
}

static int build_row(struct request *request, struct fetch *fetch, struct db_stmt *q,
                     unsigned items)
{
	Pk__FetchRow row = PK__FETCH_ROW__INIT;
	struct buf parts BUF_AUTO;
	buf_init(&parts, LINK_MESSAGE_MAX / 2);
	buf_clear(&fetch->texts);
	/* All of it at once, so that the strings in it do not move. */
	if (buf_reserve(&fetch->texts, fetch->texts.max) == NULL)
		return err_set(&request->info, E_INTERNAL, "no room for the texts of a row");
	add_entry(fetch, q, items, &row);
	int rc = (items & NEEDS_MESSAGE) == 0 ? 0 : add_message(request, fetch, q, items, &parts, &row);
	if (rc == 0)
		rc = add_sections(request, fetch, db_int(q, 7), &row);
	return rc == 0 ? add_row(request, &row) : rc;
}

/* The rest of a message whose beginning has been sent. */
static int go_on_inside(struct request *request, struct fetch *fetch)
{
	Pk__FetchRow row = PK__FETCH_ROW__INIT;
	row.uid = fetch->inside_uid;
	int rc = add_sections(request, fetch, fetch->inside_message, &row);
	return rc == 0 ? add_row(request, &row) : rc;
}

/* ---------------------------------------------------------------- the walk */

#define ENTRY_COLUMNS "uid, modseq, flags, keywords, internal_date, e.size, save_date, e.message"
#define ENTRY_WHERE   "e.folder=?1 AND uid BETWEEN ?2 AND ?3 AND modseq>?4 ORDER BY uid"

static struct db_stmt *query_run(struct request *request, const struct fetch *fetch)
{
	struct db *db = request->mailbox->db;
	const Pk__FetchRequest *message = message_of(request);
	struct db_stmt *q = (message->items & NEEDS_MESSAGE) == 0
	                        ? db_query(db,
	                                   "SELECT " ENTRY_COLUMNS " FROM entry e WHERE " ENTRY_WHERE)
	                        : db_query(db, "SELECT " ENTRY_COLUMNS
	                                       ", m.digest, m.thread, m.preview, m.rendered_envelope,"
	                                       " m.rendered_body_structure, m.parts, m.envelope,"
	                                       " m.body_structure FROM entry e CROSS JOIN message m"
	                                       " ON m.id = e.message WHERE " ENTRY_WHERE);
	uint32_t first = 0, last = 0;
	(void)uid_walk_rest(&fetch->walk, &first, &last);
	db_bind_int(q, 1, (int64_t)message->folder);
	db_bind_int(q, 2, first);
	db_bind_int(q, 3, last);
	db_bind_int(q, 4, (int64_t)message->changed_since);
	return q;
}

static bool chunk_full(const struct request *request)
{
	return request->chunk.len >= CHUNK_SIZE || request_slice_over(request);
}

/* One message is gone, not the rest of them. */
static bool is_damage(int rc)
{
	return db_is_damage(rc) || rc == E_NOT_FOUND;
}

static void pass_over(struct fetch *fetch, int rc)
{
	fetch->unreadable++;
	fetch->error = rc == E_IO ? E_IO : E_CORRUPT;
}

/* A row that cannot even be stepped to. */
static int pass_over_next(struct request *request, struct fetch *fetch, int error, bool *ret_end)
{
	uint32_t uid;
	int rc = uid_walk_pass_over(&fetch->walk, request->mailbox->db,
	                            (int64_t)message_of(request)->folder, &uid, &request->info);
	*ret_end = rc == 0 && uid == 0;
	if (rc == 0 && uid != 0)
		pass_over(fetch, error);
	return rc;
}

/* Rows of the current run; *ret_end: it is done with. */
static int fetch_run_rows(struct request *request, struct fetch *fetch, bool *ret_end)
{
	struct db_stmt *q = query_run(request, fetch);
	int rc;
	*ret_end = false;
	while ((rc = db_step(q, &request->info)) == DB_ROW) {
		uint32_t uid = (uint32_t)db_int(q, 0);
		rc = build_row(request, fetch, q, message_of(request)->items);
		fetch->walk.uid = uid + 1;
		bool damaged = is_damage(rc);
		if (damaged) {
			pass_over(fetch, rc);
			rc = 0;
		}
		/* After a damaged page the walk itself fails at the next row, which is sound: it begins anew. */
		if (rc != 0 || damaged || fetch->inside || chunk_full(request)) {
			db_reset(q);
			return rc;
		}
	}
	*ret_end = rc == 0;
	return is_damage(rc) ? pass_over_next(request, fetch, rc, ret_end) : rc;
}

static int fetch_run(struct request *request)
{
	int rc = request->state == NULL ? fetch_new(request) : 0;
	struct fetch *fetch = request->state;
	if (rc == 0 && !fetch->prepared)
		rc = prepare(request, fetch);
	if (rc == 0 && fetch->inside)
		rc = go_on_inside(request, fetch);
	while (rc == 0 && !fetch->inside && !chunk_full(request) &&
	       fetch->walk.run < fetch->walk.uids.count) {
		bool end;
		rc = fetch_run_rows(request, fetch, &end);
		if (end)
			uid_walk_next_run(&fetch->walk);
	}
	if (rc != 0)
		return rc;
	if (fetch->inside || fetch->walk.run < fetch->walk.uids.count)
		return request->chunk.len > 0 ? REQUEST_CHUNK : REQUEST_AGAIN;
	if (fetch->unreadable > 0) {
		if (request->chunk.len > 0)
			return REQUEST_CHUNK; /* an error takes none along */
		return err_set(&request->info, fetch->error, "%u messages cannot be read",
		               fetch->unreadable);
	}
	Pk__Empty reply = PK__EMPTY__INIT;
	return request_reply(request, &reply.base);
}

const struct method store_method_fetch = {
	.core.number = PK__STORE_METHOD__STORE_FETCH,
	.core.name = "fetch",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__fetch_request__descriptor,
	.core.items_max = REQUEST_UIDS_MAX,
	.core.aside = true,
	.scope = METHOD_SESSION,
	.run = fetch_run,
};
