#include "harness.h"

/* The tree of folders, and everything about names. */

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static int create(struct harness *h, uint64_t session, const char *name, const char *use)
{
	Pk__FolderCreateRequest request = PK__FOLDER_CREATE_REQUEST__INIT;
	request.session = session;
	request.name = text_from(name);
	request.special_use = text_from(use);
	int error;
	Pk__FolderReply *reply = CALL(h, FOLDER_CREATE, request, folder_reply, &error);
	FREE(reply);
	return error;
}

static int delete (struct harness *h, uint64_t session, const char *name)
{
	Pk__FolderNameRequest request = PK__FOLDER_NAME_REQUEST__INIT;
	request.session = session;
	request.name = text_from(name);
	int error;
	Pk__Empty *reply = CALL(h, FOLDER_DELETE, request, empty, &error);
	FREE(reply);
	return error;
}

static int rename_to(struct harness *h, uint64_t session, const char *from, const char *to)
{
	Pk__FolderRenameRequest request = PK__FOLDER_RENAME_REQUEST__INIT;
	request.session = session;
	request.from = text_from(from);
	request.to = text_from(to);
	int error;
	Pk__Empty *reply = CALL(h, FOLDER_RENAME, request, empty, &error);
	FREE(reply);
	return error;
}

static int subscribe(struct harness *h, uint64_t session, const char *name, bool subscribed)
{
	Pk__FolderSubscribeRequest request = PK__FOLDER_SUBSCRIBE_REQUEST__INIT;
	request.session = session;
	request.name = text_from(name);
	request.subscribed = subscribed;
	int error;
	Pk__Empty *reply = CALL(h, FOLDER_SUBSCRIBE, request, empty, &error);
	FREE(reply);
	return error;
}

/* "name" in order, with "?" for missing, "+" for children, "!" for subscribed; default ones left
 * out. */
static void list(struct harness *h, uint64_t session, char ret[1000])
{
	static const char defaults[] = " Archive Drafts INBOX Junk Sent Trash ";
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = session;
	int error;
	Pk__FolderListReply *reply = CALL(h, FOLDER_LIST, request, folder_list_reply, &error);
	assert_int_equal(error, 0);
	ret[0] = '\0';
	for (size_t i = 0; i < reply->n_folders; i++) {
		const Pk__Folder *f = reply->folders[i];
		char padded[100];
		snprintf(padded, sizeof(padded), " %s ", f->name);
		if (strstr(defaults, padded) != NULL && !f->has_children)
			continue;
		size_t len = strlen(ret);
		snprintf(ret + len, 1000 - len, "%s%s%s%s%s", len > 0 ? " " : "", f->name,
		         f->missing ? "?" : "", f->has_children ? "+" : "", f->subscribed ? "!" : "");
	}
	FREE(reply);
}

#define ASSERT_LIST(h, session, wanted)      \
	do {                                     \
		char found_[1000];                   \
		list(h, session, found_);            \
		assert_string_equal(found_, wanted); \
	} while (0)

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int error;
	} names[] = {
		{"", E_INVALID},
		{"/", E_INVALID},
		{"/a", E_INVALID},
		{"a//b", E_INVALID},
		{"a\nb", E_INVALID},
		{"a*", 0},
		{"a%b", 0},
		{"\xff", E_INVALID},
		{"\xc0\x80", E_INVALID},
		{"INBOX", E_EXISTS},
		{"inBOX", E_EXISTS},
		{"Drafts", E_EXISTS},
		{"drafts", 0},
		{"a/", 0},
		{"a", E_EXISTS},
		{"Gr\xc3\xb8n/\xe2\x82\xac", 0},
		{"inbox/below", 0},
		{"INBOX/below", E_EXISTS},
		{" ", 0},
	};
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (create(h, session, names[i].name, "") != names[i].error)
			fail_msg("name %zu", i);
	char name[1200];
	memset(name, 'n', sizeof(name));
	name[1001] = '\0';
	assert_int_equal(create(h, session, name, ""), E_INVALID);
	name[1000] = '\0';
	assert_int_equal(create(h, session, name, ""), 0);
	for (int i = 0; i < 33; i++)
		memcpy(name + (ptrdiff_t)2 * i, "d/", 2);
	name[65] = '\0';
	assert_int_equal(create(h, session, name, ""), E_INVALID);
	assert_int_equal(create(h, session, "use", "\\Bogus"), E_INVALID);
	assert_int_equal(create(h, session, "use", "\\All"), 0);
	owner_done(&owner);
}

