#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/stream.h"

enum { SCRATCH_SIZE = 32 * 1024 /* one read */ };

struct conn {
	struct loop *loop;
	const struct conn_handlers *handlers; /* NULL: closing, or freed */
	void *ctx;
	struct stream *stream; /* NULL once freed */
	struct buf input;
	size_t consumed; /* bytes at the start of input that are done with */
	size_t input_max, output_low;
	size_t lingered; /* bytes thrown away while closing */
	int64_t stall_ms;
	int64_t deadline_at, handshake_at, close_at; /* INT64_MAX: none */
	int64_t timer_at;                            /* when the timer fires; INT64_MAX: it does not */
	struct timer *timer;
	bool secret;            /* conn_secret_input */
	bool above_low;         /* drained is due once output falls */
	bool handshaking;       /* from conn_starttls to secured */
	bool delivering;        /* inside the input handler */
	bool peer_ended;        /* closed was called with CONN_END_PEER */
	bool gone;              /* closed was called with another end */
	struct loop_task later; /* again; after the end: releases the memory */
	struct loop_held held;
};

static size_t input_len(const struct conn *conn)
{
	return conn->input.len - conn->consumed;
}

static void update_reading(struct conn *conn)
{
	stream_set_reading(conn->stream, input_len(conn) < conn->input_max);
}

/* ---------------------------------------------------------------- the end */

static void destroy(struct conn *conn)
{
	if (conn->stream == NULL)
		return;
	conn->handlers = NULL;
	stream_free(conn->stream);
	conn->stream = NULL;
	timer_free(conn->timer);
	conn->timer = NULL;
	loop_release(&conn->held);
	loop_later(conn->loop, &conn->later); /* input is freed there: a handler may be reading it */
}

static void tell_closed(struct conn *conn, enum conn_end end, const char *text)
{
	if (conn->handlers == NULL || conn->gone || (end == CONN_END_PEER && conn->peer_ended))
		return;
	if (end == CONN_END_PEER) {
		conn->peer_ended = true;
	} else {
		conn->gone = true;
		timer_stop(conn->timer);
		conn->timer_at = INT64_MAX;
	}
	conn->handlers->closed(conn->ctx, end, text);
}

static void tell_stream_end(struct conn *conn)
{
	enum conn_end end = CONN_END_LOST;
	if (stream_end(conn->stream) == STREAM_END_TLS)
		end = CONN_END_TLS;
	else if (stream_end(conn->stream) == STREAM_END_PEER)
		end = CONN_END_PEER;
	tell_closed(conn, end, stream_end_text(conn->stream));
}

/* ---------------------------------------------------------------- time */

static void arm(struct conn *conn, int64_t at)
{
	if (at >= conn->timer_at || conn->timer == NULL || conn->gone)
		return;
	conn->timer_at = at;
	timer_start(conn->timer, at - loop_now_ms(conn->loop));
}

static int64_t stalls_at(const struct conn *conn)
{
	if (stream_output_len(conn->stream) == 0)
		return INT64_MAX;
	return stream_output_moved_ms(conn->stream) + conn->stall_ms;
}

/* The timer is not moved with each deadline: it fires at the earliest that it was ever armed for, and
 * looks what is due. */
static void on_timer(void *ctx)
{
	struct conn *conn = ctx;
	int64_t now = loop_now_ms(conn->loop);
	conn->timer_at = INT64_MAX;
	if (now >= conn->close_at) {
		destroy(conn);
		return;
	}
	if (now >= conn->handshake_at) {
		tell_closed(conn, CONN_END_STALLED,
		            stream_ssl(conn->stream) == NULL ? "tls: there is no certificate any more"
		                                             : "tls: handshake took too long");
		return;
	}
	if (conn->handlers != NULL && now >= stalls_at(conn)) {
		tell_closed(conn, CONN_END_STALLED, "peer takes no output");
		return;
	}
	if (now >= conn->deadline_at) {
		conn->deadline_at = INT64_MAX;
		if (conn->handlers != NULL && conn->handlers->deadline != NULL)
			conn->handlers->deadline(conn->ctx);
		if (conn->stream == NULL)
			return;
	}
	arm(conn, conn->close_at);
	arm(conn, conn->handshake_at);
	arm(conn, conn->deadline_at);
	if (conn->handlers != NULL)
		arm(conn, stalls_at(conn));
}

void conn_deadline(struct conn *conn, int64_t ms)
{
	conn->deadline_at = ms <= 0 ? INT64_MAX : loop_now_ms(conn->loop) + ms;
	arm(conn, conn->deadline_at);
}

/* ---------------------------------------------------------------- input */

/* An empty one. input_max is what bounds it. */
static void renew_input(struct conn *conn)
{
	buf_done(&conn->input);
	if (conn->secret)
		buf_init_secret(&conn->input, SIZE_MAX);
	else
		buf_init(&conn->input, SIZE_MAX);
}

