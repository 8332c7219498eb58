#include "net/core_server.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "directory.pb-c.h"
#include "store.pb-c.h"

/*
 * A core of a few lines, which is what a new one costs: it echoes a mailbox's name, to who may ask.
 */

enum { METHOD_ECHO = 7, METHOD_KEEP = 8, METHOD_FEW = 9, METHOD_LONG = 10 };
enum { HELD_MAX = 4, MB = 1024 * 1024 };

struct echo {
	bool stopping;
	unsigned served, peers;
	struct link_inbound *held[HELD_MAX]; /* long ones, which are answered when the test says so */
	size_t held_count;
};

static const char *check_echo(struct str body)
{
	return str_eq(str_slice(body, 2, 2), STR("no")) ? "not this one" : NULL;
}

static const struct core_method echo_method = {
	.number = METHOD_ECHO,
	.name = "echo",
	.roles = ROLE_MAIL | ROLE_QUEUE,
	.request = &pk__mailbox_request__descriptor,
	.check = check_echo,
};

static const struct core_method keep_method = {
	.number = METHOD_KEEP,
	.name = "keep",
	.roles = ROLE_IMAP,
	.upload = true,
	.request = &pk__mailbox_request__descriptor,
};

static const struct core_method few_method = {
	.number = METHOD_FEW,
	.name = "few",
	.roles = ROLE_IMAP,
	.request = &pk__mailbox_list_request__descriptor,
	.items_max = 1,
};

static const struct core_method long_method = {
	.number = METHOD_LONG,
	.name = "long",
	.roles = ROLE_MAIL,
	.request = &pk__mailbox_request__descriptor,
	.aside = true,
	.check = check_echo,
};

static const struct core_method *const methods[] = {&echo_method, &keep_method, &few_method,
                                                    &long_method};

static const char *refuse(void *ctx, const struct core_method *method,
                          const struct link_inbound *inbound, int *ret_error)
{
	const struct echo *echo = ctx;
	(void)method;
	(void)inbound;
	*ret_error = E_UNAVAILABLE;
	return echo->stopping ? "the echo is stopping" : NULL;
}

static void serve(void *ctx, const struct core_method *method, struct link_inbound *inbound,
                  ProtobufCMessage *message)
{
	struct echo *echo = ctx;
	(void)method;
	echo->served++;
	if (message == NULL) {
		assert_true(echo->held_count < HELD_MAX);
		echo->held[echo->held_count++] = inbound;
		return;
	}
	link_reply(inbound, message);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void peer_up(void *ctx, struct link_peer *peer)
{
	struct echo *echo = ctx;
	(void)peer;
	echo->peers++;
}

static void peer_down(void *ctx, struct link_peer *peer)
{
	struct echo *echo = ctx;
	(void)peer;
	echo->peers--;
}

static const struct core echo_core = {
	.role = "echo",
	.methods = methods,
	.method_count = ARRAY_LEN(methods),
	.refuse = refuse,
	.request = serve,
	.peer_up = peer_up,
	.peer_down = peer_down,
};

/* ---------------------------------------------------------------- around it */

struct rig {
	struct loop *loop;
	struct echo echo;
	struct core_server *server;
	struct link *link;
	struct errinfo info;
};

static struct link *connect_as(struct rig *rig, const char *role)
{
	static const struct link_handlers handlers = {0};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	link_server_add_fd(core_server_link(rig->server), pair[1], NULL);
	return link_new_fd(rig->loop, NULL, pair[0], role, &handlers);
}

static int set_up(void **state)
{
	static const struct link_allowed allowed[] = {
		{"imap", LINK_ANY_UID}, {"smtp", LINK_ANY_UID}, {"queue", LINK_ANY_UID}};
	struct link_server_options options = {.allowed = allowed, .allowed_count = ARRAY_LEN(allowed)};
	struct rig *rig = mem_new(sizeof(*rig));
	rig->loop = loop_new();
	rig->server = core_server_new(rig->loop, NULL, &options, &echo_core, &rig->echo);
	rig->link = connect_as(rig, "imap");
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	link_free(rig->link);
	core_server_free(rig->server);
	assert_int_equal(rig->echo.peers, 0);
	loop_free(rig->loop);
	free(rig);
	return 0;
}

static struct link *connect_from(struct rig *rig, const char *role, uint32_t process)
{
	static const struct link_handlers handlers = {0};
	const struct link_origin origin = {role, process};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	link_server_add_fd(core_server_link(rig->server), pair[1], &origin);
	return link_new_fd(rig->loop, NULL, pair[0], role, &handlers);
}

static void take_error(void *ctx, int error, struct str text, struct str body)
{
	(void)text;
	(void)body;
	*(int *)ctx = error;
}

/* Until *error, 1 before, is set. */
static void run_until(struct rig *rig, int *error)
{
	for (int i = 0; i < 1000 && *error == 1; i++)
		loop_run_once(rig->loop, 10);
	assert_int_not_equal(*error, 1);
}

static void run_until_held(struct rig *rig, size_t count)
{
	for (int i = 0; i < 1000 && rig->echo.held_count < count; i++)
		loop_run_once(rig->loop, 10);
	assert_int_equal(rig->echo.held_count, count);
}

static int ask(struct rig *rig, struct link *link, uint32_t method, const ProtobufCMessage *body,
               const char *upload)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, 4096);
	return link_call_wait(
		link, rig->loop,
		&(struct link_request){.method = method, .body = body, .upload = str_from(upload)}, &reply,
		&rig->info);
}

