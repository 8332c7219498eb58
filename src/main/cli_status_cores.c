#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "db/ballast.h"
#include "directory/directory.h"
#include "main/cli_status.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* status: what directory and store tell. A core that does not answer is a problem, and the rest is
 * told all the same. */

enum {
	FOLDERS = 256,      /* that mailbox files are spread over */
	TOP = 10,           /* mailboxes named with a figure */
	WAITING_MAX = 1000, /* mailboxes whose waiting mail is counted */
	ID_SIZE = 25,
};

/* Mailboxes with their largest figures, the largest first. */
struct top {
	struct {
		char mailbox[ID_SIZE];
		uint64_t value, more;
	} rows[TOP];
	size_t count;
};

static void top_add(struct top *top, const char *mailbox, uint64_t value, uint64_t more)
{
	size_t at = top->count < TOP ? top->count++ : TOP;
	if (at == TOP && value <= top->rows[TOP - 1].value)
		return;
	at = at == TOP ? TOP - 1 : at;
	for (; at > 0 && top->rows[at - 1].value < value; at--)
		top->rows[at] = top->rows[at - 1];
	snprintf(top->rows[at].mailbox, ID_SIZE, "%s", mailbox);
	top->rows[at].value = value;
	top->rows[at].more = more;
}

/* Prints the rows with their addresses. */
static void top_print(struct status *status, const struct top *top, const char *name,
                      void (*print)(struct status *status, const struct top *top, size_t row,
                                    const Pk__AliasReply *alias))
{
	struct cli *cli = status->cli;
	char *mailboxes[TOP];
	Pk__AliasListReply *aliases;
	struct errinfo info = {0};
	for (size_t i = 0; i < top->count; i++)
		mailboxes[i] = (char *)(uintptr_t)top->rows[i].mailbox;
	if (cli_find_addresses(cli, mailboxes, top->count, &aliases, &info) != 0)
		return;
	if (cli->json) {
		json_name(&cli->writer, name);
		json_array(&cli->writer);
	}
	for (size_t i = 0; i < top->count; i++) {
		const Pk__AliasReply *alias = cli_alias_of(aliases, top->rows[i].mailbox);
		if (cli->json) {
			json_object(&cli->writer);
			json_text_field(&cli->writer, "address", alias == NULL ? "" : alias->address);
			json_text_field(&cli->writer, "mailbox", top->rows[i].mailbox);
		} else {
			buf_add_text(cli->out, "  ");
			cli_add_column(cli->out, alias == NULL ? top->rows[i].mailbox : alias->address, 40);
		}
		print(status, top, i, alias);
		if (cli->json)
			json_object_end(&cli->writer);
	}
	if (cli->json)
		json_array_end(&cli->writer);
	CORES_FREE(aliases);
}

/* ---------------------------------------------------------------- fronts */

static void print_peers(struct status *status, const char *core, Pk__LinkPeer **peers, size_t count)
{
	struct cli *cli = status->cli;
	for (size_t i = 0; i < count; i++) {
		const Pk__LinkPeer *peer = peers[i];
		if (strcmp(peer->role, "cli") == 0)
			continue;
		if (cli->json) {
			json_object(&cli->writer);
			json_text_field(&cli->writer, "core", core);
			json_text_field(&cli->writer, "role", peer->role);
			json_text_field(&cli->writer, "address", peer->address);
			json_number_field(&cli->writer, "seconds", peer->seconds);
			json_object_end(&cli->writer);
			continue;
		}
		buf_addf(cli->out, "the %s serves %s from %s since ", core, peer->role,
		         peer->address[0] == '\0' ? "this host" : peer->address);
		cli_add_age(cli->out, peer->seconds);
		buf_add_byte(cli->out, '\n');
	}
}

/* ---------------------------------------------------------------- figures */

