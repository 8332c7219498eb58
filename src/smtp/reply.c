#include "smtp/reply.h"

#include "base/mem.h"
#include "base/must.h"

/* Laid out by hand. */
/* clang-format off */
static const struct smtp_reply replies[SMTP_REPLY_COUNT] = {
	[SMTP_REPLY_OK] = {250, "2.0.0", "OK"},
	[SMTP_REPLY_BYE] = {221, "2.0.0", "Bye"},
	[SMTP_REPLY_HELP] = {214, "2.0.0", "See RFC 5321. Commands:"},
	[SMTP_REPLY_VRFY] = {252, "2.0.0", "Not verified, send some mail and see"},
	[SMTP_REPLY_STARTTLS] = {220, "2.0.0", "Ready to start TLS"},
	[SMTP_REPLY_SENDER_OK] = {250, "2.1.0", "Sender OK"},
	[SMTP_REPLY_RECIPIENT_OK] = {250, "2.1.5", "Recipient OK"},
	[SMTP_REPLY_SEND_DATA] = {354, NULL, "End with <CR><LF>.<CR><LF>"},
	[SMTP_REPLY_CHUNK_OK] = {250, "2.0.0", "Octets received:"},
	[SMTP_REPLY_ACCEPTED] = {250, "2.0.0", "Delivered as"},

	[SMTP_REPLY_SHUTDOWN] = {421, "4.3.2", "Service is stopping, come back later"},
	[SMTP_REPLY_TIMEOUT] = {421, "4.4.2", "Waited too long"},
	[SMTP_REPLY_TOO_SLOW] = {421, "4.4.2", "Message comes in too slowly"},
	[SMTP_REPLY_NO_ROOM] = {421, "4.3.1", "No memory for a message that comes in so slowly, come back later"},
	[SMTP_REPLY_CONNECTIONS_MAX] = {421, "4.3.2", "Too many connections, come back later"},
	[SMTP_REPLY_CONNECTIONS_PER_ADDRESS] = {421, "4.7.0", "Too many connections from your network"},
	[SMTP_REPLY_ERRORS_MAX] = {421, "4.7.0", "Too many errors"},
	[SMTP_REPLY_NOT_SMTP] = {421, "4.7.0", "This is SMTP"},

	[SMTP_REPLY_LINE_TOO_LONG] = {500, "5.5.2", "Line too long"},
	[SMTP_REPLY_LINE_BARE] = {500, "5.5.2", "A command ends in CR LF and holds no other CR, LF or NUL"},
	[SMTP_REPLY_UNKNOWN_COMMAND] = {500, "5.5.1", "Command not recognized"},
	[SMTP_REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "Command not implemented"},
	[SMTP_REPLY_ARGUMENTS] = {501, "5.5.4", "Syntax error in arguments"},
	[SMTP_REPLY_NO_ARGUMENTS] = {501, "5.5.4", "Command takes no arguments"},
	[SMTP_REPLY_HELO_NAME] = {501, "5.5.4", "Say a domain name or an address literal"},
	[SMTP_REPLY_HELLO_FIRST] = {503, "5.5.1", "Say EHLO first"},
	[SMTP_REPLY_NO_STARTTLS] = {503, "5.5.1", "STARTTLS is not possible here"},
	[SMTP_REPLY_NESTED_MAIL] = {503, "5.5.1", "A transaction has begun already"},
	[SMTP_REPLY_NEED_MAIL] = {503, "5.5.1", "Say MAIL first"},
	[SMTP_REPLY_NEED_RCPT] = {503, "5.5.1", "Say RCPT first"},
	[SMTP_REPLY_IN_CHUNKS] = {503, "5.5.1", "Only BDAT, RSET and QUIT between chunks"},
	[SMTP_REPLY_NO_VALID_RCPT] = {554, "5.5.1", "No valid recipients"},
	[SMTP_REPLY_PARAMETER] = {501, "5.5.4", "Bad parameter"},
	[SMTP_REPLY_PARAMETER_UNKNOWN] = {555, "5.5.4", "Parameter not supported"},
	[SMTP_REPLY_SENDER_SYNTAX] = {501, "5.1.7", "Bad sender address syntax"},
	[SMTP_REPLY_SENDER_UTF8] = {553, "5.6.7", "Sender address needs SMTPUTF8"},
	[SMTP_REPLY_RECIPIENT_SYNTAX] = {501, "5.1.3", "Bad recipient address syntax"},
	[SMTP_REPLY_RECIPIENT_UTF8] = {553, "5.6.7", "Recipient address needs SMTPUTF8"},
	[SMTP_REPLY_RECIPIENT_UNKNOWN] = {550, "5.1.1", "No such recipient here"},
	[SMTP_REPLY_RECIPIENT_DISABLED] = {550, "5.2.1", "Mailbox does not accept mail"},
	[SMTP_REPLY_RECIPIENT_NOT_READY] = {450, "4.2.1", "Mailbox is not set up yet"},
	[SMTP_REPLY_RELAY] = {550, "5.7.1", "Relaying refused, not a domain of ours"},
	[SMTP_REPLY_RECIPIENTS_MAX] = {452, "4.5.3", "Too many recipients, send the rest in another transaction"},

	[SMTP_REPLY_TOO_LARGE] = {552, "5.3.4", "Message is too large"},
	[SMTP_REPLY_BARE] = {550, "5.6.11", "Message holds a bare CR or LF"},
	[SMTP_REPLY_LOOP] = {554, "5.4.6", "Too many Received headers, mail is going in circles"},
	[SMTP_REPLY_MAILBOX_FULL] = {452, "4.2.2", "Mailbox is full"},
	[SMTP_REPLY_NO_SPACE] = {452, "4.3.1", "Not enough storage"},
	[SMTP_REPLY_MAILBOX_BUSY] = {450, "4.2.0", "Mailbox is busy"},
	[SMTP_REPLY_TRY_LATER] = {451, "4.3.0", "Temporary failure, try again later"},
	[SMTP_REPLY_REFUSED] = {554, "5.3.0", "Message cannot be stored"},
};
/* clang-format on */

