#include "mail/envelope.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "grammar.h"

/* The envelope of raw as the IMAP front shows it */
static void render(struct buf *out, struct str raw)
{
	struct arena *arena = arena_new(16 << 20);
	struct mail_tree tree;
	struct mail_builder b;
	Pk__Envelope envelope;
	assert_int_equal(mail_scan(raw, arena, &tree), 0);
	mail_builder_init(&b, arena);
	mail_envelope_build(&b, raw, &tree.parts[0], &envelope);
	mail_builder_done(&b);
	assert_false(b.full);
	imap_write_envelope(out, &envelope);
	arena_free(arena);
	const char *why = check_envelope(buf_str(out));
	if (why != NULL)
		fail_msg("%s: %.*s", why, (int)out->len, out->ptr);
}

static void test_render(void **state)
{
	static const struct {
		const char *raw, *out;
	} cases[] = {
		{"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
		/* RFC 9051 section 8, the example session */
		{"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	     "From: Terry Gray <gray@cac.washington.edu>\r\n"
	     "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
	     "To: imap@cac.washington.edu\r\n"
	     "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
	     "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n",
	     "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\""
	     " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	     " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	     " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	     " ((NIL NIL \"imap\" \"cac.washington.edu\"))"
	     " ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" "
	     "\"MIT.EDU\"))"
	     " NIL NIL \"<B27397-0100000@cac.washington.edu>\")"},
		{"Subject:\r\nDate: \r\nMessage-ID:\r\n\r\n",
	     "(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL \"\")"},
		{"Subject: say \"hi\" \\ there\r\n\r\n",
	     "(NIL \"say \\\"hi\\\" \\\\ there\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"Subject: gr\xc3\xbc\xc3\x9f"
	     "e\r\n\r\n",
	     "(NIL {7}\r\ngr\xc3\xbc\xc3\x9f"
	     "e NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"Subject: one\r\n two\r\n\tthree\r\nSubject: other\r\n\r\n",
	     "(NIL \"one two\tthree\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"From: a@b\r\nSender: s@b\r\nReply-To: \r\n\r\n",
	     "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL "
	     "NIL NIL NIL)"},
		{"From: a@b\r\nFrom: c@d\r\nTo: e@f\r\nTo: g@h\r\n\r\n",
	     "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\"))"
	     " ((NIL NIL \"e\" \"f\")(NIL NIL \"g\" \"h\")) NIL NIL NIL NIL)"},
		{"To: friends: a@b, c;\r\nCc: none:;\r\nBcc: open: x@y\r\n\r\n",
	     "(NIL NIL NIL NIL NIL ((NIL NIL \"friends\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"\")"
	     "(NIL NIL NIL NIL)) ((NIL NIL \"none\" NIL)(NIL NIL NIL NIL)) ((NIL NIL \"open\" NIL)"
	     "(NIL NIL \"x\" \"y\")(NIL NIL NIL NIL)) NIL NIL)"},
		{"To: <@r.test:a@b>, <>\r\n\r\n", "(NIL NIL NIL NIL NIL ((NIL \"@r.test\" \"a\" \"b\")(NIL "
	                                      "NIL \"\" \"\")) NIL NIL NIL NIL)"},
		{"To: =?utf-8?q?J=C3=BCrgen?= <j@x>\r\nIn-Reply-To: <a@b>\r\n <c@d>\r\n\r\n",
	     "(NIL NIL NIL NIL NIL ((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"j\" \"x\")) NIL NIL"
	     " \"<a@b> <c@d>\" NIL)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		render(&out, str_from(cases[i].raw));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].out);
	}
}

/* Headers that would make an envelope many times their size: it stays valid and bounded. */
static void test_budget(void **state)
{
	static const char *const pieces[] = {"a,", "g:a;", "a:", "\"\\\"\" <\xc3\xbc@>,",
	                                     "<@a,@b:c@d>,"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct buf raw BUF_AUTO, out BUF_AUTO;
		buf_init(&raw, 900 * 1024);
		buf_init(&out, 64 * 1024 * 1024);
		buf_add_text(&raw, "From: ");
		while (!raw.failed)
			buf_add_text(&raw, pieces[i]);
		render(&out, buf_str(&raw));
		assert_false(out.failed);
		assert_true(out.len < 6 * MAIL_BUILD_BUDGET);
	}
	struct buf raw BUF_AUTO, out BUF_AUTO;
	buf_init(&raw, 2 * 1024 * 1024);
	buf_init(&out, 64 * 1024 * 1024);
	buf_add_text(&raw, "To: a@b\r\nSubject: ");
	while (!raw.failed)
		buf_add_text(&raw, "0123456789abcdef");
	render(&out, buf_str(&raw));
	assert_true(out.len < 2 * MAIL_BUILD_BUDGET);
}

static void test_nul_and_controls(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	render(&out, STR("Subject: a\0b\rc\x01\r\nTo: \"\0\xff\" <x\0@\0>\r\n\r\n"));
	assert_null(memchr(out.ptr, '\0', out.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_nul_and_controls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
