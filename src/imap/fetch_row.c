#include "imap/fetch.h"

#include <string.h>

#include "imap/structure.h"
#include "imap/writer.h"

void fetch_run_init(struct fetch_run *run, const struct fetch_items *items, struct view *folder,
                    struct scratch *scratch, bool condstore)
{
	*run = (struct fetch_run){
		.items = items, .folder = folder, .scratch = scratch, .condstore = condstore};
	buf_init(&run->held, FETCH_HEADER_MAX);
}

void fetch_run_done(struct fetch_run *run)
{
	buf_done(&run->held);
}

bool fetch_run_between_rows(const struct fetch_run *run)
{
	return run->uid == 0 || run->unknown;
}

/* ---------------------------------------------------------------- items of the row itself */

static void item(struct fetch_run *run, struct buf *out, struct str name)
{
	if (run->separated)
		buf_add_byte(out, ' ');
	run->separated = true;
	buf_add_str(out, name);
}

static void write_flags(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	item(run, out, STR("FLAGS "));
	imap_write_flags(out, row->flags, row->keywords, row->n_keywords,
	                 seq_list_contains(&run->folder->recent, row->uid));
}

static void write_modseq(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	item(run, out, STR("MODSEQ ("));
	buf_add_u64(out, row->modseq);
	buf_add_byte(out, ')');
}

static void write_structure(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	const struct imap_described from = {
		.packed = STR_OF_BYTES(row->body_structure),
		.rendered = STR_OF_BYTES(row->rendered_body_structure),
	};
	if ((run->items->set & FETCH_BODY) != 0) {
		item(run, out, STR("BODY "));
		imap_write_row_structure(out, run->scratch, &from, false);
	}
	if ((run->items->set & PK__FETCH_ITEM__FETCH_BODY_STRUCTURE) != 0) {
		item(run, out, STR("BODYSTRUCTURE "));
		imap_write_row_structure(out, run->scratch, &from, true);
	}
}

static void write_envelope(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	const struct imap_described from = {
		.packed = STR_OF_BYTES(row->envelope),
		.rendered = STR_OF_BYTES(row->rendered_envelope),
	};
	item(run, out, STR("ENVELOPE "));
	imap_write_row_envelope(out, run->scratch, &from);
}

/* \Seen may have been set by this very command. */
static bool tells_flags(const struct fetch_run *run)
{
	return (run->items->set & PK__FETCH_ITEM__FETCH_FLAGS) != 0 || run->items->mark_seen;
}

static bool tells_modseq(const struct fetch_run *run)
{
	return (run->items->set & FETCH_MODSEQ) != 0 || (run->condstore && run->items->mark_seen);
}

static void write_items(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	uint32_t set = run->items->set;
	if ((set & FETCH_UID) != 0) {
		item(run, out, STR("UID "));
		buf_add_u64(out, row->uid);
	}
	if (tells_flags(run))
		write_flags(run, row, out);
	if (tells_modseq(run))
		write_modseq(run, row, out);
	if ((set & PK__FETCH_ITEM__FETCH_INTERNAL_DATE) != 0) {
		item(run, out, STR("INTERNALDATE "));
		imap_write_date_time(out, row->internal_date);
	}
	if ((set & PK__FETCH_ITEM__FETCH_SAVE_DATE) != 0) {
		item(run, out, STR("SAVEDATE "));
		imap_write_date_time(out, row->save_date);
	}
	if ((set & PK__FETCH_ITEM__FETCH_SIZE) != 0) {
		item(run, out, STR("RFC822.SIZE "));
		buf_add_u64(out, row->size);
	}
	if ((set & PK__FETCH_ITEM__FETCH_ENVELOPE) != 0)
		write_envelope(run, row, out);
	if ((set & (PK__FETCH_ITEM__FETCH_BODY_STRUCTURE | FETCH_BODY)) != 0)
		write_structure(run, row, out);
	if ((set & PK__FETCH_ITEM__FETCH_PREVIEW) != 0) {
		item(run, out, STR("PREVIEW "));
		imap_write_string(out, str_from(row->preview));
	}
}

/* ---------------------------------------------------------------- sections */

static const struct fetch_section *section_of(const struct fetch_run *run)
{
	return &run->items->sections[run->section];
}

static bool is_held(const struct fetch_section *section)
{
	return section->fields != NULL;
}

static void write_literal(struct buf *out, struct str bytes)
{
	buf_add_str(out, STR(" {"));
	buf_add_u64(out, bytes.len);
	buf_add_str(out, STR("}\r\n"));
	buf_add_str(out, bytes);
}

static void write_held(struct fetch_run *run, struct buf *out)
{
	const struct fetch_section *section = section_of(run);
	struct buf kept BUF_AUTO;
	buf_init(&kept, FETCH_HEADER_MAX + 4);
	fetch_filter_header(&kept, buf_str(&run->held), section);
	struct str bytes = buf_str(&kept);
	if (section->partial)
		bytes = str_slice(bytes, section->partial_offset, section->partial_length);
	item(run, out, section->label);
	write_literal(out, bytes);
	buf_done(&run->held);
}

