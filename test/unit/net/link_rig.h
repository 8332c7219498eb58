#ifndef POSTKASSE_TEST_LINK_RIG_H
#define POSTKASSE_TEST_LINK_RIG_H

/* A core and a front for tests of the link, in one loop. To be included after cmocka.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "link.pb-c.h"
#include "net/link.h"

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

static inline void stream_on(struct core *core)
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

static inline void sum_upload(struct link_inbound *request)
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

static inline void on_request(void *ctx, struct link_inbound *request)
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

static inline void on_credit(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	core->credits++;
	assert_ptr_equal(request, core->stream);
	stream_on(core);
}

static inline void on_cancelled(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	core->cancelled++;
	if (request == core->stream) {
		core->stream = NULL;
		link_reply_error(request, E_CANCELLED, "gone");
	}
}

static inline void on_peer_up(void *ctx, struct link_peer *peer)
{
	struct core *core = ctx;
	core->peers_up++;
	core->peer = peer;
	assert_string_equal(link_peer_role(peer), "imap");
	link_peer_set_data(peer, core);
}

static inline void on_peer_down(void *ctx, struct link_peer *peer)
{
	struct core *core = ctx;
	core->peers_down++;
	assert_ptr_equal(link_peer_data(peer), core);
	core->peer = NULL;
}

static struct link_allowed allowed[] = {{"imap", LINK_ANY_UID}, {"smtp", LINK_ANY_UID}};

static inline struct link_server *make_server(struct core *core,
                                              const struct link_server_options *wanted)
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

static inline void core_init(struct core *core, const struct link_server_options *options)
{
	memset(core, 0, sizeof(*core));
	core->loop = loop_new();
	core->piece_size = 10000;
	core->server = make_server(core, options);
}

static inline void core_done(struct core *core)
{
	link_server_free(core->server);
	loop_free(core->loop);
}

/* ---------------------------------------------------------------- the front of the test */

static inline void on_event(void *ctx, uint32_t method, struct str body)
{
	struct front *front = ctx;
	front->events++;
	front->event_method = method;
	Pk__Hello *hello = (Pk__Hello *)link_unpack(&pk__hello__descriptor, body, WIRE_ITEMS_FEW);
	assert_non_null(hello);
	assert_int_equal(hello->version, 7);
	protobuf_c_message_free_unpacked(&hello->base, NULL);
}

static inline void on_state(void *ctx, bool connected, bool same)
{
	struct front *front = ctx;
	front->ups += connected;
	front->downs += !connected;
	front->same += same;
}

static inline struct link_handlers front_handlers(struct front *front)
{
	memset(front, 0, sizeof(*front));
	return (struct link_handlers){.ctx = front, .event = on_event, .state = on_state};
}

static inline void front_init(struct front *front, struct core *core)
{
	int fds[2];
	const struct link_handlers handlers = front_handlers(front);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(core->server, fds[0], NULL);
	front->link = link_new_fd(core->loop, NULL, fds[1], "imap", &handlers);
}

static inline void on_chunk(void *ctx, struct link_call *call, struct str body)
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

static inline void on_reply(void *ctx, int error, struct str text, struct str body)
{
	struct answer *answer = ctx;
	assert_false(answer->done);
	answer->done = true;
	answer->error = error;
	snprintf(answer->text, sizeof(answer->text), "%.*s", STR_ARG(text));
	buf_init(&answer->body, LINK_MESSAGE_MAX);
	buf_add_str(&answer->body, body);
}

static inline void wait_for(struct loop *loop, const bool *done)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (!*done && clock_monotonic_ms() < until)
		loop_run_once(loop, 50);
	assert_true(*done);
}

#define wait_until(loop, condition)                                     \
	do {                                                                \
		int64_t until_ = clock_monotonic_ms() + PATIENCE_MS;            \
		bool true_ = false;                                             \
		while (!(true_ = (condition)) && clock_monotonic_ms() < until_) \
			loop_run_once(loop, 20);                                    \
		assert_true(true_);                                             \
	} while (0)

/* A few rounds, for what must not happen. */
static inline void settle(struct loop *loop)
{
	for (int i = 0; i < 10; i++)
		loop_run_once(loop, 2);
}

/* A request whose body is a pk.Hello with this text as its host. */
static inline struct link_call *ask_with(struct link *link, uint32_t method, const char *host,
                                         enum link_kind kind, bool secret, struct answer *answer)
{
	Pk__Hello body = PK__HELLO__INIT;
	body.host = (char *)host;
	const struct link_request request = {
		.method = method,
		.body = &body.base,
		.kind = kind,
		.secret = secret,
		.ctx = answer,
		.reply = on_reply,
	};
	return link_call(link, &request);
}

static inline struct link_call *ask(struct link *link, uint32_t method, const char *host,
                                    enum link_kind kind, struct answer *answer)
{
	return ask_with(link, method, host, kind, false, answer);
}

static inline struct link_call *ask_stream(struct link *link, uint64_t size, uint64_t credit,
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

/* An upload; the bytes are borrowed until the answer. */
static inline struct link_call *ask_upload(struct link *link, uint32_t method, struct str upload,
                                           enum link_kind kind, struct answer *answer)
{
	const struct link_request request = {
		.method = method,
		.kind = kind,
		.upload = upload,
		.ctx = answer,
		.reply = on_reply,
	};
	return link_call(link, &request);
}

static inline void reply_text(struct link_inbound *request, const char *text)
{
	struct buf body;
	buf_init(&body, 1000);
	buf_add_text(&body, text);
	link_reply_packed(request, &body);
}

static inline void forget(struct answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_done(&answers[i].body);
}

#endif
