/* Memory is as good as a disk here, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

#include "store/internal.h"
#include "store/temporary.h"

/*
 * Files that are taken away, or replaced, while they are open. It is noticed at the next request, and
 * nothing is acknowledged that went into a file which nobody will find.
 */

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static const char first[] = "Subject: First\r\n\r\nOne.\r\n";
static const char second[] = "Subject: Second\r\n\r\nTwo.\r\n";
static const char third[] = "Subject: Third\r\n\r\nThree.\r\n";

static void file_name(const struct harness *h, const struct owner *owner, const char *folder,
                      const char *ending, char ret[200])
{
	snprintf(ret, 200, "%s/%s/%.2s/%s.sqlite%s", h->dir, folder, owner->mailbox, owner->mailbox,
	         ending);
}

static void move(const struct harness *h, const struct owner *owner, const char *folder,
                 const char *from_ending, const char *to_ending)
{
	char from[200], to[200];
	file_name(h, owner, folder, from_ending, from);
	file_name(h, owner, folder, to_ending, to);
	assert_int_equal(rename(from, to), 0);
}

static bool there(const struct harness *h, const struct owner *owner, const char *folder,
                  const char *ending)
{
	char path[200];
	file_name(h, owner, folder, ending, path);
	return access(path, F_OK) == 0;
}

static void copy(const struct harness *h, const struct owner *owner, const char *folder,
                 const char *from_ending, const char *to_ending)
{
	char from[200], to[200];
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, 4 * 1024 * 1024);
	file_name(h, owner, folder, from_ending, from);
	file_name(h, owner, folder, to_ending, to);
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(in >= 0 && out >= 0);
	ssize_t len = read(in, buf_reserve(&bytes, bytes.max), bytes.max);
	assert_true(len > 0 && (size_t)len < bytes.max);
	assert_int_equal(write(out, bytes.ptr, (size_t)len), len);
	close(in);
	close(out);
}

/* What lies under the names of the files now, as a power cut would leave it, is what there is. */
static void crash(struct harness *h, const struct owner *owner, const char *folder)
{
	bool wal = there(h, owner, folder, "-wal");
	copy(h, owner, folder, "", ".crash");
	if (wal)
		copy(h, owner, folder, "-wal", ".crash-wal");
	harness_down(h);
	move(h, owner, folder, ".crash", "");
	if (wal)
		move(h, owner, folder, ".crash-wal", "-wal");
	harness_up(h);
}

static int append_error(struct harness *h, uint64_t session, const char *text)
{
	int error;
	Pk__AppendReply *reply = try_append(h, session, "INBOX", str_from(text), NULL, NULL, &error);
	if (reply != NULL)
		FREE(reply);
	return error;
}

static int deliver_error(struct harness *h, const struct owner *owner, const char *text,
                         unsigned number, bool *ret_sealed)
{
	char id[17];
	snprintf(id, sizeof(id), "delivery%08u", number);
	return deliver_to(h, owner, str_from(text), id, NULL, ret_sealed);
}

