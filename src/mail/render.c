#include "mail/render.h"

#include <string.h>

#include "mail/header.h"

void mail_render_init(struct mail_render *r, struct buf *out)
{
	*r = (struct mail_render){.out = out, .budget = MAIL_RENDER_BUDGET};
	buf_init(&r->unfolded, MAIL_RENDER_BUDGET);
	buf_init(&r->text, MAIL_RENDER_BUDGET);
}

void mail_render_done(struct mail_render *r)
{
	buf_done(&r->unfolded);
	buf_done(&r->text);
}

bool mail_render_charge(struct mail_render *r, size_t cost)
{
	if (cost > r->budget) {
		r->cut = true;
		return false;
	}
	r->budget -= cost;
	return true;
}

/* literal = "{" number "}" CRLF *CHAR8, which has no NUL either */
static void add_literal(struct buf *out, struct str text)
{
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++)
		len += text.ptr[i] != '\0';
	buf_add_byte(out, '{');
	buf_add_u64(out, len);
	buf_add_str(out, STR("}\r\n"));
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '\0')
			buf_add_byte(out, text.ptr[i]);
	}
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE, of text without bytes that need a literal */
static void add_quoted(struct buf *out, struct str text, bool escape)
{
	buf_add_byte(out, '"');
	if (!escape) {
		buf_add_str(out, text);
	} else {
		for (size_t i = 0; i < text.len; i++) {
			if (text.ptr[i] == '"' || text.ptr[i] == '\\')
				buf_add_byte(out, '\\');
			if (text.ptr[i] != '\0')
				buf_add_byte(out, text.ptr[i]);
		}
	}
	buf_add_byte(out, '"');
}

static void add_string(struct buf *out, struct str text)
{
	bool escape = false, literal = false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		literal |= c >= 0x80 || c == '\r' || c == '\n';
		escape |= c == '"' || c == '\\' || c == '\0';
	}
	if (literal)
		add_literal(out, text);
	else
		add_quoted(out, text, escape);
}

void mail_render_string(struct mail_render *r, struct str text)
{
	if (mail_render_charge(r, text.len))
		add_string(r->out, text);
	else
		buf_add_str(r->out, STR("\"\""));
}

void mail_render_word(struct mail_render *r, struct str word)
{
	size_t start = r->out->len;
	add_string(r->out, word);
	for (size_t i = start; i < r->out->len; i++)
		r->out->ptr[i] = ascii_lower(r->out->ptr[i]);
}

void mail_render_nstring(struct mail_render *r, struct str text)
{
	if (text.ptr != NULL && mail_render_charge(r, text.len))
		add_string(r->out, text);
	else
		buf_add_str(r->out, STR("NIL"));
}

void mail_render_field(struct mail_render *r, struct str value)
{
	mail_render_nstring(r, value.len > r->budget ? value : mail_unfold(value, &r->unfolded));
}
