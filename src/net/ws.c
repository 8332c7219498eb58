#include "net/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/stream.h"
#include "net/ws_http.h"

enum {
	SCRATCH_SIZE = 64 * 1024,     /* one read */
	READS_MAX = 16,               /* in one go, for the sake of the other connections */
	CONTROL_MAX = 125,            /* RFC 6455 section 5.5 */
	FIRST_RESERVE = 512 * 1024,   /* for a message on its first frame's word alone */
	MASKS_SIZE = 512,             /* random bytes fetched at a time */
	REASON_MAX = CONTROL_MAX - 2, /* of a close frame */
};

enum ws_state {
	WS_CONNECTING, /* TCP, then TLS */
	WS_UPGRADING,  /* HTTP */
	WS_OPEN,
	WS_OVER, /* the closed handler has been called or waits for the end of the round */
};

struct ws {
	struct loop *loop;
	const struct ws_handlers *handlers; /* NULL once freed */
	void *ctx;
	struct stream *stream;
	enum ws_state state;
	bool server;
	bool close_sent;
	bool secret; /* what is being sent is */
	bool wipe;   /* the present read held what may be secret */
	bool told;   /* the closed handler was called */
	SSL *ssl;    /* until the handshake begins; owned */
	char *host;
	size_t message_max;
	int64_t dead_ms;
	int64_t last_input_ms;
	struct timer *timer;
	struct loop_task later;     /* calls closed; after ws_free: releases the memory */
	struct loop_task tidy;      /* gives back what message has kept */
	struct buf http;            /* input until the upgrade is done */
	char key[WS_HTTP_KEY_SIZE]; /* client */
	wslay_frame_context_ptr frames;
	struct str input;    /* borrowed during a read: what recv_cb hands out */
	struct buf *sending; /* the body that send_cb may take whole */
	size_t frame_got;    /* bytes of the present frame */
	bool in_message;     /* a first fragment has come */
	struct buf message;
	unsigned char control[CONTROL_MAX];
	unsigned char masks[MASKS_SIZE]; /* client: random, used once each */
	size_t masks_left;
	char text[256];
};

/* ---------------------------------------------------------------- wslay's three wishes */

static ssize_t send_cb(const uint8_t *data, size_t len, int flags, void *ctx)
{
	(void)flags;
	struct ws *ws = ctx;
	if (ws->sending != NULL && (const char *)data == ws->sending->ptr && len == ws->sending->len)
		stream_write_buf(ws->stream, ws->sending);
	else if (ws->secret)
		stream_write_secret(ws->stream, STR_OF(data, len));
	else
		stream_write(ws->stream, STR_OF(data, len));
	return (ssize_t)len;
}

static ssize_t recv_cb(uint8_t *ret, size_t len, int flags, void *ctx)
{
	(void)flags;
	struct ws *ws = ctx;
	if (ws->input.len == 0)
		return -1;
	if (len > ws->input.len)
		len = ws->input.len;
	memcpy(ret, ws->input.ptr, len);
	ws->input = str_from_byte(ws->input, len);
	return (ssize_t)len;
}

/* A fresh random key for every frame, RFC 6455 section 5.3; fetched from the system in bulk. */
static int genmask_cb(uint8_t *ret, size_t len, void *ctx)
{
	struct ws *ws = ctx;
	if (len > MASKS_SIZE)
		return -1;
	if (ws->masks_left < len) {
		random_bytes(ws->masks, MASKS_SIZE);
		ws->masks_left = MASKS_SIZE;
	}
	ws->masks_left -= len;
	memcpy(ret, ws->masks + ws->masks_left, len);
	return 0;
}

/* ---------------------------------------------------------------- sending */

static void put_part(struct ws *ws, struct wslay_frame_iocb *frame, struct str part)
{
	frame->data = (const uint8_t *)part.ptr;
	frame->data_length = part.len;
	/* send_cb takes everything, so wslay does too. */
	must(wslay_frame_send(ws->frames, frame) == (ssize_t)part.len);
}

static void put_frame(struct ws *ws, uint8_t opcode, struct str head, struct str body)
{
	struct wslay_frame_iocb frame = {
		.fin = 1,
		.opcode = opcode,
		.mask = ws->server ? 0 : 1,
		.payload_length = head.len + body.len,
	};
	put_part(ws, &frame, head);
	if (body.len > 0)
		put_part(ws, &frame, body);
}

static void put_close(struct ws *ws, enum ws_close_code code, struct str reason)
{
	if (ws->close_sent || ws->frames == NULL)
		return;
	ws->close_sent = true;
	char status[2] = {(char)((unsigned int)code >> 8), (char)((unsigned int)code & 0xff)};
	put_frame(ws, WSLAY_CONNECTION_CLOSE, STR_OF(status, 2), str_slice(reason, 0, REASON_MAX));
}

