#include "imap/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

/* Messages 10, 11, 12, 20, 21 of which 20 and 21 are recent. */
static struct view *make_folder(void)
{
	Pk__UidRange a = PK__UID_RANGE__INIT, b = PK__UID_RANGE__INIT;
	a.first = 10;
	a.last = 12;
	b.first = 20;
	b.last = 21;
	Pk__UidRange *ranges[] = {&a, &b};
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	reply.uids = ranges;
	reply.n_uids = 2;
	reply.uid_next = 22;
	reply.recent_from = 20;
	return view_new(&reply, STR("INBOX"), false);
}

/* The tree as text: "and(flags 1, uids 10:12)". Recursive: the parser has bounded the depth. */
static void print(struct buf *out, const Pk__SearchKey *key)
{
	static const char *const names[] = {
		"all",        "and",       "or",        "not",      "uids",        "set",     "clear",
		"keyword",    "unkeyword", "recent",    "old",      "before",      "on",      "since",
		"sentbefore", "senton",    "sentsince", "larger",   "smaller",     "header",  "from",
		"to",         "cc",        "bcc",       "subject",  "body",        "text",    "modseq",
		"younger",    "older",     "emailid",   "threadid", "savedbefore", "savedon", "savedsince",
	};
	buf_add_text(out, names[key->type]);
	if (key->field[0] != '\0')
		buf_addf(out, " %s:", key->field);
	if (key->text[0] != '\0')
		buf_addf(out, " '%s'", key->text);
	if (key->number != 0)
		buf_addf(out, " %d", (int)key->number);
	for (size_t i = 0; i < key->n_uids; i++)
		buf_addf(out, " %u:%u", key->uids[i]->first, key->uids[i]->last);
	if (key->n_keys == 0)
		return;
	buf_add_byte(out, '(');
	for (size_t i = 0; i < key->n_keys; i++) {
		if (i > 0)
			buf_add_text(out, ", ");
		print(out, key->keys[i]);
	}
	buf_add_byte(out, ')');
}

static bool parse(struct str text, struct buf *out, const char **ret_error)
{
	struct view *folder = make_folder();
	struct arena *arena = arena_new(4 * 1024 * 1024);
	struct imap_parse in = {.c = cursor_of(text), .arena = arena};
	struct search search;
	bool ok = search_parse(&in, folder, &search) && imap_end(&in);
	if (ok && search.key != NULL)
		print(out, search.key);
	if (ok && search.bad_charset)
		buf_add_text(out, "charset");
	*ret_error = in.error;
	view_free(folder);
	arena_free(arena);
	return ok;
}

