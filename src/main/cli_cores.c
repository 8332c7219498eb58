#include "main/cli_cores.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/installation.h"
#include "main/supervisor_internal.h"
#include "net/link.h"

enum {
	CONNECT_MS = 10000, /* for a service that is just starting, or another command line */
	RETRY_MS = 50,
	AWAY_MS = 20000, /* without a sign of life of a core, in all of a command */
	STOP_MS = 15000, /* for a core of ours to end, then it is killed */
};

/* A core as seen from here; started by us when child->pid is not 0. */
struct core {
	const char *name;
	struct link *link;
	struct child *child;   /* of the supervisor below */
	struct event *control; /* while it runs: what it asks us */
	struct cores *cores;
};

struct cores {
	struct cli *cli;
	struct loop *loop;
	struct log log;
	struct core directory, store;
	int lock_fd;            /* -1: the service runs */
	struct errinfo failure; /* why they cannot be used */
	struct link_patience patience;
	/* What the supervisor's functions for starting a process want to see. */
	struct supervisor_options options;
	struct supervisor supervisor;
};

static void on_event(void *ctx, uint32_t method, struct str body)
{
	(void)ctx;
	(void)method;
	(void)body;
}

static const struct link_handlers handlers = {.event = on_event};

/* ---------------------------------------------------------------- cores of our own */

/* The supervisor fills these in from the machine; here the least will do. */
static int prepare_settings(struct cores *cores, struct errinfo *info)
{
	struct settings *settings = &cores->supervisor.settings;
	struct buf text BUF_AUTO;
	buf_init(&text, SETTINGS_FILE_MAX);
	config_print(cores->cli->config, &text);
	settings->config = config_new();
	int rc = config_parse(settings->config, "settings", buf_str(&text), info);
	if (rc == 0)
		rc = config_parse(settings->config, "settings",
		                  STR("log_level = warn\nstore_workers = 4\nimap_processes = 1\n"), info);
	if (rc == 0)
		rc = settings_read_host_key(&settings->host_key,
		                            config_text(settings->config, "host_key_file"), info);
	bool recorded;
	if (rc == 0)
		rc = installation_check(settings->config, settings->host_key, &recorded, info);
	if (rc == 0)
		rc = folders_prepare(settings->config, cores->supervisor.separate, info);
	return rc;
}

static void stop_listening(struct core *core)
{
	if (core->control != NULL)
		event_free(core->control);
	core->control = NULL;
}

static int start_core(struct cores *cores, struct core *core, struct errinfo *info);

/* A core that is asked for is started; whoever asked finds it away when that fails. */
static void start_wanted(struct cores *cores, const struct core *asker, struct core *wanted)
{
	const struct kind *kind = kind_find(str_from(asker->name));
	int place = kind_link_place(kind, kind_find(str_from(wanted->name)));
	struct errinfo info;
	if (place < 0 || !asker->child->wishes[place].open || wanted->child->pid != 0)
		return;
	if (start_core(cores, wanted, &info) != 0)
		cli_warn(cores->cli, "%s", info.text);
}

/* What the supervisor does for the processes of a service, we do for ours. */
static void on_control(evutil_socket_t fd, short what, void *ctx)
{
	struct core *core = ctx;
	struct cores *cores = core->cores;
	(void)fd;
	(void)what;
	child_read(&cores->supervisor, core->child);
	if (core->child->control_fd < 0)
		stop_listening(core);
	start_wanted(cores, core, &cores->directory);
	start_wanted(cores, core, &cores->store);
	links_serve(&cores->supervisor);
}

static int start_core(struct cores *cores, struct core *core, struct errinfo *info)
{
	struct supervisor *supervisor = &cores->supervisor;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return err_set(info, err_from_errno(errno), "socketpair: %s", strerror(errno));
	supervisor->sockets[0] = (struct listening){
		.kind = core->child->kind, .name = "link-fd", .fd = pair[1]};
	supervisor->socket_count = 1;
	child_start(supervisor, core->child);
	supervisor->socket_count = 0;
	close(pair[1]);
	if (core->child->pid == 0) {
		close(pair[0]);
		return err_set(info, E_UNAVAILABLE, "the %s could not be started", core->name);
	}
	core->link = link_new_fd(cores->loop, &cores->log, pair[0], "cli", &handlers);
	core->control = event_new(loop_base(cores->loop), core->child->control_fd, EV_READ | EV_PERSIST,
	                          on_control, core);
	if (core->control == NULL || event_add(core->control, NULL) != 0)
		abort();
	return 0;
}

