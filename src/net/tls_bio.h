#ifndef POSTKASSE_NET_TLS_BIO_H
#define POSTKASSE_NET_TLS_BIO_H

/*
 * What lies below a TLS connection: records are read from the socket as it asks for them, and those
 * that it makes are collected, so that many leave with one write.
 */

#include <openssl/bio.h>
#include <stdbool.h>

struct evbuffer;

struct tls_bio {
	int fd;
	struct evbuffer *wire; /* records that have not left */
	bool dry;              /* the last read took all there was: no need to ask again */
	bool at_eof;           /* the socket said so */
};

/* For SSL_set_bio, which takes it over; below is borrowed and has to outlive it. */
BIO *tls_bio_new(struct tls_bio *below);

#endif
