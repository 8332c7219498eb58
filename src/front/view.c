#include "front/view.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
	KEYWORDS_TOLD_MAX = 4000, /* the store has fewer; more are shown without being announced */
	SHOWN_MAX = 1000,         /* further ones are told twice */
};

/* False for one that is known: a store may send anything. */
static bool learn_keyword(struct view *view, struct str name)
{
	if (name.len == 0 || map_count(view->keywords) >= KEYWORDS_TOLD_MAX ||
	    map_get(view->keywords, name) != NULL)
		return false;
	map_put(view->keywords, name, view);
	return true;
}

static void set_keywords(struct view *view, char *const *keywords, size_t count)
{
	map_free(view->keywords);
	view->keywords = map_new();
	for (size_t i = 0; i < count; i++)
		learn_keyword(view, str_from(keywords[i]));
}

struct view *view_new(const Pk__SelectReply *reply, struct str name, bool read_only)
{
	struct view *view = mem_new(sizeof(*view));
	view->name = str_dup(name);
	view->id = reply->folder;
	view->uid_validity = reply->uid_validity;
	view->seen_modseq = reply->highest_modseq;
	view->read_only = read_only;
	view->keywords_full = reply->keywords_full;
	set_keywords(view, reply->keywords, reply->n_keywords);
	for (size_t i = 0; i < reply->n_uids; i++)
		uidmap_append(&view->map, reply->uids[i]->first, reply->uids[i]->last);
	if (reply->recent_from != 0 && reply->recent_from < reply->uid_next)
		seq_list_add(&view->recent, reply->recent_from, reply->uid_next - 1);
	return view;
}

void view_free(struct view *view)
{
	if (view == NULL)
		return;
	free(view->name);
	uidmap_done(&view->map);
	seq_list_done(&view->recent);
	seq_list_done(&view->pending);
	map_free(view->keywords);
	free(view->shown);
	free(view);
}

uint32_t view_recent(const struct view *view)
{
	uint32_t count = 0;
	for (size_t i = 0; i < view->recent.count; i++) {
		const struct seq_range *range = &view->recent.ranges[i];
		count += uidmap_count(&view->map, range->first, range->last);
	}
	return count;
}

bool view_is_recent(const struct view *view, uint32_t uid)
{
	return seq_list_contains(&view->recent, uid);
}

bool view_learn(struct view *view, const Pk__FetchRow *row)
{
	bool fresh = false;
	for (size_t i = 0; i < row->n_keywords; i++)
		fresh |= learn_keyword(view, str_from(row->keywords[i]));
	return fresh;
}

/* ---------------------------------------------------------------- what the client knows already */

void view_saw(struct view *view, uint64_t modseq)
{
	/* With a notice of others' changes waiting, the next CHANGES has to start before those. */
	if (!view->dirty && modseq > view->seen_modseq)
		view->seen_modseq = modseq;
}

void view_showed(struct view *view, uint32_t uid, uint64_t modseq)
{
	if (modseq <= view->seen_modseq || view->shown_count == SHOWN_MAX)
		return;
	if (view->shown == NULL)
		view->shown = mem_new_array(SHOWN_MAX, sizeof(*view->shown));
	view->shown[view->shown_count++] = (struct view_shown){uid, modseq};
}

static bool was_shown(const struct view *view, const Pk__FetchRow *row)
{
	for (size_t i = 0; i < view->shown_count; i++)
		if (view->shown[i].uid == row->uid && view->shown[i].modseq >= row->modseq)
			return true;
	return false;
}

static void forget_shown(struct view *view)
{
	free(view->shown);
	view->shown = NULL;
	view->shown_count = 0;
}

/* ---------------------------------------------------------------- what it is told */

ProtobufCMessage *view_ask(struct view *view)
{
	Pk__ChangesRequest *request = &view->changes;
	pk__changes_request__init(request);
	request->folder = view->id;
	request->since_modseq = view->seen_modseq;
	request->claim_recent = !view->read_only;
	view->dirty = false;
	return &request->base;
}

void view_row(struct view *view, const Pk__FetchRow *row, const struct view_listener *listener)
{
	uint32_t seq = uidmap_seq(&view->map, row->uid);
	if (seq == 0)
		return;
	if (view_learn(view, row))
		listener->events->keywords(listener->ctx);
	listener->events->row(listener->ctx, seq, row);
}

/* Tells what is pending, from the highest number down so that the numbers below stay right, and forgets
 * it. */
