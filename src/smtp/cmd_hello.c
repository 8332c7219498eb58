/* EHLO and HELO. */

#include <stdlib.h>

#include "smtp/session.h"

/* Both names are kept only if they can stand in a trace header; RFC 5321 section 4.1.4. */
static enum smtp_reply_id parse(struct smtp_arguments *arguments)
{
	struct cursor c = cursor_of(arguments->text);
	struct str name;

	if (!smtp_helo_name(&c, &name) || !cursor_at_end(&c))
		return SMTP_REPLY_HELO_NAME;
	return SMTP_REPLY_NONE;
}

static void greet(struct smtp_session *session, const struct smtp_arguments *arguments, bool esmtp)
{
	smtp_session_reset(session);
	session->state = SMTP_STATE_READY;
	session->esmtp = esmtp;
	free(session->helo);
	session->helo = str_dup(arguments->text);
}

/* LIMITS, RFC 9422, is the last line. */
static void ehlo_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	struct smtp_front *front = session->front;
	struct buf *out = &front->scratch;

	greet(session, arguments, true);
	buf_clear(out);
	buf_addf(out, "250-%s\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n", front->hostname);
	smtp_command_ehlo(session, out);
	buf_addf(out, "250 LIMITS RCPTMAX=%zu\r\n", front->limits.recipients_max);
	smtp_session_write(session, buf_str(out));
}

static void helo_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	struct buf *out = &session->front->scratch;

	greet(session, arguments, false);
	buf_clear(out);
	buf_addf(out, "250 %s\r\n", session->front->hostname);
	smtp_session_write(session, buf_str(out));
}

const struct smtp_command smtp_cmd_ehlo = {
	.name = "EHLO",
	.rfc = "RFC 5321 4.1.1.1",
	.states = SMTP_STATE_ANY,
	.parse = parse,
	.start = ehlo_start,
};

const struct smtp_command smtp_cmd_helo = {
	.name = "HELO",
	.rfc = "RFC 5321 4.1.1.1",
	.states = SMTP_STATE_ANY,
	.parse = parse,
	.start = helo_start,
};
