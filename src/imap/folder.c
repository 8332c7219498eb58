#include "imap/folder.h"

#include <stdlib.h>

#include "base/mem.h"
#include "imap/writer.h"

enum {
	KEYWORDS_TOLD_MAX = 4000, /* the store has fewer; more are shown without being announced */
	SHOWN_MAX = 1000,         /* further ones are told twice */
};

/* False for one that is known, or that cannot be told of: a store may send anything. */
static bool learn_keyword(struct imap_folder *folder, struct str name)
{
	if (!imap_is_atom(name) || map_count(folder->keywords) >= KEYWORDS_TOLD_MAX ||
	    map_get(folder->keywords, name) != NULL)
		return false;
	map_put(folder->keywords, name, folder);
	return true;
}

static void set_keywords(struct imap_folder *folder, char *const *keywords, size_t count)
{
	map_free(folder->keywords);
	folder->keywords = map_new();
	for (size_t i = 0; i < count; i++)
		learn_keyword(folder, str_from(keywords[i]));
}

struct imap_folder *imap_folder_new(const Pk__SelectReply *reply, struct str name, bool read_only)
{
	struct imap_folder *folder = mem_new(sizeof(*folder));
	folder->name = str_dup(name);
	folder->id = reply->folder;
	folder->uid_validity = reply->uid_validity;
	folder->seen_modseq = reply->highest_modseq;
	folder->read_only = read_only;
	folder->keywords_full = reply->keywords_full;
	set_keywords(folder, reply->keywords, reply->n_keywords);
	for (size_t i = 0; i < reply->n_uids; i++)
		uidmap_append(&folder->map, reply->uids[i]->first, reply->uids[i]->last);
	if (reply->recent_from != 0 && reply->recent_from < reply->uid_next)
		seq_list_add(&folder->recent, reply->recent_from, reply->uid_next - 1);
	return folder;
}

void imap_folder_free(struct imap_folder *folder)
{
	if (folder == NULL)
		return;
	free(folder->name);
	uidmap_done(&folder->map);
	seq_list_done(&folder->recent);
	seq_list_done(&folder->pending);
	map_free(folder->keywords);
	free(folder->shown);
	free(folder);
}

uint32_t imap_folder_recent(const struct imap_folder *folder)
{
	uint32_t count = 0;
	for (size_t i = 0; i < folder->recent.count; i++) {
		const struct seq_range *range = &folder->recent.ranges[i];
		count += uidmap_count(&folder->map, range->first, range->last);
	}
	return count;
}

void imap_folder_saw(struct imap_folder *folder, uint64_t modseq)
{
	/* With a notice of others' changes waiting, the next CHANGES has to start before those. */
	if (!folder->dirty && modseq > folder->seen_modseq)
		folder->seen_modseq = modseq;
}

static void write_flag_names(const struct imap_folder *folder, struct buf *out)
{
	size_t position = 0;
	struct str name;
	void *value;
	buf_add_str(out, STR("\\Answered \\Flagged \\Deleted \\Seen \\Draft"));
	while (map_next(folder->keywords, &position, &name, &value)) {
		buf_add_byte(out, ' ');
		buf_add_str(out, name);
	}
}

void imap_folder_write_flags(const struct imap_folder *folder, struct buf *out)
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

void imap_folder_announce(struct imap_folder *folder, const Pk__FetchRow *row, struct buf *out)
{
	bool fresh = false;
	for (size_t i = 0; i < row->n_keywords; i++)
		fresh |= learn_keyword(folder, str_from(row->keywords[i]));
	if (fresh)
		imap_folder_write_flags(folder, out);
}

void imap_folder_shown(struct imap_folder *folder, uint32_t uid, uint64_t modseq)
{
	if (modseq <= folder->seen_modseq || folder->shown_count == SHOWN_MAX)
		return;
	if (folder->shown == NULL)
		folder->shown = mem_new_array(SHOWN_MAX, sizeof(*folder->shown));
	folder->shown[folder->shown_count++] = (struct imap_shown){uid, modseq};
}

static bool was_shown(const struct imap_folder *folder, const Pk__FetchRow *row)
{
	for (size_t i = 0; i < folder->shown_count; i++)
		if (folder->shown[i].uid == row->uid && folder->shown[i].modseq >= row->modseq)
			return true;
	return false;
}

static void forget_shown(struct imap_folder *folder)
{
	free(folder->shown);
	folder->shown = NULL;
	folder->shown_count = 0;
}

void imap_folder_write_fetch(struct imap_folder *folder, const Pk__FetchRow *row,
                             const struct imap_untagged *to)
{
	uint32_t seq = uidmap_seq(&folder->map, row->uid);
	if (seq == 0)
		return;
	struct buf *out = to->out;
	imap_folder_announce(folder, row, out);
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
	                 seq_list_contains(&folder->recent, row->uid));
	buf_add_str(out, STR(")\r\n"));
}

/* Writes EXPUNGE for what is pending, from the highest number down so that the numbers below stay
 * right, and forgets it. */
static void write_expunges(struct imap_folder *folder, struct buf *out)
{
	if (folder->pending.count == 0)
		return;
	uint32_t recent = imap_folder_recent(folder);
	seq_list_normalize(&folder->pending);
	for (size_t i = folder->pending.count; i-- > 0;) {
		const struct seq_range *range = &folder->pending.ranges[i];
		uint32_t count = uidmap_count(&folder->map, range->first, range->last);
		if (count == 0)
			continue;
		uint32_t below = range->first == 0 ? 0 : uidmap_count(&folder->map, 0, range->first - 1);
		for (uint32_t seq = below + count; seq > below; seq--) {
			buf_add_str(out, STR("* "));
			buf_add_u64(out, seq);
			buf_add_str(out, STR(" EXPUNGE\r\n"));
		}
	}
	uidmap_remove(&folder->map, folder->pending.ranges, folder->pending.count);
	seq_list_done(&folder->pending);
	if (imap_folder_recent(folder) != recent)
		buf_addf(out, "* %u RECENT\r\n", imap_folder_recent(folder));
}

