#ifndef POSTKASSE_NET_STREAM_H
#define POSTKASSE_NET_STREAM_H

/*
 * Bytes over a connected socket, plain or TLS, for conn and the link. Output collects in an evbuffer
 * and leaves at the end of the loop's round with one write; TLS records are made into a second
 * evbuffer first, so that they leave together too. The socket is waited for only when it is full.
 * Nothing is allocated for input: stream_read reads where the caller says. So an idle stream costs
 * its struct and, with TLS, the SSL object without buffers.
 *
 * We use an SSL over our own BIO rather than bufferevent_openssl: that one writes each chain of its
 * buffer as a record with its own system call, only after the loop has told it that the socket is
 * writable, and reads 5 bytes of header with a call of their own.
 *
 * Handlers are called from the loop only, never from inside a stream_ function. Memory stays valid
 * until the end of the round in which stream_free was called, so handlers may free their stream.
 */

#include <openssl/ssl.h>

#include "base/str.h"
#include "net/loop.h"

/* For large buffers on the stack that are written before they are read: clearing them at each call
 * (-ftrivial-auto-var-init) would cost more than the call. */
#define UNCLEARED __attribute__((uninitialized))

struct stream;

enum stream_end {
	STREAM_OPEN,
	STREAM_END_PEER, /* orderly: FIN, or close_notify */
	STREAM_END_LOST, /* reset */
	STREAM_END_TLS,  /* a failed handshake, a bad record */
};

struct stream_handlers {
	/* Input may be there: stream_read until it returns 0. Also called once when the input ends. */
	void (*readable)(void *ctx);
	/* The kernel took some of the output. May be NULL. */
	void (*written)(void *ctx);
	/* Connected (stream_connect) or the handshake is done. May be NULL. */
	void (*ready)(void *ctx);
	/* Broken while connecting, shaking hands or writing; stream_end tells how. At most once. */
	void (*broken)(void *ctx);
};

/* Takes fd (non-blocking). */
struct stream *stream_new(struct loop *loop, int fd, const struct stream_handlers *handlers,
                          void *ctx) __attribute__((returns_nonnull, warn_unused_result));
/* Closes the socket. */
void stream_free(struct stream *stream);
/* connect() is under way on the socket; ready (before any TLS handshake) or broken follows. */
void stream_connecting(struct stream *stream);
/* TLS from here on; takes ssl, which tells by its state which side we are. Pending plain output goes
 * out first. ready or broken follows. */
void stream_start_tls(struct stream *stream, SSL *ssl);
SSL *stream_ssl(const struct stream *stream);

/* Bytes read, or 0: nothing more now, or the end: look at stream_end. */
size_t stream_read(struct stream *stream, void *ret, size_t len);
enum stream_end stream_end(const struct stream *stream);
/* A short word on how it ended ("certificate verify failed"); never NULL. */
const char *stream_end_text(const struct stream *stream);
/* Whether the socket is read at all. */
void stream_set_reading(struct stream *stream, bool reading);
/* To be called when stream_read was left before it returned 0: has the readable handler called again,
 * for TLS may hold bytes that the socket does not tell of. */
void stream_read_again(struct stream *stream);

void stream_write(struct stream *stream, struct str bytes);
/* A copy that is overwritten as soon as the kernel has it, or a TLS record of it is made. */
void stream_write_secret(struct stream *stream, struct str bytes);
/* Takes the memory of bytes; as above if it is a secret one. */
void stream_write_buf(struct stream *stream, struct buf *bytes);
/* Writes what the kernel takes now. */
void stream_flush(struct stream *stream);
/* Bytes not yet given to the kernel, records included. */
size_t stream_output_len(const struct stream *stream);
/* When output last moved (or began to wait), clock_monotonic_ms. */
int64_t stream_output_moved_ms(const struct stream *stream);
/* close_notify and FIN after what is pending. */
void stream_shutdown(struct stream *stream);

#endif
