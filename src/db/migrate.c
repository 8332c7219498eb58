#include <string.h>

#include "db/internal.h"

/*
 * The schema as sorted lines. Names that begin with sqlite_ are SQLite's own (statistics, the
 * indexes behind UNIQUE, which the index lines cover). Columns are compared one by one; what has no
 * columns of its own to compare (views, triggers, conditions of indexes) by its text.
 */
static const char SCHEMA_LINES[] =
	"SELECT line FROM ("
	" SELECT printf('table %s: %s without_rowid=%d strict=%d', l.name, l.type, l.wr, l.strict) line"
	"  FROM pragma_table_list l WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	" UNION ALL"
	" SELECT printf('table %s: column %d %s %s notnull=%d default=%s pk=%d hidden=%d', l.name,"
	"   c.cid, c.name, c.type, c.\"notnull\", ifnull(c.dflt_value, 'none'), c.pk, c.hidden)"
	"  FROM pragma_table_list l JOIN pragma_table_xinfo(l.name) c"
	"  WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	" UNION ALL"
	" SELECT printf('table %s: index %s unique=%d origin=%s partial=%d', l.name, i.name,"
	"   i.\"unique\", i.origin, i.partial)"
	"  FROM pragma_table_list l JOIN pragma_index_list(l.name) i"
	"  WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	" UNION ALL"
	" SELECT printf('index %s: %d column %d %s desc=%d collation=%s key=%d', i.name, x.seqno, "
	"x.cid,"
	"   ifnull(x.name, 'expression'), x.\"desc\", x.coll, x.\"key\")"
	"  FROM pragma_table_list l JOIN pragma_index_list(l.name) i JOIN pragma_index_xinfo(i.name) x"
	"  WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	" UNION ALL"
	" SELECT printf('table %s: foreign key %d.%d %s.%s=%s update=%s delete=%s match=%s', l.name,"
	"   f.id, f.seq, f.\"table\", ifnull(f.\"to\", 'key'), f.\"from\", f.on_update, f.on_delete,"
	"   f.\"match\")"
	"  FROM pragma_table_list l JOIN pragma_foreign_key_list(l.name) f"
	"  WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	" UNION ALL"
	" SELECT printf('%s %s: %s', s.type, s.name, s.sql) FROM main.sqlite_schema s"
	"  WHERE s.type<>'table' AND s.sql IS NOT NULL"
	") ORDER BY line";

/* One line at a time of either side; NULL at the end. */
static int lines_next(struct db *db, sqlite3_stmt *stmt, const char **ret, struct errinfo *info)
{
	int code = sqlite3_step(stmt);
	*ret = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (code == SQLITE_ROW && *ret != NULL)
		return 0;
	return code == SQLITE_DONE ? 0 : db_fail(db, code, info);
}

/* Walks two sorted lists of lines; the first line that only one of them has is the difference. */
static int lines_compare(struct db *db, sqlite3_stmt *found, struct db *reference,
                         sqlite3_stmt *expected, struct errinfo *info)
{
	for (;;) {
		const char *have, *want = NULL;
		int rc = lines_next(db, found, &have, info);
		if (rc == 0)
			rc = lines_next(reference, expected, &want, info);
		if (rc < 0 || (have == NULL && want == NULL))
			return rc;
		int order = have == NULL ? 1 : want == NULL ? -1 : strcmp(have, want);
		if (order != 0) {
			return err_set(info, E_CORRUPT, "schema: %s: %s", order < 0 ? "unexpected" : "missing",
			               order < 0 ? have : want);
		}
	}
}

static void stmt_finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

