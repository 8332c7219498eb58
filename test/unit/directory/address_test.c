#include "directory/address.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static void addresses(void **state)
{
	static const struct {
		const char *input, *output; /* NULL: refused */
	} cases[] = {
		{"hello@example.test", "hello@example.test"},
		{"Hello.World@EXAMPLE.Test.", "hello.world@example.test"},
		{"user+tag@example.test", "user@example.test"},
		{"user+a+b@example.test", "user@example.test"},
		{"\"user\"@example.test", "user@example.test"},
		{"a!#$%&'*-/=?^_`{|}~@example.test", "a!#$%&'*-/=?^_`{|}~@example.test"},
		{"x@BÜCHER.test", "x@xn--bcher-kva.test"},
		{"x@xn--bcher-kva.test", "x@xn--bcher-kva.test"},
		{"x@faß.test", "x@xn--fa-hia.test"},
		{"x@日本。test", "x@xn--wgv71a.test"},
		{"Ægir@example.test", "ægir@example.test"},
		{"e\xcc\x81@example.test", "é@example.test"},
		{"Grüße@example.test", "grüße@example.test"}, /* never another's: no case folding */
		{"grüsse@example.test", "grüsse@example.test"},
		{"ｕｓｅｒ@example.test", "ｕｓｅｒ@example.test"}, /* nor compatibility forms */
		{"\xc4\xb0@example.test", "i\xcc\x87@example.test"},
		{A64 "@example.test", A64 "@example.test"},
		{A64 "a@example.test", NULL},
		{A64 "+tag@example.test", A64 "@example.test"},
		{"us\xef\xbc\x8btag@example.test", "us\xef\xbc\x8btag@example.test"}, /* no plus */
		{"a\"b@example.test", NULL},
		{"\"a b\"@example.test", NULL},
		{".a@example.test", NULL},
		{"a.@example.test", NULL},
		{"a..b@example.test", NULL},
		{"a.+b@example.test", NULL},
		{"@example.test", NULL},
		{"+tag@example.test", NULL},
		{"user@", NULL},
		{"user", NULL},
		{"", NULL},
		{"user@example..test", NULL},
		{"user@exa mple.test", NULL},
		{"user@[127.0.0.1]", NULL},
		{"user@127.0.0.1", NULL},
		{"user@exa\xc2\xadmple.test", "user@example.test"}, /* UTS #46 drops a soft hyphen */
		{"us\xc2\xad"
	     "er@example.test",
	     NULL},
		{"us\xe2\x80\xae"
	     "er@example.test",
	     NULL}, /* right-to-left override */
		{"us\xe2\x80\x8d"
	     "er@example.test",
	     NULL}, /* zero-width joiner */
		{"us\xc2\xa0"
	     "er@example.test",
	     NULL}, /* no-break space */
		{"us\x7f"
	     "er@example.test",
	     NULL},
		{"us\xff"
	     "er@example.test",
	     NULL},
		{"us\xc0\xaf"
	     "er@example.test",
	     NULL},
		{"user@xn--a.test", NULL},
		{"a@b@example.test", NULL},
		{"a,b@example.test", NULL},
		{"user@" A64 ".test", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct address address;
		struct errinfo info = {0};
		int rc = address_normalize(str_from(cases[i].input), &address, &info);
		if (cases[i].output == NULL) {
			if (rc != E_INVALID)
				fail_msg("%s became %s", cases[i].input, address.text);
			assert_string_not_equal(info.text, "");
		} else {
			if (rc != 0)
				fail_msg("%s: %s", cases[i].input, info.text);
			assert_string_equal(address.text, cases[i].output);
			assert_int_equal(strlen(address.text),
			                 strlen(address.local) + 1 + strlen(address.domain));
		}
	}
}

/* What is normal stays as it is, and a NUL or any cut of the input harms nothing. */
static void twice_and_cut(void **state)
{
	static const char *const inputs[] = {"Rød.Grød+x@BÜCHER.test", "\"user\"@日本。test"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		struct str input = str_from(inputs[i]);
		struct address once, twice;
		assert_int_equal(address_normalize(input, &once, NULL), 0);
		assert_int_equal(address_normalize(str_from(once.text), &twice, NULL), 0);
		assert_string_equal(once.text, twice.text);
		for (size_t len = 0; len < input.len; len++) {
			char *exact = mem_new(len);
			memcpy(exact, input.ptr, len);
			int rc = address_normalize(STR_OF(exact, len), &twice, NULL);
			assert_true(rc == 0 || rc == E_INVALID);
			free(exact);
		}
	}
	struct address address;
	assert_int_equal(address_normalize(STR("a\0b@example.test"), &address, NULL), E_INVALID);
	assert_int_equal(address_normalize(STR("ab@exam\0ple.test"), &address, NULL), E_INVALID);
}

static void long_input(void **state)
{
	(void)state;
	size_t len = 4 * ADDRESS_INPUT_MAX;
	char *text = mem_new(len);
	struct address address;
	for (int round = 0; round < 2; round++) {
		memset(text, round == 0 ? 'a' : 0xc3, len);
		text[len / 2] = '@';
		assert_int_equal(address_normalize(STR_OF(text, len), &address, NULL), E_INVALID);
		assert_int_equal(address_normalize(STR_OF(text, len / 4), &address, NULL), E_INVALID);
	}
	/* Longest local part that may come in, each character of which grows when it is folded. */
	struct buf big BUF_AUTO;
	buf_init(&big, ADDRESS_INPUT_MAX);
	for (int i = 0; i < 330; i++)
		buf_add_text(&big, "\xef\xb7\xba"); /* U+FDFA becomes 18 characters */
	buf_add_text(&big, "@example.test");
	assert_int_equal(address_normalize(buf_str(&big), &address, NULL), E_INVALID);
	assert_string_equal(address.domain, "example.test");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(twice_and_cut),
		cmocka_unit_test(long_input),
	};
	return cmocka_run_group_tests_name("directory/address", tests, NULL, NULL);
}
