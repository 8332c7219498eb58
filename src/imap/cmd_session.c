/* Commands about the connection itself: CAPABILITY, NOOP, ID, ENABLE, LOGOUT. */

#include "imap/command.h"
#include "imap/folder.h"
#include "imap/process.h"

static void capability_start(struct imap_client *client)
{
	buf_add_str(&client->out, STR("* "));
	imap_capability_write(client, &client->out);
	buf_add_str(&client->out, STR("\r\n"));
	imap_finish(client, NULL, "That is what there is");
}

const struct imap_command imap_cmd_capability = {
	.name = "CAPABILITY",
	.rfc = "RFC 9051 6.1.1",
	.states = IMAP_ANY_STATE,
	.effects = IMAP_MAY_EXPUNGE,
	.start = capability_start,
};

/* Asks the store even when it has told of nothing: NOOP is how a client makes sure. */
static void noop_start(struct imap_client *client)
{
	if (client->folder != NULL)
		client->folder->dirty = true;
	imap_finish(client, NULL, "Done");
}

const struct imap_command imap_cmd_noop = {
	.name = "NOOP",
	.rfc = "RFC 9051 6.1.2",
	.states = IMAP_ANY_STATE,
	.effects = IMAP_MAY_EXPUNGE,
	.start = noop_start,
};

/* CHECK asks for a checkpoint; there is nothing to do that the store does not do by itself. */
const struct imap_command imap_cmd_check = {
	.name = "CHECK",
	.rfc = "RFC 3501 6.4.1",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE,
	.start = noop_start,
};

enum { ID_FIELDS_MAX = 30, ID_NAME_MAX = 30, ID_VALUE_MAX = 1024 };

/* id_parms_list = "(" *(string SP nstring) ")" / nil: looked at and forgotten. */
static bool id_parse(struct imap_parse *in, struct imap_client *client)
{
	(void)client;
	if (!imap_space(in))
		return imap_parse_fail(in, "Expected a list of fields or NIL");
	if (imap_word(in, STR("NIL")))
		return true;
	if (!cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of fields or NIL");
	struct str name, value;
	for (size_t fields = 0; !cursor_byte(&in->c, ')'); fields++) {
		if (fields == ID_FIELDS_MAX)
			return imap_parse_fail(in, "Too many fields");
		if ((fields > 0 && !imap_space(in)) || !imap_string(in, &name) || !imap_space(in) ||
		    !imap_nstring(in, &value))
			return false;
		if (name.len > ID_NAME_MAX || value.len > ID_VALUE_MAX)
			return imap_parse_fail(in, "Field too long");
	}
	return true;
}

static void id_start(struct imap_client *client)
{
	buf_add_str(&client->out,
	            STR("* ID (\"name\" \"postkasse\" \"version\" \"" POSTKASSE_VERSION "\")\r\n"));
	imap_finish(client, NULL, "Pleased to meet you");
}

const struct imap_command imap_cmd_id = {
	.name = "ID",
	.rfc = "RFC 2971 3.1",
	.states = IMAP_ANY_STATE,
	.effects = IMAP_MAY_EXPUNGE,
	.capability = "ID",
	.parse = id_parse,
	.start = id_start,
};

struct enable {
	bool condstore;
};

/* "ENABLE" 1*(SP capability); what is not known is passed over (RFC 5161 section 3.1). */
static bool enable_parse(struct imap_parse *in, struct imap_client *client)
{
	struct enable *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || cursor_at_end(&in->c))
		return imap_parse_fail(in, "Expected a capability");
	struct str name;
	while (imap_space(in)) {
		if (!imap_atom(in, &name))
			return imap_parse_fail(in, "Expected a capability");
		args->condstore |= str_eq_nocase(name, STR("CONDSTORE"));
	}
	return true;
}

static void enable_start(struct imap_client *client)
{
	const struct enable *args = client->args;
	buf_add_str(&client->out, STR("* ENABLED"));
	if (args->condstore && !client->condstore)
		buf_add_str(&client->out, STR(" CONDSTORE"));
	buf_add_str(&client->out, STR("\r\n"));
	if (args->condstore)
		imap_enable_condstore(client);
	imap_finish(client, NULL, "Done");
}

const struct imap_command imap_cmd_enable = {
	.name = "ENABLE",
	.rfc = "RFC 9051 6.3.1",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.capability = "ENABLE",
	.parse = enable_parse,
	.start = enable_start,
};

static void logout_start(struct imap_client *client)
{
	buf_add_str(&client->out, STR("* BYE Goodbye\r\n"));
	/* Nothing but the tagged OK may follow BYE. */
	imap_deselect(client);
	imap_finish(client, NULL, "Logged out");
	front_client_end(&client->common, false);
}

const struct imap_command imap_cmd_logout = {
	.name = "LOGOUT",
	.rfc = "RFC 9051 6.1.3",
	.states = IMAP_ANY_STATE,
	.start = logout_start,
};
