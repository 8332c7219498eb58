/*
 * The scanner beside an independent parser: GMime reads some hundred generated messages, usual and
 * unusual, and those of corpus.h, and must find the same parts (types, nesting, sizes of bodies), the
 * same subject and the same addresses. Where the two differ is listed here, with the reason:
 *
 * - GMime gives a quoted local part with its quotes; ENVELOPE wants the value.
 * - A message/rfc822 in base64 or quoted-printable, which RFC 2046 section 5.2.1 forbids, is a leaf of
 *   its own type for GMime. It cannot be so in a BODYSTRUCTURE, whose grammar wants the structure of
 *   the inner message there, so here it is an application/octet-stream.
 * - The messages named in differences[] below. They must differ: one that no longer does is an error.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <gmime/gmime.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/describe.h"
#include "mail/header.h"
#include "mail/word.h"

#include "corpus.h"
#include "grammar.h"

enum { GENERATED = 600, TEXT_ROOM = 1 << 20 };

/* ---- what each of the two says, as one text ---- */

static void add_lower(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_add_byte(out, ascii_lower(*text));
}

static void describe_ours(struct buf *out, const Pk__Description *d)
{
	for (size_t i = 0; i < d->n_parts; i++) {
		const Pk__Part *part = d->parts[i];
		size_t depth = 0;
		for (uint32_t p = part->parent; p > 0; p = d->parts[p - 1]->parent)
			depth++;
		buf_addf(out, "%zu %s", depth, part->media_type);
		if (part->kind == PK__PART__KIND__LEAF)
			buf_addf(out, " %llu", (unsigned long long)part->body_size);
		buf_add_byte(out, '\n');
	}
}

static void describe_theirs(struct buf *out, GMimeObject *object, int depth)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	bool is_leaf = !GMIME_IS_MULTIPART(object) && !GMIME_IS_MESSAGE_PART(object);
	buf_addf(out, "%d ", depth);
	if (is_leaf && g_mime_content_type_is_type(type, "message", "rfc822")) {
		buf_add_text(out, "application/octet-stream");
	} else {
		add_lower(out, g_mime_content_type_get_media_type(type));
		buf_add_byte(out, '/');
		add_lower(out, g_mime_content_type_get_media_subtype(type));
	}
	if (GMIME_IS_MULTIPART(object)) {
		GMimeMultipart *multipart = GMIME_MULTIPART(object);
		buf_add_byte(out, '\n');
		for (int i = 0; i < g_mime_multipart_get_count(multipart); i++)
			describe_theirs(out, g_mime_multipart_get_part(multipart, i), depth + 1);
	} else if (GMIME_IS_MESSAGE_PART(object)) {
		GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
		buf_add_byte(out, '\n');
		if (inner != NULL)
			describe_theirs(out, g_mime_message_get_mime_part(inner), depth + 1);
	} else {
		GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(object));
		gint64 size = content == NULL
		                  ? 0
		                  : g_mime_stream_length(g_mime_data_wrapper_get_stream(content));
		buf_addf(out, " %lld\n", (long long)size);
	}
}

/* "name <local@domain>, " for each mailbox of a field, groups opened out */
static void addresses_ours(struct buf *out, struct str raw, const char *field_name)
{
	struct cursor c = cursor_of(raw);
	struct mail_field field;
	while (mail_header_next(&c, &field)) {
		if (!str_eq_nocase(field.name, str_from(field_name)))
			continue;
		struct mail_address_reader reader;
		struct mail_address a;
		mail_address_reader_init(&reader, field.value);
		while (mail_address_next(&reader, &a)) {
			if (a.kind != MAIL_ADDRESS_MAILBOX)
				continue;
			mail_words_decode(out, a.name);
			buf_addf(out, " <%.*s%s%.*s>, ", STR_ARG(a.local), a.domain.len > 0 ? "@" : "",
			         STR_ARG(a.domain));
		}
		mail_address_reader_done(&reader);
	}
}

