#include "main/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

struct pair {
	int ours, theirs;
};

static struct pair make_pair(void)
{
	struct pair pair;
	struct errinfo info;
	assert_int_equal(handoff_pair(&pair.ours, &pair.theirs, &info), 0);
	return pair;
}

static void close_pair(struct pair *pair)
{
	close(pair->ours);
	close(pair->theirs);
}

static void set(struct buf *field, const char *text)
{
	buf_init(field, HANDOFF_BODY_MAX);
	buf_add_text(field, text);
}

/* Sends the rest from a thread of its own, as the supervisor is another process. */
struct sending {
	int fd;
	struct buf queue;
	int error;
};

static void *send_in_thread(void *ctx)
{
	struct sending *sending = ctx;
	struct pollfd writable = {.fd = sending->fd, .events = POLLOUT};
	int error = E_AGAIN;
	while (error == E_AGAIN && poll(&writable, 1, 10000) > 0)
		error = handoff_send_queue(sending->fd, &sending->queue, NULL, NULL);
	sending->error = error;
	return NULL;
}

static void settings_arrive_whole(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	struct handoff sent = {.uid = 64202, .gid = 64200, .index = 7}, got;
	struct errinfo info;
	enum handoff_kind kind;
	int pipes[2];
	set(&sent.config, "hostname = x\n");
	set(&sent.tls_certificate, "certificate");
	set(&sent.tls_key, "key");
	set(&sent.link_ca, "authority");
	/* Much more than a socket buffer holds. */
	buf_init(&sent.link_certificate, HANDOFF_BODY_MAX);
	for (size_t i = 0; i < 3000000; i++)
		buf_add_byte(&sent.link_certificate, (char)('a' + i % 26));
	sent.host_key = secret_new("0123456789abcdef0123456789abcdef", HOST_KEY_SIZE);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(sent.sockets[i].name, sizeof(sent.sockets[i].name), "%s",
		         i == 0 ? "pipe-0" : "pipe-1");
		sent.sockets[i].fd = pipes[i];
	}
	sent.socket_count = 2;

	pthread_t thread;
	struct sending sending = {.fd = pair.ours};
	buf_init_secret(&sending.queue, HANDOFF_QUEUE_MAX);
	assert_int_equal(handoff_add_settings(&sending.queue, &sent, &info), 0);
	assert_int_equal(handoff_send_queue(pair.ours, &sending.queue, &sent, &info), E_AGAIN);
	assert_int_equal(pthread_create(&thread, NULL, send_in_thread, &sending), 0);
	assert_int_equal(handoff_receive(pair.theirs, true, &kind, &got, &info), 0);
	pthread_join(thread, NULL);
	assert_int_equal(sending.error, 0);
	assert_int_equal(kind, HANDOFF_SETTINGS);
	assert_true(str_eq(buf_str(&got.config), buf_str(&sent.config)));
	assert_true(str_eq(buf_str(&got.tls_certificate), buf_str(&sent.tls_certificate)));
	assert_true(str_eq(buf_str(&got.tls_key), buf_str(&sent.tls_key)));
	assert_true(str_eq(buf_str(&got.link_certificate), buf_str(&sent.link_certificate)));
	assert_int_equal(got.link_key.len, 0);
	assert_true(str_eq(buf_str(&got.link_ca), buf_str(&sent.link_ca)));
	assert_memory_equal(secret_open(got.host_key), secret_open(sent.host_key), HOST_KEY_SIZE);
	secret_close(got.host_key);
	secret_close(sent.host_key);
	assert_int_equal(got.uid, 64202);
	assert_int_equal(got.gid, 64200);
	assert_int_equal(got.index, 7);
	assert_int_equal(got.socket_count, 2);
	assert_string_equal(got.sockets[0].name, "pipe-0");
	assert_string_equal(got.sockets[1].name, "pipe-1");
	assert_int_not_equal(fcntl(got.sockets[0].fd, F_GETFD) & FD_CLOEXEC, 0);
	/* They are the same pipe: what goes into the one sent comes out of the one received. */
	char byte = 0;
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(got.sockets[0].fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	handoff_done(&got);
	handoff_done(&sent);
	close_pair(&pair);
}

