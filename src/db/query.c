#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "db/internal.h"

enum { STMTS_FIRST = 32 };

struct db_stmt {
	struct db *db;      /* borrowed */
	const char *sql;    /* borrowed, a literal; its address is the key */
	sqlite3_stmt *stmt; /* owned; NULL when it does not compile */
	struct errinfo why; /* then: what db_step answers */
	int bind_code;      /* of a value that could not be bound: likewise */
};

static size_t stmt_slot(const struct db *db, const char *sql)
{
	uint64_t hash = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);
	size_t slot = (size_t)(hash >> 32) & (db->stmt_cap - 1);
	while (db->stmts[slot] != NULL && db->stmts[slot]->sql != sql)
		slot = (slot + 1) & (db->stmt_cap - 1);
	return slot;
}

static void stmts_grow(struct db *db)
{
	struct db_stmt **old = db->stmts;
	size_t old_cap = db->stmt_cap;
	db->stmt_cap = old_cap == 0 ? STMTS_FIRST : old_cap * 2;
	db->stmts = mem_new_array(db->stmt_cap, sizeof(struct db_stmt *));
	for (size_t i = 0; i < old_cap; i++)
		if (old[i] != NULL)
			db->stmts[stmt_slot(db, old[i]->sql)] = old[i];
	free(old);
}

void db_stmts_free(struct db *db)
{
	for (size_t i = 0; i < db->stmt_cap; i++) {
		if (db->stmts[i] != NULL) {
			sqlite3_finalize(db->stmts[i]->stmt);
			free(db->stmts[i]);
		}
	}
	free(db->stmts);
	db->stmts = NULL;
	db->stmt_count = db->stmt_cap = 0;
}

/* A statement may fail to compile because the file is damaged or locked, so this is no must(). */
static void stmt_compile(struct db_stmt *stmt)
{
	const char *tail;
	int code = sqlite3_prepare_v3(stmt->db->handle, stmt->sql, -1, SQLITE_PREPARE_PERSISTENT,
	                              &stmt->stmt, &tail);
	if (code == SQLITE_OK)
		must(stmt->stmt != NULL && *tail == '\0'); /* one statement, not none or two */
	else if ((code & 0xff) == SQLITE_ERROR)
		err_set(&stmt->why, E_INTERNAL, "database: %s", sqlite3_errmsg(stmt->db->handle));
	else
		db_fail(stmt->db, code, &stmt->why);
}

struct db_stmt *db_query(struct db *db, const char *sql_literal)
{
	if (db->stmt_cap > 0) {
		struct db_stmt *found = db->stmts[stmt_slot(db, sql_literal)];
		if (found != NULL) {
			db_reset(found);
			if (found->stmt == NULL)
				stmt_compile(found);
			return found;
		}
	}
	if ((db->stmt_count + 1) * 2 > db->stmt_cap)
		stmts_grow(db);
	struct db_stmt *stmt = mem_new(sizeof(*stmt));
	stmt->db = db;
	stmt->sql = sql_literal;
	stmt_compile(stmt);
	db->stmts[stmt_slot(db, sql_literal)] = stmt;
	db->stmt_count++;
	return stmt;
}

void db_reset(struct db_stmt *stmt)
{
	if (stmt->stmt != NULL) {
		sqlite3_reset(stmt->stmt);
		sqlite3_clear_bindings(stmt->stmt); /* what they point to may be gone soon */
	}
	stmt->bind_code = SQLITE_OK;
}

/* SQLITE_RANGE is our bug; a value too large for SQLite makes db_step fail. */
static void bound(struct db_stmt *stmt, int code)
{
	if (stmt->stmt != NULL && code != SQLITE_OK) {
		must(code == SQLITE_TOOBIG || code == SQLITE_NOMEM);
		stmt->bind_code = code;
	}
}

void db_bind_int(struct db_stmt *stmt, int index, int64_t value)
{
	bound(stmt, sqlite3_bind_int64(stmt->stmt, index, value));
}

void db_bind_null(struct db_stmt *stmt, int index)
{
	bound(stmt, sqlite3_bind_null(stmt->stmt, index));
}

void db_bind_text(struct db_stmt *stmt, int index, struct str text)
{
	bound(stmt, sqlite3_bind_text64(stmt->stmt, index, text.len == 0 ? "" : text.ptr, text.len,
	                                SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_stmt *stmt, int index, struct str blob)
{
	bound(stmt, sqlite3_bind_blob64(stmt->stmt, index, blob.len == 0 ? "" : blob.ptr, blob.len,
	                                SQLITE_STATIC));
}

int db_step(struct db_stmt *stmt, struct errinfo *info)
{
	if (stmt->stmt == NULL)
		return err_set(info, stmt->why.error, "%s", stmt->why.text);
	int code = stmt->bind_code != SQLITE_OK ? stmt->bind_code : sqlite3_step(stmt->stmt);
	if (code == SQLITE_ROW)
		return DB_ROW;
	int rc = code == SQLITE_DONE ? 0 : db_fail(stmt->db, code, info);
	db_reset(stmt);
	return rc;
}

int db_run(struct db_stmt *stmt, struct errinfo *info)
{
	int rc;
	while ((rc = db_step(stmt, info)) == DB_ROW) {
	}
	return rc;
}

int64_t db_int(struct db_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt->stmt, column);
}

bool db_is_null(struct db_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt->stmt, column) == SQLITE_NULL;
}

struct str db_text(struct db_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt->stmt, column);
	return STR_OF(text, text == NULL ? 0 : sqlite3_column_bytes(stmt->stmt, column));
}

struct str db_blob(struct db_stmt *stmt, int column)
{
	const void *blob = sqlite3_column_blob(stmt->stmt, column);
	return STR_OF(blob, blob == NULL ? 0 : sqlite3_column_bytes(stmt->stmt, column));
}
