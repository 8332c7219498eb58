#include "rig.h"

/* No file is opened that is not compared with what the directory says, and what a file has by then is told. */

static int open_error(struct harness *h, struct owner *owner)
{
	int error;
	Pk__OpenReply *reply = try_open(h, h->link, owner, &error);
	if (reply != NULL)
		FREE(reply);
	return error;
}

/* A mailbox of one message, whose file is closed and the directory told. */
static void with_a_message(struct rig *rig, struct owner *owner)
{
	struct harness *h = rig->h;
	create_mailbox(h, owner);
	append(h, open_session(h, owner), "INBOX", str_from(hello), NULL);
	WAIT_FOR(h, rig->told > 0 && rig->state.messages == 1);
	harness_restart(h);
}

/* Nobody says what it should have: the answer is one for the time being, for who logs in and who looks
 * after it, and mail waits. */
static void test_away(void **state)
{
	struct rig *rig = *state;
	struct harness *h = rig->h;
	struct owner owner;
	bool sealed = false;
	with_a_message(rig, &owner);
	rig->error = E_UNAVAILABLE;
	unsigned asked = rig->asked;
	assert_int_equal(open_error(h, &owner), E_UNAVAILABLE);
	Pk__VerifyRequest verify = PK__VERIFY_REQUEST__INIT;
	verify.mailbox = owner.mailbox;
	verify.mailbox_secret = bytes_from(owner.secret.bytes, KEY_SIZE);
	verify.key_record = bytes_from(owner.record.ptr, owner.record.len);
	int error;
	assert_null(CALL(h, VERIFY, verify, verify_reply, &error));
	assert_int_equal(error, E_UNAVAILABLE);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, &sealed), 0);
	assert_true(sealed);
	assert_int_equal(rig->asked, asked + 2); /* a delivery opens nothing */
	rig->error = 0;
	assert_int_equal(open_error(h, &owner), 0);
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

struct waiting {
	bool done;
	int error;
};

static void opened(void *ctx, int error, struct str text, struct str body)
{
	struct waiting *waiting = ctx;
	(void)text;
	(void)body;
	waiting->done = true;
	waiting->error = error;
}

/* A directory that does not answer holds up nobody who stops. */
static void test_silent(void **state)
{
	struct rig *rig = *state;
	struct harness *h = rig->h;
	struct owner owner;
	struct waiting waiting = {0};
	with_a_message(rig, &owner);
	rig->silent = true;
	h->stopped = false;
	unsigned asked = rig->asked;
	Pk__OpenRequest request = PK__OPEN_REQUEST__INIT;
	request.mailbox = owner.mailbox;
	request.mailbox_secret = bytes_from(owner.secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner.record.ptr, owner.record.len);
	request.service = text_from("cli");
	request.public_key = bytes_from(owner.public_key, SEAL_PUBLIC_SIZE);
	const struct link_request call = {.method = PK__STORE_METHOD__STORE_OPEN,
	                                  .body = &request.base,
	                                  .ctx = &waiting,
	                                  .reply = opened};
	link_call(h->link, &call);
	WAIT_FOR(h, rig->asked == asked + 1);
	assert_false(waiting.done);
	int64_t begun = clock_monotonic_ms();
	store_stop(h->store, harness_stopped, h);
	WAIT_FOR(h, h->stopped && waiting.done);
	assert_in_range(clock_monotonic_ms() - begun, 0,
	                8000); /* by itself it would be given up later */
	assert_int_equal(waiting.error, E_UNAVAILABLE);
	link_free(h->link);
	core_server_free(h->server);
	store_free(h->store);
	rig->silent = false;
	harness_up(h);
	assert_int_equal(open_error(h, &owner), 0);
	owner_done(&owner);
}

/* The file has less than what is said, in each of the numbers; as much or more is right. */
static void test_less(void **state)
{
	struct rig *rig = *state;
	struct harness *h = rig->h;
	struct owner owner;
	with_a_message(rig, &owner);
	const Pk__MailboxState right = rig->state;
	h->log.level = LOG_LEVEL_ERROR + 1;
	for (unsigned i = 0; i < 6; i++) {
		rig->state = right;
		rig->state.generation += i == 0;
		rig->state.uid_validity += i == 1;
		rig->state.modseq += i == 2;
		rig->state.uids += i == 3;
		rig->state.messages += i == 4;
		rig->state.messages -= i == 5;
		assert_int_equal(open_error(h, &owner), E_CORRUPT);
	}
	rig->state = right;
	rig->state.modseq--;
	assert_int_equal(open_error(h, &owner), 0);
	assert_sound(h, &owner, 1);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_away), TEST(test_silent), TEST(test_less)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