void imap_folder_expunged(struct imap_folder *folder, Pk__UidRange *const *ranges, size_t count,
                          const struct imap_untagged *to)
{
	for (size_t i = 0; i < count; i++) {
		const Pk__UidRange *range = ranges[i];
		if (range->first <= range->last &&
		    uidmap_count(&folder->map, range->first, range->last) > 0)
			seq_list_push(&folder->pending, range->first, range->last);
	}
	if (to->may_expunge)
		write_expunges(folder, to->out);
}

static void write_exists(struct imap_folder *folder, struct buf *out)
{
	buf_add_str(out, STR("* "));
	buf_add_u64(out, uidmap_messages(&folder->map));
	buf_add_str(out, STR(" EXISTS\r\n* "));
	buf_add_u64(out, imap_folder_recent(folder));
	buf_add_str(out, STR(" RECENT\r\n"));
}

/* New messages in the order of their UIDs, whatever that of the reply. */
static void append_new(struct imap_folder *folder, const Pk__ChangesReply *reply, uint32_t known)
{
	struct seq_list fresh = {0};
	for (size_t i = 0; i < reply->n_changed; i++) {
		uint32_t uid = reply->changed[i]->uid;
		if (uid > known)
			seq_list_push(&fresh, uid, uid);
	}
	seq_list_normalize(&fresh);
	for (size_t i = 0; i < fresh.count; i++)
		uidmap_append(&folder->map, fresh.ranges[i].first, fresh.ranges[i].last);
	seq_list_done(&fresh);
}

/* New messages from the UID after known on, for which recent_from holds. */
static void tell_new(struct imap_folder *folder, uint32_t known, uint32_t recent_from,
                     const struct imap_untagged *to)
{
	uint32_t highest = uidmap_highest_uid(&folder->map);
	if (highest <= known)
		return;
	const struct seq_list *recent = &folder->recent;
	uint32_t recent_end = recent->count == 0 ? 0 : recent->ranges[recent->count - 1].last;
	if (recent_from > recent_end && recent_from <= highest)
		seq_list_add(&folder->recent, recent_from, highest);
	write_exists(folder, to->out);
}

/* The keywords of the mailbox, when the store tells them: nothing is written if the client knows all. */
static void take_keywords(struct imap_folder *folder, char *const *keywords, size_t count,
                          bool full, struct buf *out)
{
	bool same = map_count(folder->keywords) == count && folder->keywords_full == full;
	for (size_t i = 0; same && i < count; i++)
		same = map_get(folder->keywords, str_from(keywords[i])) != NULL;
	folder->keywords_full = full;
	if (same)
		return;
	set_keywords(folder, keywords, count);
	imap_folder_write_flags(folder, out);
}

void imap_folder_changes(struct imap_folder *folder, const Pk__ChangesReply *reply,
                         const struct imap_untagged *to)
{
	if (reply->n_keywords > 0)
		take_keywords(folder, reply->keywords, reply->n_keywords, reply->keywords_full, to->out);
	imap_folder_expunged(folder, reply->expunged, reply->n_expunged, to);
	uint32_t known = uidmap_highest_uid(&folder->map);
	append_new(folder, reply, known);
	tell_new(folder, known, reply->recent_from, to);
	for (size_t i = 0; i < reply->n_changed; i++) {
		if (reply->changed[i]->uid <= known && !was_shown(folder, reply->changed[i]))
			imap_folder_write_fetch(folder, reply->changed[i], to);
	}
	forget_shown(folder);
	if (reply->highest_modseq > folder->seen_modseq)
		folder->seen_modseq = reply->highest_modseq;
}

void imap_folder_reselected(struct imap_folder *folder, const Pk__SelectReply *reply,
                            const struct imap_untagged *to)
{
	uint32_t known = uidmap_highest_uid(&folder->map);
	uint32_t next = 1;
	struct seq_list *gone = &folder->pending;
	take_keywords(folder, reply->keywords, reply->n_keywords, reply->keywords_full, to->out);
	for (size_t i = 0; i < reply->n_uids && next <= known; i++) {
		const Pk__UidRange *there = reply->uids[i];
		if (there->first > next)
			seq_list_push(gone, next, there->first - 1 < known ? there->first - 1 : known);
		if (there->last >= next)
			next = there->last == UINT32_MAX ? UINT32_MAX : there->last + 1;
	}
	if (next <= known)
		seq_list_push(gone, next, known);
	imap_folder_expunged(folder, NULL, 0, to);
	for (size_t i = 0; i < reply->n_uids; i++) {
		if (reply->uids[i]->last > known)
			uidmap_append(&folder->map,
			              reply->uids[i]->first > known ? reply->uids[i]->first : known + 1,
			              reply->uids[i]->last);
	}
	tell_new(folder, known, reply->recent_from, to);
}

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

int imap_folder_uids(const struct imap_folder *folder, struct seqset *set, bool uid,
                     struct arena *arena, Pk__UidRange ***ret, size_t *ret_count)
{
	uint32_t highest = uid ? uidmap_highest_uid(&folder->map) : uidmap_messages(&folder->map);
	seqset_normalize(set, highest);
	if (!uid) {
		int error = uidmap_seqs_to_uids(&folder->map, set);
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
