#include "smtp/arguments.h"

#include <string.h>

enum smtp_reply_id smtp_parse_nothing(struct smtp_arguments *arguments)
{
	return arguments->text.len == 0 ? SMTP_REPLY_NONE : SMTP_REPLY_NO_ARGUMENTS;
}

enum smtp_reply_id smtp_parse_anything(struct smtp_arguments *arguments)
{
	(void)arguments;
	return SMTP_REPLY_NONE;
}

enum smtp_reply_id smtp_parse_something(struct smtp_arguments *arguments)
{
	return arguments->text.len > 0 ? SMTP_REPLY_NONE : SMTP_REPLY_ARGUMENTS;
}

struct param {
	struct str keyword, value;
	bool has_value;
};

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool is_keyword(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* esmtp-value = 1*(%d33-60 / %d62-126) */
static bool is_value(char c)
{
	return c >= 33 && c <= 126 && c != '=';
}

/* SP esmtp-param, where esmtp-param = esmtp-keyword ["=" esmtp-value] */
static bool param(struct cursor *c, struct param *ret)
{
	struct cursor at = *c;

	*ret = (struct param){0};
	if (!cursor_byte(&at, ' '))
		return false;
	while (cursor_byte(&at, ' '))
		;
	if (cursor_peek(&at) == '-' || !cursor_span(&at, is_keyword, &ret->keyword))
		return false;
	ret->has_value = cursor_byte(&at, '=');
	if (ret->has_value && !cursor_span(&at, is_value, &ret->value))
		return false;
	*c = at;
	return true;
}

enum { SEEN_SIZE = 1, SEEN_BODY = 2, SEEN_UTF8 = 4 };

/* SIZE=, RFC 1870 section 6.1: up to 20 digits. What no number of ours can hold is too large. */
static enum smtp_reply_id mail_size(struct smtp_arguments *arguments, const struct param *p)
{
	if (p->value.len == 0 || p->value.len > 20)
		return SMTP_REPLY_PARAMETER;
	for (size_t i = 0; i < p->value.len; i++)
		if (!ascii_is_digit(p->value.ptr[i]))
			return SMTP_REPLY_PARAMETER;
	if (!str_to_u64(p->value, UINT64_MAX, &arguments->size))
		arguments->size = UINT64_MAX;
	return SMTP_REPLY_NONE;
}

/* BODY=, RFC 6152. BINARYMIME (RFC 3030) is not offered. */
static enum smtp_reply_id mail_body(const struct param *p)
{
	if (str_eq_nocase(p->value, STR("7BIT")) || str_eq_nocase(p->value, STR("8BITMIME")))
		return SMTP_REPLY_NONE;
	if (str_eq_nocase(p->value, STR("BINARYMIME")))
		return SMTP_REPLY_PARAMETER_UNKNOWN;
	return SMTP_REPLY_PARAMETER;
}

static enum smtp_reply_id mail_param(struct smtp_arguments *arguments, const struct param *p,
                                     unsigned *seen)
{
	unsigned bit;
	enum smtp_reply_id reply;

	if (str_eq_nocase(p->keyword, STR("SIZE"))) {
		bit = SEEN_SIZE;
		reply = mail_size(arguments, p);
	} else if (str_eq_nocase(p->keyword, STR("BODY"))) {
		bit = SEEN_BODY;
		reply = mail_body(p);
	} else if (str_eq_nocase(p->keyword, STR("SMTPUTF8"))) {
		bit = SEEN_UTF8;
		arguments->utf8 = true;
		reply = p->has_value ? SMTP_REPLY_PARAMETER : SMTP_REPLY_NONE;
	} else {
		return SMTP_REPLY_PARAMETER_UNKNOWN;
	}
	if ((*seen & bit) != 0)
		return SMTP_REPLY_PARAMETER;
	*seen |= bit;
	return reply;
}

/* "FROM:" Reverse-path [SP Mail-parameters]. Blanks after the colon are wrong and widespread. */
enum smtp_reply_id smtp_parse_mail(struct smtp_arguments *arguments)
{
	struct cursor c = cursor_of(arguments->text);
	struct param p;
	unsigned seen = 0;

	if (!cursor_text_nocase(&c, STR("FROM:")))
		return SMTP_REPLY_ARGUMENTS;
	while (cursor_byte(&c, ' '))
		;
	if (!smtp_reverse_path(&c, &arguments->path))
		return SMTP_REPLY_SENDER_SYNTAX;
	while (param(&c, &p)) {
		enum smtp_reply_id reply = mail_param(arguments, &p, &seen);

		if (reply != SMTP_REPLY_NONE)
			return reply;
	}
	if (!cursor_at_end(&c))
		return SMTP_REPLY_PARAMETER;
	if (arguments->path.utf8 && !arguments->utf8)
		return SMTP_REPLY_SENDER_UTF8;
	return SMTP_REPLY_NONE;
}

/* "TO:" Forward-path [SP Rcpt-parameters]; no extension that we offer has any. */
enum smtp_reply_id smtp_parse_rcpt(struct smtp_arguments *arguments)
{
	struct cursor c = cursor_of(arguments->text);
	struct param p;

	if (!cursor_text_nocase(&c, STR("TO:")))
		return SMTP_REPLY_ARGUMENTS;
	while (cursor_byte(&c, ' '))
		;
	if (!smtp_forward_path(&c, &arguments->path))
		return SMTP_REPLY_RECIPIENT_SYNTAX;
	if (param(&c, &p))
		return SMTP_REPLY_PARAMETER_UNKNOWN;
	return cursor_at_end(&c) ? SMTP_REPLY_NONE : SMTP_REPLY_PARAMETER;
}

/* chunk-size [SP "LAST"], RFC 3030 section 2 */
enum smtp_reply_id smtp_parse_bdat(struct smtp_arguments *arguments)
{
	struct cursor c = cursor_of(arguments->text);

	if (!cursor_u64(&c, INT64_MAX, &arguments->size))
		return SMTP_REPLY_ARGUMENTS;
	if (cursor_at_end(&c))
		return SMTP_REPLY_NONE;
	if (!cursor_byte(&c, ' '))
		return SMTP_REPLY_ARGUMENTS;
	while (cursor_byte(&c, ' '))
		;
	arguments->last = str_eq_nocase(cursor_rest(&c), STR("LAST"));
	return arguments->last ? SMTP_REPLY_NONE : SMTP_REPLY_ARGUMENTS;
}

enum smtp_line smtp_line_find(struct str input, struct str *ret_line, size_t *ret_used,
                              bool *ret_ended)
{
	size_t look = input.len < SMTP_COMMAND_LINE_MAX ? input.len : SMTP_COMMAND_LINE_MAX;
	const char *lf = look == 0 ? NULL : memchr(input.ptr, '\n', look);
	struct str line;

	*ret_line = (struct str){0};
	*ret_used = 0;
	*ret_ended = lf != NULL;
	if (lf == NULL && input.len < SMTP_COMMAND_LINE_MAX)
		return SMTP_LINE_PARTIAL;
	if (lf == NULL) {
		lf = memchr(input.ptr + look, '\n', input.len - look);
		*ret_ended = lf != NULL;
		*ret_used = lf == NULL ? input.len : (size_t)(lf + 1 - input.ptr);
		return SMTP_LINE_TOO_LONG;
	}
	*ret_used = (size_t)(lf + 1 - input.ptr);
	if (lf == input.ptr || lf[-1] != '\r')
		return SMTP_LINE_BARE;
	line = STR_OF(input.ptr, *ret_used - 2);
	if (str_find_byte(line, '\r') >= 0 || str_find_byte(line, '\0') >= 0)
		return SMTP_LINE_BARE;
	*ret_line = line;
	return SMTP_LINE_WHOLE;
}
