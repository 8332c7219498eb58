#ifndef POSTKASSE_MAIN_LISTEN_H
#define POSTKASSE_MAIN_LISTEN_H

/* Listening sockets, made by the supervisor: non-blocking, close-on-exec. */

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/str.h"

struct listen_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

enum { LISTEN_TEXT_SIZE = INET6_ADDRSTRLEN + 8, LISTEN_BACKLOG = 4096 };

/* "192.0.2.1:25" or "[2001:db8::1]:25"; names are not looked up. Port 0: the system chooses. */
int listen_address_parse(struct listen_address *ret, struct str text,
                         struct errinfo *info) MUST_USE;
/* The form that listen_address_parse reads. */
void listen_address_format(const struct listen_address *address, char ret[LISTEN_TEXT_SIZE]);

/* Binds and listens. share: several sockets of ours may have this address (SO_REUSEPORT).
 * E_UNSUPPORTED when the machine has no such address family. */
int listen_tcp(int *ret_fd, const struct listen_address *address, bool share,
               struct errinfo *info) MUST_USE;
/* The address that a listening socket has got. */
void listen_bound_address(int fd, struct listen_address *ret);
/* A Unix socket in place of whatever socket was at path, of mode 0600. */
int listen_unix(int *ret_fd, const char *path, struct errinfo *info) MUST_USE;

#endif
