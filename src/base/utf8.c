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
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
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

struct str utf8_cut(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_slice(s, 0, max);
}
