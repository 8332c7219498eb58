#include "main/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/installation.h"
#include "main/expiry.h"
#include "main/sandbox.h"
#include "main/supervisor_internal.h"
#include "main/supervisor_status.h"

enum {
	LOCK_WAIT_MS = 5000,
	LOCK_RETRY_MS = 50,
};

/* ---------------------------------------------------------------- coming up */

static int open_signals(struct supervisor *supervisor, struct errinfo *info)
{
	static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(handled); i++) {
		sigaddset(&set, handled[i]);
		/* One that whoever started us had ignored would never come to the descriptor. */
		signal(handled[i], SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_set(info, err_from_errno(errno), "sigprocmask: %s", strerror(errno));
	supervisor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signal_fd < 0)
		return err_set(info, err_from_errno(errno), "signalfd: %s", strerror(errno));
	return 0;
}

static void make_children(struct supervisor *supervisor)
{
	const struct config *config = supervisor->settings.config;
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		if (!settings_has_role(config, kind[i].name))
			continue;
		unsigned processes = supervisor_processes(config, &kind[i]);
		for (unsigned k = 0; k < processes && supervisor->child_count < CHILDREN_MAX; k++)
			supervisor->children[supervisor->child_count++] = (struct child){
				.kind = &kind[i], .index = k, .control_fd = -1, .log = {.fd = -1}};
	}
}

/* The command line may hold the folder for as long as a command takes: we wait a little. */
static int lock_data(struct supervisor *supervisor, struct errinfo *info)
{
	const struct config *config = supervisor->settings.config;
	int64_t deadline_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
	int error = folders_lock(config, "data_dir", &supervisor->lock_fd, info);
	if (error == E_BUSY)
		log_info(&supervisor->log, "supervisor.waiting", F_TEXT("text", info->text));
	while (error == E_BUSY && clock_monotonic_ms() < deadline_ms) {
		poll(NULL, 0, LOCK_RETRY_MS);
		error = folders_lock(config, "data_dir", &supervisor->lock_fd, info);
	}
	return error;
}

/* The folders of the cores: nobody else serves them, all of them are there, and they are ours. */
static int take_folders(struct supervisor *supervisor, struct errinfo *info)
{
	const struct config *config = supervisor->settings.config;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	if (!kind_socket_path(config, "directory", path, sizeof(path)))
		return err_set(info, E_INVALID, "run_dir: too long for the path of a socket");
	int error = lock_data(supervisor, info);
	if (error == 0)
		error = installation_check(config, supervisor->settings.host_key, &supervisor->recorded,
		                           info);
	if (error == 0)
		error = folders_prepare(config, supervisor->separate, info);
	if (error == 0)
		error = folders_prepare_run(config, info);
	/* Whoever bound the sockets in it second would take them from the first. */
	return error == 0 ? folders_lock(config, "run_dir", &supervisor->run_lock_fd, info) : error;
}

static int come_up(struct supervisor *supervisor, struct errinfo *info)
{
	const struct supervisor_options *options = supervisor->options;
	int error = settings_load(&supervisor->settings, options->config_file, options->environment,
	                          info);
	if (error != 0)
		return error;
	const struct config *config = supervisor->settings.config;
	/* Checked when the configuration was parsed. */
	bool known = log_level_parse(str_from(config_text(config, "log_level")),
	                             &supervisor->log.level);
	(void)known;
	error = sandbox_set_limits(info);
	if (error == 0 && supervisor->separate)
		error = sandbox_bound_capabilities(info);
	if (error == 0 && settings_has_kind(config, false))
		error = take_folders(supervisor, info);
	if (error == 0)
		error = open_signals(supervisor, info);
	if (error == 0)
		error = supervisor_bind(supervisor, info);
	if (error == 0) {
		supervisor->since_ms = supervisor->loaded_ms = clock_monotonic_ms();
		make_children(supervisor);
		supervisor_status_open(supervisor);
	}
	return error;
}

static void go_down(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		buf_done(&supervisor->children[i].orders);
	supervisor_unbind(supervisor);
	if (supervisor->signal_fd >= 0)
		close(supervisor->signal_fd);
	if (supervisor->ready_fd >= 0)
		close(supervisor->ready_fd);
	if (supervisor->status_fd >= 0)
		close(supervisor->status_fd);
	if (supervisor->run_lock_fd >= 0)
		close(supervisor->run_lock_fd);
	if (supervisor->lock_fd >= 0)
		close(supervisor->lock_fd);
	settings_done(&supervisor->settings);
	free(supervisor);
}

