#ifndef POSTKASSE_DB_INTERNAL_H
#define POSTKASSE_DB_INTERNAL_H

/* What the files of src/db share and nobody else includes. */

#include <sqlite3.h>
#include <sys/types.h>

#include "db/db.h"

/* Which file it is, whatever its name; inode 0: none. */
struct db_file_id {
	dev_t device;
	ino_t inode;
};

/* Of a file that is filled by db_copy_step: it counts only once it is complete, so it has no journal on
 * the disk, and is synced once. */
enum { DB_COPY = 1 << 16 };

struct db {
	sqlite3 *handle; /* owned */
	unsigned flags;
	bool sync_wanted, sync_full; /* asked for, and in force */
	bool reading;                /* the transaction that is open is that of db_read_begin */
	bool wal_doubtful;           /* what is in the WAL may not be on the disk: see db_wal_settle */
	bool wal_unnamed;            /* its name may not be on the disk */
	uint32_t wal_frames;         /* in the WAL file after the last commit or checkpoint */
	uint32_t wal_checkpointed;   /* of these, in the main file already */
	struct db_file_id place, wal_place; /* what is open: the file and its WAL */
	/* Statements by the address of their text: open addressing, cap a power of two. */
	struct db_stmt **stmts;
	size_t stmt_count, stmt_cap;
};

/* The enum error for a result code of SQLite. */
int db_error_of(struct db *db, int sqlite_code);
/* Sets info from the connection's last error, whose result code is sqlite_code. */
int db_fail(struct db *db, int sqlite_code, struct errinfo *info);
/* One PRAGMA or other statement whose first column, if any, is wanted as a number. */
int db_exec_int(struct db *db, const char *sql, int64_t *ret, struct errinfo *info) MUST_USE;
void db_stmts_free(struct db *db);
/* A sync that fails (in this process, or in the one that left the WAL behind) makes the kernel forget which
 * pages were still to be written, and the next sync succeeds without them. After such an error, so that
 * db_wal_settle has something to do: */
void db_wal_doubt(struct db *db, int error);
/* Before anything is built on a WAL in doubt: writes it over with what it holds, and syncs it. */
int db_wal_settle(struct db *db, struct errinfo *info) MUST_USE;
/* Before the first change: a new WAL's name is on the disk. SQLite syncs its folder, too, but does not look
 * at what comes of that. */
int db_wal_name(struct db *db, struct errinfo *info) MUST_USE;
/* Forces the names in the folder of the file at path to the disk. */
int db_folder_sync(const char *path, struct errinfo *info) MUST_USE;
/* Whether there is something in the WAL of the file at path. */
bool db_wal_there(const char *path);
/* Notes which files were opened, for db_in_place. E_IO when the file has gone meanwhile. */
int db_place_note(struct db *db, struct errinfo *info) MUST_USE;

#endif
