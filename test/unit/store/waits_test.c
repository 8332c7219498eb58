/* The disk is not what is tested: memory is as good, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "rig.h"
#include "../db/power.h"

/*
 * Mail that waits sealed, and a temporary mailbox that comes back with less than was acknowledged, or not at
 * all: the owner is told how much is missing. What a crash leaves is no alarm.
 */

enum { FILE_MAX = 1024 * 1024, PARTS = 12 };

struct copy {
	char path[128];
	struct buf file, wal;
};

static void temporary_path(const struct rig *rig, const struct owner *owner, const char *ending,
                           char ret[128])
{
	snprintf(ret, 128, "%s/temporary/%.2s/%s.sqlite%s", rig->h->dir, owner->mailbox, owner->mailbox,
	         ending);
}

static bool there(const struct rig *rig, const struct owner *owner, const char *ending)
{
	char path[128];
	temporary_path(rig, owner, ending, path);
	return access(path, F_OK) == 0;
}

static void load(const char *path, struct buf *ret)
{
	buf_init(ret, FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t len = read(fd, buf_reserve(ret, FILE_MAX), FILE_MAX);
	assert_in_range(len, 0, FILE_MAX - 1);
	ret->len = (size_t)len;
	close(fd);
}

static void put(const char *path, const struct buf *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->ptr, bytes->len), bytes->len);
	close(fd);
}

/* The temporary mailbox as it is on the disk now, open or not. */
static void copy_take(struct copy *copy, const struct rig *rig, const struct owner *owner)
{
	char wal[140];
	temporary_path(rig, owner, "", copy->path);
	snprintf(wal, sizeof(wal), "%s-wal", copy->path);
	load(copy->path, &copy->file);
	load(wal, &copy->wal);
}

static void copy_put_back(struct copy *copy)
{
	char wal[140];
	snprintf(wal, sizeof(wal), "%s-wal", copy->path);
	unlink(wal);
	put(copy->path, &copy->file);
	if (copy->wal.len > 0)
		put(wal, &copy->wal);
	buf_done(&copy->file);
	buf_done(&copy->wal);
}

/* Messages of these numbers for an owner who is away. */
static void deliver_sealed(struct rig *rig, const struct owner *owner, unsigned first,
                           unsigned last)
{
	for (unsigned number = first; number <= last; number++) {
		char id[17];
		bool sealed = false;
		snprintf(id, sizeof(id), "delivery%08u", number);
		assert_int_equal(deliver_to(rig->h, owner, str_from(hello), id, NULL, &sealed), 0);
		assert_true(sealed);
	}
}

/* Likewise; by then the directory is told of so many rows. */
static void wait_in_line(struct rig *rig, const struct owner *owner, unsigned first, unsigned last,
                         uint64_t rows)
{
	rig->rows = 0;
	deliver_sealed(rig, owner, first, last);
	WAIT_FOR(rig->h, rig->rows == rows);
}

/* What INBOX has: messages that waited, and what the message of the store says is missing, -1 without one. */
struct arrived {
	unsigned messages;
	int missing;
};

static struct arrived arrive(struct rig *rig, struct owner *owner)
{
	struct harness *h = rig->h;
	struct arrived arrived = {.missing = -1};
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	uint64_t session = open_session(h, owner);
	assert_int_equal(
		fetch_uids(h, session, folder_id(h, session, "INBOX"), 1, UINT32_MAX, 0, &section, f), 0);
	for (size_t i = 0; i < f->count; i++) {
		struct str text = STR_OF(f->rows[i]->sections[0]->data.data,
		                         f->rows[i]->sections[0]->data.len);
		if (str_eq(text, str_from(hello))) {
			arrived.messages++;
			continue;
		}
		assert_int_equal(arrived.missing, -1); /* one says all of it */
		ptrdiff_t at = str_find(text, STR("at least: "));
		if (at < 0)
			at = str_find(text, STR("not be read: ")) + 3;
		assert_true(at > 3);
		arrived.missing = atoi(text.ptr + at + 10);
	}
	fetched_done(f);
	free(f);
	close_session(h, session);
	harness_restart(h);
	return arrived;
}

static void owner_away(struct rig *rig, struct owner *owner)
{
	pk__mailbox_state__init(&rig->state); /* of this one, not of one before */
	create_mailbox(rig->h, owner);
	harness_restart(rig->h);
	rig->h->log.level = LOG_LEVEL_ERROR + 1;
}

static void assert_arrived(struct rig *rig, struct owner *owner, unsigned messages, int missing)
{
	for (int again = 0; again < 2; again++) {
		struct arrived arrived = arrive(rig, owner);
		assert_int_equal(arrived.messages, messages);
		assert_int_equal(arrived.missing, missing);
		assert_int_equal(rig->state.n_waiting, 0);
	}
}

