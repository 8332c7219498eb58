#include "directory/directory.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "directory/internal.h"
#include "directory/schema.h"

enum {
	WAL_CHECKPOINT_BYTES = 1024 * 1024,
	REQUEST_ITEMS_MAX = 100 * 1000, /* the sessions of a front, all at once */
};

/* ---------------------------------------------------------------- life */

static void on_use_timer(void *ctx)
{
	slots_flush(ctx);
}

/* The keys that follow from the host key: of the file, and of made-up salts. */
static int derive_keys(struct directory *d, struct secret *host_key, struct data_key *ret_file,
                       struct errinfo *info)
{
	struct key32 key KEY32_AUTO;
	if (host_key == NULL || secret_len(host_key) != KEY_SIZE)
		return err_set(info, E_INVALID, "the host key is not 32 bytes");
	const unsigned char *host = secret_open(host_key);
	hkdf_sha256(host, KEY_SIZE, STR(""), STR("postkasse directory file"), &ret_file->key);
	hkdf_sha256(host, KEY_SIZE, STR(""), STR("postkasse unknown users"), &key);
	secret_close(host_key);
	random_bytes(ret_file->salt, sizeof(ret_file->salt)); /* only counts when the file is made */
	d->unknown_key = secret_new(key.bytes, KEY_SIZE);
	return d->unknown_key != NULL ? 0 : err_set(info, E_LIMIT, "no more locked memory");
}

int directory_new(struct directory **ret, struct loop *loop, const struct log *log,
                  const char *path, const struct config *config, struct secret *host_key,
                  struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO;
	struct directory *d = mem_new(sizeof(*d));
	d->loop = loop;
	d->log = log;
	d->failures = failures_new();
	d->refusals = refusals_new(loop);
	d->start_ms = clock_monotonic_ms();
	d->uses = map_new();
	TAILQ_INIT(&d->fronts);
	STAILQ_INIT(&d->revocations);
	d->use_timer = timer_new(loop, on_use_timer, d);
	directory_configure(d, config);
	int rc = derive_keys(d, host_key, &key, info);
	if (rc == 0)
		rc = db_open(&d->db, path, &key, DB_CREATE | DB_SYNC_FULL, info);
	if (rc == 0)
		rc = db_migrate(d->db, directory_migrations, directory_migration_count, info);
	if (rc != 0) {
		directory_free(d);
		return rc;
	}
	*ret = d;
	return 0;
}

void directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	if (d->db != NULL)
		slots_flush(d);
	timer_free(d->use_timer);
	map_free(d->uses);
	failures_free(d->failures);
	refusals_free(d->refusals);
	db_close(d->db);
	secret_free(d->unknown_key);
	free(d);
}

void directory_configure(struct directory *d, const struct config *config)
{
	failures_configure(d->failures, config_number(config, "login_failures_max"),
	                   config_number(config, "login_failures_window"));
	d->quota_default = config_number(config, "quota");
}

int directory_end(struct directory *d, int rc, struct errinfo *info)
{
	struct errinfo unused;
	if (rc == 0)
		rc = db_commit(d->db, info);
	directory_revocations_end(d, rc == 0);
	if (rc != 0)
		db_rollback(d->db);
	else if (db_wal_bytes(d->db) > WAL_CHECKPOINT_BYTES)
		(void)!db_checkpoint(d->db, false, &unused); /* the next one will do */
	return rc;
}

/* ---------------------------------------------------------------- methods */

struct method {
	uint32_t number;
	const char *name;
	unsigned roles; /* who may ask */
	const ProtobufCMessageDescriptor *type;
	request_handler *handler;
};

#define NUMBER(name) PK__DIRECTORY_METHOD__DIRECTORY_##name
#define LOGIN_ROLES  (ROLE_IMAP | ROLE_POP3 | ROLE_SMTP | ROLE_ADMIN)

