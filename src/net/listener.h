#ifndef POSTKASSE_NET_LISTENER_H
#define POSTKASSE_NET_LISTENER_H

/*
 * Accepts clients' TCP connections on any number of listening sockets of one process, within limits
 * that are counted over all of them: connections at once in the process, connections at once and new
 * ones per window for one address prefix (/32 of IPv4, /64 of IPv6). Running out of descriptors does
 * not spin: a reserve descriptor takes the connection and refuses it. Loop thread only.
 */

#include "base/log.h"
#include "base/str.h"
#include "net/loop.h"

enum { LISTENER_ADDRESS_SIZE = 46 }; /* INET6_ADDRSTRLEN */

enum listener_refusal {
	LISTENER_FULL,        /* connections_max, or out of descriptors */
	LISTENER_PREFIX_FULL, /* prefix_connections_max */
	LISTENER_PREFIX_RATE, /* prefix_rate_max */
	LISTENER_CLOSED,      /* is_open says so */
};

struct listener_peer {
	char address[LISTENER_ADDRESS_SIZE]; /* "192.0.2.1", "2001:db8::1"; IPv4-mapped as IPv4; "local"
	                                        for a Unix socket */
	uint16_t port;
	unsigned char prefix[16]; /* what it is counted under; for listener_release */
	/* The same as text: as address, but "2001:db8::/64". */
	char network[LISTENER_ADDRESS_SIZE + 4];
	bool local; /* loopback, or a Unix socket: many may stand behind it */
};

struct listener_options {
	size_t connections_max;        /* 0: no limit */
	size_t prefix_connections_max; /* 0: no limit */
	size_t prefix_rate_max;        /* new connections per prefix_rate_window_ms; 0: no limit */
	int64_t prefix_rate_window_ms; /* 0: 10 s */
	bool limit_loopback;           /* false: the prefix limits do not hold for 127/8 and ::1 */
};

struct listener_handlers {
	void *ctx;
	/* A connection: fd is non-blocking, close-on-exec, TCP_NODELAY and the callee's. peer is copied
	 * by the callee, which calls listener_release with it when the connection is over. tag is that
	 * of listener_add. */
	void (*accepted)(void *ctx, int tag, int fd, const struct listener_peer *peer);
	/* Whether this socket serves now; NULL: always. Who comes meanwhile is refused, and logged. */
	bool (*is_open)(void *ctx, int tag);
	/* What to tell one who is refused ("421 4.7.0 ...\r\n"), before closing; NULL: nothing (TLS
	 * ports). The handler itself may be NULL. */
	const char *(*refusal)(void *ctx, int tag, enum listener_refusal reason);
};

struct listener;

struct listener *listener_new(struct loop *loop, const struct log *log,
                              const struct listener_options *options,
                              const struct listener_handlers *handlers)
	__attribute__((returns_nonnull, warn_unused_result));
/* Closes the listening sockets; connections that were accepted go on. */
void listener_free(struct listener *listener);
/* Accepts on fd too, which it takes; tag tells the accepted handler which one it was. */
void listener_add(struct listener *listener, int fd, int tag);
/* New limits hold for new connections. */
void listener_set_options(struct listener *listener, const struct listener_options *options);
/* One connection less. */
void listener_release(struct listener *listener, const struct listener_peer *peer);
/* For tests. */
size_t listener_connections(const struct listener *listener);
/* While paused, connections wait in the kernel's queue; pauses do not nest. */
void listener_pause(struct listener *listener, bool paused);

#endif
