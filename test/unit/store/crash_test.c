/* What dies is a process, not the machine: memory is as good as a disk, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * The process dies before its n-th operation on the disk, for every n, while it takes over a
 * temporary mailbox, receives, re-keys, creates, expunges. Then it starts again: nothing that was
 * acknowledged is missing, nothing is there twice, every file is sound.
 */

enum { DIED = 77, POINTS_MAX = 5000, NUMBERS_MAX = 500, COUNTING = 1 << 30 };

static int countdown; /* 0: nobody dies */

/* Under the store and SQLite alike: these definitions come before the C library's. */
static void before_operation(void)
{
	if (countdown > 0 && __atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST) == 0)
		_exit(DIED);
}

/* With 64-bit offsets the header gives pwrite the symbol pwrite64; both are wanted. */
ssize_t pwrite_narrow(int fd, const void *from, size_t len, off_t at) __asm__("pwrite");
int ftruncate_narrow(int fd, off_t size) __asm__("ftruncate");

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
	before_operation();
	return syscall(SYS_pwrite64, fd, from, len, at);
}

ssize_t pwrite_narrow(int fd, const void *from, size_t len, off_t at)
{
	return pwrite(fd, from, len, at);
}

int fdatasync(int fd)
{
	before_operation();
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	before_operation();
	return (int)syscall(SYS_fsync, fd);
}

int unlink(const char *path)
{
	before_operation();
	return (int)syscall(SYS_unlink, path);
}

int rename(const char *from, const char *to)
{
	before_operation();
	return (int)syscall(SYS_rename, from, to);
}

int ftruncate(int fd, off_t size)
{
	before_operation();
	return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate_narrow(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* What a scenario's child tells before it dies. */
static int told[2];

static void tell(uint32_t what)
{
	ssize_t n = write(told[1], &what, sizeof(what));
	assert_int_equal(n, sizeof(what));
}

/* Runs work in a process of its own that dies before operation n, with a store that is closed here.
 * False when it got through alive. */
static bool dies_at(struct harness *h, int n, void (*work)(struct harness *h, void *ctx), void *ctx)
{
	assert_int_equal(pipe2(told, O_NONBLOCK), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		harness_up(h);
		countdown = n;
		work(h, ctx);
		if (n == COUNTING)
			tell((uint32_t)(COUNTING - countdown));
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	close(told[1]);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0)
		assert_int_equal(WEXITSTATUS(status), DIED);
	return WEXITSTATUS(status) != 0;
}

static size_t count_told(uint32_t ret[NUMBERS_MAX])
{
	size_t n = 0;
	while (n < NUMBERS_MAX && read(told[0], &ret[n], sizeof(ret[n])) == sizeof(ret[n]))
		n++;
	close(told[0]);
	return n;
}

/* Operations of work when nobody dies. */
static int count_operations(struct harness *h, void (*work)(struct harness *h, void *ctx),
                            void *ctx)
{
	uint32_t answers[NUMBERS_MAX];
	assert_false(dies_at(h, COUNTING, work, ctx));
	size_t n = count_told(answers);
	assert_true(n > 0);
	return (int)answers[n - 1];
}

/* Every point near the beginning and the end, where files come and go; some of those between. */
static int next_point(int n, int operations)
{
	return n < 25 || n > operations - 90 ? n + 1 : n + 1 + n / 10;
}

static void text_of(uint32_t number, char ret[200])
{
	snprintf(ret, 200,
	         "Message-ID: <%u@example.test>\r\nSubject: number %u\r\n\r\nThe text of %u.\r\n",
	         number, number, number);
}

static void id_of(uint32_t number, char ret[17])
{
	snprintf(ret, 17, "delivery%08u", number);
}

static int deliver_number(struct harness *h, struct owner *owner, uint32_t number)
{
	char raw[200], id[17];
	text_of(number, raw);
	id_of(number, id);
	return deliver_to(h, owner, str_from(raw), id, NULL, NULL);
}

/* INBOX holds numbers 0 to count - 1, each once, whole. */
static void assert_all_there(struct harness *h, struct owner *owner, uint64_t session,
                             uint32_t count)
{
	uint64_t folder = folder_id(h, session, "INBOX");
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(h, session, folder, 1, UINT32_MAX, 0, &section, f), 0);
	assert_int_equal(f->count, count);
	bool seen[NUMBERS_MAX] = {0};
	for (size_t i = 0; i < f->count; i++) {
		const Pk__SectionData *data = f->rows[i]->sections[0];
		bool found = false;
		for (uint32_t number = 0; number < count; number++) {
			char raw[200];
			text_of(number, raw);
			if (data->data.len == strlen(raw) && memcmp(data->data.data, raw, strlen(raw)) == 0) {
				assert_false(seen[number]);
				seen[number] = found = true;
			}
		}
		assert_true(found);
	}
	fetched_done(f);
	free(f);
	assert_sound(h, owner, count);
}

/* ---------------------------------------------------------------- taking over */

enum { WAITING = 2 };

static void merge_work(struct harness *h, void *ctx)
{
	uint64_t session = open_session(h, ctx);
	close_session(h, session);
	h->stopped = false;
	store_stop(h->store, harness_stopped, h);
	while (!h->stopped)
		loop_run_once(h->loop, 10);
}

static bool has_temporary(struct harness *h, const struct owner *owner)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/temporary/%.2s/%s.sqlite", h->dir, owner->mailbox,
	         owner->mailbox);
	return access(path, F_OK) == 0;
}