static void orders_arrive(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	struct handoff got;
	struct errinfo info;
	enum handoff_kind kind;
	assert_int_equal(handoff_receive(pair.theirs, false, &kind, &got, &info), E_AGAIN);
	struct buf queue;
	buf_init_secret(&queue, HANDOFF_QUEUE_MAX);
	assert_int_equal(handoff_add_order(&queue, HANDOFF_STOP, &info), 0);
	assert_int_equal(handoff_send_queue(pair.ours, &queue, NULL, &info), 0);
	assert_int_equal(queue.len, 0);
	assert_int_equal(handoff_receive(pair.theirs, false, &kind, &got, &info), 0);
	assert_int_equal(kind, HANDOFF_STOP);
	handoff_done(&got);
	close(pair.ours);
	assert_int_equal(handoff_receive(pair.theirs, false, &kind, &got, &info), E_UNAVAILABLE);
	assert_int_equal(handoff_send_order(pair.theirs, HANDOFF_READY, &info), E_UNAVAILABLE);
	close(pair.theirs);
}

/* What the other end might send when something has broken it. */
static const struct {
	const char *name;
	uint32_t words[6];
	size_t len; /* bytes sent of words */
	int error;
} broken[] = {
	{"half a header", {HANDOFF_STOP}, 4, E_UNAVAILABLE},
	{"a length over the limit", {HANDOFF_SETTINGS, HANDOFF_BODY_MAX + 1}, 8, E_INVALID},
	{"the largest length", {HANDOFF_SETTINGS, UINT32_MAX}, 8, E_INVALID},
	{"half a body", {HANDOFF_SETTINGS, 8, 1}, 12, E_UNAVAILABLE},
	{"half a field's head", {HANDOFF_SETTINGS, 4, 1}, 12, E_INVALID},
	{"a field longer than the body", {HANDOFF_SETTINGS, 8, 1, 1}, 16, E_INVALID},
	{"the longest field", {HANDOFF_SETTINGS, 8, 1, UINT32_MAX}, 16, E_INVALID},
	{"tag 0", {HANDOFF_SETTINGS, 8, 0, 0}, 16, E_INVALID},
	{"an unknown tag", {HANDOFF_SETTINGS, 8, 99, 0}, 16, E_INVALID},
	{"a short host key", {HANDOFF_SETTINGS, 12, 7, 4, 0}, 20, E_INVALID},
	{"short ids", {HANDOFF_SETTINGS, 12, 8, 4, 0}, 20, E_INVALID},
	{"a link without a word", {HANDOFF_LINK}, 8, E_INVALID},
	{"a link without its socket", {HANDOFF_LINK, 8, 0, 0}, 16, E_INVALID},
	{"a peer without its socket", {HANDOFF_PEER, 8, 2, 0}, 16, E_INVALID},
	{"a short link", {HANDOFF_LINK, 4, 0}, 12, E_INVALID},
	{"a socket's name without a socket", {HANDOFF_SETTINGS, 12, 9, 4, 0x67616d69}, 20, E_INVALID},
};

static void what_is_broken_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct pair pair = make_pair();
		struct handoff got;
		struct errinfo info;
		enum handoff_kind kind;
		assert_int_equal(write(pair.ours, broken[i].words, broken[i].len), broken[i].len);
		close(pair.ours);
		int error = handoff_receive(pair.theirs, true, &kind, &got, &info);
		if (error != broken[i].error)
			fail_msg("%s: %s", broken[i].name, err_name(error));
		assert_int_equal(got.socket_count, 0);
		close(pair.theirs);
	}
}

/* The supervisor reads from a process that may have been taken over: it must never wait for it. */
static void the_supervisor_never_waits(void **state)
{
	(void)state;
	static const struct {
		uint32_t words[4];
		size_t len;
		int error;
	} cases[] = {
		{{HANDOFF_ASK, 8, 1, 0}, 16, 0},
		{{HANDOFF_ASK, 8, 1, 0}, 12, E_INVALID},
		{{HANDOFF_ASK, 8}, 8, E_INVALID},
		{{HANDOFF_ASK, 0}, 8, E_INVALID},
		{{HANDOFF_ASK, UINT32_MAX, 1, 0}, 16, E_INVALID},
		{{0}, 0, E_AGAIN},
		{{HANDOFF_READY}, 8, 0},
		{{HANDOFF_READY}, 4, E_INVALID},
		{{HANDOFF_READY, 1}, 8, E_INVALID},
		{{HANDOFF_SETTINGS, HANDOFF_BODY_MAX, 0}, 12, E_INVALID},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pair pair = make_pair();
		enum handoff_kind kind;
		struct handoff_link asked;
		assert_int_equal(write(pair.theirs, cases[i].words, cases[i].len), cases[i].len);
		assert_int_equal(handoff_receive_order(pair.ours, &kind, &asked), cases[i].error);
		close(pair.theirs);
		if (cases[i].error == 0) {
			assert_int_equal(kind, cases[i].words[0]);
			if (kind == HANDOFF_ASK)
				assert_int_equal(asked.role, 1);
			assert_int_equal(handoff_receive_order(pair.ours, &kind, &asked), E_UNAVAILABLE);
		}
		close(pair.ours);
	}
}

