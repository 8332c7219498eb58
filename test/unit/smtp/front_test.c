/*
 * The whole front, over real sockets: a client here, the front in one thread, and in another one a
 * directory and a store at the other end of real links, which answer as the case wants.
 */

#include "smtp/smtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "directory.pb-c.h"
#include "net/link.h"
#include "store.pb-c.h"

#include "../front/front_rig.h"

enum { REPLY_MS = 10000, DELIVERIES_MAX = 64, ID_SIZE = 16 };

/* What the store was asked, in order. */
struct delivery {
	size_t targets;
	char mailboxes[4][32];
	unsigned char ids[4][ID_SIZE];
	struct buf message;
	size_t parts;
};

static struct {
	char dir[64];
	pthread_mutex_t lock;
	/* The store's answers: results[n] for the nth mailbox; hold keeps it from answering. */
	int results[4];
	bool hold;
	struct link_inbound *held[DELIVERIES_MAX];
	size_t held_count;
	struct delivery deliveries[DELIVERIES_MAX];
	size_t delivery_count;
	/* Threads. */
	struct loop *core_loop, *front_loop;
	struct test_dialer dialer;
	struct link_server *directory, *store;
	pthread_t core_thread, front_thread;
	struct role role;
	struct log log;
	struct role_socket socket;
	uint16_t port;
	int exit_code;
	bool stopping;  /* was told to */
	bool hold_time; /* the front's */
	int seconds;    /* that are to pass, with the lock */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- the cores' end */

static void resolve(void *ctx, struct link_inbound *request)
{
	ProtobufCMessage *message = link_unpack(&pk__resolve_request__descriptor,
	                                        link_inbound_body(request), WIRE_ITEMS_MESSAGES);
	struct str address = str_from(((Pk__ResolveRequest *)message)->address);
	Pk__ResolveReply reply = PK__RESOLVE_REPLY__INIT;
	static unsigned char key[32] = {1};
	char mailbox[32];

	(void)ctx;
	if (!str_ends_nocase(address, STR("@example.test"))) {
		reply.kind = PK__RESOLVE_REPLY__KIND__FOREIGN;
	} else if (str_starts(address, STR("user"))) {
		reply.kind = PK__RESOLVE_REPLY__KIND__MAILBOX;
		snprintf(mailbox, sizeof(mailbox), "mailbox-%c", address.ptr[4]);
		reply.mailbox = mailbox;
		reply.public_key = (ProtobufCBinaryData){sizeof(key), key};
	} else if (str_starts(address, STR("new@"))) {
		reply.kind = PK__RESOLVE_REPLY__KIND__MAILBOX;
		snprintf(mailbox, sizeof(mailbox), "mailbox-new");
		reply.mailbox = mailbox;
	} else if (str_starts(address, STR("disabled@"))) {
		reply.kind = PK__RESOLVE_REPLY__KIND__DISABLED;
	}
	link_reply(request, &reply.base);
	protobuf_c_message_free_unpacked(message, NULL);
}

/* With the lock. */
static void answer(struct link_inbound *request)
{
	ProtobufCMessage *message = link_unpack(&pk__deliver_request__descriptor,
	                                        link_inbound_body(request), WIRE_ITEMS_MESSAGES);
	size_t targets = ((Pk__DeliverRequest *)message)->n_targets;
	Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;
	Pk__DeliverReply__Result results[4], *pointers[4];

	for (size_t i = 0; i < targets; i++) {
		pk__deliver_reply__result__init(&results[i]);
		results[i].error = world.results[i];
		pointers[i] = &results[i];
	}
	reply.results = pointers;
	reply.n_results = targets;
	link_reply(request, &reply.base);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void deliver(void *ctx, struct link_inbound *request)
{
	ProtobufCMessage *message = link_unpack(&pk__deliver_request__descriptor,
	                                        link_inbound_body(request), WIRE_ITEMS_MESSAGES);
	Pk__DeliverRequest *body = (Pk__DeliverRequest *)message;
	struct delivery *delivery;

	(void)ctx;
	pthread_mutex_lock(&world.lock);
	delivery = &world.deliveries[world.delivery_count++];
	delivery->targets = body->n_targets;
	for (size_t i = 0; i < body->n_targets; i++) {
		snprintf(delivery->mailboxes[i], sizeof(delivery->mailboxes[i]), "%s",
		         body->targets[i]->mailbox);
		memcpy(delivery->ids[i], body->targets[i]->delivery_id.data, ID_SIZE);
	}
	delivery->parts = body->description->n_parts;
	buf_init(&delivery->message, 64 * 1024 * 1024);
	buf_add_str(&delivery->message, link_inbound_upload(request));
	if (world.hold)
		world.held[world.held_count++] = request;
	else
		answer(request);
	pthread_mutex_unlock(&world.lock);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void release_held(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&world.lock);
	world.hold = false;
	for (size_t i = 0; i < world.held_count; i++)
		answer(world.held[i]);
	world.held_count = 0;
	pthread_mutex_unlock(&world.lock);
}

static void ignore_peer(void *ctx, struct link_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static void ignore_cancelled(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	(void)request;
}

static int listen_unix(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", world.dir, name);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static struct link_server *core_new(const char *role,
                                    void (*request)(void *ctx, struct link_inbound *request))
{
	static const struct link_allowed allowed[] = {{"smtp", LINK_ANY_UID}};
	struct link_server_options options = {
		.role = role, .allowed = allowed, .allowed_count = ARRAY_LEN(allowed)};
	struct link_server_handlers handlers = {.request = request,
	                                        .cancelled = ignore_cancelled,
	                                        .peer_up = ignore_peer,
	                                        .peer_down = ignore_peer};
	struct link_server *server = link_server_new(world.core_loop, NULL, &options, &handlers);

	link_server_listen(server, listen_unix(role), false);
	return server;
}

static void *core_main(void *unused)
{
	(void)unused;
	loop_run(world.core_loop);
	return NULL;
}

/* ---------------------------------------------------------------- starting and stopping */

static void *front_main(void *unused)
{
	(void)unused;
	world.exit_code = smtp_run(&world.role);
	return NULL;
}

static void stop_core(void *ctx)
{
	(void)ctx;
	loop_stop(world.core_loop);
}

static int dial(void *ctx, const char *core)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", world.dir, core);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	errno = ENOENT;
	return -1;
}

static void start(const char *config, bool with_store)
{
	struct errinfo info;
	struct buf text BUF_AUTO;

	snprintf(world.dir, sizeof(world.dir), "/tmp/smtp-front-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	world.core_loop = loop_new();
	world.directory = core_new("directory", resolve);
	world.store = with_store ? core_new("store", deliver) : NULL;
	world.front_loop = loop_new();
	if (world.hold_time)
		loop_hold_time(world.front_loop);
	world.hold_time = false;
	world.port = front_rig_listen(&world.socket, "smtp");
	test_dialer_init(&world.dialer, world.front_loop, dial, NULL);
	world.log = (struct log){.role = "smtp", .fd = STDERR_FILENO, .level = LOG_LEVEL_ERROR};
	world.role = (struct role){.name = "smtp",
	                           .loop = world.front_loop,
	                           .log = &world.log,
	                           .dialer = &world.dialer.dialer,
	                           .config = config_new(),
	                           .sockets = &world.socket,
	                           .socket_count = 1};
	buf_init(&text, 10000);
	buf_addf(&text, "hostname = mx.example.test\n%s", config);
	if (config_parse(world.role.config, "test", buf_str(&text), &info) != 0)
		fail_msg("%s", info.text);
	assert_int_equal(pthread_create(&world.core_thread, NULL, core_main, NULL), 0);
	assert_int_equal(pthread_create(&world.front_thread, NULL, front_main, NULL), 0);
}

static void finish(void)
{
	char path[128];

	if (!world.stopping)
		loop_post(world.front_loop, front_rig_stop, &world.role);
	world.stopping = false;
	pthread_join(world.front_thread, NULL);
	assert_int_equal(world.exit_code, 0);
	loop_post(world.core_loop, stop_core, NULL);
	pthread_join(world.core_thread, NULL);
	if (world.directory != NULL)
		link_server_free(world.directory);
	if (world.store != NULL)
		link_server_free(world.store);
	loop_free(world.front_loop);
	loop_free(world.core_loop);
	config_free(world.role.config);
	for (size_t i = 0; i < world.delivery_count; i++)
		buf_done(&world.deliveries[i].message);
	world.delivery_count = 0;
	world.held_count = 0;
	world.hold = false;
	memset(world.results, 0, sizeof(world.results));
	snprintf(path, sizeof(path), "%s/directory.sock", world.dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/store.sock", world.dir);
	unlink(path);
	rmdir(world.dir);
}

/* ---------------------------------------------------------------- the client's end */

struct client {
	int fd;
	struct buf input;
};

static void say(struct client *client, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(client->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* True when something is there to read within ms. */
static bool readable(const struct client *client, int ms)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};

	return poll(&poll_fd, 1, ms) > 0;
}

/* The next line (for several lines of one reply, the last) must begin with want. */
static void hear(struct client *client, const char *want)
{
	for (;;) {
		ptrdiff_t lf = str_find_byte(buf_str(&client->input), '\n');
		char *room;
		ssize_t got;

		if (lf >= 0) {
			struct str line = str_slice(buf_str(&client->input), 0, (size_t)lf + 1);
			bool more = line.len > 3 && line.ptr[3] == '-';

			if (!more && !str_starts(line, str_from(want)))
				fail_msg("heard '%.*s' instead of '%s'", STR_ARG(str_trim(line)), want);
			assert_true(str_ends_nocase(line, STR("\r\n")));
			buf_consume(&client->input, line.len);
			if (!more)
				return;
			continue;
		}
		if (!readable(client, REPLY_MS))
			fail_msg("heard nothing instead of '%s'", want);
		room = buf_reserve(&client->input, 4096);
		got = recv(client->fd, room, 4096, 0);
		if (got <= 0)
			fail_msg("connection closed instead of '%s'", want);
		client->input.len += (size_t)got;
	}
}

static void hear_end(struct client *client)
{
	char byte;

	assert_int_equal(client->input.len, 0);
	assert_true(readable(client, REPLY_MS));
	assert_true(recv(client->fd, &byte, 1, 0) <= 0);
}

static void client_open(struct client *client)
{
	buf_init(&client->input, 100000);
	client->fd = front_rig_connect(world.port, REPLY_MS / 1000);
	hear(client, "220 mx.example.test ESMTP");
	say(client, "EHLO client.test\r\n");
	hear(client, "250 ");
}

static void client_close(struct client *client)
{
	close(client->fd);
	buf_done(&client->input);
}

static void envelope(struct client *client, const char *recipient)
{
	char line[200];

	say(client, "MAIL FROM:<sender@client.test>\r\n");
	hear(client, "250 2.1.0");
	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", recipient);
	say(client, line);
	hear(client, "250 2.1.5");
}

static void data(struct client *client, const char *message)
{
	say(client, "DATA\r\n");
	hear(client, "354");
	say(client, message);
}

static size_t deliveries(void)
{
	size_t count;

	pthread_mutex_lock(&world.lock);
	count = world.delivery_count;
	pthread_mutex_unlock(&world.lock);
	return count;
}

/* Waits until the store has been asked count times. */
static void wait_deliveries(size_t count)
{
	for (int i = 0; i < REPLY_MS && deliveries() < count; i++)
		usleep(1000);
	assert_int_equal(deliveries(), count);
}

static void set_results(int first, int second)
{
	pthread_mutex_lock(&world.lock);
	world.results[0] = first;
	world.results[1] = second;
	pthread_mutex_unlock(&world.lock);
}

static void set_hold(bool hold)
{
	pthread_mutex_lock(&world.lock);
	world.hold = hold;
	pthread_mutex_unlock(&world.lock);
}

/* ---------------------------------------------------------------- cases */

static void one_message(void **state)
{
	struct client client;
	struct str message;

	(void)state;
	start("", true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: hello\r\n\r\n..dot\r\n.\r\n");
	hear(&client, "250 2.0.0 Delivered as ");
	say(&client, "QUIT\r\n");
	hear(&client, "221 2.0.0");
	hear_end(&client);
	client_close(&client);
	assert_int_equal(deliveries(), 1);
	assert_int_equal(world.deliveries[0].targets, 1);
	assert_string_equal(world.deliveries[0].mailboxes[0], "mailbox-1");
	assert_int_equal(world.deliveries[0].parts, 1);
	message = buf_str(&world.deliveries[0].message);
	assert_true(str_starts(message, STR("Return-Path: <sender@client.test>\r\n"
	                                    "Received: from client.test ([127.0.0.1])\r\n"
	                                    "\tby mx.example.test (postkasse) with ESMTP id ")));
	assert_true(str_find(message, STR("\tfor <user1@example.test>;\r\n")) > 0);
	assert_true(str_ends_nocase(message, STR("\r\nSubject: hello\r\n\r\n.dot\r\n")));
	finish();
}

static const char session_script[] = "EHLO client.test\r\n"
									 "MAIL FROM:<a@client.test> SIZE=100 BODY=8BITMIME\r\n"
									 "RCPT TO:<nobody@example.test>\r\n"
									 "RCPT TO:<user1@example.test>\r\n"
									 "RCPT TO:<user2@example.test>\r\n"
									 "RCPT TO:<user1+tag@example.test>\r\n"
									 "RCPT TO:<x@other.test>\r\n"
									 "RCPT TO:<new@example.test>\r\n"
									 "RCPT TO:<disabled@example.test>\r\n"
									 "RCPT TO:<b\xc3\xbc@example.test>\r\n"
									 "VRFY user1\r\nEXPN all\r\nBOGUS\r\nNOOP\r\n"
									 "BDAT 5\r\na\r\n.\n"
									 "BDAT 0 LAST\r\n"
									 "MAIL FROM:<>\r\nRCPT TO:<user3@example.test>\r\n"
									 "BDAT 10\r\nSubject: a"
									 "BDAT 9 LAST\r\n\r\n\r\nbody\r"
									 "RSET\r\n"
									 "BDAT 3 LAST\r\nabc"
									 "MAIL FROM:<>\r\nRCPT TO:<user3@example.test>\r\n"
									 "BDAT 7\r\nA: b\r\n\r"
									 "BDAT 3 LAST\r\n\nxy"
									 "QUIT\r\n";

static void hear_session(struct client *client)
{
	static const char *const replies[] = {
		"250 ",
		"250 2.1.0",
		"550 5.1.1",
		"250 2.1.5",
		"250 2.1.5",
		"250 2.1.5",
		"550 5.7.1",
		"450 4.2.1",
		"550 5.2.1",
		"553 5.6.7",
		"252 2.0.0",
		"502 5.5.1",
		"500 5.5.1",
		"250 2.0.0",
		/* a bare LF in a chunk: refused, and so are the chunks behind it */
		"550 5.6.11",
		"503 5.5.1",
		/* a CR as the last byte */
		"250 2.1.0",
		"250 2.1.5",
		"250 2.0.0",
		"550 5.6.11",
		"250 2.0.0",
		/* a chunk without a transaction is read and refused */
		"503 5.5.1",
		"250 2.1.0",
		"250 2.1.5",
		"250 2.0.0",
		"250 2.0.0 Delivered",
		"221 2.0.0",
	};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		hear(client, replies[i]);
	hear_end(client);
}

/* The same session in one piece, byte by byte, and cut at random. */
static void pipelined(void **state)
{
	unsigned seed = 7;

	(void)state;
	start("", true);
	for (int round = 0; round < 5; round++) {
		struct client client;

		client_open(&client);
		for (size_t at = 0; at < sizeof(session_script) - 1;) {
			size_t left = sizeof(session_script) - 1 - at;
			size_t len = round == 0 ? left : round == 1 ? 1 : 1 + (size_t)rand_r(&seed) % 60;

			len = len < left ? len : left;
			assert_int_equal(send(client.fd, session_script + at, len, MSG_NOSIGNAL), (ssize_t)len);
			at += len;
			if (round > 0)
				usleep(200);
		}
		hear_session(&client);
		client_close(&client);
	}
	assert_int_equal(deliveries(), 5);
	assert_true(str_ends_nocase(buf_str(&world.deliveries[0].message), STR("\r\nA: b\r\n\r\nxy")));
	finish();
}

static void smuggling(void **state)
{
	struct client client;

	(void)state;
	start("", true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nx\n.\r\nMAIL FROM:<admin@example.test>\r\n"
	              "RCPT TO:<user2@example.test>\r\nDATA\r\nevil\r\n.\r\n");
	hear(&client, "550 5.6.11");
	assert_false(readable(&client, 50));
	envelope(&client, "user1@example.test");
	data(&client, "fine\r\n.\r\n");
	hear(&client, "250 2.0.0");
	/* a command line may not hide one either */
	say(&client, "NOOP\nRSET\r\n");
	hear(&client, "500 5.5.2");
	hear(&client, "250 2.0.0");
	client_close(&client);
	assert_int_equal(deliveries(), 1);
	finish();
}

/* What is refused is read on to its end, but not without end. */
static void endless(void **state)
{
	struct client client;
	char block[65536];
	bool gone = false;

	(void)state;
	start("message_size_max = 64K\n", true);
	client_open(&client);
	say(&client, "BDAT 9000000000000000000 LAST\r\n");
	hear(&client, "503 5.5.1");
	hear_end(&client);
	client_close(&client);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\n");
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 1000 && !gone; i++)
		gone = send(client.fd, block, sizeof(block), MSG_NOSIGNAL) < 0 || readable(&client, 0);
	assert_true(gone);
	client_close(&client);
	assert_int_equal(deliveries(), 0);
	finish();
}

static void fill_message(struct buf *message, size_t size)
{
	buf_init(message, size + 200);
	buf_add_text(message, "Subject: large\r\n\r\n");
	while (message->len < size)
		buf_add_text(message, "0123456789012345678901234567890123456789012345678901234567890\r\n");
	message->len = size - 2;
	buf_add_text(message, "\r\n");
}

static void too_large(void **state)
{
	struct client client;
	struct buf message BUF_AUTO;

	(void)state;
	start("message_size_max = 64K\n", true);
	client_open(&client);
	say(&client, "MAIL FROM:<a@client.test> SIZE=65537\r\n");
	hear(&client, "552 5.3.4");
	envelope(&client, "user1@example.test");
	fill_message(&message, 65537);
	buf_add_text(&message, ".\r\n");
	buf_add_byte(&message, '\0');
	data(&client, message.ptr);
	hear(&client, "552 5.3.4");
	buf_done(&message);
	envelope(&client, "user1@example.test");
	fill_message(&message, 65536);
	buf_add_text(&message, ".\r\n");
	buf_add_byte(&message, '\0');
	data(&client, message.ptr);
	hear(&client, "250 2.0.0");
	envelope(&client, "user1@example.test");
	say(&client, "BDAT 65539 LAST\r\n");
	say(&client, message.ptr); /* refused at once, answered when it is all there */
	hear(&client, "552 5.3.4");
	say(&client, "NOOP\r\n");
	hear(&client, "250 2.0.0");
	client_close(&client);
	assert_int_equal(deliveries(), 1);
	finish();
}

static void loop_is_broken(void **state)
{
	struct client client;
	struct buf message BUF_AUTO;

	(void)state;
	start("received_max = 5\n", true);
	client_open(&client);
	buf_init(&message, 1000);
	for (int i = 0; i < 6; i++)
		buf_add_text(&message, "Received: from a by b; Mon, 23 Nov 2026 00:00:00 +0000\r\n");
	buf_add_text(&message, "\r\nbody\r\n.\r\n");
	buf_add_byte(&message, '\0');
	envelope(&client, "user1@example.test");
	data(&client, message.ptr);
	hear(&client, "554 5.4.6");
	client_close(&client);
	assert_int_equal(deliveries(), 0);
	finish();
}

static void two_recipients(struct client *client, const char *message)
{
	envelope(client, "user1@example.test");
	say(client, "RCPT TO:<user2@example.test>\r\n");
	hear(client, "250 2.1.5");
	data(client, message);
}

static bool same_ids(size_t a, size_t b, size_t target)
{
	return memcmp(world.deliveries[a].ids[target], world.deliveries[b].ids[target], ID_SIZE) == 0;
}

/* One of two mailboxes is full: the sender comes again under the same delivery ids. */
static void partial_failure(void **state)
{
	struct client client;

	(void)state;
	start("", true);
	client_open(&client);
	set_results(0, E_QUOTA);
	two_recipients(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "452 4.2.2");
	set_results(0, E_NOT_FOUND);
	two_recipients(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "451 4.3.0");
	set_results(0, 0);
	two_recipients(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "250 2.0.0");
	two_recipients(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "250 2.0.0");
	client_close(&client);
	assert_int_equal(deliveries(), 4);
	for (size_t target = 0; target < 2; target++) {
		assert_true(same_ids(0, 1, target));
		assert_true(same_ids(0, 2, target));
		assert_false(same_ids(0, 3, target)); /* after a 250 it is another message */
	}
	assert_int_not_equal(memcmp(world.deliveries[0].ids[0], world.deliveries[0].ids[1], ID_SIZE),
	                     0);
	/* trace headers name a recipient only when there is one */
	assert_int_equal(str_find(buf_str(&world.deliveries[0].message), STR("for <")), -1);
	finish();
}

/* The sender hangs up before the answer. The message is delivered all the same, and once. */
static void sender_hangs_up(void **state)
{
	struct client client;

	(void)state;
	start("", true);
	client_open(&client);
	set_hold(true);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	wait_deliveries(1);
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
	           sizeof(struct linger));
	client_close(&client); /* with a reset */
	usleep(50000);
	loop_post(world.core_loop, release_held, NULL);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "250 2.0.0");
	client_close(&client);
	assert_int_equal(deliveries(), 2);
	assert_true(same_ids(0, 1, 0));
	finish();
}

static void store_is_away(void **state)
{
	struct client client;

	(void)state;
	start("smtp_core_wait = 200ms\n", false);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	hear(&client, "451 4.3.0");
	say(&client, "NOOP\r\n");
	hear(&client, "250 2.0.0");
	client_close(&client);
	finish();
}

/* On the thread of the cores. */
static void end_directory(void *ctx)
{
	(void)ctx;
	link_server_free(world.directory);
	world.directory = NULL;
}

static void end_store(void *ctx)
{
	(void)ctx;
	link_server_free(world.store);
	world.store = NULL;
	pthread_mutex_lock(&world.lock);
	world.held_count = 0; /* they went with it */
	world.hold = false;
	pthread_mutex_unlock(&world.lock);
}

static void begin_store(void *ctx)
{
	(void)ctx;
	world.store = core_new("store", deliver);
}

/* A transaction waits once, however many recipients come one after the other; nothing in it is refused
 * for good, and the next one waits again. */
static void directory_is_away(void **state)
{
	enum { RECIPIENTS = 30, WAIT_MS = 300 };
	struct client client;
	struct buf commands BUF_AUTO;

	(void)state;
	buf_init(&commands, 10000);
	buf_add_text(&commands, "MAIL FROM:<sender@client.test>\r\n");
	for (int i = 0; i < RECIPIENTS; i++)
		buf_addf(&commands, "RCPT TO:<user%d.x%d@example.test>\r\n", i % 10, i);
	buf_add(&commands, "DATA\r\n", sizeof("DATA\r\n"));
	start("smtp_core_wait = 300ms\n", true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	say(&client, "RSET\r\n");
	hear(&client, "250");
	loop_post(world.core_loop, end_directory, NULL);
	for (int round = 0; round < 2; round++) {
		int64_t begun = clock_monotonic_ms();

		say(&client, commands.ptr);
		hear(&client, "250 2.1.0");
		for (int i = 0; i < RECIPIENTS; i++)
			hear(&client, "451 4.3.0");
		hear(&client, "451 4.3.0");
		assert_true(clock_monotonic_ms() - begun >= WAIT_MS);
		assert_true(clock_monotonic_ms() - begun < RECIPIENTS * WAIT_MS / 2);
		say(&client, "RSET\r\n");
		hear(&client, "250");
	}
	client_close(&client);
	finish();
}

/* The store goes with a message that it has whole, and does not come back. What its recipients waited
 * for the directory counts. */
static void store_goes(void **state)
{
	struct client client;
	int64_t begun;

	(void)state;
	start("smtp_core_wait = 300ms\n", true);
	set_hold(true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	wait_deliveries(1);
	begun = clock_monotonic_ms();
	loop_post(world.core_loop, end_store, NULL);
	hear(&client, "451 4.3.0");
	assert_true(clock_monotonic_ms() - begun < REPLY_MS / 2);
	client_close(&client);
	finish();
}

/* ... and comes back in time: the message is asked about again under the id that it had. */
static void store_comes_back(void **state)
{
	struct client client;

	(void)state;
	start("smtp_core_wait = 1m\n", true);
	set_hold(true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "Subject: a\r\n\r\nb\r\n.\r\n");
	wait_deliveries(1);
	loop_post(world.core_loop, end_store, NULL);
	loop_post(world.core_loop, begin_store, NULL);
	hear(&client, "250 2.0.0");
	assert_int_equal(deliveries(), 2);
	assert_memory_equal(world.deliveries[0].ids[0], world.deliveries[1].ids[0], ID_SIZE);
	assert_true(
		str_eq(buf_str(&world.deliveries[0].message), buf_str(&world.deliveries[1].message)));
	client_close(&client);
	finish();
}

static void limits(void **state)
{
	struct client client;
	char line[100];

	(void)state;
	start("recipients_max = 3\nsmtp_errors_max = 4\n", true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	for (int i = 2; i < 6; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<user%d@example.test>\r\n", i);
		say(&client, line);
		hear(&client, i < 4 ? "250 2.1.5" : "452 4.5.3");
	}
	for (int i = 0; i < 5; i++) {
		say(&client, "NONSENSE\r\n");
		hear(&client, "500 5.5.1");
	}
	hear(&client, "421 4.7.0");
	hear_end(&client);
	client_close(&client);
	client_open(&client);
	say(&client, "GET / HTTP/1.1\r\n");
	hear(&client, "421 4.7.0");
	hear_end(&client);
	client_close(&client);
	client_open(&client);
	for (int i = 0; i < 3000; i++)
		say(&client, "x");
	say(&client, "\r\nNOOP\r\n");
	hear(&client, "500 5.5.2");
	hear(&client, "250 2.0.0");
	client_close(&client);
	finish();
}

/* Five messages of 600 KB in a budget of 1 MB: some wait, all are delivered. */
static void memory_budget(void **state)
{
	enum { CLIENTS = 5 };
	struct client clients[CLIENTS];
	struct buf message BUF_AUTO;

	(void)state;
	start("smtp_memory_total = 1M\nmessage_size_max = 2M\n", true);
	fill_message(&message, 600 * 1024);
	set_hold(true);
	for (int i = 0; i < CLIENTS; i++) {
		client_open(&clients[i]);
		envelope(&clients[i], "user1@example.test");
		say(&clients[i], "DATA\r\n");
	}
	for (int i = 0; i < CLIENTS; i++)
		hear(&clients[i], "354");
	for (int i = 0; i < CLIENTS; i++)
		fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
	{
		size_t sent[CLIENTS] = {0};
		size_t done = 0;
		bool released = false;

		buf_add_text(&message, ".\r\n");
		for (int rounds = 0; done < CLIENTS && rounds < REPLY_MS; rounds++) {
			bool moved = false;

			for (int i = 0; i < CLIENTS; i++) {
				ssize_t n = send(clients[i].fd, message.ptr + sent[i], message.len - sent[i],
				                 MSG_NOSIGNAL);

				if (n <= 0)
					continue;
				moved = true;
				sent[i] += (size_t)n;
				done += sent[i] == message.len;
			}
			if (!moved && !released && deliveries() > 0) {
				assert_true(deliveries() <= 2); /* the total and one message */
				released = true;
				loop_post(world.core_loop, release_held, NULL);
			}
			if (!moved)
				usleep(1000);
		}
		assert_int_equal(done, CLIENTS);
		if (!released)
			loop_post(world.core_loop, release_held, NULL);
	}
	for (int i = 0; i < CLIENTS; i++) {
		hear(&clients[i], "250 2.0.0");
		client_close(&clients[i]);
	}
	assert_int_equal(deliveries(), CLIENTS);
	finish();
}

/* One, then what it has caused, then the next. */
static void pass_seconds(void *ctx)
{
	loop_advance(world.front_loop, 1000);
	pthread_mutex_lock(&world.lock);
	bool more = --world.seconds > 0;
	pthread_mutex_unlock(&world.lock);
	if (more)
		loop_post(world.front_loop, pass_seconds, ctx);
}

/* Lets the front's held time pass, one second after the other. */
static void pass(int seconds)
{
	pthread_mutex_lock(&world.lock);
	world.seconds = seconds;
	pthread_mutex_unlock(&world.lock);
	loop_post(world.front_loop, pass_seconds, NULL);
	for (bool over = false; !over; usleep(1000)) {
		pthread_mutex_lock(&world.lock);
		over = world.seconds == 0;
		pthread_mutex_unlock(&world.lock);
	}
}

/* Who takes memory and sends nothing is found out, however long he waited between MAIL and DATA. */
static void memory_is_looked_after(void **state)
{
	struct client client;

	(void)state;
	world.hold_time = true;
	start("", true);
	client_open(&client);
	envelope(&client, "user1@example.test");
	pass(5);
	say(&client, "DATA\r\n");
	hear(&client, "354");
	say(&client, "x");
	pass(59);
	assert_false(readable(&client, 0));
	for (int i = 0; i < 62 && !readable(&client, 0); i++)
		pass(1);
	hear(&client, "421");
	hear_end(&client);
	client_close(&client);
	/* Its end takes time, too. */
	loop_post(world.front_loop, front_rig_stop, &world.role);
	world.stopping = true;
	world.seconds = 30;
	loop_post(world.front_loop, pass_seconds, NULL);
	finish();
}

static void timeouts(void **state)
{
	struct client client;

	(void)state;
	start("smtp_timeout = 1s\n", true);
	client_open(&client);
	hear(&client, "421 4.4.2");
	hear_end(&client);
	client_close(&client);
	client_open(&client);
	envelope(&client, "user1@example.test");
	data(&client, "half a mess");
	hear(&client, "421 4.4.2");
	hear_end(&client);
	client_close(&client);
	assert_int_equal(deliveries(), 0);
	finish();
}

/* A command has its deadline from the last answer on, however its bytes are spread; also one that is
 * too long to be one. */
static void slow_commands(void **state)
{
	static const char *const pieces[] = {"N", "0123456789012345678901234567890123456789"};

	(void)state;
	start("smtp_timeout = 1s\n", true);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct client client;
		int ms = i == 0 ? 100 : 10, rounds = 0;

		client_open(&client);
		do {
			say(&client, pieces[i]);
		} while (!readable(&client, ms) && ++rounds * ms < REPLY_MS);
		hear(&client, "421 4.4.2");
		client_close(&client);
	}
	finish();
}

/* The service stops: who is idle is told, who waits for an answer gets it first. */
static void stopping(void **state)
{
	struct client idle, busy;

	(void)state;
	start("", true);
	client_open(&idle);
	client_open(&busy);
	set_hold(true);
	envelope(&busy, "user1@example.test");
	data(&busy, "Subject: a\r\n\r\nb\r\n.\r\n");
	wait_deliveries(1);
	world.stopping = true;
	loop_post(world.front_loop, front_rig_stop, &world.role);
	hear(&idle, "421 4.3.2");
	hear_end(&idle);
	assert_false(readable(&busy, 50));
	loop_post(world.core_loop, release_held, NULL);
	hear(&busy, "250 2.0.0");
	hear(&busy, "421 4.3.2");
	hear_end(&busy);
	client_close(&idle);
	client_close(&busy);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_message),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(smuggling),
		cmocka_unit_test(too_large),
		cmocka_unit_test(loop_is_broken),
		cmocka_unit_test(endless),
		cmocka_unit_test(partial_failure),
		cmocka_unit_test(sender_hangs_up),
		cmocka_unit_test(store_is_away),
		cmocka_unit_test(directory_is_away),
		cmocka_unit_test(store_goes),
		cmocka_unit_test(store_comes_back),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory_budget),
		cmocka_unit_test(memory_is_looked_after),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(slow_commands),
		cmocka_unit_test(stopping),
	};

	if (crypto_init(NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("smtp front", tests, NULL, NULL);
}
