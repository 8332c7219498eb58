/* Both ends of the link in one process and one loop, over a socketpair or a Unix socket in a temporary
 * folder: requests, streams, uploads, credit, cancellation, refusals. */

#include "net/link.h"

#include <errno.h>
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
#include "link.pb-c.h"

enum {
	ECHO = 1,   /* replies with the body */
	COUNT = 2,  /* streams the pieces that the body's bytes ask for */
	SUM = 3,    /* takes an upload, replies with its length and sum */
	REFUSE = 4, /* an error */
	KEEP = 5,   /* is answered later, or never */
	ASK = 6,    /* sends an event first */
	PATIENCE_MS = 5000,
};

struct core {
	struct loop *loop;
	struct link_server *server;
	struct link_inbound *kept[8];
	size_t kept_count;
	int requests, cancelled, credits, peers_up, peers_down;
	struct link_peer *peer;
	uint64_t stream_left, piece_size;
	struct link_inbound *stream;
	bool overdrawn;
};

struct front {
	struct link *link;
	int ups, downs, same, events;
	uint32_t event_method;
};

struct answer {
	bool done;
	int error;
	char text[200];
	struct buf body;
	uint64_t streamed, pieces, biggest;
	bool grant;
	bool cancel_first;
	struct link_call *call;
};

/* ---------------------------------------------------------------- the core of the test */

static void stream_on(struct core *core)
{
	bool room = true;
	while (room && core->stream_left > 0) {
		uint64_t len = core->stream_left < core->piece_size ? core->stream_left : core->piece_size;
		struct buf piece;
		buf_init(&piece, LINK_PIECE_MAX);
		memset(buf_reserve(&piece, len), 'x', len);
		piece.len = len;
		core->stream_left -= len;
		room = link_chunk(core->stream, &piece);
	}
	if (core->stream_left == 0 && core->stream != NULL) {
		struct link_inbound *request = core->stream;
		core->stream = NULL;
		link_reply(request, NULL);
	}
}

static void sum_upload(struct link_inbound *request)
{
	struct str upload = link_inbound_upload(request);
	uint64_t sum = 0;
	for (size_t i = 0; i < upload.len; i++)
		sum += (unsigned char)upload.ptr[i];
	struct buf body;
	buf_init(&body, 100);
	buf_addf(&body, "%zu %llu", upload.len, (unsigned long long)sum);
	link_reply_packed(request, &body);
}

static void on_request(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	struct str body = link_inbound_body(request);
	struct buf copy;
	uint64_t size = 0;
	core->requests++;
	core->peer = link_inbound_peer(request);
	switch (link_inbound_method(request)) {
	case ECHO:
		buf_init(&copy, LINK_MESSAGE_MAX);
		buf_add_str(&copy, body);
		link_reply_packed(request, &copy);
		break;
	case COUNT:
		memcpy(&size, body.ptr + 2, sizeof(size)); /* past the tag and length of Hello.instance */
		core->stream = request;
		core->stream_left = size;
		stream_on(core);
		break;
	case SUM:
		sum_upload(request);
		break;
	case REFUSE:
		link_reply_error(request, E_NOT_FOUND, "no such thing");
		break;
	case ASK: {
		Pk__Hello event = PK__HELLO__INIT;
		event.version = 7;
		link_event(link_inbound_peer(request), 99, &event.base);
		link_reply(request, &event.base);
		break;
	}
	default:
		assert_true(core->kept_count < ARRAY_LEN(core->kept));
		core->kept[core->kept_count++] = request;
	}
}

static void on_credit(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	core->credits++;
	assert_ptr_equal(request, core->stream);
	stream_on(core);
}

static void on_cancelled(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	core->cancelled++;
	if (request == core->stream) {
		core->stream = NULL;
		link_reply_error(request, E_CANCELLED, "gone");
	}
}

static void on_peer_up(void *ctx, struct link_peer *peer)
{
	struct core *core = ctx;
	core->peers_up++;
	core->peer = peer;
	assert_string_equal(link_peer_role(peer), "imap");
	link_peer_set_data(peer, core);
}

static void on_peer_down(void *ctx, struct link_peer *peer)
{
	struct core *core = ctx;
	core->peers_down++;
	assert_ptr_equal(link_peer_data(peer), core);
	core->peer = NULL;
}

