/* The disk is not what is tested: memory is as good, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/*
 * System calls fail, below SQLite, its cipher layer and our own code alike: each one in turn and then
 * some at random, while mail is taken over, received, appended, read, expunged and the mailbox closed.
 * Whatever happens: nothing acknowledged is missing, no UID means two messages, an answer that says OK
 * is complete, and one that does not says what kind of failure it was.
 */

enum { NUMBERS = 12, FDS_MAX = 4096, SHORT = -1 };

/* ---------------------------------------------------------------- calls that fail */

enum operation { READING, WRITING, OPENING, SYNCING, CHANGING, LOOKING, MAPPING, LOCKING };

static struct {
	pthread_mutex_t lock;
	const char *dir; /* what lies below it may fail; NULL: nothing does */
	bool ours[FDS_MAX];
	int error;  /* an errno value, or SHORT */
	int at;     /* the operation that fails, counted from 1; 0: none */
	int one_in; /* fails at random; 0: does not */
	int seen;   /* operations that can have this error */
	int failed; /* and those that had it */
	uint32_t random;
} fault = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool can_have(enum operation operation, int error)
{
	switch (error) {
	case SHORT:
		return operation == READING || operation == WRITING;
	case ENOSPC:
		return operation == WRITING || operation == SYNCING || operation == CHANGING;
	case EMFILE:
		return operation == OPENING;
	case EINTR:
		return operation != CHANGING && operation != LOOKING;
	default:
		return true;
	}
}

/* 0, or the error that the operation is to have. */
static int fails(enum operation operation)
{
	pthread_mutex_lock(&fault.lock);
	bool hit = false;
	if ((fault.at > 0 || fault.one_in > 0) && can_have(operation, fault.error)) {
		fault.seen++;
		fault.random = fault.random * 1664525 + 1013904223;
		hit = fault.seen == fault.at ||
		      (fault.one_in > 0 && (fault.random >> 8) % (unsigned)fault.one_in == 0);
		fault.failed += hit;
	}
	pthread_mutex_unlock(&fault.lock);
	return hit ? fault.error : 0;
}

static bool fd_ours(int fd)
{
	return fd >= 0 && fd < FDS_MAX && fault.ours[fd];
}

static bool path_ours(const char *path)
{
	return fault.dir != NULL && str_starts(str_from(path), str_from(fault.dir));
}

static int fd_fails(int fd, enum operation operation)
{
	return fd_ours(fd) ? fails(operation) : 0;
}

/* -1 with errno for an operation that has no short form. */
static int failed_call(int error)
{
	errno = error;
	return -1;
}

/*
 * These definitions come before the C library's. With 64-bit offsets the headers give some calls a
 * symbol of another name; both are wanted.
 */

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	int mode = va_arg(args, int); /* what is there without O_CREAT is not looked at */
	va_end(args);
	int error = path_ours(path) ? fails(OPENING) : 0;
	if (error != 0)
		return failed_call(error);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < FDS_MAX)
		fault.ours[fd] = path_ours(path);
	return fd;
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		fault.ours[fd] = false;
	return (int)syscall(SYS_close, fd);
}

ssize_t read(int fd, void *to, size_t len)
{
	int error = fd_fails(fd, READING);
	if (error > 0)
		return failed_call(error);
	return syscall(SYS_read, fd, to, error == SHORT ? len / 2 : len);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	int error = fd_fails(fd, READING);
	if (error > 0)
		return failed_call(error);
	return syscall(SYS_pread64, fd, to, error == SHORT ? len / 2 : len, at);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
	int error = fd_fails(fd, WRITING);
	if (error > 0)
		return failed_call(error);
	return syscall(SYS_pwrite64, fd, from, error == SHORT ? len / 2 : len, at);
}

int fdatasync(int fd)
{
	int error = fd_fails(fd, SYNCING);
	return error != 0 ? failed_call(error) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	int error = fd_fails(fd, SYNCING);
	return error != 0 ? failed_call(error) : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size)
{
	int error = fd_fails(fd, CHANGING);
	return error != 0 ? failed_call(error) : (int)syscall(SYS_ftruncate, fd, size);
}

int unlink(const char *path)
{
	int error = path_ours(path) ? fails(CHANGING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_unlink, path);
}

