#include "mail/encoding.h"

#include <string.h>

enum {
	IGNORED = 64, /* values of the alphabet are below */
	PADDING = 65,
	PIECE = 4096,
};

/* What so many bytes of base64 decode to at most, three held over from the piece before. */
#define PIECE_ROOM(len) ((len) / 4 * 3 + 6)

#define X               IGNORED
static const unsigned char base64_values[256] = {
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* 0x */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* 1x */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  62, X,  X,       X,  63, /* 2x: + / */
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X,  X,  X,  PADDING, X,  X,  /* 3x: 0-9 = */
	X,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,      13, 14, /* 4x: A-O */
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X,  X,  X,       X,  X,  /* 5x: P-Z */
	X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,      39, 40, /* 6x: a-o */
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X,  X,  X,       X,  X,  /* 7x: p-z */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* 8x */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* 9x */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* ax */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* bx */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* cx */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* dx */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* ex */
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,       X,  X,  /* fx */
};
#undef X

static unsigned value_of(char c)
{
	return base64_values[(unsigned char)c];
}

/* Whole groups of four that stand together, which is nearly all of them. */
static const char *decode_groups(const char *p, const char *end, char **to)
{
	char *at = *to;
	while (end - p >= 4) {
		unsigned a = value_of(p[0]), b = value_of(p[1]), c = value_of(p[2]), d = value_of(p[3]);
		if ((a | b | c | d) >= IGNORED)
			break;
		uint32_t bits = a << 18 | b << 12 | c << 6 | d;
		at[0] = (char)(bits >> 16);
		at[1] = (char)(bits >> 8);
		at[2] = (char)bits;
		at += 3;
		p += 4;
	}
	*to = at;
	return p;
}

struct base64_state {
	uint32_t bits;
	int digits; /* that are in bits, below 4 */
	bool ended; /* padding came */
};

/* Decodes the whole of text; to has room for PIECE_ROOM(text.len). Returns the bytes written. */
static size_t decode_piece(struct base64_state *s, struct str text, char *to)
{
	struct cursor bytes = cursor_of(text);
	const char *start = to, *p = bytes.p, *end = bytes.end;
	while (p < end) {
		if (s->digits == 0)
			p = decode_groups(p, end, &to);
		if (p == end)
			break;
		unsigned value = value_of(*p++);
		if (value == PADDING) {
			s->ended = true;
			break;
		}
		if (value == IGNORED)
			continue;
		s->bits = s->bits << 6 | value;
		if (++s->digits == 4) {
			*to++ = (char)(s->bits >> 16);
			*to++ = (char)(s->bits >> 8);
			*to++ = (char)s->bits;
			s->digits = 0;
		}
	}
	return (size_t)(to - start);
}

/* As much of it as fits. */
static void add_fitting(struct buf *out, const char *bytes, size_t len)
{
	size_t room = out->max - out->len;
	buf_add(out, bytes, len < room ? len : room);
	if (len > room)
		out->failed = true;
}

void mail_base64_decode(struct buf *out, struct str text)
{
	struct base64_state s = {0};
	while (text.len > 0 && !s.ended && !out->failed) {
		/* Where it is sure to fit, all at once and in place; else piece by piece. */
		if (PIECE_ROOM(text.len) <= out->max - out->len) {
			char *to = buf_reserve(out, PIECE_ROOM(text.len));
			out->len += decode_piece(&s, text, to);
			break;
		}
		char piece[PIECE_ROOM(PIECE)];
		size_t len = decode_piece(&s, str_slice(text, 0, PIECE), piece);
		add_fitting(out, piece, len);
		text = str_from_byte(text, PIECE);
	}
	char rest[2] = {(char)(s.bits >> (s.digits == 2 ? 4 : 10)), (char)(s.bits >> 2)};
	if (s.digits >= 2)
		add_fitting(out, rest, (size_t)s.digits - 1);
}

static int hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "=" *WSP CRLF: returns the first byte after it, or NULL */
static const char *soft_break(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end)
		return end;
	if (*p == '\r')
		p++;
	return p < end && *p == '\n' ? p + 1 : NULL;
}

/* Appends text that has no "=" in it. */
static void add_literal(struct buf *out, const char *p, const char *end, bool header)
{
	size_t at = out->len;
	buf_add(out, p, (size_t)(end - p));
	if (!header)
		return;
	for (; at < out->len; at++)
		if (out->ptr[at] == '_')
			out->ptr[at] = ' ';
}

void mail_quoted_printable_decode(struct buf *out, struct str text, bool header)
{
	struct cursor c = cursor_of(text);
	const char *p = c.p, *end = c.end;
	while (p < end && !out->failed) {
		const char *equals = memchr(p, '=', (size_t)(end - p));
		if (equals == NULL) {
			add_literal(out, p, end, header);
			return;
		}
		add_literal(out, p, equals, header);
		int high = end - equals > 2 ? hex_value(equals[1]) : -1;
		int low = end - equals > 2 ? hex_value(equals[2]) : -1;
		const char *after = high < 0 || low < 0 ? soft_break(equals + 1, end) : NULL;
		if (after != NULL) {
			p = after;
		} else if (high >= 0 && low >= 0) {
			buf_add_byte(out, (char)(high * 16 + low));
			p = equals + 3;
		} else {
			buf_add_byte(out, '=');
			p = equals + 1;
		}
	}
}

int mail_decode(struct buf *out, struct str body, Pk__Part__Encoding encoding)
{
	switch (encoding) {
	case PK__PART__ENCODING__IDENTITY:
		add_fitting(out, body.ptr, body.len);
		break;
	case PK__PART__ENCODING__BASE64:
		mail_base64_decode(out, body);
		break;
	case PK__PART__ENCODING__QUOTED_PRINTABLE:
		mail_quoted_printable_decode(out, body, false);
		break;
	default:
		return E_UNSUPPORTED;
	}
	return out->failed ? E_TOO_LARGE : 0;
}
