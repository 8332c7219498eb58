#include "directory/directory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
};

/* ---------------------------------------------------------------- life */

static void on_use_timer(void *ctx)
{
	slots_flush(ctx, false);
}

/* The keys that follow from the host key: of the file, and of made-up salts. */
static int derive_key(struct secret *host_key, struct str purpose, struct key32 *ret,
                      struct errinfo *info)
{
	if (host_key == NULL || secret_len(host_key) != KEY_SIZE)
		return err_set(info, E_INVALID, "the host key is not 32 bytes");
	hkdf_sha256(secret_open(host_key), KEY_SIZE, STR(""), purpose, ret);
	secret_close(host_key);
	return 0;
}

static int derive_data_key(struct secret *host_key, struct data_key *ret, struct errinfo *info)
{
	random_bytes(ret->salt, sizeof(ret->salt)); /* only counts when the file is made */
	return derive_key(host_key, STR("postkasse directory file"), &ret->key, info);
}

static int derive_keys(struct directory *d, struct secret *host_key, struct data_key *ret_file,
                       struct errinfo *info)
{
	struct key32 key KEY32_AUTO = {0};
	int rc = derive_data_key(host_key, ret_file, info);
	if (rc == 0)
		rc = derive_key(host_key, STR("postkasse unknown users"), &key, info);
	if (rc != 0)
		return rc;
	d->unknown_key = secret_new(key.bytes, KEY_SIZE);
	return d->unknown_key != NULL ? 0 : err_set(info, E_LIMIT, "no more locked memory");
}

/* Opens and brings up to date. */
static int open_file(struct directory *d, const struct data_key *key, struct errinfo *info)
{
	int rc = db_open(&d->db, d->path, key, DB_CREATE | DB_SYNC_FULL, info);
	if (rc != 0)
		return rc;
	rc = db_migrate(d->db, directory_migrations, directory_migration_count, info);
	if (rc != 0) {
		db_close(d->db);
		d->db = NULL;
	}
	return rc;
}

int directory_new(struct directory **ret, struct loop *loop, const struct log *log,
                  const char *path, const struct config *config, struct secret *host_key,
                  struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO;
	struct directory *d = mem_new(sizeof(*d));
	d->loop = loop;
	d->log = log;
	d->path = str_dup(str_from(path));
	d->in_place = true;
	d->failures = failures_new();
	d->refusals = refusals_new(loop);
	d->start_ms = clock_monotonic_ms();
	d->uses = map_new();
	TAILQ_INIT(&d->fronts);
	STAILQ_INIT(&d->revocations);
	d->use_timer = timer_new(loop, on_use_timer, d);
	directory_configure(d, config);
	directory_space_start(d);
	int rc = derive_keys(d, host_key, &key, info);
	if (rc == 0)
		rc = open_file(d, &key, info);
	for (unsigned i = 0; rc == E_NO_SPACE && i < SPACE_REPEATS_MAX && directory_space_give(d, i);
	     i++)
		rc = open_file(d, &key, info);
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
		slots_flush(d, true);
	directory_space_stop(d);
	timer_free(d->use_timer);
	map_free(d->uses);
	failures_free(d->failures);
	refusals_free(d->refusals);
	db_close(d->db);
	secret_free(d->unknown_key);
	free(d->path);
	free(d);
}

void directory_configure(struct directory *d, const struct config *config)
{
	failures_configure(d->failures, config_number(config, "login_failures_max"),
	                   config_number(config, "login_failures_window"));
	d->quota_default = config_number(config, "quota");
	directory_space_configure(d, config);
}

/* A file that was taken away, or is below a mount, takes nothing more in. Once there is another this process
 * ends: the next one looks at what it is, and all fronts ask anew. */
static int check_place(struct directory *d, struct errinfo *info)
{
	struct stat status;
	bool in_place = db_in_place(d->db);
	if (in_place != d->in_place)
		log_error(d->log, in_place ? "directory.file_back" : "directory.file_replaced",
		          F_TEXT("file", d->path));
	d->in_place = in_place;
	if (in_place)
		return 0;
	d->replaced = stat(d->path, &status) == 0 && status.st_size > 0;
	if (d->replaced)
		loop_stop(d->loop);
	return err_set(info, E_UNAVAILABLE, "the directory's file is not in its place");
}

