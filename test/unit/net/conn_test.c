/* A client's connection over a socketpair, the client's side played by the test: input in every cut,
 * limits, output and its marks, the end in its forms, STARTTLS with a real handshake. */

#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tls_material.h"

enum { PATIENCE_MS = 5000 };

struct front {
	struct loop *loop;
	struct conn *conn;
	int client; /* the other end */
	struct buf got;
	int inputs, drained, secured, deadlines, closed;
	enum conn_end end;
	bool hold;  /* consume nothing */
	bool lines; /* consume whole lines only */
	bool free_at_input, close_at_input;
	struct tls_context *starttls; /* at the line STARTTLS */
};

static void on_input(void *ctx)
{
	struct front *front = ctx;
	front->inputs++;
	struct str input = conn_input(front->conn);
	assert_true(input.len > 0);
	if (front->hold)
		return;
	if (front->free_at_input) {
		conn_free(front->conn);
		front->conn = NULL;
		return;
	}
	if (!front->lines) {
		buf_add_str(&front->got, input);
		conn_consume(front->conn, input.len);
	}
	ptrdiff_t end;
	while (front->lines && (end = str_find_byte(conn_input(front->conn), '\n')) >= 0) {
		struct str line = str_slice(conn_input(front->conn), 0, (size_t)end + 1);
		buf_add_str(&front->got, line);
		conn_consume(front->conn, line.len);
		if (front->starttls != NULL && str_eq(line, STR("STARTTLS\n"))) {
			conn_write(front->conn, STR("go\n"));
			conn_starttls(front->conn, front->starttls);
			return;
		}
	}
	if (front->close_at_input) {
		conn_close(front->conn);
		front->conn = NULL;
	}
}

static void on_drained(void *ctx)
{
	struct front *front = ctx;
	front->drained++;
}

static void on_secured(void *ctx)
{
	struct front *front = ctx;
	front->secured++;
	assert_non_null(conn_ssl(front->conn));
}

static void on_deadline(void *ctx)
{
	struct front *front = ctx;
	front->deadlines++;
}

static void on_closed(void *ctx, enum conn_end end, const char *text)
{
	struct front *front = ctx;
	front->closed++;
	front->end = end;
	assert_non_null(text);
}

static const struct conn_handlers handlers = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.deadline = on_deadline,
	.closed = on_closed,
};

static void front_init(struct front *front, const struct conn_options *options)
{
	int fds[2];
	memset(front, 0, sizeof(*front));
	front->loop = loop_new();
	buf_init(&front->got, SIZE_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	front->client = fds[1];
	front->conn = conn_new(front->loop, fds[0], options, &handlers, front);
}

static void front_done(struct front *front)
{
	conn_free(front->conn);
	if (front->client >= 0)
		close(front->client);
	buf_done(&front->got);
	loop_free(front->loop);
}

static void send_text(struct front *front, struct str text)
{
	assert_int_equal(write(front->client, text.ptr, text.len), text.len);
}

/* A few rounds, for what must not happen. */
static void settle(struct front *front)
{
	for (int i = 0; i < 10; i++)
		loop_run_once(front->loop, 2);
}

#define wait_until(front, condition)                                    \
	do {                                                                \
		int64_t until_ = clock_monotonic_ms() + PATIENCE_MS;            \
		bool true_ = false;                                             \
		while (!(true_ = (condition)) && clock_monotonic_ms() < until_) \
			loop_run_once((front)->loop, 20);                           \
		assert_true(true_);                                             \
	} while (0)

static size_t read_client(struct front *front, char *ret, size_t len)
{
	ssize_t got = read(front->client, ret, len);
	return got < 0 ? 0 : (size_t)got;
}

static void input_test(void **state)
{
	(void)state;
	static const char text[] = "NOOP\nCAPABILITY\n\nLOGIN a b\n";
	struct front front;
	front_init(&front, NULL);
	front.lines = true;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		send_text(&front, STR_OF(text + i, 1));
		loop_run_once(front.loop, 0);
	}
	wait_until(&front, front.got.len == sizeof(text) - 1);
	assert_memory_equal(front.got.ptr, text, sizeof(text) - 1);
	send_text(&front, STR_OF(text, sizeof(text) - 1));
	wait_until(&front, front.got.len == 2 * (sizeof(text) - 1));
	/* A handler that waits is called again when it says so, not before. */
	front.hold = true;
	send_text(&front, STR("A\nB\n"));
	settle(&front);
	int before = front.inputs;
	settle(&front);
	assert_int_equal(front.inputs, before);
	front.hold = false;
	conn_again(front.conn);
	settle(&front);
	assert_int_equal(front.inputs, before + 1);
	assert_int_equal(conn_input(front.conn).len, 0);
	front_done(&front);
}