/* An empty database in memory, with all migrations applied; holds no mail, so it has no key. */
static int reference_make(struct db *ret, const char *const *migrations, int count,
                          struct errinfo *info)
{
	int code = sqlite3_open_v2(":memory:", &ret->handle,
	                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		return db_fail(ret, code, info);
	for (int i = 0; i < count; i++) {
		if (db_exec(ret, migrations[i], info) < 0) {
			return err_set(info, E_INTERNAL, "migration %d: %s", i + 1,
			               sqlite3_errmsg(ret->handle));
		}
	}
	return 0;
}

static int compare_with_reference(struct db *db, struct db *reference, struct errinfo *info)
{
	sqlite3_stmt *found __attribute__((cleanup(stmt_finalize))) = NULL;
	sqlite3_stmt *expected __attribute__((cleanup(stmt_finalize))) = NULL;
	int code = sqlite3_prepare_v2(db->handle, SCHEMA_LINES, -1, &found, NULL);
	if (code != SQLITE_OK)
		return db_fail(db, code, info);
	code = sqlite3_prepare_v2(reference->handle, SCHEMA_LINES, -1, &expected, NULL);
	if (code != SQLITE_OK)
		return db_fail(reference, code, info);
	return lines_compare(db, found, reference, expected, info);
}

int db_schema_check(struct db *db, const char *const *migrations, int count, struct errinfo *info)
{
	struct db reference = {0};
	int rc = reference_make(&reference, migrations, count, info);
	if (rc == 0)
		rc = compare_with_reference(db, &reference, info);
	sqlite3_close(reference.handle);
	return rc;
}

int db_schema_version(struct db *db)
{
	int64_t version = 0;
	int rc = db_exec_int(db, "PRAGMA user_version", &version, NULL);
	return rc < 0 ? rc : (int)version;
}

/* One step from version to version + 1, within a transaction of its own. */
static int migrate_step(struct db *db, const char *sql, int version, struct errinfo *info)
{
	char pragma[64];
	int64_t orphans = 0;
	int rc = db_begin(db, info);
	if (rc == 0) {
		rc = db_exec(db, sql, info);
		if (rc == E_INTERNAL || rc == E_INVALID || rc == E_EXISTS)
			rc = err_set(info, rc, "migration %d: %s", version + 1, sqlite3_errmsg(db->handle));
	}
	if (rc == 0)
		rc = db_exec_int(db, "SELECT count(*) FROM pragma_foreign_key_check", &orphans, info);
	if (rc == 0 && orphans > 0)
		rc = err_set(info, E_CORRUPT, "migration %d: rows without their parent", version + 1);
	if (rc == 0) {
		sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA user_version=%d", version + 1);
		rc = db_exec(db, pragma, info);
	}
	if (rc == 0)
		rc = db_commit(db, info);
	if (rc < 0)
		db_rollback(db);
	return rc;
}

int db_schema_newer(int version, int count, struct errinfo *info)
{
	return err_set(info, E_UNSUPPORTED,
	               "the file was written by a newer version of postkasse: its schema is %d, this "
	               "program knows up to %d",
	               version, count);
}

int db_migrate(struct db *db, const char *const *migrations, int count, struct errinfo *info)
{
	int64_t version = 0;
	int rc = db_exec_int(db, "PRAGMA user_version", &version, info);
	if (rc < 0)
		return rc;
	if (version > count || version < 0)
		return db_schema_newer((int)version, count, info);
	if (version == count)
		return 0;
	/* A file that was handed in may bring triggers that a migration would run: nothing is touched
	 * before the schema is known to be the one that this version had. */
	rc = db_schema_check(db, migrations, (int)version, info);
	if (rc < 0)
		return rc;
	/* A table that others refer to may have to be made anew, which foreign keys would forbid; each
	 * step checks them at its end instead. They cannot be switched inside a transaction. */
	bool was_full = db->sync_full;
	db_set_sync_full(db, true);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 0, (int *)NULL);
	while (rc == 0 && version < count) {
		rc = migrate_step(db, migrations[version], (int)version, info);
		version++;
	}
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, (int *)NULL);
	db_set_sync_full(db, was_full);
	return rc < 0 ? rc : db_schema_check(db, migrations, count, info);
}