int rename(const char *from, const char *to)
{
	int error = path_ours(from) ? fails(CHANGING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_rename, from, to);
}

int mkdir(const char *path, mode_t mode)
{
	int error = path_ours(path) ? fails(CHANGING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_mkdir, path, mode);
}

int access(const char *path, int mode)
{
	int error = path_ours(path) ? fails(LOOKING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_access, path, mode);
}

int stat(const char *path, struct stat *ret)
{
	int error = path_ours(path) ? fails(LOOKING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0);
}

int fstat(int fd, struct stat *ret)
{
	int error = fd_fails(fd, LOOKING);
	return error != 0 ? failed_call(error) : (int)syscall(SYS_fstat, fd, ret);
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	int error = (flags & MAP_ANONYMOUS) != 0 ? 0 : fd_fails(fd, MAPPING);
	if (error != 0) {
		errno = error;
		return MAP_FAILED;
	}
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): that is what the system call gives */
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *arg = va_arg(args, void *);
	va_end(args);
	bool locks = command == F_SETLK && ((struct flock *)arg)->l_type != F_UNLCK;
	int error = locks ? fd_fails(fd, LOCKING) : 0;
	return error != 0 ? failed_call(error) : (int)syscall(SYS_fcntl, fd, command, arg);
}

#define SAME(narrow, name) \
	__typeof__(name) narrow __asm__(#name) __attribute__((copy(name), alias(#name "64")))
SAME(open_narrow, open);
SAME(pread_narrow, pread);
SAME(pwrite_narrow, pwrite);
SAME(ftruncate_narrow, ftruncate);
SAME(stat_narrow, stat);
SAME(fstat_narrow, fstat);
SAME(mmap_narrow, mmap);
SAME(fcntl_narrow, fcntl);

static void heal(void)
{
	fault.at = fault.one_in = 0;
}

/* ---------------------------------------------------------------- a state to begin from */

/* The files of a store that was killed: what lies in the logs is in no main file yet. */
struct snapshot {
	struct {
		char path[200];
		struct buf bytes;
	} files[4];
	size_t count;
};

static void path_of(const struct harness *h, const struct owner *owner, const char *folder,
                    const char *ending, char ret[200])
{
	snprintf(ret, 200, "%s/%s/%.2s/%s.sqlite%s", h->dir, folder, owner->mailbox, owner->mailbox,
	         ending);
}

static void snapshot_add(struct snapshot *snapshot, const struct harness *h,
                         const struct owner *owner, const char *folder, const char *ending)
{
	struct stat st;
	char *path = snapshot->files[snapshot->count].path;
	struct buf *bytes = &snapshot->files[snapshot->count++].bytes;
	path_of(h, owner, folder, ending, path);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 0);
	buf_init(bytes, (size_t)st.st_size);
	assert_int_equal(pread(fd, buf_reserve(bytes, (size_t)st.st_size), (size_t)st.st_size, 0),
	                 st.st_size);
	bytes->len = (size_t)st.st_size;
	close(fd);
}

static void remove_files(const struct harness *h, const struct owner *owner)
{
	static const char *const folders[] = {"mailboxes", "temporary"};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char path[600];
		snprintf(path, sizeof(path), "%s/%s/%.2s", h->dir, folders[i], owner->mailbox);
		DIR *dir = opendir(path);
		struct dirent *entry;
		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			snprintf(path, sizeof(path), "%s/%s/%.2s/%s", h->dir, folders[i], owner->mailbox,
			         entry->d_name);
			if (entry->d_name[0] != '.')
				assert_int_equal(unlink(path), 0);
		}
		if (dir != NULL)
			closedir(dir);
	}
}

static void snapshot_restore(const struct snapshot *snapshot, const struct harness *h,
                             const struct owner *owner)
{
	remove_files(h, owner);
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct buf *bytes = &snapshot->files[i].bytes;
		int fd = open(snapshot->files[i].path, O_RDWR | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, bytes->ptr, bytes->len, 0), bytes->len);
		close(fd);
	}
}

static void text_of(uint32_t number, char ret[200])
{
	snprintf(ret, 200, "Message-ID: <%u@example.test>\r\nSubject: number %u\r\n\r\nText %u.\r\n",
	         number, number, number);
}