static void test_waiting_and_all_is_well(void **state)
{
	struct rig *rig = *state;
	struct owner owner;
	owner_away(rig, &owner);
	wait_in_line(rig, &owner, 1, 3, 3);
	harness_restart(rig->h);
	wait_in_line(rig, &owner, 4, 5, 5);
	assert_int_equal(rig->state.n_waiting, 1);
	assert_int_equal(rig->waiting[0].since, 3);
	assert_arrived(rig, &owner, 5, -1);
	/* Another file. */
	uint64_t before = rig->waiting[0].file;
	wait_in_line(rig, &owner, 6, 6, 1);
	assert_true(rig->waiting[0].file != before);
	assert_arrived(rig, &owner, 6, -1);
	owner_done(&owner);
}

/* What a crash may leave: the directory has been told less, or not that all has been taken over. */
static void test_waiting_and_a_crash(void **state)
{
	struct rig *rig = *state;
	struct owner owner;
	struct copy copy;
	owner_away(rig, &owner);
	wait_in_line(rig, &owner, 1, 4, 4);
	copy_take(&copy, rig, &owner);
	const Pk__WaitingState told = rig->waiting[0];
	rig->waiting[0].rows = 2;
	assert_arrived(rig, &owner, 4, -1);
	rig->waiting[0] = told;
	rig->state.n_waiting = 1;
	assert_arrived(rig, &owner, 4, -1);
	rig->state.n_waiting = 1;
	harness_down(rig->h);
	copy_put_back(&copy); /* its rows had not been deleted yet */
	harness_up(rig->h);
	assert_arrived(rig, &owner, 4, -1);
	owner_done(&owner);
}

static bool verify_tells(struct rig *rig, struct owner *owner, const char *finding)
{
	Pk__VerifyRequest request = PK__VERIFY_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	int error;
	Pk__VerifyReply *reply = CALL(rig->h, VERIFY, request, verify_reply, &error);
	assert_int_equal(error, 0);
	bool tells = reply->n_findings == 1 &&
	             str_find(str_from(reply->findings[0]), str_from(finding)) >= 0;
	FREE(reply);
	return tells;
}

static void assert_status(struct rig *rig, uint64_t messages, bool told)
{
	Pk__Empty nothing = PK__EMPTY__INIT;
	int error;
	Pk__StatisticsReply *reply = CALL(rig->h, STATISTICS, nothing, statistics_reply, &error);
	assert_int_equal(error, 0);
	assert_int_equal(reply->n_missing, messages > 0);
	if (messages > 0) {
		assert_int_equal(reply->missing[0]->messages, messages);
		assert_int_equal(reply->missing[0]->told, told);
	}
	FREE(reply);
}

/* Removed while nobody had it open, and under an open handle. */
static void test_waiting_file_is_gone(void **state)
{
	struct rig *rig = *state;
	struct owner owner;
	char path[128];
	owner_away(rig, &owner);
	temporary_path(rig, &owner, "", path);
	wait_in_line(rig, &owner, 1, 3, 3);
	assert_int_equal(unlink(path), 0);
	wait_in_line(rig, &owner, 4, 4, 1);
	assert_int_equal(rig->state.n_waiting, 2);
	harness_down(rig->h);
	assert_int_equal(unlink(path), 0);
	harness_up(rig->h);
	assert_true(verify_tells(rig, &owner, "4 messages that were acknowledged are missing"));
	harness_restart(rig->h);
	close_session(rig->h, open_session(rig->h, &owner));
	assert_status(rig, 4, true);
	assert_arrived(rig, &owner, 0, 4);
	owner_done(&owner);
}

/* On a volume that is not mounted it is not gone. */
static void test_waiting_on_a_volume_that_is_away(void **state)
{
	struct rig *rig = *state;
	struct owner owner;
	char folder[128], away[128];
	owner_away(rig, &owner);
	wait_in_line(rig, &owner, 1, 3, 3);
	harness_down(rig->h);
	snprintf(folder, sizeof(folder), "%s/temporary", rig->h->dir);
	snprintf(away, sizeof(away), "%s/away", rig->h->dir);
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	rig->h->store = NULL;
	harness_up(rig->h);
	struct arrived arrived = arrive(rig, &owner);
	assert_int_equal(arrived.messages, 0);
	assert_int_equal(arrived.missing, -1);
	assert_int_equal(rig->state.n_waiting, 1);
	harness_down(rig->h);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rename(away, folder), 0);
	harness_up(rig->h);
	assert_arrived(rig, &owner, 3, -1);
	owner_done(&owner);
}

/* An older copy, to which more is added or not. */
static void test_waiting_file_goes_back(void **state)
{
	struct rig *rig = *state;
	for (unsigned more = 0; more < 2; more++) {
		struct owner owner;
		struct copy copy;
		owner_away(rig, &owner);
		wait_in_line(rig, &owner, 1, 2, 2);
		harness_down(rig->h);
		copy_take(&copy, rig, &owner);
		harness_up(rig->h);
		wait_in_line(rig, &owner, 3, 5, 5);
		harness_down(rig->h);
		copy_put_back(&copy);
		harness_up(rig->h);
		if (more > 0) {
			rig->lost = 3; /* as a real directory finds out, see unit/directory/waiting */
			wait_in_line(rig, &owner, 6, 6, 3);
			rig->waiting[0].lost = 3;
			rig->lost = 0;
			assert_int_equal(rig->waiting[0].since, 2);
			assert_status(rig, 3, false);
		} else {
			assert_true(verify_tells(rig, &owner, "3 messages that were acknowledged are missing"));
		}
		harness_restart(rig->h);
		assert_arrived(rig, &owner, 2 + more, 3);
		assert_true(there(rig, &owner, ".salvaged-1"));
		owner_done(&owner);
	}
}