/* clang-format off */
static const struct method methods[] = {
	{NUMBER(RESOLVE), "resolve", ROLE_FRONT | ROLE_CLI,
	 &pk__resolve_request__descriptor, directory_resolve},
	{NUMBER(LOGIN), "login", LOGIN_ROLES,
	 &pk__login_request__descriptor, directory_login},
	{NUMBER(SCRAM_START), "scram_start", LOGIN_ROLES,
	 &pk__scram_start_request__descriptor, directory_scram_start},
	{NUMBER(SCRAM_FINISH), "scram_finish", LOGIN_ROLES,
	 &pk__scram_finish_request__descriptor, directory_scram_finish},
	{NUMBER(KEY_RECORD), "key_record", LOGIN_ROLES,
	 &pk__key_record_request__descriptor, directory_key_record},
	{NUMBER(KEY_RECORD_SET), "key_record_set", LOGIN_ROLES,
	 &pk__key_record_set_request__descriptor, directory_key_record_set},
	{NUMBER(SESSION_CHECK), "session_check", LOGIN_ROLES,
	 &pk__session_check_request__descriptor, directory_session_check},
	{NUMBER(MAILBOX_STATE_GET), "mailbox_state_get", ROLE_STORE,
	 &pk__mailbox_state_request__descriptor, directory_mailbox_state_get},
	{NUMBER(MAILBOX_STATE_SET), "mailbox_state_set", ROLE_STORE,
	 &pk__mailbox_states__descriptor, directory_mailbox_state_set},
	{NUMBER(MAILBOX_ACCEPT), "mailbox_accept", ROLE_CLI,
	 &pk__alias_request__descriptor, directory_mailbox_accept},
	{NUMBER(DOMAIN_ADD), "domain_add", ROLE_ADMIN,
	 &pk__domain_request__descriptor, directory_domain_add},
	{NUMBER(DOMAIN_LIST), "domain_list", ROLE_ADMIN,
	 &pk__list_request__descriptor, directory_domain_list},
	{NUMBER(DOMAIN_REMOVE), "domain_remove", ROLE_ADMIN,
	 &pk__domain_request__descriptor, directory_domain_remove},
	{NUMBER(ALIAS_ADD), "alias_add", ROLE_ADMIN,
	 &pk__alias_add_request__descriptor, directory_alias_add},
	{NUMBER(ALIAS_LIST), "alias_list", ROLE_ADMIN,
	 &pk__list_request__descriptor, directory_alias_list},
	{NUMBER(ALIAS_REMOVE), "alias_remove", ROLE_ADMIN,
	 &pk__alias_request__descriptor, directory_alias_remove},
	{NUMBER(PASSWORD_CREATE), "password_create", ROLE_ADMIN,
	 &pk__password_create_request__descriptor, directory_password_create},
	{NUMBER(PASSWORD_LIST), "password_list", ROLE_ADMIN,
	 &pk__alias_request__descriptor, directory_password_list},
	{NUMBER(PASSWORD_REVOKE), "password_revoke", ROLE_ADMIN,
	 &pk__password_revoke_request__descriptor, directory_password_revoke},
	{NUMBER(MAILBOX_PUBLISH), "mailbox_publish", ROLE_ADMIN,
	 &pk__mailbox_publish_request__descriptor, directory_mailbox_publish},
	{NUMBER(PASSWORD_CONFIRM), "password_confirm", ROLE_ADMIN,
	 &pk__password_revoke_request__descriptor, directory_password_confirm},
	{NUMBER(REMOVED_LIST), "removed_list", ROLE_ADMIN,
	 &pk__list_request__descriptor, directory_removed_list},
	{NUMBER(REMOVED_DONE), "removed_done", ROLE_ADMIN,
	 &pk__removed_mailbox__descriptor, directory_removed_done},
	{NUMBER(STATISTICS), "statistics", ROLE_ADMIN,
	 &pk__list_request__descriptor, directory_statistics},
	{NUMBER(FAILURE_LIST), "failure_list", ROLE_ADMIN,
	 &pk__list_request__descriptor, directory_failure_list},
	{NUMBER(MAILBOX_LIST), "mailbox_list", ROLE_ADMIN,
	 &pk__mailbox_list_request__descriptor, directory_mailbox_list},
	{NUMBER(FAILURE_FORGET), "failure_forget", ROLE_ADMIN,
	 &pk__failure_forget_request__descriptor, directory_failure_forget},
};

