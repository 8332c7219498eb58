#include "mail/address.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* One line per list: "name|route|local|domain" for a mailbox, "name:" and ";" around a group. */
static void write_list(struct buf *out, struct str value)
{
	struct mail_address_reader reader;
	struct mail_address a;
	mail_address_reader_init(&reader, value);
	while (mail_address_next(&reader, &a)) {
		if (out->len > 0)
			buf_add_byte(out, ' ');
		if (a.kind == MAIL_ADDRESS_GROUP_END) {
			buf_add_byte(out, ';');
			continue;
		}
		buf_add_str(out, a.name);
		if (a.kind == MAIL_ADDRESS_GROUP_START) {
			buf_add_byte(out, ':');
			continue;
		}
		buf_addf(out, "|%.*s|%.*s|%.*s", STR_ARG(a.route), STR_ARG(a.local), STR_ARG(a.domain));
	}
	mail_address_reader_done(&reader);
}

static const struct {
	const char *in, *out;
} lists[] = {
	/* RFC 5322 appendix A */
	{"John Doe <jdoe@machine.example>", "John Doe||jdoe|machine.example"},
	{"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public||john.q.public|example.com"},
	{"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     "Mary Smith||mary|x.test ||jdoe|example.org Who?||one|y.test"},
	{"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     "||boss|nil.test Giant; \"Big\" Box||sysservices|example.net"},
	{"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     "A Group: Ed Jones||c|a.test ||joe|where.test John||jdoe|one.test ;"},
	{"Undisclosed recipients:;", "Undisclosed recipients: ;"},
	{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete||pete|silly.test"},
	{"A Group(Some people)\r\n  :Chris Jones <c@(Chris's host.)public.example>,\r\n"
     "  joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)",
     "A Group: Chris Jones||c|public.example ||joe|example.org John||jdoe|one.test ;"},
	{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "Hidden recipients: ;"},
	{"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public||john.q.public|example.com"},
	{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
     "Mary Smith|@node.test|mary|example.net ||jdoe|test.example"},
	{"<@a.test,@b.test:x@y>", "|@a.test,@b.test|x|y"},
	/* comments as names, quoted local parts, literals */
	{"jdoe@one.test (John Doe)", "John Doe||jdoe|one.test"},
	{"\"john doe\"@example.org", "||john doe|example.org"},
	{"<\"a\\\"b\"@example.org>", "||a\"b|example.org"},
	{"x@[192.0.2.1], y@[IPv6:2001:db8::1]", "||x|[192.0.2.1] ||y|[IPv6:2001:db8::1]"},
	/* no ASCII */
	{"J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.example>", "J\xc3\xbcrgen||j\xc3\xbc|b\xc3\xbc.example"},
	{"=?utf-8?q?J=C3=BCrgen?= <j@x>", "=?utf-8?q?J=C3=BCrgen?=||j|x"},
	/* what senders do */
	{"a@b.example <a@b.example>", "a@b.example||a|b.example"},
	{"a@b.example c@d.example", "||a|b.example ||c|d.example"},
	{"a@b.example; c@d.example", "||a|b.example ||c|d.example"},
	{"Doe, John <a@b>", "||Doe| John||a|b"},
	{"root", "||root|"},
	{"<>", "|||"},
	{"name <>", "name|||"},
	{"<a@b", "||a|b"},
	{"<a@b, c@d>", "||a|b ||c|d"},
	{"\"open quote <a@b>, c@d", "open quote <a@b>, c@d|||"},
	/* names without an address, and addresses without their angle brackets */
	{"Big Service Team", "Big Service Team|||"},
	{"\"Big Service\", root", "Big Service||| ||root|"},
	{"=?utf-8?q?Big_Service?=", "=?utf-8?q?Big_Service?=|||"},
	{"Big Service Team (a comment), a@b", "Big Service Team||| ||a|b"},
	{"John Doe john@example.org", "John Doe||john|example.org"},
	{"\"John Doe\" j.doe@example.org, x@y", "John Doe||j.doe|example.org ||x|y"},
	{"john . doe @ example . org", "||john.doe|example.org"},
	{"user-from@\r\n domain.example", "||user-from|domain.example"},
	{"A <user-from @ domain.example>", "A||user-from|domain.example"},
	{"A <user-from@(c)domain.example>", "A||user-from|domain.example"},
	{"group: Big Team, a@b;", "group: Big Team||| ||a|b ;"},
	{"(open comment a@b", ""},
	{"group: a@b", "group: ||a|b ;"},
	{"group: inner: a@b;", "group: inner:||a|b ;"},
	{"a@b@c", "||a|b@c"},
	{"<<a@b>>", "||a|b"},
	{",,;;, a@b ,,", "||a|b"},
	{"", ""},
	{" \r\n ", ""},
	{">", ""},
	{"@", "|||"},
	{"a@", "||a|"},
	{"\"\" <a@b>", "||a|b"},
	{"John\"Q\"Doe <a@b>", "John QDoe||a|b"},
	{"\\<a@b>", "\\||a|b"},
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		write_list(&out, str_from(lists[i].in));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, lists[i].out);
	}
}

/* Any front of a list is a list, read without going past its end. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		for (size_t len = 0; len <= strlen(lists[i].in); len++) {
			char *copy MEM_AUTO = mem_copy_string(lists[i].in, len);
			struct buf out BUF_AUTO;
			buf_init(&out, 10000);
			write_list(&out, STR_OF(copy, len));
			assert_false(out.failed);
		}
	}
}

static void test_nul(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 1000);
	write_list(&out, STR_OF("J\0ohn <a\0@b>", 12));
	assert_null(memchr(out.ptr, '\0', out.len));
}

static void test_sort_key(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"John <jdoe@x>, b@y", "jdoe"},
		{"Group: a@b;", "Group"},
		{"", ""},
		{"\xe4@x", "\xc3\xa4"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 100);
		mail_address_sort_key(&out, str_from(cases[i].in));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
}

/* Lists of a megabyte that would take minutes if anything were read again and again. */
static void test_linear(void **state)
{
	static const char *const pieces[] = {"a@b c@d ", "(",     "\"",  "<@",  "<a@b ", "x y@z@ ",
	                                     "a:b;",     "\\\"(", "<<<", "@ a", ",",     "["};
	(void)state;
	int64_t start = clock_monotonic_ms();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf in BUF_AUTO;
		buf_init(&in, 1 << 20);
		while (!in.failed)
			buf_add_text(&in, pieces[i]);
		struct mail_address_reader reader;
		struct mail_address a;
		mail_address_reader_init(&reader, buf_str(&in));
		while (mail_address_next(&reader, &a))
			assert_true(a.local.len <= in.len);
		mail_address_reader_done(&reader);
	}
	assert_true(clock_monotonic_ms() - start < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),    cmocka_unit_test(test_cut),    cmocka_unit_test(test_nul),
		cmocka_unit_test(test_sort_key), cmocka_unit_test(test_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
