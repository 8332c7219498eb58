#include "smtp/path.h"

#include <arpa/inet.h>
#include <string.h>

/* UTF8-non-ascii = UTF8-2 / UTF8-3 / UTF8-4 of RFC 3629 section 4: no overlong form, no surrogate. */
static bool utf8_non_ascii(struct cursor *c)
{
	const unsigned char *p = (const unsigned char *)c->p;
	size_t left = cursor_left(c);
	size_t more;
	unsigned char low = 0x80, high = 0xbf;

	if (left < 2 || p[0] < 0xc2 || p[0] > 0xf4)
		return false;
	if (p[0] < 0xe0) {
		more = 1;
	} else if (p[0] < 0xf0) {
		more = 2;
		low = p[0] == 0xe0 ? 0xa0 : 0x80;
		high = p[0] == 0xed ? 0x9f : 0xbf;
	} else {
		more = 3;
		low = p[0] == 0xf0 ? 0x90 : 0x80;
		high = p[0] == 0xf4 ? 0x8f : 0xbf;
	}
	if (left <= more || p[1] < low || p[1] > high)
		return false;
	for (size_t i = 2; i <= more; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return false;
	c->p += more + 1;
	return true;
}

static bool is_atext(char c)
{
	static const char special[] = "!#$%&'*+-/=?^_`{|}~";

	if (ascii_is_alnum(c))
		return true;
	for (const char *p = special; *p != '\0'; p++)
		if (*p == c)
			return true;
	return false;
}

/* atext / UTF8-non-ascii, one of them. */
static bool atext(struct cursor *c)
{
	int byte = cursor_peek(c);

	if (byte >= 0x80)
		return utf8_non_ascii(c);
	if (byte < 0 || !is_atext((char)byte))
		return false;
	c->p++;
	return true;
}

/* Atom = 1*atext */
static bool atom(struct cursor *c)
{
	if (!atext(c))
		return false;
	while (atext(c))
		;
	return true;
}

/* Dot-string = Atom *("." Atom) */
static bool dot_string(struct cursor *c)
{
	struct cursor at = *c;

	if (!atom(&at))
		return false;
	while (cursor_byte(&at, '.'))
		if (!atom(&at))
			return false;
	*c = at;
	return true;
}

/* QcontentSMTP = qtextSMTP / quoted-pairSMTP */
static bool quoted_content(struct cursor *c)
{
	int byte = cursor_peek(c);

	if (byte >= 0x80)
		return utf8_non_ascii(c);
	if (byte == '\\') {
		if (cursor_left(c) < 2 || c->p[1] < 32 || c->p[1] > 126)
			return false;
		c->p += 2;
		return true;
	}
	if (byte < 32 || byte > 126 || byte == '"')
		return false;
	c->p++;
	return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
static bool quoted_string(struct cursor *c)
{
	struct cursor at = *c;

	if (!cursor_byte(&at, '"'))
		return false;
	while (quoted_content(&at))
		;
	if (!cursor_byte(&at, '"'))
		return false;
	*c = at;
	return true;
}

/* Let-dig, and "_" as said in path.h. */
static bool let_dig(struct cursor *c)
{
	int byte = cursor_peek(c);

	if (byte >= 0x80)
		return utf8_non_ascii(c);
	if (byte < 0 || (!ascii_is_alnum((char)byte) && byte != '_'))
		return false;
	c->p++;
	return true;
}

/* sub-domain = Let-dig [Ldh-str] / U-label */
static bool sub_domain(struct cursor *c)
{
	struct cursor at = *c;

	if (!let_dig(&at))
		return false;
	for (;;) {
		struct cursor hyphens = at;

		while (cursor_byte(&hyphens, '-'))
			;
		if (!let_dig(&hyphens))
			break;
		at = hyphens;
	}
	if (at.p - c->p > SMTP_LABEL_MAX)
		return false;
	*c = at;
	return true;
}

/* Domain = sub-domain *("." sub-domain) */
static bool domain(struct cursor *c)
{
	struct cursor at = *c;

	if (!sub_domain(&at))
		return false;
	while (cursor_byte(&at, '.'))
		if (!sub_domain(&at))
			return false;
	if (at.p - c->p > SMTP_DOMAIN_MAX)
		return false;
	*c = at;
	return true;
}

static bool is_dcontent(char c)
{
	return c >= 33 && c <= 126 && c != '[' && c != ']' && c != '\\';
}

/* "[" 1*dcontent "]" */
static bool bracketed(struct cursor *c, struct str *ret_content)
{
	struct cursor at = *c;

	if (!cursor_byte(&at, '[') || !cursor_span(&at, is_dcontent, ret_content) ||
	    !cursor_byte(&at, ']') || ret_content->len > SMTP_DOMAIN_MAX)
		return false;
	*c = at;
	return true;
}

static bool is_address(int family, struct str text)
{
	char copy[INET6_ADDRSTRLEN + 1] = "";
	unsigned char bytes[sizeof(struct in6_addr)];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.len);
	return inet_pton(family, copy, bytes) == 1;
}

static bool is_tag_char(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* General-address-literal = Standardized-tag ":" 1*dcontent: whatever may be standardized one day. */
static bool general_literal(struct str content)
{
	struct cursor c = cursor_of(content);
	struct str tag;

	return cursor_span(&c, is_tag_char, &tag) && tag.ptr[tag.len - 1] != '-' &&
	       cursor_byte(&c, ':') && !cursor_at_end(&c);
}

/* address-literal = "[" ( IPv4 / "IPv6:" IPv6 / general ) "]", section 4.1.3 */
static bool address_literal(struct cursor *c)
{
	struct cursor at = *c;
	struct str content;
	bool ipv6;

	if (!bracketed(&at, &content))
		return false;
	ipv6 = str_starts_nocase(content, STR("IPv6:"));
	if (ipv6 ? !is_address(AF_INET6, str_from_byte(content, 5))
	         : !is_address(AF_INET, content) && !general_literal(content))
		return false;
	*c = at;
	return true;
}

/* A-d-l ":" = At-domain *("," At-domain) ":", accepted and ignored (RFC 5321 appendix C). */
static bool source_route(struct cursor *c)
{
	struct cursor at = *c;

	do {
		if (!cursor_byte(&at, '@') || !domain(&at))
			return false;
	} while (cursor_byte(&at, ','));
	if (!cursor_byte(&at, ':'))
		return false;
	*c = at;
	return true;
}

static bool has_non_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return true;
	return false;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static bool mailbox(struct cursor *c, struct smtp_path *ret)
{
	struct cursor at = *c;
	const char *domain_at;

	if (!dot_string(&at) && !quoted_string(&at))
		return false;
	ret->local = STR_OF(c->p, at.p - c->p);
	if (ret->local.len > SMTP_LOCAL_PART_MAX || !cursor_byte(&at, '@'))
		return false;
	domain_at = at.p;
	if (!domain(&at) && !address_literal(&at))
		return false;
	ret->domain = STR_OF(domain_at, at.p - domain_at);
	ret->mailbox = STR_OF(c->p, at.p - c->p);
	ret->utf8 = has_non_ascii(ret->mailbox);
	*c = at;
	return true;
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">" */
static bool path(struct cursor *c, struct smtp_path *ret)
{
	struct cursor at = *c;

	*ret = (struct smtp_path){0};
	if (!cursor_byte(&at, '<'))
		return false;
	if (cursor_peek(&at) == '@' && !source_route(&at))
		return false;
	if (!mailbox(&at, ret) || !cursor_byte(&at, '>') || at.p - c->p > SMTP_PATH_MAX)
		return false;
	*c = at;
	return true;
}

bool smtp_reverse_path(struct cursor *c, struct smtp_path *ret)
{
	if (cursor_text(c, STR("<>"))) {
		*ret = (struct smtp_path){.null = true};
		return true;
	}
	return path(c, ret);
}

bool smtp_forward_path(struct cursor *c, struct smtp_path *ret)
{
	struct cursor at = *c;

	if (cursor_text_nocase(&at, STR("<postmaster>"))) {
		struct str word = STR_OF(c->p + 1, sizeof("postmaster") - 1);

		*ret = (struct smtp_path){.mailbox = word, .local = word, .postmaster = true};
		*c = at;
		return true;
	}
	return path(c, ret);
}

void smtp_path_canonical(const struct smtp_path *address, struct buf *out)
{
	size_t start = out->len;
	struct cursor c = cursor_of(address->local);
	struct cursor plain;

	if (!cursor_byte(&c, '"')) {
		buf_add_str(out, address->mailbox);
		return;
	}
	while (cursor_left(&c) > 1) {
		if (cursor_peek(&c) == '\\')
			c.p++;
		buf_add_byte(out, *c.p++);
	}
	plain = cursor_of(str_from_byte(buf_str(out), start));
	if (!dot_string(&plain) || !cursor_at_end(&plain)) {
		out->len = start;
		buf_add_str(out, address->local);
	}
	buf_add_byte(out, '@');
	buf_add_str(out, address->domain);
}

bool smtp_helo_name(struct cursor *c, struct str *ret)
{
	struct cursor at = *c;
	struct str content;

	/* Nothing follows from it, so what a client makes of its address is taken as it is. */
	if (!domain(&at) && !bracketed(&at, &content))
		return false;
	*ret = STR_OF(c->p, at.p - c->p);
	if (has_non_ascii(*ret))
		return false;
	*c = at;
	return true;
}