static void next_section(struct fetch_run *run)
{
	run->section++;
	run->section_open = false;
	run->section_done = 0;
	run->section_total = 0;
}

static void write_missing(struct fetch_run *run, struct buf *out)
{
	item(run, out, section_of(run)->label);
	buf_add_str(out, STR(" NIL"));
	next_section(run);
}

static void open_section(struct fetch_run *run, uint64_t total, struct buf *out)
{
	const struct fetch_section *section = section_of(run);
	run->section_open = true;
	run->section_total = total;
	if (is_held(section))
		return;
	item(run, out, section->label);
	buf_add_str(out, STR(" {"));
	buf_add_u64(out, total);
	buf_add_str(out, STR("}\r\n"));
}

/* CHAR8, of which a literal consists, has no NUL. A message may have some (RFC 5322 section 4 wants them
 * accepted); to the client each is 0x80, as in other servers, so that sizes and offsets stay. */
static void add_body_bytes(struct buf *out, struct str bytes)
{
	size_t start = out->len;
	buf_add_str(out, bytes);
	while (out->len > start) {
		char *nul = memchr(out->ptr + start, '\0', out->len - start);
		if (nul == NULL)
			return;
		*nul = '\x80';
		start = (size_t)(nul + 1 - out->ptr);
	}
}

/* One piece. Those before the place where a resumed row is open are passed over. */
static int piece(struct fetch_run *run, const Pk__SectionData *data, struct buf *out)
{
	if (data->index >= run->items->section_count)
		return E_INVALID;
	if (data->index < run->section)
		return 0;
	while (run->section < data->index) {
		if (run->section_open)
			return E_INVALID;
		write_missing(run, out);
	}
	if (data->missing) {
		if (run->section_open)
			return E_INVALID;
		write_missing(run, out);
		return 0;
	}
	if (!run->section_open)
		open_section(run, data->total, out);
	uint64_t end = data->offset + data->data.len;
	if (data->total != run->section_total || data->offset > run->section_done ||
	    end < data->offset || end > data->total)
		return E_INVALID;
	if (end >= run->section_done) {
		struct str bytes = str_from_byte(STR_OF(data->data.data, data->data.len),
		                                 run->section_done - data->offset);
		add_body_bytes(is_held(section_of(run)) ? &run->held : out, bytes);
		run->section_done = end;
	}
	if (run->section_done < run->section_total)
		return 0;
	if (is_held(section_of(run)))
		write_held(run, out);
	next_section(run);
	return 0;
}

/* ---------------------------------------------------------------- rows */

static void open_row(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	uint32_t seq = uidmap_seq(&run->folder->map, row->uid);
	run->uid = row->uid;
	run->unknown = seq == 0;
	run->separated = false;
	run->section = 0;
	run->section_open = false;
	run->section_done = 0;
	if (run->unknown)
		return;
	if (tells_flags(run)) {
		imap_folder_announce(run->folder, row, out);
		if (!run->condstore || tells_modseq(run))
			view_showed(run->folder, row->uid, row->modseq);
	}
	buf_add_str(out, STR("* "));
	buf_add_u64(out, seq);
	buf_add_str(out, STR(" FETCH ("));
	write_items(run, row, out);
}

static int close_row(struct fetch_run *run, struct buf *out)
{
	if (!run->unknown) {
		if (run->section_open)
			return E_INVALID;
		while (run->section < run->items->section_count)
			write_missing(run, out);
		buf_add_str(out, STR(")\r\n"));
	}
	run->last_uid = run->uid;
	run->uid = 0;
	return 0;
}

int fetch_run_row(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out)
{
	if (row->uid == 0 || (run->uid != 0 && row->uid != run->uid))
		return E_INVALID;
	if (run->uid == 0)
		open_row(run, row, out);
	int error = 0;
	for (size_t i = 0; !run->unknown && error == 0 && i < row->n_sections; i++)
		error = piece(run, row->sections[i], out);
	if (error == 0 && !row->more)
		error = close_row(run, out);
	return error;
}

void fetch_resume(struct fetch_run *run, Pk__FetchRequest *request)
{
	if (run->unknown)
		run->uid = 0;
	run->unknown = false;
	uint32_t from = run->uid != 0 ? run->uid : run->last_uid + 1;
	if (run->section_open && is_held(section_of(run))) {
		/* Nothing of it is written yet: take it from its beginning. */
		run->section_open = false;
		run->section_done = 0;
		buf_clear(&run->held);
	}
	size_t kept = 0;
	for (size_t i = 0; i < request->n_uids; i++) {
		Pk__UidRange *range = request->uids[i];
		if (range->last < from)
			continue;
		if (range->first < from)
			range->first = from;
		request->uids[kept++] = range;
	}
	request->n_uids = kept;
}