static void print_directory(struct cli *cli, const Pk__DirectoryStatistics *figures)
{
	struct json *json = &cli->writer;
	if (!cli->json) {
		buf_addf(
			cli->out,
			"directory: %llu domains, %llu aliases, %llu mailboxes; %llu logins, %llu refused, "
			"%llu held back\n",
			(unsigned long long)figures->domains, (unsigned long long)figures->aliases,
			(unsigned long long)figures->mailboxes, (unsigned long long)figures->logins,
			(unsigned long long)figures->logins_refused,
			(unsigned long long)figures->refusals_waiting);
		return;
	}
	json_name(json, "directory");
	json_object(json);
	json_number_field(json, "seconds", figures->seconds);
	json_number_field(json, "domains", figures->domains);
	json_number_field(json, "aliases", figures->aliases);
	json_number_field(json, "mailboxes", figures->mailboxes);
	json_number_field(json, "quota_bytes", figures->quota_bytes);
	json_number_field(json, "removed", figures->removed);
	json_number_field(json, "logins", figures->logins);
	json_number_field(json, "logins_refused", figures->logins_refused);
	json_number_field(json, "refusals_waiting", figures->refusals_waiting);
	json_object_end(json);
}

static void print_store(struct cli *cli, const Pk__StatisticsReply *figures)
{
	struct json *json = &cli->writer;
	if (!cli->json) {
		buf_addf(cli->out, "store: %u files open, %u sessions, %llu deliveries, ",
		         figures->mailboxes_open, figures->sessions,
		         (unsigned long long)figures->deliveries);
		cli_add_size(cli->out, figures->upload_bytes_held);
		buf_add_text(cli->out, " of uploads in memory\n");
		return;
	}
	json_name(json, "store");
	json_object(json);
	json_number_field(json, "seconds", figures->seconds);
	json_number_field(json, "files_open", figures->mailboxes_open);
	json_number_field(json, "sessions", figures->sessions);
	json_number_field(json, "deliveries", figures->deliveries);
	json_number_field(json, "upload_bytes_held", figures->upload_bytes_held);
	json_object_end(json);
}

static void add_ballast(struct buf *out, const Pk__Volume *volume)
{
	if (volume->ballast_wanted == 0)
		return;
	buf_add_text(out, ", ballast ");
	cli_add_size(out, volume->ballast_bytes);
	if (volume->ballast_bytes < volume->ballast_wanted) {
		buf_add_text(out, " of ");
		cli_add_size(out, volume->ballast_wanted);
	}
}

static void print_disk(struct status *status, const Pk__Volume *volume)
{
	struct cli *cli = status->cli;
	struct json *json = &cli->writer;
	if (volume->low)
		status_say(status, true,
		           "the volume of %s is full but for its reserve: new mail is refused until there "
		           "is room",
		           volume->folder);
	if (volume->ballast_wanted > 0 && volume->ballast_bytes == 0 &&
	    volume->free_bytes < volume->ballast_wanted)
		status_say(
			status, true,
			"the volume of %s is full, and its ballast is used up: logins and deletions fail, "
			"too",
			volume->folder);
	if (!cli->json) {
		buf_addf(cli->out, "disk of %s: ", volume->folder);
		cli_add_size(cli->out, volume->free_bytes);
		buf_add_text(cli->out, " free, reserve ");
		cli_add_size(cli->out, volume->reserve_bytes);
		add_ballast(cli->out, volume);
		buf_add_text(cli->out, volume->low ? ", refuses new mail\n" : "\n");
		return;
	}
	json_object(json);
	json_text_field(json, "folder", volume->folder);
	json_number_field(json, "free_bytes", volume->free_bytes);
	json_number_field(json, "reserve_bytes", volume->reserve_bytes);
	json_bool_field(json, "refuses", volume->low);
	json_number_field(json, "ballast_bytes", volume->ballast_bytes);
	json_number_field(json, "ballast_wanted", volume->ballast_wanted);
	json_object_end(json);
}

