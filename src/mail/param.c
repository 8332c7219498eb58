#include "mail/param.h"

#include "mail/charset.h"
#include "mail/word.h"

enum {
	SECTION_MAX = 9999,
	VALUE_MAX = 256 * 1024, /* of one parameter put together */
};

static bool is_token_char(char c)
{
	if (c <= 32 || c >= 127)
		return false;
	switch (c) {
	case '(':
	case ')':
	case '<':
	case '>':
	case '@':
	case ',':
	case ';':
	case ':':
	case '\\':
	case '"':
	case '/':
	case '[':
	case ']':
	case '?':
	case '=':
		return false;
	default:
		return true;
	}
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool mail_token(struct cursor *c, struct str *ret)
{
	return cursor_span(c, is_token_char, ret);
}

/* comment = "(" *([FWS] ccontent) [FWS] ")", nesting counted instead of recursed */
static void skip_comment(struct cursor *c)
{
	size_t depth = 0;
	do {
		char byte = *c->p++;
		if (byte == '(')
			depth++;
		else if (byte == ')')
			depth--;
		else if (byte == '\\' && c->p < c->end)
			c->p++;
	} while (depth > 0 && c->p < c->end);
}

void mail_skip_cfws(struct cursor *c)
{
	while (c->p < c->end)
		if (*c->p == '(')
			skip_comment(c);
		else if (is_white(*c->p))
			c->p++;
		else
			break;
}

bool mail_content_token(struct cursor *c, struct str *ret)
{
	mail_skip_cfws(c);
	return mail_token(c, ret);
}

bool mail_content_type(struct cursor *c, struct str *ret_type, struct str *ret_subtype)
{
	struct cursor at = *c;
	if (!mail_content_token(&at, ret_type))
		return false;
	mail_skip_cfws(&at);
	if (!cursor_byte(&at, '/') || !mail_content_token(&at, ret_subtype)) {
		/* "Content-Type: text" is old and means text/plain */
		if (!str_eq_nocase(*ret_type, STR("text")))
			return false;
		*ret_subtype = STR("plain");
	}
	*c = at;
	return true;
}

/* quoted-string, whose end may be missing; the cursor stands after the first quote */
static struct str quoted_value(struct cursor *c)
{
	const char *start = c->p;
	while (c->p < c->end && *c->p != '"')
		c->p += *c->p == '\\' && c->end - c->p > 1 ? 2 : 1;
	struct str value = STR_OF(start, c->p - start);
	cursor_byte(c, '"');
	return value;
}

/* After a blank inside an unquoted value: does another parameter begin here, its ";" forgotten? */
static bool begins_param(struct cursor c)
{
	struct str name;
	while (c.p < c.end && is_white(*c.p))
		c.p++;
	if (c.p == c.end || *c.p == '(')
		return true;
	if (!mail_token(&c, &name))
		return false;
	while (c.p < c.end && is_white(*c.p))
		c.p++;
	return cursor_peek(&c) == '=';
}

/* token, but up to the next ";" as in filename=a file.pdf, which is common */
static struct str bare_value(struct cursor *c)
{
	const char *start = c->p;
	while (c->p < c->end && *c->p != ';') {
		bool after_word = c->p > start && !is_white(c->p[-1]);
		if (is_white(*c->p) && after_word && begins_param(*c))
			break;
		c->p++;
	}
	return str_trim(STR_OF(start, c->p - start));
}

/* name["*" section]["*"]          RFC 2231 section 7 */
static void split_name(struct mail_param *param)
{
	struct str name = param->name;
	param->section = -1;
	if (name.len > 1 && name.ptr[name.len - 1] == '*') {
		param->extended = true;
		name.len--;
	}
	ptrdiff_t star = str_rfind_byte(name, '*');
	uint64_t section;
	if (star > 0 && str_to_u64(str_from_byte(name, (size_t)star + 1), SECTION_MAX, &section)) {
		param->section = (int)section;
		name.len = (size_t)star;
	}
	param->name = name;
}

void mail_params_read(struct cursor *c, struct mail_params *ret)
{
	ret->count = 0;
	while (ret->count < MAIL_PARAMS_MAX) {
		struct mail_param param = {.section = -1};
		do {
			mail_skip_cfws(c);
		} while (cursor_byte(c, ';'));
		if (c->p == c->end)
			break;
		if (!mail_token(c, &param.name)) {
			c->p++;
			continue;
		}
		mail_skip_cfws(c);
		if (!cursor_byte(c, '='))
			continue;
		mail_skip_cfws(c);
		param.quoted = cursor_byte(c, '"');
		param.value = param.quoted ? quoted_value(c) : bare_value(c);
		split_name(&param);
		ret->list[ret->count++] = param;
	}
}

void mail_param_text(struct buf *out, const struct mail_param *param)
{
	for (size_t i = 0; i < param->value.len; i++) {
		char c = param->value.ptr[i];
		if (c == '\\' && param->quoted && i + 1 < param->value.len)
			c = param->value.ptr[++i];
		if (c != '\r' && c != '\n' && c != '\0')
			buf_add_byte(out, c);
	}
}

static const struct mail_param *find_section(const struct mail_params *params, struct str name,
                                             int section)
{
	for (size_t i = 0; i < params->count; i++) {
		const struct mail_param *param = &params->list[i];
		if (param->section == section && str_eq_nocase(param->name, name))
			return param;
	}
	return NULL;
}

static const struct mail_param *find_any(const struct mail_params *params, struct str name)
{
	for (size_t i = 0; i < params->count; i++)
		if (str_eq_nocase(params->list[i].name, name))
			return &params->list[i];
	return NULL;
}

/* Percent-encodes what stands unencoded beside encoded sections (attribute-char of RFC 2231). */
static void add_percent_encoded(struct buf *out, struct str text)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		bool reserved = byte == '*' || byte == '\'' || byte == '%';
		if (is_token_char(text.ptr[i]) && !reserved) {
			buf_add_byte(out, text.ptr[i]);
		} else {
			buf_add_byte(out, '%');
			buf_add_byte(out, digits[byte >> 4]);
			buf_add_byte(out, digits[byte & 15]);
		}
	}
}

