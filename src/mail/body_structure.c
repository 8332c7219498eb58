#include "mail/body_structure.h"

#include "mail/describe.h"
#include "mail/envelope.h"
#include "mail/param.h"

enum { LANGUAGES_MAX = 32 };

static void add_lower(struct mail_render *r, struct str text)
{
	buf_clear(&r->text);
	for (size_t i = 0; i < text.len && i < MAIL_RENDER_BUDGET; i++)
		buf_add_byte(&r->text, ascii_lower(text.ptr[i]));
	mail_render_string(r, buf_str(&r->text));
}

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil */
static void add_params(struct mail_render *r, struct cursor *c)
{
	struct mail_params params;
	struct buf name BUF_AUTO, value BUF_AUTO;
	buf_init(&name, MAIL_RENDER_BUDGET);
	buf_init(&value, MAIL_RENDER_BUDGET);
	mail_params_read(c, &params);
	size_t position = 0;
	bool any = false;
	while (mail_params_next(&params, &position, &name, &value)) {
		if (!mail_render_charge(r, name.len + value.len))
			break;
		r->budget += name.len + value.len; /* the two strings pay for themselves */
		buf_add_byte(r->out, any ? ' ' : '(');
		mail_render_string(r, buf_str(&name));
		buf_add_byte(r->out, ' ');
		mail_render_string(r, buf_str(&value));
		any = true;
	}
	if (any)
		buf_add_byte(r->out, ')');
	else
		buf_add_str(r->out, STR("NIL"));
}

static void add_type_params(struct mail_render *r, const struct mail_part *part)
{
	struct str type, subtype;
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_TYPE]);
	if (part->type_is_written && mail_content_type(&c, &type, &subtype))
		add_params(r, &c);
	else if (str_eq(part->type, STR("text")))
		buf_add_str(r->out, STR("(\"charset\" \"us-ascii\")")); /* RFC 2045 section 5.2 */
	else
		buf_add_str(r->out, STR("NIL"));
}

/* body-fld-dsp = "(" string SP body-fld-param ")" / nil */
static void add_disposition(struct mail_render *r, struct str value)
{
	struct cursor c = cursor_of(value);
	struct str token = STR("attachment"); /* what a value of parameters only must mean */
	if (str_trim(value).len == 0 || (!mail_content_token(&c, &token) && cursor_peek(&c) != ';')) {
		buf_add_str(r->out, STR("NIL"));
		return;
	}
	buf_add_byte(r->out, '(');
	add_lower(r, token);
	buf_add_byte(r->out, ' ');
	add_params(r, &c);
	buf_add_byte(r->out, ')');
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static void add_language(struct mail_render *r, struct str value)
{
	struct cursor c = cursor_of(value);
	struct str tags[LANGUAGES_MAX];
	size_t count = 0;
	while (count < LANGUAGES_MAX && mail_content_token(&c, &tags[count])) {
		count++;
		mail_skip_cfws(&c);
		if (!cursor_byte(&c, ','))
			break;
	}
	if (count < 2) {
		mail_render_nstring(r, count == 0 ? (struct str){NULL, 0} : tags[0]);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		buf_add_byte(r->out, i == 0 ? '(' : ' ');
		mail_render_string(r, tags[i]);
	}
	buf_add_byte(r->out, ')');
}

static void add_extension(struct mail_render *r, const struct mail_part *part)
{
	buf_add_byte(r->out, ' ');
	add_disposition(r, part->field[MAIL_FIELD_CONTENT_DISPOSITION]);
	buf_add_byte(r->out, ' ');
	add_language(r, part->field[MAIL_FIELD_CONTENT_LANGUAGE]);
	buf_add_byte(r->out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_CONTENT_LOCATION]);
}

/* body-fld-enc: never NIL. One that is not known is named too, whatever it is. */
static void add_encoding(struct mail_render *r, const struct mail_part *part)
{
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_TRANSFER_ENCODING]);
	struct str token;
	if (!mail_content_token(&c, &token))
		token = STR("7bit");
	if (part->encoding == PK__PART__ENCODING__OTHER)
		add_lower(r, token);
	else
		mail_render_word(r, token);
}

