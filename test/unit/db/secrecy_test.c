/* What is left behind: text in files while SQLite works, keys and text in memory afterwards. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include <pthread.h>
#include <sqlite3.h>

#define MARKER "plain-text-that-no-file-may-hold"

static int setup(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	folder_make(folder);
	*state = folder;
	return 0;
}

static int teardown(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

/* Files */

/* Regular files among our open descriptors, deleted ones too, that hold MARKER. */
static int open_files_with_marker(int *ret_files)
{
	int found = 0;
	char name[32];
	*ret_files = 0;
	for (int fd = 0; fd < 200; fd++) {
		struct stat st;
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		/* The link leads to a deleted file as well; the descriptor itself may be write-only. */
		int again = open(name, O_RDONLY);
		if (again < 0)
			continue;
		char *bytes = malloc((size_t)st.st_size + 1);
		assert_non_null(bytes);
		ssize_t len = pread(again, bytes, (size_t)st.st_size, 0);
		++*ret_files;
		found += len > 0 && bytes_contain(bytes, (size_t)len, STR(MARKER));
		free(bytes);
		close(again);
	}
	return found;
}

struct watch {
	int calls, found, files_most;
	int skip; /* the progress handler is called far more often than looking is worth */
};

static int watch_files(void *arg)
{
	struct watch *watch = arg;
	if (watch->skip++ % 10 == 0) {
		int files;
		watch->found += open_files_with_marker(&files);
		watch->files_most = files > watch->files_most ? files : watch->files_most;
		watch->calls++;
	}
	return 0;
}

static void a_marker_in_a_deleted_file_is_found(void **state)
{
	struct folder *folder = *state;
	int files;
	assert_int_equal(open_files_with_marker(&files), 0);
	int fd = open(folder->file, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, MARKER, strlen(MARKER)), strlen(MARKER));
	unlink(folder->file);
	assert_int_equal(open_files_with_marker(&files), 1);
	close(fd);
}

/* Closing a descriptor of the database, as the search does, drops SQLite's locks on it; nobody else
 * uses the file here. */
static void no_file_gets_plain_text(void **state)
{
	static const char *const work[] = {
		"CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT)",
		"WITH RECURSIVE i(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM i WHERE n<4000)"
		" INSERT INTO t SELECT n, '" MARKER "' || n, hex(randomblob(300)) FROM i",
		"CREATE INDEX by_b ON t(b, a)", /* the sorter, larger than the cache */
		"SELECT max(x) FROM (SELECT a || b AS x FROM t ORDER BY b DESC, a LIMIT 3999)",
		"SELECT count(*) FROM (SELECT a, b FROM t UNION SELECT b, a FROM t)",
		"CREATE TEMP TABLE copy AS SELECT * FROM t; CREATE INDEX temp.x ON copy(a)",
		/* A statement that fails half-way has a statement journal. */
		"BEGIN; SAVEPOINT s; UPDATE t SET a='" MARKER "'||b; ROLLBACK TO s; COMMIT",
		"CREATE TRIGGER no BEFORE UPDATE ON t WHEN new.id=3900 BEGIN SELECT RAISE(ABORT,'no'); END",
		"BEGIN; INSERT INTO t(a) VALUES('" MARKER "'); UPDATE OR ABORT t SET b=a; COMMIT",
		"PRAGMA incremental_vacuum",
		"VACUUM",
		"PRAGMA wal_checkpoint(TRUNCATE)",
		"PRAGMA journal_mode=DELETE; UPDATE t SET a=a||'+' WHERE id<2000",
		"PRAGMA journal_mode=WAL; DELETE FROM t WHERE id%2=0",
	};
	struct folder *folder = *state;
	struct errinfo info;
	struct watch watch = {0};
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "PRAGMA cache_size=20"); /* pages; what can spill does */
	sqlite3_progress_handler(db_handle(db), 2000, watch_files, &watch);
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
		int rc = db_exec(db, work[i], &info);
		if (strstr(work[i], "OR ABORT") != NULL) {
			assert_int_equal(rc, E_INVALID); /* the trigger's */
			db_rollback(db);
		} else if (rc != 0) {
			fail_msg("%s: %s", work[i], info.text);
		}
		watch.skip = 0;
		watch_files(&watch);
	}
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	sqlite3_progress_handler(db_handle(db), 0, NULL, NULL);
	db_close(db);
	assert_int_equal(watch.found, 0);
	assert_true(watch.calls > 30);
	assert_true(watch.files_most >= 3);
	for (int i = 0; i < 2; i++) {
		size_t len;
		char *bytes = file_read(i == 0 ? folder->file : folder->copy, &len);
		assert_true(len > 100000);
		assert_false(bytes_contain(bytes, len, STR(MARKER)));
		free(bytes);
	}
}

