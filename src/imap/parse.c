#include "imap/parse.h"

#include <string.h>

#include "base/utf8.h"
#include "imap/utf7.h"
#include "mail/date.h"

#include "store.pb-c.h"

/* atom-specials: "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials */
static bool is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring_char(char c)
{
	return is_atom_char(c) || c == ']';
}

static bool is_tag_char(char c)
{
	return is_astring_char(c) && c != '+';
}

static bool is_list_char(char c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

bool imap_space(struct imap_parse *in)
{
	return cursor_byte(&in->c, ' ');
}

bool imap_end(struct imap_parse *in)
{
	return cursor_at_end(&in->c) || imap_parse_fail(in, "More arguments than this command has");
}

bool imap_word(struct imap_parse *in, struct str word)
{
	struct cursor at = in->c;
	if (!cursor_text_nocase(&at, word))
		return false;
	int next = cursor_peek(&at);
	if (next >= 0 && is_atom_char((char)next) && next != '[' && next != '<')
		return false;
	in->c = at;
	return true;
}

static bool span_copy(struct imap_parse *in, bool (*member)(char), struct str *ret)
{
	struct cursor at = in->c;
	struct str span;
	if (!cursor_span(&at, member, &span))
		return false;
	*ret = arena_str(in->arena, span);
	if (ret->ptr == NULL)
		return imap_parse_fail(in, "Command too long");
	in->c = at;
	return true;
}

bool imap_tag(struct imap_parse *in, struct str *ret)
{
	return span_copy(in, is_tag_char, ret);
}

bool imap_atom(struct imap_parse *in, struct str *ret)
{
	return span_copy(in, is_atom_char, ret);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE; bytes above 0x7f must be UTF-8. */
bool imap_quoted(struct imap_parse *in, struct str *ret)
{
	struct cursor at = in->c;
	if (!cursor_byte(&at, '"'))
		return false;
	const char *start = at.p;
	bool eight_bit = false, closed = false;
	size_t len = 0;
	while (!closed && !cursor_at_end(&at)) {
		char byte = *at.p++;
		closed = byte == '"';
		if (closed)
			break;
		if (byte == '\\') {
			if (cursor_at_end(&at) || (*at.p != '"' && *at.p != '\\'))
				return imap_parse_fail(in, "Bad escape in a quoted string");
			at.p++;
		} else if (byte == '\0' || byte == '\r' || byte == '\n') {
			return imap_parse_fail(in, "Bad character in a quoted string");
		}
		eight_bit |= (unsigned char)byte >= 0x80;
		len++;
	}
	if (!closed)
		return imap_parse_fail(in, "Quoted string without an end");
	char *copy = arena_alloc(in->arena, len + 1);
	if (copy == NULL)
		return imap_parse_fail(in, "Command too long");
	for (size_t i = 0; i < len; i++) {
		start += *start == '\\';
		copy[i] = *start++;
	}
	if (eight_bit && !utf8_valid(STR_OF(copy, len)))
		return imap_parse_fail(in, "Quoted string is not UTF-8");
	*ret = STR_OF(copy, len);
	in->c = at;
	return true;
}

bool imap_literal_header(struct imap_parse *in, uint64_t *ret_size)
{
	struct cursor at = in->c;
	cursor_byte(&at, '~');
	if (!cursor_byte(&at, '{') || !cursor_u64(&at, UINT64_MAX, ret_size))
		return false;
	cursor_byte(&at, '+');
	if (!cursor_byte(&at, '}'))
		return false;
	cursor_byte(&at, '\r');
	if (!cursor_byte(&at, '\n'))
		return false;
	in->c = at;
	return true;
}

bool imap_literal(struct imap_parse *in, struct str *ret)
{
	struct cursor start = in->c;
	uint64_t size;
	struct str bytes;
	if (!imap_literal_header(in, &size))
		return false;
	bool ok = cursor_take(&in->c, size, &bytes);
	if (ok && str_find_byte(bytes, '\0') >= 0)
		ok = imap_parse_fail(in, "NUL in a literal");
	if (ok) {
		*ret = arena_str(in->arena, bytes);
		ok = ret->ptr != NULL || imap_parse_fail(in, "Command too long");
	}
	if (!ok)
		in->c = start;
	return ok;
}

bool imap_string(struct imap_parse *in, struct str *ret)
{
	return imap_quoted(in, ret) || imap_literal(in, ret);
}

bool imap_nstring(struct imap_parse *in, struct str *ret)
{
	if (!imap_word(in, STR("NIL")))
		return imap_string(in, ret);
	*ret = (struct str){NULL, 0};
	return true;
}

bool imap_astring(struct imap_parse *in, struct str *ret)
{
	return span_copy(in, is_astring_char, ret) || imap_string(in, ret);
}

bool imap_number(struct imap_parse *in, uint64_t max, uint64_t *ret)
{
	return cursor_u64(&in->c, max, ret);
}

bool imap_nz_number(struct imap_parse *in, uint64_t max, uint64_t *ret)
{
	struct cursor start = in->c;
	if (cursor_u64(&in->c, max, ret) && *ret > 0)
		return true;
	in->c = start;
	return false;
}

bool imap_sequence_set(struct imap_parse *in, struct seqset *ret)
{
	struct cursor start = in->c;
	int error = seqset_parse(&in->c, in->arena, ret);
	if (error == 0 && ret->search_result) {
		in->c = start;
		return imap_parse_fail(in, "SEARCHRES is not offered");
	}
	if (error == E_TOO_LARGE)
		return imap_parse_fail(in, "Command too long");
	return error == 0 || imap_parse_fail(in, "Expected a sequence set");
}

static bool is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] >= 0x80)
			return false;
	return true;
}

