#include "net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/tls_bio.h"

enum {
	RECORD_MAX = 16 * 1024,      /* RFC 8446 section 5.1 */
	WIRE_HIGH = 8 * RECORD_MAX,  /* records made ahead of one write */
	FLUSH_MAX = 8 * 1024 * 1024, /* in one go, for the sake of the other connections */
};

enum stream_state {
	STREAM_CONNECTING,
	STREAM_READY,     /* plain, or TLS with its handshake done */
	STREAM_TLS_WAITS, /* plain output goes out before the handshake */
	STREAM_HANDSHAKE,
	STREAM_BROKEN,
};

struct stream {
	struct loop *loop;
	const struct stream_handlers *handlers; /* NULL once freed */
	void *ctx;
	struct tls_bio below; /* the socket; its wire only with TLS: records made of out */
	enum stream_state state;
	enum stream_end end;
	bool reading;     /* wanted by the owner */
	bool again;       /* call readable at the end of the round */
	bool tell_broken; /* call broken at the end of the round */
	bool write_waits; /* write_event is added */
	bool shutdown_asked, shutdown_done;
	size_t secrets; /* pieces of out that are overwritten when they have left */
	int64_t moved_ms;
	SSL *ssl;             /* owned */
	struct evbuffer *out; /* what the owner wrote */
	struct event read_event, write_event;
	struct loop_task round; /* flushes, tells; after stream_free: releases the memory */
	char end_text[64];
};

static void pump(struct stream *stream);

/* ---------------------------------------------------------------- how it ends */

static void end_with(struct stream *stream, enum stream_end end, const char *text)
{
	if (stream->end != STREAM_OPEN)
		return;
	stream->end = end;
	snprintf(stream->end_text, sizeof(stream->end_text), "%s", text);
}

/* Takes OpenSSL's own words, which contain nothing of the peer's choosing. */
static void end_with_tls(struct stream *stream)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	if (reason == NULL)
		reason = stream->below.at_eof ? "connection closed" : "protocol error";
	if (stream->ssl != NULL && SSL_get_verify_result(stream->ssl) != X509_V_OK)
		reason = X509_verify_cert_error_string(SSL_get_verify_result(stream->ssl));
	char text[64];
	snprintf(text, sizeof(text), "tls: %s", reason);
	end_with(stream, STREAM_END_TLS, text);
	ERR_clear_error();
}

/* Writing is over: drops what is pending and has the owner told. */
static void break_off(struct stream *stream)
{
	if (stream->state == STREAM_BROKEN)
		return;
	stream->state = STREAM_BROKEN;
	if (stream->out != NULL)
		evbuffer_drain(stream->out, evbuffer_get_length(stream->out));
	if (stream->below.wire != NULL)
		evbuffer_drain(stream->below.wire, evbuffer_get_length(stream->below.wire));
	event_del(&stream->write_event);
	stream->write_waits = false;
	stream->tell_broken = true;
	loop_later(stream->loop, &stream->round);
}

/* ---------------------------------------------------------------- output */

static struct evbuffer *lazily(struct evbuffer **buffer)
{
	if (*buffer == NULL) {
		*buffer = evbuffer_new();
		must(*buffer != NULL);
	}
	return *buffer;
}

static size_t len_of(const struct evbuffer *buffer)
{
	return buffer == NULL ? 0 : evbuffer_get_length(buffer);
}

/* Makes records of what was written, up to WIRE_HIGH. False when TLS refuses. */
static bool make_records(struct stream *stream)
{
	char joined[RECORD_MAX] UNCLEARED;
	while (len_of(stream->out) > 0 && len_of(stream->below.wire) < WIRE_HIGH) {
		size_t len = len_of(stream->out);
		if (len > RECORD_MAX)
			len = RECORD_MAX;
		const void *bytes;
		if (evbuffer_get_contiguous_space(stream->out) >= len) {
			struct evbuffer_iovec first;
			evbuffer_peek(stream->out, (ssize_t)len, NULL, &first, 1);
			bytes = first.iov_base;
		} else {
			evbuffer_copyout(stream->out, joined, len);
			bytes = joined;
		}
		ERR_clear_error();
		int written = SSL_write(stream->ssl, bytes, (int)len);
		if (stream->secrets > 0 && bytes == joined)
			wipe(joined, len);
		if (written <= 0) {
			end_with_tls(stream);
			return false;
		}
		evbuffer_drain(stream->out, (size_t)written);
	}
	return true;
}

