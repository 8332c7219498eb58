#ifndef POSTKASSE_MAIN_CLI_CERTIFICATE_H
#define POSTKASSE_MAIN_CLI_CERTIFICATE_H

/* Certificates of our own making: one to begin with, until there is a real one; and those of the links
 * between hosts, with their authority. All text is PEM. */

#include "base/error.h"
#include "base/str.h"

enum {
	CERTIFICATE_DAYS = 825, /* the longest that Apple's clients take */
	CERTIFICATE_LINK_DAYS = 397,
	CERTIFICATE_AUTHORITY_DAYS = 3650,
};

/* Appends a certificate for hostname, localhost and the loopback addresses. key: the private key that it
 * is for; when empty a new P-256 key is appended there. */
int certificate_make(const char *hostname, struct buf *certificate, struct buf *key,
                     struct errinfo *info) MUST_USE;

/* Appends an authority's certificate and its new key. */
int certificate_make_authority(struct buf *certificate, struct buf *key,
                               struct errinfo *info) MUST_USE;
/* Appends a certificate, and its new key, for one end of links; authority, the first certificate of its
 * text, signs it. names: the subject alternative names, as openssl writes them, see net/certificate.h. */
int certificate_make_link(struct str authority, struct str authority_key, const char *names,
                          struct buf *certificate, struct buf *key, struct errinfo *info) MUST_USE;

#endif