static const struct {
	const char *text, *tree; /* NULL: an error */
} cases[] = {
	{" ALL", "and(all)"},
	{" seen", "and(set 1)"},
	{" UNSEEN DELETED", "and(clear 1, set 8)"},
	{" 1", "and(uids 10:10)"},
	{" 1:*", "and(uids 10:21)"},
	{" 2,4:9", "and(uids 11:11 20:21)"},
	{" 77", "and(uids)"},
	{" UID 11:20", "and(uids 11:20)"},
	{" UID 300:*", "and(uids 21:21)"},
	{" RECENT", "and(uids 20:21)"},
	{" NEW", "and(and(uids 20:21, clear 1))"},
	{" OLD", "and(not(uids 20:21))"},
	{" NOT SEEN", "and(not(set 1))"},
	{" NOT NOT NOT SEEN", "and(not(not(not(set 1))))"},
	{" OR SEEN FLAGGED", "and(or(set 1, set 4))"},
	{" OR NOT SEEN OR ALL DRAFT ANSWERED", "and(or(not(set 1), or(all, set 16)), set 2)"},
	{" (SEEN)", "and(and(set 1))"},
	{" (SEEN (DRAFT ALL)) ALL", "and(and(set 1, and(set 16, all)), all)"},
	{" OR (SEEN DRAFT) (NOT (ALL))", "and(or(and(set 1, set 16), and(not(and(all)))))"},
	{" NOT (OR SEEN DRAFT)", "and(not(and(or(set 1, set 16))))"},
	{" SUBJECT \"Gr\xc3\xbc\xc3\x9f"
     "e\"",
     "and(subject 'gr\xc3\xbcsse')"},
	{" FROM {3}\r\nAbC", "and(from 'abc')"},
	{" TEXT \"two  words\tmore\"", "and(text 'two words more')"},
	{" HEADER Message-ID <X@y>", "and(header message-id: '<x@y>')"},
	{" HEADER X \"\"", "and(header x:)"},
	{" KEYWORD $Junk UNKEYWORD x", "and(keyword '$Junk', unkeyword 'x')"},
	{" SINCE 2-Jan-1970 BEFORE 3-Jan-1970", "and(since 1, before 2)"},
	{" LARGER 10 SMALLER 20", "and(larger 10, smaller 20)"},
	{" YOUNGER 60 OLDER 3600", "and(younger 60, older 3600)"},
	{" MODSEQ 99", "and(modseq 99)"},
	{" MODSEQ \"/flags/\\\\draft\" all 99", "and(modseq 99)"},
	{" CHARSET UTF-8 ALL", "and(all)"},
	{" CHARSET us-ascii ALL", "and(all)"},
	{" CHARSET KOI8-R SUBJECT {3}\r\n\xff\xfe\xfd", "charset"},
	{" RETURN (MIN MAX) ALL", "and(all)"},
	{" RETURN () ALL", "and(all)"},
	{"", NULL},
	{" ", NULL},
	{" NONSENSE", NULL},
	{" SEEN ", NULL},
	{" NOT", NULL},
	{" NOT ", NULL},
	{" NOT(SEEN)", NULL},
	{" OR SEEN", NULL},
	{" OR SEEN ", NULL},
	{" ()", NULL},
	{" (SEEN", NULL},
	{" (SEEN ", NULL},
	{" SEEN)", NULL},
	{" (SEEN))", NULL},
	{" ( SEEN)", NULL},
	{" (NOT)", NULL},
	{" SUBJECT", NULL},
	{" SUBJECT ", NULL},
	{" LARGER x", NULL},
	{" LARGER -1", NULL},
	{" SINCE yesterday", NULL},
	{" HEADER x", NULL},
	{" UID", NULL},
	{" UID x", NULL},
	{" $", NULL},
	{" CHARSET", NULL},
	{" CHARSET UTF-8", NULL},
	{" RETURN (X) ALL", NULL},
	{" RETURN ALL", NULL},
	{" SEENX", NULL},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 100000);
		const char *error;
		struct str text = str_from(cases[i].text);
		bool ok = parse(text, &out, &error);
		assert_int_equal(ok, cases[i].tree != NULL);
		if (ok) {
			buf_add_byte(&out, '\0');
			assert_string_equal(out.ptr, cases[i].tree);
		}
		for (size_t len = 0; len < text.len; len++) {
			char *copy MEM_AUTO = str_dup(str_slice(text, 0, len));
			buf_clear(&out);
			(void)parse(STR_OF(copy, len), &out, &error);
		}
	}
}

/* times repetitions of piece between a head and a tail. */
static bool repeated(const char *head, const char *piece, int times, const char *tail,
                     const char **ret_error)
{
	struct buf text BUF_AUTO, out BUF_AUTO;
	buf_init(&text, 1000000);
	buf_init(&out, 1000000);
	buf_add_text(&text, head);
	for (int i = 0; i < times; i++)
		buf_add_text(&text, piece);
	buf_add_text(&text, tail);
	return parse(buf_str(&text), &out, ret_error);
}

static void test_limits(void **state)
{
	(void)state;
	const char *error;
	assert_true(repeated(" ", "NOT ", SEARCH_DEPTH_MAX - 1, "SEEN", &error));
	assert_false(repeated(" ", "NOT ", SEARCH_DEPTH_MAX, "SEEN", &error));
	assert_string_equal(error, "Search nested too deeply");
	assert_false(repeated(" ", "(", 60000, "SEEN", &error));
	assert_string_equal(error, "Search nested too deeply");
	assert_true(repeated(" ", "ALL ", 4000, "ALL", &error));
	assert_false(repeated(" ", "ALL ", 5000, "ALL", &error));
	assert_string_equal(error, "Search too large");
	assert_false(repeated(" SUBJECT \"", "x", SEARCH_TEXT_MAX + 1, "\"", &error));
	assert_string_equal(error, "String to search for is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests_name("imap/search_parse", tests, NULL, NULL);
}
