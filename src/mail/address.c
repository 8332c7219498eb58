#include "mail/address.h"

#include "mail/charset.h"

enum { TEXT_MAX = 64 * 1024 }; /* of one name or address; what is longer is cut */

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* Every byte that has no meaning of its own in a list; "(" and '"' have one, ")" alone has not. */
static bool is_atom_char(char c)
{
	switch (c) {
	case '"':
	case '(':
	case ',':
	case '.':
	case ':':
	case ';':
	case '<':
	case '>':
	case '@':
	case '[':
		return false;
	default:
		return !is_white(c);
	}
}

static void skip_white(struct cursor *c)
{
	while (c->p < c->end && is_white(*c->p))
		c->p++;
}

static void add_visible(struct buf *out, char c)
{
	if (c != '\r' && c != '\n' && c != '\0')
		buf_add_byte(out, c);
}

/* comment, its text without the outer parentheses to out (may be NULL); nesting is counted */
static void take_comment(struct cursor *c, struct buf *out)
{
	size_t depth = 0;
	while (c->p < c->end) {
		char byte = *c->p++;
		if (byte == '(' && depth++ == 0)
			continue;
		if (byte == ')' && --depth == 0)
			return;
		if (byte == '\\' && c->p < c->end)
			byte = *c->p++;
		if (out != NULL)
			add_visible(out, byte);
	}
}

/* [CFWS]; the last comment is kept, it may be the name in "a@b (Name)" */
static bool skip_cfws(struct cursor *c, struct buf *comment)
{
	const char *start = c->p;
	skip_white(c);
	while (cursor_peek(c) == '(') {
		if (comment != NULL)
			buf_clear(comment);
		take_comment(c, comment);
		skip_white(c);
	}
	return c->p > start;
}

static void take_quoted(struct cursor *c, struct buf *out, struct buf *also)
{
	c->p++;
	while (c->p < c->end) {
		char byte = *c->p++;
		if (byte == '"')
			return;
		if (byte == '\\' && c->p < c->end)
			byte = *c->p++;
		add_visible(out, byte);
		if (also != NULL)
			add_visible(also, byte);
	}
}

/* domain-literal = "[" *dtext "]" */
static void take_literal(struct cursor *c, struct buf *out, struct buf *also)
{
	while (c->p < c->end) {
		char byte = *c->p++;
		if (is_white(byte))
			continue;
		buf_add_byte(out, byte);
		if (also != NULL)
			buf_add_byte(also, byte);
		if (byte == ']')
			return;
	}
}

void mail_address_reader_init(struct mail_address_reader *reader, struct str value)
{
	*reader = (struct mail_address_reader){.c = cursor_of(value)};
	buf_init(&reader->name, TEXT_MAX);
	buf_init(&reader->comment, TEXT_MAX);
	buf_init(&reader->route, TEXT_MAX);
	buf_init(&reader->local, TEXT_MAX);
	buf_init(&reader->domain, TEXT_MAX);
}

void mail_address_reader_done(struct mail_address_reader *reader)
{
	buf_done(&reader->name);
	buf_done(&reader->comment);
	buf_done(&reader->route);
	buf_done(&reader->local);
	buf_done(&reader->domain);
}

/* obs-route = 1*("@" domain *(",")) ":"; only where it is complete */
static void take_route(struct mail_address_reader *r)
{
	struct cursor at = r->c;
	skip_cfws(&at, NULL);
	if (cursor_peek(&at) != '@')
		return;
	while (at.p < at.end && *at.p != ':' && *at.p != '>') {
		if (skip_cfws(&at, NULL))
			continue;
		buf_add_byte(&r->route, *at.p++);
	}
	if (cursor_byte(&at, ':'))
		r->c = at;
	else
		buf_clear(&r->route);
}

/* angle-addr after its "<": [obs-route] addr-spec ">" */
static void take_angle(struct mail_address_reader *r)
{
	struct buf *to = &r->local;
	buf_clear(&r->local);
	buf_clear(&r->domain);
	take_route(r);
	while (r->c.p < r->c.end && *r->c.p != '>') {
		char byte = *r->c.p;
		if (skip_cfws(&r->c, &r->comment))
			continue;
		if (byte == '@' && to == &r->local) {
			to = &r->domain;
			r->c.p++;
		} else if (byte == '"' && to == &r->local) {
			take_quoted(&r->c, to, NULL);
		} else if (byte == '[' && to == &r->domain) {
			take_literal(&r->c, to, NULL);
		} else if (byte == '<') {
			r->c.p++;
		} else if (byte == ',' && to == &r->domain) {
			return; /* the ">" is missing */
		} else {
			buf_add_byte(to, byte);
			r->c.p++;
		}
	}
	cursor_byte(&r->c, '>');
}

/* What has been read of an element that is not known yet to be a phrase or an addr-spec. */
struct element {
	bool has_at;
	size_t phrase;    /* bytes of the name that stand before the word which may be the address */
	bool blank;       /* white space before what comes next */
	bool complete;    /* a domain was read, then a blank: a second address may begin */
	const char *word; /* where the word after that began, or NULL */
};

/* Is the blank before what comes one between words, not one inside of an address ("a . b @ c")? */
static bool is_between_words(const struct mail_address_reader *r)
{
	char before = r->local.ptr[r->local.len - 1];
	return before != '.' && cursor_peek(&r->c) != '.' && cursor_peek(&r->c) != '@';
}

