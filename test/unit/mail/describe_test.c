#include "mail/describe.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "grammar.h"

static struct arena *arena;

static Pk__Description *describe(struct str raw)
{
	arena_free(arena);
	arena = arena_new(MAIL_DESCRIBE_ARENA);
	Pk__Description *d = mail_describe(raw, arena);
	assert_non_null(d);
	const char *why = check_description(raw, d);
	if (why != NULL)
		fail_msg("%s", why);
	return d;
}

static void assert_bytes(ProtobufCBinaryData found, const char *expected)
{
	if (found.len != strlen(expected) || memcmp(found.data, expected, found.len) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)found.len, (const char *)found.data, expected);
}

static void test_fields(void **state)
{
	(void)state;
	Pk__Description *d = describe(STR("Subject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
	                                  "Date: Mon, 23 Nov 2026 16:28:43 +0100\r\n"
	                                  "From: =?iso-8859-1?q?J=FCrgen?= <J@X.test>\r\n"
	                                  "To: A <a@b>,\r\n B <b@b>\r\nTo: C <c@b>\r\n"
	                                  "Cc: Team: d@b;\r\nBcc: e@b\r\n"
	                                  "Message-ID: <one@X>\r\n"
	                                  "In-Reply-To: Your message <two@x> of today\r\n"
	                                  "References: <zero@x>\r\n <two@x>\r\n"
	                                  "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	                                  "Hello  Wor\xc3\x9f\r\n\r\nsecond"));
	assert_string_equal(d->subject, "Re: Gr\xc3\xbc\xc3\x9f"
	                                "e");
	assert_string_equal(d->base_subject, "gr\xc3\xbcsse");
	assert_true(d->has_sent_date);
	assert_int_equal(d->sent_date, 1795447723);
	assert_int_equal(d->sent_zone, 60);
	assert_string_equal(d->from, "j\xc3\xbcrgen <j@x.test>");
	assert_string_equal(d->to, "a <a@b>, b <b@b>\nc <c@b>");
	assert_string_equal(d->cc, "team: d@b;");
	assert_string_equal(d->bcc, "e@b");
	assert_string_equal(d->sort_from, "j");
	assert_string_equal(d->sort_to, "a");
	assert_string_equal(d->sort_cc, "team");
	assert_string_equal(d->message_id, "one@X");
	assert_string_equal(d->in_reply_to, "two@x");
	assert_int_equal(d->n_references, 2);
	assert_string_equal(d->references[0], "zero@x");
	assert_string_equal(d->references[1], "two@x");
	assert_string_equal(d->preview, "Hello Wor\xc3\x9f second");
	assert_bytes(d->search_text, "hello worss\n\nsecond\n");
	assert_bytes(d->search_header, "subject: re: gr\xc3\xbcsse\n"
	                               "date: mon, 23 nov 2026 16:28:43 +0100\n"
	                               "from: j\xc3\xbcrgen <j@x.test>\n"
	                               "to: a <a@b>, b <b@b>\nto: c <c@b>\n"
	                               "cc: team: d@b;\nbcc: e@b\nmessage-id: <one@x>\n"
	                               "in-reply-to: your message <two@x> of today\n"
	                               "references: <zero@x> <two@x>\n"
	                               "content-type: text/plain; charset=utf-8\n");
	assert_false(d->damaged);
}

static void test_text_of_parts(void **state)
{
	(void)state;
	Pk__Description *d = describe(
		STR("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
	        "--a\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: "
	        "base64\r\n\r\nPHA+T25lPC9wPg==\r\n"
	        "--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nTw=F6=\r\n x\r\n"
	        "--a\r\nContent-Type: application/pdf; name=\"Bill.PDF\"\r\n\r\nNOT THIS\r\n"
	        "--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\r\nThree\r\n"
	        "--a\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n"
	        "--a\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nNOT "
	        "THIS\r\n"
	        "--a--\r\n"));
	assert_bytes(d->search_text, "one\n"
	                             "tw\xc3\xb6 x\n"
	                             "bill.pdf\n"
	                             "subject: inner\nthree\n"
	                             "action: failed\n");
	assert_string_equal(d->preview, "One");
	assert_string_equal(d->parts[3]->file_name, "Bill.PDF");
}

static void test_attachments(void **state)
{
	static const struct {
		const char *type, *disposition;
		size_t size;
		bool attachment;
	} cases[] = {
		{"image/png", "inline", 5000, true},
		{"image/png", "inline", 500, false},
		{"text/plain", "inline", 5000, false},
		{"text/plain", "attachment; filename=x", 5000, true},
		{"application/pdf", "ATTACHMENT", 1024, true},
		{"message/rfc822", "attachment", 5000, false},
		{"message/delivery-status", "", 5000, true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 10000);
		buf_addf(&raw, "Content-Type: %s\r\nContent-Disposition: %s\r\n\r\n", cases[i].type,
		         cases[i].disposition);
		for (size_t n = 0; n < cases[i].size; n++)
			buf_add_byte(&raw, 'x');
		assert_int_equal(describe(buf_str(&raw))->parts[0]->attachment, cases[i].attachment);
	}
}

#define SUBJECT(words) "From: a@example.org\r\nSubject: " words "\r\n\r\nx\r\n"
#define BODY(charset, base64)                                                                \
	"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=" charset \
	"\r\nContent-Transfer-Encoding: base64\r\n\r\n" base64 "\r\n"

/* Character sets under the names and in the pieces that mail has, as they are looked for. */
static void test_found(void **state)
{
	static const struct {
		const char *raw, *text;
	} cases[] = {
		{SUBJECT("=?GB_2312-80?B?u+HS6Q==?="), "\u4f1a\u8bae"},
		{SUBJECT("=?x-gbk?B?u+HS6elG?="), "\u4f1a\u8bae\u9555"},
		{BODY("iso-2022-jp-ms", "GyRCMnE1RDtxTkEbKEI="), "\u4f1a\u8b70\u8cc7\u6599"},
		{SUBJECT("=?CP50220?B?GyRCMnE1RDtxTkEbKEI=?="), "\u4f1a\u8b70\u8cc7\u6599"},
		{BODY("CP50220", "GyRCMnE1RDtxTkEbKEI="), "\u4f1a\u8b70\u8cc7\u6599"},
		{SUBJECT("=?euc-kr?B?yLjAxyCMY7nmsKLHzw==?="), "\ub620\ubc29\uac01\ud558"},
		{SUBJECT("=?x-cp1251?B?xO7h8PvpIOTl7fw=?="), "\u0434\u043e\u0431\u0440\u044b\u0439"},
		{SUBJECT("=?ISO_8859-1?B?ZG9uknQgk3NtYXJ0lA==?="), "don\u2019t \u201csmart\u201d"},
		{BODY("ISO_8859-1", "ZG9uknQgk3NtYXJ0lA=="), "don\u2019t \u201csmart\u201d"},
		{BODY("iso8859-1", "ZG9uknQgk3NtYXJ0lA=="), "don\u2019t \u201csmart\u201d"},
		{SUBJECT("=?ansi_x3.4-1968?B?Y2Fm6SCTeJQ=?="), "caf\u00e9 \u201cx\u201d"},
		{SUBJECT("=?iso-8859-9?B?k3h5epQ=?="), "\u201cxyz\u201d"},
		{SUBJECT("=?ISO-2022-JP?B?GyRCMnE1RCROGyhC?=\r\n =?ISO-2022-JP?B?GyRCJCpDTiRpJDsbKEI=?="),
	     "\u4f1a\u8b70\u306e\u304a\u77e5\u3089\u305b"},
		{SUBJECT("=?HZ-GB-2312?B?fns7YVJpfn0=?= =?hz-gb-2312?B?fntNKFYqfn0=?="),
	     "\u4f1a\u8bae\u901a\u77e5"},
		{BODY("iso-2022-jp", "GyRCMnEbKEIbJEI1RBsoQg=="), "\u4f1a\u8b70"},
		{SUBJECT("[list] Close message file after parsing\r\n\theaders"),
	     "subject: [list] close message file after parsing headers\n"},
		{SUBJECT("two  blanks,\r\n \t and=?utf-8?q?__more=09?=\xc2\xa0 here"),
	     "subject: two blanks, and more here\n"},
		{"Content-Type: text/plain\r\n\r\na \t b\r\n\r\n  c", "a b\n\n c\n"},
		{"Content-Type: text/html\r\n\r\n<p>a &nbsp; b\t c</p>", "a b c"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Pk__Description *d = describe(str_from(cases[i].raw));
		struct str text = str_from(cases[i].text);
		if (str_find(STR_OF_BYTES(d->search_header), text) < 0 &&
		    str_find(STR_OF_BYTES(d->search_text), text) < 0)
			fail_msg("\"%s\" in \"%.*s\" or \"%.*s\"", cases[i].text, (int)d->search_header.len,
			         (const char *)d->search_header.data, (int)d->search_text.len,
			         (const char *)d->search_text.data);
	}
}

/* What is looked for by FROM and the like: the field as it is shown, and each address that does not stand
 * in it in one piece. */
static void test_addresses(void **state)
{
	static const struct {
		const char *from, *text;
	} cases[] = {
		{"A B <a@b.test>", "a b <a@b.test>"},
		{"user-from@\r\n domain.test", "user-from@ domain.test\nuser-from@domain.test"},
		{"\"user-from\"@domain.test", "\"user-from\"@domain.test\nuser-from@domain.test"},
		{"A <user-from @ domain.test>", "a <user-from @ domain.test>\na <user-from@domain.test>"},
		{"A <user-from@(c)domain.test>", "a <user-from@(c)domain.test>\na <user-from@domain.test>"},
		{"\"Roe, \\\"J\\\"\" <j@x>, k@y", "\"roe, \\\"j\\\"\" <j@x>, k@y\nroe, \"j\" <j@x>"},
		{"team: a @ b, c@d;", "team: a @ b, c@d;\na@b"},
		{"=?utf-8?q?J=C3=BCrgen?= <J@X.test>", "j\u00fcrgen <j@x.test>"},
		{"Big \t Team", "big team"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 1000);
		buf_addf(&raw, "From: %s\r\nTo: %s\r\n\r\n", cases[i].from, cases[i].from);
		Pk__Description *d = describe(buf_str(&raw));
		assert_string_equal(d->from, cases[i].text);
		assert_string_equal(d->to, cases[i].text);
	}
}

static void test_preview(void **state)
{
	static const struct {
		const char *raw, *preview;
	} cases[] = {
		{"\r\n", ""},
		{"\r\n \r\n\t a\x01\x7f b \r\n", "a b"},
		{"Content-Type: text/html\r\n\r\n<style>x</style><p>Hi&nbsp;<b>there</b></p>", "Hi there"},
		{"Content-Type: image/png\r\n\r\nxyz", ""},
		{"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nxyz", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(describe(str_from(cases[i].raw))->preview, cases[i].preview);

	struct buf raw BUF_AUTO;
	buf_init(&raw, 10000);
	buf_add_text(&raw, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	for (int i = 0; i < 300; i++)
		buf_add_text(&raw, "\xf0\x9f\x98\x80");
	assert_int_equal(strlen(describe(buf_str(&raw))->preview), 200 * 4);
}

static void test_limits(void **state)
{
	(void)state;
	struct buf raw BUF_AUTO;
	buf_init(&raw, 8 << 20);
	/* fields after the first megabyte of a header are not looked at */
	while (raw.len < MAIL_HEADER_MAX)
		buf_add_text(&raw, "X-Long: 0123456789012345678901234567890123456789\r\n");
	buf_add_text(&raw, "Subject: late\r\n\r\nbody\r\n");
	Pk__Description *d = describe(buf_str(&raw));
	assert_true(d->damaged);
	assert_string_equal(d->subject, "");
	assert_int_equal(d->parts[0]->body_size, 6);

	/* the last of many references stay */
	buf_clear(&raw);
	buf_add_text(&raw, "References:");
	for (int i = 0; i < 3000; i++)
		buf_addf(&raw, " <%d@x>\r\n", i);
	d = describe(buf_str(&raw));
	assert_int_equal(d->n_references, 1000);
	assert_string_equal(d->references[999], "2999@x");

	/* a line of a megabyte */
	buf_clear(&raw);
	buf_add_text(&raw, "Subject: x\r\n\r\n");
	for (int i = 0; i < 1 << 20; i++)
		buf_add_byte(&raw, 'A');
	d = describe(buf_str(&raw));
	assert_int_equal(d->search_text.len, (1 << 20) + 1);
	assert_int_equal(d->parts[0]->lines, 0);
}

/* A description travels: what protobuf packs, it unpacks. */
static void test_packs(void **state)
{
	(void)state;
	Pk__Description *d = describe(STR("Subject: x\r\nReferences: <a@b>\r\n\r\nbody \xff\r\n"));
	size_t size = pk__description__get_packed_size(d);
	uint8_t *bytes MEM_AUTO = mem_new(size);
	assert_int_equal(pk__description__pack(d, bytes), size);
	Pk__Description *again = pk__description__unpack(NULL, size, bytes);
	assert_non_null(again);
	assert_string_equal(again->subject, "x");
	assert_int_equal(again->n_parts, 1);
	assert_string_equal(again->references[0], "a@b");
	pk__description__free_unpacked(again, NULL);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(MAIL_DESCRIBE_ARENA);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),      cmocka_unit_test(test_text_of_parts),
		cmocka_unit_test(test_attachments), cmocka_unit_test(test_found),
		cmocka_unit_test(test_addresses),   cmocka_unit_test(test_preview),
		cmocka_unit_test(test_limits),      cmocka_unit_test(test_packs),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
