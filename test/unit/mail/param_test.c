#include "mail/param.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static const struct {
	const char *in;
	const char *out; /* "type/subtype name=value ..." as for BODYSTRUCTURE, NULL: malformed */
} types[] = {
	{"text/plain", "text/plain"},
	{"TEXT/Plain; CharSet=UTF-8", "TEXT/Plain charset=UTF-8"},
	{"text/plain; charset=us-ascii (Plain text)", "text/plain charset=us-ascii"},
	{"text/plain; charset=\"us-ascii\"", "text/plain charset=us-ascii"},
	{" (c) multipart (c2 (nested \\) )) / (x) mixed ; boundary = \"a b\\\"c\" ;",
     "multipart/mixed boundary=a b\"c"},
	{"multipart/mixed; boundary=----=_Part_1_2.3", "multipart/mixed boundary=----=_Part_1_2.3"},
	{"multipart/mixed boundary=abc charset=x", "multipart/mixed boundary=abc charset=x"},
	{"application/pdf; name=my long file.pdf; x=1", "application/pdf name=my long file.pdf x=1"},
	{"application/pdf; name=\"open quote", "application/pdf name=open quote"},
	{"application/pdf; name=\"a\r\n b\"", "application/pdf name=a b"},
	{"application/pdf; name=", "application/pdf name="},
	{"application/pdf; name; x=1", "application/pdf x=1"},
	{"application/pdf;;; =1; x=1", "application/pdf x=1"},
	{"text", "text/plain"},
	{"text/", "text/plain"},
	{"audio", NULL},
	{"/plain", NULL},
	{"", NULL},
	{"text/plain; a*0=x; a*1=y; a*2*=%20z", "text/plain a=xy%20z"},
	{"text/plain; a*1=y; b=1; a*0=x", "text/plain a=xy b=1"},
	{"text/plain; a*=utf-8'en'%c3%a4", "text/plain a*=utf-8'en'%c3%a4"},
	{"text/plain; a*0*=utf-8''%c3; a*1=\"p q%\"; a*2*=%a4", "text/plain a*=utf-8''%c3p%20q%25%a4"},
	{"text/plain; a*1=y", "text/plain a=y"},
	{"text/plain; a*0=x; a*2=z", "text/plain a=x"},
	{"text/plain; a=1; A=2", "text/plain a=1 a=2"},
	{"text/plain; *0=1; a**=2; a*x=3", "text/plain *0=1 a**=2 a*x=3"},
};

static void write_type(struct buf *out, struct str value)
{
	struct str type, subtype;
	struct cursor c = cursor_of(value);
	if (!mail_content_type(&c, &type, &subtype))
		return;
	buf_addf(out, "%.*s/%.*s", STR_ARG(type), STR_ARG(subtype));
	struct mail_params params;
	struct buf name BUF_AUTO, text BUF_AUTO;
	buf_init(&name, 1000);
	buf_init(&text, 1000);
	mail_params_read(&c, &params);
	size_t position = 0;
	while (mail_params_next(&params, &position, &name, &text))
		buf_addf(out, " %.*s=%.*s", STR_ARG(name), STR_ARG(text));
}

static void test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		write_type(&out, str_from(types[i].in));
		if (types[i].out == NULL) {
			assert_int_equal(out.len, 0);
			continue;
		}
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, types[i].out);
	}
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		for (size_t len = 0; len <= strlen(types[i].in); len++) {
			char *copy MEM_AUTO = mem_copy_string(types[i].in, len);
			struct buf out BUF_AUTO;
			buf_init(&out, 10000);
			write_type(&out, STR_OF(copy, len));
			assert_false(out.failed);
		}
	}
}

static void test_decode(void **state)
{
	static const struct {
		const char *in, *name, *out;
	} cases[] = {
		{"; filename=a.pdf", "filename", "a.pdf"},
		{"; filename*=utf-8''%e2%82%ac%20rates", "filename", "\xe2\x82\xac rates"},
		{"; filename*=iso-8859-1'de'%fcber", "filename",
	     "\xc3\xbc"
	     "ber"},
		{"; filename=plain; filename*=utf-8''ext", "filename", "ext"},
		{"; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=\" x\"", "filename",
	     "\xe2\x82\xac x"},
		{"; filename*0=\"one \"; filename*1=\"two\"", "filename", "one two"},
		{"; filename=\"=?utf-8?q?M=C3=BCller?=.pdf\"", "filename", "M\xc3\xbcller.pdf"},
		{"; filename=\"M\xfcller.pdf\"", "filename", "M\xc3\xbcller.pdf"},
		{"; filename*=nonesuch''%fc", "filename", "\xc3\xbc"},
		{"; filename*=utf-8''%zz%4", "filename", "%zz%4"},
		{"; filename*=''", "filename", ""},
		{"; filename*=utf-8''a%0D%0Ab%00c", "filename", "a  bc"},
		{"; name=x", "filename", NULL},
		{"; filename*1=x", "filename", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mail_params params;
		struct cursor c = cursor_of(str_from(cases[i].in));
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_params_read(&c, &params);
		assert_int_equal(mail_params_decode(&params, str_from(cases[i].name), &out),
		                 cases[i].out != NULL);
		buf_add_byte(&out, '\0');
		if (cases[i].out != NULL)
			assert_string_equal(out.ptr, cases[i].out);
	}
}

/* More parameters than are looked at, and a megabyte of each difficulty. */
static void test_limits(void **state)
{
	static const char *const pieces[] = {"; a=b",  "; a*0*=%", "; a=b c", "(",
	                                     "; a=\"", ";",        "= ",      " a b"};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct mail_params params;
		struct buf in BUF_AUTO;
		buf_init(&in, 1 << 20);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		struct cursor c = cursor_of(buf_str(&in));
		mail_params_read(&c, &params);
		assert_true(params.count <= MAIL_PARAMS_MAX);
	}
	assert_true(clock_monotonic_ms() - start < 20000);
}

static void test_bytes(void **state)
{
	static const struct {
		const char *in, *bytes; /* NULL: none */
	} cases[] = {
		{"; boundary=abcd", "abcd"},
		{"; boundary*=us-ascii''abcd", "abcd"},
		{"; boundary*=us-ascii''ab%20cd", "ab cd"},
		{"; boundary*=\"us-ascii'en'abcd\"", "abcd"},
		{"; boundary*=''abcd", "abcd"},
		{"; boundary*=abcd", "abcd"},
		{"; boundary*0=ab; boundary*1=cd", "abcd"},
		{"; boundary*1=\"c d\"; boundary*0*=utf-8''a%62", "abc d"},
		{"; boundary*0*=utf-8''a%3F; boundary*1=%3F; boundary*2*=%3F", "a?%3F?"},
		{"; boundary=\"=?utf-8?q?a?=\"", "=?utf-8?q?a?="},
		{"; boundary*=us-ascii''long; boundary=plain", "plain"},
		{"; boundary*=iso-8859-1''%E4", "\xe4"},
		{"; boundary*1=b", NULL},
		{"; bound=x", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor c = cursor_of(str_from(cases[i].in));
		struct mail_params params;
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_params_read(&c, &params);
		assert_int_equal(mail_params_bytes(&params, STR("boundary"), &out), cases[i].bytes != NULL);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].bytes == NULL ? "" : cases[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types), cmocka_unit_test(test_cut),    cmocka_unit_test(test_decode),
		cmocka_unit_test(test_bytes), cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