/* Waits for the end of a core of ours, at most STOP_MS, then kills it. */
static void stop_core(struct cores *cores, struct core *core)
{
	link_free(core->link);
	core->link = NULL;
	stop_listening(core);
	if (core->child->pid == 0)
		return;
	int status = 0;
	int pidfd = (int)syscall(SYS_pidfd_open, core->child->pid, 0);
	child_stop(&cores->supervisor, core->child);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	if (pidfd >= 0 && poll(&end, 1, STOP_MS) == 0)
		child_kill(core->child);
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(core->child->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (core->child->control_fd >= 0)
		close(core->child->control_fd);
	links_drop(core->child);
	core->child->control_fd = -1;
	core->child->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		cli_warn(cores->cli, "the %s ended badly", core->name);
}

/* ---------------------------------------------------------------- cores of the service */

static void link_to_service(struct cores *cores, struct core *core)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const struct config *config = cores->cli->config;
	const struct kind *kind = kind_find(str_from(core->name));
	if (!kind_socket_path(config, core->name, path, sizeof(path)))
		return;
	uint32_t user = (uint32_t)config_number(config, "uid_base") + kind->user;
	struct link_target target = {
		.unix_path = path,
		.role = "cli",
		.core = core->name,
		.allowed_peer_uid = geteuid() == 0 ? user : geteuid(),
	};
	core->link = link_new(cores->loop, &cores->log, &target, &handlers);
}

/* ---------------------------------------------------------------- either */

/* Until the service answers, or has gone and left us the lock. */
static int find_service(struct cores *cores, struct core *core, struct errinfo *info)
{
	int64_t deadline_ms = clock_monotonic_ms() + CONNECT_MS;
	for (;;) {
		int rc = folders_lock(cores->cli->config, "data_dir", &cores->lock_fd, info);
		if (rc == E_NOT_FOUND)
			return err_set(info, rc, "data_dir: %s: is not there; has postkasse init been run?",
			               config_text(cores->cli->config, "data_dir"));
		if (rc == 0) {
			link_free(core->link);
			core->link = NULL;
			return 0;
		}
		if (rc != E_BUSY)
			return rc;
		if (core->link == NULL)
			link_to_service(cores, core);
		if (core->link == NULL)
			return err_set(info, E_INVALID, "run_dir: is too long for the path of a socket");
		loop_run_once(cores->loop, RETRY_MS);
		if (link_connected(core->link))
			return 0;
		if (clock_monotonic_ms() > deadline_ms)
			return err_set(info, E_UNAVAILABLE, "the service does not answer in %s",
			               config_text(cores->cli->config, "run_dir"));
	}
}

/* A data folder that does not belong to root is that of a service which runs as an ordinary user: root
 * becomes that user. So the service's sockets take us, and no file appears there, or changes hands,
 * that its owner could not use any more. */
static int become_owner(const struct config *config, struct errinfo *info)
{
	struct stat status;
	if (geteuid() != 0 || stat(config_text(config, "data_dir"), &status) != 0 || status.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) != 0 || setresgid(status.st_gid, status.st_gid, status.st_gid) != 0 ||
	    setresuid(status.st_uid, status.st_uid, status.st_uid) != 0)
		return err_set(info, err_from_errno(errno), "data_dir: becoming its owner: %s",
		               strerror(errno));
	return 0;
}

static void add_core(struct cores *cores, struct core *core, const char *name)
{
	struct child *child = &cores->supervisor.children[cores->supervisor.child_count++];
	*child = (struct child){.kind = kind_find(str_from(name)), .control_fd = -1, .log = {.fd = -1}};
	*core = (struct core){.name = name, .child = child, .cores = cores};
}

int cores_both_here(const struct config *config, struct errinfo *info)
{
	return settings_has_role(config, "directory") && settings_has_role(config, "store")
	           ? 0
	           : err_set(info, E_UNSUPPORTED,
	                     "run this on the host of the directory and the store: see roles");
}