/* After a crash what was acknowledged lies in the WAL. One flipped byte of it, wherever: what comes before
 * arrives, and the owner is told how much does not. */
static void test_waiting_wal_is_flipped(void **state)
{
	struct rig *rig = *state;
	unsigned some = 0, none = 0;
	for (unsigned part = 0; part < PARTS; part++) {
		struct owner owner;
		struct copy copy;
		owner_away(rig, &owner);
		deliver_sealed(rig, &owner, 1, 6);
		copy_take(&copy, rig, &owner);
		assert_true(copy.wal.len > 0);
		harness_down(rig->h); /* which is when the directory is told */
		assert_int_equal(rig->rows, 6);
		copy.wal.ptr[copy.wal.len * part / PARTS + 7] ^= 1;
		copy_put_back(&copy);
		harness_up(rig->h);
		struct arrived arrived = arrive(rig, &owner);
		assert_int_equal(arrived.messages + (unsigned)arrived.missing, 6);
		some += arrived.messages > 0;
		none += arrived.messages == 0;
		assert_int_equal(rig->state.n_waiting, 0);
		owner_done(&owner);
	}
	assert_true(some >= PARTS / 3 && none > 0);
}

/* ---------------------------------------------------------------- power cuts */

enum { ROUNDS = 3, EACH = 4 };

/* Mail that waits, the owner who comes and goes, the directory that is told: returns how much mail was
 * acknowledged when the power went, or at the end. */
static unsigned live(struct rig *rig, struct owner *owner)
{
	struct harness *h = rig->h;
	unsigned acknowledged = 0;
	for (unsigned number = 0; number < ROUNDS * EACH; number++) {
		char id[17];
		int error;
		snprintf(id, sizeof(id), "delivery%08u", number);
		error = deliver_to(h, owner, str_from(hello), id, NULL, NULL);
		if (power.off)
			return acknowledged;
		assert_int_equal(error, 0);
		acknowledged++;
		if (number % EACH != EACH - 1)
			continue;
		Pk__OpenReply *reply = try_open(h, h->link, owner, &error);
		if (power.off) {
			if (reply != NULL)
				FREE(reply);
			return acknowledged;
		}
		close_session(h, reply->session);
		FREE(reply);
		harness_restart(h);
		if (power.off)
			return acknowledged;
	}
	return acknowledged;
}

static void remove_mailbox(struct rig *rig, const struct owner *owner)
{
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	int error;
	request.mailbox = text_from(owner->mailbox);
	FREE(CALL(rig->h, REMOVE, request, empty, &error));
	assert_int_equal(error, 0);
}

/* Before each change of the disk. The directory forgets nothing, whatever its own disk may have lost. */
static void test_waiting_and_power_cuts(void **state)
{
	static const enum tear tears[] = {TEAR_ALL_LOST, TEAR_SOME, TEAR_ALL_KEPT};
	struct rig *rig = *state;
	struct harness *h = rig->h;
	int count = 1;
	rig->deaf = &power.off; /* who goes on without power tells nobody */
	for (int at = 0; at <= count; at += power_step(13)) {
		struct owner owner;
		owner_away(rig, &owner);
		harness_down(h);
		power_start(h->dir);
		harness_up(h);
		power.tear = tears[at % (int)ARRAY_LEN(tears)];
		power.random = (uint32_t)at;
		power.cut_at = at;
		unsigned acknowledged = live(rig, &owner);
		if (at == 0)
			count = power.changes;
		power_cut();
		harness_down(h);
		power_back();
		harness_up(h);
		struct arrived arrived = arrive(rig, &owner);
		assert_int_equal(arrived.missing, -1);
		assert_in_range(arrived.messages, acknowledged, acknowledged + 1);
		assert_int_equal(rig->state.n_waiting, 0);
		remove_mailbox(rig, &owner);
		owner_done(&owner);
	}
	assert_true(count > 50);
	print_message("%d changes of the disk\n", count);
}

static int tear_down_power(void **state)
{
	power_stop();
	((struct rig *)*state)->deaf = NULL;
	return tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_power)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_waiting_and_all_is_well),          TEST(test_waiting_and_a_crash),
		TEST(test_waiting_and_power_cuts),           TEST(test_waiting_file_is_gone),
		TEST(test_waiting_on_a_volume_that_is_away), TEST(test_waiting_file_goes_back),
		TEST(test_waiting_wal_is_flipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
