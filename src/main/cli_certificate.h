#ifndef POSTKASSE_MAIN_CLI_CERTIFICATE_H
#define POSTKASSE_MAIN_CLI_CERTIFICATE_H

/* A self-signed certificate to begin with, until there is a real one. */

#include "base/error.h"
#include "base/str.h"

enum { CERTIFICATE_DAYS = 825 }; /* the longest that Apple's clients take */

/* Appends a certificate for hostname, localhost and the loopback addresses, as PEM. key: the private
 * key that it is for, PEM; when empty a new P-256 key is appended there. */
int certificate_make(const char *hostname, struct buf *certificate, struct buf *key,
                     struct errinfo *info) MUST_USE;

#endif
