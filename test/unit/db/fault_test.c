/*
 * What a disk can do: a VFS between SQLite and the system fails the n-th write, sync, truncation or
 * removal, once or from then on, for every n. Afterwards the file is opened again and looked
 * through: what was acknowledged is there, what was not is there whole or not at all, nothing is
 * damaged.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include <sqlite3.h>

/* The VFS */

enum fault_kind { FAULT_ONCE, FAULT_FROM_THEN_ON, FAULT_FULL, FAULT_KINDS };

static struct {
	sqlite3_vfs *system;
	enum fault_kind kind;
	int countdown; /* operations until the fault; below 0: none */
	bool failing;
	int operations; /* counted while there is no fault */
} disk;

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

static void disk_heal(void)
{
	disk.countdown = -1;
	disk.failing = false;
	disk.operations = 0;
}

/* SQLITE_OK, or what the operation is to answer. */
static int fault(int code)
{
	disk.operations++;
	if (disk.countdown >= 0 && disk.countdown-- == 0)
		disk.failing = true;
	if (!disk.failing)
		return SQLITE_OK;
	disk.failing = disk.kind == FAULT_FROM_THEN_ON;
	return disk.kind == FAULT_FULL && code == SQLITE_IOERR_WRITE ? SQLITE_FULL : code;
}

#define REAL(file) (((struct fault_file *)(file))->real)

static int fault_close(sqlite3_file *file)
{
	return REAL(file)->pMethods->xClose(REAL(file));
}

static int fault_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
	return REAL(file)->pMethods->xRead(REAL(file), to, len, at);
}

/* A write that fails has written its first half. */
static int fault_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
	int code = fault(SQLITE_IOERR_WRITE);
	if (code != SQLITE_OK && len > 1 && disk.kind != FAULT_FULL)
		REAL(file)->pMethods->xWrite(REAL(file), from, len / 2, at);
	return code != SQLITE_OK ? code : REAL(file)->pMethods->xWrite(REAL(file), from, len, at);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int code = fault(SQLITE_IOERR_TRUNCATE);
	return code != SQLITE_OK ? code : REAL(file)->pMethods->xTruncate(REAL(file), size);
}

/* Nothing cuts the power here, so that what is in the system's memory is as good as on disk. */
static int fault_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return fault(SQLITE_IOERR_FSYNC);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return REAL(file)->pMethods->xFileSize(REAL(file), ret);
}