static void begin_word(struct mail_address_reader *r, struct element *e)
{
	if (e->blank && !e->has_at && r->local.len > 0 && is_between_words(r)) {
		e->phrase = r->name.len;
		buf_clear(&r->local);
	}
	if (e->blank && r->name.len > 0)
		buf_add_byte(&r->name, ' ');
	if (e->blank && e->has_at && r->domain.len > 0) {
		bool dot = r->domain.ptr[r->domain.len - 1] == '.' || cursor_peek(&r->c) == '.';
		if (!dot) {
			e->complete = true;
			e->word = r->c.p;
		}
	}
	e->blank = false;
}

/* One word, dot or "@" outside of angle brackets: part of a phrase and of an addr-spec both. Returns
 * false where a second address begins. */
static bool take_piece(struct mail_address_reader *r, struct element *e)
{
	char byte = *r->c.p;
	if (byte == '@' && e->complete)
		return false;
	begin_word(r, e);
	struct buf *spec = e->complete ? NULL : e->has_at ? &r->domain : &r->local;
	if (byte == '"') {
		if (r->name.len > 0 && r->name.ptr[r->name.len - 1] != ' ' && !e->has_at &&
		    r->name.ptr[r->name.len - 1] != '.')
			buf_add_byte(&r->name, ' ');
		take_quoted(&r->c, &r->name, spec);
	} else if (byte == '[' && e->has_at) {
		take_literal(&r->c, &r->name, spec);
	} else if (byte == '@' && !e->has_at) {
		buf_add_byte(&r->name, byte);
		e->has_at = true;
		r->c.p++;
	} else {
		const char *start = r->c.p++;
		while (r->c.p < r->c.end && is_atom_char(*r->c.p))
			r->c.p++;
		buf_add(&r->name, start, (size_t)(r->c.p - start));
		if (spec != NULL)
			buf_add(spec, start, (size_t)(r->c.p - start));
	}
	return true;
}

static bool give_mailbox(struct mail_address_reader *r, struct mail_address *ret)
{
	struct str name = buf_str(&r->name);
	if (name.len == 0)
		name = str_trim(buf_str(&r->comment));
	*ret = (struct mail_address){
		.kind = MAIL_ADDRESS_MAILBOX,
		.name = name,
		.route = buf_str(&r->route),
		.local = buf_str(&r->local),
		.domain = buf_str(&r->domain),
	};
	return true;
}

static bool is_encoded_word(struct str text)
{
	return str_starts(text, STR("=?")) && str_ends_nocase(text, STR("?="));
}

/* An element without angle brackets: its last word is the address, words before that are a name. Where
 * no word is an address, words are a name, and a single one is the local part of some address here. */
static bool give_bare(struct mail_address_reader *r, const struct element *e,
                      struct mail_address *ret)
{
	bool is_name = !e->has_at && (str_find_byte(buf_str(&r->name), ' ') >= 0 ||
	                              is_encoded_word(buf_str(&r->name)));
	if (is_name)
		buf_clear(&r->local);
	else
		r->name.len = e->phrase;
	return give_mailbox(r, ret);
}

static bool give_group(struct mail_address_reader *r, bool start, struct mail_address *ret)
{
	*ret = (struct mail_address){
		.kind = start ? MAIL_ADDRESS_GROUP_START : MAIL_ADDRESS_GROUP_END,
	};
	if (start)
		ret->name = buf_str(&r->name);
	r->in_group = start;
	return true;
}

static void clear(struct mail_address_reader *r)
{
	buf_clear(&r->name);
	buf_clear(&r->comment);
	buf_clear(&r->route);
	buf_clear(&r->local);
	buf_clear(&r->domain);
}

/* address = mailbox / group, up to what ends it */
static bool take_element(struct mail_address_reader *r, struct mail_address *ret)
{
	struct element e = {0};
	while (r->c.p < r->c.end) {
		char byte = *r->c.p;
		if (skip_cfws(&r->c, &r->comment)) {
			e.blank = true;
		} else if (byte == ',' || byte == ';') {
			break;
		} else if (byte == '>' && e.has_at) {
			r->c.p++; /* its "<" is missing */
			break;
		} else if (byte == '<') {
			r->c.p++;
			take_angle(r);
			skip_cfws(&r->c, &r->comment);
			return give_mailbox(r, ret);
		} else if (byte == ':' && !r->in_group && !e.has_at) {
			r->c.p++;
			return give_group(r, true, ret);
		} else if (!take_piece(r, &e)) {
			r->c.p = e.word;
			break;
		}
	}
	return give_bare(r, &e, ret);
}

bool mail_address_next(struct mail_address_reader *reader, struct mail_address *ret)
{
	struct cursor *c = &reader->c;
	clear(reader);
	while (true) {
		skip_cfws(c, NULL);
		if (cursor_at_end(c))
			return reader->in_group ? give_group(reader, false, ret) : false;
		if (*c->p == ';' && reader->in_group) {
			c->p++;
			return give_group(reader, false, ret);
		}
		if (*c->p != ',' && *c->p != ';' && *c->p != '>')
			return take_element(reader, ret);
		c->p++;
	}
}

void mail_address_sort_key(struct buf *out, struct str value)
{
	struct mail_address_reader reader;
	struct mail_address address;
	mail_address_reader_init(&reader, value);
	if (mail_address_next(&reader, &address)) {
		bool is_group = address.kind == MAIL_ADDRESS_GROUP_START;
		mail_to_utf8_lenient(out, is_group ? address.name : address.local, STR(""));
	}
	mail_address_reader_done(&reader);
}
