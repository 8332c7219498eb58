#include "main/role_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/dialer.h"
#include "main/kinds.h"
#include "main/sandbox.h"
#include "net/tls_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZERS true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZERS true
#endif
#endif
#ifndef SANITIZERS
#define SANITIZERS false
#endif

/* A process of ours, around the struct role that its run function sees. */
struct started {
	struct role role;
	struct log log;
	struct event *control; /* the supervisor speaks */
	bool ended;            /* the run function is back */
	struct role_socket sockets[HANDOFF_SOCKETS_MAX];
	char socket_names[HANDOFF_SOCKETS_MAX][sizeof(((struct handoff_socket *)NULL)->name)];
	struct link_allowed allowed[8];
	struct dialer dialer;
};

static void set_log_level(struct started *started)
{
	/* Checked when the configuration was parsed. */
	bool known = log_level_parse(str_from(config_text(started->role.config, "log_level")),
	                             &started->log.level);
	(void)known;
}

/* Fills both contexts from the PEM text of a handoff, and empties those that there is no text for. On
 * failure they are as they were. */
static int take_tls(struct started *started, const struct handoff *handoff, struct errinfo *info)
{
	struct role *role = &started->role;
	const struct kind *kind = kind_find(str_from(role->name));
	struct tls_context *tls = NULL, *link_tls = NULL;
	int error = 0;
	if (handoff->tls_certificate.len > 0)
		error = tls_server_new(&tls, buf_str(&handoff->tls_certificate), buf_str(&handoff->tls_key),
		                       info);
	if (error == 0 && handoff->link_certificate.len > 0)
		error = tls_mutual_new(&link_tls, !kind->front, buf_str(&handoff->link_certificate),
		                       buf_str(&handoff->link_key), buf_str(&handoff->link_ca), info);
	if (error != 0) {
		tls_context_free(tls);
		return error;
	}
	tls_context_swap(role->tls, tls);
	tls_context_swap(role->link_tls, link_tls);
	return 0;
}

static int make_config(const struct handoff *handoff, struct config **ret, struct errinfo *info)
{
	struct config *config = config_new();
	int error = config_parse(config, "settings", buf_str(&handoff->config), info);
	if (error == 0)
		*ret = config;
	else
		config_free(config);
	return error;
}

/* The supervisor has checked these settings, so failing here is rare (memory for keys is not). */
static void reload(struct started *started, const struct handoff *handoff)
{
	struct role *role = &started->role;
	struct config *config = NULL;
	struct errinfo info;
	int error = make_config(handoff, &config, &info);
	if (error == 0)
		error = take_tls(started, handoff, &info);
	if (error != 0) {
		config_free(config);
		log_error(role->log, "role.reload_failed", F_ERR(error), F_TEXT("text", info.text));
		return;
	}
	struct config *old_config = role->config;
	role->config = config;
	set_log_level(started);
	if (role->on_reload != NULL)
		role->on_reload(role->ctx);
	config_free(old_config);
	log_info(role->log, "role.reloaded",
	         F_TEXT("log_level", config_text(role->config, "log_level")));
}

/* Answers in either case: the supervisor tells the next ones when we are through. */
static void take_settings(struct started *started, const struct handoff *handoff)
{
	struct errinfo info;
	reload(started, handoff);
	int error = handoff_send_order(HANDOFF_FD, HANDOFF_READY, &info);
	if (error != 0)
		log_error(started->role.log, "role.supervisor_lost", F_ERR(error));
}

static void stop(struct started *started)
{
	event_del(started->control);
	if (started->role.on_stop != NULL)
		started->role.on_stop(started->role.ctx);
	else
		loop_stop(started->role.loop);
}

/* Somebody gets a link to us, a core. */
static void take_peer(struct started *started, struct handoff *handoff)
{
	const struct role *role = &started->role;
	const struct kind *kind = kind_numbered(handoff->link.role);
	if (kind == NULL || role->on_peer == NULL)
		return; /* with its descriptor */
	struct link_origin origin = {kind->name, (uint32_t)handoff->link.number};
	handoff->socket_count = 0;
	role->on_peer(role->ctx, handoff->sockets[0].fd, &origin);
}

static void take_link(struct started *started, struct handoff *handoff)
{
	int fd = handoff->socket_count > 0 ? handoff->sockets[0].fd : -1;
	handoff->socket_count = 0;
	dialer_answer(&started->dialer, &handoff->link, fd);
}