/* A full mailbox is a state its owner can end, so the sender is asked to try again: RFC 5321 section
 * 4.2.3 gives 452 for it, and keeps 552 for what no waiting will change. */
static const enum smtp_reply_id of_error[-E_LAST + 1] = {
	[-E_OK] = SMTP_REPLY_ACCEPTED,
	[-E_INVALID] = SMTP_REPLY_REFUSED,
	[-E_TOO_LARGE] = SMTP_REPLY_TOO_LARGE,
	[-E_LIMIT] = SMTP_REPLY_TRY_LATER,
	/* Who there is only RESOLVE knows. */
	[-E_NOT_FOUND] = SMTP_REPLY_TRY_LATER,
	[-E_EXISTS] = SMTP_REPLY_TRY_LATER,
	[-E_DENIED] = SMTP_REPLY_TRY_LATER,
	[-E_UNAVAILABLE] = SMTP_REPLY_TRY_LATER,
	[-E_TIMEOUT] = SMTP_REPLY_TRY_LATER,
	[-E_IO] = SMTP_REPLY_TRY_LATER,
	[-E_NO_SPACE] = SMTP_REPLY_NO_SPACE,
	[-E_QUOTA] = SMTP_REPLY_MAILBOX_FULL,
	[-E_CORRUPT] = SMTP_REPLY_TRY_LATER,
	[-E_STALE] = SMTP_REPLY_TRY_LATER,
	[-E_CANCELLED] = SMTP_REPLY_TRY_LATER,
	[-E_UNSUPPORTED] = SMTP_REPLY_TRY_LATER,
	[-E_BUSY] = SMTP_REPLY_MAILBOX_BUSY,
	[-E_INTERNAL] = SMTP_REPLY_TRY_LATER,
	[-E_AGAIN] = SMTP_REPLY_TRY_LATER,
};

const struct smtp_reply *smtp_reply(enum smtp_reply_id id)
{
	must(id > SMTP_REPLY_NONE && id < SMTP_REPLY_COUNT);
	return &replies[id];
}

enum smtp_reply_id smtp_reply_of_error(int error)
{
	if (error > 0 || error < E_LAST)
		return SMTP_REPLY_TRY_LATER;
	return of_error[-error];
}

bool smtp_reply_temporary(enum smtp_reply_id id)
{
	return smtp_reply(id)->code / 100 == 4;
}

void smtp_reply_write(struct buf *out, enum smtp_reply_id id, struct str detail)
{
	const struct smtp_reply *reply = smtp_reply(id);

	buf_add_u64(out, reply->code);
	buf_add_byte(out, ' ');
	if (reply->enhanced != NULL) {
		buf_add_text(out, reply->enhanced);
		buf_add_byte(out, ' ');
	}
	buf_add_text(out, reply->text);
	if (detail.len > 0) {
		buf_add_byte(out, ' ');
		buf_add_str(out, detail);
	}
	buf_add_str(out, STR("\r\n"));
}
