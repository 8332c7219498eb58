#include "mail/html.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/html_entity.h"

static const struct {
	const char *in, *out;
} cases[] = {
	{"", ""},
	{"plain  text\r\n here", "plain text here"},
	{"<p>one</p><p>two</p>", "one\ntwo"},
	{"one<br>two<BR/>three", "one\ntwo\nthree"},
	{"<b>bo</b>ld <i>x</i>", "bold x"},
	{"<td>a</td><td>b</td>", "a b"},
	{"<html><head><title>T</title><style>p{}</style></head><body>x</body></html>", "x"},
	{"a<script>if (a<b) x('</p>');</script>b", "ab"},
	{"a<SCRIPT type='x'>x</Script >b", "ab"},
	{"a<script>never closed", "a"},
	{"a<!-- <p>hidden</p> -->b", "ab"},
	{"a<!-- never closed", "a"},
	{"<!DOCTYPE html>x<?xml version='1'?>y", "xy"},
	{"<a href=\"x>y\" title='a>b'>link</a>", "link"},
	{"<a href=\"never closed>link</a> more", "link more"},
	{"&lt;&amp;&gt;&quot;&#39;&apos;", "<&>\"''"},
	{"&auml;&Auml;&euro;&hellip;&nbsp;x", "\xc3\xa4\xc3\x84\xe2\x82\xac\xe2\x80\xa6 x"},
	{"&#228;&#xe4;&#XE4;&#128512;&#228 x", "\xc3\xa4\xc3\xa4\xc3\xa4\xf0\x9f\x98\x80\xc3\xa4 x"},
	{"&#128;&#150;", "\xe2\x82\xac\xe2\x80\x93"},
	{"&#0;&#xd800;&#x110000;&#99999999999999999999;",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"&nonesuch; & &; &# &#x; &amp", "&nonesuch; & &; &# &#x; &"},
	{"1 < 2 <3 <", "1 < 2 <3 <"},
	{"a</", "a</"},
	{"a<b", "a"},
	{"gr\xc3\xbc\xc3\x9f"
     "e",
     "gr\xc3\xbc\xc3\x9f"
     "e"},
	{"x&nbsp;&nbsp; &nbsp;y<br>\n<br>z", "x y\nz"},
};

static void test_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_html_text(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		if (strcmp(out.ptr, cases[i].out) != 0)
			fail_msg("%s: \"%s\"", cases[i].in, out.ptr);
	}
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t len = 0; len <= strlen(cases[i].in); len++) {
			struct str cut = utf8_cut(str_from(cases[i].in), len);
			char *copy MEM_AUTO = mem_copy_string(cases[i].in, cut.len);
			struct buf out BUF_AUTO;
			buf_init(&out, 1000);
			mail_html_text(&out, STR_OF(copy, cut.len));
			assert_true(utf8_valid(buf_str(&out)));
		}
	}
}

static void test_entities(void **state)
{
	(void)state;
	assert_int_equal(mail_html_entity(STR("AElig")), 0xc6);
	assert_int_equal(mail_html_entity(STR("zwnj")), 0x200c);
	assert_int_equal(mail_html_entity(STR("thetasym")), 0x3d1);
	assert_int_equal(mail_html_entity(STR("amp")), '&');
	assert_int_equal(mail_html_entity(STR("AMP")), 0);
	assert_int_equal(mail_html_entity(str_from("")), 0);
	assert_int_equal(mail_html_entity(STR("zzz")), 0);
}

static void test_linear(void **state)
{
	static const char *const pieces[] = {"<a \"",   "<a '", "<!--", "<script></",
	                                     "<",       "&",    "&#1",  "</p",
	                                     "<style>", "\"'<", "<?",   "&aaaaaaaa"};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf in BUF_AUTO, out BUF_AUTO;
		buf_init(&in, 1 << 20);
		buf_init(&out, 1 << 23);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		mail_html_text(&out, buf_str(&in));
		assert_false(out.failed);
	}
	assert_true(clock_monotonic_ms() - start < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_entities),
		cmocka_unit_test(test_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
