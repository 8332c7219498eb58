/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */

#include <stdlib.h>

#include "imap/command.h"
#include "imap/folder.h"

struct folder_args {
	struct str name;
	struct str to;           /* RENAME */
	const char *special_use; /* CREATE: "" or "\\Trash", ... */
	bool bad_use;            /* more than one, or one that a mailbox here cannot have */
};

/* One question with an answer that says only whether it worked; error means, after a repeat, that the
 * first attempt did. */
static void ask(struct imap_client *client, uint32_t method, ProtobufCMessage *body,
                imap_answered *answered)
{
	imap_ask(client, &(struct imap_question){.method = method, .body = body, .answered = answered});
}

static void finish(struct imap_client *client, const struct imap_answer *answer, int means_done)
{
	bool done = answer->error == 0 || (answer->repeated && answer->error == means_done);
	if (done)
		imap_finish(client, NULL, "Done");
	else
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
}

static void *request_of(struct imap_client *client, size_t size)
{
	void *request = arena_alloc(client->arena, size);
	if (request == NULL)
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
	return request;
}

/* mailbox, after a space */
static bool name_parse(struct imap_parse *in, struct imap_client *client)
{
	struct folder_args *args = imap_args(in, client, sizeof(*args));
	if (args == NULL)
		return false;
	args->special_use = "";
	return imap_space(in) && imap_mailbox(in, &args->name);
}

/* ---------------------------------------------------------------- CREATE */

/* use-attr = "\\" atom                                                     RFC 6154 section 6 */
static bool special_use(struct imap_parse *in, struct folder_args *args)
{
	static const char *const uses[] = {"\\All",  "\\Archive", "\\Drafts", "\\Flagged",
	                                   "\\Junk", "\\Sent",    "\\Trash"};
	const char *found = NULL;
	struct str name;
	if (!cursor_byte(&in->c, '\\') || !imap_atom(in, &name))
		return imap_parse_fail(in, "Expected a special use");
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (str_eq_nocase(name, str_from(uses[i] + 1)))
			found = uses[i];
	args->bad_use |= found == NULL || args->special_use[0] != '\0';
	if (!args->bad_use)
		args->special_use = found;
	return true;
}

/* create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")" */
static bool create_parameters(struct imap_parse *in, struct folder_args *args)
{
	if (!cursor_byte(&in->c, '(') || !imap_word(in, STR("USE")) || !imap_space(in) ||
	    !cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Unknown parameter");
	if (cursor_byte(&in->c, ')'))
		return cursor_byte(&in->c, ')');
	do {
		if (!special_use(in, args))
			return false;
	} while (imap_space(in));
	return cursor_byte(&in->c, ')') && cursor_byte(&in->c, ')');
}

static bool create_parse(struct imap_parse *in, struct imap_client *client)
{
	if (!name_parse(in, client))
		return false;
	struct folder_args *args = client->args;
	/* A name that ends in the separator announces children; the mailbox is the one without it. */
	if (args->name.len > 1 && args->name.ptr[args->name.len - 1] == '/')
		((char *)args->name.ptr)[--args->name.len] = '\0';
	return !imap_space(in) || create_parameters(in, args);
}

static void created(struct imap_client *client, const struct imap_answer *answer)
{
	finish(client, answer, E_EXISTS);
}

static void create_start(struct imap_client *client)
{
	const struct folder_args *args = client->args;
	if (args->bad_use) {
		imap_finish_with(client, IMAP_NO, "USEATTR", "A mailbox here cannot have that use");
		return;
	}
	Pk__FolderCreateRequest *request = request_of(client, sizeof(*request));
	if (request == NULL)
		return;
	pk__folder_create_request__init(request);
	request->name = (char *)args->name.ptr;
	request->special_use = (char *)args->special_use;
	ask(client, PK__STORE_METHOD__STORE_FOLDER_CREATE, &request->base, created);
}

const struct imap_command imap_cmd_create = {
	.name = "CREATE",
	.rfc = "RFC 9051 6.3.4",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = create_parse,
	.start = create_start,
};

/* ---------------------------------------------------------------- DELETE, RENAME */

static void deleted(struct imap_client *client, const struct imap_answer *answer)
{
	const struct folder_args *args = client->args;
	if (answer->error == E_EXISTS) {
		imap_finish_with(client, IMAP_NO, "HASCHILDREN", "There are mailboxes below it");
		return;
	}
	/* Its own client goes on without a mailbox; others that have it selected are sent away. */
	if (answer->error == 0 && client->folder != NULL &&
	    str_eq(args->name, str_from(client->folder->name))) {
		buf_add_str(&client->out, STR("* OK [CLOSED] Deselected\r\n"));
		imap_deselect(client);
	}
	finish(client, answer, E_NOT_FOUND);
}

static void delete_start(struct imap_client *client)
{
	const struct folder_args *args = client->args;
	if (str_eq(args->name, STR("INBOX"))) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_UNSUPPORTED,
		                  STR("INBOX cannot be deleted"));
		return;
	}
	Pk__FolderNameRequest *request = request_of(client, sizeof(*request));
	if (request == NULL)
		return;
	pk__folder_name_request__init(request);
	request->name = (char *)args->name.ptr;
	ask(client, PK__STORE_METHOD__STORE_FOLDER_DELETE, &request->base, deleted);
}

