#include "mail/html.h"

#include <string.h>

#include "base/mem.h"
#include "mail/html_entity.h"

enum { TAG_NAME_MAX = 10 };

struct stripper {
	struct cursor c;
	struct buf *out;
	char gap; /* white space that comes before the next visible byte: 0, ' ' or '\n' */
	bool no_more_quotes[2]; /* no '"' (no "'") from here to the end */
};

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void want_gap(struct stripper *s, char gap)
{
	if (s->gap != '\n')
		s->gap = gap;
}

static void flush_gap(struct stripper *s)
{
	if (s->gap != 0 && s->out->len > 0)
		buf_add_byte(s->out, s->gap);
	s->gap = 0;
}

static void add_code(struct stripper *s, uint32_t code)
{
	flush_gap(s);
	if (code < 0x80) {
		buf_add_byte(s->out, (char)code);
		return;
	}
	char bytes[4];
	size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = len; i-- > 1; code >>= 6)
		bytes[i] = (char)(0x80 | (code & 63));
	bytes[0] = (char)((len == 2 ? 0xc0 : len == 3 ? 0xe0 : 0xf0) | code);
	buf_add(s->out, bytes, len);
}

/* Numbers 128 to 159 mean Windows-1252 (HTML, numeric character reference end state). */
static uint32_t numeric_code(uint32_t code)
{
	static const uint16_t windows[32] = {
		0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
		0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
		0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
	};
	if (code >= 128 && code <= 159)
		return windows[code - 128];
	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0xfffd;
	return code;
}

static bool is_hex(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* "#" 1*DIGIT / "#x" 1*HEXDIG; too large a number is U+FFFD */
static bool numeric_reference(struct cursor *c, uint32_t *ret)
{
	struct cursor at = *c;
	struct str digits;
	if (!cursor_byte(&at, '#'))
		return false;
	bool hex = cursor_text_nocase(&at, STR("x"));
	if (!cursor_span(&at, hex ? is_hex : ascii_is_digit, &digits))
		return false;
	uint32_t code = 0;
	for (size_t i = 0; i < digits.len && code <= 0x10ffff; i++) {
		char digit = ascii_lower(digits.ptr[i]);
		uint32_t value = (uint32_t)(digit >= 'a' ? digit - 'a' + 10 : digit - '0');
		code = code * (hex ? 16 : 10) + value;
	}
	cursor_byte(&at, ';');
	*ret = numeric_code(code);
	*c = at;
	return true;
}

static bool named_reference(struct cursor *c, uint32_t *ret)
{
	struct cursor at = *c;
	const char *start = at.p;
	while (at.p < at.end && ascii_is_alnum(*at.p) && at.p - start <= MAIL_HTML_ENTITY_MAX)
		at.p++;
	*ret = mail_html_entity(STR_OF(start, at.p - start));
	if (*ret == 0)
		return false;
	cursor_byte(&at, ';');
	*c = at;
	return true;
}

/* The cursor stands after "&". */
static void take_reference(struct stripper *s)
{
	uint32_t code = '&';
	if (!numeric_reference(&s->c, &code) && !named_reference(&s->c, &code))
		code = '&';
	if (code == 0xa0 || (code < 0x80 && is_white((char)code)))
		want_gap(s, ' ');
	else
		add_code(s, code);
}

static bool is_among(struct str name, const struct str *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].len == name.len && str_eq_nocase(list[i], name))
			return true;
	return false;
}

static bool begins_line(struct str name)
{
	static const struct str blocks[] = {
		{"br", 2},          {"p", 1},       {"div", 3},     {"tr", 2},      {"table", 5},
		{"li", 2},          {"ul", 2},      {"ol", 2},      {"hr", 2},      {"h1", 2},
		{"h2", 2},          {"h3", 2},      {"h4", 2},      {"h5", 2},      {"h6", 2},
		{"pre", 3},         {"dl", 2},      {"dt", 2},      {"dd", 2},      {"form", 4},
		{"blockquote", 10}, {"section", 7}, {"header", 6},  {"footer", 6},  {"body", 4},
		{"center", 6},      {"option", 6},  {"article", 7}, {"address", 7},
	};
	return is_among(name, blocks, ARRAY_LEN(blocks));
}

static bool is_hidden(struct str name)
{
	static const struct str hidden[] = {{"script", 6}, {"style", 5}, {"title", 5}};
	return is_among(name, hidden, ARRAY_LEN(hidden));
}

/* Attributes up to and with ">"; one inside of a quoted value is not the end. */
static void skip_attributes(struct stripper *s)
{
	struct cursor *c = &s->c;
	while (c->p < c->end) {
		char byte = *c->p++;
		if (byte == '>')
			return;
		bool *none = &s->no_more_quotes[byte == '"' ? 0 : 1];
		if ((byte != '"' && byte != '\'') || *none)
			continue;
		const char *quote = memchr(c->p, byte, cursor_left(c));
		if (quote == NULL)
			*none = true; /* so that this search is made once */
		else
			c->p = quote + 1;
	}
}

/* Behind the end tag of an element whose content is no text, or to the end. */
static void skip_hidden(struct stripper *s, struct str name)
{
	while (s->c.p < s->c.end) {
		const char *at = memchr(s->c.p, '<', cursor_left(&s->c));
		s->c.p = at == NULL ? s->c.end : at + 1;
		if (cursor_byte(&s->c, '/') && cursor_text_nocase(&s->c, name)) {
			skip_attributes(s);
			return;
		}
	}
}

/* "!--" to "-->", or "!" and "?" to ">" */
static void skip_markup(struct stripper *s)
{
	struct cursor *c = &s->c;
	struct str end = cursor_text(c, STR("!--")) ? STR("-->") : STR(">");
	const char *at = cursor_left(c) == 0 ? NULL : memmem(c->p, cursor_left(c), end.ptr, end.len);
	c->p = at == NULL ? c->end : at + end.len;
}

/* The cursor stands after "<". */
static void take_tag(struct stripper *s)
{
	struct cursor at = s->c;
	bool closing = cursor_byte(&at, '/');
	if (!closing && (cursor_peek(&at) == '!' || cursor_peek(&at) == '?')) {
		skip_markup(s);
		return;
	}
	struct str name;
	if (!ascii_is_alpha((char)cursor_peek(&at)) || !cursor_span(&at, ascii_is_alnum, &name)) {
		add_code(s, '<');
		return;
	}
	s->c = at;
	skip_attributes(s);
	if (begins_line(name))
		want_gap(s, '\n');
	else if (str_eq_nocase(name, STR("td")) || str_eq_nocase(name, STR("th")))
		want_gap(s, ' ');
	if (!closing && is_hidden(name))
		skip_hidden(s, name);
}

/* A run of bytes that mean themselves */
static void take_text(struct stripper *s)
{
	const char *start = s->c.p, *p = start;
	while (p < s->c.end && *p != '<' && *p != '&' && !is_white(*p))
		p++;
	flush_gap(s);
	buf_add(s->out, start, (size_t)(p - start));
	s->c.p = p;
}

void mail_html_text(struct buf *out, struct str html)
{
	struct stripper s = {.c = cursor_of(html), .out = out};
	while (s.c.p < s.c.end && !out->failed) {
		char byte = *s.c.p;
		if (byte == '<') {
			s.c.p++;
			take_tag(&s);
		} else if (byte == '&') {
			s.c.p++;
			take_reference(&s);
		} else if (is_white(byte)) {
			s.c.p++;
			want_gap(&s, ' ');
		} else {
			take_text(&s);
		}
	}
}