int directory_end(struct directory *d, int rc, struct errinfo *info)
{
	struct errinfo unused;
	if (rc == 0)
		rc = db_commit(d->db, info);
	if (rc == 0)
		rc = check_place(d, info);
	directory_revocations_end(d, rc == 0);
	if (rc != 0)
		db_rollback(d->db);
	else if (db_wal_bytes(d->db) > WAL_CHECKPOINT_BYTES)
		(void)!db_checkpoint(d->db, false, &unused); /* the next one will do */
	return rc;
}

/* ---------------------------------------------------------------- looking at it from outside */

static int inspect_schema(struct db *db, struct errinfo *info)
{
	struct buf findings BUF_AUTO;
	buf_init(&findings, 1024 * 1024);
	int version = db_schema_version(db);
	if (version > directory_migration_count)
		return db_schema_newer(version, directory_migration_count, info);
	/* An older one is brought up to date by the next start. */
	int rc = db_schema_check(db, directory_migrations, version, info);
	return rc != 0 ? rc : db_integrity_check(db, &findings, info);
}

static int inspect_file(const char *path, struct secret *host_key, struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO = {0};
	struct db *db;
	struct errinfo cause;
	int rc = derive_data_key(host_key, &key, info);
	if (rc != 0)
		return rc;
	rc = db_open(&db, path, &key, DB_READ_ONLY, &cause);
	if (rc == E_DENIED && db_key_fits(path, &key))
		return err_set(info, E_CORRUPT, "%s: the first page is damaged", path);
	if (rc == E_DENIED)
		return err_set(info, rc, "%s: does not open with the key in host_key_file", path);
	if (rc == 0) {
		rc = inspect_schema(db, &cause);
		db_close(db);
	}
	return rc == 0 ? 0 : err_set(info, rc, "%s: %s", path, cause.text);
}

int directory_inspect(const char *data_dir, struct secret *host_key, struct errinfo *info)
{
	struct stat status;
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	buf_addf(&path, "%s/directory/directory.sqlite", data_dir);
	buf_add_byte(&path, '\0');
	if (path.failed)
		return err_set(info, E_INVALID, "data_dir is too long");
	if (stat(path.ptr, &status) != 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path.ptr, strerror(errno));
	return status.st_size == 0
	           ? 0
	           : inspect_file(path.ptr, host_key, info); /* empty: as init makes it */
}

/* ---------------------------------------------------------------- requests */

static const struct core_method *const methods[] = {
	&directory_method_resolve.core,           &directory_method_login.core,
	&directory_method_scram_start.core,       &directory_method_scram_finish.core,
	&directory_method_key_record.core,        &directory_method_key_record_set.core,
	&directory_method_session_check.core,     &directory_method_mailbox_state_get.core,
	&directory_method_mailbox_state_set.core, &directory_method_mailbox_accept.core,
	&directory_method_mailbox_attach.core,    &directory_method_alias_disable.core,
	&directory_method_domain_add.core,        &directory_method_domain_list.core,
	&directory_method_domain_remove.core,     &directory_method_alias_add.core,
	&directory_method_alias_list.core,        &directory_method_alias_remove.core,
	&directory_method_password_create.core,   &directory_method_password_list.core,
	&directory_method_password_revoke.core,   &directory_method_mailbox_publish.core,
	&directory_method_password_confirm.core,  &directory_method_removed_list.core,
	&directory_method_removed_done.core,      &directory_method_statistics.core,
	&directory_method_failure_list.core,      &directory_method_mailbox_list.core,
	&directory_method_failure_forget.core,
};

/* What the asker did wrong is the asker's to log; what went wrong here is ours. */
static bool is_our_trouble(int error)
{
	return error == E_IO || error == E_NO_SPACE || error == E_CORRUPT || error == E_INTERNAL;
}

static void on_failed(struct directory *d, struct link_inbound *inbound,
                      const struct lateness *lateness, int error, const char *text)
{
	if (lateness->delay_ms == 0 && lateness->mailbox[0] == '\0')
		link_reply_error(inbound, error, text);
	else if (lateness->delay_ms == 0)
		refusals_answer(inbound, lateness->mailbox, error, text);
	else if (!refusals_add(d->refusals, inbound, lateness->network, lateness->mailbox,
	                       lateness->delay_ms, error, text))
		refusals_answer(inbound, lateness->mailbox, E_LIMIT,
		                "too many wrong logins at once, try again later");
}

