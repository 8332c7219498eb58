#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/slot.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* mailbox verify, accept; and opening a mailbox with a password, as other commands do too. */

int cli_login(struct cli *cli, const char *address, struct str password, Pk__LoginReply **ret,
              struct errinfo *info)
{
	Pk__LoginRequest request = PK__LOGIN_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)address;
	request.password.data = (uint8_t *)(uintptr_t)password.ptr;
	request.password.len = password.len;
	request.service = (char *)(uintptr_t) "cli";
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_LOGIN, &request.base,
	                         &pk__login_reply__descriptor, &message, info);
	*ret = (Pk__LoginReply *)message;
	return rc;
}

void cli_login_free(Pk__LoginReply *login)
{
	if (login == NULL)
		return;
	wipe(login->mailbox_secret.data, login->mailbox_secret.len);
	CORES_FREE(login);
}

static void print_verified(struct cli *cli, const Pk__LoginReply *reply,
                           const Pk__VerifyReply *result)
{
	struct json *json = &cli->writer;
	if (!cli->json) {
		for (size_t i = 0; i < result->n_findings; i++)
			buf_addf(cli->out, "%s\n", result->findings[i]);
		buf_addf(cli->out, "%s: %llu %s, %llu damaged, schema %u, ", reply->address,
		         (unsigned long long)result->messages,
		         result->messages == 1 ? "message" : "messages",
		         (unsigned long long)result->damaged, result->schema_version);
		cli_add_size(cli->out, result->file_bytes);
		buf_addf(cli->out, ": %s\n", result->ok ? "sound" : "damaged");
		return;
	}
	json_object(json);
	json_text_field(json, "address", reply->address);
	json_text_field(json, "mailbox", reply->mailbox);
	json_bool_field(json, "ok", result->ok);
	json_number_field(json, "messages", result->messages);
	json_number_field(json, "damaged", result->damaged);
	json_name(json, "findings");
	json_array(json);
	for (size_t i = 0; i < result->n_findings; i++)
		json_str(json, str_from(result->findings[i]));
	json_array_end(json);
	json_number_field(json, "file_bytes", result->file_bytes);
	json_number_field(json, "schema_version", result->schema_version);
	json_object_end(json);
}

static int no_mailbox_yet(const struct cli *cli, struct errinfo *info)
{
	return err_set(info, E_NOT_FOUND, "the alias has no mailbox yet: postkasse password new %s",
	               cli->arguments[0]);
}

int cli_mailbox_verify(struct cli *cli, struct errinfo *info)
{
	struct buf current __attribute__((cleanup(buf_done_wiped)));
	Pk__LoginReply *reply = NULL;
	ProtobufCMessage *message = NULL;
	Pk__VerifyRequest request = PK__VERIFY_REQUEST__INIT;
	bool ok = false, ready;
	buf_init(&current, PASSWORD_MAX);
	int rc = cli_look_up(cli, cli->arguments[0], &ready, info);
	if (rc == 0 && !ready)
		rc = no_mailbox_yet(cli, info);
	if (rc == 0)
		rc = cli_read_current(cli, cli->arguments[0], &current, info);
	if (rc == 0)
		rc = cli_login(cli, cli->arguments[0], buf_str(&current), &reply, info);
	if (rc == 0) {
		request.mailbox = reply->mailbox;
		request.mailbox_secret = reply->mailbox_secret;
		request.key_record = reply->key_record;
		request.deep = !cli_given(cli, CLI_OPTION_QUICK);
		rc = cores_store(cli, PK__STORE_METHOD__STORE_VERIFY, &request.base,
		                 &pk__verify_reply__descriptor, CORES_LONG_MS, &message, info);
	}
	if (rc == 0) {
		Pk__VerifyReply *result = (Pk__VerifyReply *)message;
		print_verified(cli, reply, result);
		ok = result->ok;
		CORES_FREE(result);
	}
	cli_login_free(reply);
	return rc != 0 ? rc : ok ? 0 : CLI_SAID;
}

/* ---------------------------------------------------------------- list */

enum { ASKED_AT_ONCE = 500 }; /* mailboxes whose aliases are looked up together */

static void print_file(struct cli *cli, const Pk__FileInfo *file, const Pk__AliasReply *alias)
{
	struct json *json = &cli->writer;
	if (alias != NULL && cli_given(cli, CLI_OPTION_ORPHANS))
		return;
	if (cli->json) {
		json_object(json);
		json_text_field(json, "mailbox", file->mailbox);
		json_text_field(json, "address", alias == NULL ? "" : alias->address);
		json_number_field(json, "bytes", file->bytes);
		json_object_end(json);
		return;
	}
	cli_add_column(cli->out, file->mailbox, 24);
	cli_add_column(cli->out, alias == NULL ? "-" : alias->address, 40);
	cli_add_size(cli->out, file->bytes);
	buf_add_byte(cli->out, '\n');
}

