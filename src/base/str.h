#ifndef POSTKASSE_BASE_STR_H
#define POSTKASSE_BASE_STR_H

/*
 * Bytes. struct str borrows, struct buf owns and has a maximum given at birth, struct cursor reads
 * and never moves on failure. None of them expects a NUL at the end; none depends on a locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct str {
	const char *ptr; /* borrowed; may be NULL when len is 0 */
	size_t len;
};

/* A struct str of a string literal, and of a C string. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
struct str str_from(const char *c_string);
#define STR_OF(pointer, length) ((struct str){(const char *)(pointer), (size_t)(length)})
/* Of what has data and len, as protobuf-c's bytes do. */
#define STR_OF_BYTES(bytes) STR_OF((bytes).data, (bytes).len)

/* For printf: "%.*s", STR_ARG(s); at most INT_MAX bytes. */
#define STR_ARG(s) (int)((s).len > INT32_MAX ? INT32_MAX : (s).len), (s).ptr == NULL ? "" : (s).ptr

/* ASCII only, whatever the locale. */
char ascii_lower(char c);
char ascii_upper(char c);
bool ascii_is_alpha(char c);
bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);

bool str_eq(struct str a, struct str b);
/* Equal but for the case of ASCII letters. */
bool str_eq_nocase(struct str a, struct str b);
/* Byte order, shorter first among equals; for sorting and binary search. */
int str_compare(struct str a, struct str b);
int str_compare_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);
/* The part from byte start, at most len bytes; out of range gives what there is, down to empty. */
struct str str_slice(struct str s, size_t start, size_t len);
struct str str_from_byte(struct str s, size_t start);
/* The index of the first c, of the last c, of the first needle; or -1. */
ptrdiff_t str_find_byte(struct str s, char c);
ptrdiff_t str_rfind_byte(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);
/* Without leading and trailing space, tab, CR and LF. */
struct str str_trim(struct str s);
/* A NUL-terminated copy for free(). */
char *str_dup(struct str s) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* The whole of s as a decimal number up to max, digits only. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *ret);

/*
 * A growing buffer. Appending past max, or after that, adds nothing and sets failed: a writer
 * appends freely and looks once at the end.
 */
struct buf {
	char *ptr; /* owned; NULL until something is appended */
	size_t len;
	size_t cap;
	size_t max;
	bool failed;
	bool secret; /* whatever it lets go of is overwritten first */
};

void buf_init(struct buf *b, size_t max);
/* For what may hold a secret: memory that it leaves when it grows, is emptied or done is overwritten. */
void buf_init_secret(struct buf *b, size_t max);
void buf_done(struct buf *b);
/* For struct buf b BUF_AUTO; after buf_init. */
#define BUF_AUTO __attribute__((cleanup(buf_done)))
/* Overwrites the content before freeing it, for text that held a secret. */
void buf_done_wiped(struct buf *b);
struct str buf_str(const struct buf *b);
/* Empties it, keeps the memory and clears failed. */
void buf_clear(struct buf *b);
/* Makes room for extra more bytes and returns where they go, or NULL (failed set); the caller
 * writes them and adds to len. */
char *buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *ptr, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *c_string);
void buf_add_byte(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t n);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Hands the memory over to the caller, who frees it; the buffer is empty again. */
char *buf_steal(struct buf *b, size_t *ret_len);

/* Reads forward; every function returns false and leaves the position alone when it cannot. */
struct cursor {
	const char *p;
	const char *end;
};

struct cursor cursor_of(struct str s);
bool cursor_at_end(const struct cursor *c);
size_t cursor_left(const struct cursor *c);
/* The next byte as 0..255, or -1 at the end. */
int cursor_peek(const struct cursor *c);
bool cursor_byte(struct cursor *c, char byte);
bool cursor_text(struct cursor *c, struct str text);
bool cursor_text_nocase(struct cursor *c, struct str text);
bool cursor_take(struct cursor *c, size_t n, struct str *ret);
/* The longest run (one byte at least) of bytes for which member is true. */
bool cursor_span(struct cursor *c, bool (*member)(char), struct str *ret);
/* A decimal number of at most max; leading zeros are fine, no digit or too large is false. */
bool cursor_u64(struct cursor *c, uint64_t max, uint64_t *ret);
/* What is left, which is consumed. */
struct str cursor_rest(struct cursor *c);

#endif