/* media SP body-fields, up to the size */
static void add_fields(struct mail_render *r, const struct mail_part *part)
{
	mail_render_word(r, part->type);
	buf_add_byte(r->out, ' ');
	mail_render_word(r, part->subtype);
	buf_add_byte(r->out, ' ');
	add_type_params(r, part);
	buf_add_byte(r->out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_CONTENT_ID]);
	buf_add_byte(r->out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_CONTENT_DESCRIPTION]);
	buf_add_byte(r->out, ' ');
	add_encoding(r, part);
	buf_add_byte(r->out, ' ');
	buf_add_u64(r->out, part->body_size);
}

static void add_lines(struct mail_render *r, const struct mail_part *part)
{
	buf_add_byte(r->out, ' ');
	buf_add_u64(r->out, part->lines);
}

/* The end of a part that is not a multipart: body-ext-1part */
static void end_single(struct mail_render *r, const struct mail_part *part)
{
	buf_add_byte(r->out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_CONTENT_MD5]);
	add_extension(r, part);
	buf_add_byte(r->out, ')');
}

/* What comes after the children: of body-type-mpart and body-type-msg */
static void end_part(struct mail_render *r, const struct mail_part *part)
{
	if (part->kind == PK__PART__KIND__MESSAGE) {
		add_lines(r, part);
		end_single(r, part);
		return;
	}
	buf_add_byte(r->out, ' ');
	mail_render_word(r, part->subtype);
	buf_add_byte(r->out, ' ');
	add_type_params(r, part);
	add_extension(r, part);
	buf_add_byte(r->out, ')');
}

/* A part up to its first child, all of it if it is a leaf. */
static void begin_part(struct mail_render *r, struct str raw, const struct mail_part *part)
{
	buf_add_byte(r->out, '(');
	if (part->kind == PK__PART__KIND__MULTIPART)
		return;
	add_fields(r, part);
	if (part->kind == PK__PART__KIND__MESSAGE) {
		const struct mail_part *inner = part + 1; /* preorder */
		buf_add_byte(r->out, ' ');
		mail_envelope_render(r, raw, inner);
		buf_add_byte(r->out, ' ');
		return;
	}
	if (str_eq_nocase(part->type, STR("text")))
		add_lines(r, part);
	end_single(r, part);
}

void mail_body_structure_render(struct mail_render *r, struct str raw, const struct mail_tree *tree)
{
	const struct mail_part *open[MAIL_DEPTH_MAX + 1];
	size_t depth = 0;
	for (size_t i = 0; i < tree->count; i++) {
		const struct mail_part *part = &tree->parts[i];
		while (depth > 0 && open[depth - 1] != &tree->parts[part->parent - 1])
			end_part(r, open[--depth]);
		begin_part(r, raw, part);
		if (part->kind != PK__PART__KIND__LEAF)
			open[depth++] = part;
	}
	while (depth > 0)
		end_part(r, open[--depth]);
}

/*
 * BODY from BODYSTRUCTURE. One level of nesting is one entry of a stack: what stands around the body
 * that is being read.
 */
enum around { AROUND_MULTIPART, AROUND_MESSAGE };

struct reduction {
	struct cursor c;
	struct buf *out;
	enum around around[MAIL_DEPTH_MAX + 1];
	size_t depth;
};

static bool skip_quoted(struct cursor *c)
{
	struct cursor at = *c;
	if (!cursor_byte(&at, '"'))
		return false;
	while (at.p < at.end && *at.p != '"')
		at.p += *at.p == '\\' && at.end - at.p > 1 ? 2 : 1;
	if (!cursor_byte(&at, '"'))
		return false;
	*c = at;
	return true;
}

