#include "mail/subject.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static void test_base_subject(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"  a \t b\r\n c ", "a b c"},
		{"Re: x", "x"},
		{"RE:x", "x"},
		{"re : x", "x"},
		{"Fw: x", "x"},
		{"FWD: x", "x"},
		{"Re: Fwd: re: x", "x"},
		{"Re[2]: x", "x"},
		{"re [2] : x", "x"},
		{"[list] x", "x"},
		{"[list] Re: [other] x", "x"},
		{"[a][b] [c] Re: [d] x", "x"},
		{"[list]", "[list]"},
		{"Re: [list]", "[list]"},
		{"[a] [b]", "[b]"},
		{"x (fwd)", "x"},
		{"x (FWD) (fwd) ", "x"},
		{"[fwd: x]", "x"},
		{"[Fwd: Re: [fwd: x (fwd)]]", "x"},
		{"[fwd: x", "[fwd: x"},
		{"[fwd:]", ""},
		{"Re:", ""},
		{"Re: Re: (fwd)", ""},
		{"[unclosed x", "[unclosed x"},
		{"[a[b] x", "[a[b] x"},
		{"Reply: x", "Reply: x"},
		{"fw", "fw"},
		{"Re: x [not a blob]", "x [not a blob]"},
		{"AW: x", "AW: x"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		mail_base_subject(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		if (strcmp(out.ptr, cases[i].out) != 0)
			fail_msg("\"%s\": \"%s\"", cases[i].in, out.ptr);
	}
}

static void test_linear(void **state)
{
	static const char *const pieces[] = {
		"[a]", "[", "Re: ", "[a] re: ", "[fwd:", "(fwd)", "re[a", "] "};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf in BUF_AUTO, out BUF_AUTO;
		buf_init(&in, 1 << 20);
		buf_init(&out, 1 << 20);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		mail_base_subject(&out, buf_str(&in));
		assert_true(out.len <= in.len);
	}
	assert_true(clock_monotonic_ms() - start < 10000);
}

static void test_message_ids(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"<a@b>", "a@b,"},
		{"<a@b> <c@d>\r\n\t<e@f>", "a@b,c@d,e@f,"},
		{"<a@b><c@d>", "a@b,c@d,"},
		{"text <a@b> more", "a@b,"},
		{"< a@b >", "a@b,"},
		{"<a@b", ""},
		{"<<a@b>", "a@b,"},
		{"<a<b@c>", "b@c,"},
		{"<> <a@b>", "a@b,"},
		{"a@b", ""},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		struct str id;
		buf_init(&out, 1000);
		struct cursor c = cursor_of(str_from(cases[i].in));
		while (mail_message_id_next(&c, &id))
			buf_addf(&out, "%.*s,", STR_ARG(id));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subject),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_message_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
