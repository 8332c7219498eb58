#include "imap/writer.h"

#include <string.h>

#include "imap/utf7.h"
#include "mail/date.h"

#include "store.pb-c.h"

enum { QUOTED_MAX = 1000 /* longer strings go as literals */ };

static bool is_quotable(struct str text)
{
	if (text.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (byte == 0 || byte == '\r' || byte == '\n' || byte >= 0x80)
			return false;
	}
	return true;
}

static void write_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, text.ptr[i]);
	}
	buf_add_byte(out, '"');
}

static void write_literal(struct buf *out, struct str text)
{
	buf_add_byte(out, '{');
	buf_add_u64(out, text.len);
	buf_add_str(out, STR("}\r\n"));
	buf_add_str(out, text);
}

void imap_write_string(struct buf *out, struct str text)
{
	if (is_quotable(text))
		write_quoted(out, text);
	else
		write_literal(out, text);
}

void imap_write_astring(struct buf *out, struct str text)
{
	bool atom = text.len > 0 && text.len <= QUOTED_MAX && !str_eq_nocase(text, STR("NIL"));
	for (size_t i = 0; atom && i < text.len; i++) {
		char c = text.ptr[i];
		atom = c > ' ' && c < 0x7f && strchr("(){%*\"\\", c) == NULL;
	}
	if (atom)
		buf_add_str(out, text);
	else
		imap_write_string(out, text);
}

void imap_write_nstring(struct buf *out, struct str text)
{
	if (text.ptr == NULL)
		buf_add_str(out, STR("NIL"));
	else
		imap_write_string(out, text);
}

void imap_write_mailbox(struct buf *out, struct str name, bool utf8)
{
	if (utf8) {
		/* Quoted strings may carry UTF-8 then (RFC 6855 section 3). */
		write_quoted(out, name);
		return;
	}
	struct buf encoded BUF_AUTO;
	buf_init(&encoded, 8 * name.len + 8);
	utf7_encode(name, &encoded);
	imap_write_astring(out, buf_str(&encoded));
}

static void write_flag(struct buf *out, bool *first, struct str name)
{
	if (!*first)
		buf_add_byte(out, ' ');
	*first = false;
	buf_add_str(out, name);
}

void imap_write_flags(struct buf *out, uint32_t bits, char *const *keywords, size_t keyword_count,
                      bool recent)
{
	static const struct {
		uint32_t bit;
		struct str name;
	} names[] = {
		{PK__FLAG__FLAG_ANSWERED, STR("\\Answered")}, {PK__FLAG__FLAG_FLAGGED, STR("\\Flagged")},
		{PK__FLAG__FLAG_DELETED, STR("\\Deleted")},   {PK__FLAG__FLAG_SEEN, STR("\\Seen")},
		{PK__FLAG__FLAG_DRAFT, STR("\\Draft")},
	};
	bool first = true;
	buf_add_byte(out, '(');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((bits & names[i].bit) != 0)
			write_flag(out, &first, names[i].name);
	}
	if (recent)
		write_flag(out, &first, STR("\\Recent"));
	for (size_t i = 0; i < keyword_count; i++)
		write_flag(out, &first, str_from(keywords[i]));
	buf_add_byte(out, ')');
}

void imap_write_date_time(struct buf *out, int64_t seconds)
{
	char text[MAIL_IMAP_DATE_SIZE];
	mail_imap_date_time_format(seconds, 0, text);
	buf_add_byte(out, '"');
	buf_add(out, text, sizeof(text) - 1);
	buf_add_byte(out, '"');
}

/* ---------------------------------------------------------------- BODY from BODYSTRUCTURE */