static void tell_pending(struct view *view, const struct view_listener *listener)
{
	if (view->pending.count == 0)
		return;
	uint32_t recent = view_recent(view);
	seq_list_normalize(&view->pending);
	for (size_t i = view->pending.count; i-- > 0;) {
		const struct seq_range *range = &view->pending.ranges[i];
		uint32_t count = uidmap_count(&view->map, range->first, range->last);
		if (count == 0)
			continue;
		uint32_t below = range->first == 0 ? 0 : uidmap_count(&view->map, 0, range->first - 1);
		for (uint32_t seq = below + count; seq > below; seq--)
			listener->events->expunged(listener->ctx, seq);
	}
	uidmap_remove(&view->map, view->pending.ranges, view->pending.count);
	seq_list_done(&view->pending);
	if (view_recent(view) != recent)
		listener->events->recent(listener->ctx);
}

void view_expunged(struct view *view, Pk__UidRange *const *ranges, size_t count,
                   const struct view_listener *listener)
{
	for (size_t i = 0; i < count; i++) {
		const Pk__UidRange *range = ranges[i];
		if (range->first <= range->last && uidmap_count(&view->map, range->first, range->last) > 0)
			seq_list_push(&view->pending, range->first, range->last);
	}
	if (listener->may_expunge)
		tell_pending(view, listener);
}

/* New messages in the order of their UIDs, whatever that of the reply. */
static void append_new(struct view *view, const Pk__ChangesReply *reply, uint32_t known)
{
	struct seq_list fresh = {0};
	for (size_t i = 0; i < reply->n_changed; i++) {
		uint32_t uid = reply->changed[i]->uid;
		if (uid > known)
			seq_list_push(&fresh, uid, uid);
	}
	seq_list_normalize(&fresh);
	for (size_t i = 0; i < fresh.count; i++)
		uidmap_append(&view->map, fresh.ranges[i].first, fresh.ranges[i].last);
	seq_list_done(&fresh);
}

/* New messages from the UID after known on, for which recent_from holds. */
static void tell_new(struct view *view, uint32_t known, uint32_t recent_from,
                     const struct view_listener *listener)
{
	uint32_t highest = uidmap_highest_uid(&view->map);
	if (highest <= known)
		return;
	const struct seq_list *recent = &view->recent;
	uint32_t recent_end = recent->count == 0 ? 0 : recent->ranges[recent->count - 1].last;
	if (recent_from > recent_end && recent_from <= highest)
		seq_list_add(&view->recent, recent_from, highest);
	listener->events->grown(listener->ctx);
}

/* The keywords of the mailbox, when the store tells them: no news if the client knows all. */
static void take_keywords(struct view *view, char *const *keywords, size_t count, bool full,
                          const struct view_listener *listener)
{
	bool same = map_count(view->keywords) == count && view->keywords_full == full;
	for (size_t i = 0; same && i < count; i++)
		same = map_get(view->keywords, str_from(keywords[i])) != NULL;
	view->keywords_full = full;
	if (same)
		return;
	set_keywords(view, keywords, count);
	listener->events->keywords(listener->ctx);
}

void view_changes(struct view *view, const Pk__ChangesReply *reply,
                  const struct view_listener *listener)
{
	if (reply->n_keywords > 0)
		take_keywords(view, reply->keywords, reply->n_keywords, reply->keywords_full, listener);
	view_expunged(view, reply->expunged, reply->n_expunged, listener);
	uint32_t known = uidmap_highest_uid(&view->map);
	append_new(view, reply, known);
	tell_new(view, known, reply->recent_from, listener);
	for (size_t i = 0; i < reply->n_changed; i++)
		if (reply->changed[i]->uid <= known && !was_shown(view, reply->changed[i]))
			view_row(view, reply->changed[i], listener);
	forget_shown(view);
	if (reply->highest_modseq > view->seen_modseq)
		view->seen_modseq = reply->highest_modseq;
}

void view_reselected(struct view *view, const Pk__SelectReply *reply,
                     const struct view_listener *listener)
{
	uint32_t known = uidmap_highest_uid(&view->map);
	uint32_t next = 1;
	struct seq_list *gone = &view->pending;
	take_keywords(view, reply->keywords, reply->n_keywords, reply->keywords_full, listener);
	for (size_t i = 0; i < reply->n_uids && next <= known; i++) {
		const Pk__UidRange *there = reply->uids[i];
		if (there->first > next)
			seq_list_push(gone, next, there->first - 1 < known ? there->first - 1 : known);
		if (there->last >= next)
			next = there->last == UINT32_MAX ? UINT32_MAX : there->last + 1;
	}
	if (next <= known)
		seq_list_push(gone, next, known);
	view_expunged(view, NULL, 0, listener);
	for (size_t i = 0; i < reply->n_uids; i++) {
		if (reply->uids[i]->last > known)
			uidmap_append(&view->map,
			              reply->uids[i]->first > known ? reply->uids[i]->first : known + 1,
			              reply->uids[i]->last);
	}
	tell_new(view, known, reply->recent_from, listener);
}