static void input_limit_test(void **state)
{
	(void)state;
	const struct conn_options options = {.input_max = 1000};
	struct front front;
	front_init(&front, &options);
	front.hold = true;
	char bytes[5000];
	memset(bytes, 'x', sizeof(bytes));
	send_text(&front, STR_OF(bytes, sizeof(bytes)));
	settle(&front);
	assert_int_equal(conn_input(front.conn).len, 1000);
	conn_consume(front.conn, 1);
	settle(&front);
	assert_int_equal(conn_input(front.conn).len, 1000);
	front.hold = false;
	conn_again(front.conn);
	wait_until(&front, front.got.len == 4999);
	front_done(&front);
}

static void output_test(void **state)
{
	(void)state;
	struct front front;
	front_init(&front, NULL);
	conn_write(front.conn, STR("* OK "));
	conn_write(front.conn, STR("ready\r\n"));
	settle(&front);
	char reply[64];
	size_t len = read_client(&front, reply, sizeof(reply)); /* in one piece */
	assert_true(str_eq(STR_OF(reply, len), STR("* OK ready\r\n")));
	/* Much: it stops at the socket, and drained comes when the client has read. */
	size_t total = 4 * 1024 * 1024;
	struct buf much;
	buf_init(&much, total);
	for (size_t i = 0; i < total; i++)
		buf_add_byte(&much, (char)(i * 7));
	conn_write_buf(front.conn, &much);
	assert_true(conn_output_full(front.conn));
	settle(&front);
	assert_int_equal(front.drained, 0);
	char *sink = mem_new(65536);
	size_t seen = 0;
	while (seen < total) {
		loop_run_once(front.loop, 1);
		len = read_client(&front, sink, 65536);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(sink[i], (char)((seen + i) * 7));
		seen += len;
	}
	free(sink);
	settle(&front);
	assert_int_equal(front.drained, 1);
	assert_false(conn_output_full(front.conn));
	front_done(&front);
}

static void end_test(void **state)
{
	(void)state;
	struct front front;
	/* Commands and the end at once: the commands first, then the end; output still goes. */
	front_init(&front, NULL);
	front.hold = true;
	send_text(&front, STR("QUIT\n"));
	shutdown(front.client, SHUT_WR);
	settle(&front);
	assert_int_equal(front.closed, 0);
	assert_true(conn_ended(front.conn));
	front.hold = false;
	conn_again(front.conn);
	wait_until(&front, front.closed == 1);
	assert_int_equal(front.end, CONN_END_PEER);
	assert_int_equal(front.got.len, 5);
	conn_write(front.conn, STR("BYE\n"));
	conn_close(front.conn);
	front.conn = NULL;
	settle(&front);
	char reply[16];
	assert_int_equal(read_client(&front, reply, sizeof(reply)), 4);
	assert_int_equal(read(front.client, reply, sizeof(reply)), 0);
	assert_int_equal(loop_held_count(front.loop), 0);
	front_done(&front);
	/* The peer goes away with output pending. */
	front_init(&front, NULL);
	struct buf much;
	buf_init(&much, 8000000);
	memset(buf_reserve(&much, 8000000), 'x', 8000000);
	much.len = 8000000;
	conn_write_buf(front.conn, &much);
	settle(&front);
	close(front.client);
	front.client = -1;
	wait_until(&front, front.closed > 0);
	assert_int_equal(front.end, CONN_END_LOST);
	front_done(&front);
	/* Freed and closed inside the handler. */
	front_init(&front, NULL);
	front.free_at_input = true;
	send_text(&front, STR("x"));
	wait_until(&front, front.conn == NULL);
	front_done(&front);
	front_init(&front, NULL);
	front.close_at_input = true;
	conn_write(front.conn, STR("bye"));
	send_text(&front, STR("x"));
	wait_until(&front, front.conn == NULL);
	assert_int_equal(loop_held_count(front.loop), 1);
	send_text(&front, STR("still talking"));
	settle(&front);
	assert_int_equal(read_client(&front, reply, sizeof(reply)), 3);
	close(front.client);
	front.client = -1;
	wait_until(&front, loop_held_count(front.loop) == 0);
	front_done(&front);
	/* Left lingering: the loop takes it down. */
	front_init(&front, NULL);
	conn_close(front.conn);
	front.conn = NULL;
	front_done(&front);
}

static void time_test(void **state)
{
	(void)state;
	const struct conn_options options = {.stall_ms = 60};
	struct front front;
	front_init(&front, &options);
	conn_deadline(front.conn, 10000);
	conn_deadline(front.conn, 30);
	int64_t start = clock_monotonic_ms();
	wait_until(&front, front.deadlines == 1);
	assert_true(clock_monotonic_ms() - start >= 20);
	conn_deadline(front.conn, 20);
	conn_deadline(front.conn, 0);
	settle(&front);
	loop_run_once(front.loop, 40);
	assert_int_equal(front.deadlines, 1);
	struct buf much;
	buf_init(&much, 8000000);
	memset(buf_reserve(&much, 8000000), 'x', 8000000);
	much.len = 8000000;
	conn_write_buf(front.conn, &much);
	wait_until(&front, front.closed == 1);
	assert_int_equal(front.end, CONN_END_STALLED);
	front_done(&front);
}