static int find_cores(struct cli *cli, struct errinfo *info)
{
	struct cores *cores = cli->cores = mem_new(sizeof(*cores));
	cores->cli = cli;
	cores->loop = loop_new();
	cores->log = (struct log){.role = "cli", .fd = STDERR_FILENO, .level = LOG_LEVEL_ERROR};
	cores->lock_fd = -1;
	cores->patience.left_ms = AWAY_MS;
	cores->options = (struct supervisor_options){.environment = environ, .ready_fd = -1};
	cores->supervisor = (struct supervisor){
		.options = &cores->options,
		.log = cores->log,
		.separate = geteuid() == 0,
		.pid = getpid(),
	};
	add_core(cores, &cores->directory, "directory");
	add_core(cores, &cores->store, "store");
	bool has_directory = settings_has_role(cli->config, "directory");
	int both = cores_both_here(cli->config, info);
	if (both != 0 && !cli->one_core)
		return both;
	int rc = find_service(cores, has_directory ? &cores->directory : &cores->store, info);
	if (rc == 0 && cores->lock_fd >= 0 && both != 0) /* none that starts one beside the other */
		return err_set(info, E_UNAVAILABLE, "the service does not run");
	if (rc == 0 && cores->lock_fd >= 0)
		rc = prepare_settings(cores, info);
	return rc;
}

int cores_open(struct cli *cli, struct errinfo *info)
{
	if (cli->cores != NULL) {
		*info = cli->cores->failure;
		return cli->cores->failure.error;
	}
	int rc = cli_load_config(cli, info);
	if (rc == 0)
		rc = become_owner(cli->config, info);
	if (rc != 0)
		return rc;
	rc = find_cores(cli, info);
	if (rc != 0) /* it stays so: nobody who goes on after it may believe that they were found */
		cli->cores->failure = *info;
	return rc;
}

void cores_close(struct cores *cores)
{
	if (cores == NULL)
		return;
	stop_core(cores, &cores->store);
	stop_core(cores, &cores->directory);
	if (cores->lock_fd >= 0)
		close(cores->lock_fd);
	settings_done(&cores->supervisor.settings);
	loop_free(cores->loop);
	free(cores);
}

static int call(struct cores *cores, struct core *core, struct link_request *request,
                const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                struct errinfo *info)
{
	struct buf body __attribute__((cleanup(buf_done_wiped)));
	buf_init(&body, LINK_MESSAGE_MAX);
	int rc = 0;
	if (core->link == NULL && cores->lock_fd >= 0)
		rc = start_core(cores, core, info);
	else if (core->link == NULL)
		link_to_service(cores, core);
	if (rc != 0)
		return rc;
	if (core->link == NULL)
		return err_set(info, E_INVALID, "run_dir: is too long for the path of a socket");
	request->patience = &cores->patience;
	rc = link_call_wait(core->link, cores->loop, request, &body, info);
	if (rc != 0 && cores->patience.left_ms == 0)
		return err_set(info, E_UNAVAILABLE, "the %s gives no sign of life", core->name);
	if (rc != 0)
		return rc;
	*ret = link_unpack(type, buf_str(&body), WIRE_ITEMS_MESSAGES);
	return *ret != NULL ? 0 : err_set(info, E_INTERNAL, "the %s sent a bad reply", core->name);
}

int cores_directory(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                    const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                    struct errinfo *info)
{
	struct link_request asked = {.method = method,
	                             .body = request,
	                             .secret = true,
	                             .kind = LINK_REPEAT,
	                             .deadline_ms = cli->deadline_ms};
	*ret = NULL;
	int rc = cores_open(cli, info);
	return rc != 0 ? rc : call(cli->cores, &cli->cores->directory, &asked, type, ret, info);
}

int cores_store(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *type, int64_t deadline_ms, ProtobufCMessage **ret,
                struct errinfo *info)
{
	struct link_request asked = {
		.method = method,
		.body = request,
		.secret = true,
		.kind = LINK_REPEAT,
		.deadline_ms = deadline_ms == 0 ? cli->deadline_ms : deadline_ms,
	};
	*ret = NULL;
	int rc = cores_open(cli, info);
	return rc != 0 ? rc : call(cli->cores, &cli->cores->store, &asked, type, ret, info);
}
