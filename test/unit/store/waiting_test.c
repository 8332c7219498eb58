/* Memory is as good as a disk here, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"
#include "structure.pb-c.h"

#include <errno.h>
#include <sys/syscall.h>

/*
 * Mail that waits in a damaged temporary mailbox: each page of its file is damaged in turn. What lies on
 * other pages arrives, so does what is delivered while the file is broken; owner and operator are told.
 */

enum { WAITING = 25, PAGE = 4096, ROWS_ON_A_PAGE = 13, FILE_MAX = 2 * 1024 * 1024 };

static const char notice_subject[] = "Subject: Some mail that waited for you was damaged";

/* Text that does not get smaller, so that rows have overflow pages. */
static void text_of(unsigned number, char ret[9000])
{
	int len = snprintf(ret, 9000, "Subject: number %u\r\n\r\n", number);
	unsigned random = number;
	while (len < 5000 + (int)(number % 4) * 900) {
		random = random * 1664525 + 1013904223;
		len += snprintf(ret + len, 10, "%06x%s", random >> 8, len % 7 == 0 ? "\r\n" : "");
	}
}

static int deliver_number(struct harness *h, const struct owner *owner, unsigned number)
{
	char raw[9000], id[17];
	text_of(number, raw);
	snprintf(id, sizeof(id), "delivery%08u", number);
	return deliver_to(h, owner, str_from(raw), id, NULL, NULL);
}

struct file {
	char path[200];
	struct buf bytes;
};

static void file_name(const struct harness *h, const struct owner *owner, const char *folder,
                      const char *ending, char ret[200])
{
	snprintf(ret, 200, "%s/%s/%.2s/%s.sqlite%s", h->dir, folder, owner->mailbox, owner->mailbox,
	         ending);
}

static void file_load(struct file *file, const struct harness *h, const struct owner *owner,
                      const char *folder)
{
	file_name(h, owner, folder, "", file->path);
	buf_init(&file->bytes, FILE_MAX);
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t len = read(fd, buf_reserve(&file->bytes, FILE_MAX), FILE_MAX);
	assert_true(len > 0 && len < FILE_MAX);
	file->bytes.len = (size_t)len;
	close(fd);
}

static void file_restore(const struct file *file)
{
	int fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->bytes.ptr, file->bytes.len), file->bytes.len);
	close(fd);
}