/* After a handler: nobody looks at consumed bytes any more. */
static void tidy(struct conn *conn)
{
	if (input_len(conn) == 0)
		renew_input(conn);
	else
		buf_consume(&conn->input, conn->consumed);
	conn->consumed = 0;
}

static void deliver(struct conn *conn)
{
	if (conn->handlers == NULL || conn->handshaking || conn->peer_ended || conn->gone)
		return;
	if (input_len(conn) > 0) {
		bool secret = conn->secret;
		conn->delivering = true;
		conn->handlers->input(conn->ctx);
		conn->delivering = false;
		if (secret)
			stack_wipe();
		if (conn->handlers == NULL)
			return;
	}
	if (conn->consumed > 0)
		tidy(conn);
	if (stream_end(conn->stream) != STREAM_OPEN &&
	    (input_len(conn) == 0 || stream_end(conn->stream) != STREAM_END_PEER))
		tell_stream_end(conn);
	else
		update_reading(conn);
}

/* Reads until the socket is empty or input is full. */
static bool fill(struct conn *conn)
{
	char scratch[SCRATCH_SIZE] UNCLEARED;
	bool any = false;
	while (input_len(conn) < conn->input_max) {
		size_t room = conn->input_max - input_len(conn);
		size_t len = stream_read(conn->stream, scratch,
		                         room < sizeof(scratch) ? room : sizeof(scratch));
		if (len == 0)
			break;
		buf_add(&conn->input, scratch, len);
		if (conn->secret)
			wipe(scratch, len);
		any = true;
	}
	return any;
}

static void throw_away(struct conn *conn)
{
	char scratch[SCRATCH_SIZE] UNCLEARED;
	size_t len;
	while ((len = stream_read(conn->stream, scratch, sizeof(scratch))) > 0) {
		if (conn->secret)
			wipe(scratch, len);
		conn->lingered += len;
		if (conn->lingered > CONN_LINGER_MAX)
			break;
	}
	bool over = conn->lingered > CONN_LINGER_MAX || stream_end(conn->stream) != STREAM_OPEN;
	if (over &&
	    (stream_output_len(conn->stream) == 0 || stream_end(conn->stream) != STREAM_END_PEER))
		destroy(conn);
}

static void on_readable(void *ctx)
{
	struct conn *conn = ctx;
	if (conn->handlers == NULL)
		throw_away(conn);
	else if (!conn->peer_ended && !conn->gone &&
	         (fill(conn) || stream_end(conn->stream) != STREAM_OPEN))
		deliver(conn);
	/* The handler may have made room where there was none. */
	if (conn->stream != NULL)
		stream_read_again(conn->stream);
}

struct str conn_input(const struct conn *conn)
{
	return STR_OF(conn->input.ptr + conn->consumed, input_len(conn));
}

bool conn_ended(const struct conn *conn)
{
	return stream_end(conn->stream) != STREAM_OPEN;
}

void conn_consume(struct conn *conn, size_t n)
{
	must(n <= input_len(conn));
	conn->consumed += n;
	/* Memory, reading and the news of the end follow when the handler has returned. */
	if (conn->delivering)
		return;
	if (input_len(conn) == 0)
		loop_later(conn->loop, &conn->later);
	else
		update_reading(conn);
}

void conn_again(struct conn *conn)
{
	loop_later(conn->loop, &conn->later);
}

