/* A small volume of our own is mounted there. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

/*
 * A volume of 32 MB is filled to the brim, by mail and then by somebody else, also to the last byte. Mail is
 * refused before there is nothing left, nothing acknowledged is missing, and its owner can log in, delete, and
 * so make room.
 */

enum { TEXT_SIZE = 200 * 1024, MOST = 400, FEW = 20, KEPT_BY_OTHERS = 1024 * 1024 };

/* Tells of no room as long as a file is there at this path. In front of the C library's. */
static char full_while[200];

int statvfs(const char *restrict path, struct statvfs *restrict ret)
{
	struct statfs volume;
	if (statfs(path, &volume) != 0)
		return -1;
	*ret = (struct statvfs){.f_bsize = (unsigned long)volume.f_bsize,
	                        .f_frsize = (unsigned long)volume.f_frsize,
	                        .f_blocks = volume.f_blocks,
	                        .f_bfree = volume.f_bfree,
	                        .f_bavail = volume.f_bavail};
	if (full_while[0] != '\0' && access(full_while, F_OK) == 0)
		ret->f_bavail = 0;
	return 0;
}

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

static bool logged(const struct harness *h, const char *event)
{
	struct buf log BUF_AUTO;
	buf_init(&log, 64 * 1024);
	ssize_t len = pread(h->log.fd, buf_reserve(&log, 60000), 60000, 0);
	assert_true(len >= 0);
	return str_find(STR_OF(log.ptr, (size_t)len), str_from(event)) >= 0;
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

static uint32_t rekeys_put_off(struct harness *h)
{
	Pk__Empty empty = PK__EMPTY__INIT;
	int error;
	Pk__StatisticsReply *reply = CALL(h, STATISTICS, empty, statistics_reply, &error);
	assert_int_equal(error, 0);
	uint32_t count = reply->rekeys_put_off;
	FREE(reply);
	return count;
}

/* What the ballast of mailboxes/ occupies; *ret_wanted: and should. */
static uint64_t ballast(struct harness *h, uint64_t *ret_wanted)
{
	Pk__Empty empty = PK__EMPTY__INIT;
	int error;
	Pk__StatisticsReply *reply = CALL(h, STATISTICS, empty, statistics_reply, &error);
	assert_int_equal(error, 0);
	assert_string_equal(reply->volumes[0]->folder, "mailboxes");
	uint64_t bytes = reply->volumes[0]->ballast_bytes;
	*ret_wanted = reply->volumes[0]->ballast_wanted;
	assert_int_equal(reply->volumes[1]->ballast_wanted, 0); /* one a volume */
	FREE(reply);
	return bytes;
}

static bool ballast_whole(struct harness *h)
{
	uint64_t wanted, bytes = ballast(h, &wanted);
	return wanted > 0 && bytes == wanted;
}

static void mark_deleted(struct harness *h, uint64_t session, uint64_t folder)
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
}

static void delete_all(struct harness *h, uint64_t session, uint64_t folder)
{
	int error;
	mark_deleted(h, session, folder);
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

static void others_gone(const struct harness *h)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/others", h->dir);
	assert_int_equal(unlink(path), 0);
}

static void test_full(void **state)
{
	struct harness *h = *state;
	struct owner owner;
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
	assert_true(logged(h, "store.space_low"));
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), 1);
	assert_sound(h, &owner, 1);
	close(h->log.fd);
	h->log.fd = 2;
	owner_done(&owner);
}

static int copy(struct harness *h, uint64_t session, uint64_t folder, uint32_t uid, bool move)
{
	Pk__CopyRequest request = PK__COPY_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = range.last = uid;
	request.session = session;
	request.folder = folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.to = text_from("Trash");
	request.move = move;
	int error;
	Pk__CopyReply *reply = CALL(h, COPY, request, copy_reply, &error);
	if (reply != NULL)
		FREE(reply);
	return error;
}

static int delete_folder(struct harness *h, uint64_t session, const char *name)
{
	Pk__FolderNameRequest request = PK__FOLDER_NAME_REQUEST__INIT;
	request.session = session;
	request.name = text_from(name);
	int error;
	Pk__Empty *reply = CALL(h, FOLDER_DELETE, request, empty, &error);
	if (reply != NULL)
		FREE(reply);
	return error;
}

/* Nothing is left at all, and the service starts anew. Whatever makes room, or is only read, finds some. */
static void test_no_byte_left(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	harness_down(h);
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	h->options.limits.disk_ballast = 16 * 1024 * 1024;
	h->options.limits.linger_ms = 100;
	harness_up(h);
	create_mailbox(h, &owner);
	WAIT_FOR(h, ballast_whole(h));
	uint64_t wanted, before = ballast(h, &wanted);
	assert_int_equal(before, 1024 * 1024); /* a 32nd */
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(deliver_number(h, &owner, i), 0);
	harness_restart(h);
	/* It need not have looked at the volume since. */
	others_fill(h, 0);
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), FEW);
	assert_true(ballast(h, &wanted) < before);
	before = ballast(h, &wanted);
	harness_down(h);
	others_fill(h, 0);
	harness_up(h);
	assert_int_equal(deliver_number(h, &owner, MOST), E_NO_SPACE);
	assert_int_equal(ballast(h, &wanted), before);
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), FEW);
	uint64_t left = ballast(h, &wanted);
	assert_true(left < before);
	/* The next piece is not for what makes no room. */
	others_fill(h, 0);
	assert_int_equal(copy(h, session, folder, 1, false), E_NO_SPACE);
	assert_int_equal(ballast(h, &wanted), left);
	assert_int_equal(copy(h, session, folder, 1, true), 0);
	assert_true(ballast(h, &wanted) < left);
	assert_int_equal(delete_folder(h, session, "Trash"), 0);
	delete_all(h, session, folder);
	close_session(h, session);
	WAIT_FOR(h, !disk_low(h));
	assert_int_equal(deliver_number(h, &owner, MOST), 0);
	others_gone(h);
	WAIT_FOR(h, ballast_whole(h));
	session = open_session(h, &owner);
	assert_int_equal(count_messages(h, session, folder), 1);
	assert_sound(h, &owner, 1);
	assert_true(logged(h, "store.ballast_given"));
	close(h->log.fd);
	h->log.fd = 2;
	owner_done(&owner);
}

