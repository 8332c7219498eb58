/* The link under arbitrary bytes. The first byte chooses where they come in: the frame, the HTTP of the
 * handshake, a core's connection at each of its layers, a front's. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "crypto/secret.h"
#include "net/frame.h"
#include "net/link.h"
#include "net/ws_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

enum { ROUNDS = 6, KEPT_MAX = 16 };

struct core {
	struct loop *loop;
	struct link_server *server;
	struct link_inbound *kept[KEPT_MAX];
	size_t kept_count;
};

/* ---------------------------------------------------------------- parsers */

static void fuzz_frame(struct str bytes)
{
	struct frame frame, again;
	struct errinfo info;
	/* A kind of a later version is passed over, never written. */
	if (frame_parse(&frame, bytes, &info) != 0 || frame.unknown)
		return;
	struct buf wire BUF_AUTO;
	buf_init(&wire, bytes.len + FRAME_HEAD_MAX);
	frame_put_head(&wire, &frame);
	buf_add_str(&wire, frame.body);
	must(frame_parse(&again, buf_str(&wire), &info) == 0);
	must(again.kind == frame.kind && again.id == frame.id && again.error == frame.error);
	must(again.method == frame.method && again.credit == frame.credit);
	must(str_eq(again.body, frame.body) && str_eq(again.text, frame.text));
	Pk__Frame *theirs = pk__frame__unpack(NULL, wire.len, (const uint8_t *)wire.ptr);
	must(theirs != NULL && theirs->id == frame.id && theirs->body.len == frame.body.len);
	pk__frame__free_unpacked(theirs, NULL);
}

static void fuzz_http(struct str bytes)
{
	struct errinfo info;
	struct str key;
	size_t used;
	int status;
	(void)!ws_http_parse_request(bytes, &used, &key, &status, &info);
	(void)!ws_http_parse_response(bytes, STR(KEY), &used, &info);
}

/* ---------------------------------------------------------------- a core */

static void on_request(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	struct buf copy;
	switch (link_inbound_method(request) % 4) {
	case 0:
		if (core->kept_count < KEPT_MAX) {
			core->kept[core->kept_count++] = request;
			return;
		}
		link_reply_error(request, E_LIMIT, "enough");
		return;
	case 1:
		buf_init(&copy, LINK_PIECE_MAX);
		buf_add_text(&copy, "a piece");
		link_chunk(request, &copy);
		link_reply(request, NULL);
		return;
	case 2:
		link_reply_error(request, E_NOT_FOUND, "no");
		return;
	default:
		buf_init(&copy, LINK_MESSAGE_MAX);
		buf_add_str(&copy, link_inbound_body(request));
		buf_add_str(&copy, link_inbound_upload(request));
		link_reply_packed(request, &copy);
	}
}

static void on_credit(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	struct buf piece;
	buf_init(&piece, 100);
	buf_add_text(&piece, "more");
	link_chunk(request, &piece);
}

static void on_cancelled(void *ctx, struct link_inbound *request)
{
	struct core *core = ctx;
	for (size_t i = 0; i < core->kept_count; i++)
		if (core->kept[i] == request)
			core->kept[i] = core->kept[--core->kept_count];
	link_reply_error(request, E_CANCELLED, "gone");
}

static void send_all(int fd, const void *bytes, size_t len)
{
	ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent;
}

static void run(struct loop *loop)
{
	for (int i = 0; i < ROUNDS; i++)
		loop_run_once(loop, 0);
}

/* One binary message; masked by a key of zeros where we are the client. */
static void send_message(int fd, struct str payload, bool masked)
{
	unsigned char head[8] = {0x82};
	size_t len = 4;
	if (payload.len < 126) {
		head[1] = (unsigned char)payload.len;
		len = 2;
	} else {
		head[1] = 126;
		head[2] = (unsigned char)(payload.len >> 8);
		head[3] = (unsigned char)payload.len;
	}
	if (masked) {
		head[1] |= 0x80;
		len += 4;
	}
	send_all(fd, head, len);
	send_all(fd, payload.ptr, payload.len);
}

static void send_hello(int fd, const char *role, bool masked)
{
	struct buf wire BUF_AUTO, body BUF_AUTO;
	Pk__Hello hello = PK__HELLO__INIT;
	buf_init(&wire, 1000);
	buf_init(&body, 1000);
	hello.version = LINK_VERSION;
	hello.role = (char *)role;
	hello.instance.data = (uint8_t *)"0123456789abcdef";
	hello.instance.len = 16;
	link_pack(&body, &hello.base);
	const struct frame frame = {.kind = PK__FRAME__KIND__HELLO, .body = buf_str(&body)};
	frame_put_head(&wire, &frame);
	buf_add_str(&wire, frame.body);
	send_message(fd, buf_str(&wire), masked);
}

