#ifndef POSTKASSE_TEST_RELAY_H
#define POSTKASSE_TEST_RELAY_H

/* A relay between a link's two ends, in the loop of the test: it passes bytes on whole or one by one,
 * falls silent, or cuts the connections, at once or after so many bytes. To be included after cmocka.h. */

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop.h"

struct relay_side;

struct relay {
	struct loop *loop;
	int listening;
	struct event *accept;
	struct sockaddr_storage target, source; /* source: what to connect from, if its family is set */
	socklen_t target_len;
	size_t piece;      /* bytes passed on in one go; 0: all */
	int64_t cut_after; /* bytes, both directions together, until all is cut once; -1: never */
	bool silent;       /* nothing passes, nothing is closed */
	bool closed;       /* new connections are refused */
	int cuts, accepted;
	struct relay_side *sides[64];
	size_t side_count;
};

struct relay_side {
	struct relay *relay;
	struct relay_side *other;
	struct bufferevent *bev;
};

static inline void relay_cut(struct relay *relay)
{
	for (size_t i = 0; i < relay->side_count; i++) {
		bufferevent_free(relay->sides[i]->bev);
		free(relay->sides[i]);
	}
	relay->side_count = 0;
	relay->cuts++;
}

static inline void relay_drop(struct relay_side *side)
{
	struct relay *relay = side->relay;
	for (size_t i = 0; i < relay->side_count; i++)
		if (relay->sides[i] == side)
			relay->sides[i] = relay->sides[--relay->side_count];
	bufferevent_free(side->bev);
	free(side);
}

static inline void relay_read(struct bufferevent *bev, void *ctx)
{
	struct relay_side *side = ctx;
	struct relay *relay = side->relay;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(input);
	if (relay->silent) {
		evbuffer_drain(input, len);
		return;
	}
	if (relay->piece > 0 && len > relay->piece)
		len = relay->piece;
	bool cut = relay->cut_after >= 0 && (int64_t)len >= relay->cut_after;
	if (cut)
		len = (size_t)relay->cut_after;
	if (relay->cut_after >= 0)
		relay->cut_after -= (int64_t)len;
	evbuffer_remove_buffer(input, bufferevent_get_output(side->other->bev), len);
	if (cut) {
		relay->cut_after = -1;
		relay_cut(relay);
	} else if (evbuffer_get_length(input) > 0) {
		bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
	}
}

static inline void relay_event(struct bufferevent *bev, short what, void *ctx)
{
	struct relay_side *side = ctx;
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0 || side->relay->silent)
		return;
	struct relay_side *other = side->other;
	relay_drop(side);
	relay_drop(other);
}

static inline struct relay_side *relay_side(struct relay *relay, int fd)
{
	struct relay_side *side = mem_new(sizeof(*side));
	side->relay = relay;
	evutil_make_socket_nonblocking(fd);
	side->bev = bufferevent_socket_new(loop_base(relay->loop), fd,
	                                   BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(side->bev, relay_read, NULL, relay_event, side);
	bufferevent_enable(side->bev, EV_READ | EV_WRITE);
	assert_true(relay->side_count < ARRAY_LEN(relay->sides));
	relay->sides[relay->side_count++] = side;
	return side;
}

static inline void relay_accept(evutil_socket_t listening, short what, void *ctx)
{
	(void)what;
	struct relay *relay = ctx;
	int fd = accept(listening, NULL, NULL);
	if (fd < 0)
		return;
	int out = socket(relay->target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (relay->source.ss_family != 0)
		assert_int_equal(bind(out, (struct sockaddr *)&relay->source, sizeof(struct sockaddr_in)),
		                 0);
	if (relay->closed || connect(out, (struct sockaddr *)&relay->target, relay->target_len) != 0) {
		close(out);
		close(fd);
		return;
	}
	relay->accepted++;
	struct relay_side *in = relay_side(relay, fd);
	in->other = relay_side(relay, out);
	in->other->other = in;
}

static inline int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static inline struct sockaddr_in v4(const char *address, uint16_t port)
{
	struct sockaddr_in ret = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, address, &ret.sin_addr), 1);
	return ret;
}

/* Listens on a free port of address. */
static inline int listen_tcp(const char *address, uint16_t *ret_port)
{
	struct sockaddr_in at = v4(address, 0);
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static inline void relay_start(struct relay *relay, struct loop *loop, int listening,
                               const void *target, size_t target_len)
{
	memset(relay, 0, sizeof(*relay));
	relay->loop = loop;
	relay->cut_after = -1;
	relay->listening = listening;
	memcpy(&relay->target, target, target_len);
	relay->target_len = (socklen_t)target_len;
	relay->accept = event_new(loop_base(loop), listening, EV_READ | EV_PERSIST, relay_accept,
	                          relay);
	event_add(relay->accept, NULL);
}

static inline void relay_stop(struct relay *relay)
{
	relay_cut(relay);
	event_free(relay->accept);
	close(relay->listening);
}

#endif