static void put_waiting(struct harness *h, struct owner *owner, uint32_t *count)
{
	harness_restart(h); /* nobody has the key now */
	for (uint32_t i = 0; i < WAITING; i++)
		assert_int_equal(deliver_number(h, owner, (*count)++), 0);
	assert_true(has_temporary(h, owner));
	harness_down(h);
}

static void test_merge(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint32_t count = 0;
	put_waiting(h, &owner, &count);
	int operations = count_operations(h, merge_work, &owner);
	bool died = true;
	harness_up(h);
	for (int n = 1; died && count + WAITING < NUMBERS_MAX; n = next_point(n, operations)) {
		put_waiting(h, &owner, &count);
		died = dies_at(h, n, merge_work, &owner);
		close(told[0]);
		harness_up(h);
		uint64_t session = open_session(h, &owner);
		assert_false(has_temporary(h, &owner));
		assert_all_there(h, &owner, session, count);
		close_session(h, session);
	}
	assert_false(died); /* every point was reached */
	owner_done(&owner);
}

/* ---------------------------------------------------------------- receiving */

struct receiving {
	struct owner *owner;
	uint32_t first;
	bool open;
};

static void receive_work(struct harness *h, void *ctx)
{
	struct receiving *r = ctx;
	if (r->open)
		open_session(h, r->owner);
	for (uint32_t i = 0; i < WAITING; i++)
		if (deliver_number(h, r->owner, r->first + i) == 0)
			tell(r->first + i);
}

static void receive(struct harness *h, bool open)
{
	struct owner owner;
	create_mailbox(h, &owner);
	harness_down(h);
	struct receiving r = {&owner, 0, open};
	int operations = count_operations(h, receive_work, &r);
	uint32_t count = WAITING;
	bool died = true;
	harness_up(h);
	close_session(h, open_session(h, &owner));
	for (int n = 1; died && count + WAITING < NUMBERS_MAX; n = next_point(n, operations)) {
		harness_down(h);
		r.first = count;
		died = dies_at(h, n, receive_work, &r);
		uint32_t acknowledged[NUMBERS_MAX];
		size_t known = count_told(acknowledged);
		harness_up(h);
		uint64_t session = open_session(h, &owner);
		/* What was acknowledged is there; one more may have been stored and not yet said so. */
		Pk__SelectReply *inbox = select_folder(h, session, "INBOX");
		uint32_t there = inbox->uid_next - 1 - count;
		FREE(inbox);
		assert_true(there >= known && there <= known + 1);
		/* The front sends everything again that it heard nothing about. */
		for (uint32_t i = (uint32_t)known; i < WAITING; i++)
			assert_int_equal(deliver_number(h, &owner, count + i), 0);
		count += WAITING;
		assert_all_there(h, &owner, session, count);
		close_session(h, session);
	}
	assert_false(died);
	owner_done(&owner);
}

static void test_receive_open(void **state)
{
	receive(*state, true);
}

static void test_receive_away(void **state)
{
	receive(*state, false);
}

/* ---------------------------------------------------------------- keys */

static void next_key_of(struct owner *owner, struct data_key *ret)
{
	random_bytes(ret->salt, sizeof(ret->salt));
	key32_random(&ret->key);
	buf_clear(&owner->record);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, &owner->key, ret);
}

static void rekey_work(struct harness *h, void *ctx)
{
	assert_int_equal(try_rekey(h, ctx), 0);
}