static struct link_allowed allowed[] = {{"imap", LINK_ANY_UID}, {"smtp", LINK_ANY_UID}};

static struct link_server *make_server(struct core *core, const struct link_server_options *wanted)
{
	struct link_server_options options = {.role = "store", .allowed = allowed, .allowed_count = 2};
	if (wanted != NULL)
		options = *wanted;
	const struct link_server_handlers handlers = {
		.ctx = core,
		.request = on_request,
		.credit = on_credit,
		.cancelled = on_cancelled,
		.peer_up = on_peer_up,
		.peer_down = on_peer_down,
	};
	return link_server_new(core->loop, NULL, &options, &handlers);
}

static void core_init(struct core *core, const struct link_server_options *options)
{
	memset(core, 0, sizeof(*core));
	core->loop = loop_new();
	core->piece_size = 10000;
	core->server = make_server(core, options);
}

static void core_done(struct core *core)
{
	link_server_free(core->server);
	loop_free(core->loop);
}

/* ---------------------------------------------------------------- the front of the test */

static void on_event(void *ctx, uint32_t method, struct str body)
{
	struct front *front = ctx;
	front->events++;
	front->event_method = method;
	Pk__Hello *hello = (Pk__Hello *)link_unpack(&pk__hello__descriptor, body);
	assert_non_null(hello);
	assert_int_equal(hello->version, 7);
	protobuf_c_message_free_unpacked(&hello->base, NULL);
}

static void on_state(void *ctx, bool connected, bool same)
{
	struct front *front = ctx;
	front->ups += connected;
	front->downs += !connected;
	front->same += same;
}

static struct link_handlers front_handlers(struct front *front)
{
	memset(front, 0, sizeof(*front));
	return (struct link_handlers){.ctx = front, .event = on_event, .state = on_state};
}

static void front_init(struct front *front, struct core *core)
{
	int fds[2];
	const struct link_handlers handlers = front_handlers(front);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(core->server, fds[0]);
	front->link = link_new_fd(core->loop, NULL, fds[1], "imap", &handlers);
}

static void on_chunk(void *ctx, struct link_call *call, struct str body)
{
	struct answer *answer = ctx;
	answer->streamed += body.len;
	answer->pieces++;
	if (body.len > answer->biggest)
		answer->biggest = body.len;
	if (answer->cancel_first)
		link_call_cancel(call);
	else if (answer->grant)
		link_call_grant(call, body.len);
}

static void on_reply(void *ctx, int error, struct str text, struct str body)
{
	struct answer *answer = ctx;
	assert_false(answer->done);
	answer->done = true;
	answer->error = error;
	snprintf(answer->text, sizeof(answer->text), "%.*s", STR_ARG(text));
	buf_init(&answer->body, LINK_MESSAGE_MAX);
	buf_add_str(&answer->body, body);
}

static void wait_for(struct loop *loop, const bool *done)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (!*done && clock_monotonic_ms() < until)
		loop_run_once(loop, 50);
	assert_true(*done);
}

#define wait_until(loop, condition)                           \
	do {                                                      \
		int64_t until_ = clock_monotonic_ms() + PATIENCE_MS;  \
		while (!(condition) && clock_monotonic_ms() < until_) \
			loop_run_once(loop, 20);                          \
		assert_true(condition);                               \
	} while (0)

/* A request whose body is a pk.Hello with this text as its host. */
static struct link_call *ask(struct link *link, uint32_t method, const char *host,
                             enum link_kind kind, struct answer *answer)
{
	Pk__Hello body = PK__HELLO__INIT;
	body.host = (char *)host;
	const struct link_request request = {
		.method = method,
		.body = &body.base,
		.kind = kind,
		.ctx = answer,
		.reply = on_reply,
	};
	return link_call(link, &request);
}

