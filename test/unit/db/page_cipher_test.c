#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "db/page_cipher.h"

enum { PAGE = 4096, ROWS = 300 };

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

/* A connection of SQLite's own, with the cipher that the library brings. */
static sqlite3 *builtin_open(const char *path, const void *key, int key_len)
{
	sqlite3 *handle;
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, "PRAGMA cipher='chacha20'", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_key_v2(handle, "main", key, key_len), SQLITE_OK);
	return handle;
}

static sqlite3 *builtin_open_raw(const char *path, const struct data_key *key)
{
	unsigned char raw[RAW_KEY_SIZE];
	page_cipher_raw_key(key, raw);
	return builtin_open(path, raw, sizeof(raw));
}

static int64_t builtin_int(sqlite3 *handle, const char *sql)
{
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

#define FILL                                                                     \
	"CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, a TEXT);"               \
	"WITH RECURSIVE i(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM i WHERE n<300)" \
	" INSERT INTO t(a) SELECT printf('row %d %.900c', n, 'x') FROM i"
#define SUM "SELECT sum(length(a)) + sum(n) FROM t"

static void both_ciphers_in_one_file(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, FILL);
	int64_t sum = query_int(db, SUM);
	db_close(db);

	sqlite3 *builtin = builtin_open_raw(folder->file, &folder->key);
	assert_int_equal(builtin_int(builtin, SUM), sum);
	assert_int_equal(sqlite3_exec(builtin, FILL, NULL, NULL, NULL), SQLITE_OK);
	int64_t sum_of_both = builtin_int(builtin, SUM);
	assert_int_equal(builtin_int(builtin, "SELECT count(*) FROM pragma_integrity_check"
	                                      " WHERE integrity_check<>'ok'"),
	                 0);
	sqlite3_close(builtin);

	db = open_ok(folder, 0);
	struct buf findings;
	buf_init(&findings, 10000);
	assert_int_equal(query_int(db, SUM), sum_of_both);
	assert_int_equal(db_integrity_check(db, &findings, &info), 0);
	db_close(db);
	buf_done(&findings);

	/* A wal that one left is read by the other. */
	builtin = builtin_open_raw(folder->file, &folder->key);
	assert_int_equal(sqlite3_exec(builtin, "DELETE FROM t WHERE n%2=0", NULL, NULL, NULL),
	                 SQLITE_OK);
	db = open_ok(folder, 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), ROWS);
	exec_ok(db, "DELETE FROM t WHERE n%3=0");
	assert_int_equal(builtin_int(builtin, "SELECT count(*) FROM t"), ROWS * 2 / 3);
	db_close(db);
	sqlite3_close(builtin);
}

static void the_builtin_one_writes_first(void **state)
{
	struct folder *folder = *state;
	sqlite3 *builtin = builtin_open_raw(folder->file, &folder->key);
	assert_int_equal(sqlite3_exec(builtin, FILL, NULL, NULL, NULL), SQLITE_OK);
	int64_t sum = builtin_int(builtin, SUM);
	sqlite3_close(builtin);
	struct db *db = open_ok(folder, 0); /* also turns it into WAL mode */
	assert_int_equal(query_int(db, SUM), sum);
	db_close(db);
}

static void a_password_opens_the_file(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	data_key_derive(STR("the password"), folder->key.salt, &folder->key);
	data_key_derive(STR("the next password"), folder->other_key.salt, &folder->other_key);
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, FILL);
	int64_t sum = query_int(db, SUM);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	db_close(db);

	sqlite3 *builtin = builtin_open(folder->file, "the password", 12);
	assert_int_equal(builtin_int(builtin, SUM), sum);
	sqlite3_close(builtin);
	builtin = builtin_open(folder->file, "the passwore", 12);
	assert_int_equal(sqlite3_exec(builtin, SUM, NULL, NULL, NULL), SQLITE_NOTADB);
	sqlite3_close(builtin);
	builtin = builtin_open(folder->copy, "the next password", 17);
	assert_int_equal(builtin_int(builtin, SUM), sum);
	sqlite3_close(builtin);
	builtin = builtin_open(folder->copy, "the password", 12);
	assert_int_equal(sqlite3_exec(builtin, SUM, NULL, NULL, NULL), SQLITE_NOTADB);
	sqlite3_close(builtin);
}

