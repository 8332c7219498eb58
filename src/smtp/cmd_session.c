/* The small commands, which concern the session alone. */

#include "smtp/session.h"

static void rset_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	(void)arguments;
	smtp_session_reset(session);
	smtp_session_reply(session, SMTP_REPLY_OK);
}

const struct smtp_command smtp_cmd_rset = {
	.name = "RSET",
	.rfc = "RFC 5321 4.1.1.5",
	.states = SMTP_STATE_ANY,
	.idle = true,
	.parse = smtp_parse_nothing,
	.start = rset_start,
};

static void noop_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	(void)arguments;
	smtp_session_reply(session, SMTP_REPLY_OK);
}

const struct smtp_command smtp_cmd_noop = {
	.name = "NOOP",
	.rfc = "RFC 5321 4.1.1.9",
	.states = SMTP_STATE_ANY,
	.idle = true,
	.parse = smtp_parse_anything,
	.start = noop_start,
};

/* Says nothing about anybody: RFC 5321 section 7.3. */
static void vrfy_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	(void)arguments;
	smtp_session_reply(session, SMTP_REPLY_VRFY);
}

const struct smtp_command smtp_cmd_vrfy = {
	.name = "VRFY",
	.rfc = "RFC 5321 4.1.1.6",
	.states = SMTP_STATE_ANY,
	.idle = true,
	.parse = smtp_parse_something,
	.start = vrfy_start,
};

static void help_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	struct buf names BUF_AUTO;

	(void)arguments;
	buf_init(&names, 512);
	smtp_command_names(&names);
	smtp_session_reply_detail(session, SMTP_REPLY_HELP, buf_str(&names));
}

const struct smtp_command smtp_cmd_help = {
	.name = "HELP",
	.rfc = "RFC 5321 4.1.1.8",
	.states = SMTP_STATE_ANY,
	.idle = true,
	.parse = smtp_parse_anything,
	.start = help_start,
};

static void quit_start(struct smtp_session *session, const struct smtp_arguments *arguments)
{
	(void)arguments;
	smtp_session_end(session, SMTP_REPLY_BYE);
}

const struct smtp_command smtp_cmd_quit = {
	.name = "QUIT",
	.rfc = "RFC 5321 4.1.1.10",
	.states = SMTP_STATE_ANY,
	.parse = smtp_parse_nothing,
	.start = quit_start,
};