static int fault_lock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xLock(REAL(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xUnlock(REAL(file), level);
}

static int fault_reserved(sqlite3_file *file, int *ret)
{
	return REAL(file)->pMethods->xCheckReservedLock(REAL(file), ret);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
	return REAL(file)->pMethods->xFileControl(REAL(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
	return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int fault_characteristics(sqlite3_file *file)
{
	return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, ret);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
	REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
	return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

static const sqlite3_io_methods fault_methods = {
	.iVersion = 2,
	.xClose = fault_close,
	.xRead = fault_read,
	.xWrite = fault_write,
	.xTruncate = fault_truncate,
	.xSync = fault_sync,
	.xFileSize = fault_size,
	.xLock = fault_lock,
	.xUnlock = fault_unlock,
	.xCheckReservedLock = fault_reserved,
	.xFileControl = fault_control,
	.xSectorSize = fault_sector,
	.xDeviceCharacteristics = fault_characteristics,
	.xShmMap = fault_shm_map,
	.xShmLock = fault_shm_lock,
	.xShmBarrier = fault_shm_barrier,
	.xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
	(void)vfs;
	struct fault_file *fault_file = (struct fault_file *)file;
	fault_file->real = (sqlite3_file *)(fault_file + 1);
	fault_file->base.pMethods = NULL;
	int code = disk.system->xOpen(disk.system, name, fault_file->real, flags, ret);
	if (code == SQLITE_OK)
		fault_file->base.pMethods = &fault_methods;
	return code;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	int code = fault(SQLITE_IOERR_DELETE);
	return code != SQLITE_OK ? code : disk.system->xDelete(disk.system, name, sync);
}

/* The cipher library puts its own VFS on top of this one and makes that the default. */
static int install(void **state)
{
	(void)state;
	static sqlite3_vfs vfs;
	struct errinfo info;
	assert_int_equal(crypto_init(&info), 0);
	assert_int_equal(db_init(&info), 0);
	disk.system = sqlite3_vfs_find("unix");
	assert_non_null(disk.system);
	vfs = *disk.system;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + disk.system->szOsFile;
	vfs.pNext = NULL;
	vfs.xOpen = fault_open;
	vfs.xDelete = fault_delete;
	disk_heal();
	assert_int_equal(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
	assert_int_equal(sqlite3mc_vfs_create("fault", 1), SQLITE_OK);
	return 0;
}

static int setup(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	disk_heal();
	folder_make(folder);
	*state = folder;
	return 0;
}

static int teardown(void **state)
{
	disk_heal();
	folder_remove(*state);
	free(*state);
	return 0;
}

/* The work: each round is one transaction of ten rows and a changed total. */

static const char *const migrations[] = {
	"CREATE TABLE t(id INTEGER PRIMARY KEY, round INT, a BLOB); CREATE INDEX by_round ON t(round, "
	"a);"
	"CREATE TABLE total(n); INSERT INTO total VALUES(0)",
	"CREATE TABLE a(x)",
	"CREATE TABLE b(x); INSERT INTO b SELECT round FROM t; CREATE INDEX bx ON b(x)",
	"ALTER TABLE b ADD COLUMN y",
};
enum { MIGRATIONS = sizeof(migrations) / sizeof(migrations[0]) };

enum { ROUNDS = 6, ROWS = 10, FIRST_ROUNDS = 2 };

static int one_round(struct db *db, int round, struct errinfo *info)
{
	int rc = db_begin(db, info);
	for (int i = 0; rc == 0 && i < ROWS; i++) {
		struct db_stmt *insert = db_query(db, "INSERT INTO t VALUES(NULL, ?1, randomblob(900))");
		db_bind_int(insert, 1, round);
		rc = db_run(insert, info);
	}
	if (rc == 0)
		rc = db_run(db_query(db, "UPDATE total SET n=n+10"), info);
	if (rc == 0)
		return db_commit(db, info);
	db_rollback(db);
	return rc;
}

static void begin_with(struct folder *folder)
{
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	assert_int_equal(db_migrate(db, migrations, 1, &info), 0);
	for (int round = 0; round < FIRST_ROUNDS; round++)
		assert_int_equal(one_round(db, round, &info), 0);
	db_close(db);
}

/* acknowledged has a bit for each round whose commit returned 0. */
static void look_through(const struct folder *folder, unsigned acknowledged)
{
	struct errinfo info = {0};
	struct buf findings;
	buf_init(&findings, 10000);
	struct db *db = open_ok(folder, 0);
	if (db_integrity_check(db, &findings, &info) != 0)
		fail_msg("%s: %.*s", info.text, STR_ARG(buf_str(&findings)));
	int rc, rounds = 0;
	struct db_stmt *stmt = db_query(db, "SELECT round, count(*) FROM t GROUP BY round");
	while ((rc = db_step(stmt, &info)) == DB_ROW) {
		assert_int_equal(db_int(stmt, 1), ROWS); /* whole or not at all */
		acknowledged &= ~(1u << db_int(stmt, 0));
		rounds++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(acknowledged, 0);
	assert_int_equal(query_int(db, "SELECT n FROM total"), rounds * ROWS);
	db_close(db);
	buf_done(&findings);
}

/* Returns the rounds that were acknowledged. */
static unsigned work(struct folder *folder, unsigned flags, int *ret_failures)
{
	struct errinfo info;
	struct db *db;
	unsigned acknowledged = (1u << FIRST_ROUNDS) - 1;
	*ret_failures = 0;
	if (db_open(&db, folder->file, &folder->key, flags, &info) != 0) {
		++*ret_failures;
		return acknowledged;
	}
	for (int round = FIRST_ROUNDS; round < ROUNDS; round++) {
		int rc = one_round(db, round, &info);
		assert_false(db_in_transaction(db));
		if (rc == 0) {
			acknowledged |= 1u << round;
		} else {
			assert_true(rc == E_IO || rc == E_NO_SPACE);
			++*ret_failures;
		}
		if (round % 2 == 1 && db_checkpoint(db, round % 4 == 1, &info) != 0)
			++*ret_failures;
	}
	db_close(db);
	return acknowledged;
}

static void fail_each_operation(struct folder *folder, unsigned flags)
{
	size_t len;
	int failures, failed_runs = 0;
	begin_with(folder);
	char *original = file_read(folder->file, &len);
	disk_heal();
	work(folder, flags, &failures);
	assert_int_equal(failures, 0);
	int operations = disk.operations;
	assert_true(operations > 60);
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		for (int n = 0; n < operations; n++) {
			disk_heal();
			assert_int_equal(truncate(folder->file, 0), 0);
			file_write_at(folder->file, 0, original, len);
			disk.kind = (enum fault_kind)kind;
			disk.countdown = n;
			unsigned acknowledged = work(folder, flags, &failures);
			failed_runs += failures > 0;
			disk_heal();
			look_through(folder, acknowledged);
		}
	}
	assert_true(failed_runs > operations); /* closing swallows the rest */
	free(original);
}

static void commits(void **state)
{
	fail_each_operation(*state, DB_SYNC_FULL);
}

static void commits_that_are_only_ordered(void **state)
{
	fail_each_operation(*state, 0);
}

static void commits_in_exclusive_mode(void **state)
{
	fail_each_operation(*state, DB_EXCLUSIVE | DB_SYNC_FULL);
}

static void copies(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	begin_with(folder);
	struct db *db = open_ok(folder, 0);
	disk_heal();
	assert_int_equal(copy_rekeyed(db, folder->copy, &folder->other_key, &info), 0);
	int operations = disk.operations, failed = 0;
	assert_true(operations > 10);
	unlink(folder->copy);
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		for (int n = 0; n < operations; n++) {
			disk_heal();
			disk.kind = (enum fault_kind)kind;
			disk.countdown = n;
			int rc = copy_rekeyed(db, folder->copy, &folder->other_key, &info);
			disk_heal();
			if (rc == 0) {
				/* A whole copy, or none: then its close failed to tidy up. */
				struct folder copied = *folder;
				memcpy(copied.file, folder->copy, sizeof(copied.file));
				copied.key = folder->other_key;
				look_through(&copied, (1u << FIRST_ROUNDS) - 1);
				unlink(folder->copy);
			} else {
				assert_true(rc == E_IO || rc == E_NO_SPACE);
				struct stat st;
				assert_int_equal(stat(folder->copy, &st), -1);
				failed++;
			}
			assert_int_equal(query_int(db, "SELECT n FROM total"), FIRST_ROUNDS * ROWS);
		}
	}
	db_close(db);
	assert_true(failed > operations);
	look_through(folder, (1u << FIRST_ROUNDS) - 1);
	assert_int_equal(folder_count(folder), 1);
}

static void migrating(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	size_t len;
	unsigned seen = 0;
	begin_with(folder);
	char *original = file_read(folder->file, &len);
	for (int kind = 0; kind < FAULT_KINDS; kind++) {
		for (int n = 0; n < 40; n++) {
			disk_heal();
			assert_int_equal(truncate(folder->file, 0), 0);
			file_write_at(folder->file, 0, original, len);
			struct db *db = open_ok(folder, 0);
			disk.kind = (enum fault_kind)kind;
			disk.countdown = n;
			int rc = db_migrate(db, migrations, MIGRATIONS, &info);
			if (rc != 0 && rc != E_IO && rc != E_NO_SPACE)
				fail_msg("%d %s", rc, info.text);
			db_close(db);
			disk_heal();
			db = open_ok(folder, 0);
			/* Whatever version it stopped at, it has what that version has. */
			int version = db_schema_version(db);
			assert_in_range(version, 1, MIGRATIONS);
			static const int objects[MIGRATIONS + 1] = {0, 0, 1, 3, 3};
			assert_int_equal(
				query_int(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('a','b','bx')"),
				objects[version]);
			seen |= 1u << version;
			db_close(db);
			look_through(folder, (1u << FIRST_ROUNDS) - 1);
		}
	}
	assert_int_equal(seen, 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4);
	free(original);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(commits),
		TEST(commits_that_are_only_ordered),
		TEST(commits_in_exclusive_mode),
		TEST(copies),
		TEST(migrating),
	};
	return cmocka_run_group_tests(tests, install, NULL);
}