const struct imap_command imap_cmd_delete = {
	.name = "DELETE",
	.rfc = "RFC 9051 6.3.5",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = name_parse,
	.start = delete_start,
};

static bool rename_parse(struct imap_parse *in, struct imap_client *client)
{
	if (!name_parse(in, client))
		return false;
	struct folder_args *args = client->args;
	return imap_space(in) && imap_mailbox(in, &args->to);
}

/* The selected mailbox, or one above it, has another name: it stays selected. INBOX is not renamed,
 * its messages move (RFC 9051 section 6.3.6). */
static void rename_selected(struct imap_client *client)
{
	const struct folder_args *args = client->args;
	struct view *folder = client->folder;
	struct str old = str_from(folder == NULL ? "" : folder->name);
	struct str rest = str_from_byte(old, args->name.len);
	if (folder == NULL || !str_starts(old, args->name) || str_eq(args->name, STR("INBOX")) ||
	    (rest.len > 0 && rest.ptr[0] != '/'))
		return;
	const char *name = imap_textf(client, "%.*s%.*s", STR_ARG(args->to), STR_ARG(rest));
	session_renamed(client->session, name);
	free(folder->name);
	folder->name = str_dup(str_from(name));
}

static void renamed(struct imap_client *client, const struct imap_answer *answer)
{
	if (answer->error == 0)
		rename_selected(client);
	finish(client, answer, E_NOT_FOUND);
}

static void rename_start(struct imap_client *client)
{
	const struct folder_args *args = client->args;
	Pk__FolderRenameRequest *request = request_of(client, sizeof(*request));
	if (request == NULL)
		return;
	pk__folder_rename_request__init(request);
	request->from = (char *)args->name.ptr;
	request->to = (char *)args->to.ptr;
	ask(client, PK__STORE_METHOD__STORE_FOLDER_RENAME, &request->base, renamed);
}

const struct imap_command imap_cmd_rename = {
	.name = "RENAME",
	.rfc = "RFC 9051 6.3.6",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = rename_parse,
	.start = rename_start,
};

/* ---------------------------------------------------------------- SUBSCRIBE, UNSUBSCRIBE */

static void subscribed(struct imap_client *client, const struct imap_answer *answer)
{
	finish(client, answer, 0);
}

static void subscribe_start(struct imap_client *client)
{
	const struct folder_args *args = client->args;
	Pk__FolderSubscribeRequest *request = request_of(client, sizeof(*request));
	if (request == NULL)
		return;
	pk__folder_subscribe_request__init(request);
	request->name = (char *)args->name.ptr;
	request->subscribed = client->command == &imap_cmd_subscribe;
	ask(client, PK__STORE_METHOD__STORE_FOLDER_SUBSCRIBE, &request->base, subscribed);
}

const struct imap_command imap_cmd_subscribe = {
	.name = "SUBSCRIBE",
	.rfc = "RFC 9051 6.3.7",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = name_parse,
	.start = subscribe_start,
};

const struct imap_command imap_cmd_unsubscribe = {
	.name = "UNSUBSCRIBE",
	.rfc = "RFC 9051 6.3.8",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = name_parse,
	.start = subscribe_start,
};