/* Ours takes raw keys only, so that no password ever gets as far as SQLite. */
static void ours_refuses_passwords(void **state)
{
	struct folder *folder = *state;
	sqlite3 *handle;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, FILL);
	db_close(db);
	assert_int_equal(sqlite3_open(folder->file, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_key_v2(handle, "main", "password", 8), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, SUM, NULL, NULL, NULL), SQLITE_NOTADB);
	sqlite3_close(handle);
	assert_int_equal(sqlite3_open(folder->copy, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_key_v2(handle, "main", "password", 8), SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(handle, FILL, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

/* Starts the block counter of every page just before its wrap, and reads with the builtin cipher;
 * then in the other direction, page by page, with what the builtin one wrote. */
static void counter_wraps_as_in_the_builtin_cipher(void **state)
{
	static const uint32_t counters[] = {0xffffffff, 0xfffffff8, 0xffffffc0, 0xffffffbf, 0xfffffffe,
	                                    0,          0x7fffffff, 0xfffffff0, 0xffffffc1};
	struct folder *folder = *state;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, FILL);
	int64_t sum = query_int(db, SUM);
	db_close(db);

	size_t len;
	unsigned char *file = (unsigned char *)file_read(folder->file, &len);
	unsigned char *clear = malloc(len);
	assert_non_null(clear);
	memcpy(clear, file, len);
	struct page_cipher *cipher = page_cipher_new(&folder->key);
	for (size_t at = 0; at < len; at += PAGE)
		assert_true(page_cipher_decrypt(cipher, (uint32_t)(at / PAGE) + 1, clear + at, PAGE, true));
	assert_memory_equal(clear, "SQLite format 3", 16);
	for (size_t c = 0; c < sizeof(counters) / sizeof(counters[0]); c++) {
		unsigned char *pages = malloc(len);
		assert_non_null(pages);
		memcpy(pages, clear, len);
		for (size_t at = 0; at < len; at += PAGE) {
			uint32_t page = (uint32_t)(at / PAGE) + 1;
			uint32_t word = counters[c] ^ page; /* little-endian, whatever this machine is */
			unsigned char nonce[PAGE_NONCE_SIZE];
			page_cipher_nonce(nonce);
			for (int i = 0; i < 4; i++)
				nonce[12 + i] = (unsigned char)(word >> (8 * i));
			page_cipher_encrypt(cipher, page, pages + at, PAGE, nonce);
		}
		file_write_at(folder->file, 0, pages, len);
		sqlite3 *builtin = builtin_open_raw(folder->file, &folder->key);
		assert_int_equal(builtin_int(builtin, SUM), sum);
		sqlite3_close(builtin);
		db = open_ok(folder, 0);
		assert_int_equal(query_int(db, SUM), sum);
		db_close(db);
		free(pages);
	}
	page_cipher_free(cipher);
	free(clear);
	free(file);
}

static void every_bit_counts(void **state)
{
	struct folder *folder = *state;
	unsigned char page[1024], kept[1024], nonce[PAGE_NONCE_SIZE];
	struct page_cipher *cipher = page_cipher_new(&folder->key);
	struct page_cipher *other = page_cipher_new(&folder->other_key);
	for (uint32_t number = 1; number <= 2; number++) {
		memset(page, 0x5a, sizeof(page));
		page_cipher_nonce(nonce);
		page_cipher_encrypt(cipher, number, page, sizeof(page), nonce);
		memcpy(kept, page, sizeof(page));
		for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
			page[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_false(page_cipher_decrypt(cipher, number, page, sizeof(page), true));
			page[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		assert_memory_equal(page, kept, sizeof(page)); /* untouched when it was refused */
		assert_false(page_cipher_decrypt(cipher, 3 - number, page, sizeof(page), true));
		assert_false(page_cipher_decrypt(other, number, page, sizeof(page), true));
		assert_true(page_cipher_decrypt(cipher, number, page, sizeof(page), true));
		for (size_t i = number == 1 ? 24 : 0; i < sizeof(page) - PAGE_RESERVED; i++)
			assert_int_equal(page[i], 0x5a);
		/* Salvage: without the check what is not damaged comes out. */
		kept[500] ^= 1;
		assert_true(page_cipher_decrypt(cipher, number, kept, sizeof(kept), false));
		assert_int_equal(kept[500], 0x5b);
		assert_int_equal(kept[501], 0x5a);
	}
	page_cipher_free(cipher);
	page_cipher_free(other);
	page_cipher_free(NULL);
}

static void *one_nonce(void *ret)
{
	page_cipher_nonce(ret);
	return NULL;
}

static void nonces_are_never_shared(void **state)
{
	(void)state;
	enum { COUNT = 2500 }; /* more than one filling of the pool */
	static unsigned char nonces[COUNT + 2][PAGE_NONCE_SIZE];
	for (int i = 0; i < COUNT; i++)
		page_cipher_nonce(nonces[i]);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, one_nonce, nonces[COUNT]), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* The next nonce of the parent is not the next one of its child. */
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned char nonce[PAGE_NONCE_SIZE];
		page_cipher_nonce(nonce);
		_exit(write(ends[1], nonce, sizeof(nonce)) == sizeof(nonce) ? 0 : 1);
	}
	page_cipher_nonce(nonces[COUNT + 1]);
	unsigned char of_child[PAGE_NONCE_SIZE];
	assert_int_equal(read(ends[0], of_child, sizeof(of_child)), sizeof(of_child));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
	for (int i = 0; i < COUNT + 2; i++) {
		assert_memory_not_equal(nonces[i], of_child, PAGE_NONCE_SIZE);
		for (int j = 0; j < i; j++)
			if (memcmp(nonces[i], nonces[j], PAGE_NONCE_SIZE) == 0)
				fail_msg("nonces %d and %d are equal", i, j);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_ciphers_in_one_file),
		TEST(the_builtin_one_writes_first),
		TEST(a_password_opens_the_file),
		TEST(ours_refuses_passwords),
		TEST(counter_wraps_as_in_the_builtin_cipher),
		TEST(every_bit_counts),
		TEST(nonces_are_never_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
