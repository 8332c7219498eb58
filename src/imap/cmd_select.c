/* SELECT, EXAMINE, CLOSE, UNSELECT. */

#include "imap/command.h"
#include "imap/folder.h"
#include "imap/process.h"

struct select {
	struct str name;
	bool condstore;
};

/* select-param = "CONDSTORE" (RFC 7162 section 3.1.8); others are an error. */
static bool select_parameters(struct imap_parse *in, struct select *args)
{
	if (!cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of parameters");
	do {
		if (!imap_word(in, STR("CONDSTORE")))
			return imap_parse_fail(in, "Unknown parameter");
		args->condstore = true;
	} while (imap_space(in));
	return cursor_byte(&in->c, ')');
}

/* select = "SELECT" SP mailbox [SP select-params] */
static bool select_parse(struct imap_parse *in, struct imap_client *client)
{
	struct select *args = imap_args(in, client, sizeof(*args));
	return args != NULL && imap_space(in) && imap_mailbox(in, &args->name) &&
	       (!imap_space(in) || select_parameters(in, args));
}

static void write_number(struct buf *out, const char *code, uint64_t number)
{
	buf_addf(out, "* OK [%s ", code);
	buf_add_u64(out, number);
	buf_add_str(out, STR("] Ok\r\n"));
}

static void describe(struct imap_client *client, const Pk__SelectReply *reply)
{
	struct view *folder = client->folder;
	struct buf *out = &client->out;
	imap_folder_write_flags(folder, out);
	buf_addf(out, "* %u EXISTS\r\n* %u RECENT\r\n", uidmap_messages(&folder->map),
	         view_recent(folder));
	uint32_t unseen = reply->first_unseen_uid == 0
	                      ? 0
	                      : uidmap_seq(&folder->map, reply->first_unseen_uid);
	if (unseen != 0)
		write_number(out, "UNSEEN", unseen);
	write_number(out, "UIDVALIDITY", reply->uid_validity);
	write_number(out, "UIDNEXT", reply->uid_next);
	write_number(out, "HIGHESTMODSEQ", reply->highest_modseq > 0 ? reply->highest_modseq : 1);
}

static bool examines(const struct imap_client *client)
{
	return client->command == &imap_cmd_examine;
}

static void selected(struct imap_client *client, const struct imap_answer *answer)
{
	const struct select *args = client->args;
	const Pk__SelectReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	bool read_only = examines(client);
	client->folder = view_new(reply, args->name, read_only);
	client->state = IMAP_SELECTED;
	client->condstore |= args->condstore;
	session_selected(client->session, reply, args->name.ptr, read_only);
	describe(client, reply);
	imap_finish(client, read_only ? "READ-ONLY" : "READ-WRITE", "Selected");
}

static void select_start(struct imap_client *client)
{
	const struct select *args = client->args;
	Pk__SelectRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	if (client->folder != NULL)
		buf_add_str(&client->out, STR("* OK [CLOSED] Deselected\r\n"));
	imap_deselect(client); /* even when this fails: RFC 9051 section 6.3.2 */
	pk__select_request__init(request);
	request->name = (char *)args->name.ptr;
	request->read_only = examines(client);
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_SELECT,
						 .body = &request->base,
						 .reply_type = &pk__select_reply__descriptor,
						 .answered = selected,
					 });
}

const struct imap_command imap_cmd_select = {
	.name = "SELECT",
	.rfc = "RFC 9051 6.3.2",
	.states = IMAP_LOGGED_IN,
	.parse = select_parse,
	.start = select_start,
};

const struct imap_command imap_cmd_examine = {
	.name = "EXAMINE",
	.rfc = "RFC 9051 6.3.3",
	.states = IMAP_LOGGED_IN,
	.parse = select_parse,
	.start = select_start,
};

/* ---------------------------------------------------------------- CLOSE, UNSELECT */

static void unselected(struct imap_client *client, const struct imap_answer *answer)
{
	/* Deselected here whatever the store says: it forgets at the latest with the session. */
	(void)answer;
	imap_finish(client, NULL, "Deselected");
}

static void unselect_start(struct imap_client *client)
{
	Pk__SessionRequest *request = arena_alloc(client->arena, sizeof(*request));
	imap_deselect(client);
	if (request == NULL) {
		imap_finish(client, NULL, "Deselected");
		return;
	}
	pk__session_request__init(request);
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_UNSELECT,
						 .body = &request->base,
						 .answered = unselected,
					 });
}

const struct imap_command imap_cmd_unselect = {
	.name = "UNSELECT",
	.rfc = "RFC 9051 6.4.2",
	.states = IMAP_SELECTED,
	.capability = "UNSELECT",
	.start = unselect_start,
};

static void close_expunged(struct imap_client *client, const struct imap_answer *answer)
{
	if (answer->error != 0)
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
	else
		unselect_start(client);
}

/* CLOSE removes the \Deleted messages without telling; in a read-only mailbox it does not. */
static void close_start(struct imap_client *client)
{
	Pk__ExpungeRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (client->folder->read_only || request == NULL) {
		unselect_start(client);
		return;
	}
	pk__expunge_request__init(request);
	request->folder = client->folder->id;
	request->all = true;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_EXPUNGE,
						 .body = &request->base,
						 .answered = close_expunged,
					 });
}

const struct imap_command imap_cmd_close = {
	.name = "CLOSE",
	.rfc = "RFC 9051 6.4.1",
	.states = IMAP_SELECTED,
	.start = close_start,
};
