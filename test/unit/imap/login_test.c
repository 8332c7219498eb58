/*
 * What a client reads when its login fails, for each error that a directory or a store can answer with:
 * the sentence of the table in respond.c, never one of a core, which may speak of files and rows. The
 * front runs in a thread, with a directory and a store in its loop that answer what the name asks for.
 */

#include "imap/imap.h"

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
#include "imap/respond.h"
#include "net/link.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

#include "../front/front_rig.h"

enum { ANSWER_S = 30, LINE_MAX_SIZE = 500, ERRORS = -E_LAST };

static const char internal[] = "sqlite: /var/lib/postkasse/mailboxes/35/353a.sqlite: row 7";

/* ---------------------------------------------------------------- the cores */

/* The names: "directory-3" is refused by the directory with error -3, "store-3" by the store. */
static void answer_login(struct link_inbound *request)
{
	ProtobufCMessage *message = link_unpack(&pk__login_request__descriptor,
	                                        link_inbound_body(request), WIRE_ITEMS_MESSAGES);
	const char *name = ((Pk__LoginRequest *)message)->address;
	Pk__LoginReply reply = PK__LOGIN_REPLY__INIT;
	uint8_t bytes[32] = {1};
	if (str_starts(str_from(name), STR("directory-"))) {
		link_reply_error(request, -(int)strtol(name + strlen("directory-"), NULL, 10), internal);
	} else {
		reply.mailbox = (char *)name;
		reply.mailbox_secret = (ProtobufCBinaryData){sizeof(bytes), bytes};
		reply.key_record = (ProtobufCBinaryData){sizeof(bytes), bytes};
		reply.public_key = (ProtobufCBinaryData){sizeof(bytes), bytes};
		link_reply(request, &reply.base);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void directory_asked(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	Pk__SessionCheckReply nothing = PK__SESSION_CHECK_REPLY__INIT;
	Pk__KeyRecordReply record = PK__KEY_RECORD_REPLY__INIT;
	uint8_t bytes[32] = {1};
	record.key_record = (ProtobufCBinaryData){sizeof(bytes), bytes};
	switch (link_inbound_method(request)) {
	case PK__DIRECTORY_METHOD__DIRECTORY_LOGIN:
		answer_login(request);
		break;
	case PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD:
		link_reply(request, &record.base);
		break;
	default:
		link_reply(request, &nothing.base);
	}
}

static void store_asked(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	ProtobufCMessage *message = link_unpack(&pk__open_request__descriptor,
	                                        link_inbound_body(request), WIRE_ITEMS_MESSAGES);
	const char *name = ((Pk__OpenRequest *)message)->mailbox;
	int error = str_starts(str_from(name), STR("store-"))
	                ? -(int)strtol(name + strlen("store-"), NULL, 10)
	                : 0;
	if (error == 0)
		link_reply(request, NULL); /* no session in it */
	else
		link_reply_error(request, error, internal);
	protobuf_c_message_free_unpacked(message, NULL);
}

static struct front_rig rig = {
	.name = "imap",
	.run = imap_run,
	.config = "auth_without_tls = yes\nimap_core_wait = 100ms\n",
	.log_level = LOG_LEVEL_ERROR,
	.directory_asked = directory_asked,
	.store_asked = store_asked,
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

static int log_in(const char *name)
{
	int fd = front_rig_connect(rig.port, ANSWER_S);
	dprintf(fd, "a LOGIN %s secret\r\n", name);
	return fd;
}

/* The tagged line, without its end; nothing of a core is in it or before it. */
static void read_answer(int fd, char ret[LINE_MAX_SIZE])
{
	char text[4000] = "";
	size_t len = 0;
	char *line;
	while ((line = strstr(text, "\r\na ")) == NULL || strstr(line + 2, "\r\n") == NULL) {
		ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		assert_true(got > 0);
		len += (size_t)got;
		text[len] = '\0';
	}
	assert_null(strstr(text, "sqlite"));
	assert_null(strstr(text, "row 7"));
	snprintf(ret, LINE_MAX_SIZE, "%.*s", (int)strcspn(line + 2, "\r"), line + 2);
	close(fd);
}

static void expect(int error, char ret[LINE_MAX_SIZE])
{
	const struct imap_response *response = imap_response_for(error, IMAP_FAILED_LOGIN);
	assert_non_null(response->text);
	snprintf(ret, LINE_MAX_SIZE, "a %s %s%s%s%s", imap_status_name(response->status),
	         response->code == NULL ? "" : "[", response->code == NULL ? "" : response->code,
	         response->code == NULL ? "" : "] ", response->text);
}

/* All at once: wrong logins are answered late. */
static void log_in_with_each(const char *core, int fds[ERRORS + 1])
{
	char name[40];
	for (int i = 1; i <= ERRORS; i++) {
		snprintf(name, sizeof(name), "%s-%d", core, i);
		fds[i] = log_in(name);
	}
}

static void directory_refuses(void **state)
{
	int fds[ERRORS + 1];
	char line[LINE_MAX_SIZE], want[LINE_MAX_SIZE];
	(void)state;
	log_in_with_each("directory", fds);
	for (int i = 1; i <= ERRORS; i++) {
		read_answer(fds[i], line);
		expect(-i, want);
		assert_string_equal(line, want);
	}
}

/* What may pass is tried again, and then the store is unavailable; a key record that the store finds
 * stale and the directory does not is a damaged mailbox. */
static int seen_as(int error)
{
	if (error == E_UNAVAILABLE || error == E_TIMEOUT || error == E_BUSY || error == E_CANCELLED)
		return E_UNAVAILABLE;
	return error == E_STALE ? E_CORRUPT : error;
}

static void store_refuses(void **state)
{
	int fds[ERRORS + 1];
	char line[LINE_MAX_SIZE], want[LINE_MAX_SIZE];
	(void)state;
	log_in_with_each("store", fds);
	for (int i = 1; i <= ERRORS; i++) {
		read_answer(fds[i], line);
		expect(seen_as(-i), want);
		assert_string_equal(line, want);
	}
}

/* Replies that make no sense, and a name with which there is no mailbox at all. */
static void nonsense(void **state)
{
	char line[LINE_MAX_SIZE], want[LINE_MAX_SIZE];
	(void)state;
	expect(E_INTERNAL, want);
	read_answer(log_in("no-session"), line);
	assert_string_equal(line, want);
	read_answer(log_in("a-name-that-is-longer-than-a-mailbox-id-may-be"), line);
	assert_string_equal(line, want);
}

/* Every error has a line of its own in the table but the one that no reply may carry. */
static void table(void **state)
{
	const struct imap_response *other = imap_response_for(E_INTERNAL, IMAP_FAILED_LOGIN);
	(void)state;
	for (int i = 1; i <= ERRORS; i++) {
		assert_false(imap_response_may_say(-i, IMAP_FAILED_LOGIN));
		assert_int_equal(imap_response_for(-i, IMAP_FAILED_LOGIN) == other,
		                 -i == E_INTERNAL || -i == E_AGAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directory_refuses),
		cmocka_unit_test(store_refuses),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(table),
	};
	return cmocka_run_group_tests(tests, start, finish);
}