/* One write of buffer. Returns false when the kernel takes no more now, or for good. */
static bool write_some(struct stream *stream, struct evbuffer *buffer)
{
	size_t before = evbuffer_get_length(buffer);
	int written = evbuffer_write(buffer, stream->below.fd);
	if (written > 0) {
		stream->moved_ms = loop_now_ms(stream->loop);
		if ((size_t)written == before)
			return true;
	} else if (written < 0 && errno != EAGAIN && errno != EINTR) {
		end_with(stream, STREAM_END_LOST, strerrordesc_np(errno));
		break_off(stream);
		return false;
	}
	if (!stream->write_waits) {
		stream->write_waits = true;
		event_add(&stream->write_event, NULL);
	}
	return false;
}

static void finish_shutdown(struct stream *stream)
{
	if (stream->ssl != NULL && SSL_is_init_finished(stream->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(stream->ssl); /* puts the alert into wire */
		ERR_clear_error();
		if (len_of(stream->below.wire) > 0 && !write_some(stream, stream->below.wire))
			return;
	}
	stream->shutdown_done = true;
	shutdown(stream->below.fd, SHUT_WR);
}

static void update_read_event(struct stream *stream)
{
	bool handshake = stream->state == STREAM_HANDSHAKE;
	bool want = stream->end == STREAM_OPEN &&
	            (handshake || (stream->state == STREAM_READY && stream->reading));
	if (want)
		event_add(&stream->read_event, NULL);
	else
		event_del(&stream->read_event);
}

void stream_flush(struct stream *stream)
{
	if (stream->write_waits || stream->state == STREAM_CONNECTING || stream->state == STREAM_BROKEN)
		return;
	bool make = stream->ssl != NULL && stream->state == STREAM_READY;
	bool plain = stream->ssl == NULL || stream->state == STREAM_TLS_WAITS;
	size_t done = 0;
	while (done < FLUSH_MAX) {
		struct evbuffer *from = plain ? stream->out : stream->below.wire;
		if (make && !make_records(stream)) {
			break_off(stream);
			return;
		}
		if (len_of(from) == 0)
			break;
		done += len_of(from);
		if (!write_some(stream, from))
			return;
	}
	if (done >= FLUSH_MAX) {
		stream->write_waits = true;
		event_add(&stream->write_event, NULL);
	}
	if (stream_output_len(stream) > 0)
		return;
	if (stream->state == STREAM_TLS_WAITS) {
		stream->state = STREAM_HANDSHAKE;
		stream->again = true; /* a client speaks first; a server may find the hello there */
		update_read_event(stream);
		loop_later(stream->loop, &stream->round);
	}
	if (stream->shutdown_asked && !stream->shutdown_done && stream->state == STREAM_READY)
		finish_shutdown(stream);
}

void stream_write(struct stream *stream, struct str bytes)
{
	if (stream->state == STREAM_BROKEN || bytes.len == 0)
		return;
	if (stream_output_len(stream) == 0)
		stream->moved_ms = loop_now_ms(stream->loop);
	must(evbuffer_add(lazily(&stream->out), bytes.ptr, bytes.len) == 0);
	loop_later(stream->loop, &stream->round);
}

static void free_reference(const void *bytes, size_t len, void *ctx)
{
	(void)bytes;
	(void)len;
	free(ctx);
}

static void free_secret(const void *bytes, size_t len, void *ctx)
{
	struct stream *stream = ctx;
	char *memory = (char *)(uintptr_t)bytes;
	wipe(memory, len);
	free(memory);
	stream->secrets--;
}

/* A piece of its own, so that nothing else is appended to its memory. */
void stream_write_secret(struct stream *stream, struct str bytes)
{
	if (stream->state == STREAM_BROKEN || bytes.len == 0)
		return;
	if (stream_output_len(stream) == 0)
		stream->moved_ms = loop_now_ms(stream->loop);
	char *copy = mem_copy_string(bytes.ptr, bytes.len);
	stream->secrets++;
	must(evbuffer_add_reference(lazily(&stream->out), copy, bytes.len, free_secret, stream) == 0);
	loop_later(stream->loop, &stream->round);
}

void stream_write_buf(struct stream *stream, struct buf *bytes)
{
	if (bytes->secret) {
		stream_write_secret(stream, buf_str(bytes));
		buf_done(bytes);
		return;
	}
	/* A reference costs a chain of its own; copying little is cheaper. */
	if (bytes->len <= 2048 || stream->state == STREAM_BROKEN) {
		stream_write(stream, buf_str(bytes));
		buf_done(bytes);
		return;
	}
	if (stream_output_len(stream) == 0)
		stream->moved_ms = loop_now_ms(stream->loop);
	size_t len;
	char *memory = buf_steal(bytes, &len);
	must(evbuffer_add_reference(lazily(&stream->out), memory, len, free_reference, memory) == 0);
	loop_later(stream->loop, &stream->round);
}

size_t stream_output_len(const struct stream *stream)
{
	return len_of(stream->out) + len_of(stream->below.wire);
}

int64_t stream_output_moved_ms(const struct stream *stream)
{
	return stream->moved_ms;
}

void stream_shutdown(struct stream *stream)
{
	stream->shutdown_asked = true;
	loop_later(stream->loop, &stream->round);
}

/* ---------------------------------------------------------------- input */

static size_t read_plain(struct stream *stream, void *ret, size_t len)
{
	if (stream->below.dry)
		return 0;
	ssize_t got = recv(stream->below.fd, ret, len, 0);
	stream->below.dry = got < (ssize_t)len;
	if (got > 0)
		return (size_t)got;
	if (got == 0)
		end_with(stream, STREAM_END_PEER, "closed by peer");
	else if (errno != EAGAIN && errno != EINTR)
		end_with(stream, STREAM_END_LOST, strerrordesc_np(errno));
	return 0;
}

static size_t read_tls(struct stream *stream, void *ret, size_t len)
{
	ERR_clear_error();
	int got = SSL_read(stream->ssl, ret, len > INT32_MAX ? INT32_MAX : (int)len);
	/* Reading may have made an answer: a key update, an alert. */
	if (len_of(stream->below.wire) > 0)
		loop_later(stream->loop, &stream->round);
	if (got > 0)
		return (size_t)got;
	switch (SSL_get_error(stream->ssl, got)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_ZERO_RETURN:
		end_with(stream, STREAM_END_PEER, "closed by peer");
		break;
	default:
		end_with_tls(stream);
	}
	return 0;
}

size_t stream_read(struct stream *stream, void *ret, size_t len)
{
	if (stream->end != STREAM_OPEN || stream->state != STREAM_READY || len == 0)
		return 0;
	return stream->ssl == NULL ? read_plain(stream, ret, len) : read_tls(stream, ret, len);
}

enum stream_end stream_end(const struct stream *stream)
{
	return stream->end;
}

const char *stream_end_text(const struct stream *stream)
{
	return stream->end_text;
}

void stream_set_reading(struct stream *stream, bool reading)
{
	if (stream->reading == reading)
		return;
	stream->reading = reading;
	update_read_event(stream);
	if (reading)
		stream_read_again(stream);
}

void stream_read_again(struct stream *stream)
{
	/* A socket tells again by itself. */
	if (stream->ssl == NULL || stream->state != STREAM_READY || !SSL_has_pending(stream->ssl))
		return;
	stream->again = true;
	loop_next(stream->loop, &stream->round);
}

static void shake_hands(struct stream *stream)
{
	ERR_clear_error();
	int done = SSL_do_handshake(stream->ssl);
	if (done == 1) {
		stream->state = STREAM_READY;
		update_read_event(stream);
		stream_flush(stream);
		if (stream->handlers != NULL && stream->handlers->ready != NULL)
			stream->handlers->ready(stream->ctx);
		return;
	}
	if (SSL_get_error(stream->ssl, done) == SSL_ERROR_WANT_READ) {
		stream_flush(stream);
		return;
	}
	end_with_tls(stream);
	stream_flush(stream); /* the alert */
	break_off(stream);
	update_read_event(stream);
}

static void handle_input(struct stream *stream)
{
	if (stream->state == STREAM_HANDSHAKE)
		shake_hands(stream);
	if (stream->handlers == NULL || stream->state != STREAM_READY || !stream->reading)
		return;
	stream->handlers->readable(stream->ctx);
	if (stream->handlers != NULL && stream->end != STREAM_OPEN)
		update_read_event(stream);
}

static void read_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	struct stream *stream = ctx;
	stream->below.dry = false;
	loop_worked(stream->loop);
	handle_input(stream);
	pump(stream);
}

