#ifndef POSTKASSE_TEST_LINK_RAW_H
#define POSTKASSE_TEST_LINK_RAW_H

/* A peer of the link played byte by byte over a socketpair. To be included after cmocka.h. */

#include <errno.h>

#include "link_rig.h"
#include "net/frame.h"
#include "net/ws_http.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

struct raw {
	int fd;
	struct buf in; /* what came, after the handshake */
	bool masked;   /* we are the client */
};

static inline void raw_send(struct raw *raw, struct str bytes)
{
	assert_int_equal(send(raw->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static inline void put_frame_head(struct buf *out, const struct raw *raw, unsigned char first,
                                  uint64_t len)
{
	buf_add_byte(out, (char)first);
	unsigned char mask = raw->masked ? 0x80 : 0;
	if (len < 126) {
		buf_add_byte(out, (char)(mask | len));
	} else {
		buf_add_byte(out, (char)(mask | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_add_byte(out, (char)(len >> shift));
	}
	if (raw->masked)
		buf_add(out, "\0\0\0\0", 4); /* a mask that changes nothing */
}

static inline void raw_frame(struct raw *raw, unsigned char first, struct str payload)
{
	struct buf out BUF_AUTO;
	buf_init(&out, payload.len + 20);
	if (payload.len >= 126 && payload.len < 65536) { /* the shortest form is demanded */
		buf_add_byte(&out, (char)first);
		buf_add_byte(&out, (char)((raw->masked ? 0x80 : 0) | 126));
		buf_add_byte(&out, (char)(payload.len >> 8));
		buf_add_byte(&out, (char)payload.len);
		if (raw->masked)
			buf_add(&out, "\0\0\0\0", 4);
	} else {
		put_frame_head(&out, raw, first, payload.len);
	}
	buf_add_str(&out, payload);
	raw_send(raw, buf_str(&out));
}

static inline void raw_message(struct raw *raw, const struct frame *frame)
{
	struct buf out BUF_AUTO;
	buf_init(&out, frame->body.len + FRAME_HEAD_MAX);
	frame_put_head(&out, frame);
	buf_add_str(&out, frame->body);
	raw_frame(raw, 0x82, buf_str(&out));
}

/* Reads what there is; false at the end of the stream. */
static inline bool raw_read(struct raw *raw)
{
	char bytes[4096];
	for (;;) {
		ssize_t got = recv(raw->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got < 0)
			return true;
		buf_add(&raw->in, bytes, (size_t)got);
	}
}

static inline void wait_end(struct loop *loop, struct raw *raw)
{
	wait_until(loop, !raw_read(raw));
}

/* The close code in the last frame of what came; -1: there is no close frame. */
static inline int close_code(const struct raw *raw)
{
	const unsigned char *p = (const unsigned char *)raw->in.ptr;
	size_t left = raw->in.len;
	while (left >= 2) {
		size_t head = 2 + (raw->masked ? 0 : 4), len = p[1] & 0x7f;
		if (len == 126) {
			len = (size_t)p[2] << 8 | p[3];
			head += 2;
		}
		if (left < head + len)
			return -1;
		const unsigned char *mask = p + head - 4;
		unsigned int hi = p[head], lo = p[head + 1];
		if (!raw->masked) {
			hi ^= mask[0];
			lo ^= mask[1];
		}
		if ((p[0] & 0x0f) == 8)
			return (int)(hi << 8 | lo);
		p += head + len;
		left -= head + len;
	}
	return -1;
}

static inline void send_hello_range(struct raw *raw, uint32_t oldest, uint32_t newest,
                                    const char *role)
{
	Pk__Hello hello = PK__HELLO__INIT;
	struct buf body BUF_AUTO;
	buf_init(&body, 1000);
	hello.version = newest;
	hello.version_min = oldest;
	hello.features = UINT64_MAX; /* those of a later version, too */
	hello.role = (char *)role;
	hello.instance.data = (uint8_t *)"0123456789abcdef";
	hello.instance.len = 16;
	link_pack(&body, &hello.base);
	const struct frame frame = {.kind = PK__FRAME__KIND__HELLO, .body = buf_str(&body)};
	raw_message(raw, &frame);
}

/* As the first release says it. */
static inline void send_hello(struct raw *raw, uint32_t version, const char *role)
{
	send_hello_range(raw, 0, version, role);
}

static inline void raw_init(struct raw *raw, int fd, bool client)
{
	raw->fd = fd;
	raw->masked = client;
	int size = LINK_PIECE_MAX; /* the largest case is sent while nobody reads */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	buf_init(&raw->in, 1000000);
}

static inline void raw_done(struct raw *raw)
{
	close(raw->fd);
	buf_done(&raw->in);
}

/* A client of the core with its WebSocket open; to the core it is who origin says, NULL: our user. */
static inline void raw_client_of(struct raw *raw, struct core *core,
                                 const struct link_origin *origin)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(core->server, fds[0], origin);
	raw_init(raw, fds[1], true);
	struct buf text BUF_AUTO;
	buf_init(&text, WS_HTTP_MAX);
	ws_http_put_request(&text, STR("test"), STR(KEY));
	raw_send(raw, buf_str(&text));
	size_t size = 0;
	wait_until(core->loop, raw_read(raw) && ws_http_parse_response(buf_str(&raw->in), STR(KEY),
	                                                               &size, NULL) == 0);
	buf_consume(&raw->in, size);
}

static inline void raw_client(struct raw *raw, struct core *core)
{
	raw_client_of(raw, core, NULL);
}

/* A core whose front is made on loop; its WebSocket opens with raw_core_open. */
static inline void raw_core_begin(struct raw *raw, struct loop *loop, struct front *front)
{
	int fds[2];
	const struct link_handlers handlers = front_handlers(front);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	raw_init(raw, fds[1], false);
	front->link = link_new_fd(loop, NULL, fds[0], "imap", &handlers);
}

static inline void raw_core_open(struct raw *raw, struct loop *loop)
{
	size_t size = 0;
	struct str key;
	int status;
	struct buf text BUF_AUTO;
	wait_until(loop, raw_read(raw) &&
	                     ws_http_parse_request(buf_str(&raw->in), &size, &key, &status, NULL) == 0);
	buf_init(&text, WS_HTTP_MAX);
	ws_http_put_response(&text, key);
	raw_send(raw, buf_str(&text));
	buf_consume(&raw->in, size);
}

/* Takes the next message of the other end off what came, its frame borrowing from message; false when
 * there is none yet. */
static inline bool raw_next(struct raw *raw, struct buf *message, struct frame *ret)
{
	if (!raw_read(raw) || raw->in.len < 2)
		return false;
	const unsigned char *p = (const unsigned char *)raw->in.ptr;
	size_t head = 2, len = p[1] & 0x7f;
	if (len == 126 && raw->in.len >= 4) {
		len = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (len == 127 && raw->in.len >= 10) {
		len = (size_t)p[6] << 24 | (size_t)p[7] << 16 | (size_t)p[8] << 8 | p[9];
		head = 10;
	}
	const unsigned char *mask = raw->masked ? NULL : p + head; /* of a client's messages */
	head += mask == NULL ? 0 : 4;
	if (raw->in.len < head + len)
		return false;
	assert_int_equal(p[0], 0x82);
	buf_clear(message);
	buf_add(message, raw->in.ptr + head, len);
	for (size_t i = 0; mask != NULL && i < len; i++)
		message->ptr[i] ^= (char)mask[i % 4];
	buf_consume(&raw->in, head + len);
	assert_int_equal(frame_parse(ret, buf_str(message), NULL), 0);
	return true;
}

static inline void raw_request(struct raw *raw, uint64_t id, uint32_t method, uint64_t credit,
                               uint64_t upload_size)
{
	const struct frame frame = {
		.kind = PK__FRAME__KIND__REQUEST,
		.id = id,
		.method = method,
		.credit = credit,
		.upload_size = upload_size,
	};
	raw_message(raw, &frame);
}

static inline void raw_data(struct raw *raw, uint64_t id, size_t len)
{
	char *bytes = mem_new(len);
	const struct frame data = {.kind = PK__FRAME__KIND__DATA, .id = id, .body = STR_OF(bytes, len)};
	raw_message(raw, &data);
	free(bytes);
}

#endif
