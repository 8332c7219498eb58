#include "harness.h"

/* The way of a message, from CREATE to FETCH, over the link. */

static const char hello[] = "From: a@example.test\r\nSubject: Hello\r\n\r\nHello, world.\r\n";

static void test_first_message(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	Pk__SelectReply *inbox = select_folder(h, session, "inbox");
	assert_int_equal(inbox->n_uids, 0);
	assert_int_equal(inbox->uid_next, 1);
	uint64_t folder = inbox->folder;
	FREE(inbox);
	assert_int_equal(append(h, session, "INBOX", str_from(hello), NULL), 1);
	assert_body(h, session, folder, 1, str_from(hello));
	close_session(h, session);
	assert_sound(h, &owner, 1);
	owner_done(&owner);
}

static void test_delivery_to_open_and_away(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	bool sealed;
	create_mailbox(h, &owner);
	harness_restart(h);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, &sealed), 0);
	assert_true(sealed);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, &sealed), 0);
	int error;
	Pk__OpenReply *open = try_open(h, h->link, &owner, &error);
	assert_int_equal(error, 0);
	assert_int_equal(open->merged, 1);
	uint64_t session = open->session;
	FREE(open);
	uint64_t folder = folder_id(h, session, "INBOX");
	assert_body(h, session, folder, 1, str_from(hello));
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, &sealed), 0);
	assert_false(sealed);
	assert_int_equal(h->changed_events, 0); /* a repeat adds nothing */
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdeF", NULL, &sealed), 0);
	WAIT_FOR(h, h->changed_events == 1);
	assert_int_equal(h->changed_folder, folder);
	assert_int_equal(h->changed_sessions, 1);
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

static void test_folder_list(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = open_session(h, &owner);
	int error;
	Pk__FolderListReply *list = CALL(h, FOLDER_LIST, request, folder_list_reply, &error);
	assert_int_equal(error, 0);
	static const char *const names[] = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"};
	assert_int_equal(list->n_folders, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_string_equal(list->folders[i]->name, names[i]);
		assert_true(list->folders[i]->subscribed);
		assert_false(list->folders[i]->missing);
	}
	FREE(list);
	owner_done(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_message, harness_setup, harness_teardown),
		cmocka_unit_test_setup_teardown(test_delivery_to_open_and_away, harness_setup,
	                                    harness_teardown),
		cmocka_unit_test_setup_teardown(test_folder_list, harness_setup, harness_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