/* From what the client wrote to UTF-8. What cannot be modified UTF-7, because it is not ASCII, is taken as
 * it is when it is UTF-8: many clients send that. A pattern may be anything: it only has to match. */
static bool decode_name(struct imap_parse *in, struct str raw, bool pattern, struct str *ret)
{
	if (raw.len > 3 * IMAP_MAILBOX_NAME_MAX)
		return imap_parse_fail(in, "Mailbox name too long");
	struct buf out BUF_AUTO;
	buf_init(&out, IMAP_MAILBOX_NAME_MAX);
	if (!utf7_decode(raw, &out)) {
		buf_clear(&out);
		if (!utf8_valid(raw) || (is_ascii(raw) && !pattern))
			return imap_parse_refuse(in, "Mailbox name is neither modified UTF-7 nor UTF-8");
		buf_add_str(&out, raw);
	}
	if (out.failed)
		return imap_parse_fail(in, "Mailbox name too long");
	*ret = arena_str(in->arena, buf_str(&out));
	return ret->ptr != NULL || imap_parse_fail(in, "Command too long");
}

bool imap_mailbox(struct imap_parse *in, struct str *ret)
{
	struct str raw;
	if (!imap_astring(in, &raw))
		return imap_parse_fail(in, "Expected a mailbox name");
	if (!decode_name(in, raw, false, ret))
		return false;
	if (str_starts_nocase(*ret, STR("INBOX")) && (ret->len == 5 || ret->ptr[5] == '/'))
		memcpy((char *)ret->ptr, "INBOX", 5);
	return true;
}

bool imap_list_mailbox(struct imap_parse *in, struct str *ret)
{
	struct str raw;
	if (!span_copy(in, is_list_char, &raw) && !imap_string(in, &raw))
		return imap_parse_fail(in, "Expected a mailbox pattern");
	return decode_name(in, raw, true, ret);
}

/* ---------------------------------------------------------------- flags */

