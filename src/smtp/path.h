#ifndef POSTKASSE_SMTP_PATH_H
#define POSTKASSE_SMTP_PATH_H

/*
 * Reverse-path and forward-path, RFC 5321 section 4.1.2 with the UTF-8 of RFC 6531 section 3.3, as
 * pure functions over a cursor. The grammar is taken strictly: what is in here ends up in trace
 * headers and in questions to the directory. One liberty: "_" counts as a letter of a domain, for
 * there are senders that use it.
 */

#include "base/str.h"

enum {
	SMTP_LOCAL_PART_MAX =
		255, /* RFC 5321 section 4.5.3.1.1 asks for 64; bounce addresses are longer */
	SMTP_DOMAIN_MAX = 255,
	SMTP_LABEL_MAX = 63,
	SMTP_PATH_MAX = 1024, /* with a source route, which is skipped */
};

struct smtp_path {
	struct str mailbox; /* local-part@domain as written, without source route; borrowed */
	struct str local;   /* as written: with the quotes of a quoted-string */
	struct str domain;  /* or address literal with its brackets; empty for <postmaster> */
	bool null;          /* "<>": everything above is empty */
	bool postmaster;    /* "<postmaster>" of RFC 5321 section 4.5.1 */
	bool utf8;          /* has a character outside ASCII: needs SMTPUTF8 */
};

/* Reverse-path = Path / "<>" */
bool smtp_reverse_path(struct cursor *c, struct smtp_path *ret) MUST_USE;
/* Forward-path = Path / "<Postmaster>" */
bool smtp_forward_path(struct cursor *c, struct smtp_path *ret) MUST_USE;
/* Appends the address in the form that compares equal for equal addresses: a quoted-string that
 * says the same as a dot-string loses its quotes (RFC 5321 section 4.1.2, last paragraph but two). */
void smtp_path_canonical(const struct smtp_path *path, struct buf *out);

/* The argument of EHLO and HELO: Domain / address-literal. What it says is not verified (section
 * 4.1.4 forbids to refuse for that), so the check only keeps trace headers well-formed. */
bool smtp_helo_name(struct cursor *c, struct str *ret) MUST_USE;

#endif
