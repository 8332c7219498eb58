/*
 * What a front costs: one of a few lines, whose clients hear from a core, of a few lines as well, what they
 * have said. Around it what every front gets from src/front: ports, limits, reload, the end.
 */

#include "front/front.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/core_link.h"
#include "net/core_server.h"
#include "store.pb-c.h"

#include "front_rig.h"

enum { METHOD_ECHO = 7, REPLY_S = 10 };

/* ---------------------------------------------------------------- the core */

static const struct core_method echo_method = {
	.number = METHOD_ECHO,
	.name = "echo",
	.roles = ROLE_IMAP,
	.request = &pk__mailbox_request__descriptor,
};
static const struct core_method *const methods[] = {&echo_method};

static void echo(void *ctx, const struct core_method *method, struct link_inbound *inbound,
                 ProtobufCMessage *message)
{
	(void)ctx;
	(void)method;
	link_reply(inbound, message);
	protobuf_c_message_free_unpacked(message, NULL);
}

static const struct core echo_core = {
	.role = "store", .methods = methods, .method_count = ARRAY_LEN(methods), .request = echo};

/* ---------------------------------------------------------------- the front */

struct echo_front {
	struct front common;
	struct link *store;
};

struct echo_client {
	struct front_client common;
	struct link_call *call;
	char line[100];
};

static void replied(void *ctx, int error, struct str text, struct str body)
{
	struct echo_client *client = ctx;
	(void)text;
	client->call = NULL;
	conn_write(client->common.conn, error == 0 ? str_from_byte(body, 2) : STR("?"));
	conn_write(client->common.conn, STR("\n"));
	conn_again(client->common.conn);
}

static void input(void *ctx)
{
	struct echo_client *client = ctx;
	struct echo_front *front = container_of(client->common.front, struct echo_front, common);
	struct str in = conn_input(client->common.conn);
	ptrdiff_t len = str_find_byte(in, '\n');
	Pk__MailboxRequest body = PK__MAILBOX_REQUEST__INIT;
	struct link_request request = {
		.method = METHOD_ECHO, .body = &body.base, .reply = replied, .ctx = client};
	if (client->call != NULL || len < 0)
		return;
	snprintf(client->line, sizeof(client->line), "%.*s", (int)len, in.ptr);
	conn_consume(client->common.conn, (size_t)len + 1);
	body.mailbox = client->line;
	client->call = link_call(front->store, &request);
}

static void closed(void *ctx, enum conn_end end, const char *text)
{
	(void)text;
	front_client_end(ctx, end != CONN_END_PEER);
}

static void accepted(void *ctx, bool tls, int fd, const struct listener_peer *peer)
{
	static const struct conn_handlers handlers = {.input = input, .closed = closed};
	struct echo_front *front = ctx;
	struct echo_client *client = mem_new(sizeof(*client));
	front_client_start(&front->common, &client->common, fd, peer, tls, &handlers);
}

static void leave(struct front_client *client)
{
	struct link_call *call = ((struct echo_client *)client)->call;
	if (call != NULL)
		link_call_cancel(call);
}

static void forget(struct front_client *client)
{
	free(client);
}

static void stop(struct front_client *client)
{
	conn_write(client->conn, STR("bye\n"));
	front_client_end(client, false);
}

static bool is_idle(const struct front_client *client)
{
	return ((const struct echo_client *)client)->call == NULL;
}

static void evict(struct front_client *client)
{
	conn_write(client->conn, STR("make room\n"));
	front_client_end(client, false);
}

static const char *refusal(void *ctx, enum listener_refusal reason)
{
	(void)ctx;
	return reason == LISTENER_FULL ? "full\n" : "too many of you\n";
}

static int start(void *ctx, struct errinfo *info)
{
	static const struct link_handlers nothing = {0};
	struct echo_front *front = ctx;
	return core_link_new(&front->store, front->common.role, "store", &nothing, info);
}

static void configure(void *ctx)
{
	(void)ctx;
}

static void done(void *ctx)
{
	struct echo_front *front = ctx;
	front_clients_free(&front->common);
	if (front->store != NULL)
		link_free(front->store);
}

static const struct front_socket sockets[] = {{"imap", false}};

static const struct front_kind echo_kind = {
	.sockets = sockets,
	.socket_count = ARRAY_LEN(sockets),
	.connections = "imap_connections_max",
	.connections_per_address = "imap_connections_per_address",
	.start = start,
	.configure = configure,
	.accepted = accepted,
	.refusal = refusal,
	.stop = stop,
	.leave = leave,
	.forget = forget,
	.is_idle = is_idle,
	.evict = evict,
	.done = done,
};

/* ---------------------------------------------------------------- around both */

/* Both in one loop, in a thread of its own; the clients are the test. */
static struct rig {
	struct loop *loop;
	struct core_server *core;
	struct test_dialer dialer;
	struct role_socket socket;
	uint16_t port;
	struct log log;
	struct role role;
	pthread_t thread;
	int exit_code;
} rig;