static void addresses_theirs(struct buf *out, InternetAddressList *list)
{
	for (int i = 0; list != NULL && i < internet_address_list_length(list); i++) {
		InternetAddress *address = internet_address_list_get_address(list, i);
		if (INTERNET_ADDRESS_IS_GROUP(address)) {
			addresses_theirs(out,
			                 internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)));
			continue;
		}
		const char *name = internet_address_get_name(address);
		const char *addr = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
		const char *at = addr == NULL ? NULL : strrchr(addr, '@');
		buf_addf(out, "%s <", name == NULL ? "" : name);
		if (at != NULL && at - addr > 1 && addr[0] == '"' && at[-1] == '"')
			buf_addf(out, "%.*s%s", (int)(at - addr) - 2, addr + 1, at);
		else
			buf_add_text(out, addr == NULL ? "" : addr);
		buf_add_text(out, ">, ");
	}
}

/* ---- generated messages ---- */

struct generator {
	uint32_t random;
	struct buf out;
	const char *newline;
	int boundaries;
};

static uint32_t pick(struct generator *g, uint32_t below)
{
	g->random = g->random * 1664525 + 1013904223;
	return (g->random >> 8) % below;
}

static void line(struct generator *g, const char *text)
{
	buf_add_text(&g->out, text);
	buf_add_text(&g->out, g->newline);
}

#define PICK(g, list) ((list)[pick((g), ARRAY_LEN(list))])

static void write_body(struct generator *g)
{
	static const char *const lines[] = {"",
	                                    "text",
	                                    "--",
	                                    "--b",
	                                    "-- ",
	                                    "--boundary-that-is-none",
	                                    "From the start",
	                                    ".",
	                                    "..dots",
	                                    "a long line of words that goes on and on and on, longer "
	                                    "than usual, but still fine as such",
	                                    "=C3=A4=",
	                                    "U29tZSBiYXNlNjQ=",
	                                    "Subject: not a header",
	                                    "gr\xc3\xbc\xc3\x9f"
	                                    "e",
	                                    "\tindented"};
	for (uint32_t n = pick(g, 8); n > 0; n--)
		line(g, PICK(g, lines));
}

static void write_leaf(struct generator *g)
{
	static const char *const types[] = {
		"text/plain",
		"text/html; charset=utf-8",
		"TEXT/Plain; charset=\"iso-8859-1\"",
		"image/png; name=\"a b.png\"",
		"application/octet-stream",
		"text/plain (comment); format=flowed",
		"application/pdf;\r\n name*0*=utf-8''%c3%a4; name*1=\".pdf\"",
		"message/delivery-status",
		"audio/x-wav;name=x",
		"text/calendar; method=REQUEST",
		"font/woff2"};
	static const char *const encodings[] = {"7bit", "8bit", "base64", "quoted-printable", "BASE64"};
	if (pick(g, 4) > 0)
		buf_addf(&g->out, "Content-Type: %s%s", PICK(g, types), g->newline);
	if (pick(g, 2) == 0)
		buf_addf(&g->out, "Content-Transfer-Encoding: %s%s", PICK(g, encodings), g->newline);
	if (pick(g, 4) == 0)
		line(g, "Content-Disposition: attachment; filename=x");
	line(g, "");
	write_body(g);
}

static void write_entity(struct generator *g, int depth);

static void write_multipart(struct generator *g, int depth)
{
	static const char *const subtypes[] = {"mixed",  "alternative", "related",
	                                       "Digest", "report",      "x-own"};
	static const char *const forms[] = {"%s", "=_%s_=", "%s.%s", "----=_Part_%s", "b'%s", "%s:%s"};
	char number[16], boundary[80];
	snprintf(number, sizeof(number), "%d", g->boundaries++);
	uint32_t form = pick(g, ARRAY_LEN(forms));
	struct buf text BUF_AUTO;
	buf_init(&text, sizeof(boundary) - 1);
	for (const char *p = forms[form]; *p != '\0'; p++) {
		if (*p == '%') {
			buf_add_text(&text, number);
			p++;
		} else {
			buf_add_byte(&text, *p);
		}
	}
	memcpy(boundary, text.ptr, text.len);
	boundary[text.len] = '\0';

	buf_addf(&g->out, "Content-Type: multipart/%s;%s boundary=\"%s\"%s%s", PICK(g, subtypes),
	         pick(g, 2) == 0 ? g->newline : "", boundary, g->newline, g->newline);
	if (pick(g, 3) == 0)
		write_body(g);
	for (uint32_t n = pick(g, 4) + 1; n > 0; n--) {
		buf_addf(&g->out, "--%s%s%s", boundary, pick(g, 8) == 0 ? " \t" : "", g->newline);
		write_entity(g, depth + 1);
		buf_add_text(&g->out, g->newline);
	}
	if (pick(g, 10) > 0) {
		buf_addf(&g->out, "--%s--%s", boundary, g->newline);
		if (pick(g, 3) == 0)
			write_body(g);
	}
}