static void test_tree(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	assert_int_equal(create(h, session, "a/b/c", ""), 0);
	ASSERT_LIST(h, session, "a?+ a/b?+ a/b/c");
	assert_int_equal(create(h, session, "a", ""), 0);
	assert_int_equal(create(h, session, "a b", ""), 0);
	ASSERT_LIST(h, session, "a+ a/b?+ a/b/c a b");
	assert_int_equal(delete (h, session, "a/b"), E_EXISTS);
	assert_int_equal(delete (h, session, "a"), E_EXISTS);
	assert_int_equal(delete (h, session, "nothing"), E_NOT_FOUND);
	assert_int_equal(delete (h, session, "inbox"), E_DENIED);
	assert_int_equal(subscribe(h, session, "a b", true), 0);
	assert_int_equal(subscribe(h, session, "gone", true), 0);
	assert_int_equal(delete (h, session, "a b"), 0);
	ASSERT_LIST(h, session, "a+ a/b?+ a/b/c a b?! gone?!");
	assert_int_equal(subscribe(h, session, "gone", false), 0);
	assert_int_equal(subscribe(h, session, "gone", false), 0);
	ASSERT_LIST(h, session, "a+ a/b?+ a/b/c a b?!");
	owner_done(&owner);
}

/* Who deletes Trash and makes it again, under any usual name, has a Trash; the first one keeps the use. */
static void test_usual_names(void **state)
{
	static const struct {
		const char *delete_first, *name, *use;
	} cases[] = {
		{"Trash", "Trash", "\\Trash"},
		{NULL, "Papierkorb", ""},
		{"Trash", "Deleted Items", "\\Trash"},
		{NULL, "Trash", ""}, /* another one has it now */
		{"Sent", "Gesendet", "\\Sent"},
		{"Junk", "SPAM", "\\Junk"},
		{"Drafts", "Entw\xc3\xbcrfe", "\\Drafts"},
		{"Archive", "Work/Archive", ""},
		{NULL, "Archiv", "\\Archive"},
		{NULL, "Something", ""},
	};
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Pk__FolderCreateRequest request = PK__FOLDER_CREATE_REQUEST__INIT;
		int error;
		if (cases[i].delete_first != NULL)
			assert_int_equal(delete (h, session, cases[i].delete_first), 0);
		request.session = session;
		request.name = (char *)(uintptr_t)cases[i].name;
		request.special_use = (char *)"";
		Pk__FolderReply *reply = CALL(h, FOLDER_CREATE, request, folder_reply, &error);
		assert_int_equal(error, 0);
		assert_string_equal(reply->folder->special_use, cases[i].use);
		FREE(reply);
	}
	owner_done(&owner);
}

/* The order in which LIST shows them: INBOX first, what is below a folder right behind it. */
static void test_order(void **state)
{
	static const char *const made[] = {"b", "a-b", "a/c/d", "a", "A", "INBOX/z", "a b", "a/b"};
	static const char *const wanted[] = {
		"INBOX", "INBOX/z", "A",   "Archive", "Drafts", "Junk", "Sent", "Trash",
		"a",     "a/b",     "a/c", "a/c/d",   "a b",    "a-b",  "b",
	};
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = open_session(h, &owner);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		assert_int_equal(create(h, request.session, made[i], ""), 0);
	int error;
	Pk__FolderListReply *reply = CALL(h, FOLDER_LIST, request, folder_list_reply, &error);
	assert_int_equal(reply->n_folders, ARRAY_LEN(wanted));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		assert_string_equal(reply->folders[i]->name, wanted[i]);
	FREE(reply);
	owner_done(&owner);
}

