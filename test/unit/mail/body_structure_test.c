#include "mail/body_structure.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "grammar.h"

static const struct {
	const char *raw, *structure, *body;
} cases[] = {
	{"Subject: x\r\n\r\none\r\ntwo\r\n",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)"},
	{"Content-Type: TEXT/HTML; Charset=\"UTF-8\"; format=flowed\r\n"
     "Content-Transfer-Encoding: Quoted-Printable\r\nContent-ID: <id@x>\r\n"
     "Content-Description: a \"b\"\r\nContent-MD5: abc==\r\nContent-Disposition: INLINE; x=y\r\n"
     "Content-Language: en, de\r\nContent-Location: http://x/\r\n y\r\n\r\nx",
     "(\"text\" \"html\" (\"charset\" \"UTF-8\" \"format\" \"flowed\") \"<id@x>\" \"a \\\"b\\\"\""
     " \"quoted-printable\" 1 0 \"abc==\" (\"inline\" (\"x\" \"y\")) (\"en\" \"de\") \"http://x/ "
     "y\")",
     "(\"text\" \"html\" (\"charset\" \"UTF-8\" \"format\" \"flowed\") \"<id@x>\" \"a \\\"b\\\"\""
     " \"quoted-printable\" 1 0)"},
	{"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-Language: en\r\n"
     "Content-Disposition: attachment;\r\n filename*0*=utf-8''%e2%82%ac; "
     "filename*1=\".png\"\r\n\r\nxx",
     "(\"image\" \"png\" NIL NIL NIL \"base64\" 2 NIL (\"attachment\" (\"filename*\""
     " \"utf-8''%e2%82%ac.png\")) \"en\" NIL)",
     "(\"image\" \"png\" NIL NIL NIL \"base64\" 2)"},
	{"Content-Type: multipart/mixed; boundary=a\r\nContent-Disposition: inline\r\n\r\n"
     "--a\r\n\r\n1\r\n--a\r\nContent-Type: application/x; name=\"\xc3\xa4\"\r\n\r\n2\r\n--a--\r\n",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
     "(\"application\" \"x\" (\"name\" {2}\r\n\xc3\xa4) NIL NIL \"7bit\" 1 NIL NIL NIL NIL)"
     " \"mixed\" (\"boundary\" \"a\") (\"inline\" NIL) NIL NIL)",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"
     "(\"application\" \"x\" (\"name\" {2}\r\n\xc3\xa4) NIL NIL \"7bit\" 1) \"mixed\")"},
	{"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n1\r\n",
     "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)"
     " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL)"
     " 3 NIL NIL NIL NIL)",
     "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)"
     " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1) 3)"},
	{"Content-Type: message/delivery-status\r\n\r\nx",
     "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)",
     "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1)"},
	{"Content-Type: application/x\r\nContent-Transfer-Encoding: X-UUEncode\r\n"
     "Content-Disposition: ; filename=x\r\n\r\n",
     "(\"application\" \"x\" NIL NIL NIL \"x-uuencode\" 0 NIL (\"attachment\" (\"filename\" \"x\"))"
     " NIL NIL)",
     "(\"application\" \"x\" NIL NIL NIL \"x-uuencode\" 0)"},
	{"Content-Type: text/plain; charset\r\nContent-Disposition: \r\nContent-Language: ,,\r\n"
     "Content-Transfer-Encoding: @@@\r\nContent-ID:\r\n\r\n",
     "(\"text\" \"plain\" NIL \"\" NIL \"7bit\" 0 0 NIL NIL NIL NIL)",
     "(\"text\" \"plain\" NIL \"\" NIL \"7bit\" 0 0)"},
	/* IMAP4rev1 knows no message/global: a leaf, whatever is inside */
	{"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
     "Content-Description: Undelivered Message\r\nContent-Type: message/global\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
     "--i\r\n\r\none\r\n--i--\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
     "((\"message\" \"global\" NIL NIL \"Undelivered Message\" \"8bit\" 62 NIL NIL NIL NIL)"
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
     " \"report\" (\"boundary\" \"b\") NIL NIL NIL)",
     "((\"message\" \"global\" NIL NIL \"Undelivered Message\" \"8bit\" 62)"
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0) \"report\")"},
	/* A message in base64 cannot be shown as one, but has its name */
	{"Content-Type: message/rfc822; name=\"fwd.eml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "eA==",
     "(\"application\" \"octet-stream\" (\"name\" \"fwd.eml\") NIL NIL \"base64\" 4 NIL NIL NIL"
     " NIL)",
     "(\"application\" \"octet-stream\" (\"name\" \"fwd.eml\") NIL NIL \"base64\" 4)"},
};

static void build(struct mail_builder *b, struct str raw, Pk__BodyStructure *ret)
{
	struct mail_tree tree;
	assert_int_equal(mail_scan(raw, b->arena, &tree), 0);
	mail_body_structure_build(b, raw, &tree, ret);
	assert_false(b->full);
}

static void test_render(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(1 << 20);
		struct mail_builder b;
		Pk__BodyStructure structure;
		struct buf out BUF_AUTO, body BUF_AUTO;
		buf_init(&out, 10000);
		buf_init(&body, 10000);
		mail_builder_init(&b, arena);
		build(&b, str_from(cases[i].raw), &structure);
		assert_true(imap_write_body_structure(&out, &structure, true));
		assert_true(imap_write_body_structure(&body, &structure, false));
		assert_null(check_body(buf_str(&out), true, NULL));
		assert_null(check_body(buf_str(&body), false, NULL));
		buf_add_byte(&out, '\0');
		buf_add_byte(&body, '\0');
		assert_string_equal(out.ptr, cases[i].structure);
		assert_string_equal(body.ptr, cases[i].body);
		mail_builder_done(&b);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
