#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* alias add, list, remove; and the files of aliases that were removed */

#define METHOD(name) PK__DIRECTORY_METHOD__DIRECTORY_##name

void cli_add_size(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	size_t unit = 0;
	double size = (double)bytes;
	for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
		size /= 1024;
	buf_addf(out, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

void cli_json_alias(struct json *json, const Pk__AliasReply *alias)
{
	json_text_field(json, "address", alias->address);
	json_text_field(json, "mailbox", alias->mailbox);
	json_text_field(json, "created", alias->created);
	json_bool_field(json, "ready", alias->ready);
	json_number_field(json, "passwords", alias->passwords);
	json_number_field(json, "quota_bytes", alias->quota_bytes);
	json_bool_field(json, "disabled", alias->disabled);
}

static void json_alias(struct json *json, const Pk__AliasReply *alias)
{
	json_object(json);
	cli_json_alias(json, alias);
	json_object_end(json);
}

/* The quota in bytes as the configuration would write it: config.h knows how to read sizes. */
int cli_read_quota(struct cli *cli, uint64_t *ret, struct errinfo *info)
{
	const char *text = cli->values[CLI_OPTION_QUOTA];
	struct buf line BUF_AUTO;
	buf_init(&line, 200);
	*ret = 0;
	if (text == NULL)
		return 0;
	buf_addf(&line, "quota = %s\n", text);
	if (line.failed || str_find_byte(str_from(text), '\n') >= 0)
		return err_set(info, E_INVALID, "--quota: not a size");
	struct config *config = config_new();
	int rc = config_parse(config, "--quota", buf_str(&line), info);
	if (rc == 0)
		*ret = (uint64_t)config_number(config, "quota");
	config_free(config);
	return rc;
}

int cli_alias_add(struct cli *cli, struct errinfo *info)
{
	Pk__AliasAddRequest request = PK__ALIAS_ADD_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	int rc = cli_read_quota(cli, &request.quota_bytes, info);
	if (rc == 0)
		rc = cores_directory(cli, METHOD(ALIAS_ADD), &request.base, &pk__alias_reply__descriptor,
		                     &message, info);
	/* Added before, but without what was asked for now: go on. */
	if (rc == E_EXISTS && cli_given(cli, CLI_OPTION_PASSWORD))
		return cli_first_password(cli, cli->arguments[0], info);
	if (rc != 0)
		return rc;
	Pk__AliasReply *alias = (Pk__AliasReply *)message;
	if (cli_given(cli, CLI_OPTION_PASSWORD)) {
		rc = cli_first_password(cli, alias->address, info);
	} else if (cli->json) {
		json_alias(&cli->writer, alias);
	} else {
		buf_addf(cli->out, "%s: added. It takes mail after: postkasse password new %s\n",
		         alias->address, alias->address);
	}
	CORES_FREE(alias);
	return rc;
}

static const char *print_page(struct cli *cli, const ProtobufCMessage *message, void *ctx)
{
	(void)ctx;
	const Pk__AliasListReply *page = (const Pk__AliasListReply *)message;
	for (size_t i = 0; i < page->n_aliases; i++) {
		const Pk__AliasReply *alias = page->aliases[i];
		if (cli->json) {
			json_alias(&cli->writer, alias);
			continue;
		}
		buf_addf(cli->out, "%-40s %-24s %3u %-10s ", alias->address,
		         alias->ready ? alias->mailbox : "no mailbox yet", alias->passwords,
		         alias->passwords == 1 ? "password," : "passwords,");
		cli_add_size(cli->out, alias->quota_bytes);
		buf_add_text(cli->out, alias->disabled ? ", disabled\n" : "\n");
	}
	return page->more && page->n_aliases > 0 ? page->aliases[page->n_aliases - 1]->address : NULL;
}

int cli_alias_list(struct cli *cli, struct errinfo *info)
{
	static const struct cli_list list = {
		.name = "aliases",
		.method = METHOD(ALIAS_LIST),
		.type = &pk__alias_list_reply__descriptor,
		.print = print_page,
	};
	return cli_list_pages(cli, &list, info);
}

static void say_alias(struct cli *cli, const Pk__AliasReply *alias, const char *what)
{
	if (cli->json)
		json_alias(&cli->writer, alias);
	else
		buf_addf(cli->out, "%s: %s\n", alias->address, what);
}

int cli_alias_remove(struct cli *cli, struct errinfo *info)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	ProtobufCMessage *message;
	char question[400];
	snprintf(question, sizeof(question), "Remove %.300s and all mail in its mailbox?",
	         cli->arguments[0]);
	request.address = (char *)(uintptr_t)cli->arguments[0];
	bool ready;
	int rc = cores_open(cli, info);
	if (rc != 0) /* E_NOT_FOUND of data_dir, too */
		return rc;
	rc = cli_look_up(cli, cli->arguments[0], &ready, info);
	if (rc == 0)
		rc = cli_confirm(cli, question, info);
	if (rc == 0)
		rc = cores_directory(cli, METHOD(ALIAS_REMOVE), &request.base, &pk__alias_reply__descriptor,
		                     &message, info);
	if (rc == E_NOT_FOUND)
		cli_sweep_removed(cli); /* an earlier attempt may have ended in between */
	if (rc != 0)
		return rc;
	Pk__AliasReply *alias = (Pk__AliasReply *)message;
	say_alias(cli, alias, "removed");
	CORES_FREE(alias);
	cli_sweep_removed(cli);
	return 0;
}

/* ---------------------------------------------------------------- alias disable, enable */

static int set_disabled(struct cli *cli, bool disabled, struct errinfo *info)
{
	Pk__AliasDisableRequest request = PK__ALIAS_DISABLE_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	request.disabled = disabled;
	int rc = cores_directory(cli, METHOD(ALIAS_DISABLE), &request.base,
	                         &pk__alias_reply__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__AliasReply *alias = (Pk__AliasReply *)message;
	say_alias(cli, alias,
	          disabled ? "disabled: it takes no mail, and opens for no password" : "enabled");
	CORES_FREE(alias);
	return 0;
}

int cli_alias_disable(struct cli *cli, struct errinfo *info)
{
	return set_disabled(cli, true, info);
}

int cli_alias_enable(struct cli *cli, struct errinfo *info)
{
	return set_disabled(cli, false, info);
}

/* ---------------------------------------------------------------- files without an alias */

static int remove_one(struct cli *cli, const Pk__RemovedMailbox *removed, struct errinfo *info)
{
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	Pk__RemovedMailbox done = PK__REMOVED_MAILBOX__INIT;
	ProtobufCMessage *message;
	request.mailbox = removed->mailbox;
	int rc = cores_store(cli, PK__STORE_METHOD__STORE_REMOVE, &request.base, &pk__empty__descriptor,
	                     CORES_LONG_MS, &message, info);
	if (rc != 0 && rc != E_NOT_FOUND)
		return rc;
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	done.mailbox = removed->mailbox;
	rc = cores_directory(cli, METHOD(REMOVED_DONE), &done.base, &pk__removed_list_reply__descriptor,
	                     &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc;
}

int cli_lock_mailboxes(const struct cli *cli, int *ret, struct errinfo *info)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/mailboxes", config_text(cli->config, "data_dir"));
	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(info, E_INVALID, "data_dir is too long");
	return cli_lock_folder(path, "another command is attaching or removing a mailbox", ret, info);
}

static int remove_all(struct cli *cli, struct errinfo *info)
{
	Pk__ListRequest request = PK__LIST_REQUEST__INIT;
	ProtobufCMessage *message;
	int rc = cores_directory(cli, METHOD(REMOVED_LIST), &request.base,
	                         &pk__removed_list_reply__descriptor, &message, info);
	Pk__RemovedListReply *list = (Pk__RemovedListReply *)message;
	for (size_t i = 0; rc == 0 && i < list->n_mailboxes; i++)
		rc = remove_one(cli, list->mailboxes[i], info);
	CORES_FREE(list);
	return rc;
}

void cli_sweep_removed(struct cli *cli)
{
	struct errinfo info = {0};
	int lock;
	int rc = cli_lock_mailboxes(cli, &lock, &info);
	if (rc == 0) {
		rc = remove_all(cli, &info);
		close(lock);
	}
	if (rc != 0)
		cli_warn(cli,
		         "the files of a removed mailbox are still there, the next change will try "
		         "again: %s",
		         info.text);
}
