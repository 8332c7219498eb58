#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"

enum {
	ACCEPT_MAX = 64, /* in one go, for the sake of the connections that are there */
	PAUSE_MS = 100,  /* after running out of descriptors */
	WINDOW_MS = 10 * 1000,
	LOG_EVERY_MS = 1000,
	PREFIXES_MAX = 65536, /* remembered; past it those without a connection are forgotten */
	V4_OFFSET = 12,
	/* Later than what a client in IDLE is sent anyway, so that it costs a phone nothing more. */
	KEEPALIVE_IDLE_S = 180,
	KEEPALIVE_EVERY_S = 30,
	KEEPALIVE_COUNT = 5,
	UNACKNOWLEDGED_MAX_MS = 5 * 60 * 1000, /* a phone in a tunnel comes back before */
};

/* What is known of one address prefix. */
struct prefix {
	size_t connections;
	size_t recent; /* accepted since window_start_ms */
	int64_t window_start_ms;
};

struct socket {
	TAILQ_ENTRY(socket) link;
	struct listener *listener;
	struct event event;
	int fd, tag;
};

struct listener {
	struct loop *loop;
	const struct log *log;
	struct listener_options options;
	struct listener_handlers handlers;
	TAILQ_HEAD(, socket) sockets;
	struct map *prefixes; /* of 16 bytes to struct prefix */
	size_t connections;
	int reserve_fd; /* given up for a moment when there are no others */
	bool paused, exhausted;
	int64_t told_ms; /* when a refusal was logged */
	int64_t refused; /* since then */
	struct timer *pause;
};

/* ---------------------------------------------------------------- addresses */

static bool is_v4_mapped(const unsigned char bytes[16])
{
	static const unsigned char head[V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	return memcmp(bytes, head, sizeof(head)) == 0;
}

static void set_option(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value)); /* a Unix socket has none of these */
}

/* A peer that is gone without a word, or behind a router that has forgotten the connection, is noticed,
 * also while we have nothing to send. Connections inherit all of it from the socket that listens. */
static void tune(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MAX_MS);
}

/* Text, port, and the prefix that is counted. */
static void describe_address(const struct sockaddr_storage *address, struct listener_peer *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
		ret->prefix[10] = ret->prefix[11] = 0xff;
		memcpy(ret->prefix + V4_OFFSET, &v4->sin_addr, 4);
		ret->port = ntohs(v4->sin_port);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
		memcpy(ret->prefix, &v6->sin6_addr, sizeof(ret->prefix));
		ret->port = ntohs(v6->sin6_port);
	} else {
		memcpy(ret->address, "local", sizeof("local"));
		return;
	}
	if (is_v4_mapped(ret->prefix)) {
		inet_ntop(AF_INET, ret->prefix + V4_OFFSET, ret->address, sizeof(ret->address));
		return;
	}
	inet_ntop(AF_INET6, ret->prefix, ret->address, sizeof(ret->address));
	if (!IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)ret->prefix))
		memset(ret->prefix + 8, 0, 8); /* whoever has one address of a /64 has them all */
}

static bool is_local(const struct listener_peer *peer)
{
	static const unsigned char v6[16] = {[15] = 1};
	return strcmp(peer->address, "local") == 0 || memcmp(peer->prefix, v6, sizeof(v6)) == 0 ||
	       (is_v4_mapped(peer->prefix) && peer->prefix[V4_OFFSET] == 127);
}

static void describe(const struct sockaddr_storage *address, struct listener_peer *ret)
{
	describe_address(address, ret);
	const char *end = strchr(ret->address, ':') == NULL || ret->prefix[15] != 0 ? "" : "/64";
	char text[LISTENER_ADDRESS_SIZE];
	if (end[0] != '\0' && inet_ntop(AF_INET6, ret->prefix, text, sizeof(text)) != NULL)
		snprintf(ret->network, sizeof(ret->network), "%s%s", text, end);
	else
		memcpy(ret->network, ret->address, sizeof(ret->address));
	ret->local = is_local(ret);
}

/* ---------------------------------------------------------------- counting */

