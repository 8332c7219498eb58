#ifndef POSTKASSE_NET_CERTIFICATE_H
#define POSTKASSE_NET_CERTIFICATE_H

/* What a certificate says about its time. Pure functions over PEM text. */

#include "base/error.h"
#include "base/str.h"

/* The end of the shortest-lived certificate of the text, in seconds since 1970. E_INVALID when there is
 * none in it. */
int certificate_not_after(struct str pem, int64_t *ret, struct errinfo *info) MUST_USE;

#endif
