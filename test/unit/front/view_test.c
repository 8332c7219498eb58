#include "front/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"

/* What a view tells, as "k" for keywords, "-3" for the message of that number gone, "r" for \Recent, "+" for
 * more messages, "=2:7" for number and UID of one whose flags come. */
static void keywords(void *ctx)
{
	buf_add_text(ctx, "k ");
}

static void expunged(void *ctx, uint32_t seq)
{
	buf_addf(ctx, "-%u ", seq);
}

static void recent(void *ctx)
{
	buf_add_text(ctx, "r ");
}

static void grown(void *ctx)
{
	buf_add_text(ctx, "+ ");
}

static void row(void *ctx, uint32_t seq, const Pk__FetchRow *message)
{
	buf_addf(ctx, "=%u:%u ", seq, message->uid);
}

static const struct view_events events = {keywords, expunged, recent, grown, row};

struct rig {
	struct view *view;
	struct buf told;
	struct view_listener listener;
};

/* UIDs 10 to 14, of which 13 and 14 are recent, at modseq 100. */
static int set_up(void **state)
{
	struct rig *rig = mem_new(sizeof(*rig));
	Pk__UidRange range = PK__UID_RANGE__INIT;
	Pk__UidRange *ranges[] = {&range};
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	range.first = 10;
	range.last = 14;
	reply.folder = 3;
	reply.uids = ranges;
	reply.n_uids = 1;
	reply.uid_next = 15;
	reply.recent_from = 13;
	reply.highest_modseq = 100;
	rig->view = view_new(&reply, STR("INBOX"), false);
	buf_init(&rig->told, 1000);
	rig->listener = (struct view_listener){&events, &rig->told, true};
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	view_free(rig->view);
	buf_done(&rig->told);
	free(rig);
	return 0;
}

static void expect(struct rig *rig, const char *told)
{
	buf_add_byte(&rig->told, '\0');
	assert_string_equal(rig->told.ptr, told);
	buf_clear(&rig->told);
}

static void expunge(struct rig *rig, uint32_t first, uint32_t last)
{
	Pk__UidRange range = PK__UID_RANGE__INIT;
	Pk__UidRange *ranges[] = {&range};
	range.first = first;
	range.last = last;
	view_expunged(rig->view, ranges, 1, &rig->listener);
}

static void change(struct rig *rig, uint32_t uid, uint64_t modseq, const char *keyword)
{
	char *names[] = {(char *)(uintptr_t)keyword};
	Pk__FetchRow message = PK__FETCH_ROW__INIT;
	Pk__FetchRow *rows[] = {&message};
	Pk__ChangesReply reply = PK__CHANGES_REPLY__INIT;
	message.uid = uid;
	message.modseq = modseq;
	message.keywords = names;
	message.n_keywords = keyword == NULL ? 0 : 1;
	reply.changed = rows;
	reply.n_changed = 1;
	reply.highest_modseq = modseq;
	reply.recent_from = uid;
	view_changes(rig->view, &reply, &rig->listener);
}

static void numbers_fall_from_the_highest(void **state)
{
	struct rig *rig = *state;
	assert_int_equal(view_recent(rig->view), 2);
	expunge(rig, 11, 12);
	expect(rig, "-3 -2 ");
	expunge(rig, 1, 9); /* nobody knows them */
	expect(rig, "");
	expunge(rig, 14, 14);
	expect(rig, "-3 r ");
	assert_int_equal(view_recent(rig->view), 1);
}

static void what_is_gone_waits_for_its_time(void **state)
{
	struct rig *rig = *state;
	rig->listener.may_expunge = false;
	expunge(rig, 10, 10);
	change(rig, 12, 101, NULL);
	expect(rig, "=3:12 "); /* as it is numbered still */
	rig->listener.may_expunge = true;
	change(rig, 15, 102, NULL);
	expect(rig, "-1 + ");
	assert_true(view_is_recent(rig->view, 15));
	assert_int_equal(uidmap_seq(&rig->view->map, 15), 5);
}

static void what_was_shown_is_not_told_again(void **state)
{
	struct rig *rig = *state;
	view_showed(rig->view, 11, 105);
	change(rig, 11, 105, NULL);
	expect(rig, "");
	change(rig, 11, 106, NULL);
	expect(rig, "=2:11 ");
}

static void a_keyword_comes_before_who_has_it(void **state)
{
	struct rig *rig = *state;
	change(rig, 11, 101, "work");
	expect(rig, "k =2:11 ");
	change(rig, 12, 102, "work");
	expect(rig, "=3:12 ");
}

static void the_question_begins_where_the_client_is(void **state)
{
	struct rig *rig = *state;
	rig->view->dirty = true;
	view_saw(rig->view, 120); /* others' changes before it have not been told */
	const Pk__ChangesRequest *request = (const Pk__ChangesRequest *)view_ask(rig->view);
	assert_int_equal(request->folder, 3);
	assert_int_equal(request->since_modseq, 100);
	assert_true(request->claim_recent);
	assert_false(rig->view->dirty);
	view_saw(rig->view, 120);
	request = (const Pk__ChangesRequest *)view_ask(rig->view);
	assert_int_equal(request->since_modseq, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_fall_from_the_highest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_gone_waits_for_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_shown_is_not_told_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_keyword_comes_before_who_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_question_begins_where_the_client_is, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
