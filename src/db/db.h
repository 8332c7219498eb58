#ifndef POSTKASSE_DB_DB_H
#define POSTKASSE_DB_DB_H

/*
 * An encrypted SQLite file: opening with a raw key, prepared statements, transactions, migrations.
 * The only includer of sqlite3.h outside src/db are files of src/store and src/directory that need
 * a type from it. One struct db is used by one thread at a time; no locks are taken here.
 *
 * All files: cipher chacha20 (our accelerated implementation, see page_cipher.h), WAL, page size
 * 4096, busy_timeout 5000, foreign_keys ON, UTF-8, secure_delete FAST, auto_vacuum INCREMENTAL, no
 * automatic checkpoints, a schema that is not trusted (trusted_schema OFF, defensive).
 *
 * Freed memory is overwritten (memory_security): no difference in time was measurable between with
 * and without, reading and writing. Text stays in no freed page, the key goes with db_close.
 *
 * What it costs (AMD EPYC): opening with the first query and closing again 0.10 ms, with
 * DB_EXCLUSIVE 0.06 ms; finding a wrong key 0.02 ms; a commit of one 3 KB row 25 us, with
 * DB_SYNC_FULL the disk's fdatasync besides; changing between the two 0.5 us.
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

/* Only in builds with POSTKASSE_TEST_PLAIN, and there only when the environment has TEST_PLAIN:
 * every file is opened as with DB_PLAIN, and the store keeps text readable. So the test that searches
 * the disk for readable text shows that it would find some. False in every other build. */
bool db_plain_asked(void);

/* Starts SQLite: the page cipher, randomness from the system, no URI names. db_open calls it too;
 * it works once and is remembered, so it may be called in any thread and in a sandbox. */
int db_init(struct errinfo *info) MUST_USE;

/* key->salt is used when the file is created, and afterwards stands in its first 16 bytes.
 * E_DENIED: wrong key, or not one of our files. E_NOT_FOUND, E_CORRUPT, E_IO, E_NO_SPACE. */
int db_open(struct db **ret, const char *path, const struct data_key *key, unsigned flags,
            struct errinfo *info) MUST_USE;
/* For a file that db_open calls E_DENIED: whether some page behind its first is encrypted under key,
 * so that the key is right and the file damaged. Looks at a few pages; false when it cannot. */
bool db_key_fits(const char *path, const struct data_key *key);
/* What can be said of a file without its key: E_INVALID when it is none of ours (the sentence in info begins
 * with a verb), else its salt. Reads at fd's begin, whatever its position. */
int db_file_look(int fd, unsigned char ret_salt[DATA_KEY_SALT_SIZE], struct errinfo *info) MUST_USE;
/* Finalizes all statements and closes; blob handles must be closed before. The last connection to a
 * file checkpoints and removes -wal and -shm, so that a mailbox at rest is one file that can be
 * copied and opened anywhere. That takes two syncs (about 1 ms) when there is something in the WAL
 * and nothing otherwise, and happens after the last session has gone. NULL is fine. */
void db_close(struct db *db);
/* The same, but leaves file and WAL as they were found: for a file that may have another's WAL. */
void db_close_as_found(struct db *db);

/* Whether an error is of the kind that leaves the rest of the file as it is: a page that is damaged, or that
 * the disk does not give. */
static inline bool db_is_damage(int error)
{
	return error == E_CORRUPT || error == E_IO;
}

/* Whether file and WAL are still at their path: nobody has put another file there, moved it away or removed
 * it. What is committed to one that is not in place others will never see. Two stat calls. */
bool db_in_place(const struct db *db);

/* Commits from here on are durable on return (true) or only ordered (false). Inside a transaction
 * it takes effect with the next one. */
void db_set_sync_full(struct db *db, bool full);
int db_exec(struct db *db, const char *sql, struct errinfo *info) MUST_USE;
/* BEGIN IMMEDIATE, COMMIT, ROLLBACK (which never fails, and is fine outside a transaction). A
 * commit that fails has been rolled back; where its sync failed it may be there, whole, after a
 * restart. */
