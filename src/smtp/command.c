#include "smtp/command.h"

#include "base/mem.h"

static const struct smtp_command *const commands[] = {
	&smtp_cmd_bdat, &smtp_cmd_data, &smtp_cmd_ehlo,     &smtp_cmd_helo,
	&smtp_cmd_help, &smtp_cmd_mail, &smtp_cmd_noop,     &smtp_cmd_quit,
	&smtp_cmd_rcpt, &smtp_cmd_rset, &smtp_cmd_starttls, &smtp_cmd_vrfy,
};

/* Understood, not offered: RFC 5321 section 4.2.4 wants 502 for these and 500 for the rest. */
static const char *const not_offered[] = {"AUTH", "ATRN", "BURL", "ETRN", "EXPN",
                                          "SAML", "SEND", "SOML", "TURN"};
static const char *const not_smtp[] = {"CONNECT", "DELETE", "GET", "HEAD",
                                       "OPTIONS", "POST",   "PUT"};

static bool is_word(char c)
{
	return c != ' ' && c != '\t';
}

static bool one_of(struct str word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq_nocase(word, str_from(words[i])))
			return true;
	return false;
}

const struct smtp_command *smtp_command_find(struct str line, struct str *ret_text,
                                             enum smtp_reply_id *ret_reply)
{
	struct cursor c = cursor_of(line);
	struct str word = {0};

	*ret_reply = SMTP_REPLY_NONE;
	(void)!cursor_span(&c, is_word, &word);
	*ret_text = str_trim(cursor_rest(&c));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq_nocase(word, str_from(commands[i]->name)))
			return commands[i];
	if (one_of(word, not_smtp, ARRAY_LEN(not_smtp)))
		*ret_reply = SMTP_REPLY_NOT_SMTP;
	else if (one_of(word, not_offered, ARRAY_LEN(not_offered)))
		*ret_reply = SMTP_REPLY_NOT_IMPLEMENTED;
	else
		*ret_reply = SMTP_REPLY_UNKNOWN_COMMAND;
	return NULL;
}

void smtp_command_names(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (i > 0)
			buf_add_byte(out, ' ');
		buf_add_text(out, commands[i]->name);
	}
}

void smtp_command_ehlo(const struct smtp_session *session, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i]->ehlo != NULL)
			commands[i]->ehlo(session, out);
}