static int run_once(struct directory *d, const struct method *method, const struct request *request,
                    struct errinfo *info)
{
	int rc = db_read_begin(d->db, info);
	if (rc == 0)
		rc = method->run(d, request, info);
	db_read_end(d->db);
	return rc;
}

/* On a full volume it is done again, with room from the ballast: nothing of it was kept. */
static int run(struct directory *d, const struct method *method, const struct request *request,
               struct errinfo *info)
{
	int rc = run_once(d, method, request, info);
	for (unsigned i = 0; rc == E_NO_SPACE && i < SPACE_REPEATS_MAX && !method->grows; i++) {
		if (!directory_space_give(d, i))
			break;
		buf_clear(request->reply);
		rc = run_once(d, method, request, info);
	}
	return rc == E_NO_SPACE ? err_set(info, rc, "no space is left on the volume of the directory")
	                        : rc;
}

static void on_request(void *ctx, const struct core_method *core_method,
                       struct link_inbound *inbound, ProtobufCMessage *message)
{
	struct directory *d = ctx;
	const struct method *method = container_of(core_method, const struct method, core);
	struct errinfo info = {0};
	struct lateness lateness = {0};
	struct buf reply;
	buf_init_secret(&reply, LINK_MESSAGE_MAX - 1024);
	struct request request = {
		.role = role_bit(link_peer_role(link_inbound_peer(inbound))),
		.message = message,
		.reply = &reply,
		.inbound = inbound,
		.lateness = &lateness,
	};
	int rc = check_place(d, &info);
	if (rc == 0)
		rc = run(d, method, &request, &info);
	link_free_secret(message);
	if (rc == 0 && reply.failed)
		rc = err_set(&info, E_TOO_LARGE, "the reply is too large");
	if (rc == 0) {
		link_reply_packed(inbound, &reply);
		return;
	}
	buf_done_wiped(&reply);
	if (is_our_trouble(rc))
		log_error(d->log, "directory.request_failed", F_TEXT("method", method->core.name),
		          F_ERR(rc), F_TEXT("reason", info.text));
	on_failed(d, inbound, &lateness, rc, info.text);
}

static void on_cancelled(void *ctx, struct link_inbound *inbound)
{
	struct directory *d = ctx;
	/* Only what waits there has not had its reply before this could be called. */
	refusals_cancel(d->refusals, inbound);
}

static void on_peer_up(void *ctx, struct link_peer *peer)
{
	if ((role_bit(link_peer_role(peer)) & ROLE_FRONT) != 0)
		directory_front_up(ctx, peer);
}

static void on_peer_down(void *ctx, struct link_peer *peer)
{
	directory_front_down(ctx, peer);
}

const struct core directory_core = {
	.role = "directory",
	.methods = methods,
	.method_count = ARRAY_LEN(methods),
	.request = on_request,
	.cancelled = on_cancelled,
	.peer_up = on_peer_up,
	.peer_down = on_peer_down,
};

/* ---------------------------------------------------------------- the process */

struct process {
	struct role *role;
	struct directory *directory;
	struct core_server *server;
};

static const struct link_server_limits link_limits = {0}; /* the standard ones */

static void on_reload(void *ctx)
{
	struct process *process = ctx;
	directory_configure(process->directory, process->role->config);
	core_server_reload(process->server, process->role, &link_limits);
}

static void on_stop(void *ctx)
{
	struct process *process = ctx;
	loop_stop(process->role->loop);
}

static void on_handed_over(void *ctx, int fd, const struct link_origin *origin)
{
	struct process *process = ctx;
	link_server_add_fd(core_server_link(process->server), fd, origin);
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
	process.server = core_server_start(role, &link_limits, &directory_core, process.directory);
	role->ctx = &process;
	role->on_reload = on_reload;
	role->on_stop = on_stop;
	role->on_peer = on_handed_over;
	loop_run(role->loop);
	role->on_reload = NULL;
	role->on_stop = NULL;
	role->on_peer = NULL;
	bool replaced = process.directory->replaced;
	core_server_free(process.server);
	directory_free(process.directory);
	return replaced ? EXIT_FAILURE : 0;
}
