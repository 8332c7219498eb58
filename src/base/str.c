#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

struct str str_from(const char *c_string)
{
	return (struct str){c_string, c_string == NULL ? 0 : strlen(c_string)};
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int str_compare(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

int str_compare_nocase(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	for (size_t i = 0; i < n; i++) {
		int order = (unsigned char)ascii_lower(a.ptr[i]) - (unsigned char)ascii_lower(b.ptr[i]);
		if (order != 0)
			return order;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

bool str_eq_nocase(struct str a, struct str b)
{
	return a.len == b.len && str_compare_nocase(a, b) == 0;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq_nocase(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends_nocase(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       str_eq_nocase(str_slice(s, s.len - suffix.len, suffix.len), suffix);
}

struct str str_slice(struct str s, size_t start, size_t len)
{
	if (start >= s.len)
		return (struct str){NULL, 0};
	size_t left = s.len - start;
	return (struct str){s.ptr + start, len < left ? len : left};
}

struct str str_from_byte(struct str s, size_t start)
{
	return str_slice(s, start, SIZE_MAX);
}

ptrdiff_t str_find_byte(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
	return at == NULL ? -1 : at - s.ptr;
}

ptrdiff_t str_rfind_byte(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
	return at == NULL ? -1 : at - s.ptr;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	if (needle.len == 0)
		return 0;
	const char *at = s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
	return at == NULL ? -1 : at - s.ptr;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

char *str_dup(struct str s)
{
	return mem_copy_string(s.ptr, s.len);
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *ret)
{
	struct cursor c = cursor_of(s);
	uint64_t n;
	if (!cursor_u64(&c, max, &n) || !cursor_at_end(&c))
		return false;
	*ret = n;
	return true;
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_init_secret(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max, .secret = true};
}

void buf_done(struct buf *b)
{
	if (b == NULL)
		return;
	if (b->secret && b->ptr != NULL)
		explicit_bzero(b->ptr, b->cap);
	free(b->ptr);
	*b = (struct buf){.max = b->max, .secret = b->secret};
}

void buf_done_wiped(struct buf *b)
{
	if (b != NULL && b->ptr != NULL)
		explicit_bzero(b->ptr, b->cap);
	buf_done(b);
}

struct str buf_str(const struct buf *b)
{
	return (struct str){b->ptr, b->len};
}

void buf_clear(struct buf *b)
{
	if (b->secret && b->len > 0)
		explicit_bzero(b->ptr, b->len);
	b->len = 0;
	b->failed = false;
}

static void grow(struct buf *b, size_t cap)
{
	char *old = b->secret ? b->ptr : NULL;
	b->ptr = mem_grow(b->secret ? NULL : b->ptr, cap, 1);
	if (old != NULL) { /* realloc would leave the old bytes behind */
		memcpy(b->ptr, old, b->len);
		explicit_bzero(old, b->cap);
		free(old);
	}
	b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t extra)
{
	if (b->failed || extra > b->max || b->len > b->max - extra) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->len + extra;
	if (need > b->cap) {
		size_t cap = b->cap < 64 ? 64 : b->cap + b->cap / 2;
		if (cap < need)
			cap = need;
		if (cap > b->max)
			cap = b->max;
		grow(b, cap);
	}
	return b->ptr == NULL ? (b->ptr = mem_grow(NULL, b->cap = 1, 1)) : b->ptr + b->len;
}

void buf_add(struct buf *b, const void *ptr, size_t len)
{
	if (len == 0)
		return;
	char *to = buf_reserve(b, len);
	if (to == NULL)
		return;
	memcpy(to, ptr, len);
	b->len += len;
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.ptr, s.len);
}

void buf_add_text(struct buf *b, const char *c_string)
{
	buf_add(b, c_string, strlen(c_string));
}

void buf_add_byte(struct buf *b, char c)
{
	if (b->len < b->cap && !b->failed)
		b->ptr[b->len++] = c;
	else
		buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	must(len >= 0);
	char *to = buf_reserve(b, (size_t)len + 1);
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_consume(struct buf *b, size_t n)
{
	must(n <= b->len);
	b->len -= n;
	if (b->len > 0 && n > 0)
		memmove(b->ptr, b->ptr + n, b->len);
	if (b->secret && n > 0)
		explicit_bzero(b->ptr + b->len, n);
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
	char *ptr = b->ptr;
	*ret_len = b->len;
	*b = (struct buf){.max = b->max, .secret = b->secret};
	return ptr;
}

struct cursor cursor_of(struct str s)
{
	static const char nothing[1] = "";
	const char *p = s.ptr == NULL ? nothing : s.ptr;
	return (struct cursor){p, p + s.len};
}

bool cursor_at_end(const struct cursor *c)
{
	return c->p == c->end;
}

size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

int cursor_peek(const struct cursor *c)
{
	return c->p == c->end ? -1 : (unsigned char)*c->p;
}

bool cursor_byte(struct cursor *c, char byte)
{
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

bool cursor_text(struct cursor *c, struct str text)
{
	if (!str_starts(STR_OF(c->p, cursor_left(c)), text))
		return false;
	c->p += text.len;
	return true;
}

bool cursor_text_nocase(struct cursor *c, struct str text)
{
	if (!str_starts_nocase(STR_OF(c->p, cursor_left(c)), text))
		return false;
	c->p += text.len;
	return true;
}

bool cursor_take(struct cursor *c, size_t n, struct str *ret)
{
	if (n > cursor_left(c))
		return false;
	*ret = STR_OF(c->p, n);
	c->p += n;
	return true;
}

bool cursor_span(struct cursor *c, bool (*member)(char), struct str *ret)
{
	const char *p = c->p;
	while (p < c->end && member(*p))
		p++;
	if (p == c->p)
		return false;
	*ret = STR_OF(c->p, p - c->p);
	c->p = p;
	return true;
}

bool cursor_u64(struct cursor *c, uint64_t max, uint64_t *ret)
{
	const char *p = c->p;
	uint64_t n = 0;
	while (p < c->end && ascii_is_digit(*p)) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (n > (max - digit) / 10 || digit > max)
			return false;
		n = n * 10 + digit;
		p++;
	}
	if (p == c->p)
		return false;
	c->p = p;
	*ret = n;
	return true;
}

struct str cursor_rest(struct cursor *c)
{
	struct str rest = STR_OF(c->p, c->end - c->p);
	c->p = c->end;
	return rest;
}
