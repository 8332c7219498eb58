#include "fixture.h"

/* What a store tells of mail that waits: how far it is, that some of it is missing, that it is over. */

struct told {
	struct fixture *f;
	struct link *store;
	char *mailbox;
};

/* Returns how much is said to be lost. */
static uint64_t tell(struct told *told, Pk__WaitingState *waiting)
{
	Pk__MailboxStates request = PK__MAILBOX_STATES__INIT, *reply;
	waiting->mailbox = told->mailbox;
	request.waiting = &waiting;
	request.n_waiting = 1;
	assert_int_equal(ask(told->f, told->store, METHOD(MAILBOX_STATE_SET), &request,
	                     &pk__mailbox_states__descriptor, &reply),
	                 0);
	assert_in_range(reply->n_waiting, 0, 1);
	uint64_t lost = reply->n_waiting == 0 ? 0 : reply->waiting[0]->lost;
	drop(reply);
	return lost;
}

static uint64_t tell_rows(struct told *told, uint64_t file, uint64_t opened, uint64_t since,
                          uint64_t rows)
{
	Pk__WaitingState waiting = PK__WAITING_STATE__INIT;
	waiting.file = file;
	waiting.opened = opened;
	waiting.since = since;
	waiting.rows = rows;
	return tell(told, &waiting);
}

static void tell_over(struct told *told, uint64_t file)
{
	Pk__WaitingState waiting = PK__WAITING_STATE__INIT;
	waiting.file = file;
	waiting.over = true;
	assert_int_equal(tell(told, &waiting), 0);
}

/* What is known: the number of files, rows and what is lost of the first. */
static size_t known(struct told *told, uint64_t *ret_rows, uint64_t *ret_lost)
{
	Pk__MailboxStateRequest request = PK__MAILBOX_STATE_REQUEST__INIT;
	Pk__MailboxState *reply;
	request.mailbox = told->mailbox;
	assert_int_equal(ask(told->f, told->store, METHOD(MAILBOX_STATE_GET), &request,
	                     &pk__mailbox_state__descriptor, &reply),
	                 0);
	assert_false(reply->known); /* that is another row */
	size_t count = reply->n_waiting;
	*ret_rows = count == 0 ? 0 : reply->waiting[0]->rows;
	*ret_lost = count == 0 ? 0 : reply->waiting[0]->lost;
	drop(reply);
	return count;
}

static void assert_known(struct told *told, size_t count, uint64_t rows, uint64_t lost)
{
	uint64_t has_rows, has_lost;
	assert_int_equal(known(told, &has_rows, &has_lost), count);
	assert_int_equal(has_rows, rows);
	assert_int_equal(has_lost, lost);
}

static void rows(void **state)
{
	struct told told = {.f = *state};
	Pk__PasswordReply *first = make_mailbox(told.f, "hello@example.test");
	told.store = connect_as(told.f, "store");
	told.mailbox = first->mailbox;
	assert_known(&told, 0, 0, 0);
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 3), 0);
	assert_known(&told, 1, 3, 0);
	/* More, the same again, and what comes late. */
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 8), 0);
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 8), 0);
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 4), 0);
	assert_known(&told, 1, 8, 0);
	/* Opened again, with all that was told, and with more. */
	assert_int_equal(tell_rows(&told, 5, 2000, 8, 9), 0);
	assert_int_equal(tell_rows(&told, 5, 3000, 12, 13), 0);
	assert_known(&told, 1, 13, 0);
	/* Of an earlier time: that was so, and is not any more. */
	assert_int_equal(tell_rows(&told, 5, 2000, 8, 10), 0);
	assert_known(&told, 1, 13, 0);
	/* Opened with less; what is added then hides nothing. */
	assert_int_equal(tell_rows(&told, 5, 4000, 2, 3), 11);
	assert_known(&told, 1, 3, 11);
	assert_int_equal(tell_rows(&told, 5, 4000, 2, 40), 0);
	assert_int_equal(tell_rows(&told, 5, 5000, 39, 41), 1);
	assert_known(&told, 1, 41, 12);
	/* Another file says nothing of this one. */
	assert_int_equal(tell_rows(&told, 6, 6000, 0, 1), 0);
	assert_known(&told, 2, 41, 12);
	tell_over(&told, 5);
	tell_over(&told, 5);
	assert_known(&told, 1, 1, 0);
	/* A mailbox that the directory does not have. */
	told.mailbox = (char *)(uintptr_t) "00112233445566778899aabb";
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 3), 0);
	assert_known(&told, 0, 0, 0);
	link_free(told.store);
	drop(first);
}

/* With the mailbox they go. */
static void removed(void **state)
{
	struct told told = {.f = *state};
	Pk__PasswordReply *first = make_mailbox(told.f, "hello@example.test");
	told.store = connect_as(told.f, "store");
	told.mailbox = first->mailbox;
	assert_int_equal(tell_rows(&told, 5, 1000, 0, 3), 0);
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	void *reply;
	request.address = first->address;
	assert_int_equal(ask(told.f, told.f->cli, METHOD(ALIAS_REMOVE), &request,
	                     &pk__alias_reply__descriptor, &reply),
	                 0);
	drop(reply);
	assert_known(&told, 0, 0, 0);
	link_free(told.store);
	drop(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removed, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