static int list_files(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                      struct errinfo *info)
{
	int rc = 0;
	(void)ctx;
	for (size_t from = 0; from < page->n_files && rc == 0; from += ASKED_AT_ONCE) {
		char *mailboxes[ASKED_AT_ONCE];
		size_t count = page->n_files - from < ASKED_AT_ONCE ? page->n_files - from : ASKED_AT_ONCE;
		Pk__AliasListReply *aliases;
		for (size_t i = 0; i < count; i++)
			mailboxes[i] = page->files[from + i]->mailbox;
		rc = cli_find_addresses(cli, mailboxes, count, &aliases, info);
		for (size_t i = 0; rc == 0 && i < count; i++)
			print_file(cli, page->files[from + i], cli_alias_of(aliases, mailboxes[i]));
		CORES_FREE(aliases);
	}
	return rc;
}

int cli_mailbox_list(struct cli *cli, struct errinfo *info)
{
	if (cli->json) {
		json_object(&cli->writer);
		json_name(&cli->writer, "mailboxes");
		json_array(&cli->writer);
	}
	int rc = cli_each_file(cli, false, list_files, NULL, info);
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

/* ---------------------------------------------------------------- mailbox accept */

/* Only whoever has the key can tell whether a file has less than it had: the owner at a login, or somebody with a
 * password here. The store remembers what came of it. */
static int try_to_open(struct cli *cli, struct errinfo *info)
{
	struct buf current __attribute__((cleanup(buf_done_wiped)));
	Pk__LoginReply *login = NULL;
	buf_init(&current, PASSWORD_MAX);
	if (!cli_given(cli, CLI_OPTION_CURRENT_FILE))
		return 0;
	int rc = cli_read_current(cli, cli->arguments[0], &current, info);
	if (rc == 0)
		rc = cli_login(cli, cli->arguments[0], buf_str(&current), &login, info);
	cli_login_free(login);
	if (rc == 0)
		rc = cli_check_opens(cli, cli->arguments[0], buf_str(&current), info);
	return rc == E_CORRUPT ? 0 : rc; /* as it should be; of what kind it is, the store says */
}

static int check_refused(struct cli *cli, struct errinfo *info)
{
	Pk__Empty request = PK__EMPTY__INIT;
	ProtobufCMessage *message;
	char *mailbox MEM_AUTO = NULL;
	int rc = cli_mailbox_of(cli, &mailbox, info);
	if (rc == 0)
		rc = cores_store(cli, PK__STORE_METHOD__STORE_STATISTICS, &request.base,
		                 &pk__statistics_reply__descriptor, 0, &message, info);
	if (rc != 0)
		return rc;
	Pk__StatisticsReply *store = (Pk__StatisticsReply *)message;
	bool less = store->refused_full;
	for (size_t i = 0; i < store->n_refused; i++)
		less = less ||
		       (store->refused[i]->less && strcmp(store->refused[i]->mailbox, mailbox) == 0);
	CORES_FREE(store);
	return less ? 0
	            : err_set(
					  info, E_NOT_FOUND,
					  "nothing to accept: %.80s was not found to have less than it had. That shows "
					  "when its owner logs in, or with --current-file",
					  cli->arguments[0]);
}

int cli_mailbox_accept(struct cli *cli, struct errinfo *info)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	ProtobufCMessage *message;
	bool ready;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	int rc = cli_look_up(cli, cli->arguments[0], &ready, info);
	if (rc == 0 && !ready)
		rc = no_mailbox_yet(cli, info);
	if (rc == 0)
		rc = try_to_open(cli, info);
	if (rc == 0)
		rc = check_refused(cli, info);
	if (rc == 0)
		rc = cli_confirm(
			cli, "Mail that is missing in this mailbox will not be looked for again. Go on?", info);
	if (rc == 0)
		rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_ACCEPT, &request.base,
		                     &pk__mailbox_state__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__MailboxState *state = (Pk__MailboxState *)message;
	if (!cli->json) {
		buf_addf(cli->out, "%s: is served as it is from the next login on\n", cli->arguments[0]);
	} else {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "address", cli->arguments[0]);
		json_text_field(&cli->writer, "mailbox", state->mailbox);
		json_object_end(&cli->writer);
	}
	CORES_FREE(state);
	return 0;
}
