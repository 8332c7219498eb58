#include "imap/utf7.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static void add_utf8(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_add_byte(out, (char)code);
	} else if (code < 0x800) {
		buf_add_byte(out, (char)(0xc0 | code >> 6));
		buf_add_byte(out, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_add_byte(out, (char)(0xe0 | code >> 12));
		buf_add_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_add_byte(out, (char)(0xf0 | code >> 18));
		buf_add_byte(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* One UTF-16 unit of a shifted run; *high holds the first half of a surrogate pair. */
static bool add_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	bool low_half = unit >= 0xdc00 && unit < 0xe000;
	if (low_half != (*high != 0))
		return false;
	if (low_half) {
		add_utf8(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
	} else if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
	} else if (unit >= 0x20 && unit < 0x7f) {
		return false; /* printable ASCII stands for itself */
	} else if (unit == 0) {
		return false;
	} else {
		add_utf8(out, unit);
	}
	return true;
}

/* The run between "&" and "-". */
static bool decode_run(struct cursor *c, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	int have = 0;
	while (!cursor_byte(c, '-')) {
		int value = digit_value(cursor_peek(c));
		if (value < 0)
			return false;
		c->p++;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have < 16)
			continue;
		have -= 16;
		if (!add_unit(out, bits >> have & 0xffff, &high))
			return false;
	}
	return high == 0 && have < 6 && (bits & ((1u << have) - 1)) == 0;
}

bool utf7_decode(struct str name, struct buf *out)
{
	size_t before = out->len;
	struct cursor c = cursor_of(name);
	while (!cursor_at_end(&c)) {
		int byte = cursor_peek(&c);
		c.p++;
		if (byte < 0x20 || byte > 0x7e)
			break;
		if (byte != '&')
			buf_add_byte(out, (char)byte);
		else if (cursor_byte(&c, '-'))
			buf_add_byte(out, '&');
		else if (!decode_run(&c, out))
			break;
		if (cursor_at_end(&c))
			return !out->failed;
	}
	if (name.len == 0)
		return true;
	out->len = before;
	return false;
}

/* The next character of UTF-8 text, or -1. */
static int32_t next_code(struct cursor *c)
{
	if (cursor_at_end(c))
		return -1;
	const unsigned char *p = (const unsigned char *)c->p;
	size_t left = cursor_left(c);
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len == 0 || len > left || p[0] > 0xf4)
		return -1;
	uint32_t code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < lowest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return -1;
	c->p += len;
	return (int32_t)code;
}

struct shift {
	struct buf *out;
	uint32_t bits;
	int have;
	bool open;
};

static void shift_unit(struct shift *shift, uint32_t unit)
{
	if (!shift->open)
		buf_add_byte(shift->out, '&');
	shift->open = true;
	shift->bits = shift->bits << 16 | unit;
	shift->have += 16;
	while (shift->have >= 6) {
		shift->have -= 6;
		buf_add_byte(shift->out, digits[shift->bits >> shift->have & 0x3f]);
	}
}

static void shift_close(struct shift *shift)
{
	if (!shift->open)
		return;
	if (shift->have > 0)
		buf_add_byte(shift->out, digits[shift->bits << (6 - shift->have) & 0x3f]);
	buf_add_byte(shift->out, '-');
	*shift = (struct shift){.out = shift->out};
}

void utf7_encode(struct str name, struct buf *out)
{
	struct shift shift = {.out = out};
	struct cursor c = cursor_of(name);
	for (int32_t code = next_code(&c); code >= 0; code = next_code(&c)) {
		uint32_t n = (uint32_t)code;
		if (n >= 0x20 && n < 0x7f) {
			shift_close(&shift);
			buf_add_byte(out, (char)n);
			if (n == '&')
				buf_add_byte(out, '-');
		} else if (n < 0x10000) {
			shift_unit(&shift, n);
		} else {
			shift_unit(&shift, 0xd800 + ((n - 0x10000) >> 10));
			shift_unit(&shift, 0xdc00 + ((n - 0x10000) & 0x3ff));
		}
	}
	shift_close(&shift);
}
