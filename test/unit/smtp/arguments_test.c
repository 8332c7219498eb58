#include "smtp/arguments.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

struct vector {
	const char *text;
	enum smtp_reply_id reply;
	uint64_t size;
	bool flag; /* MAIL: SMTPUTF8, BDAT: LAST */
};

typedef enum smtp_reply_id (*parser)(struct smtp_arguments *arguments);

static void check(parser parse, const struct vector *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct smtp_arguments arguments = {.text = str_from(vectors[i].text)};
		enum smtp_reply_id reply = parse(&arguments);

		if (reply != vectors[i].reply)
			fail_msg("'%s': reply %d instead of %d", vectors[i].text, (int)reply,
			         (int)vectors[i].reply);
		if (reply != SMTP_REPLY_NONE)
			continue;
		assert_int_equal(arguments.size, vectors[i].size);
		assert_int_equal(arguments.utf8 || arguments.last, vectors[i].flag);
	}
}

static void mail(void **state)
{
	static const struct vector vectors[] = {
		{"FROM:<a@b.test>", SMTP_REPLY_NONE, 0, false},
		{"from:<a@b.test>", SMTP_REPLY_NONE, 0, false},
		{"FROM: <a@b.test>", SMTP_REPLY_NONE, 0, false},
		{"FROM:<>", SMTP_REPLY_NONE, 0, false},
		{"FROM:<> SIZE=10", SMTP_REPLY_NONE, 10, false},
		{"FROM:<> size=0010 body=8bitmime", SMTP_REPLY_NONE, 10, false},
		{"FROM:<>  SIZE=1  BODY=7BIT", SMTP_REPLY_NONE, 1, false},
		{"FROM:<> SIZE=99999999999999999999", SMTP_REPLY_NONE, UINT64_MAX, false},
		{"FROM:<a@b.test> SMTPUTF8", SMTP_REPLY_NONE, 0, true},
		{"FROM:<\xc3\xa9@b.test> SMTPUTF8", SMTP_REPLY_NONE, 0, true},
		{"FROM:<\xc3\xa9@b.test>", SMTP_REPLY_SENDER_UTF8, 0, false},
		{"", SMTP_REPLY_ARGUMENTS, 0, false},
		{"FROM", SMTP_REPLY_ARGUMENTS, 0, false},
		{"FROM <a@b.test>", SMTP_REPLY_ARGUMENTS, 0, false},
		{"TO:<a@b.test>", SMTP_REPLY_ARGUMENTS, 0, false},
		{"FROM:", SMTP_REPLY_SENDER_SYNTAX, 0, false},
		{"FROM:a@b.test", SMTP_REPLY_SENDER_SYNTAX, 0, false},
		{"FROM:<a b@c.test>", SMTP_REPLY_SENDER_SYNTAX, 0, false},
		{"FROM:<a@b.test>SIZE=1", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE=", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE=-1", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE=1x", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE=100000000000000000000", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> SIZE=1 SIZE=2", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> BODY=9BIT", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> BODY=BINARYMIME", SMTP_REPLY_PARAMETER_UNKNOWN, 0, false},
		{"FROM:<> SMTPUTF8=yes", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> RET=FULL", SMTP_REPLY_PARAMETER_UNKNOWN, 0, false},
		{"FROM:<> AUTH=<>", SMTP_REPLY_PARAMETER_UNKNOWN, 0, false},
		{"FROM:<> -X", SMTP_REPLY_PARAMETER, 0, false},
		{"FROM:<> =", SMTP_REPLY_PARAMETER, 0, false},
	};

	(void)state;
	check(smtp_parse_mail, vectors, ARRAY_LEN(vectors));
}

static void rcpt(void **state)
{
	static const struct vector vectors[] = {
		{"TO:<a@b.test>", SMTP_REPLY_NONE, 0, false},
		{"TO: <a@b.test>", SMTP_REPLY_NONE, 0, false},
		{"To:<Postmaster>", SMTP_REPLY_NONE, 0, false},
		{"TO:<\xc3\xa9@b.test>", SMTP_REPLY_NONE, 0, false}, /* judged with the transaction */
		{"TO:<>", SMTP_REPLY_RECIPIENT_SYNTAX, 0, false},
		{"TO:<a>", SMTP_REPLY_RECIPIENT_SYNTAX, 0, false},
		{"TO:", SMTP_REPLY_RECIPIENT_SYNTAX, 0, false},
		{"FROM:<a@b.test>", SMTP_REPLY_ARGUMENTS, 0, false},
		{"TO:<a@b.test> NOTIFY=NEVER", SMTP_REPLY_PARAMETER_UNKNOWN, 0, false},
		{"TO:<a@b.test> <c@d.test>", SMTP_REPLY_PARAMETER, 0, false},
		{"TO:<a@b.test>,<c@d.test>", SMTP_REPLY_PARAMETER, 0, false},
	};

	(void)state;
	check(smtp_parse_rcpt, vectors, ARRAY_LEN(vectors));
}

static void bdat(void **state)
{
	static const struct vector vectors[] = {
		{"0", SMTP_REPLY_NONE, 0, false},
		{"1000", SMTP_REPLY_NONE, 1000, false},
		{"0 LAST", SMTP_REPLY_NONE, 0, true},
		{"9223372036854775807  last", SMTP_REPLY_NONE, INT64_MAX, true},
		{"9223372036854775808", SMTP_REPLY_ARGUMENTS, 0, false},
		{"", SMTP_REPLY_ARGUMENTS, 0, false},
		{"-1", SMTP_REPLY_ARGUMENTS, 0, false},
		{"LAST", SMTP_REPLY_ARGUMENTS, 0, false},
		{"10 FIRST", SMTP_REPLY_ARGUMENTS, 0, false},
		{"10LAST", SMTP_REPLY_ARGUMENTS, 0, false},
		{"10 LAST LAST", SMTP_REPLY_ARGUMENTS, 0, false},
		{"1e3", SMTP_REPLY_ARGUMENTS, 0, false},
	};

	(void)state;
	check(smtp_parse_bdat, vectors, ARRAY_LEN(vectors));
}

static void lines(void **state)
{
	static const struct {
		struct str input;
		enum smtp_line kind;
		size_t used;
		const char *line;
	} vectors[] = {
		{STR(""), SMTP_LINE_PARTIAL, 0, ""},
		{STR("NOOP"), SMTP_LINE_PARTIAL, 0, ""},
		{STR("NOOP\r"), SMTP_LINE_PARTIAL, 0, ""},
		{STR("NOOP\r\n"), SMTP_LINE_WHOLE, 6, "NOOP"},
		{STR("NOOP\r\nRSET\r\n"), SMTP_LINE_WHOLE, 6, "NOOP"},
		{STR("\r\n"), SMTP_LINE_WHOLE, 2, ""},
		{STR("\n"), SMTP_LINE_BARE, 1, ""},
		{STR("NOOP\nRSET\r\n"), SMTP_LINE_BARE, 5, ""},
		{STR("NO\rOP\r\n"), SMTP_LINE_BARE, 7, ""},
		{STR("NOOP\r\r\n"), SMTP_LINE_BARE, 7, ""},
		{STR("NO\0OP\r\n"), SMTP_LINE_BARE, 7, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct str line;
		size_t used;
		bool ended;

		assert_int_equal(smtp_line_find(vectors[i].input, &line, &used, &ended), vectors[i].kind);
		assert_int_equal(used, vectors[i].used);
		assert_true(str_eq(line, str_from(vectors[i].line)));
	}
}

/* The longest line, one byte more, and one whose end is not there yet. */
static void long_lines(void **state)
{
	size_t size = SMTP_COMMAND_LINE_MAX;
	char *text MEM_AUTO = malloc(size + 10);
	struct str line;
	size_t used;
	bool ended;

	(void)state;
	memset(text, 'x', size + 10);
	memcpy(text + size - 2, "\r\n", 2);
	assert_int_equal(smtp_line_find(STR_OF(text, size), &line, &used, &ended), SMTP_LINE_WHOLE);
	assert_int_equal(line.len, size - 2);
	memset(text, 'x', size + 10);
	assert_int_equal(smtp_line_find(STR_OF(text, size - 1), &line, &used, &ended),
	                 SMTP_LINE_PARTIAL);
	assert_int_equal(smtp_line_find(STR_OF(text, size), &line, &used, &ended), SMTP_LINE_TOO_LONG);
	assert_false(ended);
	assert_int_equal(used, size);
	memcpy(text + size - 1, "\r\n", 2);
	assert_int_equal(smtp_line_find(STR_OF(text, size + 10), &line, &used, &ended),
	                 SMTP_LINE_TOO_LONG);
	assert_true(ended);
	assert_int_equal(used, size + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail),  cmocka_unit_test(rcpt),       cmocka_unit_test(bdat),
		cmocka_unit_test(lines), cmocka_unit_test(long_lines),
	};

	return cmocka_run_group_tests_name("smtp arguments", tests, NULL, NULL);
}
