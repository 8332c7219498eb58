#include "imap/command.h"
#include "imap/front.h"

/* What is offered beyond the commands' own capabilities, and to whom. */
static const struct {
	const char *name;
	unsigned states;
} extensions[] = {
	{"IMAP4rev1", IMAP_ANY_STATE},       {"LITERAL+", IMAP_ANY_STATE},
	{"SASL-IR", IMAP_NOT_AUTHENTICATED}, {"CHILDREN", IMAP_LOGGED_IN},
	{"LIST-EXTENDED", IMAP_LOGGED_IN},   {"LIST-STATUS", IMAP_LOGGED_IN},
	{"SPECIAL-USE", IMAP_LOGGED_IN},     {"CREATE-SPECIAL-USE", IMAP_LOGGED_IN},
	{"STATUS=SIZE", IMAP_LOGGED_IN},     {"CONDSTORE", IMAP_LOGGED_IN},
	{"ESEARCH", IMAP_LOGGED_IN},         {"WITHIN", IMAP_LOGGED_IN},
	{"PREVIEW", IMAP_LOGGED_IN},         {"SAVEDATE", IMAP_LOGGED_IN},
};

void imap_capability_write(const struct imap_client *client, struct buf *out)
{
	unsigned state = (unsigned)client->state;
	buf_add_str(out, STR("CAPABILITY"));
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if ((extensions[i].states & state) != 0)
			buf_addf(out, " %s", extensions[i].name);
	size_t count;
	const struct imap_command *const *commands = imap_commands(&count);
	for (size_t i = 0; i < count; i++) {
		const struct imap_command *command = commands[i];
		/* Those of a selected mailbox are told from login on: clients ask only once. */
		unsigned told_in = command->states;
		if ((told_in & IMAP_LOGGED_IN) != 0)
			told_in |= IMAP_LOGGED_IN;
		bool offered = command->capability != NULL && (told_in & state) != 0;
		if ((command->effects & IMAP_CLEAR_ONLY) != 0 &&
		    (client->tls || !tls_ready(client->front->common.role->tls)))
			offered = false;
		if (offered)
			buf_addf(out, " %s", command->capability);
	}
	if (state == IMAP_NOT_AUTHENTICATED) {
		bool may = imap_may_login(client);
		sasl_offer_print(out, sasl_offer(client->tls, may), STR(" AUTH="));
		if (!may)
			buf_add_str(out, STR(" LOGINDISABLED"));
	} else {
		buf_add_str(out, STR(" APPENDLIMIT="));
		buf_add_u64(out, client->front->message_size_max);
	}
}