/* A peer that asks and never reads is not served for ever. */
static void put_bounded(struct ws *ws, uint8_t opcode, struct str head, struct str body)
{
	put_frame(ws, opcode, head, body);
	if (stream_output_len(ws->stream) > WS_OUTPUT_MAX)
		ws_fail(ws, WS_CLOSE_POLICY, "peer does not read");
}

void ws_send_str(struct ws *ws, struct str head, struct str body)
{
	if (ws->state == WS_OPEN)
		put_bounded(ws, WSLAY_BINARY_FRAME, head, body);
}

void ws_send_secret(struct ws *ws, struct str head, struct str body)
{
	ws->secret = true;
	ws_send_str(ws, head, body);
	ws->secret = false;
	stack_wipe(); /* wslay has masked it there */
}

void ws_send(struct ws *ws, struct str head, struct buf *body)
{
	ws->sending = body;
	ws_send_str(ws, head, body == NULL ? (struct str){NULL, 0} : buf_str(body));
	ws->sending = NULL;
	if (body != NULL)
		buf_done(body);
}

void ws_ping(struct ws *ws)
{
	if (ws->state == WS_OPEN)
		put_frame(ws, WSLAY_PING, STR(""), STR(""));
}

int64_t ws_heard_ms(const struct ws *ws)
{
	return ws->last_input_ms;
}

size_t ws_output_len(const struct ws *ws)
{
	return stream_output_len(ws->stream);
}

SSL *ws_ssl(const struct ws *ws)
{
	return stream_ssl(ws->stream);
}

/* ---------------------------------------------------------------- the end */

static void over(struct ws *ws, const char *text)
{
	if (ws->state == WS_OVER)
		return;
	ws->state = WS_OVER;
	snprintf(ws->text, sizeof(ws->text), "%s", text);
	stream_set_reading(ws->stream, false);
	timer_stop(ws->timer);
	loop_later(ws->loop, &ws->later);
}

void ws_fail(struct ws *ws, enum ws_close_code code, const char *text)
{
	if (ws->state == WS_OPEN)
		put_close(ws, code, str_from(text));
	over(ws, text);
}

/* A secret is never large. The handler may have taken the memory. */
static void wipe_message(struct ws *ws)
{
	if (ws->message.ptr != NULL && ws->message.len <= WS_SECRET_MAX)
		wipe(ws->message.ptr, ws->message.len);
}

static void later_cb(void *ctx)
{
	struct ws *ws = ctx;
	if (ws->handlers == NULL) {
		wipe_message(ws);
		buf_done(&ws->message);
		free(ws);
		return;
	}
	if (!ws->told) {
		ws->told = true;
		ws->handlers->closed(ws->ctx, ws->text);
	}
}

/* ---------------------------------------------------------------- frames in */

static void take_close(struct ws *ws)
{
	unsigned int code = 0;
	if (ws->frame_got >= 2)
		code = (unsigned int)ws->control[0] << 8 | ws->control[1];
	char text[64];
	snprintf(text, sizeof(text), "closed by peer with code %u", code);
	ws_fail(ws, WS_CLOSE_NORMAL, text);
}

static void take_control(struct ws *ws, uint8_t opcode)
{
	if (opcode == WSLAY_CONNECTION_CLOSE)
		take_close(ws);
	else if (opcode == WSLAY_PING)
		put_bounded(ws, WSLAY_PONG, STR_OF(ws->control, ws->frame_got), STR(""));
}

/* For the next one, if that comes soon. */
static void keep_message(struct ws *ws)
{
	buf_clear(&ws->message);
	loop_tidy(ws->loop, &ws->tidy);
}

static void tidy_cb(void *ctx)
{
	struct ws *ws = ctx;
	if (ws->message.len == 0) /* otherwise one is coming in, and at its end we are put off again */
		buf_done(&ws->message);
}

static void take_message(struct ws *ws)
{
	ws->in_message = false;
	ws->handlers->message(ws->ctx, &ws->message);
	/* The memory stands until the end of the round, whatever the handler did. */
	wipe_message(ws);
	if (ws->message.cap > WS_KEEP_MAX || ws->handlers == NULL)
		buf_done(&ws->message);
	else
		keep_message(ws);
}