/* An installation from before there was a record gets one, now that its files have opened. */
static void record(struct supervisor *supervisor)
{
	struct errinfo info;
	const struct config *config = supervisor->settings.config;
	if (supervisor->recorded || !settings_has_kind(config, false))
		return;
	supervisor->recorded = true;
	if (installation_record(config, supervisor->settings.host_key, &info) != 0)
		log_warn(&supervisor->log, "supervisor.record_failed", F_ERR(info.error),
		         F_TEXT("text", info.text));
}

/* Tells whoever waits, once, that everything serves. */
static void announce(struct supervisor *supervisor)
{
	if (supervisor->announced || supervisor->phase != PHASE_SERVING)
		return;
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (!supervisor->children[i].ready)
			return;
	supervisor->announced = true;
	record(supervisor);
	log_info(&supervisor->log, "supervisor.ready", F_INT("processes", supervisor->child_count));
	notify_service_manager(supervisor->options->environment, "READY=1\n");
	if (supervisor->ready_fd >= 0) {
		ssize_t written = write(supervisor->ready_fd, "ready\n", 6);
		(void)written;
		close(supervisor->ready_fd);
		supervisor->ready_fd = -1;
	}
}

/* ---------------------------------------------------------------- certificates */

/* At the start, after each reload, and once a day. */
static void look_at_certificates(struct supervisor *supervisor)
{
	expiry_look(&supervisor->settings, &supervisor->log, clock_monotonic_ms(),
	            clock_realtime_us() / 1000000, &supervisor->expiry_ms);
}

/* ---------------------------------------------------------------- reloading */

static void warn_fixed(void *ctx, const char *option)
{
	struct supervisor *supervisor = ctx;
	log_warn(&supervisor->log, "supervisor.reload_needs_restart", F_TEXT("option", option));
}

static void send_settings(struct supervisor *supervisor, bool fronts)
{
	struct errinfo info;
	for (size_t i = 0; i < supervisor->child_count; i++) {
		struct child *child = &supervisor->children[i];
		if (child->kind->front != fronts || child->pid == 0 || child->control_fd < 0)
			continue;
		if (child_send_settings(supervisor, child, false, &info) != 0) {
			log_error(&supervisor->log, "supervisor.handoff_failed",
			          F_TEXT("process", child->kind->name), F_ERR(info.error));
			child_kill(child);
		}
	}
}

static void enter_reload_step(struct supervisor *supervisor, enum reload_step step)
{
	supervisor->reload_step = step;
	supervisor->reload_until_ms = clock_monotonic_ms() + HANDOFF_TIMEOUT_MS;
}

static void reload(struct supervisor *supervisor)
{
	const struct supervisor_options *options = supervisor->options;
	struct errinfo info;
	notify_service_manager(options->environment, "RELOADING=1\n");
	int error = settings_reload(&supervisor->settings, options->config_file, options->environment,
	                            warn_fixed, supervisor, &info);
	if (error != 0) {
		log_error(&supervisor->log, "supervisor.reload_failed", F_ERR(error),
		          F_TEXT("text", info.text));
		if (supervisor->reload_step == RELOAD_NONE)
			notify_service_manager(options->environment, "READY=1\n");
		return;
	}
	supervisor->loaded_ms = clock_monotonic_ms();
	bool known = log_level_parse(str_from(config_text(supervisor->settings.config, "log_level")),
	                             &supervisor->log.level);
	(void)known;
	supervisor->expiry_ms = 0;
	look_at_certificates(supervisor);
	send_settings(supervisor, false);
	enter_reload_step(supervisor, RELOAD_CORES);
}

/* Whether nobody is waited for any more: a process that takes its time holds up no other for ever. */
static bool have_settings(const struct supervisor *supervisor, bool fronts)
{
	if (clock_monotonic_ms() >= supervisor->reload_until_ms)
		return true;
	for (size_t i = 0; i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		if (child->kind->front == fronts && child->settings_due > 0)
			return false;
	}
	return true;
}

/* Goes on with a reload when those who were told are through. */
static void reload_further(struct supervisor *supervisor)
{
	if (supervisor->reload_step == RELOAD_CORES && have_settings(supervisor, false)) {
		send_settings(supervisor, true);
		enter_reload_step(supervisor, RELOAD_FRONTS);
	}
	if (supervisor->reload_step == RELOAD_FRONTS && have_settings(supervisor, true)) {
		supervisor->reload_step = RELOAD_NONE;
		log_info(&supervisor->log, "supervisor.reloaded", F_INT("pid", supervisor->pid));
		notify_service_manager(supervisor->options->environment, "READY=1\n");
	}
}

/* ---------------------------------------------------------------- stopping */

