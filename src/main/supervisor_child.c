#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/supervisor_internal.h"

/*
 * How the C library of a process treats memory: it gives large pieces back to the system at once, and
 * threads share two arenas, for each would keep the largest message that it ever saw.
 */
#define MEMORY_TUNABLES                                                            \
	"GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=1048576:" \
	"glibc.malloc.trim_threshold=4194304"

/* What a process inherits of the environment: how a sanitizers' build reports, nothing else. */
static void small_environment(char *const *environment, char **ret, size_t max)
{
	static const char *const kept[] = {
		"ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=",
#ifdef POSTKASSE_TEST_PLAIN
		"TEST_PLAIN=", /* see db_plain_asked */
#endif
	};
	size_t count = 0;
	for (; *environment != NULL; environment++) {
		for (size_t i = 0; i < ARRAY_LEN(kept) && count < max; i++)
			if (str_starts(str_from(*environment), str_from(kept[i])))
				ret[count++] = *environment;
	}
	ret[count] = NULL;
}

/* Between fork and exec: only what is safe there. Never returns. */
static void become(const struct supervisor *supervisor, const struct child *child, int control,
                   int log)
{
	char *environment[8];
	char tunables[] = MEMORY_TUNABLES;
	char program[] = "postkasse", option[] = "--role", name[16];
	snprintf(name, sizeof(name), "%s", child->kind->name);
	char *arguments[] = {program, option, name, NULL};
	environment[0] = tunables;
	small_environment(supervisor->options->environment, environment + 1,
	                  ARRAY_LEN(environment) - 2);
	sigset_t none;
	sigemptyset(&none);
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(EXIT_FAILURE);
	if (log >= 0 && (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0))
		_exit(EXIT_FAILURE);
	/* dup2 onto itself would leave it close-on-exec. */
	if (control == HANDOFF_FD ? fcntl(control, F_SETFD, 0) < 0 : dup2(control, HANDOFF_FD) < 0)
		_exit(EXIT_FAILURE);
	/* Nothing else that somebody left open in us gets any further. */
	syscall(SYS_close_range, HANDOFF_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor->pid)
		_exit(EXIT_FAILURE);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", arguments, environment);
	_exit(EXIT_FAILURE);
}

static int64_t restart_delay(unsigned failures)
{
	int64_t delay = failures <= 1 ? 0 : RESTART_FIRST_MS;
	for (unsigned i = 2; i < failures && delay < RESTART_MAX_MS; i++)
		delay *= 2;
	return delay < RESTART_MAX_MS ? delay : RESTART_MAX_MS;
}

static void start_failed(struct supervisor *supervisor, struct child *child,
                         const struct errinfo *info)
{
	child->failures++;
	child->start_ms = clock_monotonic_ms() + restart_delay(child->failures + 1);
	log_error(&supervisor->log, "supervisor.start_failed", F_TEXT("process", child->kind->name),
	          F_ERR(info->error), F_TEXT("text", info->text));
}