static bool under_new_key(const struct harness *h, const struct owner *owner,
                          const struct data_key *next)
{
	char path[200];
	unsigned char salt[DATA_KEY_SALT_SIZE];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner->mailbox,
	         owner->mailbox);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, salt, sizeof(salt), 0), sizeof(salt));
	close(fd);
	return memcmp(salt, next->salt, sizeof(salt)) == 0;
}

/* A mailbox of some size, whose record asks for another key; nobody has it open. */
static void due_for_rekey(struct harness *h, struct owner *owner, struct data_key *next)
{
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	h->log.level = LOG_LEVEL_WARN;
	h->options.limits.merge_retry_ms = 100;
	h->options.limits.linger_ms = 100;
	create_mailbox(h, owner);
	uint64_t session = open_session(h, owner);
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(deliver_number(h, owner, i), 0);
	close_session(h, session);
	harness_restart(h);
	random_bytes(next, sizeof(*next));
	buf_clear(&owner->record);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, &owner->key, next);
}

static void rekeyed_by_itself(struct harness *h, struct owner *owner, uint64_t session,
                              const struct data_key *next)
{
	WAIT_FOR(h, under_new_key(h, owner, next));
	assert_int_equal(rekeys_put_off(h), 0);
	assert_int_equal(count_messages(h, session, folder_id(h, session, "INBOX")), FEW);
	buf_clear(&owner->record);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, next, NULL);
	harness_restart(h);
	assert_sound(h, owner, FEW);
	close(h->log.fd);
	h->log.fd = 2;
	owner_done(owner);
}

static char *copy_of(const struct harness *h, const struct owner *owner, char ret[200])
{
	snprintf(ret, 200, "%s/mailboxes/%.2s/%s.sqlite.rekey", h->dir, owner->mailbox, owner->mailbox);
	return ret;
}

/* There is room for mail, but not for the file once more. */
static void test_rekey_without_room(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct data_key next;
	char path[200];
	due_for_rekey(h, &owner, &next);
	others_fill(h, 3 * 1024 * 1024);
	assert_false(disk_low(h));
	assert_int_equal(try_rekey(h, &owner), E_NO_SPACE);
	uint64_t session = open_session(h, &owner);
	WAIT_FOR(h, logged(h, "store.rekey_put_off"));
	assert_int_equal(rekeys_put_off(h), 1);
	assert_int_not_equal(access(copy_of(h, &owner, path), F_OK), 0);
	assert_false(under_new_key(h, &owner, &next));
	assert_int_equal(deliver_number(h, &owner, 0), 0); /* it came before */
	assert_int_equal(count_messages(h, session, folder_id(h, session, "INBOX")), FEW);
	others_gone(h);
	rekeyed_by_itself(h, &owner, session, &next);
}

/* There is when it begins, and none any more a moment later: the copy is given back at once. */
static void test_rekey_runs_out_of_room(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct data_key next;
	char path[200];
	due_for_rekey(h, &owner, &next);
	copy_of(h, &owner, full_while);
	uint64_t session = open_session(h, &owner);
	WAIT_FOR(h, logged(h, "store.rekey_put_off"));
	WAIT_FOR(h, access(copy_of(h, &owner, path), F_OK) != 0);
	assert_false(under_new_key(h, &owner, &next));
	full_while[0] = '\0';
	rekeyed_by_itself(h, &owner, session, &next);
}

/* What waited for its owner is not taken over into the last of the room. */
static void test_waiting_mail_waits_on(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	h->options.limits.merge_retry_ms = 100;
	h->log.level = LOG_LEVEL_WARN;
	create_mailbox(h, &owner);
	harness_restart(h); /* nobody has its key */
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(deliver_number(h, &owner, i), 0);
	others_fill(h, KEPT_BY_OTHERS);
	assert_true(disk_low(h));
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	assert_int_equal(count_messages(h, session, folder), 0);
	assert_true(logged(h, "store.merge_put_off"));
	others_gone(h);
	WAIT_FOR(h, count_messages(h, session, folder) == FEW);
	assert_sound(h, &owner, FEW);
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
	const struct CMUnitTest tests[] = {
		TEST(test_full), TEST(test_no_byte_left), TEST(test_rekey_without_room),
		TEST(test_rekey_runs_out_of_room), TEST(test_waiting_mail_waits_on)};
	return cmocka_run_group_tests(tests, mount_volume, NULL);
}