static void id_of(uint32_t number, char ret[17])
{
	snprintf(ret, 17, "delivery%08u", number);
}

static int deliver_number(struct harness *h, const struct owner *owner, uint32_t number)
{
	char raw[200], id[17];
	text_of(number, raw);
	id_of(number, id);
	return deliver_to(h, owner, str_from(raw), id, NULL, NULL);
}

/* ---------------------------------------------------------------- what was said */

enum { IN_INBOX = 3, WAITING = 2 };

struct said {
	struct harness *h;
	struct owner *owner;
	uint64_t folder;
	bool acknowledged[NUMBERS];
	bool expunged;         /* number 0, acknowledged */
	uint32_t uid[NUMBERS]; /* once known; 0 */
	bool healed;           /* nothing fails any more */
	int failures, busy;
};

/* What an operation may answer when a system call failed. */
static bool failed_well(struct said *said, int error)
{
	if (error == 0)
		return false;
	said->failures++;
	said->busy += error == E_BUSY;
	if (error != E_IO && error != E_NO_SPACE && error != E_BUSY)
		fail_msg("operation %d with errno %d: the answer is \"%s\"", fault.at, fault.error,
		         err_name(error));
	return true;
}

static void knows_uid(struct said *said, uint32_t number, uint32_t uid)
{
	for (uint32_t i = 0; i < NUMBERS; i++)
		if (i != number && said->uid[i] == uid)
			fail_msg("operation %d: UID %u was given to %u and to %u", fault.at, uid, i, number);
	if (said->uid[number] != 0)
		assert_int_equal(said->uid[number], uid);
	said->uid[number] = uid;
}

static void try_append_number(struct said *said, uint64_t session, uint32_t number)
{
	char raw[200], id[17];
	text_of(number, raw);
	id_of(number, id);
	int error;
	Pk__AppendReply *reply = try_append(said->h, session, "INBOX", str_from(raw), NULL, id, &error);
	if (failed_well(said, error))
		return;
	said->acknowledged[number] = true;
	knows_uid(said, number, reply->uid);
	FREE(reply);
}

static void try_deliver_number(struct said *said, uint32_t number)
{
	if (!failed_well(said, deliver_number(said->h, said->owner, number)))
		said->acknowledged[number] = true;
}

static uint32_t number_of(const Pk__FetchRow *row)
{
	assert_int_equal(row->n_sections, 1);
	const Pk__SectionData *data = row->sections[0];
	for (uint32_t number = 0; number < NUMBERS; number++) {
		char raw[200];
		text_of(number, raw);
		if (data->data.len == strlen(raw) && memcmp(data->data.data, raw, strlen(raw)) == 0)
			return number;
	}
	fail_msg("operation %d: a message that nobody sent", fault.at);
	return 0;
}

/* An answer of OK holds everything that was acknowledged; and no answer holds anything wrong. */
static void look(struct said *said, uint64_t session)
{
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	int error = fetch_uids(said->h, session, said->folder, 1, UINT32_MAX, 0, &section, f);
	bool there[NUMBERS] = {0};
	for (size_t i = 0; i < f->count; i++) {
		uint32_t number = number_of(f->rows[i]);
		assert_false(there[number]);
		there[number] = true;
		knows_uid(said, number, f->rows[i]->uid);
	}
	for (uint32_t i = 0; i < NUMBERS && error == 0; i++) {
		bool gone = i == 0 && said->expunged;
		/* What waited may wait a little longer when it could not be taken over. */
		bool due = said->acknowledged[i] &&
		           (said->healed || i < IN_INBOX || i >= IN_INBOX + WAITING);
		if (gone ? there[i] : due && !there[i])
			fail_msg("operation %d with errno %d: number %u is %s", fault.at, fault.error, i,
			         gone ? "back" : "missing");
	}
	failed_well(said, error);
	fetched_done(f);
	free(f);
}