/* When a process of that kind is told to stop. */
static enum phase phase_of(const struct kind *kind)
{
	if (kind->front)
		return PHASE_STOPPING_FRONTS;
	return kind->links[0] != NULL ? PHASE_STOPPING_STORES : PHASE_STOPPING_CORES;
}

static void enter_phase(struct supervisor *supervisor, enum phase phase)
{
	supervisor->phase = phase;
	supervisor->deadline_ms = clock_monotonic_ms() +
	                          config_number(supervisor->settings.config, "stop_grace");
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (phase_of(supervisor->children[i].kind) == phase)
			child_stop(supervisor, &supervisor->children[i]);
}

static void stop(struct supervisor *supervisor, int number)
{
	if (supervisor->phase != PHASE_SERVING) {
		supervisor->hurried = true;
		return;
	}
	log_info(&supervisor->log, "supervisor.stopping", F_INT("signal", number));
	notify_service_manager(supervisor->options->environment, "STOPPING=1\n");
	/* New connections are refused by the system from here on. */
	supervisor_unbind(supervisor);
	supervisor->reload_step = RELOAD_NONE;
	enter_phase(supervisor, PHASE_STOPPING_FRONTS);
}

/* Processes that are to end in this phase and have not. */
static size_t running(const struct supervisor *supervisor)
{
	size_t count = 0;
	for (size_t i = 0; i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		count += child->pid != 0 && phase_of(child->kind) == supervisor->phase;
	}
	return count;
}

/* Goes on with the stop when that part is done, or is taking too long. Returns false at its end. */
static bool stop_further(struct supervisor *supervisor)
{
	while (running(supervisor) == 0) {
		if (supervisor->phase == PHASE_STOPPING_CORES)
			return false;
		enter_phase(supervisor, supervisor->phase + 1);
	}
	if (supervisor->hurried || clock_monotonic_ms() >= supervisor->deadline_ms) {
		for (size_t i = 0; i < supervisor->child_count; i++) {
			struct child *child = &supervisor->children[i];
			if (child->pid == 0 || phase_of(child->kind) != supervisor->phase)
				continue;
			log_warn(&supervisor->log, "supervisor.killed", F_TEXT("process", child->kind->name),
			         F_INT("pid", child->pid));
			child_kill(child);
		}
		supervisor->deadline_ms = INT64_MAX;
		supervisor->hurried = false;
	}
	return true;
}

/* ---------------------------------------------------------------- the loop */

/* A process that cannot work with what it finds will not be able to after another start either. */
static bool is_unusable(const struct supervisor *supervisor, int status)
{
	return !supervisor->announced && WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;
}

static void reap(struct supervisor *supervisor)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (size_t i = 0; i < supervisor->child_count; i++)
			if (supervisor->children[i].pid == pid)
				child_ended(supervisor, &supervisor->children[i], status);
		if (is_unusable(supervisor, status) && supervisor->phase == PHASE_SERVING) {
			supervisor->unusable = true;
			stop(supervisor, 0);
		}
	}
}

static void read_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo signal;
	while (read(supervisor->signal_fd, &signal, sizeof(signal)) == sizeof(signal))
		if (signal.ssi_signo == SIGCHLD)
			reap(supervisor);
		else if (signal.ssi_signo == SIGHUP && supervisor->phase == PHASE_SERVING)
			reload(supervisor);
		else if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT)
			stop(supervisor, (int)signal.ssi_signo);
}

static void start_due(struct supervisor *supervisor)
{
	for (size_t i = 0; supervisor->phase == PHASE_SERVING && i < supervisor->child_count; i++) {
		struct child *child = &supervisor->children[i];
		if (child->pid == 0 && child->start_ms <= clock_monotonic_ms())
			child_start(supervisor, child);
	}
}

