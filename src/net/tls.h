#ifndef POSTKASSE_NET_TLS_H
#define POSTKASSE_NET_TLS_H

/*
 * TLS contexts, made from PEM text in memory: fronts open no file. Server contexts can be replaced
 * while connections made from the old one go on (each holds a reference).
 */

#include <openssl/ssl.h>

#include "base/error.h"
#include "base/str.h"

struct tls_context;

/* A public server: TLS 1.2 and up, no client certificate. PEM text; the key is wiped by the caller. */
int tls_server_new(struct tls_context **ret, struct str certificate_chain, struct str private_key,
                   struct errinfo *info) MUST_USE;
/* One end of a link between hosts: TLS 1.3, both sides show a certificate signed by ca. */
int tls_mutual_new(struct tls_context **ret, bool server, struct str certificate_chain,
                   struct str private_key, struct str ca, struct errinfo *info) MUST_USE;
void tls_context_free(struct tls_context *context);
/* A connection object, SSL_MODE_RELEASE_BUFFERS set; owned by the caller. */
SSL *tls_connection_new(struct tls_context *context);
/* Channel bindings for SCRAM-SHA-256-PLUS: tls-exporter (RFC 9266, TLS 1.3) and
 * tls-server-end-point (RFC 5929). Appends the bytes; E_UNSUPPORTED when there are none. */
int tls_binding_exporter(SSL *ssl, struct buf *out) MUST_USE;
int tls_binding_end_point(SSL *ssl, struct buf *out) MUST_USE;

#endif