static const struct { const char *name; unsigned bit; } roles[] = {
	{"imap", ROLE_IMAP}, {"pop3", ROLE_POP3}, {"smtp", ROLE_SMTP}, {"web", ROLE_WEB},
	{"courier", ROLE_COURIER}, {"cli", ROLE_CLI}, {"store", ROLE_STORE},
};
/* clang-format on */

static unsigned role_of(const struct link_peer *peer)
{
	for (size_t i = 0; peer != NULL && i < ARRAY_LEN(roles); i++)
		if (strcmp(link_peer_role(peer), roles[i].name) == 0)
			return roles[i].bit;
	return 0;
}

static const struct method *method_find(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (methods[i].number == number)
			return &methods[i];
	return NULL;
}

static int dispatch(struct directory *d, struct link_inbound *inbound, const struct method *method,
                    struct buf *reply, struct lateness *lateness, struct errinfo *info)
{
	struct request request = {
		.role = role_of(link_inbound_peer(inbound)),
		.reply = reply,
		.inbound = inbound,
		.lateness = lateness,
	};
	if (method == NULL)
		return err_set(info, E_UNSUPPORTED, "the directory has no such method");
	if ((method->roles & request.role) == 0)
		return err_set(info, E_DENIED, "this method is not for this process");
	ProtobufCMessage *message = link_unpack_request(method->type, link_inbound_body(inbound),
	                                                REQUEST_ITEMS_MAX);
	if (message == NULL)
		return err_set(info, E_INVALID, "malformed request");
	request.message = message;
	int rc = method->handler(d, &request, info);
	link_free_secret(message);
	if (rc == 0 && reply->failed)
		rc = err_set(info, E_TOO_LARGE, "the reply is too large");
	return rc;
}

/* What the asker did wrong is the asker's to log; what went wrong here is ours. */
static bool is_our_trouble(int error)
{
	return error == E_IO || error == E_NO_SPACE || error == E_CORRUPT || error == E_INTERNAL;
}

static void on_request(void *ctx, struct link_inbound *inbound)
{
	struct directory *d = ctx;
	struct errinfo info = {0};
	struct buf reply;
	buf_init_secret(&reply, LINK_MESSAGE_MAX - 1024);
	const struct method *method = method_find(link_inbound_method(inbound));
	struct lateness lateness = {0};
	int rc = dispatch(d, inbound, method, &reply, &lateness, &info);
	if (rc == 0) {
		link_reply_packed(inbound, &reply);
		return;
	}
	buf_done_wiped(&reply);
	if (is_our_trouble(rc))
		log_error(d->log, "directory.request_failed",
		          F_TEXT("method", method == NULL ? "" : method->name), F_ERR(rc),
		          F_TEXT("reason", info.text));
	if (lateness.delay_ms == 0 && lateness.mailbox[0] == '\0')
		link_reply_error(inbound, rc, info.text);
	else if (lateness.delay_ms == 0)
		refusals_answer(inbound, lateness.mailbox, rc, info.text);
	else if (!refusals_add(d->refusals, inbound, lateness.network, lateness.mailbox,
	                       lateness.delay_ms, rc, info.text))
		refusals_answer(inbound, lateness.mailbox, E_LIMIT,
		                "too many wrong logins at once, try again later");
}

static void on_cancelled(void *ctx, struct link_inbound *inbound)
{
	struct directory *d = ctx;
	/* Only what waits there has not had its reply before this could be called. */
	refusals_cancel(d->refusals, inbound);
}

