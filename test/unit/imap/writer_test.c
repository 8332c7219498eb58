#include "imap/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

#include "store.pb-c.h"

static void expect(struct buf *out, const char *text)
{
	assert_true(str_eq(buf_str(out), str_from(text)));
	buf_clear(out);
}

static void test_strings(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	imap_write_string(&out, STR("a b"));
	expect(&out, "\"a b\"");
	imap_write_string(&out, STR(""));
	expect(&out, "\"\"");
	imap_write_string(&out, STR("a\"b\\"));
	expect(&out, "\"a\\\"b\\\\\"");
	imap_write_string(&out, STR("a\r\nb"));
	expect(&out, "{4}\r\na\r\nb");
	imap_write_string(&out, STR("\xc3\xbc"));
	expect(&out, "{2}\r\n\xc3\xbc");
	imap_write_astring(&out, STR("INBOX"));
	expect(&out, "INBOX");
	imap_write_astring(&out, STR("nil"));
	expect(&out, "\"nil\"");
	imap_write_astring(&out, STR("a(b"));
	expect(&out, "\"a(b\"");
	imap_write_astring(&out, STR(""));
	expect(&out, "\"\"");
	imap_write_nstring(&out, (struct str){NULL, 0});
	expect(&out, "NIL");
	imap_write_mailbox(&out, STR("Entw\xc3\xbcrfe"), false);
	expect(&out, "Entw&APw-rfe");
	imap_write_mailbox(&out, STR("Entw\xc3\xbcrfe x"), true);
	expect(&out, "\"Entw\xc3\xbcrfe x\"");
}

static void test_flags_and_dates(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	char *keywords[] = {(char *)"$Junk", (char *)"work"};
	imap_write_flags(&out, 0, NULL, 0, false);
	expect(&out, "()");
	imap_write_flags(&out, PK__FLAG__FLAG_SEEN | PK__FLAG__FLAG_DRAFT, keywords, 2, true);
	expect(&out, "(\\Seen \\Draft \\Recent $Junk work)");
	imap_write_date_time(&out, 0);
	expect(&out, "\"01-Jan-1970 00:00:00 +0000\"");
	imap_write_date_time(&out, 1795425300);
	expect(&out, "\"23-Nov-2026 09:15:00 +0000\"");
	imap_write_date_time(&out, INT64_C(253402300799));
	expect(&out, "\"31-Dec-9999 23:59:59 +0000\"");
}

#define LEAF     "\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 12 1"
#define IMAGE    "\"image\" \"png\" (\"name\" \"a) b\") NIL {3}\r\n)\"( \"base64\" 99"
#define ENVELOPE "(NIL \"x \\\"(\" NIL NIL NIL NIL NIL NIL NIL NIL)"
#define MESSAGE  "\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 342 " ENVELOPE

static void test_body(void **state)
{
	(void)state;
	static const struct {
		const char *full, *basic; /* NULL: no body structure */
	} cases[] = {
		{"(" LEAF " NIL NIL NIL NIL)", "(" LEAF ")"},
		{"(" LEAF ")", "(" LEAF ")"},
		{"(" IMAGE " NIL (\"attachment\" (\"filename\" \"x\")) NIL NIL)", "(" IMAGE ")"},
		{"((" LEAF " NIL NIL NIL NIL)(" IMAGE
	     " NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL "
	     "NIL NIL)",
	     "((" LEAF ")(" IMAGE ") \"mixed\")"},
		{"(((" LEAF ")(" LEAF ") \"alternative\" NIL NIL NIL)(" IMAGE " NIL) \"mixed\" NIL)",
	     "(((" LEAF ")(" LEAF ") \"alternative\")(" IMAGE ") \"mixed\")"},
		{"(" MESSAGE " (" LEAF " NIL NIL) 7 NIL NIL NIL NIL)", "(" MESSAGE " (" LEAF ") 7)"},
		{"((" MESSAGE " ((" LEAF " NIL) \"mixed\" NIL) 7 NIL)(" LEAF ") \"digest\" NIL)",
	     "((" MESSAGE " ((" LEAF ") \"mixed\") 7)(" LEAF ") \"digest\")"},
		{"", NULL},
		{"x", NULL},
		{"(", NULL},
		{"()", NULL},
		{"(" LEAF, NULL},
		{"(" LEAF ") ", NULL},
		{"(\"text\" \"plain\")", NULL},
		{"((" LEAF ")", NULL},
		{"(\"text\" \"plain", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		buf_add_text(&out, "kept");
		struct str full = str_from(cases[i].full);
		bool ok = imap_write_body(&out, full);
		assert_int_equal(ok, cases[i].basic != NULL);
		assert_true(str_eq(str_from_byte(buf_str(&out), 4), str_from(ok ? cases[i].basic : "")));
		/* Cut anywhere: fails and leaves out alone. */
		for (size_t len = 0; ok && len < full.len; len++) {
			char *copy MEM_AUTO = str_dup(str_slice(full, 0, len));
			out.len = 4;
			assert_false(imap_write_body(&out, STR_OF(copy, len)));
			assert_int_equal(out.len, 4);
		}
	}
}

static void test_deep_body(void **state)
{
	(void)state;
	struct buf full BUF_AUTO, out BUF_AUTO;
	buf_init(&full, 100000);
	buf_init(&out, 100000);
	for (int i = 0; i < 1000; i++)
		buf_add_byte(&full, '(');
	assert_false(imap_write_body(&out, buf_str(&full)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_flags_and_dates),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_deep_body),
	};
	return cmocka_run_group_tests_name("imap/writer", tests, NULL, NULL);
}