static void try_expunge(struct said *said, uint64_t session)
{
	Pk__StoreRequest flags = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = range.last = said->uid[0];
	flags.session = session;
	flags.folder = said->folder;
	flags.uids = ranges;
	flags.n_uids = 1;
	flags.operation = PK__STORE_REQUEST__OPERATION__ADD;
	flags.flags = PK__FLAG__FLAG_DELETED;
	int error;
	FREE(CALL(said->h, STORE, flags, store_reply, &error));
	if (failed_well(said, error))
		return;
	Pk__ExpungeRequest expunge = PK__EXPUNGE_REQUEST__INIT;
	expunge.session = session;
	expunge.folder = said->folder;
	expunge.all = true;
	FREE(CALL(said->h, EXPUNGE, expunge, expunge_reply, &error));
	if (!failed_well(said, error))
		said->expunged = true;
	else
		said->acknowledged[0] = false; /* it may be gone or not */
}

/* The session, or 0. */
static uint64_t try_session(struct said *said)
{
	int error;
	Pk__OpenReply *reply = try_open(said->h, said->h->link, said->owner, &error);
	if (failed_well(said, error))
		return 0;
	uint64_t session = reply->session;
	FREE(reply);
	return session;
}

/* ---------------------------------------------------------------- the work */

/* One failure must not be the end of it: the second attempt finds a working mailbox. */
static void work_open(struct said *said)
{
	uint64_t session = try_session(said);
	if (session == 0)
		session = try_session(said);
	if (session == 0)
		return;
	for (int i = 0; i < 2; i++) {
		look(said, session);
		if (!said->acknowledged[5])
			try_append_number(said, session, 5);
		if (!said->acknowledged[6])
			try_deliver_number(said, 6);
		if (!said->expunged)
			try_expunge(said, session);
	}
	try_append_number(said, session, 7);
	look(said, session);
	close_session(said->h, session);
}

static void work_away(struct said *said)
{
	for (uint32_t number = 5; number < 8; number++) {
		try_deliver_number(said, number);
		if (!said->acknowledged[number])
			try_deliver_number(said, number);
	}
}

struct rig {
	struct harness *h;
	struct owner *owner;
	uint64_t folder;
	uint32_t first_uid;
	struct snapshot snapshot;
	void (*work)(struct said *said);
};

static void rig_make(struct rig *rig, struct harness *h, struct owner *owner,
                     void (*work)(struct said *said))
{
	*rig = (struct rig){.h = h, .owner = owner, .work = work};
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(h->log.fd >= 0);
	create_mailbox(h, owner);
	uint64_t session = open_session(h, owner);
	rig->folder = folder_id(h, session, "INBOX");
	for (uint32_t number = 0; number < IN_INBOX; number++) {
		char raw[200];
		text_of(number, raw);
		uint32_t uid = append(h, session, "INBOX", str_from(raw), NULL);
		if (number == 0)
			rig->first_uid = uid;
	}
	snapshot_add(&rig->snapshot, h, owner, "mailboxes", "");
	snapshot_add(&rig->snapshot, h, owner, "mailboxes", "-wal");
	close_session(h, session);
	harness_restart(h); /* nobody has the key now */
	for (uint32_t i = 0; i < WAITING; i++)
		assert_int_equal(deliver_number(h, owner, IN_INBOX + i), 0);
	snapshot_add(&rig->snapshot, h, owner, "temporary", "");
	snapshot_add(&rig->snapshot, h, owner, "temporary", "-wal");
	harness_down(h);
	fault.dir = h->dir;
}

static void rig_done(struct rig *rig)
{
	fault.dir = NULL;
	for (size_t i = 0; i < rig->snapshot.count; i++)
		buf_done(&rig->snapshot.files[i].bytes);
	owner_done(rig->owner);
	close(rig->h->log.fd);
	rig->h->log.fd = 2;
	harness_up(rig->h);
}