static void test_rekey(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t first = open_session(h, &owner);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(deliver_number(h, &owner, i), 0);
	close_session(h, first);
	struct data_key next DATA_KEY_AUTO = {0};
	next_key_of(&owner, &next);
	harness_down(h);
	int operations = count_operations(h, rekey_work, &owner);
	harness_up(h);
	assert_int_equal(try_rekey(h, &owner), 0); /* done already: this gives the record */
	owner.key = next;
	bool died = true;
	for (int n = 1; died && n < POINTS_MAX; n = next_point(n, operations)) {
		next_key_of(&owner, &next);
		harness_down(h);
		died = dies_at(h, n, rekey_work, &owner);
		close(told[0]);
		harness_up(h);
		/* The record with both keys opens it, whichever it is. */
		uint64_t session = open_session(h, &owner);
		assert_all_there(h, &owner, session, 10);
		/* And then the change is finished. */
		assert_int_equal(try_rekey(h, &owner), 0);
		owner.key = next;
		assert_all_there(h, &owner, session, 10);
		close_session(h, session);
		harness_restart(h);
		close_session(h, open_session(h, &owner));
	}
	assert_false(died);
	owner_done(&owner);
}

/* ---------------------------------------------------------------- creation, expunge */

static void create_work(struct harness *h, void *ctx)
{
	assert_int_equal(try_create(h, ctx), 0);
}

static void test_create(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	owner_new(&owner);
	harness_down(h);
	int operations = count_operations(h, create_work, &owner);
	owner_done(&owner);
	harness_up(h);
	bool died = true;
	for (int n = 1; died && n < POINTS_MAX; n = next_point(n, operations)) {
		owner_new(&owner);
		harness_down(h);
		died = dies_at(h, n, create_work, &owner);
		close(told[0]);
		harness_up(h);
		assert_int_equal(try_create(h, &owner), 0);
		assert_int_equal(try_create(h, &owner), 0); /* and once more */
		close_session(h, open_session(h, &owner));
		assert_sound(h, &owner, 0);
		owner_done(&owner);
	}
	assert_false(died);
}

static void expunge_work(struct harness *h, void *ctx)
{
	uint64_t session = open_session(h, ctx), folder = folder_id(h, session, "INBOX");
	Pk__StoreRequest flags = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = 1;
	range.last = UINT32_MAX;
	flags.session = session;
	flags.folder = folder;
	flags.uids = ranges;
	flags.n_uids = 1;
	flags.operation = PK__STORE_REQUEST__OPERATION__ADD;
	flags.flags = PK__FLAG__FLAG_DELETED;
	int error;
	FREE(CALL(h, STORE, flags, store_reply, &error));
	Pk__ExpungeRequest expunge = PK__EXPUNGE_REQUEST__INIT;
	expunge.session = session;
	expunge.folder = folder;
	expunge.all = true;
	FREE(CALL(h, EXPUNGE, expunge, expunge_reply, &error));
	h->stopped = false;
	store_stop(h->store, harness_stopped, h);
	while (!h->stopped)
		loop_run_once(h->loop, 10);
}

static void put_expungible(struct harness *h, struct owner *owner)
{
	uint64_t session = open_session(h, owner);
	struct buf raw BUF_AUTO;
	buf_init(&raw, 100000);
	buf_add_text(&raw, "A: b\r\n\r\n");
	for (int i = 0; i < 5000; i++)
		buf_addf(&raw, "%d", rand());
	for (int i = 0; i < 3; i++) {
		struct described d;
		describe(&d, buf_str(&raw));
		describe_attachment(&d, 8, raw.len - 8, PK__PART__ENCODING__IDENTITY);
		append(h, session, "INBOX", buf_str(&raw), &d);
	}
	close_session(h, session);
	harness_down(h);
}

static void test_expunge(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	put_expungible(h, &owner);
	int operations = count_operations(h, expunge_work, &owner);
	harness_up(h);
	bool died = true;
	for (int n = 1; died && n < POINTS_MAX; n = next_point(n, operations)) {
		put_expungible(h, &owner);
		died = dies_at(h, n, expunge_work, &owner);
		close(told[0]);
		harness_up(h);
		assert_verified(h, &owner);
	}
	assert_false(died);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_merge), TEST(test_receive_open), TEST(test_receive_away),
		TEST(test_rekey), TEST(test_create),       TEST(test_expunge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