/* Memory */

/* The needle is kept XORed with a byte, so that looking for it does not put it into memory. */
enum { MASK = 0x5c, NEEDLE = 16 };

struct scan {
	size_t bytes;
	int found;
};

static bool masked_at(const unsigned char *bytes, const unsigned char *masked)
{
	for (size_t i = 0; i < NEEDLE; i++)
		if ((bytes[i] ^ MASK) != masked[i])
			return false;
	return true;
}

static int count_masked(const unsigned char *bytes, size_t len, const unsigned char *masked)
{
	int found = 0;
	const unsigned char *end = bytes + len - NEEDLE + 1;
	const unsigned char *at = bytes;
	while (at < end && (at = memchr(at, masked[0] ^ MASK, (size_t)(end - at))) != NULL)
		found += masked_at(at++, masked);
	return found;
}

/* Every page of this process that is writable, or that it may not even read itself. */
static struct scan scan_memory(const unsigned char *masked)
{
	enum { CHUNK = 1 << 16 };
	static unsigned char chunk[CHUNK];
	struct scan scan = {0};
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	assert_true(maps != NULL && memory >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		char *rest;
		uintptr_t from = strtoul(line, &rest, 16);
		uintptr_t to = strtoul(rest + 1, &rest, 16);
		bool closed = rest[1] == '-' && rest[2] == '-';
		/* The sanitizer's shadow and its kind: terabytes that hold no data of ours. */
		if ((rest[2] != 'w' && !closed) || to - from > (uintptr_t)1 << 30)
			continue;
		for (uintptr_t at = from; at < to; at += CHUNK - NEEDLE) {
			size_t want = to - at < CHUNK ? to - at : CHUNK;
			bool own = at < (uintptr_t)chunk + CHUNK && at + want > (uintptr_t)chunk;
			ssize_t len = own ? 0 : pread(memory, chunk, want, (off_t)at);
			scan.found += len < NEEDLE ? 0 : count_masked(chunk, (size_t)len, masked);
			scan.bytes += len > 0 ? (size_t)len : 0;
		}
		memset(chunk, 0, sizeof(chunk));
	}
	close(memory);
	fclose(maps);
	return scan;
}

/* What the scan looks for, as 16-byte halves: registers are spilled in such pieces. */
struct canary {
	unsigned char masked[DATA_KEY_SALT_SIZE + KEY_SIZE];
};

__attribute__((noinline)) static void canary_key(const struct canary *canary, struct data_key *ret)
{
	for (size_t i = 0; i < KEY_SIZE; i++)
		ret->key.bytes[i] = canary->masked[i] ^ MASK;
	memset(ret->salt, 7, sizeof(ret->salt));
}

/* Everything that touches the key happens here, below the stack frames that are looked at. */
__attribute__((noinline)) static void work_with_key(const struct folder *folder,
                                                    const struct canary *canary,
                                                    struct vault *vault, struct vaulted *vaulted)
{
	struct errinfo info;
	struct data_key key DATA_KEY_AUTO;
	struct db *db;
	canary_key(canary, &key);
	assert_int_equal(db_open(&db, folder->file, &key, DB_CREATE, &info), 0);
	exec_ok(db, "CREATE TABLE t(a)");
	for (int i = 0; i < 100; i++)
		exec_ok(db, "INSERT INTO t VALUES(randomblob(2000))");
	assert_int_equal(db_checkpoint(db, true, &info), 0);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	db_close(db);
	assert_int_equal(db_open(&db, folder->file, &key, 0, &info), 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 100);
	db_close(db);
	unlink(folder->copy);
	assert_int_equal(db_open(&db, folder->file, &key, 0, &info), 0);
	assert_int_equal(copy_rekeyed(db, folder->copy, &key, &info), 0);
	db_close(db);