static void on_control(evutil_socket_t fd, short what, void *ctx)
{
	struct started *started = ctx;
	struct handoff handoff;
	struct errinfo info;
	enum handoff_kind kind;
	(void)what;
	int error = handoff_receive(fd, false, &kind, &handoff, &info);
	if (error == E_AGAIN)
		return;
	if (error != 0) {
		/* Without a supervisor nobody would restart us, nor read a certificate again. */
		log_error(started->role.log, "role.supervisor_lost", F_ERR(error));
		stop(started);
		return;
	}
	if (kind == HANDOFF_STOP)
		stop(started);
	else if (kind == HANDOFF_SETTINGS)
		take_settings(started, &handoff);
	else if (kind == HANDOFF_LINK)
		take_link(started, &handoff);
	else if (kind == HANDOFF_PEER)
		take_peer(started, &handoff);
	handoff_done(&handoff);
}

/* Runs in the first round of the loop: the role has set itself up and serves. */
static void on_serving(void *ctx)
{
	struct started *started = ctx;
	struct errinfo info;
	if (started->ended)
		return;
	int error = handoff_send_order(HANDOFF_FD, HANDOFF_READY, &info);
	if (error != 0)
		log_error(started->role.log, "role.supervisor_lost", F_ERR(error));
}

static void add_allowed(struct started *started, const char *role, uint32_t uid)
{
	size_t at = started->role.allowed_count++;
	started->allowed[at] = (struct link_allowed){role, uid};
	started->role.allowed = started->allowed;
}

/* Whoever may speak to a core: processes that the supervisor names or that come over TLS, and the
 * command line over the Unix socket, as root or, in a service that does not run as root, as the user
 * that it runs as. */
static void set_allowed(struct started *started, const struct kind *core,
                        const struct handoff *handoff)
{
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++)
		if (kind_link_place(&kind[i], core) >= 0)
			add_allowed(started, kind[i].name, LINK_NO_UID);
	add_allowed(started, "cli", handoff->uid == 0 ? geteuid() : 0);
}

static void take_sockets(struct started *started, struct handoff *handoff)
{
	struct role *role = &started->role;
	role->sockets = started->sockets;
	for (; role->socket_count < handoff->socket_count; role->socket_count++) {
		size_t i = role->socket_count;
		memcpy(started->socket_names[i], handoff->sockets[i].name,
		       sizeof(started->socket_names[i]));
		started->sockets[i] = (struct role_socket){started->socket_names[i],
		                                           handoff->sockets[i].fd};
	}
	handoff->socket_count = 0;
}

enum { FOLDERS_MAX = 4, FOLDER_PATH_MAX = 8192 /* more than an option's value holds */ };

static int enter_sandbox(const struct started *started, const struct kind *kind,
                         struct errinfo *info)
{
	const struct config *config = started->role.config;
	struct sandbox sandbox = {.sanitizers = SANITIZERS};
	char *folders[FOLDERS_MAX + 1] = {NULL};
	for (size_t i = 0; kind->folders != NULL && kind->folders[i] != NULL && i < FOLDERS_MAX; i++) {
		struct buf path;
		buf_init(&path, FOLDER_PATH_MAX);
		buf_addf(&path, "%s/%s", config_text(config, "data_dir"), kind->folders[i]);
		buf_add_byte(&path, '\0');
		folders[i] = path.ptr;
		sandbox.folders = (const char *const *)folders;
	}
	int error = sandbox_enter(&sandbox, started->role.log, info);
	for (size_t i = 0; i < FOLDERS_MAX; i++)
		free(folders[i]);
	return error;
}

/* Only in a sanitizers' build does a forbidden system call come here instead of ending us at once:
 * the number helps whoever adds one. */
static void on_forbidden_call(int number, siginfo_t *siginfo, void *context)
{
	char line[] = "sandbox: forbidden system call 0000\n";
	unsigned call = (unsigned)siginfo->si_syscall;
	(void)number;
	(void)context;
	for (size_t i = sizeof(line) - 3; call > 0 && line[i] >= '0' && line[i] <= '9'; i--) {
		line[i] = (char)('0' + call % 10);
		call /= 10;
	}
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
	(void)ignored;
	abort();
}

static void set_signals(void)
{
	/* The supervisor gets the signals of a terminal and of service managers, and gives the orders. */
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	if (SANITIZERS) {
		struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO};
		sigaction(SIGSYS, &action, NULL);
	}
}