void child_start(struct supervisor *supervisor, struct child *child)
{
	struct errinfo info;
	int ours, theirs, log = -1;
	child->log.fd = -1;
	if (handoff_pair(&ours, &theirs, &info) != 0) {
		start_failed(supervisor, child, &info);
		return;
	}
	if (process_log_open(&child->log, &log, &info) != 0) {
		close(ours);
		close(theirs);
		start_failed(supervisor, child, &info);
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		become(supervisor, child, theirs, log);
	close(theirs);
	if (log >= 0)
		close(log);
	process_log_start(&child->log, child->kind, child->index, pid);
	if (pid < 0) {
		close(ours);
		process_log_end(&child->log, &supervisor->log);
		err_set(&info, err_from_errno(errno), "fork: %s", strerror(errno));
		start_failed(supervisor, child, &info);
		return;
	}
	child->pid = pid;
	child->control_fd = ours;
	buf_init_secret(&child->orders, HANDOFF_QUEUE_MAX);
	child->ready = false;
	child->settings_due = 0;
	child->told_to_stop = false;
	child->starts++;
	log_info(&supervisor->log, "supervisor.started", F_TEXT("process", child->kind->name),
	         F_INT("index", child->index), F_INT("pid", pid));
	if (child_send_settings(supervisor, child, true, &info) != 0) {
		log_error(&supervisor->log, "supervisor.handoff_failed",
		          F_TEXT("process", child->kind->name), F_ERR(info.error),
		          F_TEXT("text", info.text));
		child_kill(child);
	}
}

static void copy(struct buf *to, const struct buf *from)
{
	buf_init(to, HANDOFF_BODY_MAX);
	buf_add_str(to, buf_str(from));
}

/* Exactly what this kind of process has a use for: fronts the certificate of clients, cores the host
 * key, and nobody what it has no use for. */
static void fill(const struct supervisor *supervisor, const struct child *child, bool sockets,
                 struct handoff *handoff)
{
	const struct settings *settings = &supervisor->settings;
	const struct kind *kind = child->kind;
	*handoff = (struct handoff){0};
	buf_init(&handoff->config, HANDOFF_BODY_MAX);
	config_print(settings->config, &handoff->config);
	copy(&handoff->link_certificate, &settings->link_certificate);
	copy(&handoff->link_key, &settings->link_key);
	copy(&handoff->link_ca, &settings->link_ca);
	if (kind->front) {
		copy(&handoff->tls_certificate, &settings->tls_certificate);
		copy(&handoff->tls_key, &settings->tls_key);
	}
	uint32_t base = (uint32_t)config_number(settings->config, "uid_base");
	handoff->index = child->index;
	/* The group of the cores may pass to their folders; a front has nothing to do there. */
	if (supervisor->separate) {
		handoff->uid = kind_user(kind, base, child->index);
		handoff->gid = kind->front ? handoff->uid : base;
	}
	for (size_t i = 0; sockets && i < supervisor->socket_count; i++) {
		const struct listening *listening = &supervisor->sockets[i];
		if (listening->kind != kind || (listening->own && listening->index != child->index))
			continue;
		struct handoff_socket *socket = &handoff->sockets[handoff->socket_count++];
		snprintf(socket->name, sizeof(socket->name), "%s", listening->name);
		socket->fd = listening->fd;
	}
}

static void begin_orders(struct child *child)
{
	if (child->orders.len == 0)
		child->orders_until_ms = clock_monotonic_ms() + HANDOFF_TIMEOUT_MS;
}

/* What it does not read now waits; sockets are those of its first orders. */
static int send_orders(struct child *child, const struct handoff *sockets, struct errinfo *info)
{
	int error = handoff_send_queue(child->control_fd, &child->orders, sockets, info);
	return error == E_AGAIN ? 0 : error;
}

int child_send_settings(struct supervisor *supervisor, struct child *child, bool sockets,
                        struct errinfo *info)
{
	struct handoff handoff;
	fill(supervisor, child, sockets, &handoff);
	/* Borrowed: the key and the sockets stay ours. */
	handoff.host_key = child->kind->front ? NULL : supervisor->settings.host_key;
	begin_orders(child);
	int error = handoff_add_settings(&child->orders, &handoff, info);
	if (error == 0)
		error = send_orders(child, &handoff, info);
	child->settings_due += error == 0 && !sockets;
	handoff.host_key = NULL;
	handoff.socket_count = 0;
	handoff_done(&handoff);
	return error;
}

void child_write(struct supervisor *supervisor, struct child *child)
{
	struct errinfo info;
	if (child->orders.len == 0 || child->control_fd < 0)
		return;
	int error = send_orders(child, NULL, &info);
	if (error == 0 && child->orders.len > 0 && clock_monotonic_ms() >= child->orders_until_ms)
		error = err_set(&info, E_TIMEOUT, "the process does not read its orders");
	if (error == 0)
		return;
	log_error(&supervisor->log, "supervisor.handoff_failed", F_TEXT("process", child->kind->name),
	          F_INT("index", child->index), F_ERR(error), F_TEXT("text", info.text));
	buf_done(&child->orders);
	child_kill(child);
}

bool child_takes_links(const struct child *child)
{
	return child->control_fd >= 0 && child->orders.len == 0;
}

void child_read(struct supervisor *supervisor, struct child *child)
{
	enum handoff_kind kind;
	struct handoff_link asked;
	int error = handoff_receive_order(child->control_fd, &kind, &asked);
	if (error == E_AGAIN)
		return;
	if (error == 0 && kind == HANDOFF_READY && child->ready && child->settings_due > 0) {
		child->settings_due--;
		return;
	}
	if (error == 0 && kind == HANDOFF_ASK) {
		error = links_ask(child, &asked);
		if (error == 0)
			return;
	}
	if (error == 0 && kind == HANDOFF_MET) {
		error = links_met(child, &asked);
		if (error == 0)
			return;
	}
	if (error == 0 && kind == HANDOFF_READY && !child->ready) {
		child->ready = true;
		child->ready_ms = clock_monotonic_ms();
		log_info(&supervisor->log, "supervisor.serving", F_TEXT("process", child->kind->name),
		         F_INT("index", child->index), F_INT("pid", child->pid));
		return;
	}
	/* Closed: it ends or has ended, and SIGCHLD will tell how. Anything else: it has gone mad. */
	close(child->control_fd);
	child->control_fd = -1;
	buf_done(&child->orders);
	child->settings_due = 0;
	links_drop(child);
	if (error != E_UNAVAILABLE)
		child_kill(child);
}

void child_stop(struct supervisor *supervisor, struct child *child)
{
	struct errinfo info;
	child->told_to_stop = true;
	if (child->pid == 0 || child->control_fd < 0)
		return;
	begin_orders(child);
	int error = handoff_add_order(&child->orders, HANDOFF_STOP, &info);
	if (error == 0)
		error = send_orders(child, NULL, &info);
	if (error != 0) {
		log_warn(&supervisor->log, "supervisor.stop_failed", F_TEXT("process", child->kind->name),
		         F_ERR(info.error));
		child_kill(child);
	}
}

void child_kill(struct child *child)
{
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

void child_ended(struct supervisor *supervisor, struct child *child, int status)
{
	int64_t now_ms = clock_monotonic_ms();
	process_log_end(&child->log, &supervisor->log);
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool stopping = supervisor->phase != PHASE_SERVING;
	bool sound = child->ready && now_ms - child->ready_ms >= RESTART_SOUND_MS;
	child->failures = sound ? 1 : child->failures + 1;
	log_write_fields(&supervisor->log, stopping && well ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
	                 "supervisor.ended", F_TEXT("process", child->kind->name),
	                 F_INT("index", child->index), F_INT("pid", child->pid),
	                 F_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	                 F_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	                 F_INT("failures", stopping ? 0 : child->failures));
	if (stopping && !well)
		supervisor->ended_badly = true;
	if (child->control_fd >= 0)
		close(child->control_fd);
	links_drop(child);
	child->pid = 0;
	child->control_fd = -1;
	buf_done(&child->orders);
	child->ready = false;
	child->settings_due = 0;
	child->start_ms = now_ms + restart_delay(child->failures);
}