static const struct {
	struct str name;
	uint32_t bit;
} system_flags[] = {
	{STR("Answered"), PK__FLAG__FLAG_ANSWERED}, {STR("Flagged"), PK__FLAG__FLAG_FLAGGED},
	{STR("Deleted"), PK__FLAG__FLAG_DELETED},   {STR("Seen"), PK__FLAG__FLAG_SEEN},
	{STR("Draft"), PK__FLAG__FLAG_DRAFT},       {STR("Recent"), 0}, /* may be named, not set */
};

static bool system_flag(struct imap_parse *in, struct imap_flags *ret)
{
	struct str name;
	if (!imap_atom(in, &name))
		return imap_parse_fail(in, "Expected a flag after the backslash");
	for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++) {
		if (!str_eq_nocase(name, system_flags[i].name))
			continue;
		ret->bits |= system_flags[i].bit;
		return true;
	}
	return imap_parse_fail(in, "No such system flag");
}

static bool keyword(struct imap_parse *in, struct imap_flags *ret)
{
	struct str name;
	if (!imap_atom(in, &name))
		return imap_parse_fail(in, "Expected a flag");
	if (name.len > IMAP_KEYWORD_MAX)
		return imap_parse_fail(in, "Keyword too long");
	for (size_t i = 0; i < ret->keyword_count; i++)
		if (str_eq_nocase(name, str_from(ret->keywords[i])))
			return true;
	if (ret->keyword_count == IMAP_KEYWORDS_MAX)
		return imap_parse_fail(in, "Too many keywords");
	if (ret->keywords == NULL)
		ret->keywords = arena_array(in->arena, IMAP_KEYWORDS_MAX, sizeof(*ret->keywords));
	if (ret->keywords == NULL)
		return imap_parse_fail(in, "Command too long");
	ret->keywords[ret->keyword_count++] = (char *)name.ptr;
	return true;
}

static bool flag(struct imap_parse *in, struct imap_flags *ret)
{
	return cursor_byte(&in->c, '\\') ? system_flag(in, ret) : keyword(in, ret);
}

/* flag *(SP flag) */
static bool flags(struct imap_parse *in, struct imap_flags *ret)
{
	do {
		if (!flag(in, ret))
			return false;
	} while (imap_space(in));
	return true;
}

bool imap_flag_list(struct imap_parse *in, struct imap_flags *ret)
{
	*ret = (struct imap_flags){0};
	if (!cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of flags");
	if (cursor_byte(&in->c, ')'))
		return true;
	return flags(in, ret) &&
	       (cursor_byte(&in->c, ')') || imap_parse_fail(in, "List of flags without an end"));
}

bool imap_store_flags(struct imap_parse *in, struct imap_flags *ret)
{
	*ret = (struct imap_flags){0};
	return cursor_peek(&in->c) == '(' ? imap_flag_list(in, ret) : flags(in, ret);
}

/* ---------------------------------------------------------------- dates */

static bool is_not_quote(char c)
{
	return c != '"';
}

static bool is_date_char(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

bool imap_date_time(struct imap_parse *in, int64_t *ret_seconds)
{
	struct cursor at = in->c;
	struct str text;
	int zone; /* of no meaning once the instant is known */
	if (!cursor_byte(&at, '"') || !cursor_span(&at, is_not_quote, &text) ||
	    !cursor_byte(&at, '"') || !mail_imap_date_time_parse(text, ret_seconds, &zone))
		return imap_parse_fail(in, "Bad date and time");
	in->c = at;
	return true;
}

bool imap_date(struct imap_parse *in, int64_t *ret_days)
{
	struct cursor at = in->c;
	struct str text;
	bool quoted = cursor_byte(&at, '"');
	if (!cursor_span(&at, is_date_char, &text) || (quoted && !cursor_byte(&at, '"')) ||
	    !mail_imap_date_parse(text, ret_days))
		return imap_parse_fail(in, "Bad date");
	in->c = at;
	return true;
}