/* More than any process of ours has: one that makes threads without end leaves the others room to start. */
enum { FRONT_THREADS_MAX = 64, CORE_THREADS_MAX = 1024 };

/* What is reserved for TLS counts from the start, used or not. */
static int limit_memory(const struct started *started, const struct kind *kind,
                        struct errinfo *info)
{
	uint64_t max = (uint64_t)config_number(started->role.config, kind->memory);
	return sandbox_limit_memory(max + TLS_MEMORY_RESERVED, info);
}

/* Gives up everything; after this only the role's own work is possible. */
static int confine(struct started *started, const struct kind *kind, const struct handoff *handoff,
                   struct errinfo *info)
{
	int error = sandbox_set_limits(info);
	if (error == 0 && !sandbox_lock_memory())
		log_debug(started->role.log, "sandbox.memory_not_locked",
		          F_TEXT("because", "RLIMIT_MEMLOCK"));
	if (error == 0 && kind->memory != NULL && !SANITIZERS)
		error = limit_memory(started, kind, info);
	if (error == 0)
		error = sandbox_drop_user(handoff->uid, handoff->gid, info);
	/* Who runs us has other processes too. */
	if (error == 0 && handoff->uid != 0)
		error = sandbox_limit_threads(kind->front ? FRONT_THREADS_MAX : CORE_THREADS_MAX, info);
	/* A change of user forgets both of these. */
	if (error == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0))
		error = err_set(info, err_from_errno(errno), "prctl: %s", strerror(errno));
	return error == 0 ? enter_sandbox(started, kind, info) : error;
}

static int set_up(struct started *started, const struct kind *kind, struct errinfo *info)
{
	struct role *role = &started->role;
	struct handoff handoff;
	enum handoff_kind message;
	int error = handoff_receive(HANDOFF_FD, true, &message, &handoff, info);
	if (error != 0)
		return error;
	if (message != HANDOFF_SETTINGS)
		error = err_set(info, E_INVALID, "the first message holds no settings");
	if (error == 0)
		error = make_config(&handoff, &role->config, info);
	if (error == 0) {
		set_log_level(started);
		error = take_tls(started, &handoff, info);
	}
	if (error == 0) {
		role->index = handoff.index;
		role->host_key = handoff.host_key;
		handoff.host_key = NULL;
		take_sockets(started, &handoff);
		role->loop = loop_new();
		error = confine(started, kind, &handoff, info);
	}
	if (error == 0 && !kind->front)
		set_allowed(started, kind, &handoff);
	handoff_done(&handoff);
	return error;
}

static void tear_down(struct started *started)
{
	struct role *role = &started->role;
	if (started->control != NULL)
		event_free(started->control);
	loop_free(role->loop);
	tls_context_free(role->tls);
	tls_context_free(role->link_tls);
	secret_free(role->host_key);
	config_free(role->config);
	free(started);
}

int role_start(const char *name)
{
	const struct kind *kind = kind_find(str_from(name));
	struct errinfo info;
	if (kind == NULL || fcntl(HANDOFF_FD, F_GETFD) < 0) {
		fprintf(stderr, "postkasse: --role is for the supervisor only\n");
		return EXIT_FAILURE;
	}
	char title[16];
	snprintf(title, sizeof(title), "pk-%s", kind->name);
	prctl(PR_SET_NAME, title);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_signals();

	struct started *started = mem_new(sizeof(*started));
	started->log = (struct log){.role = kind->name, .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};
	started->role.name = kind->name;
	started->role.log = &started->log;
	started->role.tls = tls_context_new();
	started->role.link_tls = tls_context_new();
	dialer_init(&started->dialer, HANDOFF_FD);
	started->role.dialer = &started->dialer.link_dialer;
	int error = crypto_init(&info);
	if (error == 0)
		error = set_up(started, kind, &info);
	if (error != 0) {
		log_error(&started->log, "role.start_failed", F_ERR(error), F_TEXT("text", info.text));
		tear_down(started);
		return EXIT_FAILURE;
	}
	started->control = event_new(loop_base(started->role.loop), HANDOFF_FD, EV_READ | EV_PERSIST,
	                             on_control, started);
	if (started->control == NULL || event_add(started->control, NULL) != 0)
		abort();
	loop_post(started->role.loop, on_serving, started);
	int status = kind->run(&started->role);
	started->ended = true;
	log_info(&started->log, "role.ended", F_INT("status", status));
	tear_down(started);
	return status;
}