/* Each record is a byte of length and so many bytes of a frame; 255 stands for 1000. */
static void send_records(struct loop *loop, int fd, struct str bytes, bool masked)
{
	while (bytes.len > 0) {
		size_t len = (unsigned char)bytes.ptr[0];
		struct str record = str_slice(bytes, 1, len == 255 ? 1000 : len);
		bytes = str_from_byte(bytes, 1 + record.len);
		send_message(fd, record, masked);
		loop_run_once(loop, 0);
	}
}

static void fuzz_core(struct str bytes, int layer)
{
	static const struct link_allowed allowed[] = {{"imap", LINK_ANY_UID}};
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 1,
		.limits.upload_max = 100000,
		.limits.upload_total_max = 200000,
	};
	struct core core = {.loop = loop_new()};
	const struct link_server_handlers handlers = {
		.ctx = &core,
		.request = on_request,
		.credit = on_credit,
		.cancelled = on_cancelled,
	};
	core.server = link_server_new(core.loop, NULL, &options, &handlers);
	int fds[2];
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	link_server_add_fd(core.server, fds[0], NULL);
	if (layer > 0) {
		struct buf http BUF_AUTO;
		buf_init(&http, WS_HTTP_MAX);
		ws_http_put_request(&http, STR("fuzz"), STR(KEY));
		send_all(fds[1], http.ptr, http.len);
		run(core.loop);
	}
	if (layer > 1) {
		send_hello(fds[1], "imap", true);
		run(core.loop);
		send_records(core.loop, fds[1], bytes, true);
	} else {
		send_all(fds[1], bytes.ptr, bytes.len);
	}
	run(core.loop);
	while (core.kept_count > 0)
		link_reply(core.kept[--core.kept_count], NULL);
	run(core.loop);
	close(fds[1]);
	run(core.loop);
	while (core.kept_count > 0)
		link_reply(core.kept[--core.kept_count], NULL);
	link_server_free(core.server);
	loop_free(core.loop);
}

/* ---------------------------------------------------------------- a front */

static void on_chunk(void *ctx, struct link_call *call, struct str body)
{
	(void)ctx;
	link_call_grant(call, body.len / 2);
}

static void on_reply(void *ctx, int error, struct str text, struct str body)
{
	(void)error;
	(void)text;
	(void)body;
	++*(int *)ctx;
}

static void on_event(void *ctx, uint32_t method, struct str body)
{
	(void)ctx;
	(void)method;
	ProtobufCMessage *message = link_unpack(&pk__hello__descriptor, body, WIRE_ITEMS_FEW);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

static void fuzz_front(struct str bytes)
{
	static const char upload[100000];
	struct loop *loop = loop_new();
	const struct link_handlers handlers = {.event = on_event};
	int fds[2], replies = 0;
	char sink[8192];
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	struct link *link = link_new_fd(loop, NULL, fds[0], "imap", &handlers);
	const struct link_request requests[] = {
		{.method = 1, .ctx = &replies, .reply = on_reply},
		{.method = 2, .ctx = &replies, .reply = on_reply, .chunk = on_chunk, .credit = 50},
		{.method = 3, .ctx = &replies, .reply = on_reply, .upload = STR_OF(upload, sizeof(upload))},
	};
	for (size_t i = 0; i < 3; i++)
		link_call(link, &requests[i]);
	run(loop);
	ssize_t got = recv(fds[1], sink, sizeof(sink), MSG_DONTWAIT);
	struct str key;
	size_t used;
	int status;
	must(got > 0 && ws_http_parse_request(STR_OF(sink, got), &used, &key, &status, NULL) == 0);
	struct buf http BUF_AUTO;
	buf_init(&http, WS_HTTP_MAX);
	ws_http_put_response(&http, key);
	send_all(fds[1], http.ptr, http.len);
	send_hello(fds[1], "store", false);
	run(loop);
	send_records(loop, fds[1], bytes, false);
	run(loop);
	close(fds[1]);
	run(loop);
	link_free(link);
	must(replies == 3); /* each exactly once, whatever the core said */
	loop_free(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	if (!ready)
		must(crypto_init(NULL) == 0);
	ready = true;
	if (size == 0)
		return 0;
	struct str bytes = STR_OF(data + 1, size - 1);
	switch (data[0] % 6) {
	case 0:
		fuzz_frame(bytes);
		break;
	case 1:
		fuzz_http(bytes);
		break;
	case 2:
		fuzz_front(bytes);
		break;
	default:
		fuzz_core(bytes, data[0] % 6 - 3);
	}
	return 0;
}