	/* And what a login does with keys. */
	struct slot_salt salt = {.iterations = 1};
	struct slot slot;
	struct key32 plain_key KEY32_AUTO;
	struct key32 back KEY32_AUTO;
	slot_create(&slot, STR("mailbox"), &salt, STR("password"), &key.key);
	slot_plain_key(STR("mailbox"), &salt, STR("password"), &plain_key);
	assert_true(slot_open_plain(&slot, STR("mailbox"), &plain_key, &back));
	vault_put(vault, &back, vaulted);
	assert_true(vault_get(vault, vaulted, &back));
	struct secret *secret = secret_new(&key, sizeof(key));
	assert_non_null(secret);
	assert_memory_equal(secret_open(secret), &key, sizeof(key));
	secret_close(secret);
	secret_free(secret);
}

/* Further down the stack, so that looking for what was left there does not overwrite it. */
#define FAR_DOWN(call)                                             \
	do {                                                           \
		volatile unsigned char *space = __builtin_alloca(1 << 16); \
		space[0] = 0;                                              \
		call;                                                      \
		__asm__ volatile("" : : "r"(space) : "memory");            \
	} while (0)

__attribute__((noinline)) static void work_with_key_far_down(const struct folder *folder,
                                                             const struct canary *canary,
                                                             struct vault *vault,
                                                             struct vaulted *vaulted)
{
	FAR_DOWN(work_with_key(folder, canary, vault, vaulted));
}

static void no_key_stays_in_memory(void **state)
{
	struct folder *folder = *state;
	struct canary canary;
	struct vaulted vaulted;
	struct vault *vault = vault_new();
	random_bytes(&canary, sizeof(canary));

	/* The search finds a key where there is one: in the heap, and in a closed secret. */
	struct data_key *key = malloc(sizeof(*key));
	assert_non_null(key);
	canary_key(&canary, key);
	assert_true(scan_memory(canary.masked).found >= 1);
	struct secret *secret = secret_new(key, sizeof(*key));
	data_key_wipe(key);
	free(key);
	struct scan scan = scan_memory(canary.masked);
	assert_true(scan.found >= 1);
	secret_free(secret);
	scan = scan_memory(canary.masked);
	assert_int_equal(scan.found, 0);

	work_with_key_far_down(folder, &canary, vault, &vaulted);
	for (size_t half = 0; half < KEY_SIZE; half += NEEDLE) {
		scan = scan_memory(canary.masked + half);
		assert_true(scan.bytes > 100000);
		assert_int_equal(scan.found, 0);
	}
	vault_free(vault);
}

__attribute__((noinline)) static void work_with_text(const struct folder *folder,
                                                     const struct canary *canary)
{
	struct errinfo info;
	unsigned char text[NEEDLE];
	for (size_t i = 0; i < NEEDLE; i++)
		text[i] = canary->masked[i] ^ MASK;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE t(a); CREATE INDEX i ON t(a)");
	for (int i = 0; i < 300; i++) {
		struct db_stmt *insert = db_query(db, "INSERT INTO t VALUES(?1||randomblob(100))");
		db_bind_blob(insert, 1, STR_OF(text, sizeof(text)));
		assert_int_equal(db_run(insert, &info), 0);
	}
	assert_int_equal(query_int(db, "SELECT count(*) FROM (SELECT a FROM t ORDER BY a DESC)"), 300);
	wipe(text, sizeof(text));
	assert_true(scan_memory(canary->masked).found > 100); /* the cache, as it should */
	db_close(db);
}

__attribute__((noinline)) static void work_with_text_far_down(const struct folder *folder,
                                                              const struct canary *canary)
{
	FAR_DOWN(work_with_text(folder, canary));
}

static void no_text_stays_in_memory_after_the_close(void **state)
{
	struct folder *folder = *state;
	struct canary canary;
	random_bytes(&canary, sizeof(canary));
	work_with_text_far_down(folder, &canary);
	assert_int_equal(scan_memory(canary.masked).found, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_marker_in_a_deleted_file_is_found),
		TEST(no_file_gets_plain_text),
		TEST(no_key_stays_in_memory),
		TEST(no_text_stays_in_memory_after_the_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