/* ---------------------------------------------------------------- rounds */

static void finish_connect(struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);
	getsockopt(stream->below.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		end_with(stream, STREAM_END_LOST, strerrordesc_np(error));
		break_off(stream);
		return;
	}
	stream->state = STREAM_READY;
	update_read_event(stream);
	if (stream->handlers->ready != NULL)
		stream->handlers->ready(stream->ctx);
}

static void write_cb(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	struct stream *stream = ctx;
	stream->write_waits = false;
	if (stream->state == STREAM_CONNECTING)
		finish_connect(stream);
	pump(stream);
}

/* Flushes and tells of it. */
static void pump(struct stream *stream)
{
	if (stream->handlers == NULL)
		return;
	size_t before = stream_output_len(stream);
	stream_flush(stream);
	if (stream->tell_broken) {
		stream->tell_broken = false;
		if (stream->handlers->broken != NULL)
			stream->handlers->broken(stream->ctx);
	} else if (stream_output_len(stream) < before && stream->handlers->written != NULL) {
		stream->handlers->written(stream->ctx);
	}
}

static void round_cb(void *ctx)
{
	struct stream *stream = ctx;
	if (stream->handlers == NULL) {
		free(stream);
		return;
	}
	if (stream->again) {
		stream->again = false;
		stream->below.dry = false;
		handle_input(stream);
	}
	pump(stream);
}

