/* DATA and BDAT: the message. */

#include "smtp/session.h"

/* Why the message may not come now; NONE when it may. */
static enum smtp_reply_id not_now(const struct smtp_session *session)
{
	switch (session->state) {
	case SMTP_STATE_START:
		return SMTP_REPLY_HELLO_FIRST;
	case SMTP_STATE_READY:
		return SMTP_REPLY_NEED_MAIL;
	case SMTP_STATE_SENDER:
		/* Some senders take this answer for that of the whole message. */
		if (session->transaction->deferred)
			return SMTP_REPLY_TRY_LATER;
		return session->rejects > 0 ? SMTP_REPLY_NO_VALID_RCPT : SMTP_REPLY_NEED_RCPT;
	default:
		return SMTP_REPLY_NONE;
	}
}

static void data_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	enum smtp_reply_id reply = not_now(session);

	(void)arguments;
	if (reply != SMTP_REPLY_NONE) {
		smtp_session_reply(session, reply);
		return;
	}
	session->input = SMTP_INPUT_DATA;
	smtp_receive_begin(session);
}

const struct smtp_command smtp_cmd_data = {
	.name = "DATA",
	.rfc = "RFC 5321 4.1.1.4",
	.states = SMTP_STATE_READY | SMTP_STATE_SENDER | SMTP_STATE_RECIPIENTS,
	.out_of_order = SMTP_REPLY_IN_CHUNKS,
	.parse = smtp_parse_nothing,
	.start = data_start,
};

static void bdat_ehlo(const struct smtp_session *session, struct buf *out)
{
	(void)session;
	buf_add_text(out, "250-CHUNKING\r\n");
}

/* Legal anywhere, for the bytes come whether we want them or not (RFC 3030 section 2). */
static void bdat_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	enum smtp_reply_id reply = not_now(session);
	uint64_t max = session->front->limits.message_size_max;

	if (reply == SMTP_REPLY_NONE &&
	    arguments->size > max - smtp_transaction_content(session->transaction).len)
		reply = SMTP_REPLY_TOO_LARGE;
	smtp_receive_chunk_begin(session, arguments->size, arguments->last, reply);
}

const struct smtp_command smtp_cmd_bdat = {
	.name = "BDAT",
	.rfc = "RFC 3030 2",
	.states = SMTP_STATE_ANY,
	.fragile = true,
	.ehlo = bdat_ehlo,
	.parse = smtp_parse_bdat,
	.start = bdat_start,
};
