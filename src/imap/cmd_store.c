/* STORE and UID STORE. */

#include "imap/command.h"
#include "imap/sync.h"

enum { BATCH_MESSAGES = 50000 /* asked for at a time: the store bounds its answers */ };

struct store {
	struct seqset set; /* UID ranges from store_start on */
	size_t at;         /* ranges of it that are done */
	Pk__StoreRequest request;
	Pk__UidRange **uids;      /* room for all of the set */
	struct seq_list modified; /* as the command names messages; left alone */
	struct imap_flags flags;
	Pk__StoreRequest__Operation operation;
	bool silent;
	bool has_unchanged_since;
	uint64_t unchanged_since;
};

/* store-modifiers = "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP        RFC 7162 section 7 */
static bool store_modifiers(struct imap_parse *in, struct store *args)
{
	if (!cursor_byte(&in->c, '('))
		return true;
	args->has_unchanged_since = true;
	if (!imap_word(in, STR("UNCHANGEDSINCE")) || !imap_space(in) ||
	    !imap_number(in, INT64_MAX, &args->unchanged_since) || !cursor_byte(&in->c, ')'))
		return imap_parse_fail(in, "Unknown modifier");
	return imap_space(in);
}

/* store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
static bool store_flags(struct imap_parse *in, struct store *args)
{
	if (cursor_byte(&in->c, '+'))
		args->operation = PK__STORE_REQUEST__OPERATION__ADD;
	else if (cursor_byte(&in->c, '-'))
		args->operation = PK__STORE_REQUEST__OPERATION__REMOVE;
	args->silent = imap_word(in, STR("FLAGS.SILENT"));
	if (!args->silent && !imap_word(in, STR("FLAGS")))
		return imap_parse_fail(in, "Expected FLAGS");
	return imap_space(in) && imap_store_flags(in, &args->flags);
}

static bool store_parse(struct imap_parse *in, struct imap_client *client)
{
	struct store *args = imap_args(in, client, sizeof(*args));
	return args != NULL && imap_space(in) && imap_sequence_set(in, &args->set) && imap_space(in) &&
	       store_modifiers(in, args) && store_flags(in, args);
}

/* With CONDSTORE even a silent STORE tells the new modseq (RFC 7162 section 3.1.3). */
static void write_modseq(struct imap_client *client, const Pk__FetchRow *row)
{
	uint32_t seq = uidmap_seq(&client->folder->map, row->uid);
	if (seq == 0)
		return;
	buf_addf(&client->out, "* %u FETCH (UID %u MODSEQ (%llu))\r\n", seq, row->uid,
	         (unsigned long long)row->modseq);
}

/* Messages left alone, as the command names them: UIDs or numbers. */
static void add_modified(struct imap_client *client, const Pk__StoreReply *reply)
{
	struct store *args = client->args;
	bool uid = (client->command->effects & IMAP_UID) != 0;
	const struct uidmap *map = &client->folder->map;
	for (size_t i = 0; i < reply->n_modified; i++) {
		const Pk__UidRange *range = reply->modified[i];
		uint32_t below = range->first == 0 ? 0 : uidmap_count(map, 0, range->first - 1);
		uint32_t count = uidmap_count(map, range->first, range->last);
		for (uint32_t seq = below + 1; seq <= below + count; seq++) {
			uint32_t number = uid ? uidmap_uid(map, seq) : seq;
			seq_list_push(&args->modified, number, number);
		}
	}
}

static const char *modified_code(struct imap_client *client)
{
	struct store *args = client->args;
	if (args->modified.count == 0)
		return NULL;
	seq_list_normalize(&args->modified);
	struct buf code BUF_AUTO;
	buf_init(&code, 64 * 1024);
	buf_add_str(&code, STR("MODIFIED "));
	seq_ranges_format(&code, args->modified.ranges, args->modified.count);
	struct str copy = arena_str(client->arena, buf_str(&code));
	return code.failed ? NULL : copy.ptr;
}

