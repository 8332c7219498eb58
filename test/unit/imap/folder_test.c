#include "imap/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static struct view *make_folder(uint32_t first, uint32_t last, uint32_t recent_from)
{
	Pk__UidRange a = PK__UID_RANGE__INIT;
	a.first = first;
	a.last = last;
	Pk__UidRange *ranges[] = {&a};
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	reply.uids = ranges;
	reply.n_uids = 1;
	reply.uid_next = last + 1;
	reply.recent_from = recent_from;
	reply.highest_modseq = 100;
	return view_new(&reply, STR("INBOX"), false);
}

static void expect(struct buf *out, const char *text)
{
	buf_add_byte(out, '\0');
	assert_string_equal(out->ptr, text);
	buf_clear(out);
}

static struct view_listener listener_to(struct imap_untagged *to, const struct view *folder,
                                        struct buf *out, bool may_expunge, bool condstore)
{
	*to = (struct imap_untagged){folder, out, condstore};
	return imap_untagged(to, may_expunge);
}

static void test_changes(void **state)
{
	(void)state;
	struct view *folder = make_folder(10, 14, 14);
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	struct imap_untagged to;
	struct view_listener listener = listener_to(&to, folder, &out, true, false);

	Pk__UidRange gone = PK__UID_RANGE__INIT;
	gone.first = 11;
	gone.last = 12;
	Pk__UidRange *expunged[] = {&gone};
	Pk__FetchRow seen = PK__FETCH_ROW__INIT, second = PK__FETCH_ROW__INIT,
				 first = PK__FETCH_ROW__INIT;
	seen.uid = 13;
	seen.flags = PK__FLAG__FLAG_SEEN;
	seen.modseq = 103;
	first.uid = 15;
	second.uid = 16;
	Pk__FetchRow *changed[] = {&second, &seen, &first}; /* in no order */
	Pk__ChangesReply reply = PK__CHANGES_REPLY__INIT;
	char *keywords[] = {(char *)"work"};
	reply.keywords = keywords;
	reply.n_keywords = 1;
	reply.expunged = expunged;
	reply.n_expunged = 1;
	reply.changed = changed;
	reply.n_changed = 3;
	reply.recent_from = 15;
	reply.highest_modseq = 103;
	view_changes(folder, &reply, &listener);
	expect(&out, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n"
	             "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] "
	             "Any keyword\r\n"
	             "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n"
	             "* 5 EXISTS\r\n* 3 RECENT\r\n"
	             "* 2 FETCH (UID 13 FLAGS (\\Seen))\r\n");
	assert_int_equal(folder->seen_modseq, 103);
	/* The same again tells nothing new but the flags. */
	reply.n_keywords = 0;
	listener = listener_to(&to, folder, &out, true, true);
	view_changes(folder, &reply, &listener);
	expect(&out, "* 5 FETCH (UID 16 MODSEQ (0) FLAGS (\\Recent))\r\n"
	             "* 2 FETCH (UID 13 MODSEQ (103) FLAGS (\\Seen))\r\n"
	             "* 4 FETCH (UID 15 MODSEQ (0) FLAGS (\\Recent))\r\n");
	view_free(folder);
}

/* While numbers must not change, what is gone stays countable, and is told of later. */
static void test_expunge_is_held_back(void **state)
{
	(void)state;
	struct view *folder = make_folder(1, 5, 0);
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	Pk__UidRange gone = PK__UID_RANGE__INIT;
	gone.first = 2;
	gone.last = 3;
	Pk__UidRange *expunged[] = {&gone};
	struct imap_untagged to;
	struct view_listener listener = listener_to(&to, folder, &out, false, false);
	view_expunged(folder, expunged, 1, &listener);
	assert_int_equal(out.len, 0);
	assert_int_equal(uidmap_messages(&folder->map), 5);
	listener.may_expunge = true;
	view_expunged(folder, NULL, 0, &listener);
	expect(&out, "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n");
	assert_int_equal(uidmap_messages(&folder->map), 3);
	view_free(folder);
}

