#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

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

#define FIRST                                                                                     \
	"CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"                   \
	"CREATE TABLE c(p INTEGER NOT NULL REFERENCES p(id) ON DELETE CASCADE, n INTEGER DEFAULT 5,"  \
	" PRIMARY KEY(p, n)) STRICT, WITHOUT ROWID;"                                                  \
	"CREATE INDEX c_by_n ON c(n DESC) WHERE n>3;"                                                 \
	"CREATE TRIGGER c_added AFTER INSERT ON c BEGIN UPDATE p SET name=name||'+' WHERE id=new.p; " \
	"END;"                                                                                        \
	"CREATE VIEW v AS SELECT name FROM p;"                                                        \
	"INSERT INTO p VALUES(1, 'one'); INSERT INTO c VALUES(1, 2)"
#define SECOND \
	"ALTER TABLE p ADD COLUMN extra BLOB; CREATE VIRTUAL TABLE f USING fts5(t, content='')"
/* Makes a table anew that another one refers to, the way SQLite's manual describes. */
#define THIRD                                                                                 \
	"CREATE TABLE p2(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"                     \
	"INSERT INTO p2 SELECT id, name FROM p; DROP VIEW v; DROP TRIGGER c_added; DROP TABLE p;" \
	"ALTER TABLE p2 RENAME TO p"

static const char *const list[] = {FIRST, SECOND, THIRD};

static void from_every_version_to_the_last(void **state)
{
	struct folder *folder = *state;
	struct errinfo info = {0};
	for (int from = 0; from <= 3; from++) {
		struct db *db = open_ok(folder, DB_CREATE);
		assert_int_equal(db_schema_version(db), 0);
		assert_int_equal(db_migrate(db, list, from, &info), 0);
		assert_int_equal(db_schema_version(db), from);
		assert_int_equal(db_schema_check(db, list, from, &info), 0);
		db_close(db);
		db = open_ok(folder, 0);
		int rc = db_migrate(db, list, 3, &info);
		if (rc != 0)
			fail_msg("from %d: %s", from, info.text);
		assert_int_equal(db_schema_version(db), 3);
		assert_int_equal(query_int(db, "PRAGMA foreign_keys"), 1);
		assert_int_equal(query_int(db, "PRAGMA synchronous"), 1);
		assert_int_equal(query_int(db, "SELECT count(*) FROM p JOIN c ON c.p=p.id"), 1);
		assert_int_equal(db_migrate(db, list, 3, &info), 0);
		db_close(db);
		unlink(folder->file);
	}
}

static void a_later_version_is_left_alone(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	assert_int_equal(db_migrate(db, list, 3, &info), 0);
	assert_int_equal(db_migrate(db, list, 2, &info), E_UNSUPPORTED);
	assert_int_equal(db_schema_version(db), 3);
	exec_ok(db, "PRAGMA user_version=-1");
	assert_int_equal(db_migrate(db, list, 3, &info), E_UNSUPPORTED);
	db_close(db);
}

static void a_failing_step_leaves_the_state_before(void **state)
{
	static const struct {
		const char *sql;
		int error;
	} cases[] = {
		{"CREATE TABLE x(a); INSERT INTO x VALUES(1); INSERT INTO nothing VALUES(1)", E_INTERNAL},
		{"CREATE TABLE x(a); INSERT INTO p VALUES(1, 'twice')", E_EXISTS},
		{"CREATE TABLE x(a); DELETE FROM p", E_CORRUPT}, /* leaves a child without its parent */
		{"CREATE TABLE x(a); CREATE TABLE y(", E_INTERNAL},
	};
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	assert_int_equal(db_migrate(db, list, 1, &info), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const broken[] = {FIRST, cases[i].sql};
		assert_int_equal(db_migrate(db, broken, 2, &info), cases[i].error);
		assert_true(str_find(str_from(info.text), STR("migration 2: ")) == 0);
		assert_false(db_in_transaction(db));
		assert_int_equal(db_schema_version(db), 1);
		assert_int_equal(query_int(db, "PRAGMA foreign_keys"), 1);
		assert_int_equal(db_schema_check(db, list, 1, &info), 0);
		assert_int_equal(query_int(db, "SELECT count(*) FROM p"), 1);
	}
	/* Steps before the failing one stay. */
	const char *const third_broken[] = {FIRST, SECOND, "garbage"};
	assert_int_equal(db_migrate(db, third_broken, 3, &info), E_INTERNAL);
	assert_int_equal(db_schema_version(db), 2);
	assert_int_equal(db_migrate(db, list, 3, &info), 0);
	db_close(db);
}

