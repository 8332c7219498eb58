/* Accepting within limits: all at once, per prefix, per time, without descriptors. */

#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "relay.h"

enum { PATIENCE_MS = 5000, CLIENTS_MAX = 64, TAG = 7 };

struct front {
	struct loop *loop;
	struct listener *listener;
	uint16_t port;
	int fds[CLIENTS_MAX];
	struct listener_peer peers[CLIENTS_MAX];
	int accepted, refused;
	bool closed;
	enum listener_refusal reason;
};

static void on_accepted(void *ctx, int tag, int fd, const struct listener_peer *peer)
{
	struct front *front = ctx;
	assert_int_equal(tag, TAG);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	front->fds[front->accepted] = fd;
	front->peers[front->accepted++] = *peer;
}

static const char *on_refusal(void *ctx, int tag, enum listener_refusal reason)
{
	struct front *front = ctx;
	assert_int_equal(tag, TAG);
	front->refused++;
	front->reason = reason;
	return "421 later\r\n";
}

static bool is_open(void *ctx, int tag)
{
	const struct front *front = ctx;
	assert_int_equal(tag, TAG);
	return !front->closed;
}

static void front_init(struct front *front, const struct listener_options *options)
{
	memset(front, 0, sizeof(*front));
	front->loop = loop_new();
	const struct listener_handlers handlers = {
		.ctx = front, .accepted = on_accepted, .is_open = is_open, .refusal = on_refusal};
	front->listener = listener_new(front->loop, NULL, options, &handlers);
	listener_add(front->listener, listen_tcp("127.0.0.1", &front->port), TAG);
}

static void front_done(struct front *front)
{
	for (int i = 0; i < front->accepted; i++)
		close(front->fds[i]);
	listener_free(front->listener);
	loop_free(front->loop);
}

static int client(struct front *front, const char *from)
{
	struct sockaddr_in source = v4(from, 0), target = v4("127.0.0.1", front->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&source, sizeof(source)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&target, sizeof(target)), 0);
	return fd;
}

/* Connects and runs the loop until that connection is accepted or refused. */
static int connect_from(struct front *front, const char *from)
{
	int before = front->accepted + front->refused;
	int fd = client(front, from);
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (front->accepted + front->refused == before && clock_monotonic_ms() < until)
		loop_run_once(front->loop, 20);
	assert_int_equal(front->accepted + front->refused, before + 1);
	return fd;
}

static void assert_refused(struct front *front, int fd, enum listener_refusal reason)
{
	char text[64];
	assert_int_equal(front->reason, reason);
	assert_int_equal(read(fd, text, sizeof(text)), 11);
	assert_memory_equal(text, "421 later\r\n", 11);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	close(fd);
}

static void limits_test(void **state)
{
	(void)state;
	const struct listener_options options = {
		.connections_max = 4,
		.prefix_connections_max = 2,
		.limit_loopback = true,
	};
	struct front front;
	front_init(&front, &options);
	int a = connect_from(&front, "127.0.0.1");
	int b = connect_from(&front, "127.0.0.1");
	assert_string_equal(front.peers[0].address, "127.0.0.1");
	assert_int_equal(front.accepted, 2);
	assert_refused(&front, connect_from(&front, "127.0.0.1"), LISTENER_PREFIX_FULL);
	int c = connect_from(&front, "127.0.0.2"); /* another address */
	int d = connect_from(&front, "127.0.0.2");
	assert_int_equal(listener_connections(front.listener), 4);
	assert_refused(&front, connect_from(&front, "127.0.0.3"), LISTENER_FULL);
	/* One goes, one may come. */
	listener_release(front.listener, &front.peers[0]);
	close(connect_from(&front, "127.0.0.1"));
	assert_int_equal(front.accepted, 5);
	/* Loopback is only counted for all when told so. */
	struct listener_options free_loopback = options;
	free_loopback.limit_loopback = false;
	free_loopback.connections_max = 0;
	listener_set_options(front.listener, &free_loopback);
	for (int i = 0; i < 5; i++)
		close(connect_from(&front, "127.0.0.1"));
	assert_int_equal(front.accepted, 10);
	/* Releasing more than there was is no harm. */
	for (int i = 0; i < 20; i++)
		listener_release(front.listener, &front.peers[2]);
	close(a);
	close(b);
	close(c);
	close(d);
	front_done(&front);
}

