#ifndef POSTKASSE_NET_CERTIFICATE_H
#define POSTKASSE_NET_CERTIFICATE_H

/*
 * What a certificate says: how long it holds and, where it is for links between hosts, for whom. The host
 * is named by its addresses and names, each role that it may have by a URI, all of them subject
 * alternative names (RFC 5280 section 4.2.1.6). Pure functions.
 */

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"

/* In front of the name of a role in its URI. */
#define CERTIFICATE_ROLE "postkasse:"

/* The end of the shortest-lived certificate of the text, in seconds since 1970. E_INVALID when there is
 * none in it. */
int certificate_not_after(struct str pem, int64_t *ret, struct errinfo *info) MUST_USE;
/* Whether the first certificate of the text is for a host that may have that role. */
bool certificate_has_role(struct str pem, const char *role);

/* Before the handshake of a connection that we make: the peer's certificate must be for that host, which
 * is a name or an address, with or without a port. E_INVALID when it is neither. */
int certificate_expect_host(SSL *ssl, const char *host, struct errinfo *info) MUST_USE;
/* After it: whether the peer may have that role; and whether it may be at that address, which a
 * certificate that names no address leaves open. */
bool certificate_peer_has_role(const SSL *ssl, const char *role);
bool certificate_peer_may_be_at(const SSL *ssl, const struct sockaddr *address);

#endif
