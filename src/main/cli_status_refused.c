#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "main/cli_status.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* status: mailboxes that nobody can open. The store knows of those that somebody has tried; that a file is
 * missing can be seen before anybody does. */

static void json_refused(struct cli *cli, const Pk__RefusedMailbox *refused, const char *address)
{
	if (!cli->json)
		return;
	json_object(&cli->writer);
	json_text_field(&cli->writer, "address", address);
	json_text_field(&cli->writer, "mailbox", refused->mailbox);
	json_text_field(&cli->writer, "text", refused->text);
	json_number_field(&cli->writer, "seconds", refused->seconds);
	json_object_end(&cli->writer);
}

/* A store names what it was asked for: only what has an alias is a mailbox. */
static void print_refused(struct status *status, const Pk__RefusedMailbox *refused,
                          const Pk__AliasReply *alias)
{
	if (alias == NULL)
		return;
	if (refused->less && alias->accepting)
		status_say(status, false, "%s: what is missing is accepted, at the next login",
		           alias->address);
	else
		status_say(status, true, "%s is not served: %s", alias->address, refused->text);
	json_refused(status->cli, refused, alias->address);
}

static int add_present(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                       struct errinfo *info)
{
	struct map *present = ctx;
	(void)cli;
	(void)info;
	for (size_t i = 0; i < page->n_files; i++)
		(void)map_put(present, str_from(page->files[i]->mailbox), present);
	return 0;
}

static bool is_refused(const struct status *status, const char *mailbox)
{
	for (size_t i = 0; i < status->store->n_refused; i++)
		if (strcmp(status->store->refused[i]->mailbox, mailbox) == 0)
			return true;
	return false;
}

static void print_missing(struct status *status, const struct map *present,
                          const Pk__AliasReply *alias)
{
	Pk__RefusedMailbox missing = PK__REFUSED_MAILBOX__INIT;
	if (!alias->ready || map_get(present, str_from(alias->mailbox)) != NULL ||
	    is_refused(status, alias->mailbox))
		return;
	missing.mailbox = alias->mailbox;
	missing.text = (char *)(uintptr_t) "the mailbox file is not there: put it back";
	print_refused(status, &missing, alias);
}

struct missing {
	struct status *status;
	const struct map *present; /* mailboxes that have their file */
};

static const char *page_of_missing(struct cli *cli, const ProtobufCMessage *message, void *ctx)
{
	const struct missing *missing = ctx;
	const Pk__AliasListReply *page = (const Pk__AliasListReply *)message;
	(void)cli;
	for (size_t i = 0; i < page->n_aliases; i++)
		print_missing(missing->status, missing->present, page->aliases[i]);
	return page->more && page->n_aliases > 0 ? page->aliases[page->n_aliases - 1]->address : NULL;
}

static int each_missing(struct status *status, const struct map *present, struct errinfo *info)
{
	static const struct cli_list list = {
		.method = PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_LIST,
		.type = &pk__alias_list_reply__descriptor,
		.print = page_of_missing,
	};
	struct missing missing = {status, present};
	return cli_each_page(status->cli, &list, &missing, info);
}

static int each_refused(struct status *status, struct errinfo *info)
{
	const Pk__StatisticsReply *store = status->store;
	Pk__AliasListReply *aliases;
	char **mailboxes MEM_AUTO = mem_new_array(store->n_refused + 1, sizeof(*mailboxes));
	for (size_t i = 0; i < store->n_refused; i++)
		mailboxes[i] = store->refused[i]->mailbox;
	int rc = cli_find_addresses(status->cli, mailboxes, store->n_refused, &aliases, info);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < store->n_refused; i++)
		print_refused(status, store->refused[i], cli_alias_of(aliases, mailboxes[i]));
	CORES_FREE(aliases);
	return 0;
}

/* Whose they are is known on the host of the directory. */
static void each_without_address(struct status *status)
{
	const Pk__StatisticsReply *store = status->store;
	for (size_t i = 0; i < store->n_refused; i++) {
		status_say(status, true, "mailbox %s is not served: %s", store->refused[i]->mailbox,
		           store->refused[i]->text);
		json_refused(status->cli, store->refused[i], "");
	}
}

static int each_with_address(struct status *status, struct errinfo *info)
{
	struct map *present = map_new();
	int rc = each_refused(status, info);
	if (rc == 0)
		rc = cli_each_file(status->cli, false, add_present, present, info);
	if (rc == 0)
		rc = each_missing(status, present, info);
	map_free(present);
	return rc;
}

/* What is not put back before the owner comes is told; then there is nothing more to do. Without the directory
 * nobody here knows whose it is. */
static void print_missing_mail(struct status *status, const Pk__MissingMail *missing,
                               const char *address)
{
	struct cli *cli = status->cli;
	status_say(status, !missing->told, "%s%s: %llu messages that waited are missing%s",
	           address[0] == '\0' ? "mailbox " : "",
	           address[0] == '\0' ? missing->mailbox : address,
	           (unsigned long long)missing->messages,
	           missing->told ? "; the owner was told" : ": put the file of temporary/ back");
	if (!cli->json)
		return;
	json_object(&cli->writer);
	json_text_field(&cli->writer, "address", address);
	json_text_field(&cli->writer, "mailbox", missing->mailbox);
	json_number_field(&cli->writer, "messages", missing->messages);
	json_bool_field(&cli->writer, "told", missing->told);
	json_object_end(&cli->writer);
}

static int each_missing_mail(struct status *status, struct errinfo *info)
{
	const Pk__StatisticsReply *store = status->store;
	Pk__AliasListReply *aliases;
	char **mailboxes MEM_AUTO = mem_new_array(store->n_missing + 1, sizeof(*mailboxes));
	for (size_t i = 0; i < store->n_missing; i++)
		mailboxes[i] = store->missing[i]->mailbox;
	int rc = cli_find_addresses(status->cli, mailboxes, store->n_missing, &aliases, info);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < store->n_missing; i++) {
		const Pk__AliasReply *alias = cli_alias_of(aliases, mailboxes[i]);
		if (alias != NULL)
			print_missing_mail(status, store->missing[i], alias->address);
	}
	CORES_FREE(aliases);
	return 0;
}

int status_missing_mail(struct status *status, struct errinfo *info)
{
	struct cli *cli = status->cli;
	int rc = 0;
	if (cli->json) {
		json_name(&cli->writer, "missing_mail");
		json_array(&cli->writer);
	}
	for (size_t i = 0; status->directory == NULL && i < status->store->n_missing; i++)
		print_missing_mail(status, status->store->missing[i], "");
	if (status->directory != NULL)
		rc = each_missing_mail(status, info);
	if (cli->json)
		json_array_end(&cli->writer);
	return rc;
}

int status_refused(struct status *status, struct errinfo *info)
{
	struct cli *cli = status->cli;
	int rc = 0;
	if (cli->json) {
		json_name(&cli->writer, "refused");
		json_array(&cli->writer);
	}
	if (status->directory == NULL)
		each_without_address(status);
	else
		rc = each_with_address(status, info);
	if (cli->json)
		json_array_end(&cli->writer);
	return rc;
}
