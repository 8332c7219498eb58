#include "imap/sync.h"

#include "imap/front.h"

void imap_saw_modseq(struct imap_client *client, uint64_t modseq)
{
	view_saw(client->folder, modseq);
	session_saw(client->session, 0, modseq);
}

struct view_listener imap_listener(struct imap_client *client, struct imap_untagged *to,
                                   bool may_expunge)
{
	*to = (struct imap_untagged){client->folder, &client->out, client->condstore};
	return imap_untagged(to, may_expunge);
}

static bool may_expunge(const struct imap_client *client)
{
	return (client->command->effects & IMAP_MAY_EXPUNGE) != 0;
}

static void give_up(struct imap_client *client)
{
	client->folder->dirty = client->folder->behind = true;
	client->synced(client, false);
}

static void succeed(struct imap_client *client)
{
	client->folder->behind = false;
	client->synced(client, true);
}

/* The command under way gets its answer all the same. */
static void gone(struct imap_client *client)
{
	client->folder_gone = true;
	client->synced(client, false);
}

/* ---------------------------------------------------------------- far behind */

struct resync {
	Pk__SelectRequest select;
	Pk__FetchRequest fetch;
	Pk__UidRange **uids;
	uint64_t modseq; /* what the client will have seen in the end */
	bool broken;
};

/* Not held back when the client reads slowly: a line for each message of one mailbox at most. */
static void flags_chunk(void *ctx, struct str body)
{
	struct imap_client *client = ctx;
	struct scratch *scratch = client->front->scratch;
	if (client->common.conn == NULL)
		return;
	const Pk__FetchChunk *chunk = scratch_unpack(scratch, &pk__fetch_chunk__descriptor, body,
	                                             WIRE_ITEMS_MANY);
	struct imap_untagged to;
	const struct view_listener listener = imap_listener(client, &to, may_expunge(client));
	for (size_t i = 0; chunk != NULL && i < chunk->n_rows; i++)
		view_row(client->folder, chunk->rows[i], &listener);
	scratch_reset(scratch);
	imap_flush(client);
	if (client->call != NULL)
		session_call_grant(client->call, body.len);
}

static void flags_told(struct imap_client *client, const struct imap_answer *answer)
{
	const struct resync *resync = client->sync_state;
	if (answer->error != 0) {
		give_up(client);
		return;
	}
	imap_saw_modseq(client, resync->modseq);
	succeed(client);
}

static void ask_flags(struct imap_client *client, struct resync *resync, uint32_t known)
{
	struct view *folder = client->folder;
	const struct seq_range range = {1, known};
	pk__fetch_request__init(&resync->fetch);
	resync->fetch.uids = imap_uid_ranges(client->arena, &range, 1);
	if (resync->fetch.uids == NULL || known == 0) {
		imap_saw_modseq(client, resync->modseq);
		succeed(client);
		return;
	}
	resync->fetch.n_uids = 1;
	resync->fetch.folder = folder->id;
	resync->fetch.items = PK__FETCH_ITEM__FETCH_FLAGS;
	resync->fetch.changed_since = folder->seen_modseq;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_FETCH,
						 .body = &resync->fetch.base,
						 .answered = flags_told,
						 .chunk = flags_chunk,
					 });
}

static void selected_again(struct imap_client *client, const struct imap_answer *answer)
{
	struct resync *resync = client->sync_state;
	const Pk__SelectReply *reply = answer->message;
	struct view *folder = client->folder;
	if (answer->error == E_NOT_FOUND ||
	    (reply != NULL &&
	     (reply->folder != folder->id || reply->uid_validity != folder->uid_validity))) {
		gone(client);
		return;
	}
	if (reply == NULL) {
		give_up(client);
		return;
	}
	uint32_t known = uidmap_highest_uid(&folder->map);
	struct imap_untagged to;
	const struct view_listener listener = imap_listener(client, &to, may_expunge(client));
	view_reselected(folder, reply, &listener);
	resync->modseq = reply->highest_modseq;
	ask_flags(client, resync, known);
}

static void select_again(struct imap_client *client)
{
	struct resync *resync = arena_alloc(client->arena, sizeof(*resync));
	if (resync == NULL) {
		give_up(client);
		return;
	}
	client->sync_state = resync;
	pk__select_request__init(&resync->select);
	resync->select.name = client->folder->name;
	resync->select.read_only = client->folder->read_only;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_SELECT,
						 .body = &resync->select.base,
						 .reply_type = &pk__select_reply__descriptor,
						 .answered = selected_again,
					 });
}

/* ---------------------------------------------------------------- as usual */

static void changes_told(struct imap_client *client, const struct imap_answer *answer)
{
	const Pk__ChangesReply *reply = answer->message;
	if (answer->error == E_LIMIT) {
		select_again(client);
	} else if (reply == NULL) {
		give_up(client);
	} else if (reply->folder_gone) {
		gone(client);
	} else {
		struct imap_untagged to;
		const struct view_listener listener = imap_listener(client, &to, may_expunge(client));
		view_changes(client->folder, reply, &listener);
		session_saw(client->session, reply->uid_next, reply->highest_modseq);
		succeed(client);
	}
}

void imap_sync(struct imap_client *client, void (*done)(struct imap_client *client, bool ok))
{
	client->synced = done;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_CHANGES,
						 .body = view_ask(client->folder),
						 .reply_type = &pk__changes_reply__descriptor,
						 .answered = changes_told,
					 });
}