static void an_unknown_schema_is_not_migrated(void **state)
{
	struct folder *folder = *state;
	struct errinfo info;
	struct db *db = open_ok(folder, DB_CREATE);
	exec_ok(db, "CREATE TABLE stranger(a)");
	assert_int_equal(db_migrate(db, list, 1, &info), E_CORRUPT);
	assert_int_equal(db_schema_version(db), 0);
	exec_ok(db, "DROP TABLE stranger");
	assert_int_equal(db_migrate(db, list, 1, &info), 0);
	exec_ok(db, "CREATE TRIGGER trap AFTER UPDATE ON p BEGIN DELETE FROM c; END");
	assert_int_equal(db_migrate(db, list, 3, &info), E_CORRUPT);
	assert_int_equal(db_schema_version(db), 1);
	db_close(db);
}

static void every_drift_is_named(void **state)
{
	/* What is done to a file behind our back, and a part of the message. */
	static const struct {
		const char *sql;
		const char *named;
	} cases[] = {
		{"CREATE TABLE x(a)", "unexpected: table x"},
		{"DROP VIEW v; DROP TRIGGER c_added; DROP TABLE c", "missing: index"},
		{"ALTER TABLE p ADD COLUMN more TEXT", "unexpected: table p: column 2 more"},
		{"ALTER TABLE p RENAME COLUMN name TO title", "column 1 name"},
		{"DROP INDEX c_by_n", "missing: index c_by_n"},
		{"DROP INDEX c_by_n; CREATE INDEX c_by_n ON c(n)", "c_by_n"},
		{"DROP INDEX c_by_n; CREATE INDEX c_by_n ON c(n DESC) WHERE n>4", "c_by_n"},
		{"DROP INDEX c_by_n; CREATE UNIQUE INDEX c_by_n ON c(n DESC) WHERE n>3", "c_by_n"},
		{"CREATE INDEX x ON p(name COLLATE NOCASE)", "unexpected: index x"},
		{"DROP TRIGGER c_added", "missing: trigger c_added"},
		{"CREATE TRIGGER x AFTER DELETE ON p BEGIN SELECT 1; END", "unexpected: trigger x"},
		{"DROP VIEW v; CREATE VIEW v AS SELECT id FROM p", "table v"},
		{"DROP TABLE c; CREATE TABLE c(p INTEGER NOT NULL REFERENCES p(id) ON DELETE CASCADE,"
	     " n INTEGER DEFAULT 6, PRIMARY KEY(p, n)) STRICT, WITHOUT ROWID",
	     "c"},
		{"DROP TABLE c; CREATE TABLE c(p INTEGER NOT NULL REFERENCES p(id), n INTEGER DEFAULT 5,"
	     " PRIMARY KEY(p, n)) STRICT, WITHOUT ROWID; CREATE INDEX c_by_n ON c(n DESC) WHERE n>3;"
	     "CREATE TRIGGER c_added AFTER INSERT ON c BEGIN UPDATE p SET name=name||'+' WHERE"
	     " id=new.p; END",
	     "foreign key"},
	};
	struct folder *folder = *state;
	struct errinfo info;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct db *db = open_ok(folder, DB_CREATE);
		assert_int_equal(db_migrate(db, list, 1, &info), 0);
		exec_ok(db, cases[i].sql);
		assert_int_equal(db_schema_check(db, list, 1, &info), E_CORRUPT);
		if (str_find(str_from(info.text), str_from(cases[i].named)) < 0)
			fail_msg("%s: %s", cases[i].sql, info.text);
		db_close(db);
		unlink(folder->file);
	}
	/* SQLite's own tables are not ours to judge. */
	struct db *db = open_ok(folder, DB_CREATE);
	assert_int_equal(db_migrate(db, list, 1, &info), 0);
	exec_ok(db, "ANALYZE");
	assert_int_equal(db_schema_check(db, list, 1, &info), 0);
	db_close(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(from_every_version_to_the_last),
		TEST(a_later_version_is_left_alone),
		TEST(a_failing_step_leaves_the_state_before),
		TEST(an_unknown_schema_is_not_migrated),
		TEST(every_drift_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