static int ask_name(struct rig *rig, struct link *link, uint32_t method, const char *name,
                    const char *upload)
{
	Pk__MailboxRequest body = PK__MAILBOX_REQUEST__INIT;
	body.mailbox = (char *)(uintptr_t)name;
	return ask(rig, link, method, &body.base, upload);
}

static void what_is_asked_is_answered(void **state)
{
	struct rig *rig = *state;
	struct buf reply BUF_AUTO;
	buf_init(&reply, 4096);
	Pk__MailboxRequest body = PK__MAILBOX_REQUEST__INIT;
	body.mailbox = (char *)(uintptr_t) "yes";
	struct link_request request = {.method = METHOD_ECHO, .body = &body.base};
	assert_int_equal(link_call_wait(rig->link, rig->loop, &request, &reply, &rig->info), 0);
	assert_true(str_eq(str_from_byte(buf_str(&reply), 2), STR("yes")));
	assert_int_equal(rig->echo.peers, 1);
	assert_int_equal(ask_name(rig, rig->link, METHOD_KEEP, "yes", "a message"), 0);
	assert_int_equal(rig->echo.served, 2);
}

static void what_is_not_there_or_not_theirs(void **state)
{
	struct rig *rig = *state;
	assert_int_equal(ask_name(rig, rig->link, 99, "yes", ""), E_UNSUPPORTED);
	struct link *smtp = connect_as(rig, "smtp"), *queue = connect_as(rig, "queue");
	assert_int_equal(ask_name(rig, smtp, METHOD_ECHO, "yes", ""), E_DENIED);
	assert_string_equal(rig->info.text, "this method is not for this process");
	assert_int_equal(ask_name(rig, queue, METHOD_KEEP, "yes", ""), E_DENIED);
	assert_int_equal(rig->echo.served, 0);
	assert_int_equal(ask_name(rig, queue, METHOD_ECHO, "yes", ""), 0);
	link_free(smtp);
	link_free(queue);
}

static void what_the_method_does_not_want(void **state)
{
	struct rig *rig = *state;
	assert_int_equal(ask_name(rig, rig->link, METHOD_ECHO, "yes", "a message"), E_INVALID);
	assert_string_equal(rig->info.text, "an upload that does not belong here");
	assert_int_equal(ask_name(rig, rig->link, METHOD_ECHO, "no", ""), E_INVALID);
	assert_string_equal(rig->info.text, "not this one");
	rig->echo.stopping = true;
	assert_int_equal(ask_name(rig, rig->link, METHOD_ECHO, "yes", ""), E_UNAVAILABLE);
	assert_string_equal(rig->info.text, "the echo is stopping");
	/* Who may not ask is told nothing of the core. */
	assert_int_equal(ask_name(rig, rig->link, 99, "yes", ""), E_UNSUPPORTED);
	assert_int_equal(rig->echo.served, 0);
}

static void what_does_not_parse_or_is_too_much(void **state)
{
	struct rig *rig = *state;
	char *names[] = {(char *)(uintptr_t) "first", (char *)(uintptr_t) "second"};
	Pk__MailboxListRequest body = PK__MAILBOX_LIST_REQUEST__INIT;
	body.mailboxes = names;
	body.n_mailboxes = 1;
	assert_int_equal(ask(rig, rig->link, METHOD_FEW, &body.base, ""), 0);
	body.n_mailboxes = 2;
	assert_int_equal(ask(rig, rig->link, METHOD_FEW, &body.base, ""), E_INVALID);
	Pk__SessionRequest other = PK__SESSION_REQUEST__INIT;
	other.session = 5; /* a number where a name is expected */
	assert_int_equal(ask(rig, rig->link, METHOD_ECHO, &other.base, ""), E_INVALID);
	assert_int_equal(rig->echo.served, 1);
}