/* Its file grows by little, and has no reserve. */
static void print_directory_disk(struct status *status)
{
	char path[PATH_MAX];
	uint64_t free_bytes, reserve;
	const struct config *config = status->cli->config;
	Pk__Volume volume = PK__VOLUME__INIT;
	int len = snprintf(path, sizeof(path), "%s/directory", config_text(config, "data_dir"));
	if (len < 0 || (size_t)len + sizeof("/" BALLAST_NAME) > sizeof(path) ||
	    !volume_room(path, 0, &free_bytes, &reserve))
		return;
	volume.folder = (char *)(uintptr_t) "directory";
	volume.free_bytes = free_bytes;
	volume.ballast_wanted = directory_ballast_wanted(path, config);
	snprintf(path + len, sizeof(path) - (size_t)len, "/" BALLAST_NAME);
	volume.ballast_bytes = ballast_bytes(path);
	print_disk(status, &volume);
}

static void print_disks(struct status *status)
{
	struct cli *cli = status->cli;
	if (status->store->rekeys_put_off > 0)
		status_say(
			status, false,
			"%u changed mailbox passwords are not the keys of their files yet: there is no room "
			"for a copy",
			status->store->rekeys_put_off);
	if (cli->json) {
		json_name(&cli->writer, "disks");
		json_array(&cli->writer);
	}
	for (size_t i = 0; i < status->store->n_volumes; i++)
		print_disk(status, status->store->volumes[i]);
	print_directory_disk(status);
	if (cli->json)
		json_array_end(&cli->writer);
}

/* ---------------------------------------------------------------- sessions */

struct session_counts {
	struct map *by_mailbox;
	uint64_t count;
};

static int count_sessions(struct cli *cli, const Pk__SessionListReply *page, struct errinfo *info)
{
	struct session_counts *counts = cli->ctx;
	(void)info;
	for (size_t i = 0; i < page->n_sessions; i++) {
		struct str key = str_from(page->sessions[i]->mailbox);
		uint64_t *count = map_get(counts->by_mailbox, key);
		if (count == NULL) {
			count = mem_new(sizeof(*count));
			(void)map_put(counts->by_mailbox, key, count);
		}
		++*count;
		counts->count++;
	}
	return 0;
}

static void print_sessions_of(struct status *status, const struct top *top, size_t row,
                              const Pk__AliasReply *alias)
{
	struct cli *cli = status->cli;
	(void)alias;
	if (cli->json)
		json_number_field(&cli->writer, "sessions", top->rows[row].value);
	else
		buf_addf(cli->out, "%llu sessions\n", (unsigned long long)top->rows[row].value);
}

static int print_sessions(struct status *status, struct errinfo *info)
{
	struct cli *cli = status->cli;
	struct session_counts counts = {.by_mailbox = map_new()};
	struct top top = {.count = 0};
	struct str key;
	void *value;
	cli->ctx = &counts;
	int rc = cli_session_pages(cli, "", count_sessions, info);
	for (size_t position = 0; map_next(counts.by_mailbox, &position, &key, &value); free(value)) {
		char mailbox[ID_SIZE] = "";
		memcpy(mailbox, key.ptr, key.len < ID_SIZE ? key.len : ID_SIZE - 1);
		top_add(&top, mailbox, *(uint64_t *)value, 0);
	}
	if (rc == 0 && !cli->json)
		buf_addf(cli->out, "sessions: %llu in %zu mailboxes\n", (unsigned long long)counts.count,
		         map_count(counts.by_mailbox));
	if (rc == 0)
		top_print(status, &top, "sessions", print_sessions_of);
	map_free(counts.by_mailbox);
	return rc;
}

/* ---------------------------------------------------------------- files */

int cli_each_file(struct cli *cli, bool waiting,
                  int (*each)(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                              struct errinfo *info),
                  void *ctx, struct errinfo *info)
{
	int rc = 0;
	for (uint32_t prefix = 0; prefix < FOLDERS && rc == 0; prefix++) {
		Pk__FileListRequest request = PK__FILE_LIST_REQUEST__INIT;
		ProtobufCMessage *message;
		request.waiting = waiting;
		request.prefix = prefix;
		rc = cores_store(cli, PK__STORE_METHOD__STORE_FILE_LIST, &request.base,
		                 &pk__file_list_reply__descriptor, 0, &message, info);
		if (rc != 0)
			return rc;
		Pk__FileListReply *page = (Pk__FileListReply *)message;
		rc = each(cli, page, ctx, info);
		CORES_FREE(page);
	}
	return rc;
}

