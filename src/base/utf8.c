#include "base/utf8.h"

#include <string.h>

size_t utf8_character(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	if (s.len == 0 || p[0] == 0)
		return 0;
	size_t len = p[0] < 0x80   ? 1
	             : p[0] < 0xc2 ? 0
	             : p[0] < 0xe0 ? 2
	             : p[0] < 0xf0 ? 3
	             : p[0] < 0xf5 ? 4
	                           : 0;
	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool surrogate = p[0] == 0xed && p[1] > 0x9f;
	bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
	return overlong || surrogate || beyond ? 0 : len;
}

/* Eight bytes at a time: most text is ASCII. */
size_t utf8_ascii_length(struct str s)
{
	size_t i = 0;
	uint64_t word;
	while (s.len - i >= sizeof(word)) {
		memcpy(&word, s.ptr + i, sizeof(word));
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
		i += sizeof(word);
	}
	while (i < s.len && (unsigned char)s.ptr[i] < 0x80)
		i++;
	return i;
}

size_t utf8_valid_length(struct str s)
{
	const char *nul = s.len == 0 ? NULL : memchr(s.ptr, '\0', s.len);
	size_t i = 0;
	if (nul != NULL)
		s.len = (size_t)(nul - s.ptr);
	while (i < s.len) {
		i += utf8_ascii_length(str_from_byte(s, i));
		size_t len = utf8_character(str_from_byte(s, i));
		if (len == 0)
			break;
		i += len;
	}
	return i;
}

bool utf8_valid(struct str s)
{
	return utf8_valid_length(s) == s.len;
}

bool utf8_hides(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0x61c ||
	       code_point == 0x200e || code_point == 0x200f ||
	       (code_point >= 0x2028 && code_point <= 0x202e) ||
	       (code_point >= 0x2066 && code_point <= 0x2069);
}

/* Of one character of len bytes, which utf8_character has seen. */
static uint32_t code_point_of(const char *text, size_t len)
{
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code_point = (unsigned char)text[0] & first[len];
	for (size_t i = 1; i < len; i++)
		code_point = code_point << 6 | ((unsigned char)text[i] & 0x3f);
	return code_point;
}

void utf8_disarm(char *text, size_t len, const char *keep)
{
	for (size_t at = 0; at < len;) {
		size_t bytes = utf8_character(STR_OF(text + at, len - at));
		bool kept = bytes == 1 && strchr(keep, text[at]) != NULL;
		bool shown = bytes > 0 && !utf8_hides(code_point_of(text + at, bytes));
		size_t step = bytes == 0 ? 1 : bytes;
		if (!kept && !shown)
			memset(text + at, '?', step);
		at += step;
	}
}

struct str utf8_cut(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_slice(s, 0, max);
}