static int dial(void *ctx, const char *core)
{
	int pair[2];
	(void)ctx;
	(void)core;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	link_server_add_fd(core_server_link(rig.core), pair[1], NULL);
	return pair[0];
}

static void *run(void *unused)
{
	struct echo_front front = {0};
	(void)unused;
	rig.exit_code = front_run(&front.common, &rig.role, &echo_kind, &front);
	return NULL;
}

static struct config *config_of(const char *text)
{
	struct errinfo info = {0};
	struct config *config = config_new();
	if (config_parse(config, "test", str_from(text), &info) != 0)
		fail_msg("%s", info.text);
	return config;
}

static int set_up(void **state)
{
	static const struct link_allowed allowed[] = {{"imap", LINK_ANY_UID}};
	struct link_server_options options = {.allowed = allowed, .allowed_count = 1};
	(void)state;
	rig = (struct rig){.loop = loop_new()};
	rig.core = core_server_new(rig.loop, NULL, &options, &echo_core, NULL);
	test_dialer_init(&rig.dialer, rig.loop, dial, NULL);
	rig.port = front_rig_listen(&rig.socket, "imap");
	rig.log = (struct log){.role = "imap", .fd = STDERR_FILENO, .level = LOG_LEVEL_ERROR};
	rig.role = (struct role){.name = "imap",
	                         .loop = rig.loop,
	                         .log = &rig.log,
	                         .dialer = &rig.dialer.dialer,
	                         .sockets = &rig.socket,
	                         .socket_count = 1};
	return 0;
}

static void start_with(const char *config)
{
	rig.role.config = config_of(config);
	assert_int_equal(pthread_create(&rig.thread, NULL, run, NULL), 0);
}

static void wait_for_end(void)
{
	assert_int_equal(pthread_join(rig.thread, NULL), 0);
}

static int tear_down(void **state)
{
	(void)state;
	core_server_free(rig.core);
	loop_free(rig.loop);
	config_free(rig.role.config);
	return 0;
}

/* ---------------------------------------------------------------- clients */

static int enter(void)
{
	return front_rig_connect(rig.port, REPLY_S);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* "": the connection has ended. */
static void hear(int fd, const char *expected)
{
	char line[100];
	size_t len = 0;
	while (len < sizeof(line) - 1 && (len == 0 || line[len - 1] != '\n')) {
		ssize_t got = recv(fd, line + len, 1, 0);
		assert_true(got >= 0);
		if (got == 0)
			break;
		len++;
	}
	line[len] = '\0';
	assert_string_equal(line, expected);
}

static void what_is_said_comes_back(void **state)
{
	(void)state;
	start_with("");
	int first = enter(), second = enter();
	say(first, "one\ntwo\n");
	say(second, "three\n");
	hear(first, "one\n");
	hear(first, "two\n");
	hear(second, "three\n");
	close(first);
	loop_post(rig.loop, front_rig_stop, &rig.role);
	hear(second, "bye\n");
	hear(second, "");
	close(second);
	wait_for_end();
	assert_int_equal(rig.exit_code, 0);
}

static void the_oldest_stranger_makes_room(void **state)
{
	int clients[11];
	(void)state;
	start_with("imap_connections_max = 11\n"); /* at least ten places are for strangers */
	for (size_t i = 0; i < 11; i++) {
		clients[i] = enter();
		say(clients[i], "here\n");
		hear(clients[i], "here\n");
	}
	hear(clients[0], "make room\n");
	hear(clients[0], "");
	say(clients[1], "still\n");
	hear(clients[1], "still\n");
	loop_post(rig.loop, front_rig_stop, &rig.role);
	for (size_t i = 1; i < 11; i++)
		hear(clients[i], "bye\n");
	for (size_t i = 0; i < 11; i++)
		close(clients[i]);
	wait_for_end();
}

static struct config *replacement;

static void reload(void *ctx)
{
	struct config *old = rig.role.config;
	(void)ctx;
	rig.role.config = replacement;
	rig.role.on_reload(rig.role.ctx);
	config_free(old);
}

static void limits_come_with_a_reload(void **state)
{
	(void)state;
	start_with("imap_connections_max = 1\n");
	int first = enter();
	say(first, "here\n");
	hear(first, "here\n");
	int second = enter();
	hear(second, "full\n");
	close(second);
	replacement = config_of("imap_connections_max = 2\n");
	loop_post(rig.loop, reload, NULL);
	say(first, "and now\n");
	hear(first, "and now\n");
	second = enter();
	say(second, "also\n");
	hear(second, "also\n");
	loop_post(rig.loop, front_rig_stop, &rig.role);
	hear(second, "bye\n");
	close(first);
	close(second);
	wait_for_end();
}

static void one_that_cannot_start(void **state)
{
	(void)state;
	rig.log.level = LOG_LEVEL_ERROR;
	start_with("store_address = store.example.test:4110\n");
	wait_for_end();
	assert_int_equal(rig.exit_code, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_said_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_oldest_stranger_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_come_with_a_reload, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_cannot_start, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
