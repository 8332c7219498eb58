#include "smtp/path.h"

#include <stdio.h>
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
	bool good;
	const char *local, *domain; /* of a good one */
	const char *canonical;      /* NULL: as local@domain */
	bool utf8;
};

/* What follows "FROM:" or "TO:". */
static const struct vector vectors[] = {
	{"<hello@example.test>", true, "hello", "example.test", NULL, false},
	{"<a@b>", true, "a", "b", NULL, false},
	{"<hello+tag=x/y@sub.example.test>", true, "hello+tag=x/y", "sub.example.test", NULL, false},
	{"<!#$%&'*+-/=?^_`{|}~@example.test>", true, "!#$%&'*+-/=?^_`{|}~", "example.test", NULL,
     false},
	{"<@relay.test,@other.test:hello@example.test>", true, "hello", "example.test", NULL, false},
	{"<hello@[192.0.2.1]>", true, "hello", "[192.0.2.1]", NULL, false},
	{"<hello@[IPv6:2001:db8::1]>", true, "hello", "[IPv6:2001:db8::1]", NULL, false},
	{"<\"hello\"@example.test>", true, "\"hello\"", "example.test", "hello@example.test", false},
	{"<\"h\\ello\"@example.test>", true, "\"h\\ello\"", "example.test", "hello@example.test",
     false},
	{"<\"a b\"@example.test>", true, "\"a b\"", "example.test", NULL, false},
	{"<\"a@b\"@example.test>", true, "\"a@b\"", "example.test", NULL, false},
	{"<\"a>b\\\"c\"@example.test>", true, "\"a>b\\\"c\"", "example.test", NULL, false},
	{"<\"\"@example.test>", true, "\"\"", "example.test", NULL, false},
	{"<under@some_host.test>", true, "under", "some_host.test", NULL, false},
	{"<a@xn--bcher-kva.example>", true, "a", "xn--bcher-kva.example", NULL, false},
	{"<a@a--b.test>", true, "a", "a--b.test", NULL, false},
	{"<b\xc3\xbc"
     "cher@example.test>",
     true,
     "b\xc3\xbc"
     "cher",
     "example.test", NULL, true},
	{"<a@b\xc3\xbc"
     "cher.test>",
     true, "a",
     "b\xc3\xbc"
     "cher.test",
     NULL, true},
	{"<\"\xf0\x9f\x93\xac\"@example.test>", true, "\"\xf0\x9f\x93\xac\"", "example.test",
     "\xf0\x9f\x93\xac@example.test", true},

	{"", false, NULL, NULL, NULL, false},
	{"<", false, NULL, NULL, NULL, false},
	{"hello@example.test", false, NULL, NULL, NULL, false},
	{"<hello@example.test", false, NULL, NULL, NULL, false},
	{"<hello>", false, NULL, NULL, NULL, false},
	{"<@example.test>", false, NULL, NULL, NULL, false},
	{"<hello@>", false, NULL, NULL, NULL, false},
	{"< hello@example.test>", false, NULL, NULL, NULL, false},
	{"<hello@example.test >", false, NULL, NULL, NULL, false},
	{"<hello@@example.test>", false, NULL, NULL, NULL, false},
	{"<a@b@example.test>", false, NULL, NULL, NULL, false},
	{"<.hello@example.test>", false, NULL, NULL, NULL, false},
	{"<hello.@example.test>", false, NULL, NULL, NULL, false},
	{"<hell..o@example.test>", false, NULL, NULL, NULL, false},
	{"<hello@.example.test>", false, NULL, NULL, NULL, false},
	{"<hello@example.test.>", false, NULL, NULL, NULL, false},
	{"<hello@example..test>", false, NULL, NULL, NULL, false},
	{"<hello@-example.test>", false, NULL, NULL, NULL, false},
	{"<hello@example-.test>", false, NULL, NULL, NULL, false},
	{"<hello@exa mple.test>", false, NULL, NULL, NULL, false},
	{"<hello@example.test\r\n>", false, NULL, NULL, NULL, false},
	{"<a(comment)@example.test>", false, NULL, NULL, NULL, false},
	{"<\"hello@example.test>", false, NULL, NULL, NULL, false},
	{"<\"hello\\\"@example.test>", false, NULL, NULL, NULL, false},
	{"<\"tab\there\"@example.test>", false, NULL, NULL, NULL, false},
	{"<\"a\"b@example.test>", false, NULL, NULL, NULL, false},
	{"<hello@[192.0.2.1>", false, NULL, NULL, NULL, false},
	{"<hello@[]>", false, NULL, NULL, NULL, false},
	{"<hello@[999.1.1.1]>", false, NULL, NULL, NULL, false},
	{"<hello@[1.1.1]>", false, NULL, NULL, NULL, false},
	{"<hello@[IPv6:12345::1]>", false, NULL, NULL, NULL, false},
	{"<hello@[IPv6:]>", false, NULL, NULL, NULL, false},
	{"<hello@[2001:db8::1%lo]>", true, "hello", "[2001:db8::1%lo]", NULL, false}, /* general */
	{"<hello@[tag:]>", false, NULL, NULL, NULL, false},
	{"<hello@[-:x]>", false, NULL, NULL, NULL, false},
	{"<hello@[X-tag:any!thing]>", true, "hello", "[X-tag:any!thing]", NULL, false},
	{"<hello@[[1]]>", false, NULL, NULL, NULL, false},
	{"<@relay.test,hello@example.test>", false, NULL, NULL, NULL, false},
	{"<@relay.test:>", false, NULL, NULL, NULL, false},
	/* overlong, surrogate, past the end of Unicode, cut, stray continuation */
	{"<a\xc0\xaf@example.test>", false, NULL, NULL, NULL, false},
	{"<a\xe0\x80\xaf@example.test>", false, NULL, NULL, NULL, false},
	{"<a\xed\xa0\x80@example.test>", false, NULL, NULL, NULL, false},
	{"<a\xf4\x90\x80\x80@example.test>", false, NULL, NULL, NULL, false},
	{"<a\xe2\x82@example.test>", false, NULL, NULL, NULL, false},
	{"<a\x80@example.test>", false, NULL, NULL, NULL, false},
};