struct stream *stream_new(struct loop *loop, int fd, const struct stream_handlers *handlers,
                          void *ctx)
{
	struct stream *stream = mem_new(sizeof(*stream));
	stream->loop = loop;
	stream->handlers = handlers;
	stream->ctx = ctx;
	stream->below.fd = fd;
	stream->state = STREAM_READY;
	stream->reading = true;
	stream->round.run = round_cb;
	stream->round.ctx = stream;
	event_assign(&stream->read_event, loop_base(loop), fd, EV_READ | EV_PERSIST, read_cb, stream);
	event_assign(&stream->write_event, loop_base(loop), fd, EV_WRITE, write_cb, stream);
	update_read_event(stream);
	return stream;
}

void stream_free(struct stream *stream)
{
	if (stream == NULL || stream->handlers == NULL)
		return;
	stream->handlers = NULL;
	stream->state = STREAM_BROKEN;
	event_del(&stream->read_event);
	event_del(&stream->write_event);
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	if (stream->out != NULL)
		evbuffer_free(stream->out);
	if (stream->below.wire != NULL)
		evbuffer_free(stream->below.wire);
	stream->out = stream->below.wire = NULL;
	close(stream->below.fd);
	stream->below.fd = -1;
	loop_later(stream->loop, &stream->round);
}

void stream_connecting(struct stream *stream)
{
	stream->state = STREAM_CONNECTING;
	update_read_event(stream);
	stream->write_waits = true;
	event_add(&stream->write_event, NULL);
}

void stream_start_tls(struct stream *stream, SSL *ssl)
{
	must(stream->ssl == NULL);
	if (stream->state == STREAM_BROKEN) {
		SSL_free(ssl);
		return;
	}
	stream->ssl = ssl;
	lazily(&stream->below.wire);
	BIO *bio = tls_bio_new(&stream->below);
	SSL_set_bio(ssl, bio, bio);
	stream->state = STREAM_TLS_WAITS;
	stream->below.dry = false;
	update_read_event(stream);
	loop_later(stream->loop, &stream->round);
}

SSL *stream_ssl(const struct stream *stream)
{
	return stream->ssl;
}
