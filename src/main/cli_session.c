#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* session list, end; and which address a mailbox belongs to */

#define STORE(name) PK__STORE_METHOD__STORE_##name

int cli_find_addresses(struct cli *cli, char **mailboxes, size_t count, Pk__AliasListReply **ret,
                       struct errinfo *info)
{
	Pk__MailboxListRequest request = PK__MAILBOX_LIST_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailboxes = mailboxes;
	request.n_mailboxes = count;
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_LIST, &request.base,
	                         &pk__alias_list_reply__descriptor, &message, info);
	*ret = (Pk__AliasListReply *)message;
	return rc;
}

const Pk__AliasReply *cli_alias_of(const Pk__AliasListReply *list, const char *mailbox)
{
	for (size_t i = 0; i < list->n_aliases; i++)
		if (strcmp(list->aliases[i]->mailbox, mailbox) == 0)
			return list->aliases[i];
	return NULL;
}

static void print_session(struct cli *cli, const Pk__SessionInfo *session,
                          const Pk__AliasListReply *aliases)
{
	struct json *json = &cli->writer;
	const Pk__AliasReply *alias = cli_alias_of(aliases, session->mailbox);
	const char *address = alias == NULL ? "" : alias->address;
	if (cli->json) {
		json_object(json);
		json_number_field(json, "session", session->session);
		json_text_field(json, "address", address);
		json_text_field(json, "mailbox", session->mailbox);
		json_text_field(json, "service", session->service);
		json_text_field(json, "client", session->client);
		json_text_field(json, "front", session->front);
		json_number_field(json, "seconds", session->seconds);
		json_object_end(json);
		return;
	}
	buf_addf(cli->out, "%8llu  ", (unsigned long long)session->session);
	cli_add_column(cli->out, alias == NULL ? session->mailbox : address, 36);
	cli_add_column(cli->out, session->service, 5);
	cli_add_column(cli->out, session->client, 24);
	cli_add_age(cli->out, session->seconds);
	if (session->front[0] != '\0')
		buf_addf(cli->out, "  by the front at %s", session->front);
	buf_add_byte(cli->out, '\n');
}

/* Prints a page and returns the last number, 0 at the end. */
static int print_page(struct cli *cli, const Pk__SessionListReply *page, struct errinfo *info)
{
	char **mailboxes MEM_AUTO = mem_new_array(page->n_sessions + 1, sizeof(*mailboxes));
	Pk__AliasListReply *aliases;
	for (size_t i = 0; i < page->n_sessions; i++)
		mailboxes[i] = page->sessions[i]->mailbox;
	int rc = cli_find_addresses(cli, mailboxes, page->n_sessions, &aliases, info);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < page->n_sessions; i++)
		print_session(cli, page->sessions[i], aliases);
	CORES_FREE(aliases);
	return 0;
}

int cli_mailbox_of(struct cli *cli, char **ret, struct errinfo *info)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_LIST, &request.base,
	                         &pk__password_list_reply__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__PasswordListReply *list = (Pk__PasswordListReply *)message;
	*ret = str_dup(str_from(list->mailbox));
	CORES_FREE(list);
	if ((*ret)[0] == '\0')
		return err_set(info, E_NOT_FOUND, "the alias has no mailbox yet: %s", cli->arguments[0]);
	return 0;
}

int cli_session_pages(struct cli *cli, const char *mailbox, cli_session_page *each,
                      struct errinfo *info)
{
	Pk__SessionListRequest request = PK__SESSION_LIST_REQUEST__INIT;
	bool more = true;
	int rc = 0;
	request.mailbox = (char *)(uintptr_t)mailbox;
	while (rc == 0 && more) {
		ProtobufCMessage *message;
		rc = cores_store(cli, STORE(SESSION_LIST), &request.base,
		                 &pk__session_list_reply__descriptor, 0, &message, info);
		if (rc != 0)
			return rc;
		Pk__SessionListReply *page = (Pk__SessionListReply *)message;
		rc = each(cli, page, info);
		more = page->more && page->n_sessions > 0;
		if (more)
			request.after = page->sessions[page->n_sessions - 1]->session;
		CORES_FREE(page);
	}
	return rc;
}

int cli_session_list(struct cli *cli, struct errinfo *info)
{
	char *mailbox MEM_AUTO = NULL;
	int rc = cli->arguments[0] == NULL ? 0 : cli_mailbox_of(cli, &mailbox, info);
	if (rc == 0 && cli->json) {
		json_object(&cli->writer);
		json_name(&cli->writer, "sessions");
		json_array(&cli->writer);
	}
	if (rc == 0)
		rc = cli_session_pages(cli, mailbox == NULL ? "" : mailbox, print_page, info);
	if (rc != 0) {
		buf_clear(cli->out);
		return rc;
	}
	if (cli->json) {
		json_array_end(&cli->writer);
		json_object_end(&cli->writer);
	}
	return 0;
}

int cli_session_end(struct cli *cli, struct errinfo *info)
{
	Pk__SessionEndRequest request = PK__SESSION_END_REQUEST__INIT;
	ProtobufCMessage *message;
	char *mailbox MEM_AUTO = NULL;
	int rc = 0;
	if (!str_to_u64(str_from(cli->arguments[0]), UINT64_MAX, &request.session)) {
		rc = cli_mailbox_of(cli, &mailbox, info);
		request.mailbox = mailbox;
	}
	if (rc == 0)
		rc = cores_store(cli, STORE(SESSION_END), &request.base, &pk__session_end_reply__descriptor,
		                 0, &message, info);
	if (rc != 0)
		return rc;
	Pk__SessionEndReply *reply = (Pk__SessionEndReply *)message;
	uint32_t ended = reply->ended;
	CORES_FREE(reply);
	if (ended == 0)
		return err_set(info, E_NOT_FOUND, "no such session: %s", cli->arguments[0]);
	if (cli->json) {
		json_object(&cli->writer);
		json_number_field(&cli->writer, "ended", ended);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "%u %s ended\n", ended, ended == 1 ? "session" : "sessions");
	}
	return 0;
}
