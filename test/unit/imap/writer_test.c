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

/* Every byte at every place of a string: as quoted by the rule written plainly, or a literal. */
static void test_every_byte(void **state)
{
	(void)state;
	for (size_t len = 1; len < 20; len++) {
		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte < 256; byte++) {
				char text[20];
				memset(text, 'x', sizeof(text));
				text[at] = (char)byte;
				struct buf out BUF_AUTO, wanted BUF_AUTO;
				buf_init(&out, 100);
				buf_init(&wanted, 100);
				bool literal = byte == 0 || byte == '\r' || byte == '\n' || byte >= 0x80;
				if (literal)
					buf_addf(&wanted, "{%zu}\r\n", len - (byte == 0));
				else
					buf_add_byte(&wanted, '"');
				for (size_t i = 0; i < len; i++) {
					if (text[i] == '"' || text[i] == '\\')
						buf_add_byte(&wanted, '\\');
					if (text[i] != '\0')
						buf_add_byte(&wanted, text[i]);
				}
				if (!literal)
					buf_add_byte(&wanted, '"');
				imap_write_string(&out, STR_OF(text, len));
				assert_true(str_eq(buf_str(&out), buf_str(&wanted)));
			}
		}
	}
}

/* Whatever a store says, nothing but an atom stands among the flags, and no name ends a line. */
static void test_hostile(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	char *keywords[] = {(char *)"a)\r\n* BYE x", (char *)"",    (char *)"\\Seen",  (char *)"ok",
	                    (char *)"{3}",           (char *)"a b", (char *)"\xc3\xbc"};
	imap_write_flags(&out, 0, keywords, ARRAY_LEN(keywords), false);
	expect(&out, "(ok)");
	imap_write_string(&out, STR("a\0b"));
	expect(&out, "{2}\r\nab");
	imap_write_mailbox(&out, STR("x\r\n* BYE"), true);
	expect(&out, "\"x&AA0ACg-* BYE\"");
	imap_write_mailbox(&out, STR("x\r\n"), false);
	expect(&out, "x&AA0ACg-");
	imap_write_mailbox(&out, STR("a\"b"), true);
	expect(&out, "\"a\\\"b\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_flags_and_dates),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests_name("imap/writer", tests, NULL, NULL);
}
