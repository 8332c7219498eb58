#include "mail/header.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

static void assert_str(struct str found, const char *expected)
{
	assert_int_equal(found.len, strlen(expected));
	if (found.len > 0)
		assert_memory_equal(found.ptr, expected, found.len);
}

static const char sample[] = "From a@b Mon Nov 23 15:28:43 2026\n"
							 "Subject: one\r\n"
							 "\ttwo\r\n"
							 "X-Empty:\r\n"
							 "x-spaced \t: v\r\n"
							 "no field at all\r\n"
							 "To:a@b\n"
							 "  \r\n"
							 " c@d\n"
							 "B\xc3\xa4r: eight bits\r\n"
							 "subject: three\r\n"
							 "\r\n"
							 "Body: x\r\n";

static void test_iterate(void **state)
{
	static const struct {
		const char *name, *value;
	} expected[] = {
		{"", "From a@b Mon Nov 23 15:28:43 2026"},
		{"Subject", "one\r\n\ttwo"},
		{"X-Empty", ""},
		{"x-spaced", "v"},
		{"", "no field at all"},
		{"To", "a@b\n  \r\n c@d"},
		{"", "B\xc3\xa4r: eight bits"},
		{"subject", "three"},
	};
	(void)state;
	struct cursor c = cursor_of(str_from(sample));
	struct mail_field field;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_true(mail_header_next(&c, &field));
		assert_str(field.name, expected[i].name);
		assert_str(field.value, expected[i].value);
	}
	assert_false(mail_header_next(&c, &field));
	assert_int_equal(*c.p, '\r');
}

static void test_id(void **state)
{
	(void)state;
	assert_int_equal(mail_field_id(STR("CONTENT-transfer-ENCODING")),
	                 MAIL_FIELD_CONTENT_TRANSFER_ENCODING);
	assert_int_equal(mail_field_id(STR("content-typ")), MAIL_FIELD_OTHER);
	assert_int_equal(mail_field_id(str_from("")), MAIL_FIELD_OTHER);
}

static void test_unfold(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{{"plain", 5}, "plain"}, {{"a\r\n b", 5}, "a b"}, {{"a\n\tb", 4}, "a\tb"},
		{{"a\rb\0c", 5}, "abc"}, {{"", 0}, ""},
	};
	(void)state;
	struct buf scratch BUF_AUTO;
	buf_init(&scratch, 100);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_str(mail_unfold(cases[i].in, &scratch), cases[i].out);
	assert_ptr_equal(mail_unfold(STR("plain"), &scratch).ptr, STR("plain").ptr);
	buf_done(&scratch);
	buf_init(&scratch, 3);
	assert_str(mail_unfold(STR("ab\r\n cdef"), &scratch), "ab ");
}

/* Cut anywhere, the fields before the cut are the same and nothing is read beyond it. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(sample); len++) {
		char *copy = mem_copy_string(sample, len);
		struct cursor c = cursor_of(STR_OF(copy, len));
		struct mail_field field;
		size_t sum = 0;
		while (mail_header_next(&c, &field))
			sum += field.raw.len;
		assert_true(sum <= len);
		mem_auto_free(&copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iterate),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_unfold),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