/* From the snapshot, with a fault; returns how many answers said that something failed. */
static int run_once(struct rig *rig, int error, int at, int one_in)
{
	struct said said = {.h = rig->h, .owner = rig->owner, .folder = rig->folder};
	said.uid[0] = rig->first_uid;
	for (uint32_t number = 0; number < IN_INBOX + WAITING; number++)
		said.acknowledged[number] = true;
	snapshot_restore(&rig->snapshot, rig->h, rig->owner);
	harness_up(rig->h);
	assert_int_equal(ftruncate(rig->h->log.fd, 0), 0);
	fault.seen = fault.failed = 0;
	fault.error = error;
	fault.one_in = one_in;
	fault.at = at;
	rig->work(&said);
	if (at > 0) {
		/* Once: both attempts of the same thing cannot fail. */
		for (uint32_t number = 5; number < 8; number++)
			assert_true(said.acknowledged[number] || number == 7);
	}
	harness_down(rig->h);
	heal();
	said.healed = true;
	harness_up(rig->h);
	uint64_t session = open_session(rig->h, rig->owner);
	int failures = said.failures;
	if (failures > said.busy)
		assert_true(lseek(rig->h->log.fd, 0, SEEK_END) > 0); /* and the operator is told */
	look(&said, session);
	try_append_number(&said, session, 8);
	assert_true(said.acknowledged[8]);
	look(&said, session);
	close_session(rig->h, session);
	assert_verified(rig->h, rig->owner);
	harness_down(rig->h);
	return failures;
}

static const int errors[] = {EIO, SHORT, ENOSPC, EINTR, ESTALE, EMFILE};

/* Each in turn with an I/O error, and with other errors some of them, each time others. */
static void each_in_turn(struct rig *rig)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int step = errors[i] == EIO || errors[i] == EMFILE ? 1 : 7, runs = 0, reported = 0;
		run_once(rig, errors[i], 1 << 30, 0);
		int operations = fault.seen;
		assert_true(operations > 0);
		for (int at = 1 + (int)i % step; at <= operations; at += step) {
			reported += run_once(rig, errors[i], at, 0) > 0;
			runs++;
		}
		print_message("errno %d: %d operations, %d runs, %d with an answer that says so\n",
		              errors[i], operations, runs, reported);
		/* What SQLite itself repeats is no failure. */
		if (errors[i] != SHORT && errors[i] != EINTR)
			assert_true(reported > 0);
	}
}

static void at_random(struct rig *rig)
{
	for (uint32_t seed = 1; seed <= 60; seed++) {
		fault.random = seed;
		run_once(rig, errors[seed % ARRAY_LEN(errors)], 0, seed % 2 == 0 ? 12 : 50);
	}
}

static void test_open(void **state)
{
	struct rig rig;
	struct owner owner;
	rig_make(&rig, *state, &owner, work_open);
	each_in_turn(&rig);
	at_random(&rig);
	rig_done(&rig);
}

static void test_away(void **state)
{
	struct rig rig;
	struct owner owner;
	rig_make(&rig, *state, &owner, work_away);
	each_in_turn(&rig);
	at_random(&rig);
	rig_done(&rig);
}

static unsigned count_messages(struct rig *rig, uint64_t session)
{
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(rig->h, session, rig->folder, 1, UINT32_MAX, 0, NULL, f), 0);
	unsigned count = (unsigned)f->count;
	fetched_done(f);
	free(f);
	return count;
}

/* What could not be taken over when the owner came is, a little later, in the same session. */
static void test_merged_later(void **state)
{
	struct rig rig;
	struct owner owner;
	rig_make(&rig, *state, &owner, work_open);
	uint64_t session = 0;
	bool late = false;
	for (int at = 1; !late; at++) {
		snapshot_restore(&rig.snapshot, rig.h, &owner);
		harness_up(rig.h);
		fault.seen = fault.failed = 0;
		fault.error = EIO;
		fault.at = at;
		int error;
		Pk__OpenReply *reply = try_open(rig.h, rig.h->link, &owner, &error);
		assert_true(fault.failed > 0); /* or else none of them failed it */
		heal();
		late = error == 0 && reply->merged == 0;
		if (late)
			session = reply->session;
		else
			harness_down(rig.h);
		if (reply != NULL)
			FREE(reply);
	}
	rig.h->changed_events = 0;
	FREE(select_folder(rig.h, session, "INBOX"));
	WAIT_FOR(rig.h, rig.h->changed_events > 0);
	assert_int_equal(count_messages(&rig, session), IN_INBOX + WAITING);
	close_session(rig.h, session);
	harness_down(rig.h);
	rig_done(&rig);
}

static int teardown(void **state)
{
	struct harness *h = *state;
	heal();
	fault.dir = NULL;
	if (h->store == NULL)
		harness_up(h); /* a test that failed left it so */
	return harness_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_open), TEST(test_away), TEST(test_merged_later)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