/* It tells a process that does not read what it can, and keeps the rest; but not without end. */
static void orders_wait_for_their_reader(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	struct handoff sent = {.index = 1};
	struct errinfo info;
	struct buf queue;
	size_t times = 0;
	buf_init(&sent.link_ca, HANDOFF_BODY_MAX);
	for (size_t i = 0; i < 1000000; i++)
		buf_add_byte(&sent.link_ca, 'x');
	buf_init_secret(&queue, HANDOFF_QUEUE_MAX);
	int error = handoff_add_settings(&queue, &sent, &info);
	while (error == 0) {
		assert_int_equal(handoff_send_queue(pair.ours, &queue, NULL, &info), E_AGAIN);
		assert_true(queue.len > 0 && queue.len <= HANDOFF_QUEUE_MAX);
		assert_int_equal(handoff_add_order(&queue, HANDOFF_STOP, &info), 0);
		error = handoff_add_settings(&queue, &sent, &info);
		times++;
	}
	assert_int_equal(error, E_TOO_LARGE);
	assert_true(times > 10 && times < 20);
	buf_done(&queue);
	handoff_done(&sent);
	close_pair(&pair);
}

static void links_are_handed_over(void **state)
{
	(void)state;
	struct pair pair = make_pair(), link = make_pair();
	struct handoff got;
	struct errinfo info;
	enum handoff_kind kind;
	struct handoff_link peer = {2, 5}, failed = {1, ECONNREFUSED};
	char byte = 0;
	assert_int_equal(handoff_send_link(pair.ours, HANDOFF_PEER, &peer, link.theirs, &info), 0);
	assert_int_equal(handoff_send_link(pair.ours, HANDOFF_LINK, &failed, -1, &info), 0);
	assert_int_equal(handoff_receive(pair.theirs, false, &kind, &got, &info), 0);
	assert_int_equal(kind, HANDOFF_PEER);
	assert_int_equal(got.link.role, 2);
	assert_int_equal(got.link.number, 5);
	assert_int_equal(got.socket_count, 1);
	assert_int_not_equal(fcntl(got.sockets[0].fd, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(write(link.ours, "x", 1), 1);
	assert_int_equal(read(got.sockets[0].fd, &byte, 1), 1);
	handoff_done(&got);
	assert_int_equal(handoff_receive(pair.theirs, false, &kind, &got, &info), 0);
	assert_int_equal(kind, HANDOFF_LINK);
	assert_int_equal(got.link.number, ECONNREFUSED);
	assert_int_equal(got.socket_count, 0);
	handoff_done(&got);
	/* Nobody reads: the sender finds out instead of waiting. */
	int error = 0;
	for (int i = 0; i < 100000 && error == 0; i++)
		error = handoff_send_link(pair.ours, HANDOFF_LINK, &failed, -1, &info);
	assert_int_equal(error, E_AGAIN);
	close_pair(&pair);
	close_pair(&link);
}

static size_t open_descriptors(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void descriptors_without_names_are_closed(void **state)
{
	(void)state;
	struct pair pair = make_pair();
	struct handoff got;
	struct errinfo info;
	enum handoff_kind kind;
	size_t before = open_descriptors();
	uint32_t words[] = {HANDOFF_SETTINGS, 8, 1, 0};
	struct iovec part = {words, sizeof(words)};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &pair.ours, sizeof(int));
	assert_int_equal(sendmsg(pair.ours, &message, 0), sizeof(words));
	assert_int_equal(handoff_receive(pair.theirs, true, &kind, &got, &info), E_INVALID);
	assert_int_equal(open_descriptors(), before);
	close_pair(&pair);
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_arrive_whole),
		cmocka_unit_test(orders_arrive),
		cmocka_unit_test(what_is_broken_is_refused),
		cmocka_unit_test(the_supervisor_never_waits),
		cmocka_unit_test(orders_wait_for_their_reader),
		cmocka_unit_test(links_are_handed_over),
		cmocka_unit_test(descriptors_without_names_are_closed),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
