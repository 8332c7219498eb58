#include "base/utf8.h"

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

bool utf8_valid(struct str s)
{
	while (s.len > 0) {
		size_t len = utf8_character(s);
		if (len == 0)
			return false;
		s = str_from_byte(s, len);
	}
	return true;
}
