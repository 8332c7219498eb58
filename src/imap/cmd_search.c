/* SEARCH and UID SEARCH, answered by SEARCH or ESEARCH. */

#include "imap/command.h"
#include "imap/folder.h"
#include "imap/search.h"
#include "imap/sync.h"

static bool search_arguments(struct imap_parse *in, struct imap_client *client)
{
	struct search *args = imap_args(in, client, sizeof(*args));
	return args != NULL && search_parse(in, client->folder, args);
}

/* The found messages as the client counts them, rising; those it does not know are left out. */
static void numbers_of(const struct uidmap *map, const Pk__SearchReply *reply, bool uid,
                       struct seq_list *ret)
{
	for (size_t i = 0; i < reply->n_uids; i++) {
		const Pk__UidRange *range = reply->uids[i];
		uint32_t below = range->first == 0 ? 0 : uidmap_count(map, 0, range->first - 1);
		uint32_t count = uidmap_count(map, range->first, range->last);
		if (!uid && count > 0)
			seq_list_push(ret, below + 1, below + count);
		for (uint32_t seq = below + 1; uid && seq <= below + count; seq++)
			seq_list_push(ret, uidmap_uid(map, seq), uidmap_uid(map, seq));
	}
	seq_list_normalize(ret);
}

static void write_search(struct buf *out, const struct seq_list *found, bool modseq,
                         uint64_t highest)
{
	buf_add_str(out, STR("* SEARCH"));
	for (size_t i = 0; i < found->count; i++) {
		for (uint64_t n = found->ranges[i].first; n <= found->ranges[i].last; n++) {
			buf_add_byte(out, ' ');
			buf_add_u64(out, n);
		}
	}
	if (modseq && found->count > 0) {
		buf_add_str(out, STR(" (MODSEQ "));
		buf_add_u64(out, highest);
		buf_add_byte(out, ')');
	}
	buf_add_str(out, STR("\r\n"));
}

/* The highest modseq of what is returned: of the ends when only those are asked for (RFC 7162 section
 * 3.1.10). */
static uint64_t returned_modseq(unsigned returns, const Pk__SearchReply *reply)
{
	uint64_t first = reply->first_modseq, last = reply->last_modseq;
	switch (returns) {
	case SEARCH_RETURN_MIN:
		return first;
	case SEARCH_RETURN_MAX:
		return last;
	case SEARCH_RETURN_MIN | SEARCH_RETURN_MAX:
		return first > last ? first : last;
	default:
		return reply->highest_modseq;
	}
}

static void write_esearch(struct imap_client *client, const struct seq_list *found, bool uid,
                          uint64_t highest)
{
	const struct search *args = client->args;
	struct buf *out = &client->out;
	size_t count = found->count;
	buf_add_str(out, STR("* ESEARCH (TAG "));
	imap_write_string(out, client->tag);
	buf_add_byte(out, ')');
	if (uid)
		buf_add_str(out, STR(" UID"));
	if ((args->returns & SEARCH_RETURN_MIN) != 0 && count > 0)
		buf_addf(out, " MIN %u", found->ranges[0].first);
	if ((args->returns & SEARCH_RETURN_MAX) != 0 && count > 0)
		buf_addf(out, " MAX %u", found->ranges[count - 1].last);
	if ((args->returns & SEARCH_RETURN_COUNT) != 0) {
		buf_add_str(out, STR(" COUNT "));
		buf_add_u64(out, seq_ranges_size(found->ranges, count));
	}
	if ((args->returns & SEARCH_RETURN_ALL) != 0 && count > 0) {
		buf_add_str(out, STR(" ALL "));
		seq_ranges_format(out, found->ranges, count);
	}
	if (args->modseq && count > 0) {
		buf_add_str(out, STR(" MODSEQ "));
		buf_add_u64(out, highest);
	}
	buf_add_str(out, STR("\r\n"));
}

static void searched(struct imap_client *client, const struct imap_answer *answer)
{
	const struct search *args = client->args;
	const Pk__SearchReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	bool uid = (client->command->effects & IMAP_UID) != 0;
	struct seq_list found = {0};
	numbers_of(&client->folder->map, reply, uid, &found);
	if (args->extended)
		write_esearch(client, &found, uid, returned_modseq(args->returns, reply));
	else
		write_search(&client->out, &found, args->modseq, reply->highest_modseq);
	seq_list_done(&found);
	if (reply->unreadable > 0)
		imap_finish_with(client, IMAP_NO, "CORRUPTION", "Damaged messages were not searched");
	else
		imap_finish(client, NULL, "Searched");
}

/* Both: the modseqs of an answer are of messages that the client knows. NULL: arena full. */
static Pk__SearchKey *known_only(struct imap_client *client, Pk__SearchKey *key)
{
	const struct seq_range known = {1, uidmap_highest_uid(&client->folder->map)};
	Pk__SearchKey *both = arena_array(client->arena, 2, sizeof(*both));
	Pk__SearchKey **keys = arena_array(client->arena, 2, sizeof(Pk__SearchKey *));
	if (both == NULL || keys == NULL)
		return NULL;
	Pk__SearchKey *uids = &both[1];
	pk__search_key__init(&both[0]);
	pk__search_key__init(uids);
	uids->type = PK__SEARCH_KEY__TYPE__UIDS;
	uids->n_uids = known.last > 0;
	uids->uids = imap_uid_ranges(client->arena, &known, 1);
	keys[0] = uids;
	keys[1] = key;
	both->type = PK__SEARCH_KEY__TYPE__AND;
	both->keys = keys;
	both->n_keys = 2;
	return uids->uids == NULL ? NULL : both;
}

static void ask_search(struct imap_client *client)
{
	const struct search *args = client->args;
	Pk__SearchRequest *request = arena_alloc(client->arena, sizeof(*request));
	Pk__SearchKey *key = args->modseq ? known_only(client, args->key) : args->key;
	if (request == NULL || key == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__search_request__init(request);
	request->folder = client->folder->id;
	request->key = key;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_SEARCH,
						 .body = &request->base,
						 .reply_type = &pk__search_reply__descriptor,
						 .answered = searched,
					 });
}

static void search_synced(struct imap_client *client, bool ok)
{
	(void)ok; /* the answer is as right without it */
	ask_search(client);
}

static void search_start(struct imap_client *client)
{
	const struct search *args = client->args;
	if (args->bad_charset) {
		imap_finish_with(client, IMAP_NO, "BADCHARSET (US-ASCII UTF-8)", "Unknown charset");
		return;
	}
	if (!args->modseq) {
		ask_search(client);
		return;
	}
	imap_enable_condstore(client);
	imap_sync(client, search_synced); /* as FETCH does, for the same reason */
}

const struct imap_command imap_cmd_search = {
	.name = "SEARCH",
	.rfc = "RFC 9051 6.4.4",
	.states = IMAP_SELECTED,
	.parse = search_arguments,
	.start = search_start,
};

const struct imap_command imap_cmd_uid_search = {
	.name = "UID SEARCH",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_UID | IMAP_MAY_EXPUNGE,
	.parse = search_arguments,
	.start = search_start,
};
