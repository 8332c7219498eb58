/* LIST with its extensions (RFC 5258, RFC 5819, RFC 6154), LSUB, NAMESPACE. */

#include "imap/command.h"
#include "imap/pattern.h"
#include "imap/status.h"
#include "imap/writer.h"

enum { PATTERNS_MAX = 16 };

struct list {
	struct str patterns[PATTERNS_MAX]; /* reference included */
	size_t pattern_count;
	bool root;            /* the pattern was empty: only the separator is asked for */
	bool only_subscribed; /* selection options */
	bool only_special;
	bool recursive;
	bool show_subscribed; /* return options */
	bool show_children;
	unsigned status_items; /* 0: none */
	/* STATUS of what was listed, one after the other */
	struct str *names;
	size_t name_count;
	size_t name_at;
};

/* ---------------------------------------------------------------- parsing */

/* list-select-opts = "(" [option *(SP option)] ")" */
static bool select_options(struct imap_parse *in, struct list *args)
{
	if (!cursor_byte(&in->c, '('))
		return true;
	bool end = cursor_byte(&in->c, ')');
	while (!end) {
		if (imap_word(in, STR("SUBSCRIBED")))
			args->only_subscribed = args->show_subscribed = true;
		else if (imap_word(in, STR("SPECIAL-USE")))
			args->only_special = true;
		else if (imap_word(in, STR("RECURSIVEMATCH")))
			args->recursive = true;
		else if (!imap_word(in, STR("REMOTE")))
			return imap_parse_fail(in, "Unknown selection option");
		end = cursor_byte(&in->c, ')');
		if (!end && !imap_space(in))
			return false;
	}
	if (args->recursive && !args->only_subscribed)
		return imap_parse_fail(in, "RECURSIVEMATCH needs SUBSCRIBED");
	return imap_space(in);
}