/* OpenSSL decrypts in a buffer of its own, which it keeps or gives back as it is. */
static void cleanse_records(struct conn *conn)
{
	SSL *ssl = stream_ssl(conn->stream);
	if (ssl == NULL)
		return;
	if (conn->secret)
		SSL_set_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else
		SSL_clear_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

void conn_secret_input(struct conn *conn, bool secret)
{
	conn->secret = secret;
	if (conn->input.cap == 0)
		renew_input(conn); /* else when it is empty: what is in it was a secret */
	cleanse_records(conn);
}

/* ---------------------------------------------------------------- output */

static void note_output(struct conn *conn)
{
	if (stream_output_len(conn->stream) > conn->output_low)
		conn->above_low = true;
	arm(conn, stalls_at(conn));
}

/* During a handshake nothing may go out: it would go in plain. A front that stops, or whose deadline
 * passes, may well try. */
void conn_write(struct conn *conn, struct str bytes)
{
	if (conn->handshaking)
		return;
	stream_write(conn->stream, bytes);
	note_output(conn);
}

void conn_write_buf(struct conn *conn, struct buf *bytes)
{
	if (conn->handshaking) {
		buf_done(bytes);
		return;
	}
	stream_write_buf(conn->stream, bytes);
	note_output(conn);
}

bool conn_output_full(const struct conn *conn)
{
	return stream_output_len(conn->stream) >= CONN_OUTPUT_HIGH;
}

/* Closing: everything is sent, now the peer may close. */
static void linger(struct conn *conn)
{
	if (stream_end(conn->stream) != STREAM_OPEN) {
		destroy(conn);
		return;
	}
	conn->close_at = loop_now_ms(conn->loop) + CONN_LINGER_MS;
	arm(conn, conn->close_at);
}

static void on_written(void *ctx)
{
	struct conn *conn = ctx;
	size_t left = stream_output_len(conn->stream);
	if (conn->handlers == NULL) {
		if (left == 0)
			linger(conn);
	} else if (conn->above_low && left <= conn->output_low) {
		conn->above_low = false;
		if (conn->handlers->drained != NULL)
			conn->handlers->drained(conn->ctx);
	}
}

/* ---------------------------------------------------------------- TLS */

static void on_ready(void *ctx)
{
	struct conn *conn = ctx;
	conn->handshaking = false;
	conn->handshake_at = INT64_MAX;
	if (conn->handlers != NULL && conn->handlers->secured != NULL)
		conn->handlers->secured(conn->ctx);
}

static void on_broken(void *ctx)
{
	struct conn *conn = ctx;
	if (conn->handlers == NULL) {
		destroy(conn);
		return;
	}
	if (stream_end(conn->stream) == STREAM_END_PEER)
		tell_closed(conn, CONN_END_LOST, "peer has closed");
	else
		tell_stream_end(conn);
}

/* A certificate that was taken away in the meantime ends the connection: it must not go on in clear. */
static void start_tls(struct conn *conn, struct tls_context *tls)
{
	SSL *ssl = tls_connection_new(tls);
	conn->handshaking = true;
	if (ssl == NULL) {
		conn->handshake_at = loop_now_ms(conn->loop);
		arm(conn, conn->handshake_at);
		return;
	}
	conn->handshake_at = loop_now_ms(conn->loop) + CONN_HANDSHAKE_MS;
	arm(conn, conn->handshake_at);
	stream_start_tls(conn->stream, ssl);
	cleanse_records(conn);
}

void conn_starttls(struct conn *conn, struct tls_context *tls)
{
	must(!conn->handshaking && stream_ssl(conn->stream) == NULL);
	conn->consumed = conn->input.len;
	start_tls(conn, tls);
}

SSL *conn_ssl(const struct conn *conn)
{
	return conn->handshaking ? NULL : stream_ssl(conn->stream);
}

/* ---------------------------------------------------------------- birth and death */

static const struct stream_handlers stream_handlers = {
	.readable = on_readable,
	.written = on_written,
	.ready = on_ready,
	.broken = on_broken,
};

static void on_later(void *ctx)
{
	struct conn *conn = ctx;
	if (conn->stream == NULL) {
		buf_done(&conn->input);
		free(conn);
		return;
	}
	deliver(conn);
}

static void drop_held(struct loop_held *held)
{
	destroy(container_of(held, struct conn, held));
}

struct conn *conn_new(struct loop *loop, int fd, const struct conn_options *options,
                      const struct conn_handlers *handlers, void *ctx)
{
	static const struct conn_options standard;
	if (options == NULL)
		options = &standard;
	struct conn *conn = mem_new(sizeof(*conn));
	conn->loop = loop;
	conn->handlers = handlers;
	conn->ctx = ctx;
	conn->input_max = options->input_max == 0 ? CONN_INPUT_MAX : options->input_max;
	conn->output_low = options->output_low == 0 ? CONN_OUTPUT_LOW : options->output_low;
	conn->stall_ms = options->stall_ms == 0 ? CONN_STALL_MS : options->stall_ms;
	conn->deadline_at = conn->handshake_at = conn->close_at = conn->timer_at = INT64_MAX;
	conn->later.run = on_later;
	conn->later.ctx = conn;
	conn->held.drop = drop_held;
	conn->secret = true;
	buf_init_secret(&conn->input, SIZE_MAX);
	int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a socketpair has none */
	evutil_make_socket_nonblocking(fd);
	conn->timer = timer_new(loop, on_timer, conn);
	conn->stream = stream_new(loop, fd, &stream_handlers, conn);
	if (options->tls != NULL)
		start_tls(conn, options->tls);
	return conn;
}

void conn_free(struct conn *conn)
{
	if (conn != NULL)
		destroy(conn);
}

void conn_close(struct conn *conn)
{
	if (conn == NULL || conn->stream == NULL || conn->held.next != NULL)
		return;
	conn->handlers = NULL;
	loop_hold(conn->loop, &conn->held);
	if (conn->gone) {
		destroy(conn);
		return;
	}
	conn->timer_at = conn->deadline_at = conn->handshake_at = INT64_MAX;
	stream_shutdown(conn->stream);
	stream_set_reading(conn->stream, true);
	if (stream_output_len(conn->stream) > 0) {
		conn->close_at = loop_now_ms(conn->loop) + CONN_CLOSE_MS;
		arm(conn, conn->close_at);
	} else {
		stream_flush(conn->stream);
		linger(conn);
	}
}
