#ifndef POSTKASSE_NET_TLS_H
#define POSTKASSE_NET_TLS_H

/*
 * TLS contexts, made from PEM text in memory: fronts open no file. A process has one context for each
 * purpose, which stays where it is for the life of the process; a reload swaps what is in it, so that
 * nobody who has its pointer is told. Connections made from what was in it before go on.
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
/* One without a certificate, to be filled by tls_context_swap. */
struct tls_context *tls_context_new(void) __attribute__((returns_nonnull, warn_unused_result));
/* Puts what is in from, which it frees, in the place of what is in context. NULL: nothing is in it
 * then. */
void tls_context_swap(struct tls_context *context, struct tls_context *from);
void tls_context_free(struct tls_context *context);
/* Whether there is a certificate in it: without one no TLS is offered. NULL: no. */
bool tls_ready(const struct tls_context *context);
/* A connection object, SSL_MODE_RELEASE_BUFFERS set; owned by the caller. NULL when the context is not
 * ready: what was ready when a client was invited may not be so when it comes. */
SSL *tls_connection_new(struct tls_context *context) MUST_USE;
/* The same for a connection that we have made, also with the context of a core, which else is the server:
 * a core may have links to others. */
SSL *tls_connection_new_outward(struct tls_context *context);
/* Channel bindings for SCRAM-SHA-256-PLUS: tls-exporter (RFC 9266, TLS 1.3) and
 * tls-server-end-point (RFC 5929). Appends the bytes; E_UNSUPPORTED when there are none. */
int tls_binding_exporter(SSL *ssl, struct buf *out) MUST_USE;
int tls_binding_end_point(SSL *ssl, struct buf *out) MUST_USE;

#endif
