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
};

static void test_render(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *arena = arena_new(1 << 20);
		struct mail_tree tree;
		struct mail_render r;
		struct buf out BUF_AUTO, body BUF_AUTO;
		buf_init(&out, 10000);
		buf_init(&body, 10000);
		assert_int_equal(mail_scan(str_from(cases[i].raw), arena, &tree), 0);
		mail_render_init(&r, &out);
		mail_body_structure_render(&r, str_from(cases[i].raw), &tree);
		mail_render_done(&r);
		arena_free(arena);
		assert_null(check_body(buf_str(&out), true, NULL));
		assert_int_equal(mail_body_from_structure(&body, buf_str(&out)), 0);
		assert_null(check_body(buf_str(&body), false, NULL));
		buf_add_byte(&out, '\0');
		buf_add_byte(&body, '\0');
		assert_string_equal(out.ptr, cases[i].structure);
		assert_string_equal(body.ptr, cases[i].body);
	}
}

/* What is no BODYSTRUCTURE is refused: every front of one, and every byte of one exchanged gives a body
 * or an error, never a read beyond its end. */
static void test_reduce_garbage(void **state)
{
	static const char *const bad[] = {"",
	                                  "(",
	                                  ")",
	                                  "()",
	                                  "NIL",
	                                  "(\"text\" \"plain\")",
	                                  "((((((",
	                                  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL) ",
	                                  "(\"a\" \"b\" NIL NIL NIL {9}\r\n7bit 1)"};
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_clear(&out);
		assert_int_equal(mail_body_from_structure(&out, str_from(bad[i])), E_INVALID);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t full = strlen(cases[i].structure);
		for (size_t len = 0; len < full; len++) {
			char *copy MEM_AUTO = mem_copy_string(cases[i].structure, len);
			buf_clear(&out);
			assert_int_equal(mail_body_from_structure(&out, STR_OF(copy, len)), E_INVALID);
			char *changed MEM_AUTO = mem_copy_string(cases[i].structure, full);
			changed[len] = "()\" \\{0N"[len % 8];
			buf_clear(&out);
			if (mail_body_from_structure(&out, STR_OF(changed, full)) == 0)
				assert_true(out.len <= full);
		}
	}
	struct buf deep BUF_AUTO;
	buf_init(&deep, 1 << 20);
	while (!deep.failed)
		buf_add_byte(&deep, '(');
	buf_clear(&out);
	assert_int_equal(mail_body_from_structure(&out, buf_str(&deep)), E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_reduce_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