/* ---------------------------------------------------------------- TLS */

static SSL *client_ssl(struct front *front, SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, front->client);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void shake(struct front *front, SSL *ssl)
{
	for (int i = 0; i < 100 && SSL_do_handshake(ssl) != 1; i++)
		loop_run_once(front->loop, 10);
	assert_true(SSL_is_init_finished(ssl));
	wait_until(front, front->secured == 1);
}

static void tls_test(void **state)
{
	(void)state;
	struct tls_context *server = material_server();
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	const struct conn_options options = {.tls = server, .input_max = 100};
	struct front front;
	front_init(&front, &options);
	tls_context_free(server); /* the connection holds its own reference */
	conn_write(front.conn, STR("BYE, in plain before the handshake"));
	SSL *ssl = client_ssl(&front, client);
	shake(&front, ssl);
	assert_int_equal(SSL_write(ssl, "NOOP\n", 5), 5);
	wait_until(&front, front.got.len == 5);
	conn_write(front.conn, STR("one "));
	conn_write(front.conn, STR("record"));
	settle(&front);
	char reply[64];
	assert_int_equal(SSL_read(ssl, reply, sizeof(reply)), 10);
	/* Input past the limit stays in TLS and comes when there is room. */
	front.hold = true;
	char bytes[1000];
	memset(bytes, 'y', sizeof(bytes));
	assert_int_equal(SSL_write(ssl, bytes, sizeof(bytes)), sizeof(bytes));
	settle(&front);
	assert_int_equal(conn_input(front.conn).len, 100);
	front.hold = false;
	conn_again(front.conn);
	wait_until(&front, front.got.len == 1005);
	/* Both bindings, the same on both sides. */
	struct buf ours, theirs;
	int (*const bindings[])(SSL *, struct buf *) = {tls_binding_exporter, tls_binding_end_point};
	for (size_t i = 0; i < ARRAY_LEN(bindings); i++) {
		buf_init(&ours, 200);
		buf_init(&theirs, 200);
		assert_int_equal(bindings[i](conn_ssl(front.conn), &ours), 0);
		assert_int_equal(bindings[i](ssl, &theirs), 0);
		assert_int_equal(ours.len, 32);
		assert_true(str_eq(buf_str(&ours), buf_str(&theirs)));
		buf_done(&ours);
		buf_done(&theirs);
	}
	conn_close(front.conn);
	front.conn = NULL;
	settle(&front);
	assert_int_equal(SSL_read(ssl, reply, sizeof(reply)), 0);
	assert_int_equal(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	SSL_CTX_free(client);
	front_done(&front);
}

/* CVE-2011-0411: what comes in plain behind STARTTLS is never taken for what came under TLS. */
static void starttls_test(void **state)
{
	(void)state;
	struct tls_context *server = material_server();
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct front front;
	front_init(&front, NULL);
	front.lines = true;
	front.starttls = server;
	send_text(&front, STR("NOOP\nSTARTTLS\nRSET\nMAIL FROM:<evil@example.test>\n"));
	char reply[64];
	wait_until(&front, read_client(&front, reply, sizeof(reply)) == 3);
	conn_write(front.conn, STR("BYE, in plain before the handshake"));
	SSL *ssl = client_ssl(&front, client);
	shake(&front, ssl);
	assert_true(str_eq(buf_str(&front.got), STR("NOOP\nSTARTTLS\n")));
	assert_int_equal(SSL_write(ssl, "EHLO\n", 5), 5);
	wait_until(&front, front.got.len == 19);
	assert_true(str_eq(buf_str(&front.got), STR("NOOP\nSTARTTLS\nEHLO\n")));
	SSL_free(ssl);
	front_done(&front);
	/* Garbage instead of a handshake. */
	front_init(&front, NULL);
	front.lines = true;
	front.starttls = server;
	send_text(&front, STR("STARTTLS\n"));
	wait_until(&front, read_client(&front, reply, sizeof(reply)) == 3);
	send_text(&front, STR("GET / HTTP/1.1\r\n\r\n"));
	wait_until(&front, front.closed == 1);
	assert_int_equal(front.end, CONN_END_TLS);
	front_done(&front);
	SSL_CTX_free(client);
	tls_context_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_test),    cmocka_unit_test(input_limit_test),
		cmocka_unit_test(output_test),   cmocka_unit_test(end_test),
		cmocka_unit_test(time_test),     cmocka_unit_test(tls_test),
		cmocka_unit_test(starttls_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