/* return-opts = "RETURN" SP "(" [option *(SP option)] ")" */
static bool return_options(struct imap_parse *in, struct list *args)
{
	if (!imap_word(in, STR("RETURN")) || !imap_space(in) || !cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected RETURN and a list of options");
	bool end = cursor_byte(&in->c, ')');
	while (!end) {
		if (imap_word(in, STR("SUBSCRIBED")))
			args->show_subscribed = true;
		else if (imap_word(in, STR("CHILDREN")))
			args->show_children = true;
		else if (imap_word(in, STR("STATUS"))) {
			if (!imap_space(in) || !imap_status_items(in, &args->status_items))
				return false;
		} else if (!imap_word(in, STR("SPECIAL-USE")))
			return imap_parse_fail(in, "Unknown return option");
		end = cursor_byte(&in->c, ')');
		if (!end && !imap_space(in))
			return false;
	}
	return true;
}

static bool add_pattern(struct imap_parse *in, struct list *args, struct str reference)
{
	struct str pattern;
	if (!imap_list_mailbox(in, &pattern))
		return false;
	if (args->pattern_count == PATTERNS_MAX)
		return imap_parse_fail(in, "Too many patterns");
	if (pattern.len == 0) {
		args->root = true;
		return true;
	}
	size_t len = reference.len + pattern.len;
	char *joined = arena_alloc(in->arena, len + 1);
	if (joined == NULL)
		return imap_parse_fail(in, "Command too long");
	for (size_t i = 0; i < len; i++)
		joined[i] = i < reference.len ? reference.ptr[i] : pattern.ptr[i - reference.len];
	args->patterns[args->pattern_count++] = STR_OF(joined, len);
	return imap_pattern_allowed(STR_OF(joined, len)) || imap_parse_fail(in, "Too many wildcards");
}

/* list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static bool patterns(struct imap_parse *in, struct list *args, struct str reference)
{
	if (!cursor_byte(&in->c, '('))
		return add_pattern(in, args, reference);
	do {
		if (!add_pattern(in, args, reference))
			return false;
	} while (imap_space(in));
	args->root = false;
	return cursor_byte(&in->c, ')');
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts] */
static bool list_parse(struct imap_parse *in, struct imap_client *client)
{
	struct list *args = imap_args(in, client, sizeof(*args));
	struct str reference;
	if (args == NULL || !imap_space(in) || !select_options(in, args) ||
	    !imap_list_mailbox(in, &reference) || !imap_space(in) || !patterns(in, args, reference))
		return false;
	return !imap_space(in) || return_options(in, args);
}

/* lsub = "LSUB" SP mailbox SP list-mailbox */
static bool lsub_parse(struct imap_parse *in, struct imap_client *client)
{
	struct list *args = imap_args(in, client, sizeof(*args));
	struct str reference;
	if (args == NULL)
		return false;
	args->only_subscribed = true;
	return imap_space(in) && imap_list_mailbox(in, &reference) && imap_space(in) &&
	       add_pattern(in, args, reference);
}

/* ---------------------------------------------------------------- LIST */

static bool matches(const struct list *args, struct str name)
{
	for (size_t i = 0; i < args->pattern_count; i++)
		if (imap_pattern_matches(args->patterns[i], name))
			return true;
	return false;
}

static bool is_below(struct str name, struct str parent)
{
	return name.len > parent.len && name.ptr[parent.len] == '/' && str_starts(name, parent);
}

/* RECURSIVEMATCH: something below it is subscribed, which the pattern does not show. */
static bool has_subscribed_child(const Pk__FolderListReply *reply, const struct list *args,
                                 struct str parent)
{
	for (size_t i = 0; i < reply->n_folders; i++) {
		struct str name = str_from(reply->folders[i]->name);
		if (reply->folders[i]->subscribed && is_below(name, parent) && !matches(args, name))
			return true;
	}
	return false;
}

static void write_folder(struct imap_client *client, const Pk__Folder *folder, bool child_info)
{
	const struct list *args = client->args;
	struct buf *out = &client->out;
	buf_add_str(out, STR("* LIST ("));
	if (folder->missing)
		buf_add_str(out, args->only_subscribed ? STR("\\NonExistent ") : STR("\\Noselect "));
	if (args->show_subscribed && folder->subscribed)
		buf_add_str(out, STR("\\Subscribed "));
	buf_add_str(out, folder->has_children ? STR("\\HasChildren") : STR("\\HasNoChildren"));
	if (folder->special_use[0] == '\\' && imap_is_atom(str_from(folder->special_use + 1)))
		buf_addf(out, " %s", folder->special_use);
	buf_add_str(out, STR(") \"/\" "));
	imap_write_mailbox(out, str_from(folder->name), client->utf8);
	if (child_info)
		buf_add_str(out, STR(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
	buf_add_str(out, STR("\r\n"));
}

/* What LIST shows of one folder, if anything. Returns whether STATUS may follow. */
static bool list_folder(struct imap_client *client, const Pk__FolderListReply *reply,
                        const Pk__Folder *folder)
{
	const struct list *args = client->args;
	struct str name = str_from(folder->name);
	if (!matches(args, name) || (args->only_special && folder->special_use[0] == '\0'))
		return false;
	bool child_info = args->recursive && has_subscribed_child(reply, args, name);
	if (args->only_subscribed ? !folder->subscribed && !child_info
	                          : folder->missing && !folder->has_children)
		return false;
	write_folder(client, folder, child_info);
	return !folder->missing;
}

static void next_status(struct imap_client *client);

static void status_came(struct imap_client *client, const struct imap_answer *answer)
{
	struct list *args = client->args;
	/* A mailbox that went away meanwhile is just not told of. */
	if (answer->message != NULL)
		imap_status_write(&client->out, args->names[args->name_at], args->status_items,
		                  client->utf8, answer->message);
	args->name_at++;
	next_status(client);
}

static void next_status(struct imap_client *client)
{
	struct list *args = client->args;
	if (args->name_at == args->name_count) {
		imap_finish(client, NULL, "Listed");
		return;
	}
	Pk__FolderNameRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__folder_name_request__init(request);
	request->name = (char *)args->names[args->name_at].ptr;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_FOLDER_STATUS,
						 .body = &request->base,
						 .reply_type = &pk__folder_status_reply__descriptor,
						 .answered = status_came,
					 });
}

static void listed(struct imap_client *client, const struct imap_answer *answer)
{
	struct list *args = client->args;
	const Pk__FolderListReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	if (args->status_items != 0)
		args->names = arena_array(client->arena, reply->n_folders + 1, sizeof(*args->names));
	if (imap_status_has_modseq(args->status_items))
		imap_enable_condstore(client);
	for (size_t i = 0; i < reply->n_folders; i++) {
		if (!list_folder(client, reply, reply->folders[i]) || args->names == NULL)
			continue;
		struct str copy = arena_str(client->arena, str_from(reply->folders[i]->name));
		if (copy.ptr != NULL)
			args->names[args->name_count++] = copy;
	}
	next_status(client);
}

/* ---------------------------------------------------------------- LSUB */

static void write_lsub(struct imap_client *client, struct str name, bool noselect)
{
	struct buf *out = &client->out;
	buf_add_str(out, noselect ? STR("* LSUB (\\Noselect) \"/\" ") : STR("* LSUB () \"/\" "));
	imap_write_mailbox(out, name, client->utf8);
	buf_add_str(out, STR("\r\n"));
}

static bool is_subscribed(const Pk__FolderListReply *reply, struct str name)
{
	for (size_t i = 0; i < reply->n_folders; i++)
		if (reply->folders[i]->subscribed && str_eq(str_from(reply->folders[i]->name), name))
			return true;
	return false;
}

/* A pattern with "%" that stops above a subscribed name shows the level it stops at (RFC 3501
 * section 6.3.9). *last is the one shown last: names of one parent follow each other. */
static void lsub_parents(struct imap_client *client, const Pk__FolderListReply *reply,
                         struct str name, struct str *last)
{
	const struct list *args = client->args;
	for (size_t i = 1; i < name.len; i++) {
		struct str parent = str_slice(name, 0, i);
		if (name.ptr[i] != '/' || !matches(args, parent) || str_eq(parent, *last) ||
		    is_subscribed(reply, parent))
			continue;
		write_lsub(client, parent, true);
		*last = parent;
	}
}

static void lsub_listed(struct imap_client *client, const struct imap_answer *answer)
{
	const Pk__FolderListReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	struct str last = STR("");
	for (size_t i = 0; i < reply->n_folders; i++) {
		const Pk__Folder *folder = reply->folders[i];
		struct str name = str_from(folder->name);
		if (!folder->subscribed)
			continue;
		if (matches(client->args, name))
			write_lsub(client, name, folder->missing);
		else
			lsub_parents(client, reply, name, &last);
	}
	imap_finish(client, NULL, "Listed");
}

/* ---------------------------------------------------------------- both */

static void list_start(struct imap_client *client)
{
	const struct list *args = client->args;
	bool lsub = client->command == &imap_cmd_lsub;
	if (args->root) {
		buf_addf(&client->out, "* %s (\\Noselect) \"/\" \"\"\r\n", client->command->name);
		imap_finish(client, NULL, "Listed");
		return;
	}
	Pk__SessionRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__session_request__init(request);
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_FOLDER_LIST,
						 .body = &request->base,
						 .reply_type = &pk__folder_list_reply__descriptor,
						 .answered = lsub ? lsub_listed : listed,
					 });
}

const struct imap_command imap_cmd_list = {
	.name = "LIST",
	.rfc = "RFC 9051 6.3.9",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = list_parse,
	.start = list_start,
};

const struct imap_command imap_cmd_lsub = {
	.name = "LSUB",
	.rfc = "RFC 3501 6.3.9",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = lsub_parse,
	.start = list_start,
};

/* ---------------------------------------------------------------- NAMESPACE */

/* All mailboxes are the user's own and have no prefix. */
static void namespace_start(struct imap_client *client)
{
	buf_add_str(&client->out, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	imap_finish(client, NULL, "Done");
}

const struct imap_command imap_cmd_namespace = {
	.name = "NAMESPACE",
	.rfc = "RFC 9051 6.3.10",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.capability = "NAMESPACE",
	.start = namespace_start,
};
