#ifndef POSTKASSE_DIRECTORY_ADDRESS_H
#define POSTKASSE_DIRECTORY_ADDRESS_H

/*
 * Addresses in the one form under which the directory keeps and finds them: the domain in A-labels
 * and lower case (UTS #46), the local part in lower case and normal form C, without quotes and without
 * what follows a "+". Pure functions.
 */

#include "base/error.h"
#include "base/str.h"

enum {
	ADDRESS_LOCAL_MAX = 64,   /* RFC 5321 section 4.5.3.1.1 */
	ADDRESS_DOMAIN_MAX = 253, /* RFC 1035 section 2.3.4, without the root's dot */
	ADDRESS_INPUT_MAX = 1024, /* bytes that anybody may send as an address or a domain */
	ADDRESS_MAX = ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX,
};

struct address {
	char local[ADDRESS_LOCAL_MAX + 1];
	char domain[ADDRESS_DOMAIN_MAX + 1];
	char text[ADDRESS_MAX + 1]; /* local@domain */
	bool detailed;              /* a "+detail" was cut off */
};

/* E_INVALID: not a host name that mail can go to (address literals are none). */
int domain_normalize(struct str domain, char ret[ADDRESS_DOMAIN_MAX + 1],
                     struct errinfo *info) MUST_USE;
/* E_INVALID: no "@", a bad domain, or a local part that is empty, too long, not UTF-8, not a dot-atom
 * (RFC 5322 section 3.2.3, RFC 6531), or has invisible characters. When only the local part is bad
 * ret->domain is filled in all the same, else it is empty. */
int address_normalize(struct str address, struct address *ret, struct errinfo *info) MUST_USE;

#endif