static void rate_test(void **state)
{
	(void)state;
	const struct listener_options options = {
		.prefix_rate_max = 3,
		.prefix_rate_window_ms = 150,
		.limit_loopback = true,
	};
	struct front front;
	front_init(&front, &options);
	int64_t start = clock_monotonic_ms();
	for (int i = 0; i < 3; i++) {
		close(connect_from(&front, "127.0.0.1"));
		listener_release(front.listener, &front.peers[i]);
	}
	assert_refused(&front, connect_from(&front, "127.0.0.1"), LISTENER_PREFIX_RATE);
	close(connect_from(&front, "127.0.0.9"));
	assert_int_equal(front.accepted, 4);
	while (clock_monotonic_ms() <= start + 160)
		loop_run_once(front.loop, 10);
	close(connect_from(&front, "127.0.0.1"));
	assert_int_equal(front.accepted, 5);
	front_done(&front);
}

/* A peer that vanishes is noticed although nobody sends anything. */
static void keepalive_test(void **state)
{
	static const struct {
		int level, name, least;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},    {IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000},
		{IPPROTO_TCP, TCP_NODELAY, 1},
	};
	(void)state;
	struct front front;
	front_init(&front, &(struct listener_options){0});
	int fd = connect_from(&front, "127.0.0.1");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		int value = 0;
		socklen_t len = sizeof(value);
		assert_int_equal(getsockopt(front.fds[0], options[i].level, options[i].name, &value, &len),
		                 0);
		assert_in_range(value, options[i].least, 600000);
	}
	assert_string_equal(front.peers[0].network, "127.0.0.1");
	close(fd);
	front_done(&front);
}

static void pause_test(void **state)
{
	(void)state;
	const struct listener_options options = {0};
	struct front front;
	front_init(&front, &options);
	listener_pause(front.listener, true);
	int fd = client(&front, "127.0.0.1"); /* the kernel takes it */
	for (int i = 0; i < 5; i++)
		loop_run_once(front.loop, 5);
	assert_int_equal(front.accepted, 0);
	listener_pause(front.listener, false);
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (front.accepted == 0 && clock_monotonic_ms() < until)
		loop_run_once(front.loop, 20);
	assert_int_equal(front.accepted, 1);
	close(fd);
	front_done(&front);
}

/* Without a free descriptor: one is refused with the reserve, the loop does not spin, and those who
 * wait are taken as soon as there are descriptors again. */
static void descriptors_test(void **state)
{
	(void)state;
	const struct listener_options options = {0};
	struct front front;
	struct rlimit before, tight;
	front_init(&front, &options);
	int one = client(&front, "127.0.0.1");
	int two = client(&front, "127.0.0.1");
	int next = dup(one); /* the lowest free descriptor */
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (front.refused == 0 && clock_monotonic_ms() < until)
		loop_run_once(front.loop, 20);
	for (int i = 0; i < 3; i++)
		loop_run_once(front.loop, 5);
	assert_int_equal(front.refused, 1);
	assert_int_equal(front.accepted, 0);
	assert_refused(&front, one, LISTENER_FULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (front.accepted == 0 && clock_monotonic_ms() < until)
		loop_run_once(front.loop, 20);
	assert_int_equal(front.accepted, 1);
	close(two);
	front_done(&front);
}

static void closed_test(void **state)
{
	(void)state;
	const struct listener_options options = {0};
	struct front front;
	front_init(&front, &options);
	front.closed = true;
	assert_refused(&front, connect_from(&front, "127.0.0.1"), LISTENER_CLOSED);
	assert_int_equal(listener_connections(front.listener), 0);
	front.closed = false;
	close(connect_from(&front, "127.0.0.1"));
	assert_int_equal(front.accepted, 1);
	front_done(&front);
}

static void v6_test(void **state)
{
	(void)state;
	const struct listener_options options = {0};
	struct front front;
	front_init(&front, &options);
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(at);
	int listening = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&at, sizeof(at)) != 0) {
		/* A host without IPv6: what can be said of it there. */
		assert_int_equal(errno, EADDRNOTAVAIL);
		close(listening);
		front_done(&front);
		return;
	}
	assert_int_equal(listen(listening, 5), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	listener_add(front.listener, listening, TAG);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (front.accepted == 0 && clock_monotonic_ms() < until)
		loop_run_once(front.loop, 20);
	assert_string_equal(front.peers[0].address, "::1");
	close(fd);
	front_done(&front);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_test),    cmocka_unit_test(rate_test),
		cmocka_unit_test(keepalive_test), cmocka_unit_test(keepalive_test),
		cmocka_unit_test(pause_test),     cmocka_unit_test(descriptors_test),
		cmocka_unit_test(closed_test),    cmocka_unit_test(v6_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