/* Checks what the first bytes of a frame announce. */
static bool frame_allowed(struct ws *ws, const struct wslay_frame_iocb *frame)
{
	if (frame->rsv != 0 || (frame->mask != 0) != ws->server) {
		ws_fail(ws, WS_CLOSE_PROTOCOL, frame->rsv != 0 ? "reserved bits" : "wrong masking");
		return false;
	}
	switch (frame->opcode) {
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		return true; /* wslay has checked size and fragmentation */
	case WSLAY_BINARY_FRAME:
	case WSLAY_CONTINUATION_FRAME:
		if (ws->in_message == (frame->opcode == WSLAY_BINARY_FRAME)) {
			ws_fail(ws, WS_CLOSE_PROTOCOL, "fragments out of order");
			return false;
		}
		if (frame->payload_length > ws->message_max - ws->message.len) {
			ws_fail(ws, WS_CLOSE_TOO_BIG, "message too large");
			return false;
		}
		ws->in_message = true;
		buf_reserve(&ws->message, frame->payload_length < FIRST_RESERVE
		                              ? (size_t)frame->payload_length
		                              : FIRST_RESERVE);
		return true;
	default:
		ws_fail(ws, WS_CLOSE_UNSUPPORTED, "unknown kind of message");
		return false;
	}
}

/* Takes a part of a frame; false when the connection is over. */
static bool take_part(struct ws *ws, const struct wslay_frame_iocb *frame)
{
	bool control = wslay_is_ctrl_frame(frame->opcode);
	if (!frame->fin && control) {
		ws_fail(ws, WS_CLOSE_PROTOCOL, "control frame in fragments");
		return false;
	}
	if (ws->frame_got == 0 && !frame_allowed(ws, frame))
		return false;
	if (control)
		memcpy(ws->control + ws->frame_got, frame->data, frame->data_length);
	else
		buf_add(&ws->message, frame->data, frame->data_length);
	/* It lies in wslay's buffer, which stays. */
	wipe((uint8_t *)(uintptr_t)frame->data, frame->data_length);
	if (frame->payload_length <= WS_SECRET_MAX)
		ws->wipe = true;
	ws->frame_got += frame->data_length;
	if (ws->frame_got < frame->payload_length)
		return true;
	if (control)
		take_control(ws, frame->opcode);
	else if (frame->fin)
		take_message(ws);
	ws->frame_got = 0;
	return ws->state == WS_OPEN && ws->handlers != NULL;
}

static bool take_frames(struct ws *ws)
{
	for (;;) {
		struct wslay_frame_iocb frame = {0};
		ssize_t got = wslay_frame_recv(ws->frames, &frame);
		if (got == WSLAY_ERR_WANT_READ)
			return true;
		if (got < 0) {
			ws_fail(ws, WS_CLOSE_PROTOCOL, "bad WebSocket frame");
			return false;
		}
		if (!take_part(ws, &frame))
			return false;
	}
}

/* ---------------------------------------------------------------- the upgrade */

static bool become_open(struct ws *ws)
{
	const struct wslay_frame_callbacks callbacks = {send_cb, recv_cb, genmask_cb};
	must(wslay_frame_context_init(&ws->frames, &callbacks, ws) == 0);
	ws->state = WS_OPEN;
	if (ws->dead_ms > 0)
		timer_start(ws->timer, ws->dead_ms / 4);
	else
		timer_stop(ws->timer);
	ws->handlers->open(ws->ctx);
	return ws->state == WS_OPEN && ws->handlers != NULL;
}

static void put_text(struct ws *ws, struct buf *text)
{
	stream_write(ws->stream, buf_str(text));
	buf_clear(text);
}

static void ask_upgrade(struct ws *ws)
{
	ws->state = WS_UPGRADING;
	if (ws->server)
		return;
	unsigned char nonce[16];
	struct buf text BUF_AUTO;
	buf_init(&text, WS_HTTP_MAX);
	random_bytes(nonce, sizeof(nonce));
	base64_encode(&text, STR_OF(nonce, sizeof(nonce)), 0, STR(""));
	memcpy(ws->key, text.ptr, sizeof(ws->key));
	buf_clear(&text);
	ws_http_put_request(&text, str_from(ws->host), STR_OF(ws->key, sizeof(ws->key)));
	put_text(ws, &text);
}

/* Parses what there is of the handshake: 0, or E_AGAIN, or an error. */
static int upgrade(struct ws *ws, size_t *ret_size, struct errinfo *info)
{
	if (!ws->server)
		return ws_http_parse_response(buf_str(&ws->http), STR_OF(ws->key, sizeof(ws->key)),
		                              ret_size, info);
	struct str key;
	int status = 0;
	struct buf answer BUF_AUTO;
	buf_init(&answer, WS_HTTP_MAX);
	int error = ws_http_parse_request(buf_str(&ws->http), ret_size, &key, &status, info);
	if (error == E_AGAIN)
		return error;
	if (error == 0)
		ws_http_put_response(&answer, key);
	else
		ws_http_put_refusal(&answer, status);
	put_text(ws, &answer);
	return error;
}