struct space {
	struct top top;
	uint64_t count, bytes;
};

static int add_space(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                     struct errinfo *info)
{
	struct space *space = ctx;
	(void)cli;
	(void)info;
	for (size_t i = 0; i < page->n_files; i++) {
		space->count++;
		space->bytes += page->files[i]->bytes;
		top_add(&space->top, page->files[i]->mailbox, page->files[i]->bytes, 0);
	}
	return 0;
}

static void print_space_of(struct status *status, const struct top *top, size_t row,
                           const Pk__AliasReply *alias)
{
	struct cli *cli = status->cli;
	uint64_t quota = alias == NULL ? 0 : alias->quota_bytes;
	if (cli->json) {
		json_number_field(&cli->writer, "bytes", top->rows[row].value);
		json_number_field(&cli->writer, "quota_bytes", quota);
		return;
	}
	cli_add_size(cli->out, top->rows[row].value);
	buf_add_text(cli->out, " on disk, quota ");
	cli_add_size(cli->out, quota);
	buf_add_byte(cli->out, '\n');
}

static int print_space(struct status *status, uint64_t quota_bytes, struct errinfo *info)
{
	struct cli *cli = status->cli;
	struct space space = {.count = 0};
	int rc = cli_each_file(cli, false, add_space, &space, info);
	if (rc != 0)
		return rc;
	if (cli->json) {
		json_name(&cli->writer, "space");
		json_object(&cli->writer);
		json_number_field(&cli->writer, "files", space.count);
		json_number_field(&cli->writer, "bytes", space.bytes);
		json_number_field(&cli->writer, "quota_bytes", quota_bytes);
	} else {
		buf_addf(cli->out, "space: %llu mailbox files, ", (unsigned long long)space.count);
		cli_add_size(cli->out, space.bytes);
		buf_add_text(cli->out, " on disk, quotas ");
		cli_add_size(cli->out, quota_bytes);
		buf_add_text(cli->out, " in all; the largest:\n");
	}
	top_print(status, &space.top, "fullest", print_space_of);
	if (cli->json)
		json_object_end(&cli->writer);
	return 0;
}

/* ---------------------------------------------------------------- mail that waits */

struct waiting {
	struct top top;
	uint64_t asked, mailboxes, messages, bytes;
};

static int add_waiting(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                       struct errinfo *info)
{
	struct waiting *waiting = ctx;
	for (size_t i = 0; i < page->n_files && waiting->asked < WAITING_MAX; i++) {
		Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
		ProtobufCMessage *message;
		request.mailbox = page->files[i]->mailbox;
		waiting->asked++;
		int rc = cores_store(cli, PK__STORE_METHOD__STORE_WAITING, &request.base,
		                     &pk__waiting_reply__descriptor, 0, &message, info);
		if (rc != 0)
			return rc;
		Pk__WaitingReply *reply = (Pk__WaitingReply *)message;
		waiting->mailboxes += reply->messages > 0;
		waiting->messages += reply->messages;
		waiting->bytes += reply->bytes;
		if (reply->messages > 0)
			top_add(&waiting->top, request.mailbox, reply->bytes, reply->messages);
		CORES_FREE(reply);
	}
	return 0;
}

static void print_waiting_of(struct status *status, const struct top *top, size_t row,
                             const Pk__AliasReply *alias)
{
	struct cli *cli = status->cli;
	(void)alias;
	if (cli->json) {
		json_number_field(&cli->writer, "messages", top->rows[row].more);
		json_number_field(&cli->writer, "bytes", top->rows[row].value);
		return;
	}
	buf_addf(cli->out, "%llu messages, ", (unsigned long long)top->rows[row].more);
	cli_add_size(cli->out, top->rows[row].value);
	buf_add_byte(cli->out, '\n');
}