static bool skip_literal(struct cursor *c)
{
	struct cursor at = *c;
	uint64_t len;
	struct str bytes;
	if (!cursor_byte(&at, '{') || !cursor_u64(&at, UINT32_MAX, &len) ||
	    !cursor_text(&at, STR("}\r\n")) || !cursor_take(&at, (size_t)len, &bytes))
		return false;
	*c = at;
	return true;
}

static bool is_atom_char(char c)
{
	return ascii_is_alnum(c);
}

/* One string, number, NIL or list of them */
static bool skip_value(struct cursor *c)
{
	struct cursor at = *c;
	struct str atom;
	size_t depth = 0;
	do {
		if (cursor_byte(&at, '('))
			depth++;
		else if (depth > 0 && cursor_byte(&at, ')'))
			depth--;
		else if (depth > 0 && cursor_byte(&at, ' '))
			continue;
		else if (!skip_quoted(&at) && !skip_literal(&at) && !cursor_span(&at, is_atom_char, &atom))
			return false;
	} while (depth > 0);
	*c = at;
	return true;
}

static bool copy_value(struct reduction *x, struct str *ret)
{
	const char *start = x->c.p;
	if (!skip_value(&x->c))
		return false;
	*ret = STR_OF(start, x->c.p - start);
	buf_add_str(x->out, *ret);
	return true;
}

/* count values, each after a space */
static bool copy_values(struct reduction *x, int count)
{
	struct str value;
	for (; count > 0; count--) {
		if (!cursor_byte(&x->c, ' '))
			return false;
		buf_add_byte(x->out, ' ');
		if (!copy_value(x, &value))
			return false;
	}
	return true;
}

/* The extension data and the ")" behind it */
static bool end_body(struct reduction *x)
{
	while (cursor_byte(&x->c, ' ')) {
		if (!skip_value(&x->c))
			return false;
	}
	buf_add_byte(x->out, ')');
	return cursor_byte(&x->c, ')');
}

static bool push(struct reduction *x, enum around around)
{
	if (x->depth > MAIL_DEPTH_MAX)
		return false;
	x->around[x->depth++] = around;
	return true;
}

/* The body at the cursor, up to one inside of it (then *ret_inner) or to its end */
static bool begin_body(struct reduction *x, bool *ret_inner)
{
	struct str type, subtype;
	*ret_inner = true;
	if (!cursor_byte(&x->c, '('))
		return false;
	buf_add_byte(x->out, '(');
	if (cursor_peek(&x->c) == '(')
		return push(x, AROUND_MULTIPART);
	if (!copy_value(x, &type) || !cursor_byte(&x->c, ' '))
		return false;
	buf_add_byte(x->out, ' ');
	if (!copy_value(x, &subtype) || !copy_values(x, 5))
		return false;
	bool is_message = str_eq_nocase(type, STR("\"message\"")) &&
	                  (str_eq_nocase(subtype, STR("\"rfc822\"")) ||
	                   str_eq_nocase(subtype, STR("\"global\"")));
	if (is_message) {
		if (!copy_values(x, 1) || !cursor_byte(&x->c, ' '))
			return false;
		buf_add_byte(x->out, ' ');
		return push(x, AROUND_MESSAGE);
	}
	*ret_inner = false;
	if (str_eq_nocase(type, STR("\"text\"")) && !copy_values(x, 1))
		return false;
	return end_body(x);
}

int mail_body_from_structure(struct buf *out, struct str body_structure)
{
	struct reduction x = {.c = cursor_of(body_structure), .out = out};
	do {
		bool inner;
		if (!begin_body(&x, &inner))
			return E_INVALID;
		while (!inner && x.depth > 0) {
			if (x.around[x.depth - 1] == AROUND_MULTIPART && cursor_peek(&x.c) == '(')
				break; /* the next part */
			if (!copy_values(&x, 1) || !end_body(&x))
				return E_INVALID;
			x.depth--;
		}
	} while (x.depth > 0);
	return cursor_at_end(&x.c) ? 0 : E_INVALID;
}