/* Handshake bytes; false when the connection is over. */
static bool take_http(struct ws *ws)
{
	buf_add_str(&ws->http, ws->input);
	ws->input = (struct str){NULL, 0};
	size_t size = 0;
	struct errinfo info = {0};
	int error = upgrade(ws, &size, &info);
	if (error == E_AGAIN)
		return true;
	if (error != 0) {
		over(ws, info.text);
		return false;
	}
	struct buf http = ws->http;
	buf_init(&ws->http, 0);
	ws->input = str_from_byte(buf_str(&http), size);
	bool goes_on = become_open(ws) && take_frames(ws);
	ws->input = (struct str){NULL, 0};
	buf_done(&http);
	return goes_on;
}

/* ---------------------------------------------------------------- the stream's handlers */

static void on_readable(void *ctx)
{
	struct ws *ws = ctx;
	char scratch[SCRATCH_SIZE] UNCLEARED;
	for (int reads = 0; reads < READS_MAX; reads++) {
		size_t len = stream_read(ws->stream, scratch, sizeof(scratch));
		if (len == 0)
			break;
		ws->last_input_ms = clock_monotonic_ms();
		ws->input = STR_OF(scratch, len);
		bool goes_on = ws->state == WS_UPGRADING ? take_http(ws) : take_frames(ws);
		ws->input = (struct str){NULL, 0};
		if (ws->wipe)
			wipe(scratch, len);
		ws->wipe = false;
		if (!goes_on)
			return;
	}
	if (stream_end(ws->stream) != STREAM_OPEN)
		over(ws, stream_end_text(ws->stream));
	else
		stream_read_again(ws->stream);
}

static void on_written(void *ctx)
{
	struct ws *ws = ctx;
	if (ws->state == WS_OPEN && ws->handlers->written != NULL)
		ws->handlers->written(ws->ctx);
}

static void on_ready(void *ctx)
{
	struct ws *ws = ctx;
	if (ws->ssl != NULL) {
		SSL_set_options(ws->ssl, SSL_OP_CLEANSE_PLAINTEXT);
		stream_start_tls(ws->stream, ws->ssl);
		ws->ssl = NULL;
		return;
	}
	ask_upgrade(ws);
}

static void on_broken(void *ctx)
{
	struct ws *ws = ctx;
	over(ws, stream_end_text(ws->stream));
}

static const struct stream_handlers stream_handlers = {
	.readable = on_readable,
	.written = on_written,
	.ready = on_ready,
	.broken = on_broken,
};

static void on_timer(void *ctx)
{
	struct ws *ws = ctx;
	if (ws->state != WS_OPEN) {
		over(ws, "handshake took too long");
		return;
	}
	int64_t silence = clock_monotonic_ms() - ws->last_input_ms;
	if (silence >= ws->dead_ms) {
		over(ws, "no sign of life");
		return;
	}
	if (silence >= ws->dead_ms / 4 - 1)
		ws_ping(ws);
	timer_start(ws->timer, ws->dead_ms / 4);
}

/* ---------------------------------------------------------------- birth and death */

struct ws *ws_new(struct loop *loop, int fd, const struct ws_options *options,
                  const struct ws_handlers *handlers, void *ctx)
{
	struct ws *ws = mem_new(sizeof(*ws));
	ws->loop = loop;
	ws->handlers = handlers;
	ws->ctx = ctx;
	ws->server = options->server;
	ws->ssl = options->ssl;
	ws->host = str_dup(str_from(options->host == NULL ? "localhost" : options->host));
	ws->message_max = options->message_max;
	ws->dead_ms = options->dead_ms;
	ws->last_input_ms = clock_monotonic_ms();
	ws->later.run = later_cb;
	ws->later.ctx = ws;
	ws->tidy.run = tidy_cb;
	ws->tidy.ctx = ws;
	buf_init(&ws->http, WS_HTTP_MAX + SCRATCH_SIZE);
	buf_init(&ws->message, options->message_max);
	ws->timer = timer_new(loop, on_timer, ws);
	timer_start(ws->timer, WS_HANDSHAKE_MS);
	ws->stream = stream_new(loop, fd, &stream_handlers, ws);
	if (options->connecting)
		stream_connecting(ws->stream);
	else
		on_ready(ws);
	return ws;
}

void ws_free(struct ws *ws)
{
	if (ws == NULL || ws->handlers == NULL)
		return;
	if (ws->state == WS_OPEN)
		put_close(ws, WS_CLOSE_GOING_AWAY, STR(""));
	ws->handlers = NULL;
	ws->state = WS_OVER;
	stream_flush(ws->stream);
	stream_free(ws->stream);
	SSL_free(ws->ssl);
	wslay_frame_context_free(ws->frames);
	timer_free(ws->timer);
	free(ws->host);
	buf_done(&ws->http);
	ws->input = (struct str){NULL, 0};
	loop_later_cancel(&ws->tidy);
	/* message is freed with the connection: its handler may be at work on it. */
	loop_later(ws->loop, &ws->later);
}