static void write_message_header(struct generator *g)
{
	static const char *const subjects[] = {
		"plain words",
		"=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
		"=?iso-8859-1?Q?J=FCrgen?= and more",
		"=?utf-8?b?R3LDvMOf?= =?utf-8?b?ZSBhdXM=?=",
		"Re: [list] x (fwd)",
		"",
		"a  b",
		"=?koi8-r?q?=F0=D2=C9=D7=C5=D4?=",
		"=?iso-2022-jp?b?GyRCJDMbKEI=?=",
		"not =?encoded?=",
		"a very long subject that is\r\n folded once\r\n\tand again"};
	static const char *const lists[] = {"jdoe@example.org",
	                                    "John Doe <jdoe@example.org>",
	                                    "\"Doe, John\" <jdoe@example.org>, b@c.test",
	                                    "jdoe@example.org (John Doe)",
	                                    "=?utf-8?q?J=C3=BCrgen?= <j@x.test>",
	                                    "A Group: Ed <ed@a.test>, joe@b.test; , last@c.test",
	                                    "undisclosed-recipients:;",
	                                    "<@relay.test:mary@example.net>",
	                                    "\"john doe\"@example.org",
	                                    "x@[192.0.2.1]",
	                                    "a@b.test,\r\n c@d.test,\r\n\t\"E F\" <e@f.test>",
	                                    "J. R. Public <jr@x.test>",
	                                    "Pete(A nice chap) <pete@silly.test>",
	                                    "root@localhost",
	                                    "\"a \\\"quoted\\\" b\" <q@x.test>"};
	if (pick(g, 5) > 0)
		buf_addf(&g->out, "Subject: %s%s", PICK(g, subjects), g->newline);
	if (pick(g, 5) > 0)
		buf_addf(&g->out, "From: %s%s", PICK(g, lists), g->newline);
	if (pick(g, 3) > 0)
		buf_addf(&g->out, "To: %s%s", PICK(g, lists), g->newline);
	if (pick(g, 3) == 0)
		buf_addf(&g->out, "Cc: %s%s", PICK(g, lists), g->newline);
	if (pick(g, 3) == 0)
		line(g, "X-Long: one\r\n two\r\n three");
	line(g, "MIME-Version: 1.0");
}

static void write_entity(struct generator *g, int depth)
{
	uint32_t kind = depth > 4 ? 9 : pick(g, 10);
	if (kind < (depth == 0 ? 7u : 2u)) {
		write_multipart(g, depth);
	} else if (kind == 8) {
		line(g, "Content-Type: message/rfc822");
		line(g, "");
		write_message_header(g);
		write_entity(g, depth + 1);
	} else {
		write_leaf(g);
	}
}

static void generate(struct generator *g, uint32_t seed)
{
	*g = (struct generator){.random = seed * 2654435761u + 1};
	buf_init(&g->out, TEXT_ROOM);
	g->newline = seed % 3 == 2 ? "\n" : "\r\n";
	write_message_header(g);
	write_entity(g, 0);
	assert_false(g->out.failed);
}

/* ---- the comparison ---- */

