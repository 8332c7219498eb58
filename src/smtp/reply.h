#ifndef POSTKASSE_SMTP_REPLY_H
#define POSTKASSE_SMTP_REPLY_H

/*
 * Everything that the server says, in one table: reply code (RFC 5321 section 4.2), enhanced status
 * code (RFC 3463, RFC 5248) and text; and the one table from enum error to a reply. The exceptions
 * are the lists of the EHLO reply and the greeting, which are no status reports.
 */

#include "base/str.h"

enum smtp_reply_id {
	SMTP_REPLY_NONE, /* "go on": what a parser returns when there is nothing to complain about */
	SMTP_REPLY_OK,
	SMTP_REPLY_BYE,
	SMTP_REPLY_HELP,
	SMTP_REPLY_VRFY,
	SMTP_REPLY_STARTTLS,
	SMTP_REPLY_SENDER_OK,
	SMTP_REPLY_RECIPIENT_OK,
	SMTP_REPLY_SEND_DATA,
	SMTP_REPLY_CHUNK_OK,
	SMTP_REPLY_ACCEPTED,
	/* the connection ends */
	SMTP_REPLY_SHUTDOWN,
	SMTP_REPLY_TIMEOUT,
	SMTP_REPLY_TOO_SLOW,
	SMTP_REPLY_NO_ROOM,
	SMTP_REPLY_CONNECTIONS_MAX,
	SMTP_REPLY_CONNECTIONS_PER_ADDRESS,
	SMTP_REPLY_ERRORS_MAX,
	SMTP_REPLY_NOT_SMTP,
	/* commands */
	SMTP_REPLY_LINE_TOO_LONG,
	SMTP_REPLY_LINE_BARE,
	SMTP_REPLY_UNKNOWN_COMMAND,
	SMTP_REPLY_NOT_IMPLEMENTED,
	SMTP_REPLY_ARGUMENTS,
	SMTP_REPLY_NO_ARGUMENTS,
	SMTP_REPLY_HELO_NAME,
	SMTP_REPLY_HELLO_FIRST,
	SMTP_REPLY_NO_STARTTLS,
	SMTP_REPLY_NESTED_MAIL,
	SMTP_REPLY_NEED_MAIL,
	SMTP_REPLY_NEED_RCPT,
	SMTP_REPLY_IN_CHUNKS,
	SMTP_REPLY_NO_VALID_RCPT,
	SMTP_REPLY_PARAMETER,
	SMTP_REPLY_PARAMETER_UNKNOWN,
	SMTP_REPLY_SENDER_SYNTAX,
	SMTP_REPLY_SENDER_UTF8,
	SMTP_REPLY_RECIPIENT_SYNTAX,
	SMTP_REPLY_RECIPIENT_UTF8,
	SMTP_REPLY_RECIPIENT_UNKNOWN,
	SMTP_REPLY_RECIPIENT_DISABLED,
	SMTP_REPLY_RECIPIENT_NOT_READY,
	SMTP_REPLY_RELAY,
	SMTP_REPLY_RECIPIENTS_MAX,
	/* the message */
	SMTP_REPLY_TOO_LARGE,
	SMTP_REPLY_BARE,
	SMTP_REPLY_LOOP,
	SMTP_REPLY_MAILBOX_FULL,
	SMTP_REPLY_NO_SPACE,
	SMTP_REPLY_MAILBOX_BUSY,
	SMTP_REPLY_TRY_LATER,
	SMTP_REPLY_REFUSED,
	SMTP_REPLY_COUNT
};

struct smtp_reply {
	uint16_t code;
	const char *enhanced; /* "2.1.0", or NULL where RFC 2034 has none */
	const char *text;
};

const struct smtp_reply *smtp_reply(enum smtp_reply_id id);
/* What the failure of a request to a core means to a sender. */
enum smtp_reply_id smtp_reply_of_error(int error);
/* A failure that a later attempt may get past: code 4yz. */
bool smtp_reply_temporary(enum smtp_reply_id id);
/* Appends one line, CR LF included; detail, if not empty, follows the text. */
void smtp_reply_write(struct buf *out, enum smtp_reply_id id, struct str detail);

#endif