/* Milliseconds until something is due, -1 for never. */
static int time_left(struct supervisor *supervisor)
{
	int64_t due_ms = supervisor->phase == PHASE_SERVING ? INT64_MAX : supervisor->deadline_ms;
	if (supervisor->phase == PHASE_SERVING && supervisor->expiry_ms < due_ms)
		due_ms = supervisor->expiry_ms;
	if (supervisor->reload_step != RELOAD_NONE)
		due_ms = supervisor->reload_until_ms;
	for (size_t i = 0; supervisor->phase == PHASE_SERVING && i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		if (child->pid == 0 && child->start_ms < due_ms)
			due_ms = child->start_ms;
	}
	int64_t now_ms = clock_monotonic_ms();
	for (size_t i = 0; i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		int64_t log_ms = process_log_due_ms(&child->log, now_ms);
		if (log_ms < due_ms)
			due_ms = log_ms;
		if (child->orders.len > 0 && child->orders_until_ms < due_ms)
			due_ms = child->orders_until_ms;
	}
	int64_t links_ms = links_due_ms(supervisor);
	if (links_ms < due_ms)
		due_ms = links_ms;
	if (due_ms == INT64_MAX)
		return -1;
	int64_t left = due_ms - clock_monotonic_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* What is polled of each process: its orders, its log, and the connections that are made for it. */
enum { POLLED_ORDERS, POLLED_LOG, POLLED_WISHES, POLLED_EACH = POLLED_WISHES + KIND_LINKS_MAX };

/* poll passes over negative descriptors. */
static void fill_polled(const struct child *child, int64_t now_ms, struct pollfd *ret)
{
	bool quiet = child->read_ms > now_ms, unread = child->orders.len > 0;
	ret[POLLED_ORDERS] = (struct pollfd){
		.fd = quiet && !unread ? -1 : child->control_fd,
		.events = (short)((quiet ? 0 : POLLIN) | (unread ? POLLOUT : 0))};
	ret[POLLED_LOG] = (struct pollfd){.fd = process_log_fd(&child->log, now_ms), .events = POLLIN};
	for (size_t i = 0; i < KIND_LINKS_MAX; i++) {
		const struct wish *wish = &child->wishes[i];
		ret[POLLED_WISHES + i] = (struct pollfd){.fd = wish->connecting && !unread ? wish->fd : -1,
		                                         .events = POLLOUT};
	}
}

static void child_polled(struct supervisor *supervisor, struct child *child,
                         const struct pollfd *polled)
{
	for (size_t i = 0; i < KIND_LINKS_MAX; i++)
		links_connected(child, i, polled[POLLED_WISHES + i].revents != 0);
	if (polled[POLLED_LOG].revents != 0)
		process_log_read(&child->log, &supervisor->log, clock_monotonic_ms());
	child_write(supervisor, child);
	if ((polled[POLLED_ORDERS].revents & ~POLLOUT) != 0 && child->control_fd >= 0)
		child_read(supervisor, child);
}

static void wait_and_read(struct supervisor *supervisor)
{
	struct pollfd polled[2 + CHILDREN_MAX * POLLED_EACH];
	int64_t now_ms = clock_monotonic_ms();
	size_t count = supervisor->child_count;
	struct pollfd *status = &polled[1 + count * POLLED_EACH];
	polled[0] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
	*status = (struct pollfd){.fd = supervisor->status_fd, .events = POLLIN};
	for (size_t i = 0; i < count; i++)
		fill_polled(&supervisor->children[i], now_ms, &polled[1 + i * POLLED_EACH]);
	if (poll(polled, 2 + count * POLLED_EACH, time_left(supervisor)) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		child_polled(supervisor, &supervisor->children[i], &polled[1 + i * POLLED_EACH]);
	if (status->revents != 0)
		supervisor_status_accept(supervisor);
	if (polled[0].revents != 0)
		read_signals(supervisor);
}

static void serve(struct supervisor *supervisor)
{
	for (;;) {
		start_due(supervisor);
		links_serve(supervisor);
		announce(supervisor);
		look_at_certificates(supervisor);
		reload_further(supervisor);
		wait_and_read(supervisor);
		if (supervisor->phase != PHASE_SERVING && !stop_further(supervisor))
			return;
	}
}

static int exit_code(int error)
{
	return error == E_INVALID || error == E_NOT_FOUND || error == E_DENIED ? EX_CONFIG
	                                                                       : EXIT_FAILURE;
}

int supervisor_run(const struct supervisor_options *options)
{
	struct supervisor *supervisor = mem_new(sizeof(*supervisor));
	struct errinfo info;
	supervisor->options = options;
	supervisor->log = (struct log){"supervisor", STDERR_FILENO, LOG_LEVEL_INFO, true};
	supervisor->separate = geteuid() == 0;
	supervisor->lock_fd = supervisor->run_lock_fd = supervisor->signal_fd = -1;
	supervisor->status_fd = -1;
	supervisor->ready_fd = options->ready_fd;
	supervisor->pid = getpid();
	int error = come_up(supervisor, &info);
	if (error != 0) {
		log_error(&supervisor->log, "supervisor.start_failed", F_ERR(error),
		          F_TEXT("text", info.text));
		fprintf(stderr, "postkasse: %s\n", info.text);
		go_down(supervisor);
		return exit_code(error);
	}
	serve(supervisor);
	int code = supervisor->unusable      ? EX_CONFIG
	           : supervisor->ended_badly ? EXIT_FAILURE
	                                     : EXIT_SUCCESS;
	log_info(&supervisor->log, "supervisor.stopped", F_INT("status", code));
	go_down(supervisor);
	return code;
}
