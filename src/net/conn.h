#ifndef POSTKASSE_NET_CONN_H
#define POSTKASSE_NET_CONN_H

/*
 * One client's connection, for line protocols (IMAP, SMTP): plain, TLS from the first byte, or plain
 * with a later STARTTLS. Belongs to the thread of its loop. An idle connection holds no buffers: what
 * it costs is the SSL object.
 *
 * Input: bytes collect in one contiguous buffer of at most input_max bytes; past that the socket is
 * not read, so that TCP slows the peer down. The input handler looks at conn_input(), takes complete
 * commands with conn_consume(), and leaves the rest. A front that waits for a core simply does not
 * consume; when it can go on it calls conn_again().
 *
 * Output: conn_write collects; everything written in one round of the loop leaves with one write (and
 * one run of TLS records) as soon as the handler returns, without waiting for the socket to say that
 * it is writable. Producers of much look at conn_output_full() and go on in the drained handler.
 *
 * End: the closed handler is called once and only from the loop, never from inside a conn_ function. conn_free ends at once; conn_close sends what is pending first. After either the caller's
 * pointer is dead; both may be called from inside every handler.
 */

#include <openssl/ssl.h>

#include "base/error.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"

enum {
	CONN_INPUT_MAX = 64 * 1024,    /* standard input_max */
	CONN_OUTPUT_HIGH = 256 * 1024, /* a producer stops here; a hint, see conn_output_full */
	CONN_OUTPUT_LOW = 64 * 1024,   /* standard output_low */
	CONN_STALL_MS = 5 * 60 * 1000, /* standard stall_ms */
	CONN_HANDSHAKE_MS = 30 * 1000, /* for a TLS handshake */
	CONN_CLOSE_MS = 10 * 1000,     /* conn_close: to send what is pending, in all */
	CONN_LINGER_MS = 2 * 1000,     /* ... and then for the peer to close as well */
	CONN_LINGER_MAX = 256 * 1024,  /* ... while at most this much more input is thrown away */
};

struct conn;

enum conn_end {
	/* The peer will send nothing more and all it sent has been consumed. Writing may still be
	 * possible: answer what is under way, then conn_close. */
	CONN_END_PEER,
	/* Reset, or broken by the network. Nothing can be sent. */
	CONN_END_LOST,
	/* The TLS handshake failed, or a record was forged or cut. Nothing can be sent. */
	CONN_END_TLS,
	/* The peer took none of our output for stall_ms, or did not finish the handshake. */
	CONN_END_STALLED,
};

struct conn_handlers {
	/* New bytes are in conn_input(), or conn_again was called and there are some. */
	void (*input)(void *ctx);
	/* Pending output has fallen to output_low or less after it was above it. May be NULL. */
	void (*drained)(void *ctx);
	/* A TLS handshake is done: conn_ssl() has the connection. May be NULL. */
	void (*secured)(void *ctx);
	/* The deadline of conn_deadline has passed (it is then off). May be NULL. */
	void (*deadline)(void *ctx);
	/* See above; text is a short reason for the log ("tls: no shared cipher"), never content. The
	 * callee calls conn_free (or, after CONN_END_PEER, conn_close) at once or later. One that keeps the
	 * connection after CONN_END_PEER, to send more, may be told of another end then. */
	void (*closed)(void *ctx, enum conn_end end, const char *text);
};

struct conn_options {
	size_t input_max;        /* 0: CONN_INPUT_MAX */
	size_t output_low;       /* 0: CONN_OUTPUT_LOW */
	int64_t stall_ms;        /* 0: CONN_STALL_MS */
	struct tls_context *tls; /* not NULL: TLS from the first byte; needed only during conn_new */
};

/* Takes fd (a connected stream socket, TCP or a socketpair), makes it non-blocking, TCP_NODELAY.
 * handlers is borrowed for the connection's life (a static const table); options may be NULL. */
struct conn *conn_new(struct loop *loop, int fd, const struct conn_options *options,
                      const struct conn_handlers *handlers, void *ctx)
	__attribute__((returns_nonnull, warn_unused_result));
/* Closes at once; pending output is lost. NULL is fine. */
void conn_free(struct conn *conn);
/* Sends what is pending, says goodbye (TLS close_notify, FIN) and frees itself within CONN_CLOSE_MS +
 * CONN_LINGER_MS. No handler is called any more. loop_free ends those that are not done. */
void conn_close(struct conn *conn);

/* What has arrived and was not consumed. The bytes stay where they are, consumed or not, until the
 * handler that looks at them returns. */
struct str conn_input(const struct conn *conn);
/* The peer will send nothing more: what conn_input() holds is all. A front that needs more than that
 * closes; closed(CONN_END_PEER) comes only when everything has been consumed. */
bool conn_ended(const struct conn *conn);
/* Takes the first n bytes (at most conn_input().len) away. */
void conn_consume(struct conn *conn, size_t n);
/* Has the input handler called from the loop, soon, if there is input (or the peer's end to tell). */
void conn_again(struct conn *conn);

/* Appends output; a copy, or (second form) the memory of buf, which is empty afterwards. Dropped while
 * a TLS handshake is under way: from conn_new with tls, or conn_starttls, until secured. */
void conn_write(struct conn *conn, struct str bytes);
void conn_write_buf(struct conn *conn, struct buf *bytes);
/* CONN_OUTPUT_HIGH bytes are not yet given to the kernel: go on when the drained handler is called. */
bool conn_output_full(const struct conn *conn);

/* The TLS side of STARTTLS: sends what is pending ("OK begin TLS") in plain, throws away all input
 * that came in plain (command injection, CVE-2011-0411), then waits for the client's handshake and
 * calls secured. The caller has consumed its command. */
void conn_starttls(struct conn *conn, struct tls_context *tls);
/* The TLS connection once secured, for channel bindings and the log; NULL while plain. Borrowed. */
SSL *conn_ssl(const struct conn *conn);

/* Whether what comes in may be a secret: then every copy of it here is overwritten when it has been
 * consumed. So from the start; a front says false once the client has nothing more to prove, or never
 * has, for that mail is read at full speed. */
void conn_secret_input(struct conn *conn, bool secret);

/* Calls the deadline handler once, ms from now; 0 turns it off. Cheap to move: once a command. */
void conn_deadline(struct conn *conn, int64_t ms);

#endif
