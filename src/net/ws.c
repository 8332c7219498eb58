#include "net/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/stream.h"
#include "net/ws_frame.h"
#include "net/ws_http.h"

enum {
	SCRATCH_SIZE = 64 * 1024,        /* one read */
	READS_MAX = 16,                  /* in one go, for the sake of the other connections */
	FIRST_RESERVE = 512 * 1024,      /* for a message on its first frame's word alone */
	MASKS_SIZE = 512,                /* random bytes fetched at a time */
	REASON_MAX = WS_CONTROL_MAX - 2, /* of a close frame */
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
	struct str input;           /* borrowed during a read: what has not been taken of it */
	struct ws_frame_head head;
	struct ws_frame frame;
	bool in_frame;    /* the head of frame has come */
	size_t frame_got; /* bytes of its payload */
	bool in_message;  /* a first fragment has come */
	struct buf message;
	unsigned char control[WS_CONTROL_MAX];
	unsigned char masks[MASKS_SIZE]; /* client: random, used once each */
	size_t masks_left;
	char text[256];
};

/* ---------------------------------------------------------------- sending */

/* A fresh random key for every frame, RFC 6455 section 5.3; fetched from the system in bulk. */
static void fresh_mask(struct ws *ws, unsigned char ret[WS_MASK_SIZE])
{
	if (ws->masks_left < WS_MASK_SIZE) {
		random_bytes(ws->masks, MASKS_SIZE);
		ws->masks_left = MASKS_SIZE;
	}
	ws->masks_left -= WS_MASK_SIZE;
	memcpy(ret, ws->masks + ws->masks_left, WS_MASK_SIZE);
}

/* Adds bytes that stand at offset at of the payload of frame. */
static void add_payload(struct buf *out, const struct ws_frame *frame, size_t at, struct str bytes)
{
	char *to = buf_reserve(out, bytes.len);
	must(to != NULL);
	if (frame->masked)
		ws_mask(frame->mask, at, bytes.ptr, to, bytes.len);
	else if (bytes.len > 0)
		memcpy(to, bytes.ptr, bytes.len);
	out->len += bytes.len;
}

/* The body's memory is masked where it is, and goes out as it is. */
static void put_owned(struct ws *ws, const struct ws_frame *frame, size_t at, struct buf *body)
{
	if (frame->masked)
		ws_mask(frame->mask, at, body->ptr, body->ptr, body->len);
	stream_write_buf(ws->stream, body);
}

/* owned: NULL, or the buffer that body is of, which is taken. */
static void put_frame(struct ws *ws, enum ws_opcode opcode, struct str head, struct str body,
                      struct buf *owned)
{
	struct ws_frame frame = {
		.fin = true,
		.masked = !ws->server,
		.opcode = (uint8_t)opcode,
		.len = head.len + body.len,
	};
	unsigned char bytes[WS_FRAME_HEAD_MAX];
	if (frame.masked)
		fresh_mask(ws, frame.mask);
	size_t size = ws_frame_write(&frame, bytes);
	struct buf out;
	buf_init(&out, size + head.len + (owned == NULL ? body.len : 0));
	out.secret = ws->secret;
	must(buf_reserve(&out, out.max) != NULL);
	buf_add(&out, bytes, size);
	add_payload(&out, &frame, 0, head);
	if (owned == NULL)
		add_payload(&out, &frame, head.len, body);
	stream_write_buf(ws->stream, &out);
	if (owned != NULL)
		put_owned(ws, &frame, head.len, owned);
}

static void put_close(struct ws *ws, enum ws_close_code code, struct str reason)
{
	if (ws->close_sent)
		return;
	ws->close_sent = true;
	char status[2] = {(char)((unsigned int)code >> 8), (char)((unsigned int)code & 0xff)};
	put_frame(ws, WS_CLOSE, STR_OF(status, 2), str_slice(reason, 0, REASON_MAX), NULL);
}

/* A peer that asks and never reads is not served for ever. */
static void put_bounded(struct ws *ws, enum ws_opcode opcode, struct str head, struct str body,
                        struct buf *owned)
{
	put_frame(ws, opcode, head, body, owned);
	if (stream_output_len(ws->stream) > WS_OUTPUT_MAX)
		ws_fail(ws, WS_CLOSE_POLICY, "peer does not read");
}

void ws_send_str(struct ws *ws, struct str head, struct str body)
{
	if (ws->state == WS_OPEN)
		put_bounded(ws, WS_BINARY, head, body, NULL);
}

void ws_send_secret(struct ws *ws, struct str head, struct str body)
{
	ws->secret = true;
	ws_send_str(ws, head, body);
	ws->secret = false;
	stack_wipe(); /* words of it may lie there */
}

