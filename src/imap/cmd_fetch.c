/* FETCH and UID FETCH. Rows stream in from the store and go straight into the output; the store is
 * given credit for more as the client takes what there is. */

#include "imap/command.h"
#include "imap/fetch.h"
#include "imap/folder.h"
#include "imap/front.h"
#include "imap/process.h"
#include "imap/sync.h"

enum {
	FETCH_CREDIT = 512 * 1024,     /* of a stream: what may be on its way to us */
	FETCH_GRANT_STEP = 128 * 1024, /* granted at once */
};

struct fetch {
	struct seqset set;
	struct fetch_items items;
	bool has_changed_since;
	uint64_t changed_since;
	struct fetch_run run;
	Pk__FetchRequest request;
	struct session_call *stream; /* the rows come in it; NULL once it is answered */
	uint64_t owed;               /* credit that we have not given it yet */
	bool broken;                 /* the stream made no sense */
};

/* fetch-modifiers = SP "(" "CHANGEDSINCE" SP mod-sequence-value ")"           RFC 7162 section 7 */
static bool fetch_modifiers(struct imap_parse *in, struct fetch *args)
{
	args->has_changed_since = true;
	if (!cursor_byte(&in->c, '(') || !imap_word(in, STR("CHANGEDSINCE")) || !imap_space(in) ||
	    !imap_number(in, INT64_MAX, &args->changed_since) || !cursor_byte(&in->c, ')'))
		return imap_parse_fail(in, "Unknown modifier");
	args->items.set |= FETCH_MODSEQ;
	return true;
}

/* fetch = "FETCH" SP sequence-set SP (...) [fetch-modifiers] */
static bool fetch_parse(struct imap_parse *in, struct imap_client *client)
{
	struct fetch *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || !imap_space(in) || !imap_sequence_set(in, &args->set) || !imap_space(in) ||
	    !fetch_items_parse(in, &args->items))
		return false;
	return !imap_space(in) || fetch_modifiers(in, args);
}

static void grant(struct imap_client *client, uint64_t bytes)
{
	struct fetch *args = client->args;
	args->owed += bytes;
	if (args->owed < FETCH_GRANT_STEP || args->stream == NULL ||
	    conn_output_full(client->common.conn))
		return;
	session_call_grant(args->stream, args->owed);
	args->owed = 0;
}

static void fetch_drained(struct imap_client *client)
{
	if (client->args != NULL)
		grant(client, 0);
}

static void fetch_chunk(void *ctx, struct str body)
{
	struct imap_client *client = ctx;
	if (client->common.conn == NULL)
		return;
	struct fetch *args = client->args;
	struct scratch *scratch = client->front->scratch;
	const Pk__FetchChunk *chunk = args->broken
	                                  ? NULL
	                                  : scratch_unpack(scratch, &pk__fetch_chunk__descriptor, body,
	                                                   WIRE_ITEMS_MANY);
	args->broken |= chunk == NULL;
	/* Most of it goes out as it is, structures grow by half: take room for it once. */
	buf_reserve(&client->out, body.len + body.len / 2);
	for (size_t i = 0; !args->broken && i < chunk->n_rows; i++)
		args->broken = fetch_run_row(&args->run, chunk->rows[i], &client->out) != 0;
	scratch_reset(scratch);
	imap_flush(client);
	if (client->common.conn != NULL)
		grant(client, body.len);
}

static void fetch_again(void *ctx)
{
	struct imap_client *client = ctx;
	struct fetch *args = client->args;
	if (client->common.conn == NULL)
		return;
	args->owed = 0;
	fetch_resume(&args->run, &args->request);
}

static void fetched(struct imap_client *client, const struct imap_answer *answer)
{
	struct fetch *args = client->args;
	args->stream = NULL; /* what is owed goes with it: the changes are asked for in another call */
	bool between = fetch_run_between_rows(&args->run);
	if (!between || args->broken)
		log_warn(client->front->common.role->log, "imap.fetch_broken",
		         F_TEXT("mailbox", session_mailbox(client->session)),
		         F_ERR(answer->error != 0 ? answer->error : E_INVALID));
	if (!between) {
		/* In the middle of a response, perhaps of a literal: there is no way to say so. */
		front_client_end(&client->common, false);
	} else if (args->broken) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_INTERNAL, STR("rows that make no sense"));
	} else if (answer->error != 0) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
	} else {
		imap_finish(client, NULL, "Fetched");
	}
}

static void make_request(struct imap_client *client, struct fetch *args)
{
	Pk__FetchRequest *request = &args->request;
	Pk__UidRange **uids = request->uids;
	size_t count = request->n_uids;
	pk__fetch_request__init(request);
	request->uids = uids;
	request->n_uids = count;
	request->folder = client->folder->id;
	request->items = args->items.set & 0xffff;
	if ((args->items.set & FETCH_BODY) != 0)
		request->items |= PK__FETCH_ITEM__FETCH_BODY_STRUCTURE;
	request->sections = args->items.requests;
	request->n_sections = args->items.section_count;
	request->mark_seen = args->items.mark_seen;
	request->changed_since = args->has_changed_since ? args->changed_since : 0;
}

static void ask_rows(struct imap_client *client)
{
	struct fetch *args = client->args;
	if (!imap_command_uids(client, &args->set, &args->request.uids, &args->request.n_uids))
		return;
	make_request(client, args);
	fetch_run_init(&args->run, &args->items, client->folder, client->front->scratch,
	               client->condstore);
	args->stream = imap_ask(client, &(struct imap_question){
										.method = PK__STORE_METHOD__STORE_FETCH,
										.body = &args->request.base,
										.answered = fetched,
										.credit = FETCH_CREDIT,
										.chunk = fetch_chunk,
										.again = fetch_again,
									});
}

static void fetch_synced(struct imap_client *client, bool ok)
{
	(void)ok; /* the rows are as right without it */
	ask_rows(client);
}

static void fetch_start(struct imap_client *client)
{
	struct fetch *args = client->args;
	if ((client->command->effects & IMAP_UID) != 0)
		args->items.set |= FETCH_UID;
	args->items.mark_seen = args->items.mark_seen && !client->folder->read_only;
	if ((args->items.set & FETCH_MODSEQ) != 0)
		imap_enable_condstore(client);
	/* A client that keeps the highest modseq it has seen must not see one above that of a message which
	 * it was not told of. */
	bool news = client->folder->dirty && (args->items.set & FETCH_MODSEQ) != 0;
	if (args->has_changed_since || news)
		imap_sync(client, fetch_synced);
	else
		ask_rows(client);
}

static void fetch_cancel(struct imap_client *client)
{
	struct fetch *args = client->args;
	if (args != NULL)
		fetch_run_done(&args->run);
}

const struct imap_command imap_cmd_fetch = {
	.name = "FETCH",
	.rfc = "RFC 9051 6.4.5",
	.states = IMAP_SELECTED,
	.parse = fetch_parse,
	.start = fetch_start,
	.drained = fetch_drained,
	.cancel = fetch_cancel,
};

const struct imap_command imap_cmd_uid_fetch = {
	.name = "UID FETCH",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_UID | IMAP_MAY_EXPUNGE,
	.parse = fetch_parse,
	.start = fetch_start,
	.drained = fetch_drained,
	.cancel = fetch_cancel,
};
