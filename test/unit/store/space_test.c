/* A small volume of our own is mounted there. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

/*
 * A volume of 32 MB is filled to the brim, by mail and then by somebody else. Mail is refused before there
 * is nothing left, nothing acknowledged is missing, and its owner can log in, delete, and so make room.
 */

enum { TEXT_SIZE = 200 * 1024, MOST = 400, KEPT_BY_OTHERS = 1024 * 1024 };

static void text_of(unsigned number, struct buf *ret)
{
	unsigned random = number;
	buf_clear(ret);
	buf_addf(ret, "Subject: number %u\r\n\r\n", number);
	while (ret->len < TEXT_SIZE) {
		random = random * 1664525 + 1013904223;
		buf_addf(ret, "%07x%s", random >> 4, ret->len % 7 == 0 ? "\r\n" : "");
	}
}

static int deliver_number(struct harness *h, const struct owner *owner, unsigned number)
{
	char id[17];
	struct buf text BUF_AUTO;
	buf_init(&text, 1024 * 1024);
	text_of(number, &text);
	snprintf(id, sizeof(id), "delivery%08u", number);
	struct described d;
	describe(&d, buf_str(&text));
	Pk__DeliverRequest request = PK__DELIVER_REQUEST__INIT;
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	target.mailbox = text_from(owner->mailbox);
	target.public_key = bytes_from(owner->public_key, SEAL_PUBLIC_SIZE);
	target.delivery_id = bytes_from(id, 16);
	request.targets = targets;
	request.n_targets = 1;
	request.description = &d.description;
	int error;
	Pk__DeliverReply *reply = call_on(h, h->link, PK__STORE_METHOD__STORE_DELIVER, &request.base,
	                                  buf_str(&text), &pk__deliver_reply__descriptor, &error);
	if (reply == NULL)
		return error;
	error = reply->results[0]->error;
	FREE(reply);
	return error;
}

static bool disk_low(struct harness *h)
{
	Pk__Empty empty = PK__EMPTY__INIT;
	int error;
	Pk__StatisticsReply *reply = CALL(h, STATISTICS, empty, statistics_reply, &error);
	assert_int_equal(error, 0);
	bool low = false;
	assert_int_equal(reply->n_volumes, 2);
	for (size_t i = 0; i < reply->n_volumes; i++) {
		const Pk__Volume *volume = reply->volumes[i];
		low = low || volume->low;
		assert_true(volume->reserve_bytes > 0);
		assert_true(volume->low || volume->free_bytes >= volume->reserve_bytes);
	}
	FREE(reply);
	return low;
}

static unsigned count_messages(struct harness *h, uint64_t session, uint64_t folder)
{
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(h, session, folder, 1, UINT32_MAX, 0, NULL, f), 0);
	unsigned count = (unsigned)f->count;
	fetched_done(f);
	free(f);
	return count;
}

static void delete_all(struct harness *h, uint64_t session, uint64_t folder)
{
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
	assert_int_equal(error, 0);
	Pk__ExpungeRequest expunge = PK__EXPUNGE_REQUEST__INIT;
	expunge.session = session;
	expunge.folder = folder;
	expunge.all = true;
	FREE(CALL(h, EXPUNGE, expunge, expunge_reply, &error));
	assert_int_equal(error, 0);
}

/* Fills the volume until only so much is left. */
static void others_fill(const struct harness *h, uint64_t left)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/others", h->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	char block[4096] = {1};
	struct statvfs volume;
	while (statvfs(h->dir, &volume) == 0 && volume.f_bavail * volume.f_frsize > left)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

static void test_full(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct buf log BUF_AUTO;
	buf_init(&log, 64 * 1024);
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(h->log.fd >= 0);
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	assert_false(disk_low(h));
	unsigned count = 0;
	int error = 0;
	while (count < MOST && (error = deliver_number(h, &owner, count)) == 0)
		count++;
	assert_int_equal(error, E_NO_SPACE);
	assert_true(count > 50);
	struct buf text BUF_AUTO;
	buf_init(&text, 1024 * 1024);
	text_of(MOST, &text);
	assert_null(try_append(h, session, "INBOX", buf_str(&text), NULL, NULL, &error));
	assert_int_equal(error, E_NO_SPACE);
	/* Worse: somebody else takes the reserve, and the service starts anew. */
	harness_down(h);
	others_fill(h, KEPT_BY_OTHERS);
	h->options.limits.linger_ms = 100; /* pages go back when the mailbox is closed */
	harness_up(h);
	assert_true(disk_low(h));
	assert_int_equal(deliver_number(h, &owner, MOST), E_NO_SPACE);
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), count);
	delete_all(h, session, folder);
	close_session(h, session);
	WAIT_FOR(h, !disk_low(h));
	assert_int_equal(deliver_number(h, &owner, MOST), 0);
	assert_true(buf_reserve(&log, 60000) != NULL);
	ssize_t len = pread(h->log.fd, log.ptr, 60000, 0);
	assert_true(len > 0);
	assert_true(str_find(STR_OF(log.ptr, (size_t)len), STR("store.space_low")) >= 0);
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), 1);
	assert_sound(h, &owner, 1);
	close(h->log.fd);
	h->log.fd = 2;
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static int mount_volume(void **state)
{
	(void)state;
	int flags = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	assert_int_equal(unshare(flags), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("volume", HARNESS_ROOT, "tmpfs", 0, "size=32m"), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_full)};
	return cmocka_run_group_tests(tests, mount_volume, NULL);
}
