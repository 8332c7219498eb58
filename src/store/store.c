#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "net/core_link.h"
#include "store/internal.h"
#include "store/marks.h"
#include "store/refused.h"

enum {
	HANDLES_MAX = 2000,   /* measured: about 200 KB of memory each */
	FILES_PER_HANDLE = 3, /* the file, its -wal and its -shm */
	FILES_SPARE = 256,    /* sockets and the rest */
	DATA_DIR_MAX = 3900,  /* what follows it in a path fits */
	MERGE_RETRY_MS = 30 * 1000,
	UPLOADS_AT_ONCE = 4,    /* messages of the largest size that may come in together */
	TRACE_ROOM = 64 * 1024, /* for the trace headers that a front puts before the largest message */
};

/* ---------------------------------------------------------------- what turns ask for */

const char *store_data_dir(const struct store *store)
{
	return store->data_dir;
}

const struct log *store_log(const struct store *store)
{
	return store->log;
}

int64_t store_merge_retry_ms(const struct store *store)
{
	return store->options.limits.merge_retry_ms;
}

const struct space *store_space(const struct store *store)
{
	return &store->space;
}

bool store_stopping(const struct store *store)
{
	return atomic_load_explicit(&store->stopping, memory_order_relaxed);
}

void store_key_put(struct store *store, const struct key32 *key, struct vaulted *ret)
{
	pthread_mutex_lock(&store->key_lock);
	vault_put(store->vault, key, ret);
	pthread_mutex_unlock(&store->key_lock);
}

bool store_key_get(struct store *store, const struct vaulted *vaulted, struct key32 *ret)
{
	pthread_mutex_lock(&store->key_lock);
	bool good = vault_get(store->vault, vaulted, ret);
	pthread_mutex_unlock(&store->key_lock);
	return good;
}

void store_temporary_key(struct store *store, struct str mailbox, struct key32 *ret)
{
	struct key32 base KEY32_AUTO = {0};
	must(store_key_get(store, &store->temporary_base, &base));
	hkdf_sha256(base.bytes, sizeof(base.bytes), mailbox, STR("postkasse temporary mailbox"), ret);
}

void store_handle_opened(struct store *store)
{
	atomic_fetch_add(&store->handles, 1);
}

void store_handle_closed(struct store *store)
{
	atomic_fetch_sub(&store->handles, 1);
}

/* ---------------------------------------------------------------- life */

static int check_folder(const char *data_dir, const char *name, struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	buf_addf(&path, "%s/%s", data_dir, name);
	buf_add_byte(&path, '\0');
	if (path.failed)
		return err_set(info, E_INVALID, "the path of the data folder is too long");
	if (access(path.ptr, R_OK | W_OK | X_OK) != 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path.ptr, strerror(errno));
	return 0;
}

static void keep_temporary_base(struct store *store, struct secret *host_key)
{
	struct key32 base KEY32_AUTO = {0};
	hkdf_sha256(secret_open(host_key), secret_len(host_key), STR(""),
	            STR("postkasse store: temporary mailboxes"), &base);
	secret_close(host_key);
	store_key_put(store, &base, &store->temporary_base);
}

/* As many files as the process may have open bound the handles, too. */
static unsigned handles_allowed(unsigned wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return wanted;
	rlim_t most = limit.rlim_cur > FILES_SPARE ? (limit.rlim_cur - FILES_SPARE) / FILES_PER_HANDLE
	                                           : 1;
	return most < wanted ? (unsigned)most : wanted;
}

/* The owner is told at the next login, when it is known what is missing for good. */
static void on_missing(void *ctx, const char *mailbox, uint64_t messages)
{
	struct store *store = ctx;
	log_error(store->log, "store.waiting_missing", F_TEXT("mailbox", mailbox),
	          F_INT("messages", messages), F_TEXT("owner", "away"));
	if (mailbox_id_valid(str_from(mailbox)))
		refused_note_missing(store->refused, mailbox, messages, false);
}

int store_new(struct store **ret, struct loop *loop, const struct log *log,
              const struct store_options *options, struct secret *host_key, struct errinfo *info)
{
	if (strlen(options->data_dir) > DATA_DIR_MAX)
		return err_set(info, E_INVALID, "the path of the data folder is too long");
	int rc = check_folder(options->data_dir, "mailboxes", info);
	if (rc == 0)
		rc = check_folder(options->data_dir, "temporary", info);
	if (rc != 0)
		return rc;
	struct store *store = mem_new(sizeof(*store));
	store->loop = loop;
	store->start_ms = clock_monotonic_ms();
	store->log = log;
	store->options = *options;
	store->options.handles_max = handles_allowed(options->handles_max);
	store->data_dir = str_dup(str_from(options->data_dir));
	store->space.log = log;
	store->space.data_dir = store->data_dir;
	store_set_limits(store, &options->limits);
	must(pthread_mutex_init(&store->key_lock, NULL) == 0);
	store->vault = vault_new();
	keep_temporary_base(store, host_key);
	store->mailboxes = map_new();
	store->sessions = map_new();
	TAILQ_INIT(&store->by_use);
	LIST_INIT(&store->under_way);
	/* Session ids of an earlier process mean nothing to this one. */
	random_bytes(&store->session_last, sizeof(store->session_last));
	store->session_last >>= 2;
	store->refused = refused_new();
	store->pool = worker_pool_new(loop, options->workers);
	if (options->directory != NULL)
		store->marks = marks_new(options->directory, on_missing, store);
	store->tick = timer_new(loop, store_tick, store);
	store_tick(store);
	*ret = store;
	return 0;
}

