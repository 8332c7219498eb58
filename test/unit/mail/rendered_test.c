#include "mail/rendered.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "corpus.h"
#include "grammar.h"

/* Text of an earlier version, and how it is shown now where that is not the same. */
static const struct {
	const char *text, *shown;
} structures[] = {
	{"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)", NULL},
	{"(\"text\" \"html\" (\"charset\" \"UTF-8\" \"format\" \"flowed\") \"<id@x>\" \"a "
     "\\\"b\\\"\\\\\""
     " \"quoted-printable\" 1 0 \"abc==\" (\"inline\" (\"x\" \"y\")) (\"en\" \"de\") "
     "\"http://x/\")",
     NULL},
	{"(\"image\" \"png\" (\"name\" {2}\r\n\xc3\xa4) NIL NIL \"base64\" 2 NIL (\"attachment\" NIL)"
     " \"en\" NIL)",
     NULL},
	{"((\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)((\"a\" \"b\" NIL NIL NIL "
     "\"7bit\""
     " 1 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"a\") (\"inline\" "
     "NIL)"
     " NIL NIL)",
     NULL},
	{"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"in\" ((NIL NIL \"f\" \"d\"))"
     " ((NIL NIL \"f\" \"d\")) ((NIL NIL \"f\" \"d\")) NIL NIL NIL NIL NIL)"
     " (\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)",
     NULL},
	{"((\"message\" \"global\" NIL NIL \"Undelivered\" \"8bit\" 18 (NIL NIL NIL NIL NIL NIL NIL "
     "NIL NIL"
     " NIL) ((\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL "
     "NIL)"
     " 3 \"md5\" NIL NIL NIL)(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL) \"report\" NIL "
     "NIL NIL"
     " NIL)",
     "((\"message\" \"global\" NIL NIL \"Undelivered\" \"8bit\" 18 \"md5\" NIL NIL NIL)"
     "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL) \"report\" NIL NIL NIL NIL)"},
};

static int show_structure(struct str text, struct buf *out)
{
	struct arena *arena = arena_new(1 << 24);
	Pk__BodyStructure structure;
	int error = mail_rendered_body_structure(text, arena, &structure);
	if (error == 0) {
		assert_true(imap_write_body_structure(out, &structure, true));
		assert_null(check_body(buf_str(out), true, NULL));
	}
	arena_free(arena);
	return error;
}

static int show_envelope(struct str text, struct buf *out)
{
	struct arena *arena = arena_new(1 << 24);
	Pk__Envelope envelope;
	int error = mail_rendered_envelope(text, arena, &envelope);
	if (error == 0) {
		imap_write_envelope(out, &envelope);
		assert_null(check_envelope(buf_str(out)));
	}
	arena_free(arena);
	return error;
}

/* Every front of text, and every byte of it exchanged: an error or a well-formed value, and never a read
 * beyond the end. */
static void mangle(const char *text, int (*show)(struct str text, struct buf *out))
{
	static const char bytes[] = "()\" \\{0N\r\n\x80";
	size_t full = strlen(text);
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	for (size_t len = 0; len < full; len++) {
		char *copy MEM_AUTO = mem_copy_string(text, len);
		assert_int_equal(show(STR_OF(copy, len), &out), E_INVALID);
		for (size_t i = 0; i < sizeof(bytes); i++) {
			char *changed MEM_AUTO = mem_copy_string(text, full);
			changed[len] = bytes[i];
			buf_clear(&out);
			(void)show(STR_OF(changed, full), &out);
		}
	}
}

static void test_structures(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	for (size_t i = 0; i < ARRAY_LEN(structures); i++) {
		const char *text = structures[i].text;
		buf_clear(&out);
		assert_int_equal(show_structure(str_from(text), &out), 0);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, structures[i].shown == NULL ? text : structures[i].shown);
		mangle(text, show_structure);
	}
}

static void test_envelopes(void **state)
{
	static const char *const texts[] = {
		"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
		"(\"Mon, 23 Nov 2026\" {3}\r\n\xc3\xbc\r ((\"A \\\"B\\\"\" \"@r\" \"a\" \"x\"))"
		" ((NIL NIL \"s\" \"x\")) ((NIL NIL \"r\" \"\")) ((NIL NIL \"team\" NIL)"
		"(NIL NIL \"a\" \"x\")(NIL NIL NIL NIL)(NIL NIL \"b\" \"x\")) NIL NIL \"\" \"<a@b>\")",
	};
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_clear(&out);
		assert_int_equal(show_envelope(str_from(texts[i]), &out), 0);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, texts[i]);
		mangle(texts[i], show_envelope);
	}
}

/* What stands there instead of a value is refused: an answer to the client, most of all. */
static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"NIL",
		"(NIL)",
		"x\r\n* BYE",
		"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)\r\n* BYE gone",
		"(NIL \"a\r\n* BYE\" NIL NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL {99}\r\na NIL NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL NIL (x) NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL NIL () NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL NIL ((\"n\" NIL \"g\" NIL)) NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL NIL ((NIL NIL NIL \"host\")) NIL NIL NIL NIL NIL NIL NIL)",
		"(\"text\" \"plain\")",
		"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 2)",
		"(\"text\" \"plain\" NIL NIL NIL NIL 10 2 NIL NIL NIL NIL)",
		"(\"text\" \"plain\" () NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)",
		"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 4294967296 2 NIL NIL NIL NIL)",
		"(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)\r\na1 OK",
		"(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL ",
		"(\"a\" \"b\" NIL NIL NIL {9}\r\n7bit 1)",
	};
	(void)state;
	struct buf out BUF_AUTO, deep BUF_AUTO;
	buf_init(&out, 10000);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(show_envelope(str_from(texts[i]), &out), E_INVALID);
		assert_int_equal(show_structure(str_from(texts[i]), &out), E_INVALID);
	}
	buf_init(&deep, 1 << 20);
	while (!deep.failed)
		buf_add_byte(&deep, '(');
	assert_int_equal(show_structure(buf_str(&deep), &out), E_INVALID);
	assert_int_equal(out.len, 0);
}

/* What is shown, taken for text of an earlier version, is shown as the same again. */
static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		struct str raw = STR_OF(corpus[i].raw, corpus[i].len);
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		const Pk__Description *d = mail_describe(raw, arena);
		assert_non_null(d);
		struct buf shown BUF_AUTO, again BUF_AUTO;
		buf_init(&shown, 1 << 24);
		buf_init(&again, 1 << 24);
		render_envelope(&shown, d);
		assert_int_equal(show_envelope(buf_str(&shown), &again), 0);
		assert_true(str_eq(buf_str(&shown), buf_str(&again)));
		buf_clear(&shown);
		buf_clear(&again);
		assert_true(render_structure(&shown, d, true));
		/* Earlier versions showed what is in a message/global. */
		if (str_find(buf_str(&shown), STR("\"message\" \"global\"")) < 0) {
			if (show_structure(buf_str(&shown), &again) != 0)
				fail_msg("%s: %.*s", corpus[i].name, STR_ARG(buf_str(&shown)));
			assert_true(str_eq(buf_str(&shown), buf_str(&again)));
		}
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
