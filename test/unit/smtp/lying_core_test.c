/*
 * A directory and a store that somebody has taken over, for each call of the front and each way to lie: who
 * sends mail gets a well-formed reply to each command, never a word of theirs as a line, never a bounce for an
 * answer that means nothing; and a client beside him goes on.
 */

#include "smtp/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "directory.pb-c.h"
#include "net/link.h"
#include "store.pb-c.h"

#include "../net/lies.h"
#include "../front/front_rig.h"

enum { ANSWER_S = 20, INPUT_MAX = 1024 * 1024 };

static struct {
	/* The present lie: of the directory, or of the store. */
	pthread_mutex_t lock;
	bool directory_lies, store_lies;
	enum lie lie;
	size_t told;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- the cores */

static void tell_lie(struct link_inbound *request, const ProtobufCMessageDescriptor *type,
                     enum lie lie)
{
	struct buf body;
	if (lie_error(lie) != 0) {
		link_reply_error(request, lie_error(lie), LIE_TEXT);
		return;
	}
	buf_init(&body, LIE_BODY_MAX);
	lie_body(&body, type, &pk__select_reply__descriptor, lie);
	link_reply_packed(request, &body);
	buf_done(&body);
}

/* Whether to lie now, and how. */
static bool lies(const bool *which, enum lie *ret)
{
	pthread_mutex_lock(&world.lock);
	bool now = *which;
	*ret = world.lie;
	world.told += now;
	pthread_mutex_unlock(&world.lock);
	return now;
}

static void resolve(void *ctx, struct link_inbound *request)
{
	static unsigned char key[32] = {1};
	enum lie lie;
	(void)ctx;
	if (lies(&world.directory_lies, &lie)) {
		tell_lie(request, &pk__resolve_reply__descriptor, lie);
		return;
	}
	Pk__ResolveReply reply = PK__RESOLVE_REPLY__INIT;
	reply.kind = PK__RESOLVE_REPLY__KIND__MAILBOX;
	reply.mailbox = (char *)(uintptr_t) "353a353a353a353a353a353a";
	reply.public_key = (ProtobufCBinaryData){sizeof(key), key};
	link_reply(request, &reply.base);
}

static void deliver(void *ctx, struct link_inbound *request)
{
	enum lie lie;
	(void)ctx;
	if (lies(&world.store_lies, &lie)) {
		tell_lie(request, &pk__deliver_reply__descriptor, lie);
		return;
	}
	Pk__DeliverReply__Result result = PK__DELIVER_REPLY__RESULT__INIT, *results[] = {&result};
	Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;
	reply.results = results;
	reply.n_results = 1;
	link_reply(request, &reply.base);
}

static struct front_rig rig = {
	.name = "smtp",
	.run = smtp_run,
	.config = "hostname = mx.example.test\nsmtp_core_wait = 100ms\n",
	.log_level = LOG_LEVEL_ERROR + 1,
	.directory_asked = resolve,
	.store_asked = deliver,
};

static int start(void **state)
{
	(void)state;
	return front_rig_start(&rig);
}

static int finish(void **state)
{
	(void)state;
	return front_rig_finish(&rig);
}

/* ---------------------------------------------------------------- clients */

struct client {
	int fd;
	char where[80];
	struct buf in;
};

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The code of the next reply, all of whose lines are the front's own. */
static int reply(struct client *client)
{
	for (;;) {
		ptrdiff_t end;
		while ((end = str_find(buf_str(&client->in), STR("\r\n"))) < 0) {
			char bytes[4096];
			ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
			if (got <= 0)
				fail_msg("%s: no reply", client->where);
			buf_add(&client->in, bytes, (size_t)got);
		}
		struct str line = str_slice(buf_str(&client->in), 0, (size_t)end);
		if (line.len < 4 || !digit(line.ptr[0]) || !digit(line.ptr[1]) || !digit(line.ptr[2]) ||
		    (line.ptr[3] != ' ' && line.ptr[3] != '-') || str_find(line, STR(LIE_MARK)) >= 0 ||
		    str_find_byte(line, '\r') >= 0 || str_find_byte(line, '\n') >= 0)
			fail_msg("%s: a strange line: %.*s", client->where, STR_ARG(line));
		int code = (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
		bool last = line.ptr[3] == ' ';
		buf_consume(&client->in, (size_t)end + 2);
		if (last)
			return code;
	}
}

static int command(struct client *client, const char *text)
{
	assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return reply(client);
}

static void client_open(struct client *client, const char *where)
{
	*client = (struct client){0};
	snprintf(client->where, sizeof(client->where), "%s", where);
	client->fd = front_rig_connect(rig.port, ANSWER_S);
	buf_init(&client->in, INPUT_MAX);
	assert_int_equal(reply(client), 220);
	assert_int_equal(command(client, "EHLO client.example.org\r\n"), 250);
}

static void client_close(struct client *client)
{
	close(client->fd);
	buf_done(&client->in);
}

static void set_lie(bool directory, bool store, enum lie lie)
{
	pthread_mutex_lock(&world.lock);
	world.directory_lies = directory;
	world.store_lies = store;
	world.lie = lie;
	world.told = 0;
	pthread_mutex_unlock(&world.lock);
}

static size_t times_told(void)
{
	pthread_mutex_lock(&world.lock);
	size_t told = world.told;
	pthread_mutex_unlock(&world.lock);
	return told;
}

/* Means nothing, whatever was asked: the sender is to come again. */
static bool is_nonsense(enum lie lie)
{
	return lie == LIE_CUT || lie == LIE_GARBAGE || lie_error(lie) != 0;
}

/* The reply to RCPT, or to the message; the one that the lie was about. */
static int send_mail(const char *where, bool directory)
{
	struct client client;
	client_open(&client, where);
	assert_int_equal(command(&client, "MAIL FROM:<sender@example.org>\r\n"), 250);
	int code = command(&client, "RCPT TO:<hello@example.test>\r\n");
	if (!directory) {
		assert_int_equal(code, 250);
		assert_int_equal(command(&client, "DATA\r\n"), 354);
		code = command(&client, "Subject: hi\r\n\r\nthere\r\n.\r\n");
	} else if (code == 250 && command(&client, "DATA\r\n") == 354) {
		(void)command(&client, "Subject: hi\r\n\r\nthere\r\n.\r\n");
	}
	assert_int_equal(command(&client, "RSET\r\n"), 250);
	client_close(&client);
	return code;
}

static void nobody_is_lied_to(void **state)
{
	struct client beside;
	(void)state;
	set_lie(false, false, 0);
	client_open(&beside, "beside");
	for (int directory = 0; directory < 2; directory++) {
		for (enum lie lie = 0; lie < LIE_COUNT; lie++) {
			char where[80];
			if (lie == LIE_STREAM || lie == LIE_EVENTS)
				continue; /* there is no stream, and no event that this front listens to */
			snprintf(where, sizeof(where), "%s, lie %d", directory ? "directory" : "store", lie);
			set_lie(directory, !directory, lie);
			int code = send_mail(where, directory);
			if (times_told() == 0)
				fail_msg("%s: nobody asked", where);
			if (is_nonsense(lie) && code / 100 != 4)
				fail_msg("%s: %d", where, code);
			if (command(&beside, "NOOP\r\n") != 250)
				fail_msg("%s: the client beside is gone", where);
		}
	}
	/* And the truth gets through after all that. */
	set_lie(false, false, 0);
	assert_int_equal(send_mail("truth", false), 250);
	client_close(&beside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_is_lied_to, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