static void echo_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer answers[50] = {{0}};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		ask(front.link, ECHO, "hello", LINK_ONCE, &answers[i]);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		wait_for(core.loop, &answers[i].done);
		assert_int_equal(answers[i].error, 0);
		Pk__Hello *hello = (Pk__Hello *)link_unpack(&pk__hello__descriptor,
		                                            buf_str(&answers[i].body));
		assert_string_equal(hello->host, "hello");
		protobuf_c_message_free_unpacked(&hello->base, NULL);
		buf_done(&answers[i].body);
	}
	assert_int_equal(core.requests, 50);
	assert_true(link_connected(front.link));
	assert_int_equal(front.ups, 1);
	struct answer refused = {0};
	ask(front.link, REFUSE, "", LINK_ONCE, &refused);
	wait_for(core.loop, &refused.done);
	assert_int_equal(refused.error, E_NOT_FOUND);
	assert_string_equal(refused.text, "no such thing");
	buf_done(&refused.body);
	struct answer event = {0};
	ask(front.link, ASK, "", LINK_ONCE, &event);
	wait_for(core.loop, &event.done);
	assert_int_equal(front.events, 1);
	assert_int_equal(front.event_method, 99);
	buf_done(&event.body);
	link_free(front.link);
	wait_until(core.loop, core.peers_down == 1);
	core_done(&core);
}

static struct link_call *ask_stream(struct link *link, uint64_t size, uint64_t credit,
                                    struct answer *answer)
{
	Pk__Hello hello = PK__HELLO__INIT;
	hello.instance.data = (uint8_t *)&size;
	hello.instance.len = sizeof(size);
	const struct link_request request = {
		.method = COUNT,
		.body = &hello.base,
		.credit = credit,
		.ctx = answer,
		.chunk = on_chunk,
		.reply = on_reply,
	};
	return link_call(link, &request);
}

static void stream_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	/* All at once, within the credit. */
	struct answer whole = {0};
	ask_stream(front.link, 100000, 200000, &whole);
	wait_for(core.loop, &whole.done);
	assert_int_equal(whole.error, 0);
	assert_int_equal(whole.streamed, 100000);
	assert_int_equal(whole.pieces, 10);
	assert_int_equal(core.credits, 0);
	/* Credit for 25,000: three pieces of 10,000, the last overdrawing; then nothing. */
	struct answer stuck = {0};
	struct link_call *call = ask_stream(front.link, 100000, 25000, &stuck);
	wait_until(core.loop, stuck.pieces == 3);
	for (int i = 0; i < 20; i++)
		loop_run_once(core.loop, 2);
	assert_int_equal(stuck.streamed, 30000);
	/* 5,000 pays what was overdrawn and no more; one byte more lets one piece through. */
	link_call_grant(call, 5000);
	for (int i = 0; i < 20; i++)
		loop_run_once(core.loop, 2);
	assert_int_equal(stuck.streamed, 30000);
	link_call_grant(call, 1);
	wait_until(core.loop, stuck.streamed == 40000);
	assert_int_equal(core.credits, 1);
	stuck.grant = true;
	link_call_grant(call, 20000);
	wait_for(core.loop, &stuck.done);
	assert_int_equal(stuck.streamed, 100000);
	/* Cancelled at the first piece. */
	struct answer cut = {.cancel_first = true};
	ask_stream(front.link, 1000000, 5000, &cut);
	wait_until(core.loop, core.cancelled == 1);
	assert_false(cut.done);
	assert_int_equal(cut.pieces, 1);
	buf_done(&whole.body);
	buf_done(&stuck.body);
	link_free(front.link);
	core_done(&core);
}

static void upload_test(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, LINK_UPLOAD_FIRST, LINK_UPLOAD_FIRST + 1, 300000, 5000000};
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer answers[ARRAY_LEN(sizes)] = {{0}};
	char *bytes = mem_new(5000000);
	memset(bytes, 1, 5000000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const struct link_request request = {
			.method = SUM,
			.kind = i % 2 == 0 ? LINK_ONCE : LINK_IDEMPOTENT,
			.upload = STR_OF(bytes, sizes[i]),
			.ctx = &answers[i],
			.reply = on_reply,
		};
		link_call(front.link, &request);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char expected[64];
		wait_for(core.loop, &answers[i].done);
		snprintf(expected, sizeof(expected), "%zu %zu", sizes[i], sizes[i]);
		assert_true(str_eq(buf_str(&answers[i].body), str_from(expected)));
		buf_done(&answers[i].body);
	}
	free(bytes);
	link_free(front.link);
	core_done(&core);
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_test),
		cmocka_unit_test(stream_test),
		cmocka_unit_test(upload_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
