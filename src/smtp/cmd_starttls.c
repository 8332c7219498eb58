/* STARTTLS, RFC 3207. */

#include <stdlib.h>

#include "smtp/session.h"

static bool offered(const struct smtp_session *session)
{
	return tls_ready(session->front->common.role->tls) && conn_ssl(session->client.conn) == NULL;
}

static void starttls_ehlo(const struct smtp_session *session, struct buf *out)
{
	if (offered(session))
		buf_add_text(out, "250-STARTTLS\r\n");
}

/* What was said in clear is forgotten (section 4.2), what was sent in clear after the command is
 * thrown away by conn_starttls. */
static void starttls_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	(void)arguments;
	if (!offered(session)) {
		smtp_session_reply(session, SMTP_REPLY_NO_STARTTLS);
		return;
	}
	smtp_session_reply(session, SMTP_REPLY_STARTTLS);
	smtp_session_reset(session);
	session->state = SMTP_STATE_START;
	free(session->helo);
	session->helo = NULL;
	session->starttls = true;
}

const struct smtp_command smtp_cmd_starttls = {
	.name = "STARTTLS",
	.rfc = "RFC 3207 4",
	.states = SMTP_STATE_READY | SMTP_STATE_SENDER | SMTP_STATE_RECIPIENTS,
	.out_of_order = SMTP_REPLY_IN_CHUNKS,
	.ehlo = starttls_ehlo,
	.parse = smtp_parse_nothing,
	.start = starttls_start,
};