static void test_modseq_of_own_changes(void **state)
{
	(void)state;
	struct view *folder = make_folder(1, 5, 0);
	view_saw(folder, 105);
	assert_int_equal(folder->seen_modseq, 105);
	view_saw(folder, 104);
	assert_int_equal(folder->seen_modseq, 105);
	folder->dirty = true; /* somebody else's 106 has not been asked for */
	view_saw(folder, 107);
	assert_int_equal(folder->seen_modseq, 105);
	view_free(folder);
}

/* After an APPEND with APPENDUID, when the store could not say what is new: that is no "no such". */
static void test_uids_of_a_folder_that_is_behind(void **state)
{
	(void)state;
	static const struct {
		const char *set;
		int error;
	} cases[] = {{"15", E_UNAVAILABLE}, {"5", 0}, {"14:15", 0}, {"*", 0}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view *folder = make_folder(10, 14, 0);
		struct arena *arena = arena_new(100000);
		struct cursor c = cursor_of(str_from(cases[i].set));
		struct seqset set;
		Pk__UidRange **uids;
		size_t count = 0;
		folder->dirty = folder->behind = true;
		assert_int_equal(seqset_parse(&c, arena, &set), 0);
		assert_int_equal(imap_folder_uids(folder, &set, true, arena, &uids, &count),
		                 cases[i].error);
		view_free(folder);
		arena_free(arena);
	}
}

static void test_uids(void **state)
{
	(void)state;
	static const struct {
		const char *set;
		bool uid;
		int error;
		const char *ranges;
	} cases[] = {
		{"1:*", false, 0, "10:14"},    {"2,4", false, 0, "11,13"}, {"6", false, E_INVALID, ""},
		{"1:6", false, E_INVALID, ""}, {"1:*", true, 0, "1:14"},   {"12:99", true, 0, "12:14"},
		{"99:*", true, 0, "14"},       {"1:5", true, 0, ""},       {"*", true, 0, "14"},
		{"15", true, 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view *folder = make_folder(10, 14, 0);
		struct arena *arena = arena_new(100000);
		struct cursor c = cursor_of(str_from(cases[i].set));
		struct seqset set;
		assert_int_equal(seqset_parse(&c, arena, &set), 0);
		Pk__UidRange **uids;
		size_t count = 0;
		int error = imap_folder_uids(folder, &set, cases[i].uid, arena, &uids, &count);
		assert_int_equal(error, cases[i].error);
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		for (size_t n = 0; error == 0 && n < count; n++) {
			struct seq_range range = {uids[n]->first, uids[n]->last};
			if (n > 0)
				buf_add_byte(&out, ',');
			seq_ranges_format(&out, &range, 1);
		}
		expect(&out, cases[i].ranges);
		view_free(folder);
		arena_free(arena);
	}
}

/* The difference between what the client knows and another SELECT. */
static void test_reselected(void **state)
{
	(void)state;
	static const struct {
		struct seq_range there[3];
		size_t count;
		const char *told;
	} cases[] = {
		{{{10, 14}}, 1, ""},
		{{{0, 0}},
	     0,
	     "* 5 EXPUNGE\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n"},
		{{{12, 12}, {14, 14}}, 2, "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n"},
		{{{10, 16}}, 1, "* 7 EXISTS\r\n* 2 RECENT\r\n"},
		{{{11, 13}, {20, 21}}, 2, "* 5 EXPUNGE\r\n* 1 EXPUNGE\r\n* 5 EXISTS\r\n* 2 RECENT\r\n"},
		{{{30, 30}},
	     1,
	     "* 5 EXPUNGE\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n"
	     "* 1 EXISTS\r\n* 1 RECENT\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view *folder = make_folder(10, 14, 0);
		struct arena *arena = arena_new(100000);
		Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
		reply.uids = imap_uid_ranges(arena, cases[i].there, cases[i].count);
		reply.n_uids = cases[i].count;
		reply.recent_from = 15;
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		struct imap_untagged to;
		struct view_listener listener = listener_to(&to, folder, &out, true, false);
		view_reselected(folder, &reply, &listener);
		expect(&out, cases[i].told);
		view_free(folder);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_expunge_is_held_back),
		cmocka_unit_test(test_modseq_of_own_changes),
		cmocka_unit_test(test_uids),
		cmocka_unit_test(test_uids_of_a_folder_that_is_behind),
		cmocka_unit_test(test_reselected),
	};
	return cmocka_run_group_tests_name("imap/folder", tests, NULL, NULL);
}
