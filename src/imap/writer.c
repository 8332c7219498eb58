#include "imap/writer.h"

#include <string.h>

#include "base/utf8.h"
#include "imap/utf7.h"
#include "mail/date.h"

#include "store.pb-c.h"

enum { QUOTED_MAX = 1000 /* longer strings go as literals */ };

/* Whether the eight bytes at from stand for themselves in quotes; no to some that do too. */
static bool is_plain(const char *from, uint64_t *ret)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	memcpy(ret, from, sizeof(*ret));
	uint64_t quotes = *ret ^ '"' * ones, slashes = *ret ^ '\\' * ones;
	return ((*ret | (*ret - ' ' * ones) | ((quotes - ones) & ~quotes) |
	         ((slashes - ones) & ~slashes)) &
	        tops) == 0;
}

/* Most of what FETCH says goes through here. quoted = DQUOTE *QUOTED-CHAR DQUOTE, of text to where there
 * are 2 + 2 * text.len bytes of room; 0 when it has a byte that needs a literal. */
static size_t quote(char *to, struct str text, bool utf8)
{
	size_t len = 0, i = 0;
	to[len++] = '"';
	while (i < text.len) {
		uint64_t word;
		if (text.len - i >= sizeof(word) && is_plain(text.ptr + i, &word)) {
			memcpy(to + len, &word, sizeof(word));
			len += sizeof(word);
			i += sizeof(word);
			continue;
		}
		size_t end = text.len - i < sizeof(word) ? text.len : i + sizeof(word);
		for (; i < end; i++) {
			unsigned char byte = (unsigned char)text.ptr[i];
			if (byte == 0 || byte == '\r' || byte == '\n' || (byte >= 0x80 && !utf8))
				return 0;
			if (byte == '"' || byte == '\\')
				to[len++] = '\\';
			to[len++] = text.ptr[i];
		}
	}
	to[len++] = '"';
	return len;
}

static bool write_quoted(struct buf *out, struct str text, bool utf8)
{
	char *to = text.len > QUOTED_MAX ? NULL : buf_reserve(out, 2 + 2 * text.len);
	size_t len = to == NULL ? 0 : quote(to, text, utf8);
	out->len += len;
	return len > 0;
}

/* literal = "{" number "}" CRLF *CHAR8, and CHAR8 has no NUL: it is left out. */
static void write_literal(struct buf *out, struct str text)
{
	size_t nuls = 0;
	for (size_t i = 0; i < text.len; i++)
		nuls += text.ptr[i] == '\0';
	buf_add_byte(out, '{');
	buf_add_u64(out, text.len - nuls);
	buf_add_str(out, STR("}\r\n"));
	if (nuls == 0) {
		buf_add_str(out, text);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '\0')
			buf_add_byte(out, text.ptr[i]);
}

void imap_write_string(struct buf *out, struct str text)
{
	if (!write_quoted(out, text, false) && !out->failed)
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

void imap_write_mailbox(struct buf *out, struct str name, bool utf8)
{
	/* Quoted strings may carry UTF-8 then (RFC 6855 section 3), but still no line end. */
	if (utf8 && utf8_valid(name) && write_quoted(out, name, true))
		return;
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

bool imap_is_atom(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return text.len > 0;
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
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((bits & names[i].bit) != 0)
			write_flag(out, &first, names[i].name);
	if (recent)
		write_flag(out, &first, STR("\\Recent"));
	for (size_t i = 0; i < keyword_count; i++)
		if (imap_is_atom(str_from(keywords[i])))
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