static void test_rename(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	assert_int_equal(create(h, session, "\xc3\xa6", ""), 0);
	assert_int_equal(create(h, session, "\xc3\xa6/\xc3\xb8", ""), 0);
	assert_int_equal(create(h, session, "\xc3\xa6/\xc3\xb8/x", ""), 0);
	assert_int_equal(create(h, session, "\xc3\xa6x", ""), 0);
	append(h, session, "\xc3\xa6/\xc3\xb8", STR("A: b\r\n\r\nc"), NULL);
	assert_int_equal(rename_to(h, session, "\xc3\xa6", "new/place"), 0);
	ASSERT_LIST(h, session, "new?+ new/place+ new/place/\xc3\xb8+ new/place/\xc3\xb8/x \xc3\xa6x");
	Pk__SelectReply *moved = select_folder(h, session, "new/place/\xc3\xb8");
	assert_int_equal(moved->n_uids, 1);
	FREE(moved);
	assert_int_equal(rename_to(h, session, "\xc3\xa6", "x"), E_NOT_FOUND);
	assert_int_equal(rename_to(h, session, "new/place", "Drafts"), E_EXISTS);
	assert_int_equal(rename_to(h, session, "new/place", "new/place/below"), E_INVALID);
	assert_int_equal(rename_to(h, session, "new/place", "new/place"), E_EXISTS);
	assert_int_equal(create(h, session, "other/\xc3\xb8", ""), 0);
	assert_int_equal(rename_to(h, session, "new/place", "other"), E_EXISTS);
	assert_int_equal(rename_to(h, session, "new", "top"), 0); /* a level without a folder */
	ASSERT_LIST(h, session,
	            "other?+ other/\xc3\xb8 top?+ top/place+ top/place/\xc3\xb8+ "
	            "top/place/\xc3\xb8/x \xc3\xa6x");
	owner_done(&owner);
}

static void test_rename_inbox(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	assert_int_equal(create(h, session, "INBOX/below", ""), 0);
	for (int i = 0; i < 3; i++)
		append(h, session, "INBOX", STR("A: b\r\n\r\nc"), NULL);
	assert_int_equal(rename_to(h, session, "Inbox", "old"), 0);
	Pk__SelectReply *old = select_folder(h, session, "old");
	Pk__SelectReply *inbox = select_folder(h, session, "INBOX");
	assert_int_equal(old->n_uids, 1);
	assert_int_equal(old->uids[0]->last, 3);
	assert_int_equal(old->uid_next, 4);
	assert_int_not_equal(old->uid_validity, inbox->uid_validity);
	assert_int_equal(inbox->n_uids, 0);
	assert_int_equal(inbox->uid_next, 4); /* UIDs are not given twice */
	FREE(old);
	FREE(inbox);
	ASSERT_LIST(h, session, "INBOX+! INBOX/below old");
	assert_sound(h, &owner, 3);
	owner_done(&owner);
}

/* A folder that comes again under its old name is another one. */
static void test_uid_validity(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint32_t seen[5];
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		assert_int_equal(create(h, session, "again", ""), 0);
		append(h, session, "again", STR("A: b\r\n\r\nc"), NULL);
		Pk__SelectReply *folder = select_folder(h, session, "again");
		seen[i] = folder->uid_validity;
		FREE(folder);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(seen[k], seen[i]);
		assert_int_equal(delete (h, session, "again"), 0);
	}
	/* The messages went with it, in the background. */
	harness_restart(h);
	assert_sound(h, &owner, 0);
	owner_done(&owner);
}

static void test_deleted_while_selected(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), other = open_session(h, &owner);
	assert_int_equal(create(h, session, "short", ""), 0);
	uint64_t folder = folder_id(h, session, "short");
	assert_int_equal(delete (h, other, "short"), 0);
	WAIT_FOR(h, h->changed_events == 1);
	Pk__ChangesRequest request = PK__CHANGES_REQUEST__INIT;
	request.session = session;
	request.folder = folder;
	int error;
	Pk__ChangesReply *changes = CALL(h, CHANGES, request, changes_reply, &error);
	assert_int_equal(error, 0);
	assert_true(changes->folder_gone);
	FREE(changes);
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(h, session, folder, 1, 9, 0, NULL, f), E_NOT_FOUND);
	fetched_done(f);
	free(f);
	owner_done(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),        TEST(test_tree),
		TEST(test_rename),       TEST(test_usual_names),
		TEST(test_order),        TEST(test_rename_inbox),
		TEST(test_uid_validity), TEST(test_deleted_while_selected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
