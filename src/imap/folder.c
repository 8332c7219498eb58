#include "imap/folder.h"

#include "base/mem.h"
#include "imap/writer.h"

static void write_flag_names(const struct view *folder, struct buf *out)
{
	size_t position = 0;
	struct str name;
	void *value;
	buf_add_str(out, STR("\\Answered \\Flagged \\Deleted \\Seen \\Draft"));
	while (map_next(folder->keywords, &position, &name, &value)) {
		if (!imap_is_atom(name))
			continue;
		buf_add_byte(out, ' ');
		buf_add_str(out, name);
	}
}

void imap_folder_write_flags(const struct view *folder, struct buf *out)
{
	buf_add_str(out, STR("* FLAGS ("));
	write_flag_names(folder, out);
	buf_add_str(out, STR(")\r\n* OK [PERMANENTFLAGS ("));
	if (folder->read_only) {
		buf_add_str(out, STR(")] Read-only\r\n"));
		return;
	}
	write_flag_names(folder, out);
	buf_add_str(out, folder->keywords_full ? STR(")] No further keyword\r\n")
	                                       : STR(" \\*)] Any keyword\r\n"));
}

void imap_folder_announce(struct view *folder, const Pk__FetchRow *row, struct buf *out)
{
	if (view_learn(folder, row))
		imap_folder_write_flags(folder, out);
}

/* ---------------------------------------------------------------- what has changed */

static void tell_keywords(void *ctx)
{
	const struct imap_untagged *to = ctx;
	imap_folder_write_flags(to->folder, to->out);
}

static void tell_expunged(void *ctx, uint32_t seq)
{
	const struct imap_untagged *to = ctx;
	buf_add_str(to->out, STR("* "));
	buf_add_u64(to->out, seq);
	buf_add_str(to->out, STR(" EXPUNGE\r\n"));
}

static void tell_recent(void *ctx)
{
	const struct imap_untagged *to = ctx;
	buf_addf(to->out, "* %u RECENT\r\n", view_recent(to->folder));
}

static void tell_exists(void *ctx)
{
	const struct imap_untagged *to = ctx;
	buf_add_str(to->out, STR("* "));
	buf_add_u64(to->out, uidmap_messages(&to->folder->map));
	buf_add_str(to->out, STR(" EXISTS\r\n"));
	tell_recent(ctx);
}

static void tell_fetch(void *ctx, uint32_t seq, const Pk__FetchRow *row)
{
	const struct imap_untagged *to = ctx;
	struct buf *out = to->out;
	buf_add_str(out, STR("* "));
	buf_add_u64(out, seq);
	buf_add_str(out, STR(" FETCH (UID "));
	buf_add_u64(out, row->uid);
	if (to->condstore) {
		buf_add_str(out, STR(" MODSEQ ("));
		buf_add_u64(out, row->modseq);
		buf_add_byte(out, ')');
	}
	buf_add_str(out, STR(" FLAGS "));
	imap_write_flags(out, row->flags, row->keywords, row->n_keywords,
	                 view_is_recent(to->folder, row->uid));
	buf_add_str(out, STR(")\r\n"));
}

struct view_listener imap_untagged(struct imap_untagged *to, bool may_expunge)
{
	static const struct view_events events = {
		.keywords = tell_keywords,
		.expunged = tell_expunged,
		.recent = tell_recent,
		.grown = tell_exists,
		.row = tell_fetch,
	};
	return (struct view_listener){&events, to, may_expunge};
}

/* ---------------------------------------------------------------- numbers of messages */

Pk__UidRange **imap_uid_ranges(struct arena *arena, const struct seq_range *ranges, size_t count)
{
	Pk__UidRange **list = arena_array(arena, count + 1, sizeof(*list));
	Pk__UidRange *all = arena_array(arena, count + 1, sizeof(*all));
	if (list == NULL || all == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		pk__uid_range__init(&all[i]);
		all[i].first = ranges[i].first;
		all[i].last = ranges[i].last;
		list[i] = &all[i];
	}
	return list;
}

int imap_folder_uids(const struct view *folder, struct seqset *set, bool uid, struct arena *arena,
                     Pk__UidRange ***ret, size_t *ret_count)
{
	uint32_t highest = uid ? uidmap_highest_uid(&folder->map) : uidmap_messages(&folder->map);
	seqset_normalize(set, highest);
	if (!uid) {
		int error = uidmap_seqs_to_uids(&folder->map, set->ranges, set->count);
		if (error != 0)
			return error;
	}
	size_t kept = 0;
	bool unknown = false;
	for (size_t i = 0; i < set->count; i++) {
		struct seq_range range = set->ranges[i];
		unknown |= folder->behind && range.last > uidmap_highest_uid(&folder->map);
		if (range.last > uidmap_highest_uid(&folder->map))
			range.last = uidmap_highest_uid(&folder->map);
		if (range.first <= range.last && uidmap_count(&folder->map, range.first, range.last) > 0)
			set->ranges[kept++] = range;
	}
	set->count = kept;
	*ret = imap_uid_ranges(arena, set->ranges, kept);
	*ret_count = kept;
	if (uid && unknown && kept == 0)
		return E_UNAVAILABLE;
	return *ret == NULL ? E_TOO_LARGE : 0;
}