/* One value: a quoted string, a literal, an atom, or a whole parenthesized list. */
static bool skip_value(struct cursor *c)
{
	size_t depth = 0;
	do {
		int byte = cursor_peek(c);
		if (byte < 0)
			return false;
		c->p++;
		if (byte == '(') {
			depth++;
		} else if (byte == ')') {
			if (depth == 0)
				return false;
			depth--;
		} else if (byte == '"') {
			while (!cursor_byte(c, '"')) {
				cursor_byte(c, '\\');
				if (cursor_at_end(c))
					return false;
				c->p++;
			}
		} else if (byte == '{') {
			uint64_t size;
			struct str bytes;
			if (!cursor_u64(c, UINT32_MAX, &size) || !cursor_text(c, STR("}\r\n")) ||
			    !cursor_take(c, size, &bytes))
				return false;
		} else if (byte != ' ') {
			while (cursor_peek(c) > ' ' && cursor_peek(c) != '(' && cursor_peek(c) != ')')
				c->p++;
		}
	} while (depth > 0);
	return true;
}

static bool copy_values(struct buf *out, struct cursor *c, int count, bool space_first)
{
	for (int i = 0; i < count; i++) {
		if ((space_first || i > 0) && !cursor_byte(c, ' '))
			return false;
		if (space_first || i > 0)
			buf_add_byte(out, ' ');
		const char *start = c->p;
		if (!skip_value(c))
			return false;
		buf_add(out, start, (size_t)(c->p - start));
	}
	return true;
}

static bool skip_extension(struct buf *out, struct cursor *c)
{
	while (cursor_byte(c, ' ')) {
		if (!skip_value(c))
			return false;
	}
	if (!cursor_byte(c, ')'))
		return false;
	buf_add_byte(out, ')');
	return true;
}

/* The fields of a leaf up to what BODY leaves out. Returns 1 when an inner body follows (a
 * message/rfc822), 0 when the leaf is complete, -1 when it is none. */
static int leaf_fields(struct buf *out, struct cursor *c)
{
	const char *type = c->p;
	if (!copy_values(out, c, 7, false))
		return -1;
	struct str text = STR_OF(type, c->p - type);
	if (str_starts_nocase(text, STR("\"text\" ")))
		return copy_values(out, c, 1, true) && skip_extension(out, c) ? 0 : -1;
	if (!str_starts_nocase(text, STR("\"message\" \"rfc822\"")) &&
	    !str_starts_nocase(text, STR("\"message\" \"global\"")))
		return skip_extension(out, c) ? 0 : -1;
	/* envelope, then the body inside, then the lines */
	if (!copy_values(out, c, 1, true) || !cursor_byte(c, ' '))
		return -1;
	buf_add_byte(out, ' ');
	return 1;
}

enum { BODY_DEPTH_MAX = 256 };

/* What is open around the place where we are: a multipart, or a message whose body is being copied.
 * After a body has ended, goes on behind it; false when something does not fit. */
static bool body_ended(struct buf *out, struct cursor *c, bool *message, size_t *depth)
{
	while (*depth > 0) {
		if (message[*depth - 1]) {
			if (!copy_values(out, c, 1, true) || !skip_extension(out, c))
				return false;
		} else if (cursor_peek(c) == '(') {
			return true; /* the next part */
		} else if (!copy_values(out, c, 1, true) || !skip_extension(out, c)) {
			return false;
		}
		(*depth)--;
	}
	return true;
}

static bool write_body(struct buf *out, struct cursor *c)
{
	bool message[BODY_DEPTH_MAX];
	size_t depth = 0;
	do {
		if (depth == BODY_DEPTH_MAX || !cursor_byte(c, '('))
			return false;
		buf_add_byte(out, '(');
		if (cursor_peek(c) == '(') {
			message[depth++] = false;
			continue;
		}
		int inner = leaf_fields(out, c);
		if (inner < 0)
			return false;
		if (inner == 1)
			message[depth++] = true;
		else if (!body_ended(out, c, message, &depth))
			return false;
	} while (depth > 0);
	return cursor_at_end(c);
}

bool imap_write_body(struct buf *out, struct str body_structure)
{
	size_t before = out->len;
	struct cursor c = cursor_of(body_structure);
	if (write_body(out, &c))
		return true;
	out->len = before;
	return false;
}