static void on_peer_up(void *ctx, struct link_peer *peer)
{
	if ((role_of(peer) & ROLE_FRONT) != 0)
		directory_front_up(ctx, peer);
}

static void on_peer_down(void *ctx, struct link_peer *peer)
{
	directory_front_down(ctx, peer);
}

const struct link_server_handlers directory_link_handlers = {
	.request = on_request,
	.cancelled = on_cancelled,
	.peer_up = on_peer_up,
	.peer_down = on_peer_down,
};

/* ---------------------------------------------------------------- the process */

struct process {
	struct role *role;
	struct directory *directory;
	struct link_server *server;
};

static void on_reload(void *ctx)
{
	struct process *process = ctx;
	char **addresses = role_link_addresses(process->role);
	struct link_server_limits limits = {.allowed_addresses = (const char *const *)addresses};
	directory_configure(process->directory, process->role->config);
	link_server_set_limits(process->server, &limits);
	role_link_addresses_free(addresses);
}

static void on_stop(void *ctx)
{
	struct process *process = ctx;
	loop_stop(process->role->loop);
}

static void on_handed_over(void *ctx, int fd, const struct link_origin *origin)
{
	struct process *process = ctx;
	link_server_add_fd(process->server, fd, origin);
}

static void serve(struct process *process)
{
	struct role *role = process->role;
	char **addresses = role_link_addresses(role);
	struct link_server_options options = {
		.role = "directory",
		.allowed = role->allowed,
		.allowed_count = role->allowed_count,
		.local_role = "cli",
		.tls = role->link_tls,
		.limits = {.allowed_addresses = (const char *const *)addresses},
	};
	struct link_server_handlers handlers = directory_link_handlers;
	handlers.ctx = process->directory;
	process->server = link_server_new(role->loop, role->log, &options, &handlers);
	role_link_addresses_free(addresses);
	for (size_t i = 0; i < role->socket_count; i++) {
		const struct role_socket *socket = &role->sockets[i];
		if (strcmp(socket->name, "link-fd") == 0)
			link_server_add_fd(process->server, socket->fd, NULL);
		else if (strcmp(socket->name, "link") == 0 || strcmp(socket->name, "link-tls") == 0)
			link_server_listen(process->server, socket->fd, strcmp(socket->name, "link-tls") == 0);
	}
}

static int start(struct process *process, struct errinfo *info)
{
	struct role *role = process->role;
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	buf_addf(&path, "%s/directory/directory.sqlite", config_text(role->config, "data_dir"));
	buf_add_byte(&path, '\0');
	if (path.failed)
		return err_set(info, E_INVALID, "data_dir is too long");
	/* Only init makes one: a new empty one beside mailboxes would refuse all their mail. */
	if (access(path.ptr, F_OK) != 0)
		return err_set(info, E_NOT_FOUND, "%s is not there", path.ptr);
	int rc = db_init(info);
	if (rc == 0)
		rc = directory_new(&process->directory, role->loop, role->log, path.ptr, role->config,
		                   role->host_key, info);
	if (rc == E_DENIED)
		return err_set(info, rc,
		               "%s does not open with this host key, or its first page is damaged",
		               path.ptr);
	return rc;
}

int directory_run(struct role *role)
{
	struct process process = {.role = role};
	struct errinfo info = {0};
	int rc = start(&process, &info);
	if (rc != 0) {
		log_error(role->log, "directory.start_failed", F_ERR(rc), F_TEXT("reason", info.text));
		directory_free(process.directory);
		return rc == E_DENIED || rc == E_NOT_FOUND ? EX_CONFIG : EXIT_FAILURE;
	}
	serve(&process);
	role->ctx = &process;
	role->on_reload = on_reload;
	role->on_stop = on_stop;
	role->on_peer = on_handed_over;
	loop_run(role->loop);
	role->on_reload = NULL;
	role->on_stop = NULL;
	role->on_peer = NULL;
	link_server_free(process.server);
	directory_free(process.directory);
	return 0;
}