/* Moves the next messages, at most BATCH_MESSAGES, from the set into the request; false at the end. */
static bool next_batch(struct imap_client *client)
{
	struct store *args = client->args;
	const struct uidmap *map = &client->folder->map;
	Pk__StoreRequest *request = &args->request;
	uint32_t room = BATCH_MESSAGES;
	request->n_uids = 0;
	while (args->at < args->set.count && room > 0) {
		struct seq_range *range = &args->set.ranges[args->at];
		Pk__UidRange *next = args->uids[request->n_uids];
		uint32_t below = range->first == 0 ? 0 : uidmap_count(map, 0, range->first - 1);
		uint32_t count = uidmap_count(map, range->first, range->last);
		next->first = range->first;
		next->last = range->last;
		if (count > room) {
			next->last = uidmap_uid(map, below + room);
			range->first = next->last + 1;
			count = room;
		} else {
			args->at++;
		}
		room -= count;
		request->n_uids += count > 0;
	}
	return request->n_uids > 0;
}

static void ask_batch(struct imap_client *client);

static void stored(struct imap_client *client, const struct imap_answer *answer)
{
	const struct store *args = client->args;
	const Pk__StoreReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	struct imap_untagged to;
	const struct view_listener listener = imap_listener(client, &to, false);
	for (size_t i = 0; i < reply->n_changed; i++) {
		view_showed(client->folder, reply->changed[i]->uid, reply->changed[i]->modseq);
		if (!args->silent)
			view_row(client->folder, reply->changed[i], &listener);
		else if (client->condstore)
			write_modseq(client, reply->changed[i]);
	}
	add_modified(client, reply);
	imap_saw_modseq(client, reply->highest_modseq);
	if (next_batch(client))
		ask_batch(client);
	else
		imap_finish(client, modified_code(client), "Stored");
}

static void ask_batch(struct imap_client *client)
{
	struct store *args = client->args;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_STORE,
						 .body = &args->request.base,
						 .reply_type = &pk__store_reply__descriptor,
						 .answered = stored,
					 });
}

static void begin(struct imap_client *client)
{
	struct store *args = client->args;
	Pk__StoreRequest *request = &args->request;
	pk__store_request__init(request);
	request->folder = client->folder->id;
	request->operation = args->operation;
	request->flags = args->flags.bits;
	request->keywords = args->flags.keywords;
	request->n_keywords = args->flags.keyword_count;
	request->has_unchanged_since = args->has_unchanged_since;
	request->unchanged_since = args->unchanged_since;
	size_t count;
	if (!imap_command_uids(client, &args->set, &args->uids, &count))
		return;
	request->uids = args->uids;
	if (next_batch(client))
		ask_batch(client);
	else
		imap_finish(client, NULL, "No such messages");
}

static void store_synced(struct imap_client *client, bool ok)
{
	(void)ok; /* the change is as right without it */
	begin(client);
}

static void store_start(struct imap_client *client)
{
	const struct store *args = client->args;
	if (args->has_unchanged_since)
		imap_enable_condstore(client);
	if (client->condstore && client->folder->dirty)
		imap_sync(client, store_synced); /* as FETCH does, for the modseqs of the answer */
	else
		begin(client);
}

static void store_cancel(struct imap_client *client)
{
	struct store *args = client->args;
	if (args != NULL)
		seq_list_done(&args->modified);
}

const struct imap_command imap_cmd_store = {
	.name = "STORE",
	.rfc = "RFC 9051 6.4.6",
	.states = IMAP_SELECTED,
	.effects = IMAP_WRITES,
	.parse = store_parse,
	.start = store_start,
	.cancel = store_cancel,
};

const struct imap_command imap_cmd_uid_store = {
	.name = "UID STORE",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_WRITES | IMAP_UID | IMAP_MAY_EXPUNGE,
	.parse = store_parse,
	.start = store_start,
	.cancel = store_cancel,
};
