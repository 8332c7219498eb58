/* MAIL and RCPT: the envelope. */

#include <stdlib.h>

#include "smtp/session.h"

/* RFC 1870, 6152, 6531: all are parameters of MAIL. */
static void mail_ehlo(const struct smtp_session *session, struct buf *out)
{
	buf_addf(out, "250-SIZE %llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n",
	         (unsigned long long)session->front->limits.message_size_max);
}

static void mail_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	struct smtp_front *front = session->front;

	/* RFC 1870 section 6.1: what is declared too large need not be sent. */
	if (arguments->size > front->limits.message_size_max) {
		smtp_session_reply(session, SMTP_REPLY_TOO_LARGE);
		return;
	}
	session->transaction = smtp_transaction_new(&front->common, &arguments->path, arguments->utf8,
	                                            front->limits.recipients_max);
	session->transaction->patience.left_ms = front->limits.core_wait_ms;
	smtp_receive_ticket(session);
	session->state = SMTP_STATE_SENDER;
	smtp_session_reply(session, SMTP_REPLY_SENDER_OK);
}

const struct smtp_command smtp_cmd_mail = {
	.name = "MAIL",
	.rfc = "RFC 5321 4.1.1.2",
	.states = SMTP_STATE_READY,
	.out_of_order = SMTP_REPLY_NESTED_MAIL,
	.ehlo = mail_ehlo,
	.parse = smtp_parse_mail,
	.start = mail_start,
};

static void resolved(struct smtp_session *session, struct str recipient, enum smtp_reply_id reply,
                     const struct smtp_target *target)
{
	if (reply == SMTP_REPLY_RECIPIENT_OK) {
		smtp_transaction_add(session->transaction, recipient, target);
		session->state = SMTP_STATE_RECIPIENTS;
	}
	if (smtp_reply_temporary(reply))
		session->transaction->deferred = true;
	smtp_session_reply(session, reply);
	if (!smtp_reply_temporary(reply) && reply != SMTP_REPLY_RECIPIENT_OK &&
	    ++session->rejects > SMTP_REJECTS_MAX)
		smtp_session_end(session, SMTP_REPLY_ERRORS_MAX);
}

static void directory_answered(void *ctx, enum smtp_reply_id reply,
                               const struct smtp_target *target)
{
	struct smtp_session *session = ctx;
	char *recipient = session->recipient;

	session->resolving = NULL;
	session->recipient = NULL;
	resolved(session, str_from(recipient), reply, target);
	free(recipient);
	smtp_session_go_on(session);
}

/* The mailbox as the directory is asked for it. <postmaster> is the one of this host (RFC 5321
 * section 4.5.1). */
static void question(const struct smtp_session *session, const struct smtp_path *path,
                     struct buf *out)
{
	if (!path->postmaster) {
		smtp_path_canonical(path, out);
		return;
	}
	buf_add_str(out, STR("postmaster@"));
	buf_add_text(out, session->front->hostname);
}

static void rcpt_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	struct smtp_front *front = session->front;
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_target target;
	struct buf address BUF_AUTO;

	buf_init(&address, SMTP_PATH_MAX + SMTP_HOSTNAME_MAX);
	if (arguments->path.utf8 && !transaction->utf8) {
		smtp_session_reply(session, SMTP_REPLY_RECIPIENT_UTF8);
		return;
	}
	if (transaction->recipient_count >= transaction->target_max) {
		smtp_session_reply(session, SMTP_REPLY_RECIPIENTS_MAX);
		return;
	}
	question(session, &arguments->path, &address);
	if (smtp_resolve_kept(front->resolver, buf_str(&address), front_now_ms(&front->common),
	                      &target)) {
		resolved(session, arguments->path.mailbox, SMTP_REPLY_RECIPIENT_OK, &target);
		return;
	}
	session->waiting = SMTP_WAITING_DIRECTORY;
	session->recipient = str_dup(arguments->path.mailbox);
	session->resolving = smtp_resolve(front->resolver, buf_str(&address), &transaction->patience,
	                                  directory_answered, session);
}

const struct smtp_command smtp_cmd_rcpt = {
	.name = "RCPT",
	.rfc = "RFC 5321 4.1.1.3",
	.states = SMTP_STATE_SENDER | SMTP_STATE_RECIPIENTS,
	.out_of_order = SMTP_REPLY_NEED_MAIL,
	.parse = smtp_parse_rcpt,
	.start = rcpt_start,
};