void ws_send(struct ws *ws, struct str head, struct buf *body)
{
	if (body == NULL || body->len == 0)
		ws_send_str(ws, head, (struct str){NULL, 0});
	else if (ws->state == WS_OPEN)
		put_bounded(ws, WS_BINARY, head, buf_str(body), body);
	if (body != NULL)
		buf_done(body);
}

void ws_ping(struct ws *ws)
{
	if (ws->state == WS_OPEN)
		put_frame(ws, WS_PING, STR(""), STR(""), NULL);
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

static void take_control(struct ws *ws)
{
	if (ws->frame.opcode == WS_CLOSE)
		take_close(ws);
	else if (ws->frame.opcode == WS_PING)
		put_bounded(ws, WS_PONG, STR_OF(ws->control, ws->frame_got), STR(""), NULL);
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

/* Checks what the head of a frame announces. */
static bool frame_allowed(struct ws *ws)
{
	const struct ws_frame *frame = &ws->frame;
	if (frame->reserved != 0 || frame->masked != ws->server) {
		ws_fail(ws, WS_CLOSE_PROTOCOL, frame->reserved != 0 ? "reserved bits" : "wrong masking");
		return false;
	}
	switch (frame->opcode) {
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return true;
	case WS_BINARY:
	case WS_CONTINUATION:
		if (ws->in_message == (frame->opcode == WS_BINARY)) {
			ws_fail(ws, WS_CLOSE_PROTOCOL, "fragments out of order");
			return false;
		}
		if (frame->len > ws->message_max - ws->message.len) {
			ws_fail(ws, WS_CLOSE_TOO_BIG, "message too large");
			return false;
		}
		ws->in_message = true;
		buf_reserve(&ws->message, frame->len < FIRST_RESERVE ? (size_t)frame->len : FIRST_RESERVE);
		return true;
	default:
		ws_fail(ws, WS_CLOSE_UNSUPPORTED, "unknown kind of message");
		return false;
	}
}

/* Where the next len bytes of the payload go; there is room for them: see frame_allowed. */
static char *room(struct ws *ws, size_t len)
{
	if (ws_is_control(ws->frame.opcode))
		return (char *)ws->control + ws->frame_got;
	char *to = buf_reserve(&ws->message, len);
	must(to != NULL);
	ws->message.len += len;
	return to;
}

/* Takes what there is of the payload of a frame; false when the connection is over. */
static bool take_payload(struct ws *ws)
{
	const struct ws_frame *frame = &ws->frame;
	uint64_t left = frame->len - ws->frame_got;
	struct str part = str_slice(ws->input, 0, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
	if (part.len > 0) {
		/* Without a mask it is all zeros. */
		ws_mask(frame->mask, ws->frame_got, part.ptr, room(ws, part.len), part.len);
		ws->input = str_from_byte(ws->input, part.len);
		ws->frame_got += part.len;
	}
	if (frame->len <= WS_SECRET_MAX)
		ws->wipe = true;
	if (ws->frame_got < frame->len)
		return true;
	ws->in_frame = false;
	if (ws_is_control(frame->opcode))
		take_control(ws);
	else if (frame->fin)
		take_message(ws);
	return ws->state == WS_OPEN && ws->handlers != NULL;
}

static bool take_frames(struct ws *ws)
{
	for (;;) {
		if (!ws->in_frame) {
			int error = ws_frame_read(&ws->head, &ws->input, &ws->frame);
			if (error == E_AGAIN)
				return true;
			if (error != 0) {
				ws_fail(ws, WS_CLOSE_PROTOCOL, "bad WebSocket frame");
				return false;
			}
			if (!frame_allowed(ws))
				return false;
			ws->in_frame = true;
			ws->frame_got = 0;
		}
		if (ws->input.len == 0 && ws->frame_got < ws->frame.len)
			return true;
		if (!take_payload(ws))
			return false;
	}
}

/* ---------------------------------------------------------------- the upgrade */

static bool become_open(struct ws *ws)
{
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
		ws->last_input_ms = loop_now_ms(ws->loop);
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
	int64_t silence = loop_now_ms(ws->loop) - ws->last_input_ms;
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
	ws->last_input_ms = loop_now_ms(ws->loop);
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
	timer_free(ws->timer);
	free(ws->host);
	buf_done(&ws->http);
	ws->input = (struct str){NULL, 0};
	loop_later_cancel(&ws->tidy);
	/* message is freed with the connection: its handler may be at work on it. */
	loop_later(ws->loop, &ws->later);
}