static void file_flip(const struct file *file, size_t at)
{
	char byte = (char)(file->bytes.ptr[at] ^ 1);
	int fd = open(file->path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static bool there(const struct harness *h, const struct owner *owner, const char *ending)
{
	char path[200];
	file_name(h, owner, "temporary", ending, path);
	return access(path, F_OK) == 0;
}

static void remove_aside(const struct harness *h, const struct owner *owner)
{
	for (unsigned number = 1; number < 5; number++) {
		char ending[30], path[200];
		snprintf(ending, sizeof(ending), ".salvaged-%u", number);
		file_name(h, owner, "temporary", ending, path);
		unlink(path);
	}
}

struct arrived {
	bool number[WAITING + 10];
	unsigned count, notices;
	struct buf notice;
};

static void check_structure(const Pk__FetchRow *row)
{
	Pk__Envelope *envelope = pk__envelope__unpack(NULL, row->envelope.len, row->envelope.data);
	Pk__BodyStructure *body = pk__body_structure__unpack(NULL, row->body_structure.len,
	                                                     row->body_structure.data);
	assert_non_null(envelope);
	assert_int_equal(envelope->n_from, 1);
	assert_true(envelope->has_date && envelope->has_message_id);
	assert_true(str_ends_nocase(str_from(notice_subject), STR_OF_BYTES(envelope->subject)));
	assert_non_null(body);
	assert_int_equal(body->n_bodies, 1);
	FREE(envelope);
	FREE(body);
}

static void look(struct harness *h, uint64_t session, struct arrived *ret)
{
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	uint64_t folder = folder_id(h, session, "INBOX");
	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->notice, 10000);
	assert_int_equal(
		fetch_uids(h, session, folder, 1, UINT32_MAX,
	               PK__FETCH_ITEM__FETCH_ENVELOPE | PK__FETCH_ITEM__FETCH_BODY_STRUCTURE, &section,
	               f),
		0);
	for (size_t i = 0; i < f->count; i++) {
		struct str text = STR_OF(f->rows[i]->sections[0]->data.data,
		                         f->rows[i]->sections[0]->data.len);
		bool known = str_find(text, str_from(notice_subject)) >= 0;
		if (known) {
			ret->notices++;
			buf_add_str(&ret->notice, text);
			check_structure(f->rows[i]);
		}
		for (unsigned number = 0; number < WAITING + 10 && !known; number++) {
			char raw[9000];
			text_of(number, raw);
			known = str_eq(text, str_from(raw));
			if (known) {
				assert_false(ret->number[number]);
				ret->number[number] = true;
				ret->count++;
			}
		}
		assert_true(known);
	}
	fetched_done(f);
	free(f);
}

static bool verify_ok(struct harness *h, struct owner *owner)
{
	Pk__VerifyRequest request = PK__VERIFY_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	int error;
	Pk__VerifyReply *reply = CALL(h, VERIFY, request, verify_reply, &error);
	assert_int_equal(error, 0);
	bool ok = reply->ok;
	FREE(reply);
	return ok;
}

/* 0 at once, or when the front tries again. */
static void deliver_patiently(struct harness *h, const struct owner *owner, unsigned number)
{
	int error = deliver_number(h, owner, number);
	if (error != 0) {
		assert_int_equal(error, E_CORRUPT);
		error = deliver_number(h, owner, number);
	}
	assert_int_equal(error, 0);
}

/* Returns how many messages were lost. */
static unsigned damage_page(struct harness *h, struct owner *owner, const struct file *waiting,
                            size_t page)
{
	struct arrived arrived;
	file_flip(waiting, page * PAGE + 2000);
	harness_up(h);
	assert_false(verify_ok(h, owner));
	harness_restart(h); /* the key is forgotten */
	for (unsigned number = WAITING; number < WAITING + 3; number++)
		deliver_patiently(h, owner, number);
	uint64_t session = open_session(h, owner);
	look(h, session, &arrived);
	for (unsigned number = WAITING; number < WAITING + 3; number++)
		assert_true(arrived.number[number]);
	unsigned lost = WAITING + 3 - arrived.count;
	assert_int_equal(arrived.notices, 1);
	char line[100];
	snprintf(line, sizeof(line), "could not be read: %u\r\n", lost);
	if (str_find(buf_str(&arrived.notice), STR("number is not known")) < 0)
		assert_true(str_find(buf_str(&arrived.notice), str_from(line)) > 0);
	buf_done(&arrived.notice);
	close_session(h, session);
	assert_false(there(h, owner, ""));
	assert_false(there(h, owner, ".damaged-1"));
	assert_true(there(h, owner, ".salvaged-1"));
	assert_false(verify_ok(h, owner)); /* as long as that lies there */
	remove_aside(h, owner);
	assert_sound(h, owner, arrived.count + 1);
	harness_down(h);
	return lost;
}

static void test_each_page(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct file waiting, mailbox;
	create_mailbox(h, &owner);
	harness_restart(h);
	for (unsigned number = 0; number < WAITING; number++)
		assert_int_equal(deliver_number(h, &owner, number), 0);
	harness_down(h);
	h->log.level = LOG_LEVEL_ERROR + 1;
	file_load(&waiting, h, &owner, "temporary");
	file_load(&mailbox, h, &owner, "mailboxes");
	size_t pages = waiting.bytes.len / PAGE;
	assert_true(pages > WAITING / 2);
	unsigned costly = 0, total = 0;
	for (size_t page = 0; page < pages; page++) {
		file_restore(&waiting);
		file_restore(&mailbox);
		unsigned lost = damage_page(h, &owner, &waiting, page);
		costly += lost > ROWS_ON_A_PAGE;
		total += lost;
	}
	/* The first page and the top of the table, on which all others hang. */
	assert_true(costly <= 2);
	assert_true(total >= WAITING);
	print_message("%zu pages, %u of them cost more than their rows\n", pages, costly);
	buf_done(&waiting.bytes);
	buf_done(&mailbox.bytes);
	harness_up(h);
	owner_done(&owner);
}

/* ---------------------------------------------------------------- a disk that gives errors */

/* One place of a file that the disk does not give back. */
static struct {
	ino_t inode; /* 0: none */
	off_t at;
} unreadable;

/* This definition comes before the C library's. With 64-bit offsets the headers give it a symbol of another
 * name; both are wanted. */
ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	struct stat st;
	bool hit = unreadable.inode != 0 && at <= unreadable.at && unreadable.at < at + (off_t)len &&
	           fstat(fd, &st) == 0 && st.st_ino == unreadable.inode;
	if (!hit)
		return syscall(SYS_pread64, fd, to, len, at);
	errno = EIO;
	return -1;
}

extern __typeof__(pread) pread_narrow __asm__("pread")
	__attribute__((copy(pread), alias("pread64")));

/* The owner looks and goes at once; nothing of that is left in memory but how often it failed. */
static void look_and_go(struct harness *h, struct owner *owner, struct arrived *ret)
{
	uint64_t session = open_session(h, owner);
	look(h, session, ret);
	close_session(h, session);
	for (uint64_t open = 1; open > 0;) {
		Pk__Empty nothing = PK__EMPTY__INIT;
		int error;
		Pk__StatisticsReply *reply = CALL(h, STATISTICS, nothing, statistics_reply, &error);
		assert_int_equal(error, 0);
		open = reply->mailboxes_open;
		FREE(reply);
		loop_run_once(h->loop, 10);
	}
}

