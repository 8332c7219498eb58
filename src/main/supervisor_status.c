#include "main/supervisor_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "main/expiry.h"
#include "main/listen.h"
#include "main/supervisor_internal.h"
#include "net/core_link.h"

bool supervisor_status_path(const struct config *config, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s/control.sock", config_text(config, "run_dir"));
	return len > 0 && (size_t)len < size;
}

/* A second service in the same run_dir must not take the socket of the first. */
static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, len + 1);
	bool taken = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return taken;
}

void supervisor_status_open(struct supervisor *supervisor)
{
	const struct config *config = supervisor->settings.config;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct errinfo info = {0};
	int error = 0;
	if (!supervisor_status_path(config, path, sizeof(path)))
		error = err_set(&info, E_INVALID, "run_dir: too long for the path of a socket");
	if (error == 0)
		error = folders_prepare_run(config, &info);
	if (error == 0 && somebody_listens(path))
		error = err_set(&info, E_BUSY, "another service has it");
	if (error == 0)
		error = listen_unix(&supervisor->status_fd, path, &info);
	if (error != 0)
		log_warn(&supervisor->log, "supervisor.no_status", F_ERR(error), F_TEXT("text", info.text));
}

/* ---------------------------------------------------------------- the answer */

static int64_t seconds_since(int64_t then_ms)
{
	return (clock_monotonic_ms() - then_ms) / 1000;
}

static void add_process(const struct child *child, struct buf *out)
{
	buf_addf(out, "process kind=%s index=%u pid=%d ready=%d seconds=%lld restarts=%llu\n",
	         child->kind->name, child->index, (int)child->pid, child->ready ? 1 : 0,
	         child->ready ? (long long)seconds_since(child->ready_ms) : 0LL,
	         child->starts == 0 ? 0ULL : (unsigned long long)child->starts - 1);
}

static void add_links(const struct supervisor *supervisor, const struct child *child,
                      struct buf *out)
{
	for (size_t i = 0; i < KIND_LINKS_MAX && child->kind->links[i] != NULL; i++) {
		const char *address = core_address(supervisor->settings.config, child->kind->links[i]);
		const struct link_seen *seen = &child->seen[i];
		if (seen->since_ms == 0)
			continue; /* it has no use for that one */
		buf_addf(out, "link kind=%s index=%u core=%s address=%s up=%d seconds=%lld\n",
		         child->kind->name, child->index, child->kind->links[i],
		         *address == '\0' ? "local" : address, seen->up ? 1 : 0,
		         (long long)seconds_since(seen->since_ms));
	}
}

static void add_certificates(const struct settings *settings, struct buf *out)
{
	struct expiry list[EXPIRY_MAX];
	int64_t now_s = clock_realtime_us() / 1000000;
	size_t count = expiry_list(settings, now_s, list);
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "certificate option=%s days=%lld\n", list[i].option, (long long)list[i].days);
}

static void fill(const struct supervisor *supervisor, struct buf *out)
{
	static const char *const phases[] = {[PHASE_SERVING] = "serving",
	                                     [PHASE_STOPPING_FRONTS] = "stopping",
	                                     [PHASE_STOPPING_STORES] = "stopping",
	                                     [PHASE_STOPPING_CORES] = "stopping"};
	const struct settings *settings = &supervisor->settings;
	buf_addf(out, "service version=%s pid=%d seconds=%lld phase=%s\n", POSTKASSE_VERSION,
	         (int)supervisor->pid, (long long)seconds_since(supervisor->since_ms),
	         phases[supervisor->phase]);
	char digest[2 * STATUS_DIGEST_SIZE + 1];
	hex_encode(settings->digest, STATUS_DIGEST_SIZE, digest);
	buf_addf(out, "configuration seconds=%lld digest=%s file=%s\n",
	         (long long)seconds_since(supervisor->loaded_ms), digest,
	         supervisor->options->config_file == NULL ? SETTINGS_FILE
	                                                  : supervisor->options->config_file);
	add_certificates(settings, out);
	for (size_t i = 0; i < supervisor->child_count; i++)
		add_process(&supervisor->children[i], out);
	for (size_t i = 0; i < supervisor->child_count; i++)
		add_links(supervisor, &supervisor->children[i], out);
}

void supervisor_status_accept(struct supervisor *supervisor)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int size = STATUS_TEXT_MAX;
	int fd = accept4(supervisor->status_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid())) {
		struct buf text BUF_AUTO;
		buf_init(&text, STATUS_TEXT_MAX);
		fill(supervisor, &text);
		/* It fits into the socket's buffer whole: nobody is waited for. */
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		ssize_t sent = send(fd, text.ptr, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)sent;
	}
	close(fd);
}