static const struct {
	const char *name;
	const char *reason;
} differences[] = {
	{"empty", "GMime refuses it; an APPEND of nothing still has a structure"},
	{"garbage", "likewise"},
	{"NUL in header and body", "GMime ends a value at NUL; here NUL is left out"},
	{"final boundary without line end", "GMime leaves the CR of the line before it in the part"},
	{"no boundary parameter", "GMime has a multipart without parts, BODYSTRUCTURE may not"},
	{"empty boundary", "GMime takes \"--\" for a boundary, RFC 2046 wants a character at least"},
	{"boundary of blanks", "likewise"},
	{"boundary never comes", "GMime has a multipart without parts, and loses the text"},
	{"only the final boundary", "likewise"},
	{"empty parts", "GMime takes two boundaries in a row for one"},
	{"multipart in a header ended by a boundary", "GMime has a multipart without parts"},
	{"message in a header ended by a boundary", "GMime has a message/rfc822 without message"},
	{"inner multipart cut off right after its boundary", "GMime has a multipart without parts"},
	{"empty message in message", "GMime has a message/rfc822 without message"},
	{"header of a message in message without end", "likewise"},
	{"Content-Type twice: the first counts", "GMime takes the last"},
	{"malformed Content-Type", "text/plain by RFC 2045 section 5.2; for GMime octet-stream"},
	{"boundary of 256 bytes at most", "GMime has no limit; RFC 2046 has 70"},
};

/* Whole descriptions of one message by the two parsers, as text. */
static void describe_both(struct str raw, struct buf *ours, struct buf *theirs)
{
	static const struct {
		const char *name;
		GMimeAddressType type;
	} fields[] = {{"From", GMIME_ADDRESS_TYPE_FROM},
	              {"To", GMIME_ADDRESS_TYPE_TO},
	              {"Cc", GMIME_ADDRESS_TYPE_CC}};
	struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
	const Pk__Description *d = mail_describe(raw, arena);
	assert_non_null(d);
	assert_null(check_description(raw, d));
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(raw.ptr, raw.len);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

	describe_ours(ours, d);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		buf_addf(ours, "\n%s: ", fields[i].name);
		addresses_ours(ours, raw, fields[i].name);
	}
	buf_addf(ours, "\nSubject: %s\n", d->subject);
	if (message != NULL) {
		const char *subject = g_mime_message_get_subject(message);
		describe_theirs(theirs, g_mime_message_get_mime_part(message), 0);
		for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
			buf_addf(theirs, "\n%s: ", fields[i].name);
			addresses_theirs(theirs, g_mime_message_get_addresses(message, fields[i].type));
		}
		buf_addf(theirs, "\nSubject: %s\n", subject == NULL ? "" : subject);
		g_object_unref(message);
	}
	g_object_unref(parser);
	g_object_unref(stream);
	arena_free(arena);
}

static void compare(const char *name, struct str raw, bool may_differ)
{
	struct buf ours BUF_AUTO, theirs BUF_AUTO;
	buf_init(&ours, TEXT_ROOM);
	buf_init(&theirs, TEXT_ROOM);
	describe_both(raw, &ours, &theirs);
	bool differ = !str_eq(buf_str(&ours), buf_str(&theirs));
	if (differ == may_differ)
		return;
	fprintf(stderr, "%s\n--- ours:\n%.*s--- GMime's:\n%.*s", name, STR_ARG(ours), STR_ARG(theirs));
	fail_msg("%s: %s", name, differ ? "differs" : "is listed as different and is not");
}

static void test_generated(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < GENERATED; seed++) {
		struct generator g;
		char name[32];
		snprintf(name, sizeof(name), "message %u", seed);
		generate(&g, seed);
		compare(name, buf_str(&g.out), false);
		buf_done(&g.out);
	}
}

static void test_corpus(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		bool listed = false;
		for (size_t k = 0; k < ARRAY_LEN(differences); k++)
			listed |= strcmp(differences[k].name, corpus[i].name) == 0;
		compare(corpus[i].name, STR_OF(corpus[i].raw, corpus[i].len), listed);
	}
}

/* Words of base64, each padded: by RFC 2047 section 2 each stands for itself. GMime puts the base64 of
 * neighbours together and stops at the first padding. */
static void test_padded_words(void **state)
{
	(void)state;
	compare("padded words", STR("Subject: =?utf-8?b?YQ==?= =?utf-8?b?Yg==?=\r\n\r\n"), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_padded_words),
	};
	g_mime_init();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	g_mime_shutdown();
	return failed;
}
