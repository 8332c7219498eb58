#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "locks.h"

#include <sqlite3.h>
#include <sys/resource.h>

#include "db/page_cipher.h"

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

static void makes_a_private_encrypted_file(void **state)
{
	struct folder *folder = *state;
	struct db *db = open_ok(folder, DB_CREATE);
	struct stat st;
	char name[128];
	exec_ok(db, "CREATE TABLE t(a TEXT); INSERT INTO t VALUES('marker-of-plain-text')");
	static const char *const endings[] = {"", "-wal", "-shm"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", folder->file, endings[i]);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(query_int(db, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(query_int(db, "PRAGMA secure_delete"), 2);
	assert_int_equal(query_int(db, "PRAGMA foreign_keys"), 1);
	assert_int_equal(query_int(db, "PRAGMA page_size"), 4096);
	assert_int_equal(query_int(db, "PRAGMA synchronous"), 1);
	assert_int_equal(query_int(db, "PRAGMA memory_security"), 1);
	assert_int_equal(query_int(db, "PRAGMA wal_autocheckpoint"), 0);
	assert_int_equal(query_int(db, "PRAGMA busy_timeout"), 5000);
	assert_int_equal(query_int(db, "PRAGMA temp_store"), 0); /* 3 is compiled in: memory always */
	assert_int_equal(query_int(db, "SELECT journal_mode='wal' FROM pragma_journal_mode"), 1);
	assert_int_equal(
		query_int(db, "SELECT count(*) FROM pragma_compile_options WHERE compile_options IN"
	                  " ('TEMP_STORE=3', 'THREADSAFE=2', 'DQS=0', 'DIRECT_OVERFLOW_READ=0')"),
		4 - 1 /* SQLite does not list the last */);
	db_close(db);

	size_t len;
	char *bytes = file_read(folder->file, &len);
	assert_memory_equal(bytes, folder->key.salt, sizeof(folder->key.salt));
	assert_false(bytes_contain(bytes, len, STR("marker-of-plain-text")));
	assert_int_equal(folder_count(folder), 1); /* -wal and -shm are gone after the last close */
	free(bytes);

	db = open_ok(folder, 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t WHERE a='marker-of-plain-text'"), 1);
	assert_int_equal(query_int(db, "PRAGMA auto_vacuum"), 2);
	db_close(db);
}

static void refuses_what_it_cannot_open(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db;
	assert_int_equal(db_open(&db, folder->file, &folder->key, 0, &info), E_NOT_FOUND);
	assert_null(db);
	assert_int_equal(db_open(&db, "/nonexistent/folder/x", &folder->key, DB_CREATE, &info),
	                 E_NOT_FOUND);
	assert_int_equal(db_open(&db, folder->path, &folder->key, 0, &info), E_DENIED);

	/* Empty where something should be: a lost mailbox, not a new one. */
	int fd = open(folder->file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(db_open(&db, folder->file, &folder->key, 0, &info), E_CORRUPT);
	/* What a crash during creation leaves is taken up by the next one. */
	db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE t(a)");
	db_close(db);

	assert_int_equal(db_open(&db, folder->file, &folder->other_key, 0, &info), E_DENIED);
	assert_int_equal(db_open(&db, folder->file, &folder->other_key, DB_READ_ONLY, &info), E_DENIED);
	assert_int_equal(db_open(&db, folder->file, &folder->other_key, DB_CREATE, &info), E_DENIED);
#ifndef POSTKASSE_TEST_PLAIN
	assert_int_equal(db_open(&db, folder->file, NULL, DB_PLAIN, &info), E_UNSUPPORTED);
#endif
	/* A file of garbage, one of plain SQLite, and one that is cut. */
	char garbage[8192];
	memset(garbage, 'x', sizeof(garbage));
	file_write_at(folder->file, 0, garbage, sizeof(garbage));
	assert_int_equal(db_open(&db, folder->file, &folder->key, 0, &info), E_DENIED);
	sqlite3 *plain;
	assert_int_equal(sqlite3_open(folder->copy, &plain), SQLITE_OK);
	assert_int_equal(sqlite3_exec(plain, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(plain);
	assert_int_equal(db_open(&db, folder->copy, &folder->key, 0, &info), E_DENIED);
	assert_int_equal(truncate(folder->file, 100), 0);
	assert_int_equal(db_open(&db, folder->file, &folder->key, 0, &info), E_DENIED);
}

static void a_path_is_never_a_uri(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db;
	char uri[128];
	snprintf(uri, sizeof(uri), "file:%s?key=", folder->file);
	assert_int_equal(db_open(&db, uri, &folder->key, 0, &info), E_NOT_FOUND);
}

/* In a sandbox there is no /dev/urandom; the seed of random() must not become the time of day. */
static void randomness_needs_no_file(void **state)
{
	(void)state;
	struct rlimit limit, none = {0};
	char bytes[256] = {0}, zero[64] = {0};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	int len = vfs->xRandomness(vfs, sizeof(bytes), bytes);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(len, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i += sizeof(zero))
		assert_memory_not_equal(bytes + i, zero, sizeof(zero));
}

static void statements_are_kept_and_reset(void **state)
{
	struct folder *folder = *state;
	static const char insert[] = "INSERT INTO t VALUES(?1,?2,?3)";
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE t(a, b, c)");

	struct db_stmt *stmt = db_query(db, insert);
	db_bind_int(stmt, 1, INT64_MIN);
	db_bind_text(stmt, 2, STR("texts"));
	db_bind_blob(stmt, 3, (struct str){NULL, 0});
	assert_int_equal(db_run(stmt, &info), 0);
	assert_int_equal(db_last_rowid(db), 1);
	assert_int_equal(db_changes(db), 1);
	assert_ptr_equal(db_query(db, insert), stmt); /* without the values of last time */
	db_bind_int(stmt, 1, 5);
	db_bind_null(stmt, 2);
	assert_int_equal(db_run(stmt, &info), 0);

	struct db_stmt *select = db_query(db, "SELECT a, b, c, typeof(c) FROM t ORDER BY rowid");
	assert_int_equal(db_step(select, &info), DB_ROW);
	assert_true(db_int(select, 0) == INT64_MIN);
	assert_true(str_eq(db_text(select, 1), STR("texts")));
	assert_false(db_is_null(select, 2));
	assert_int_equal(db_blob(select, 2).len, 0);
	assert_true(str_eq(db_text(select, 3), STR("blob")));
	assert_int_equal(db_step(select, &info), DB_ROW);
	assert_true(db_is_null(select, 1));
	assert_int_equal(db_text(select, 1).len, 0);
	assert_true(str_eq(db_text(select, 3), STR("null")));
	assert_int_equal(db_step(select, &info), 0);
	db_close(db);
}

static void many_statements(void **state)
{
	struct folder *folder = *state;
	enum { COUNT = 500 };
	static char sql[COUNT][32];
	struct db_stmt *stmts[COUNT];
	struct db *db = open_ok(folder, DB_CREATE);
	for (int i = 0; i < COUNT; i++) {
		snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
		stmts[i] = db_query(db, sql[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_ptr_equal(db_query(db, sql[i]), stmts[i]);
		assert_int_equal(query_int_of(stmts[i]), i);
	}
	db_close(db);
}

static void errors_have_their_names(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE p(id INTEGER PRIMARY KEY, u TEXT UNIQUE NOT NULL);"
	            "CREATE TABLE c(p INTEGER REFERENCES p(id), n INT CHECK(n>0)) STRICT;"
	            "INSERT INTO p VALUES(1,'a')");
	static const struct {
		const char *sql;
		int error;
	} cases[] = {
		{"INSERT INTO p VALUES(1,'b')", E_EXISTS},   {"INSERT INTO p VALUES(2,'a')", E_EXISTS},
		{"INSERT INTO p VALUES(2,NULL)", E_INVALID}, {"INSERT INTO c VALUES(7,1)", E_INVALID},
		{"INSERT INTO c VALUES(1,0)", E_INVALID},    {"INSERT INTO c VALUES(1,'x')", E_INVALID},
		{"SELECT * FROM nothing", E_INTERNAL},       {"SELECT zeroblob(2000000000)", E_TOO_LARGE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(db_run(db_query(db, cases[i].sql), &info), cases[i].error);
		assert_int_equal(info.error, cases[i].error);
		assert_true(strlen(info.text) > 10);
		assert_int_equal(db_exec(db, cases[i].sql, &info), cases[i].error);
	}
	/* A value that SQLite has no room for is not stored as something else. */
	sqlite3_limit(db_handle(db), SQLITE_LIMIT_LENGTH, 100);
	static const char too_large[] = "INSERT INTO p VALUES(7, ?1)";
	char text[101] = {0};
	struct db_stmt *stmt = db_query(db, too_large);
	db_bind_text(stmt, 1, STR_OF(text, sizeof(text)));
	assert_int_equal(db_run(stmt, &info), E_TOO_LARGE);
	stmt = db_query(db, too_large);
	db_bind_text(stmt, 1, STR_OF(text, 50));
	assert_int_equal(db_run(stmt, &info), 0);
	sqlite3_limit(db_handle(db), SQLITE_LIMIT_LENGTH, 1000000);
	/* A statement that did not compile is tried again. */
	static const char late[] = "SELECT count(*) FROM late";
	assert_int_equal(db_run(db_query(db, late), &info), E_INTERNAL);
	exec_ok(db, "CREATE TABLE late(a)");
	assert_int_equal(query_int(db, late), 0);
	db_close(db);
}

static void transactions(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE | DB_SYNC_FULL);
	exec_ok(db, "CREATE TABLE t(a)");
	assert_int_equal(query_int(db, "PRAGMA synchronous"), 2);
	assert_int_equal(db_begin(db, &info), 0);
	assert_true(db_in_transaction(db));
	db_set_sync_full(db, false); /* from the next transaction on */
	exec_ok(db, "INSERT INTO t VALUES(1)");
	db_rollback(db);
	assert_false(db_in_transaction(db));
	db_rollback(db);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
	assert_int_equal(query_int(db, "PRAGMA synchronous"), 2);
	assert_int_equal(db_begin(db, &info), 0);
	assert_int_equal(query_int(db, "PRAGMA synchronous"), 1);
	exec_ok(db, "INSERT INTO t VALUES(1)");
	assert_int_equal(db_commit(db, &info), 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
	assert_int_equal(db_commit(db, &info), E_INTERNAL); /* there is none */

	/* A deferred foreign key fails at the commit, which then leaves no transaction behind. */
	exec_ok(db, "CREATE TABLE p(id INTEGER PRIMARY KEY);"
	            "CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
	assert_int_equal(db_begin(db, &info), 0);
	exec_ok(db, "INSERT INTO c VALUES(5)");
	assert_int_equal(db_commit(db, &info), E_INVALID);
	assert_false(db_in_transaction(db));
	assert_int_equal(query_int(db, "SELECT count(*) FROM c"), 0);
	db_close(db);
}

static void two_connections(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *a = open_ok(folder, DB_CREATE);
	exec_ok(a, "CREATE TABLE t(a)");
	struct db *b = open_ok(folder, 0);
	sqlite3_busy_timeout(db_handle(b), 20);
	assert_int_equal(db_begin(a, &info), 0);
	assert_int_equal(db_begin(b, &info), E_BUSY);
	assert_false(db_in_transaction(b));
	db_rollback(a);
	db_close(b);
	db_close(a);

	a = open_ok(folder, DB_EXCLUSIVE);
	exec_ok(a, "INSERT INTO t VALUES(1)");
	assert_int_equal(folder_count(folder), 2); /* -wal, no -shm */
	sqlite3 *other;
	unsigned char raw[RAW_KEY_SIZE];
	page_cipher_raw_key(&folder->key, raw);
	assert_int_equal(sqlite3_open(folder->file, &other), SQLITE_OK);
	assert_int_equal(sqlite3_key_v2(other, "main", raw, sizeof(raw)), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_BUSY);
	sqlite3_close(other);
	db_close(a);
	assert_int_equal(folder_count(folder), 1);
	a = open_ok(folder, 0);
	assert_int_equal(query_int(a, "SELECT count(*) FROM t"), 1);
	db_close(a);
}

/* One lock for what is read together, and one state of the file. */
static void reads_together(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE), *other = open_ok(folder, 0);
	exec_ok(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)");
	static const char first[] = "SELECT count(*) FROM t", second[] = "SELECT max(a) FROM t";
	locks_count();
	assert_int_equal(query_int(db, first), 2);
	assert_int_equal(query_int(db, second), 2);
	assert_int_equal(locks_taken, 2);
	locks_count();
	assert_int_equal(db_read_begin(db, &info), 0);
	assert_false(db_in_transaction(db)); /* none that could be rolled back */
	assert_int_equal(query_int(db, first), 2);
	exec_ok(other, "INSERT INTO t VALUES(3)");
	locks_taken = 0;
	assert_int_equal(db_read_begin(db, &info), 0);
	assert_int_equal(query_int(db, second), 2);
	assert_int_equal(locks_taken, 0);
	db_read_end(db);
	db_read_end(db);
	assert_int_equal(query_int(db, second), 3);
	db_close(other);
	db_close(db);
}

/* What changes the file ends it, and it changes nothing of that. */
static void reading_ends_by_itself(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	static const char max[] = "SELECT max(a) FROM t";
	exec_ok(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)");
	assert_int_equal(db_read_begin(db, &info), 0);
	/* A statement that is under way goes on. */
	struct db_stmt *q = db_query(db, "SELECT a FROM t ORDER BY rowid");
	assert_int_equal(db_step(q, &info), DB_ROW);
	db_set_sync_full(db, true);
	assert_int_equal(db_begin(db, &info), 0);
	assert_true(db_in_transaction(db));
	assert_int_equal(query_int(db, "PRAGMA synchronous"), 2);
	exec_ok(db, "INSERT INTO t VALUES(3)");
	assert_int_equal(db_read_begin(db, &info), 0);
	db_read_end(db);
	assert_true(db_in_transaction(db));
	assert_int_equal(db_commit(db, &info), 0);
	assert_int_equal(db_step(q, &info), DB_ROW);
	assert_int_equal(db_int(q, 0), 2);
	db_reset(q);
	assert_int_equal(query_int(db, max), 3);

	assert_int_equal(db_read_begin(db, &info), 0);
	assert_int_equal(query_int(db, max), 3);
	assert_int_equal(db_checkpoint(db, true, &info), 0);
	assert_int_equal(db_wal_bytes(db), 0);
	assert_int_equal(db_read_begin(db, &info), 0);
	assert_int_equal(query_int(db, max), 3);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	assert_int_equal(db_read_begin(db, &info), 0);
	assert_int_equal(query_int(db, max), 3);
	db_close(db);
	assert_int_equal(folder_count(folder), 2); /* no log is left of either */
}

static void counts_the_wal(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	char wal[128];
	struct stat st;
	snprintf(wal, sizeof(wal), "%s-wal", folder->file);
	exec_ok(db, "CREATE TABLE t(a)");
	for (int i = 0; i < 20; i++)
		exec_ok(db, "INSERT INTO t VALUES(randomblob(5000))");
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(db_wal_bytes(db), st.st_size - 32);
	assert_int_equal(db_checkpoint(db, false, &info), 0);
	assert_int_equal(db_wal_bytes(db), 0);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size > 0);
	exec_ok(db, "INSERT INTO t VALUES(1)"); /* begins the file anew */
	assert_true(db_wal_bytes(db) >= 4096 && db_wal_bytes(db) <= 4 * 4120);

	/* A reader keeps the checkpoint from its end, and from emptying the file. */
	struct db *reader = open_ok(folder, DB_READ_ONLY);
	struct db_stmt *reading = db_query(reader, "SELECT a FROM t");
	assert_int_equal(db_step(reading, &info), DB_ROW);
	exec_ok(db, "INSERT INTO t VALUES(2)");
	uint64_t before = db_wal_bytes(db);
	assert_int_equal(db_checkpoint(db, false, &info), 0);
	assert_true(db_wal_bytes(db) > 0 && db_wal_bytes(db) < before);
	sqlite3_busy_timeout(db_handle(db), 20);
	assert_int_equal(db_checkpoint(db, true, &info), E_BUSY);
	db_reset(reading);
	assert_int_equal(db_checkpoint(db, true, &info), 0);
	assert_int_equal(db_wal_bytes(db), 0);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_size, 0);
	exec_ok(db, "INSERT INTO t VALUES(3)");
	assert_true(db_wal_bytes(db) > 0);
	db_close(reader);
	db_close(db);
}

static void damage_is_found(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	struct buf findings;
	buf_init(&findings, 100000);
	exec_ok(db, "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n"
	            " WHERE i<100) INSERT INTO t SELECT randomblob(1000) FROM n");
	exec_ok(db, "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p);"
	            "PRAGMA foreign_keys=OFF; INSERT INTO c VALUES(9); PRAGMA foreign_keys=ON");
	assert_int_equal(db_integrity_check(db, &findings, &info), E_CORRUPT);
	assert_true(str_eq(buf_str(&findings), STR("c: row 1 has no parent in p\n")));
	buf_clear(&findings);
	exec_ok(db, "DELETE FROM c");
	assert_int_equal(db_integrity_check(db, &findings, &info), 0);
	assert_int_equal(findings.len, 0);
	db_close(db);

	/* One bit of page 10. */
	size_t len;
	char *bytes = file_read(folder->file, &len);
	assert_true(len > 12 * 4096);
	char flipped = (char)(bytes[9 * 4096 + 777] ^ 4);
	file_write_at(folder->file, 9 * 4096 + 777, &flipped, 1);
	db = open_ok(folder, 0);
	int rc, rows = 0;
	struct db_stmt *stmt = db_query(db, "SELECT a FROM t");
	while ((rc = db_step(stmt, &info)) == DB_ROW)
		rows++;
	assert_int_equal(rc, E_CORRUPT);
	assert_true(rows < 100);
	/* The rest is still there: the last row, on another page. */
	assert_int_equal(query_int(db, "SELECT length(a) FROM t WHERE rowid=100"), 1000);
	rc = db_integrity_check(db, &findings, &info);
	assert_int_equal(rc, E_CORRUPT);
	db_close(db);

	/* Two pages exchanged, which no checksum of a page alone would notice. */
	file_write_at(folder->file, 9 * 4096, bytes + 10 * 4096, 4096);
	file_write_at(folder->file, 10 * 4096, bytes + 9 * 4096, 4096);
	db = open_ok(folder, 0);
	assert_int_equal(db_run(db_query(db, "SELECT sum(length(a)) FROM t"), &info), E_CORRUPT);
	db_close(db);

	/* Page 1 tells of nothing but itself. */
	file_write_at(folder->file, 0, bytes, len);
	flipped = (char)(bytes[3] ^ 1); /* in the salt */
	file_write_at(folder->file, 3, &flipped, 1);
	assert_int_equal(db_open(&db, folder->file, &folder->key, 0, &info), E_DENIED);
	free(bytes);
	buf_done(&findings);
}

static void copies_under_another_key(void **state)
{
	struct folder *folder = *state;
	struct errinfo info = {0};
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE t(a); PRAGMA user_version=7");
	for (int i = 0; i < 50; i++)
		exec_ok(db, "INSERT INTO t VALUES('marker-of-plain-text' || hex(randomblob(3000)))");
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), E_EXISTS);
	unlink(folder->copy);
	assert_int_equal(db_begin(db, &info), 0);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), E_BUSY);
	assert_int_equal(access(folder->copy, F_OK), -1);
	db_rollback(db);
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	/* The original is what it was, under its key. */
	exec_ok(db, "INSERT INTO t VALUES('later')");
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 51);
	db_close(db);
	db = open_ok(folder, 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 51);
	db_close(db);
	assert_int_equal(folder_count(folder), 2);

	size_t len;
	char *bytes = file_read(folder->copy, &len);
	assert_memory_equal(bytes, folder->other_key.salt, sizeof(folder->other_key.salt));
	assert_false(bytes_contain(bytes, len, STR("marker-of-plain-text")));
	assert_false(bytes_contain(bytes, len, STR("CREATE TABLE")));
	free(bytes);
	struct stat st;
	assert_int_equal(stat(folder->copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	assert_int_equal(db_open(&db, folder->copy, &folder->key, 0, &info), E_DENIED);
	assert_int_equal(db_open(&db, folder->copy, &folder->other_key, 0, &info), 0);
	assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 50);
	assert_int_equal(query_int(db, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(db_schema_version(db), 7);
	assert_int_equal(query_int(db, "SELECT journal_mode='wal' FROM pragma_journal_mode"), 1);
	db_close(db);
}

#ifdef POSTKASSE_TEST_PLAIN
static void plain_files_show_what_they_hold(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db;
	assert_int_equal(db_open(&db, folder->file, NULL, DB_CREATE | DB_PLAIN, &info), 0);
	exec_ok(db, "CREATE TABLE t(a); INSERT INTO t VALUES('marker-of-plain-text')");
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->key, &info), 0);
	db_close(db);
	size_t len;
	char *bytes = file_read(folder->file, &len);
	assert_true(bytes_contain(bytes, len, STR("marker-of-plain-text")));
	free(bytes);
}
#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(makes_a_private_encrypted_file),
		TEST(refuses_what_it_cannot_open),
		TEST(a_path_is_never_a_uri),
		TEST(randomness_needs_no_file),
		TEST(statements_are_kept_and_reset),
		TEST(many_statements),
		TEST(errors_have_their_names),
		TEST(transactions),
		TEST(two_connections),
		TEST(reads_together),
		TEST(reading_ends_by_itself),
		TEST(counts_the_wal),
		TEST(damage_is_found),
		TEST(copies_under_another_key),
#ifdef POSTKASSE_TEST_PLAIN
		TEST(plain_files_show_what_they_hold),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