static void forget_idle(struct listener *listener)
{
	size_t position = 0;
	struct str key;
	void *value;
	while (map_next(listener->prefixes, &position, &key, &value)) {
		struct prefix *prefix = value;
		if (prefix->connections > 0)
			continue;
		map_remove(listener->prefixes, key);
		free(prefix);
	}
}

static struct prefix *prefix_of(struct listener *listener, const struct listener_peer *peer)
{
	struct str key = STR_OF(peer->prefix, sizeof(peer->prefix));
	struct prefix *prefix = map_get(listener->prefixes, key);
	if (prefix != NULL)
		return prefix;
	if (map_count(listener->prefixes) >= PREFIXES_MAX)
		forget_idle(listener);
	prefix = mem_new(sizeof(*prefix));
	map_put(listener->prefixes, key, prefix);
	return prefix;
}

static int64_t window_ms(const struct listener *listener)
{
	int64_t ms = listener->options.prefix_rate_window_ms;
	return ms == 0 ? WINDOW_MS : ms;
}

/* Whether one more connection is within the limits; counts the attempt. */
static bool within_limits(struct listener *listener, struct prefix *prefix, bool exempt,
                          enum listener_refusal *ret)
{
	const struct listener_options *limits = &listener->options;
	int64_t now = loop_now_ms(listener->loop);
	if (now - prefix->window_start_ms >= window_ms(listener)) {
		prefix->window_start_ms = now;
		prefix->recent = 0;
	}
	prefix->recent++;
	*ret = LISTENER_FULL;
	if (limits->connections_max > 0 && listener->connections >= limits->connections_max)
		return false;
	if (exempt)
		return true;
	*ret = LISTENER_PREFIX_FULL;
	if (limits->prefix_connections_max > 0 && prefix->connections >= limits->prefix_connections_max)
		return false;
	*ret = LISTENER_PREFIX_RATE;
	return limits->prefix_rate_max == 0 || prefix->recent <= limits->prefix_rate_max;
}

void listener_release(struct listener *listener, const struct listener_peer *peer)
{
	struct str key = STR_OF(peer->prefix, sizeof(peer->prefix));
	struct prefix *prefix = map_get(listener->prefixes, key);
	if (prefix == NULL || prefix->connections == 0)
		return;
	prefix->connections--;
	listener->connections--;
	if (prefix->connections == 0 &&
	    loop_now_ms(listener->loop) - prefix->window_start_ms >= window_ms(listener)) {
		map_remove(listener->prefixes, key);
		free(prefix);
	}
}

/* ---------------------------------------------------------------- accepting */

static void update_events(struct listener *listener)
{
	struct socket *socket;
	TAILQ_FOREACH (socket, &listener->sockets, link)
		if (listener->paused || listener->exhausted)
			event_del(&socket->event);
		else
			event_add(&socket->event, NULL);
}

/* One line a second, however many are sent away: nobody fills the log from outside. */
static void log_refusal(struct listener *listener, const struct listener_peer *peer,
                        enum listener_refusal reason)
{
	static const char *const words[] = {"full", "prefix_full", "prefix_rate", "closed"};
	int64_t now = loop_now_ms(listener->loop);
	listener->refused++;
	if (listener->told_ms != 0 && now - listener->told_ms < LOG_EVERY_MS)
		return;
	log_warn(listener->log, "listener.refused", F_TEXT("reason", words[reason]),
	         F_TEXT("address", peer->address), F_INT("count", listener->refused));
	listener->told_ms = now;
	listener->refused = 0;
}

static void refuse(struct socket *socket, int fd, const struct listener_peer *peer,
                   enum listener_refusal reason)
{
	struct listener *listener = socket->listener;
	const char *text = NULL;
	log_refusal(listener, peer, reason);
	if (listener->handlers.refusal != NULL)
		text = listener->handlers.refusal(listener->handlers.ctx, socket->tag, reason);
	if (text != NULL) {
		ssize_t sent = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)sent; /* a courtesy; the buffer of a new connection takes it */
		shutdown(fd, SHUT_WR);
	}
	close(fd);
}