static int print_waiting(struct status *status, struct errinfo *info)
{
	struct cli *cli = status->cli;
	struct waiting waiting = {.asked = 0};
	int rc = cli_each_file(cli, true, add_waiting, &waiting, info);
	if (rc != 0)
		return rc;
	bool all = waiting.asked < WAITING_MAX;
	if (cli->json) {
		json_name(&cli->writer, "waiting");
		json_object(&cli->writer);
		json_number_field(&cli->writer, "mailboxes", waiting.mailboxes);
		json_number_field(&cli->writer, "messages", waiting.messages);
		json_number_field(&cli->writer, "bytes", waiting.bytes);
		json_bool_field(&cli->writer, "all", all);
	} else {
		buf_addf(cli->out, "waiting for their owners: %s%llu sealed messages in %llu mailboxes, ",
		         all ? "" : "at least ", (unsigned long long)waiting.messages,
		         (unsigned long long)waiting.mailboxes);
		cli_add_size(cli->out, waiting.bytes);
		buf_add_byte(cli->out, '\n');
	}
	top_print(status, &waiting.top, "most", print_waiting_of);
	if (cli->json)
		json_object_end(&cli->writer);
	return 0;
}

/* ---------------------------------------------------------------- all of it */

static int of_directory(struct status *status, uint64_t *ret_quota, struct errinfo *info)
{
	Pk__ListRequest request = PK__LIST_REQUEST__INIT;
	ProtobufCMessage *message;
	int rc = cores_directory(status->cli, PK__DIRECTORY_METHOD__DIRECTORY_STATISTICS, &request.base,
	                         &pk__directory_statistics__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__DirectoryStatistics *figures = (Pk__DirectoryStatistics *)message;
	print_peers(status, "directory", figures->peers, figures->n_peers);
	*ret_quota = figures->quota_bytes;
	if (figures->removed > 0)
		status_say(status, false, "the files of %llu removed mailboxes are still to go",
		           (unsigned long long)figures->removed);
	status->directory = figures;
	return 0;
}

static int of_store(struct status *status, struct errinfo *info)
{
	Pk__Empty request = PK__EMPTY__INIT;
	ProtobufCMessage *message;
	int rc = cores_store(status->cli, PK__STORE_METHOD__STORE_STATISTICS, &request.base,
	                     &pk__statistics_reply__descriptor, 0, &message, info);
	if (rc != 0)
		return rc;
	status->store = (Pk__StatisticsReply *)message;
	print_peers(status, "store", status->store->peers, status->store->n_peers);
	return 0;
}

void status_of_cores(struct status *status)
{
	struct cli *cli = status->cli;
	struct errinfo info = {0};
	uint64_t quota = 0;
	if (cli->json) {
		json_name(&cli->writer, "peers");
		json_array(&cli->writer);
	}
	bool has_directory = settings_has_role(cli->config, "directory");
	bool has_store = settings_has_role(cli->config, "store");
	int directory = has_directory ? of_directory(status, &quota, &info) : E_UNSUPPORTED;
	if (has_directory && directory != 0)
		status_say(status, true, "the directory does not answer: %s", info.text);
	int store = has_store ? of_store(status, &info) : E_UNSUPPORTED;
	if (has_store && store != 0)
		status_say(status, true, "the store does not answer: %s", info.text);
	if (cli->json)
		json_array_end(&cli->writer);
	if (directory == 0)
		print_directory(cli, status->directory);
	if (store == 0)
		print_store(cli, status->store);
	if (store == 0)
		print_disks(status);
	int rc = 0;
	if (directory == 0 && store == 0)
		rc = print_sessions(status, &info);
	if (directory == 0 && store == 0 && rc == 0)
		rc = print_waiting(status, &info);
	if (directory == 0 && store == 0 && rc == 0)
		rc = print_space(status, quota, &info);
	if ((directory == 0 || !has_directory) && store == 0 && rc == 0)
		rc = status_refused(status, &info);
	if ((directory == 0 || !has_directory) && store == 0 && rc == 0)
		rc = status_missing_mail(status, &info);
	if (rc != 0)
		status_say(status, true, "what is in the store cannot be told: %s", info.text);
	CORES_FREE(status->directory);
	CORES_FREE(status->store);
}
