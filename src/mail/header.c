#include "mail/header.h"

#include <string.h>

#include "base/mem.h"

enum { NAME_MAX_LEN = 255 }; /* a longer "name" is garbage with a colon in it */

static const struct {
	struct str name;
	enum mail_field_id id;
} known[] = {
	{{"to", 2}, MAIL_FIELD_TO},
	{{"cc", 2}, MAIL_FIELD_CC},
	{{"bcc", 3}, MAIL_FIELD_BCC},
	{{"date", 4}, MAIL_FIELD_DATE},
	{{"from", 4}, MAIL_FIELD_FROM},
	{{"sender", 6}, MAIL_FIELD_SENDER},
	{{"subject", 7}, MAIL_FIELD_SUBJECT},
	{{"reply-to", 8}, MAIL_FIELD_REPLY_TO},
	{{"message-id", 10}, MAIL_FIELD_MESSAGE_ID},
	{{"references", 10}, MAIL_FIELD_REFERENCES},
	{{"content-id", 10}, MAIL_FIELD_CONTENT_ID},
	{{"in-reply-to", 11}, MAIL_FIELD_IN_REPLY_TO},
	{{"content-md5", 11}, MAIL_FIELD_CONTENT_MD5},
	{{"content-type", 12}, MAIL_FIELD_CONTENT_TYPE},
	{{"content-language", 16}, MAIL_FIELD_CONTENT_LANGUAGE},
	{{"content-location", 16}, MAIL_FIELD_CONTENT_LOCATION},
	{{"content-disposition", 19}, MAIL_FIELD_CONTENT_DISPOSITION},
	{{"content-description", 19}, MAIL_FIELD_CONTENT_DESCRIPTION},
	{{"content-transfer-encoding", 25}, MAIL_FIELD_CONTENT_TRANSFER_ENCODING},
};

enum mail_field_id mail_field_id(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].name.len == name.len && str_eq_nocase(known[i].name, name))
			return known[i].id;
	return MAIL_FIELD_OTHER;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first byte after the line that begins at p. */
static const char *line_end(const char *p, const char *end)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));
	return newline == NULL ? end : newline + 1;
}

static bool is_empty_line(const char *p, const char *end)
{
	return *p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n');
}

/* ftext = %d33-57 / %d59-126, with blanks allowed before the colon (RFC 5322 section 4.5.8) */
static struct str field_name(struct str line)
{
	ptrdiff_t colon = str_find_byte(str_slice(line, 0, NAME_MAX_LEN + 1), ':');
	if (colon <= 0)
		return (struct str){NULL, 0};
	struct str name = str_slice(line, 0, (size_t)colon);
	while (name.len > 0 && is_blank(name.ptr[name.len - 1]))
		name.len--;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < 33 || name.ptr[i] > 126)
			return (struct str){NULL, 0};
	return name;
}

bool mail_header_next(struct cursor *header, struct mail_field *ret)
{
	const char *start = header->p;
	if (start == header->end || is_empty_line(start, header->end))
		return false;
	const char *after = line_end(start, header->end);
	struct str name = field_name(STR_OF(start, after - start));
	while (after < header->end && is_blank(*after))
		after = line_end(after, header->end);
	struct str raw = STR_OF(start, after - start);
	struct str value = raw;
	if (name.len > 0)
		value = str_from_byte(raw, (size_t)str_find_byte(raw, ':') + 1);
	*ret = (struct mail_field){.name = name, .value = str_trim(value), .raw = raw};
	header->p = after;
	return true;
}

struct str mail_unfold(struct str value, struct buf *scratch)
{
	if (value.len == 0 ||
	    (memchr(value.ptr, '\n', value.len) == NULL && memchr(value.ptr, '\r', value.len) == NULL &&
	     memchr(value.ptr, '\0', value.len) == NULL))
		return value;
	buf_clear(scratch);
	size_t room = scratch->max < value.len ? scratch->max : value.len;
	char *to = buf_reserve(scratch, room);
	size_t len = 0;
	for (size_t i = 0; i < value.len && len < room; i++) {
		char c = value.ptr[i];
		if (c != '\r' && c != '\n' && c != '\0')
			to[len++] = c;
	}
	scratch->len = len;
	return buf_str(scratch);
}