static void take(struct socket *socket, int fd, const struct sockaddr_storage *address)
{
	struct listener *listener = socket->listener;
	struct listener_peer peer;
	enum listener_refusal reason;
	describe(address, &peer);
	if (listener->handlers.is_open != NULL &&
	    !listener->handlers.is_open(listener->handlers.ctx, socket->tag)) {
		refuse(socket, fd, &peer, LISTENER_CLOSED);
		return;
	}
	struct prefix *prefix = prefix_of(listener, &peer);
	bool exempt = !listener->options.limit_loopback && peer.local;
	if (!within_limits(listener, prefix, exempt, &reason)) {
		refuse(socket, fd, &peer, reason);
		return;
	}
	prefix->connections++;
	listener->connections++;
	listener->handlers.accepted(listener->handlers.ctx, socket->tag, fd, &peer);
}

static void on_pause_over(void *ctx)
{
	struct listener *listener = ctx;
	listener->exhausted = false;
	update_events(listener);
}

/* Out of descriptors: the kernel would report the waiting connection for ever. Refuses one with the
 * reserve, then leaves the others waiting for a moment. */
static void exhausted(struct socket *socket)
{
	struct listener *listener = socket->listener;
	struct sockaddr_storage address = {0};
	struct listener_peer peer;
	socklen_t len = sizeof(address);
	if (listener->reserve_fd >= 0)
		close(listener->reserve_fd);
	int fd = accept4(socket->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		describe(&address, &peer);
		refuse(socket, fd, &peer, LISTENER_FULL);
	}
	listener->reserve_fd = fcntl(socket->fd, F_DUPFD_CLOEXEC, 0);
	listener->exhausted = true;
	update_events(listener);
	timer_start(listener->pause, PAUSE_MS);
}

static void accept_cb(evutil_socket_t listening, short what, void *ctx)
{
	(void)what;
	struct socket *socket = ctx;
	struct listener *listener = socket->listener;
	for (int i = 0; i < ACCEPT_MAX && !listener->paused; i++) {
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		int fd = accept4(listening, (struct sockaddr *)&address, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				exhausted(socket);
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			return;
		}
		take(socket, fd, &address);
	}
}

/* ---------------------------------------------------------------- life */

struct listener *listener_new(struct loop *loop, const struct log *log,
                              const struct listener_options *options,
                              const struct listener_handlers *handlers)
{
	struct listener *listener = mem_new(sizeof(*listener));
	listener->loop = loop;
	listener->log = log;
	listener->options = *options;
	listener->handlers = *handlers;
	listener->prefixes = map_new();
	listener->reserve_fd = -1;
	listener->pause = timer_new(loop, on_pause_over, listener);
	TAILQ_INIT(&listener->sockets);
	return listener;
}

void listener_free(struct listener *listener)
{
	struct socket *socket;
	size_t position = 0;
	struct str key;
	void *prefix;
	if (listener == NULL)
		return;
	while ((socket = TAILQ_FIRST(&listener->sockets)) != NULL) {
		TAILQ_REMOVE(&listener->sockets, socket, link);
		event_del(&socket->event);
		close(socket->fd);
		free(socket);
	}
	while (map_next(listener->prefixes, &position, &key, &prefix))
		free(prefix);
	map_free(listener->prefixes);
	timer_free(listener->pause);
	if (listener->reserve_fd >= 0)
		close(listener->reserve_fd);
	free(listener);
}

void listener_add(struct listener *listener, int fd, int tag)
{
	struct socket *socket = mem_new(sizeof(*socket));
	socket->listener = listener;
	socket->fd = fd;
	socket->tag = tag;
	evutil_make_socket_nonblocking(fd);
	tune(fd);
	if (listener->reserve_fd < 0)
		listener->reserve_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	event_assign(&socket->event, loop_base(listener->loop), fd, EV_READ | EV_PERSIST, accept_cb,
	             socket);
	TAILQ_INSERT_TAIL(&listener->sockets, socket, link);
	update_events(listener);
}

void listener_set_options(struct listener *listener, const struct listener_options *options)
{
	listener->options = *options;
}

size_t listener_connections(const struct listener *listener)
{
	return listener->connections;
}

void listener_pause(struct listener *listener, bool paused)
{
	listener->paused = paused;
	update_events(listener);
}