void store_set_limits(struct store *store, const struct store_limits *limits)
{
	store->options.limits = *limits;
	store->space.reserve = limits->disk_reserve;
	store->space.ballast = limits->disk_ballast;
}

void store_stop(struct store *store, void (*stopped)(void *ctx), void *ctx)
{
	store->stopping = true;
	store->stopped = stopped;
	store->stopped_ctx = ctx;
	timer_stop(store->tick);
	store_stop_further(store);
}

void store_free(struct store *store)
{
	if (store == NULL)
		return;
	marks_free(store->marks);
	timer_free(store->tick);
	worker_pool_free(store->pool);
	struct mailbox *mailbox;
	while ((mailbox = TAILQ_FIRST(&store->by_use)) != NULL) {
		TAILQ_REMOVE(&store->by_use, mailbox, by_use);
		mailbox_free(mailbox);
	}
	refused_free(store->refused);
	map_free(store->mailboxes);
	map_free(store->sessions);
	vault_free(store->vault);
	pthread_mutex_destroy(&store->key_lock);
	free(store->data_dir);
	free(store);
}

/* ---------------------------------------------------------------- the process */

struct running {
	struct role *role;
	struct store *store;
	struct core_server *server;
	struct link *directory;
};

/* Two for each processor: most of the time a worker waits for the disk. */
static int worker_count(const struct config *config)
{
	int64_t wanted = config_number(config, "store_workers");
	if (wanted > 0)
		return (int)wanted;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 2 ? 4 : processors > 64 ? 128 : (int)processors * 2;
}

static struct store_limits limits_of(const struct config *config)
{
	return (struct store_limits){
		.linger_ms = config_number(config, "mailbox_linger"),
		.merge_retry_ms = MERGE_RETRY_MS,
		.handle_idle_ms = config_number(config, "mailbox_handle_idle"),
		.disk_reserve = (uint64_t)config_number(config, "disk_reserve"),
		.disk_ballast = (uint64_t)config_number(config, "disk_ballast"),
		.sessions_max = (unsigned)config_number(config, "connections_per_mailbox"),
	};
}

static struct link_server_limits link_limits_of(const struct config *config)
{
	uint64_t message_max = (uint64_t)config_number(config, "message_size_max") + TRACE_ROOM;
	return (struct link_server_limits){
		.upload_max = message_max,
		.upload_total_max = message_max * UPLOADS_AT_ONCE,
	};
}

static int make_store(struct running *running, struct errinfo *info)
{
	struct role *role = running->role;
	static const struct link_handlers handlers = {0};
	int rc = core_link_new(&running->directory, role, "directory", &handlers, info);
	if (rc != 0)
		return rc;
	struct store_options options = {
		.data_dir = config_text(role->config, "data_dir"),
		.workers = worker_count(role->config),
		.handles_max = HANDLES_MAX,
		.limits = limits_of(role->config),
		.directory = running->directory,
	};
	rc = store_new(&running->store, role->loop, role->log, &options, role->host_key, info);
	if (rc != 0)
		return rc;
	struct link_server_limits limits = link_limits_of(role->config);
	running->server = core_server_start(role, &limits, &store_core, running->store);
	log_info(role->log, "store.ready", F_INT("workers", options.workers));
	return 0;
}

static void on_reload(void *ctx)
{
	struct running *running = ctx;
	const struct role *role = running->role;
	struct store_limits limits = limits_of(role->config);
	struct link_server_limits link_limits = link_limits_of(role->config);
	store_set_limits(running->store, &limits);
	core_server_reload(running->server, role, &link_limits);
}

static void stop_loop(void *ctx)
{
	loop_stop(ctx);
}

static void on_stop(void *ctx)
{
	struct running *running = ctx;
	store_stop(running->store, stop_loop, running->role->loop);
}

static void on_peer(void *ctx, int fd, const struct link_origin *origin)
{
	struct running *running = ctx;
	link_server_add_fd(core_server_link(running->server), fd, origin);
}

int store_run(struct role *role)
{
	struct running running = {.role = role};
	struct errinfo info = {0};
	int rc = crypto_init(&info);
	if (rc == 0)
		rc = db_init(&info);
	if (rc == 0)
		rc = make_store(&running, &info);
	if (rc != 0) {
		log_error(role->log, "store.start_failed", F_ERR(rc), F_TEXT("text", info.text));
		link_free(running.directory);
		return 1;
	}
	role->on_reload = on_reload;
	role->on_stop = on_stop;
	role->on_peer = on_peer;
	role->ctx = &running;
	loop_run(role->loop);
	role->on_reload = role->on_stop = NULL;
	role->on_peer = NULL;
	core_server_free(running.server);
	store_free(running.store);
	link_free(running.directory);
	return 0;
}
