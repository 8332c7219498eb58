#ifndef POSTKASSE_DB_DB_H
#define POSTKASSE_DB_DB_H

/*
 * An encrypted SQLite file: opening with a raw key, prepared statements, transactions, migrations.
 * The only includer of sqlite3.h outside src/db are files of src/store and src/directory that need
 * a type from it. One struct db is used by one thread at a time; no locks are taken here.
 *
 * All files: cipher chacha20 (our accelerated implementation, see page_cipher.h), WAL, page size
 * 4096, busy_timeout 5000, foreign_keys ON, UTF-8, secure_delete FAST, auto_vacuum INCREMENTAL,
 * memory_security on, no automatic checkpoints.
 */

#include "base/error.h"
#include "base/str.h"
#include "crypto/slot.h"

struct db;
struct db_stmt;

enum db_open_flags {
	DB_CREATE = 1, /* create the file if it is not there (mode 0600) */
	DB_READ_ONLY = 2,
	DB_SYNC_FULL = 4,  /* every commit is durable when it returns; else only WAL order is kept */
	DB_PLAIN = 8,      /* no encryption: for tests that prove themselves. Refused unless the build
	                     has POSTKASSE_TEST_PLAIN */
	DB_EXCLUSIVE = 16, /* nobody else opens it meanwhile (they get E_BUSY): no -shm file, no lock
	                      calls per transaction, half the time to open */
};

/* Once in a process, before the first db_open: sqlite3_initialize, the page cipher, no URI names. */
int db_init(struct errinfo *info) MUST_USE;

/* key->salt is used when the file is created, and afterwards stands in its first 16 bytes.
 * E_DENIED: wrong key, or not one of our files. E_NOT_FOUND, E_CORRUPT, E_IO, E_NO_SPACE. */
int db_open(struct db **ret, const char *path, const struct data_key *key, unsigned flags,
            struct errinfo *info) MUST_USE;
/* Finalizes all statements and closes. NULL is fine. */
void db_close(struct db *db);
/* The last error's enum error and text. */
int db_error(struct db *db, struct errinfo *info);

/* Commits from here on are durable on return (true) or only ordered (false). */
void db_set_sync_full(struct db *db, bool full);
int db_exec(struct db *db, const char *sql, struct errinfo *info) MUST_USE;
/* BEGIN IMMEDIATE, COMMIT, ROLLBACK (which never fails, and is fine outside a transaction). */
int db_begin(struct db *db, struct errinfo *info) MUST_USE;
int db_commit(struct db *db, struct errinfo *info) MUST_USE;
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);
int64_t db_last_rowid(struct db *db);
int db_changes(struct db *db);

/*
 * Statements are kept per struct db under the address of their SQL text, which must therefore be a
 * string literal. db_query returns it reset with all bindings cleared. Usage:
 *
 *     struct db_stmt *q = db_query(db, "SELECT uid FROM entry WHERE folder=?1 AND uid>=?2");
 *     db_bind_int(q, 1, folder);
 *     db_bind_int(q, 2, uid);
 *     while ((rc = db_step(q, info)) == DB_ROW) ... db_int(q, 0) ...
 *     db_reset(q);
 */
struct db_stmt *db_query(struct db *db, const char *sql_literal)
	__attribute__((returns_nonnull, warn_unused_result)); /* SQL that does not compile is our bug */
void db_bind_int(struct db_stmt *stmt, int index, int64_t value);
void db_bind_real(struct db_stmt *stmt, int index, double value);
void db_bind_null(struct db_stmt *stmt, int index);
/* Text and blobs are borrowed until db_reset. */
void db_bind_text(struct db_stmt *stmt, int index, struct str text);
void db_bind_blob(struct db_stmt *stmt, int index, struct str blob);
enum { DB_ROW = 1 };
/* DB_ROW, 0 at the end (reset by itself), or an error (reset by itself). */
int db_step(struct db_stmt *stmt, struct errinfo *info) MUST_USE;
/* For statements without rows: binds done, step to the end. */
int db_run(struct db_stmt *stmt, struct errinfo *info) MUST_USE;
void db_reset(struct db_stmt *stmt);
int64_t db_int(struct db_stmt *stmt, int column);
bool db_is_null(struct db_stmt *stmt, int column);
/* Borrowed until the next step or reset. */
struct str db_text(struct db_stmt *stmt, int column);
struct str db_blob(struct db_stmt *stmt, int column);

/*
 * Migrations: migrations[n] takes the schema from version n to n+1 (PRAGMA user_version), each in
 * one transaction. Afterwards tables, columns and indexes found are compared with those that a fresh
 * database has (made in memory from the same list): a difference is E_CORRUPT and named in info. A
 * file of a later version than the list's is E_UNSUPPORTED.
 */
int db_migrate(struct db *db, const char *const *migrations, int count,
               struct errinfo *info) MUST_USE;
int db_schema_check(struct db *db, const char *const *migrations, int count,
                    struct errinfo *info) MUST_USE;
int db_schema_version(struct db *db);

/* wal_checkpoint: passive copies what it can, truncate also empties the WAL. */
int db_checkpoint(struct db *db, bool truncate, struct errinfo *info) MUST_USE;
/* Bytes in the WAL since the last checkpoint, from the wal hook; no system call. */
uint64_t db_wal_bytes(const struct db *db);
/* VACUUM INTO path (must not exist) under another key; the copy is synced and opens with it. */
int db_copy_rekeyed(struct db *db, const char *path, const struct data_key *key,
                    struct errinfo *info) MUST_USE;
/* PRAGMA integrity_check and foreign_key_check; findings are appended as lines. E_CORRUPT if any. */
int db_integrity_check(struct db *db, struct buf *findings, struct errinfo *info) MUST_USE;

/* The sqlite3 handle, for blob streaming and the like. */
struct sqlite3 *db_handle(struct db *db);

#endif
