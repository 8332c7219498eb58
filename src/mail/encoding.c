#include "mail/encoding.h"

#include <string.h>

enum {
	IGNORED = 64, /* values of the alphabet are below */
	PADDING = 65,
};

#define X IGNORED
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

void mail_base64_decode(struct buf *out, struct str text)
{
	size_t worst = text.len / 4 * 3 + 3;
	bool cut = worst > out->max - out->len;
	if (cut) {
		/* What fits, then the failure. */
		text.len = (out->max - out->len) / 3 * 4;
		worst = text.len / 4 * 3;
	}
	char *start = text.len == 0 ? NULL : buf_reserve(out, worst);
	if (start != NULL) {
		char *to = start;
		uint32_t bits = 0;
		int digits = 0;
		const char *p = text.ptr, *end = text.ptr + text.len;
		while (p < end) {
			if (digits == 0)
				p = decode_groups(p, end, &to);
			if (p == end)
				break;
			unsigned value = value_of(*p++);
			if (value == PADDING)
				break;
			if (value == IGNORED)
				continue;
			bits = bits << 6 | value;
			if (++digits == 4) {
				*to++ = (char)(bits >> 16);
				*to++ = (char)(bits >> 8);
				*to++ = (char)bits;
				digits = 0;
			}
		}
		if (digits >= 2)
			*to++ = (char)(bits >> (digits == 2 ? 4 : 10));
		if (digits == 3)
			*to++ = (char)(bits >> 2);
		out->len += (size_t)(to - start);
	}
	if (cut)
		out->failed = true;
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
	for (; at < out->len; at++) {
		if (out->ptr[at] == '_')
			out->ptr[at] = ' ';
	}
}

void mail_quoted_printable_decode(struct buf *out, struct str text, bool header)
{
	const char *p = text.ptr, *end = text.ptr + text.len;
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
		buf_add_str(out, body);
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