static void assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_from(want)))
		fail_msg("got '%.*s', want '%s'", STR_ARG(got), want);
}

static void check_canonical(const struct smtp_path *path, const struct vector *v)
{
	struct buf out BUF_AUTO;
	char whole[600];

	buf_init(&out, sizeof(whole));
	buf_add_text(&out, "before ");
	smtp_path_canonical(path, &out);
	snprintf(whole, sizeof(whole), "%s@%s", v->local, v->domain);
	assert_str(str_from_byte(buf_str(&out), 7), v->canonical != NULL ? v->canonical : whole);
}

static void paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];

		for (int forward = 0; forward < 2; forward++) {
			struct cursor c = cursor_of(str_from(v->text));
			struct smtp_path path;
			bool good = forward ? smtp_forward_path(&c, &path) : smtp_reverse_path(&c, &path);

			if (good != v->good)
				fail_msg("%s '%s'", good ? "accepted" : "refused", v->text);
			if (!good) {
				assert_ptr_equal(c.p, v->text);
				continue;
			}
			assert_true(cursor_at_end(&c));
			assert_str(path.local, v->local);
			assert_str(path.domain, v->domain);
			assert_int_equal(path.utf8, v->utf8);
			assert_false(path.null);
			check_canonical(&path, v);
		}
	}
}

/* A path cut anywhere is refused, and nothing behind the end of the input is looked at. */
static void paths_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		size_t len = strlen(vectors[i].text);

		for (size_t cut = 0; vectors[i].good && cut < len; cut++) {
			char *copy MEM_AUTO = malloc(cut + 1);
			struct cursor c;
			struct smtp_path path;

			memcpy(copy, vectors[i].text, cut);
			c = cursor_of(STR_OF(copy, cut));
			assert_false(smtp_reverse_path(&c, &path));
		}
	}
}

static void special_paths(void **state)
{
	struct cursor c = cursor_of(STR("<> SIZE=1"));
	struct smtp_path path;

	(void)state;
	assert_true(smtp_reverse_path(&c, &path));
	assert_true(path.null);
	assert_int_equal(path.mailbox.len, 0);
	assert_int_equal(cursor_left(&c), strlen(" SIZE=1"));
	c = cursor_of(STR("<>"));
	assert_false(smtp_forward_path(&c, &path));
	c = cursor_of(STR("<PostMaster>"));
	assert_true(smtp_forward_path(&c, &path));
	assert_true(path.postmaster);
	c = cursor_of(STR("<postmaster>"));
	assert_false(smtp_reverse_path(&c, &path));
	c = cursor_of(STR("<postmaster@example.test>"));
	assert_true(smtp_forward_path(&c, &path));
	assert_false(path.postmaster);
}

/* Builds <lll...@ddd.ddd...> with parts of the given sizes. */
static bool sized(size_t local, size_t label, size_t labels)
{
	char text[2000];
	size_t len = 0;
	struct cursor c;
	struct smtp_path path;

	text[len++] = '<';
	memset(text + len, 'l', local);
	len += local;
	text[len++] = '@';
	for (size_t i = 0; i < labels; i++) {
		memset(text + len, 'd', label);
		len += label;
		text[len++] = i + 1 < labels ? '.' : '>';
	}
	c = cursor_of(STR_OF(text, len));
	return smtp_reverse_path(&c, &path);
}

static void sizes(void **state)
{
	(void)state;
	assert_true(sized(SMTP_LOCAL_PART_MAX, 3, 1));
	assert_false(sized(SMTP_LOCAL_PART_MAX + 1, 3, 1));
	assert_true(sized(1, SMTP_LABEL_MAX, 1));
	assert_false(sized(1, SMTP_LABEL_MAX + 1, 1));
	assert_true(sized(1, SMTP_LABEL_MAX, 3));
	assert_true(sized(1, 1, 128)); /* 255 bytes */
	assert_false(sized(1, 1, 129));
}

static void helo_names(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} names[] = {
		{"mail.example.test", true},
		{"localhost", true},
		{"[192.0.2.1]", true},
		{"[IPv6:::1]", true},
		{"DESKTOP_1", true},
		{"1.2.3.4", true},
		{"", false},
		{"-", false},
		{"a b", false},
		{"a;b", false},
		{"<script>", false},
		{"a\"b", false},
		{"b\xc3\xbc"
	     "cher.test",
	     false},
		{"a(b)", false},
		{".", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct cursor c = cursor_of(str_from(names[i].text));
		struct str name;

		if ((smtp_helo_name(&c, &name) && cursor_at_end(&c)) != names[i].good)
			fail_msg("'%s'", names[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths), cmocka_unit_test(paths_cut),  cmocka_unit_test(special_paths),
		cmocka_unit_test(sizes), cmocka_unit_test(helo_names),
	};

	return cmocka_run_group_tests_name("smtp path", tests, NULL, NULL);
}
