#ifndef POSTKASSE_IMAP_RESPOND_H
#define POSTKASSE_IMAP_RESPOND_H

/* The one table from our errors to IMAP's responses (RFC 9051 section 7.1): nobody else writes a
 * status and a response code for a failure. */

#include "base/error.h"
#include "base/str.h"

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD };

/* What failed decides among codes for the same error. */
enum imap_failure {
	IMAP_FAILED_COMMAND, /* anything else */
	IMAP_FAILED_LOGIN,   /* LOGIN, AUTHENTICATE, and opening the mailbox after them */
	IMAP_FAILED_TARGET,  /* APPEND, COPY, MOVE: E_NOT_FOUND is the mailbox that they name */
};

struct imap_response {
	enum imap_status status;
	const char *code; /* without brackets; NULL: none */
	const char *text; /* when the error brought no sentence */
};

/* Never fails; an unknown error is E_INTERNAL. */
const struct imap_response *imap_response_for(int error, enum imap_failure failure);

/* Whether the sentence that came with the error is about what the client asked, and not about what is
 * wrong in here. Nothing is told at login. */
bool imap_response_may_say(int error, enum imap_failure failure);
/* "OK", "NO", "BAD". */
const char *imap_status_name(enum imap_status status);

#endif