/* The file has gone, and comes back. */
static void test_taken_away(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	append(h, session, "INBOX", str_from(first), NULL);
	h->log.level = LOG_LEVEL_ERROR + 1; /* what follows is logged as an error */
	move(h, &owner, "mailboxes", "", ".away");
	bool sealed;
	assert_int_equal(append_error(h, session, second), E_IO);
	assert_int_equal(deliver_error(h, &owner, second, 1, &sealed), E_IO);
	move(h, &owner, "mailboxes", ".away", "");
	assert_int_equal(append(h, session, "INBOX", str_from(third), NULL), 2);
	assert_body(h, session, folder, 1, str_from(first));
	assert_body(h, session, folder, 2, str_from(third));
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

/* An older copy takes its place: nobody goes on in either of them, and mail waits. */
static void test_replaced(void **state)
{
	struct harness *h = *state;
	struct owner owner, other;
	create_mailbox(h, &owner);
	create_mailbox(h, &other);
	append(h, open_session(h, &owner), "INBOX", str_from(first), NULL);
	harness_restart(h);
	copy(h, &owner, "mailboxes", "", ".old");
	uint64_t session = open_session(h, &owner), beside = open_session(h, &owner);
	uint64_t others = open_session(h, &other);
	append(h, session, "INBOX", str_from(second), NULL);
	move(h, &owner, "mailboxes", "", ".newer");
	move(h, &owner, "mailboxes", "-wal", ".newer-wal");
	move(h, &owner, "mailboxes", ".old", "");
	h->log.level = LOG_LEVEL_ERROR + 1;
	assert_int_equal(append_error(h, session, third), E_CORRUPT);
	WAIT_FOR(h, h->closed_events == 2);
	assert_int_equal(append_error(h, session, third), E_STALE);
	assert_int_equal(append_error(h, beside, third), E_STALE);
	append(h, others, "INBOX", str_from(third), NULL);
	bool sealed;
	assert_int_equal(deliver_error(h, &owner, third, 1, &sealed), 0);
	assert_true(sealed);
	/* With what it had, all is there. */
	move(h, &owner, "mailboxes", ".newer", "");
	move(h, &owner, "mailboxes", ".newer-wal", "-wal");
	session = open_session(h, &owner);
	assert_body(h, session, folder_id(h, session, "INBOX"), 2, str_from(second));
	assert_sound(h, &owner, 3);
	owner_done(&owner);
	owner_done(&other);
}

/* Only its log is removed: what is acknowledged from then on is where it will be looked for. */
static void test_log_removed(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	append(h, session, "INBOX", str_from(first), NULL);
	h->log.level = LOG_LEVEL_ERROR + 1;
	move(h, &owner, "mailboxes", "-wal", ".removed");
	append(h, session, "INBOX", str_from(second), NULL);
	crash(h, &owner, "mailboxes");
	session = open_session(h, &owner);
	assert_body(h, session, folder_id(h, session, "INBOX"), 2, str_from(second));
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

/* In the middle of a transaction. */
static void test_replaced_before_the_commit(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct errinfo info = {0};
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	bool sealed;
	struct mailbox *mailbox = store_mailbox(h->store, str_from(owner.mailbox));
	h->log.level = LOG_LEVEL_ERROR + 1;
	assert_int_equal(mailbox_begin(mailbox, true, &info), 0);
	move(h, &owner, "mailboxes", "", ".away");
	assert_int_equal(mailbox_commit(mailbox, &info), E_IO);
	move(h, &owner, "mailboxes", ".away", "");
	append(h, session, "INBOX", str_from(first), NULL);
	assert_sound(h, &owner, 1);
	/* And of one that waits. */
	harness_restart(h);
	assert_int_equal(deliver_error(h, &owner, second, 1, &sealed), 0);
	mailbox = store_mailbox(h->store, str_from(owner.mailbox));
	assert_int_equal(db_begin(mailbox->temporary, &info), 0);
	move(h, &owner, "temporary", "", ".away");
	assert_int_equal(temporary_commit(mailbox, &info), E_IO);
	move(h, &owner, "temporary", ".away", "");
	open_session(h, &owner);
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

/* The same with mail that waits: what comes after goes where it will be found. */
static void test_waiting(void **state)
{
	static const char *const taken[] = {"", "-wal"};
	struct harness *h = *state;
	h->log.level = LOG_LEVEL_ERROR + 1;
	for (unsigned i = 0; i < ARRAY_LEN(taken); i++) {
		struct owner owner;
		bool sealed;
		create_mailbox(h, &owner);
		harness_restart(h);
		assert_int_equal(deliver_error(h, &owner, first, 1, &sealed), 0);
		assert_true(sealed);
		move(h, &owner, "temporary", taken[i], ".away");
		assert_int_equal(deliver_error(h, &owner, second, 2, &sealed), 0);
		crash(h, &owner, "temporary");
		uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
		/* With the file the first one has gone. */
		bool both = i == 1;
		assert_body(h, session, folder, both ? 2 : 1, str_from(second));
		assert_sound(h, &owner, both ? 2 : 1);
		owner_done(&owner);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_taken_away),  TEST(test_replaced),
		TEST(test_log_removed), TEST(test_replaced_before_the_commit),
		TEST(test_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
