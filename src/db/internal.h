#ifndef POSTKASSE_DB_INTERNAL_H
#define POSTKASSE_DB_INTERNAL_H

/* What the files of src/db share and nobody else includes. */

#include <sqlite3.h>

#include "db/db.h"

/* Of a file that is filled by db_copy_step: it counts only once it is complete, so it has no journal on
 * the disk, and is synced once. */
enum { DB_COPY = 1 << 16 };

struct db {
	sqlite3 *handle; /* owned */
	unsigned flags;
	bool sync_wanted, sync_full; /* asked for, and in force */
	uint32_t wal_frames;         /* in the WAL file after the last commit or checkpoint */
	uint32_t wal_checkpointed;   /* of these, in the main file already */
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

#endif
