#ifndef POSTKASSE_NET_WS_H
#define POSTKASSE_NET_WS_H

/*
 * One WebSocket connection (RFC 6455), either side, over a Unix socket or TLS: the
 * handshake, whole binary messages both ways, ping and pong, close. Knows nothing of what the messages
 * say. Handlers are called from the loop only and may free the connection.
 */

#include <openssl/ssl.h>

#include "base/str.h"
#include "net/loop.h"

enum {
	WS_HANDSHAKE_MS = 10 * 1000,       /* connect, TLS and upgrade together */
	WS_OUTPUT_MAX = 512 * 1024 * 1024, /* pending output; more: the peer has stopped reading */
	WS_KEEP_MAX = 320 * 1024,          /* memory kept from one message to the next */
	WS_SECRET_MAX = 16 * 1024,         /* smaller messages may be secret: see ws_send_secret */
};

/* RFC 6455 section 7.4.1 */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
};

struct ws;

struct ws_handlers {
	/* The handshake is done: messages may be sent. */
	void (*open)(void *ctx);
	/* A whole message; the callee may take its memory (buf_steal). */
	void (*message)(void *ctx, struct buf *message);
	/* Some output has left. May be NULL. */
	void (*written)(void *ctx);
	/* It is over, by the peer, the network or a violation; text says why. The callee frees it. */
	void (*closed)(void *ctx, const char *text);
};

struct ws_options {
	bool server;
	bool connecting;  /* connect() is under way on fd */
	SSL *ssl;         /* taken over; NULL: plain */
	const char *host; /* client: for the Host header */
	size_t
		message_max; /* bytes of one message; more closes the connection before memory is taken */
	int64_t dead_ms; /* silence after which the peer counts as dead, having been pinged at a quarter
	                       of that time; 0: never pinged */
};

/* Takes fd (non-blocking). */
struct ws *ws_new(struct loop *loop, int fd, const struct ws_options *options,
                  const struct ws_handlers *handlers, void *ctx)
	__attribute__((returns_nonnull, warn_unused_result));
/* Says goodbye if it can do so at once, and closes. */
void ws_free(struct ws *ws);
/* A message of head followed by body, whose memory is taken (NULL: none). Nothing after the end. */
void ws_send(struct ws *ws, struct str head, struct buf *body);
/* The same with a borrowed body, which is copied. */
void ws_send_str(struct ws *ws, struct str head, struct str body);
/* The same, and all copies made here are overwritten once they have left. Of what comes in, every
 * message of up to WS_SECRET_MAX bytes is overwritten when its handler has returned. */
void ws_send_secret(struct ws *ws, struct str head, struct str body);
/* Sends a close frame with that code and reason; the closed handler follows from the loop. */
void ws_fail(struct ws *ws, enum ws_close_code code, const char *text);
/* Asks the peer for a sign of life. */
void ws_ping(struct ws *ws);
/* When the peer was last heard of, in monotonic ms. */
int64_t ws_heard_ms(const struct ws *ws);
/* Bytes written and not yet taken by the kernel. */
size_t ws_output_len(const struct ws *ws);
/* The TLS connection, while there is one. */
SSL *ws_ssl(const struct ws *ws);

#endif
