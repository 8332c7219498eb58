#ifndef POSTKASSE_FRONT_SASL_H
#define POSTKASSE_FRONT_SASL_H

/*
 * The server's side of a SASL exchange (RFC 4422), for every front: PLAIN (RFC 4616), LOGIN (never
 * standardized, still sent), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). One struct
 * sasl to a client connection; it may be used for any number of attempts, one after the other.
 *
 * Base64 and its conventions are handled here, because IMAP, SMTP and POP3 share them: what goes in
 * is the line as it came (without CRLF), what comes out is the text to send after "+ " or "334 ".
 * The front parses "AUTHENTICATE name [initial]", sends challenges, and maps the error at the end.
 *
 *     sasl_start ──> challenge ──> sasl_response ──> challenge ... ──> done
 *
 * Exactly one done follows each sasl_start or sasl_password, unless sasl_abort or sasl_free comes
 * first. Handlers are called from the loop or from inside sasl_start, sasl_response; a handler may
 * call sasl_start, sasl_response, sasl_abort, but not sasl_free. Runs in the thread of the link's loop.
 *
 * Passwords and proofs are wiped as soon as they were sent to the directory; the mailbox secret of a
 * SCRAM exchange that waits for the client's last word lies in the front's vault.
 */

#include <openssl/ssl.h>

#include "crypto/secret.h"
#include "net/link.h"

#include "directory.pb-c.h"

enum sasl_mechanism {
	SASL_PLAIN = 1,
	SASL_LOGIN = 2,
	SASL_SCRAM_SHA_256 = 4,
	SASL_SCRAM_SHA_256_PLUS = 8,
};

enum {
	SASL_LINE_MAX = 4096, /* bytes of base64 in one line of the client; more ends it, E_TOO_LARGE */
};

struct sasl_options {
	struct link *directory; /* borrowed */
	struct vault *vault;    /* borrowed */
	struct link_patience
		*patience;       /* for the directory, in one exchange; borrowed; NULL: calls have
	                                   the link's deadline */
	const char *service; /* "imap", "pop3", "smtp", "dav"; copied */
	const char *remote;  /* the client's numeric address; copied */
	SSL *ssl;            /* of this connection, borrowed; NULL: no TLS, no channel binding */
	unsigned offered;    /* set of enum sasl_mechanism that the client was told */
};

struct sasl_handlers {
	void *ctx;
	/* Send text (base64, perhaps empty) as a challenge; the next line goes to sasl_response. */
	void (*challenge)(void *ctx, struct str text);
	/* The end. error 0: login is who it is, borrowed, its mailbox_secret wiped after the call.
	 * Otherwise login is NULL and text (borrowed) is the reason, fit to show:
	 *   E_DENIED       wrong address or password, or this password is not for this service
	 *   E_LIMIT        wrong as well, and too many of this remote wait for their answer already
	 *   E_INVALID      not base64, not a message of this mechanism
	 *   E_TOO_LARGE    longer than SASL_LINE_MAX
	 *   E_UNSUPPORTED  no such mechanism, or not offered
	 *   E_CANCELLED    the client sent "*"
	 *   E_UNAVAILABLE, E_TIMEOUT  the directory is away */
	void (*done)(void *ctx, int error, struct str text, const Pk__LoginReply *login);
};

struct sasl;

/* options and handlers are copied; what they point to is not, but for the strings. */
struct sasl *sasl_new(const struct sasl_options *options, const struct sasl_handlers *handlers)
	__attribute__((returns_nonnull, warn_unused_result));
/* NULL is fine; ends an exchange without done. */
void sasl_free(struct sasl *sasl);

/* Begins: mechanism as the client named it (any case); initial is the initial response as it stood
 * on the line, "=" for an empty one, length 0 when there was none. */
void sasl_start(struct sasl *sasl, struct str mechanism, struct str initial);
/* The client's next line. Must not be called while nothing is asked of the client (see
 * sasl_waits_for_client); such a line is the front's to keep or refuse. */
void sasl_response(struct sasl *sasl, struct str line);
/* Without SASL: IMAP LOGIN, POP3 USER and PASS. Copies both. Counts as allowed when the front calls
 * it: whether plain passwords are accepted without TLS is the front's decision. */
void sasl_password(struct sasl *sasl, struct str address, struct str password);
/* Forgets the exchange; done is not called. */
void sasl_abort(struct sasl *sasl);
/* True between a challenge and the sasl_response that answers it. */
bool sasl_waits_for_client(const struct sasl *sasl);
/* In done with an error: the id of the mailbox that was tried, for the log and nobody else; empty when
 * there is none, or it is not known. */
const char *sasl_tried_mailbox(const struct sasl *sasl);
/* True between sasl_start or sasl_password and done. */
bool sasl_busy(const struct sasl *sasl);

/* What may be offered: without TLS nothing, unless allow_clear says so; the -PLUS one only under TLS.
 * SCRAM hides the password, but not the mail that is read after it. */
unsigned sasl_offer(bool tls, bool allow_clear);
/* Appends the names of offered, strongest first, each with prefix before it (" AUTH=", " "). */
void sasl_offer_print(struct buf *out, unsigned offered, struct str prefix);

#endif
