#include "base/codec.h"

#include <string.h>

void hex_encode(const void *bytes, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = bytes;
	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[in[i] >> 4];
		ret[2 * i + 1] = digits[in[i] & 15];
	}
	ret[2 * len] = '\0';
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t len)
{
	return (len + 2) / 3 * 4;
}

static void encode_triple(const unsigned char *in, char *out)
{
	uint32_t n = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
	out[0] = alphabet[n >> 18];
	out[1] = alphabet[n >> 12 & 63];
	out[2] = alphabet[n >> 6 & 63];
	out[3] = alphabet[n & 63];
}

/* One line of whole triples, or the tail with its padding. */
static char *encode_run(const unsigned char *in, size_t len, char *out)
{
	for (; len >= 3; in += 3, len -= 3, out += 4)
		encode_triple(in, out);
	if (len > 0) {
		unsigned char last[3] = {in[0], len == 2 ? in[1] : 0, 0};
		encode_triple(last, out);
		out[3] = '=';
		if (len == 1)
			out[2] = '=';
		out += 4;
	}
	return out;
}

void base64_encode(struct buf *out, struct str bytes, size_t line_len, struct str line_end)
{
	const unsigned char *in = (const unsigned char *)bytes.ptr;
	size_t left = bytes.len;
	size_t per_line = line_len == 0 ? bytes.len : line_len / 4 * 3;
	size_t lines = left == 0 || per_line == 0 ? 0 : (left - 1) / per_line;
	char *to = buf_reserve(out, base64_size(left) + lines * line_end.len);
	if (to == NULL)
		return;
	char *start = to;
	while (left > 0) {
		size_t run = left < per_line ? left : per_line;
		to = encode_run(in, run, to);
		in += run;
		left -= run;
		if (left > 0 && line_end.len > 0) {
			memcpy(to, line_end.ptr, line_end.len);
			to += line_end.len;
		}
	}
	out->len += (size_t)(to - start);
}

/* 0 for what is outside the alphabet; else VALID and six bits. */
enum { VALID = 0x80 };
#define IN(value) (VALID | (value))
/* clang-format off */
static const unsigned char values[256] = {
	['A'] = IN(0), ['B'] = IN(1), ['C'] = IN(2), ['D'] = IN(3), ['E'] = IN(4),
	['F'] = IN(5), ['G'] = IN(6), ['H'] = IN(7), ['I'] = IN(8), ['J'] = IN(9),
	['K'] = IN(10), ['L'] = IN(11), ['M'] = IN(12), ['N'] = IN(13), ['O'] = IN(14),
	['P'] = IN(15), ['Q'] = IN(16), ['R'] = IN(17), ['S'] = IN(18), ['T'] = IN(19),
	['U'] = IN(20), ['V'] = IN(21), ['W'] = IN(22), ['X'] = IN(23), ['Y'] = IN(24),
	['Z'] = IN(25), ['a'] = IN(26), ['b'] = IN(27), ['c'] = IN(28), ['d'] = IN(29),
	['e'] = IN(30), ['f'] = IN(31), ['g'] = IN(32), ['h'] = IN(33), ['i'] = IN(34),
	['j'] = IN(35), ['k'] = IN(36), ['l'] = IN(37), ['m'] = IN(38), ['n'] = IN(39),
	['o'] = IN(40), ['p'] = IN(41), ['q'] = IN(42), ['r'] = IN(43), ['s'] = IN(44),
	['t'] = IN(45), ['u'] = IN(46), ['v'] = IN(47), ['w'] = IN(48), ['x'] = IN(49),
	['y'] = IN(50), ['z'] = IN(51), ['0'] = IN(52), ['1'] = IN(53), ['2'] = IN(54),
	['3'] = IN(55), ['4'] = IN(56), ['5'] = IN(57), ['6'] = IN(58), ['7'] = IN(59),
	['8'] = IN(60), ['9'] = IN(61), ['+'] = IN(62), ['/'] = IN(63),
};
/* clang-format on */

static bool decode_tail(const unsigned char *in, unsigned char *out, size_t *ret_len)
{
	if (in[3] != '=')
		return false;
	unsigned a = values[in[0]], b = values[in[1]];
	if ((a & b & VALID) == 0)
		return false;
	a &= 63;
	b &= 63;
	out[0] = (unsigned char)(a << 2 | b >> 4);
	if (in[2] == '=') {
		*ret_len = 1;
		return (b & 15) == 0;
	}
	unsigned c = values[in[2]];
	if ((c & VALID) == 0 || (c & 3) != 0)
		return false;
	c &= 63;
	out[1] = (unsigned char)(b << 4 | c >> 2);
	*ret_len = 2;
	return true;
}

bool base64_decode(struct buf *out, struct str text)
{
	if (text.len % 4 != 0)
		return false;
	if (text.len == 0)
		return true;
	unsigned char *to = (unsigned char *)buf_reserve(out, text.len / 4 * 3);
	if (to == NULL)
		return false;
	const unsigned char *in = (const unsigned char *)text.ptr;
	size_t len = 0, quads = text.len / 4, tail = 0;
	bool padded = in[text.len - 1] == '=';
	for (size_t i = 0; i < quads - padded; i++, in += 4, len += 3) {
		unsigned a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
		if ((a & b & c & d & VALID) == 0)
			return false;
		uint32_t n = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
		to[len] = (unsigned char)(n >> 16);
		to[len + 1] = (unsigned char)(n >> 8);
		to[len + 2] = (unsigned char)n;
	}
	if (padded && !decode_tail(in, to + len, &tail))
		return false;
	out->len += len + tail;
	return true;
}