int db_begin(struct db *db, struct errinfo *info) MUST_USE;
int db_commit(struct db *db, struct errinfo *info) MUST_USE;
void db_rollback(struct db *db);
/* All that was committed is durable on return: one sync for many commits that were only ordered. On E_IO they
 * are there still, and nobody knows whether a power cut would leave them. Not inside a transaction. */
int db_sync(struct db *db, struct errinfo *info) MUST_USE;
bool db_in_transaction(const struct db *db);
/* From here on what is read is one state of the file, under one lock; else each statement takes a lock and drops
 * it, which costs more than to find a row. Until db_read_end, or what changes or closes the file, which ends it by
 * itself: db_begin, db_checkpoint, db_copy_step, db_close. Nothing happens when one has begun already, or inside
 * a transaction. After damage nothing more can be read before its end: not for who passes over what is damaged. */
int db_read_begin(struct db *db, struct errinfo *info) MUST_USE;
void db_read_end(struct db *db);
int64_t db_last_rowid(struct db *db);
int db_changes(struct db *db);

/*
 * SQL that does not compile shows in db_step: E_INTERNAL, our bug, or what is wrong with the file.
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
	__attribute__((returns_nonnull, warn_unused_result));
void db_bind_int(struct db_stmt *stmt, int index, int64_t value);
void db_bind_null(struct db_stmt *stmt, int index);
/* Text and blobs are borrowed until db_reset. */
void db_bind_text(struct db_stmt *stmt, int index, struct str text);
void db_bind_blob(struct db_stmt *stmt, int index, struct str blob);
enum { DB_ROW = 1 };
/* DB_ROW, 0 at the end (reset by itself), or an error (reset by itself). A UNIQUE or PRIMARY KEY
 * conflict is E_EXISTS, any other constraint E_INVALID. */
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
 * one transaction. Afterwards tables, columns and indexes found are compared with those that a
 * fresh database has (made in memory from the same list): a difference is E_CORRUPT and named in
 * info. The same is done before the first step with the version found, so that a file with other
 * contents is left as it is. A file of a later version than the list's is E_UNSUPPORTED. When
 * nothing is to be done nothing is compared either: that is what db_schema_check is for. Foreign
 * keys are off during a step and checked at its end, so that a table can be made anew.
 */
int db_migrate(struct db *db, const char *const *migrations, int count,
               struct errinfo *info) MUST_USE;
int db_schema_check(struct db *db, const char *const *migrations, int count,
                    struct errinfo *info) MUST_USE;
int db_schema_version(struct db *db);
/* What is said of a file of a later version than count; returns E_UNSUPPORTED. */
int db_schema_newer(int version, int count, struct errinfo *info);

/* wal_checkpoint: passive copies what it can, truncate also empties the WAL. */
int db_checkpoint(struct db *db, bool truncate, struct errinfo *info) MUST_USE;
/* Bytes in the WAL that are not in the main file yet, from the wal hook; no system call. What was
 * there at db_open counts from the first commit on. */
uint64_t db_wal_bytes(const struct db *db);
/*
 * A copy under another key, made in steps between which db goes on being used: what it writes to pages
 * that are copied already goes into the copy, too. It is to be freed before db is closed.
 */
struct db_copy;
/* Begins one at path. E_EXISTS when there is something there. */
int db_copy_new(struct db_copy **ret, struct db *db, const char *path, const struct data_key *key,
                struct errinfo *info) MUST_USE;
/* Copies that many pages; key is the one that it began with. When *ret_done the copy is as db is now, complete, on disk, one file, with
 * key->salt in front, so that the new password opens it, and its folder is synced; what db writes from
 * then on is not in it. E_BUSY inside a transaction. */
int db_copy_step(struct db_copy *copy, const struct data_key *key, int pages, bool *ret_done,
                 struct errinfo *info) MUST_USE;
/* Of one that is not done nothing stays on the disk. NULL is fine. */
void db_copy_free(struct db_copy *copy);
/* PRAGMA integrity_check and foreign_key_check; findings are appended as lines. E_CORRUPT if
 * any. */
int db_integrity_check(struct db *db, struct buf *findings, struct errinfo *info) MUST_USE;

/* For tests: to bring about what only SQLite's own calls can. */
struct sqlite3 *db_handle(struct db *db);

#endif