/* A mailbox's name of so many bytes. */
static void ask_long(struct link *link, uint32_t method, size_t len, int *ret_error)
{
	*ret_error = 1;
	char *name MEM_AUTO = mem_new(len + 1);
	memset(name, 'x', len);
	Pk__MailboxRequest body = PK__MAILBOX_REQUEST__INIT;
	body.mailbox = name;
	link_call(link,
	          &(struct link_request){
				  .method = method, .body = &body.base, .ctx = ret_error, .reply = take_error});
}

static void what_is_long(void **state)
{
	struct rig *rig = *state;
	struct errinfo info;
	ProtobufCMessage *message;
	int error = 1;
	/* Without leave to be long it is not, and with it the core gets it as it came. */
	ask_long(rig->link, METHOD_ECHO, CORE_BODY_MAX + 1, &error);
	run_until(rig, &error);
	assert_int_equal(error, E_TOO_LARGE);
	ask_long(rig->link, METHOD_LONG, 1000, &error);
	run_until(rig, &error);
	assert_int_equal(error, 0);
	assert_int_equal(rig->echo.held_count, 0);
	ask_long(rig->link, METHOD_LONG, 10 * MB, &error);
	run_until_held(rig, 1);
	assert_int_equal(core_unpack(&long_method, rig->echo.held[0], &message, &info), 0);
	assert_int_equal(strlen(((Pk__MailboxRequest *)message)->mailbox), 10 * MB);
	protobuf_c_message_free_unpacked(message, NULL);
	link_reply(rig->echo.held[0], NULL);
	run_until(rig, &error);
	assert_int_equal(error, 0);
}

/* Who holds much has no more than his share, which leaves one to others; with the reply it is free. */
static void what_is_unpacked_is_shared(void **state)
{
	struct rig *rig = *state;
	struct link *others[2];
	int errors[4], again = 1;
	for (int i = 0; i < 2; i++)
		others[i] = connect_from(rig, "imap", (uint32_t)i + 1);
	for (int i = 0; i < 4; i++) {
		ask_long(i < 2 ? rig->link : others[i - 2], METHOD_LONG, CORE_BODY_MIN + 1, &errors[i]);
		run_until_held(rig, (size_t)i + 1);
	}
	struct link_inbound **held = rig->echo.held;
	assert_int_equal(link_inbound_charge(held[0], 200 * MB, &rig->info), 0);
	assert_int_equal(link_inbound_charge(held[1], 56 * MB, &rig->info), 0);
	assert_int_equal(link_inbound_charge(held[1], 1, &rig->info), E_LIMIT);
	assert_int_equal(link_inbound_charge(held[2], 200 * MB, &rig->info), 0);
	assert_int_equal(link_inbound_charge(held[3], 100 * MB, &rig->info), E_LIMIT); /* of all */
	for (size_t i = 1; i < 4; i++)
		link_reply(held[i], NULL);
	rig->echo.held_count = 1;
	ask_long(rig->link, METHOD_LONG, CORE_BODY_MIN + 1, &again);
	run_until_held(rig, 2);
	assert_int_equal(link_inbound_charge(held[1], 56 * MB, &rig->info), 0);
	for (size_t i = 0; i < 2; i++)
		link_reply(held[i], NULL);
	run_until(rig, &again);
	link_free(others[0]);
	link_free(others[1]);
}

static void every_role_has_a_bit_of_its_own(void **state)
{
	static const char *const names[] = {"imap",    "pop3",  "smtp",  "submission", "web",
	                                    "courier", "queue", "store", "directory",  "cli"};
	unsigned all = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		unsigned bit = role_bit(names[i]);
		assert_true(bit != 0 && (bit & (bit - 1)) == 0);
		assert_int_equal(all & bit, 0);
		all |= bit;
	}
	assert_int_equal(role_bit("supervisor"), 0);
	assert_int_equal(role_bit(""), 0);
	assert_int_equal(ROLE_FRONT & (ROLE_STORE | ROLE_DIRECTORY | ROLE_QUEUE | ROLE_CLI), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_asked_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_there_or_not_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_method_does_not_want, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_parse_or_is_too_much, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_unpacked_is_shared, set_up, tear_down),
		cmocka_unit_test(every_role_has_a_bit_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