/* A page that the disk does not give back may be readable in a while, with all that waits: it is left as it
 * is three times. Then it counts as damaged, and the rest arrives. */
static void test_three_failures(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct arrived arrived;
	struct file waiting;
	struct stat st;
	create_mailbox(h, &owner);
	harness_down(h);
	h->options.limits.linger_ms = 0;
	h->log.level = LOG_LEVEL_ERROR + 1;
	harness_up(h);
	for (unsigned number = 0; number < WAITING; number++)
		assert_int_equal(deliver_number(h, &owner, number), 0);
	harness_restart(h);
	file_load(&waiting, h, &owner, "temporary");
	assert_int_equal(stat(waiting.path, &st), 0);
	unreadable.at = (off_t)(waiting.bytes.len / PAGE / 2 * PAGE);
	for (int failures = 0; failures < 3; failures++) {
		unreadable.inode = st.st_ino;
		look_and_go(h, &owner, &arrived);
		assert_int_equal(arrived.notices, 0);
		assert_true(there(h, &owner, ""));
		assert_false(there(h, &owner, ".damaged-1"));
		buf_done(&arrived.notice);
	}
	look_and_go(h, &owner, &arrived);
	assert_int_equal(arrived.notices, 1);
	assert_in_range(arrived.count, WAITING - ROWS_ON_A_PAGE, WAITING - 1);
	assert_false(there(h, &owner, ""));
	assert_true(there(h, &owner, ".salvaged-1"));
	buf_done(&arrived.notice);
	unreadable.inode = 0;
	/* Once it is readable again an operator can have it looked at again. */
	char salvaged[200], damaged[200];
	file_name(h, &owner, "temporary", ".salvaged-1", salvaged);
	file_name(h, &owner, "temporary", ".damaged-1", damaged);
	assert_int_equal(rename(salvaged, damaged), 0);
	harness_restart(h);
	look_and_go(h, &owner, &arrived);
	assert_int_equal(arrived.count, WAITING);
	buf_done(&arrived.notice);
	buf_done(&waiting.bytes);
	owner_done(&owner);
}

/* ---------------------------------------------------------------- others */

/* A row that does not open is no reason to keep the others, and is told. */
static void test_row_for_another_key(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct arrived arrived;
	create_mailbox(h, &owner);
	harness_restart(h);
	h->log.level = LOG_LEVEL_ERROR + 1; /* what follows is logged as an error */
	struct owner wrong = owner;
	wrong.public_key[5] ^= 1;
	assert_int_equal(deliver_number(h, &owner, 0), 0);
	assert_int_equal(deliver_number(h, &wrong, 1), 0);
	assert_int_equal(deliver_number(h, &owner, 2), 0);
	uint64_t session = open_session(h, &owner);
	look(h, session, &arrived);
	assert_true(arrived.number[0] && arrived.number[2]);
	assert_int_equal(arrived.count, 2);
	assert_int_equal(arrived.notices, 1);
	buf_done(&arrived.notice);
	assert_true(there(h, &owner, ".salvaged-1"));
	assert_false(there(h, &owner, ""));
	harness_restart(h);
	session = open_session(h, &owner);
	look(h, session, &arrived);
	assert_int_equal(arrived.notices, 1); /* not again */
	buf_done(&arrived.notice);
	/* The mailbox goes, and all that waited for it. */
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	request.mailbox = owner.mailbox;
	int error;
	FREE(CALL(h, REMOVE, request, empty, &error));
	assert_int_equal(error, 0);
	assert_false(there(h, &owner, ".salvaged-1"));
	owner_done(&owner);
}

/* A file under another host key is no damaged file. */
static void test_other_host_key(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	harness_restart(h);
	assert_int_equal(deliver_number(h, &owner, 0), 0);
	harness_down(h);
	h->log.level = LOG_LEVEL_ERROR + 1;
	struct secret *right = h->host_key;
	unsigned char key[32] = {9};
	h->host_key = secret_new(key, sizeof(key));
	harness_up(h);
	assert_int_equal(deliver_number(h, &owner, 1), E_UNAVAILABLE);
	close_session(h, open_session(h, &owner));
	assert_true(there(h, &owner, ""));
	assert_false(there(h, &owner, ".damaged-1"));
	harness_down(h);
	secret_free(h->host_key);
	h->host_key = right;
	harness_up(h);
	uint64_t session = open_session(h, &owner);
	struct arrived arrived;
	look(h, session, &arrived);
	assert_true(arrived.number[0]);
	buf_done(&arrived.notice);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_page),
		TEST(test_three_failures),
		TEST(test_row_for_another_key),
		TEST(test_other_host_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