/* Appends sections 0, 1, 2, ... up to the first gap. */
static void join_sections(const struct mail_params *params, const struct mail_param *first,
                          struct buf *out)
{
	struct buf plain BUF_AUTO;
	buf_init(&plain, VALUE_MAX);
	bool encoded = first->extended;
	const struct mail_param *param = first;
	for (int section = 0; param != NULL; section++) {
		if (encoded && !param->extended) {
			buf_clear(&plain);
			mail_param_text(&plain, param);
			add_percent_encoded(out, buf_str(&plain));
		} else {
			mail_param_text(out, param);
		}
		param = find_section(params, first->name, section + 1);
	}
}

bool mail_params_next(const struct mail_params *params, size_t *position, struct buf *ret_name,
                      struct buf *ret_value)
{
	while (*position < params->count) {
		const struct mail_param *param = &params->list[(*position)++];
		if (find_any(params, param->name) != param && param->section != -1)
			continue; /* came with the first of its sections */
		buf_clear(ret_name);
		buf_clear(ret_value);
		for (size_t i = 0; i < param->name.len; i++)
			buf_add_byte(ret_name, ascii_lower(param->name.ptr[i]));
		const struct mail_param *first = find_section(params, param->name, 0);
		if (param->section == -1 || first == NULL) {
			mail_param_text(ret_value, param);
			first = param;
		} else {
			join_sections(params, first, ret_value);
		}
		if (first->extended)
			buf_add_byte(ret_name, '*');
		return true;
	}
	return false;
}

static int hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_percent_decoded(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
		int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
		if (text.ptr[i] == '%' && high >= 0 && low >= 0) {
			buf_add_byte(out, (char)(high * 16 + low));
			i += 2;
		} else {
			buf_add_byte(out, text.ptr[i]);
		}
	}
}

/* extended-initial-value = [charset] "'" [language] "'" extended-other-values */
static struct str split_extended(struct str text, struct str *ret_charset)
{
	*ret_charset = (struct str){NULL, 0};
	ptrdiff_t quote = str_find_byte(text, '\'');
	if (quote < 0)
		return text;
	struct str rest = str_from_byte(text, (size_t)quote + 1);
	ptrdiff_t second = str_find_byte(rest, '\'');
	if (second < 0)
		return text;
	*ret_charset = str_slice(text, 0, (size_t)quote);
	return str_from_byte(rest, (size_t)second + 1);
}

static void add_extended(struct buf *out, struct str text)
{
	struct str charset;
	text = split_extended(text, &charset);
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, VALUE_MAX);
	add_percent_decoded(&bytes, text);
	size_t start = out->len;
	mail_to_utf8_lenient(out, buf_str(&bytes), charset);
	mail_blank_controls(out, start);
}

/* The first section of a parameter that is not split, or its beginning; of two the one in the form
 * that is preferred. */
static const struct mail_param *find_first(const struct mail_params *params, struct str name,
                                           bool prefer_extended)
{
	const struct mail_param *found = NULL;
	for (size_t i = 0; i < params->count; i++) {
		const struct mail_param *param = &params->list[i];
		if (param->section > 0 || !str_eq_nocase(param->name, name))
			continue;
		if (found == NULL ||
		    (param->extended == prefer_extended && found->extended != prefer_extended))
			found = param;
	}
	return found;
}

static void add_whole(const struct mail_params *params, const struct mail_param *first,
                      struct buf *out)
{
	if (first->section == 0)
		join_sections(params, first, out);
	else
		mail_param_text(out, first);
}

bool mail_params_bytes(const struct mail_params *params, struct str name, struct buf *out)
{
	const struct mail_param *found = find_first(params, name, false);
	struct str charset;
	if (found == NULL)
		return false;
	if (!found->extended) {
		add_whole(params, found, out);
		return true;
	}
	struct buf value BUF_AUTO;
	buf_init(&value, VALUE_MAX);
	add_whole(params, found, &value);
	add_percent_decoded(out, split_extended(buf_str(&value), &charset));
	return true;
}

bool mail_params_decode(const struct mail_params *params, struct str name, struct buf *out)
{
	/* The extended form, where both are given: RFC 6266 section 4.3 says so for filename. */
	const struct mail_param *found = find_first(params, name, true);
	if (found == NULL)
		return false;
	struct buf value BUF_AUTO;
	buf_init(&value, VALUE_MAX);
	add_whole(params, found, &value);
	if (found->extended)
		add_extended(out, buf_str(&value));
	else
		mail_words_decode(out, buf_str(&value));
	return true;
}
