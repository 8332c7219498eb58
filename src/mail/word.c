#include "mail/word.h"

#include <string.h>

#include "mail/charset.h"
#include "mail/charset_label.h"
#include "mail/encoding.h"

enum {
	CHARSET_MAX = 80,        /* RFC 2047 allows 75 for the whole word */
	BYTES_MAX = 1024 * 1024, /* of neighbouring words, decoded */
};

struct encoded_word {
	struct str charset;
	char encoding; /* 'b' or 'q' */
	struct str text;
};

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
static bool encoded_word(struct cursor *c, struct encoded_word *ret)
{
	struct cursor at = *c;
	if (!cursor_text(&at, STR("=?")))
		return false;
	struct str head = str_slice(STR_OF(at.p, cursor_left(&at)), 0, CHARSET_MAX);
	ptrdiff_t question = str_find_byte(head, '?');
	if (question <= 0)
		return false;
	struct str charset = str_slice(head, 0, (size_t)question);
	ptrdiff_t star = str_find_byte(charset, '*');
	if (star >= 0)
		charset.len = (size_t)star;
	at.p += question + 1;
	if (cursor_left(&at) < 2 || at.p[1] != '?')
		return false;
	char encoding = ascii_lower(at.p[0]);
	if (encoding != 'b' && encoding != 'q')
		return false;
	at.p += 2;
	const char *end = memchr(at.p, '?', cursor_left(&at));
	if (end == NULL || at.end - end < 2 || end[1] != '=')
		return false;
	*ret = (struct encoded_word){charset, encoding, STR_OF(at.p, end - at.p)};
	c->p = end + 2;
	return true;
}

static void decode_one(struct buf *bytes, const struct encoded_word *word)
{
	if (word->encoding == 'b')
		mail_base64_decode(bytes, word->text);
	else
		mail_quoted_printable_decode(bytes, word->text, true);
}

/* Blanks between encoded words are not shown (RFC 2047 section 6.2). */
static bool next_word(struct cursor *c, struct encoded_word *ret)
{
	struct cursor at = *c;
	while (at.p < at.end && (*at.p == ' ' || *at.p == '\t' || *at.p == '\r' || *at.p == '\n'))
		at.p++;
	if (!encoded_word(&at, ret))
		return false;
	*c = at;
	return true;
}

/* Neighbours in one character set are put together before they are converted: many senders split a
 * character between two words. Not where bytes shift to others' meaning: each word begins unshifted there
 * (RFC 2047 section 3). */
static void decode_run(struct buf *out, struct cursor *c, struct encoded_word word)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, BYTES_MAX);
	bool more = true;
	while (more) {
		struct str charset = word.charset;
		bool alone = mail_charset_find(charset).kind == MAIL_CHARSET_SHIFTS;
		buf_clear(&bytes);
		do {
			decode_one(&bytes, &word);
			more = next_word(c, &word);
		} while (more && !alone && str_eq_nocase(word.charset, charset));
		if (bytes.failed)
			out->failed = true;
		size_t start = out->len;
		mail_to_utf8_lenient(out, buf_str(&bytes), charset);
		mail_blank_controls(out, start);
	}
}

void mail_words_decode(struct buf *out, struct str text)
{
	struct cursor c = cursor_of(text);
	const char *plain = c.p; /* beginning of what has not been appended */
	while (c.p < c.end && !out->failed) {
		const char *at = memmem(c.p, cursor_left(&c), "=?", 2);
		if (at == NULL)
			break;
		struct encoded_word word;
		c.p = at;
		if (!encoded_word(&c, &word)) {
			c.p += 2;
			continue;
		}
		mail_to_utf8_lenient(out, STR_OF(plain, at - plain), STR(""));
		decode_run(out, &c, word);
		plain = c.p;
	}
	mail_to_utf8_lenient(out, STR_OF(plain, c.end - plain), STR(""));
}
