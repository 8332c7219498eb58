#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "db/internal.h"
#include "db/page_cipher.h"

enum {
	BUSY_TIMEOUT_MS = 5000,
	PAGE_SIZE = 4096,
	WAL_FRAME_SIZE = PAGE_SIZE + 24, /* SQLite file format, section 4.1 */
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static struct errinfo init_error;

/* Freed memory is overwritten: a process-wide switch that only a connection reaches. */
static int memory_security_on(struct errinfo *info)
{
	sqlite3 *any;
	int rc = sqlite3_open_v2(":memory:", &any, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(any, "PRAGMA memory_security=1", NULL, NULL, NULL);
	sqlite3_close(any);
	return rc == SQLITE_OK ? 0 : err_set(info, E_INTERNAL, "SQLite has no secure memory");
}

/* SQLite would open /dev/urandom, which a sandboxed process cannot, and then make do with the
 * time. */
static int system_random(sqlite3_vfs *vfs, int len, char *ret)
{
	(void)vfs;
	int have = 0;
	while (have < len) {
		ssize_t got = getrandom(ret + have, (size_t)(len - have), 0);
		must(got > 0 || errno == EINTR);
		have += got > 0 ? (int)got : 0;
	}
	return len;
}

static void random_from_system(void)
{
	sqlite3_vfs_find(NULL)->xRandomness = system_random;
	sqlite3_randomness(0, NULL); /* forgets the seed, which stems from before */
}

static void init_run(void)
{
	struct errinfo *info = &init_error;
	/* A mailbox path is never a URI: one could carry "?key=", which means no encryption. */
	if (sqlite3_config(SQLITE_CONFIG_URI, 0) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK) {
		err_set(info, E_INTERNAL, "SQLite does not start");
		return;
	}
	random_from_system();
	if (page_cipher_register(info) == 0 && memory_security_on(info) == 0)
		info->error = 0;
}

int db_init(struct errinfo *info)
{
	pthread_once(&init_once, init_run);
	if (init_error.error != 0 && info != NULL)
		*info = init_error;
	return init_error.error;
}

int db_error_of(struct db *db, int sqlite_code)
{
	switch (sqlite_code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return E_EXISTS;
	}
	switch (sqlite_code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return E_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return E_CORRUPT;
	case SQLITE_FULL:
		return E_NO_SPACE;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN: {
		/* Whatever is missing here is no missing mailbox: SQLite tries again without O_CREAT when a
		 * -wal or -shm cannot be made, and has ENOENT then. db_open looks for the file itself. */
		int errnum = sqlite3_system_errno(db->handle);
		return errnum != 0 && err_from_errno(errnum) == E_NO_SPACE ? E_NO_SPACE : E_IO;
	}
	case SQLITE_READONLY:
		return E_IO;
	case SQLITE_INTERRUPT:
		return E_CANCELLED;
	case SQLITE_TOOBIG:
		return E_TOO_LARGE;
	case SQLITE_NOMEM:
		return E_UNAVAILABLE;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return E_INVALID;
	default:
		return E_INTERNAL;
	}
}

int db_fail(struct db *db, int sqlite_code, struct errinfo *info)
{
	int error = db_error_of(db, sqlite_code);
	if (error == E_NO_SPACE)
		return err_set(info, error, "database: no space is left on its volume");
	/* Messages of constraints name columns; others may quote what was searched for. */
	bool named = (sqlite_code & 0xff) == SQLITE_CONSTRAINT;
	return err_set(info, error, "database: %s",
	               named ? sqlite3_errmsg(db->handle) : sqlite3_errstr(sqlite_code));
}

/* After each commit: how many frames the WAL has. A smaller number than before means that SQLite
 * began it anew, because all of it was checkpointed. */
static int wal_committed(void *arg, sqlite3 *handle, const char *schema, int frames)
{
	struct db *db = arg;
	(void)handle;
	(void)schema;
	if ((uint32_t)frames < db->wal_frames || (uint32_t)frames < db->wal_checkpointed)
		db->wal_checkpointed = 0;
	db->wal_frames = (uint32_t)frames;
	return SQLITE_OK;
}

uint64_t db_wal_bytes(const struct db *db)
{
	return (uint64_t)(db->wal_frames - db->wal_checkpointed) * WAL_FRAME_SIZE;
}

/* A file that we may not touch is out of order, which is not to be taken for a wrong key. */
static int file_fail(int errnum, const char *what, struct errinfo *info)
{
	int error = err_from_errno(errnum);
	return err_set(info, error == E_DENIED ? E_IO : error, "database: cannot %s: %s", what,
	               strerror(errnum));
}

/* What the file system says about path: 0 and whether there is nothing in it yet. A file that is to
 * be created is created here, so that it (and with it -wal and -shm) is never open to others; never
 * opened here when it exists, since closing it would release SQLite's locks on it. */
static int file_prepare(const char *path, unsigned flags, bool *ret_is_new, struct errinfo *info)
{
	struct stat st;
	if ((flags & DB_CREATE) != 0) {
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			close(fd);
			*ret_is_new = true;
			return 0;
		}
		if (errno != EEXIST)
			return file_fail(errno, "create", info);
	}
	if (stat(path, &st) != 0)
		return file_fail(errno, "open", info);
	if (!S_ISREG(st.st_mode))
		return err_set(info, E_DENIED, "database: not a regular file");
	*ret_is_new = st.st_size == 0;
	if (st.st_size == 0 && (flags & DB_CREATE) == 0)
		return err_set(info, E_CORRUPT, "database: the file is empty");
	return 0;
}

static int connection_key(struct db *db, const struct data_key *key, struct errinfo *info)
{
	unsigned char raw[RAW_KEY_SIZE];
	if ((db->flags & DB_PLAIN) != 0) {
#ifdef POSTKASSE_TEST_PLAIN
		return 0;
#else
		return err_set(info, E_UNSUPPORTED, "database: this build has no unencrypted files");
#endif
	}
	must(key != NULL);
	page_cipher_raw_key(key, raw);
	int rc = sqlite3_key_v2(db->handle, "main", raw, sizeof(raw));
	wipe(raw, sizeof(raw));
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, info);
}

static int connection_configure(struct db *db, bool is_new, struct errinfo *info)
{
	sqlite3 *handle = db->handle;
	int ignored;
	sqlite3_extended_result_codes(handle, 1);
	sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, &ignored);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, &ignored);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &ignored);
	sqlite3_wal_hook(handle, wal_committed, db); /* in the place of automatic checkpoints */
	int rc = 0;
	if ((db->flags & (DB_EXCLUSIVE | DB_COPY)) != 0)
		rc = db_exec(db, "PRAGMA locking_mode=EXCLUSIVE", info);
	if (rc == 0 && (db->flags & DB_COPY) != 0)
		rc = db_exec(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", info);
	if (rc == 0 && is_new)
		rc = db_exec(db, "PRAGMA auto_vacuum=INCREMENTAL", info);
	if (rc == 0) {
		/* Keying turned it fully on, which makes deleting four times as expensive. */
		rc = db_exec(db, "PRAGMA secure_delete=FAST", info);
	}
	/* The first access to the file: here a wrong key is found out. A no-op in a file of ours. */
	if (rc == 0 && (db->flags & DB_READ_ONLY) != 0) {
		rc = db_exec(db, "PRAGMA schema_version", info);
	} else if (rc == 0 && (db->flags & DB_COPY) == 0) {
		rc = db_exec(db, "PRAGMA journal_mode=WAL", info);
		/* A new file has its -wal from the next access on: see db_place_note. */
		if (rc == 0 && is_new)
			rc = db_exec(db, "PRAGMA schema_version", info);
	}
	if (rc == E_CORRUPT && (sqlite3_extended_errcode(handle) & 0xff) == SQLITE_NOTADB)
		rc = err_set(info, E_DENIED, "database: wrong key, or not one of our files");
	if (rc == 0 && (db->flags & DB_SYNC_FULL) != 0)
		db_set_sync_full(db, true);
	return rc;
}

bool db_plain_asked(void)
{
#ifdef POSTKASSE_TEST_PLAIN
	return getenv("TEST_PLAIN") != NULL;
#else
	return false;
#endif
}

int db_open(struct db **ret, const char *path, const struct data_key *key, unsigned flags,
            struct errinfo *info)
{
	bool is_new = false;
	*ret = NULL;
	int rc = db_init(info);
	if (rc == 0)
		rc = file_prepare(path, flags, &is_new, info);
	if (rc < 0)
		return rc;
	bool left = db_wal_there(path);
	struct db *db = mem_new(sizeof(*db));
	db->flags = db_plain_asked() ? flags | DB_PLAIN : flags;
	int open_flags = (flags & DB_READ_ONLY) != 0 ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int code = sqlite3_open_v2(path, &db->handle, open_flags | SQLITE_OPEN_NOMUTEX, NULL);
	rc = code == SQLITE_OK ? 0 : db_fail(db, code, info);
	/* What cannot be opened for writing SQLite opens for reading, and says so at the first write. */
	if (rc == 0 && (flags & DB_READ_ONLY) == 0 && sqlite3_db_readonly(db->handle, "main") != 0)
		rc = err_set(info, E_IO, "database: cannot be opened for writing");
	if (rc == 0)
		rc = connection_key(db, key, info);
	if (rc == 0)
		rc = connection_configure(db, is_new, info);
	if (rc == 0) {
		db->wal_unnamed = (flags & (DB_READ_ONLY | DB_COPY)) == 0;
		db->wal_doubtful = db->wal_unnamed && left;
		rc = db_wal_settle(db, info); /* before anybody is told what it holds */
	}
	if (rc == 0)
		rc = db_place_note(db, info);
	if (rc < 0) {
		db_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

static void keep_wal(struct db *db, bool keep)
{
	int ignored;
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep, &ignored);
}

void db_close(struct db *db)
{
	struct errinfo ignored;
	if (db == NULL)
		return;
	db_read_end(db);
	if (db_wal_settle(db, &ignored) != 0)
		keep_wal(db, true);
	db_stmts_free(db);
	must(sqlite3_close(db->handle) == SQLITE_OK); /* else a blob handle was left open */
	free(db);
}

void db_close_as_found(struct db *db)
{
	/* An empty WAL is of our own making. */
	keep_wal(db, db_wal_there(sqlite3_db_filename(db->handle, "main")));
	db->wal_doubtful = false;
	db_close(db);
}

struct sqlite3 *db_handle(struct db *db)
{
	return db->handle;
}

int db_exec(struct db *db, const char *sql, struct errinfo *info)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : db_fail(db, code, info);
}

int db_exec_int(struct db *db, const char *sql, int64_t *ret, struct errinfo *info)
{
	sqlite3_stmt *stmt;
	int code = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
	if (code == SQLITE_OK) {
		code = sqlite3_step(stmt);
		if (code == SQLITE_ROW)
			*ret = sqlite3_column_int64(stmt, 0);
	}
	int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : db_fail(db, code, info);
	sqlite3_finalize(stmt);
	return rc;
}

/* A PRAGMA is executed while it is compiled, so it cannot be kept as a statement. */
static int sync_apply(struct db *db, struct errinfo *info)
{
	bool full = db->sync_wanted;
	int rc = db_exec(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", info);
	if (rc == 0)
		db->sync_full = full;
	return rc;
}

void db_set_sync_full(struct db *db, bool full)
{
	db->sync_wanted = full;
	if (full != db->sync_full && sqlite3_get_autocommit(db->handle) != 0) {
		struct errinfo ignored; /* db_begin tries again, and fails where this failed */
		int rc = sync_apply(db, &ignored);
		(void)rc;
	}
}

int db_read_begin(struct db *db, struct errinfo *info)
{
	/* An error of the file may have ended it. */
	if (sqlite3_get_autocommit(db->handle) == 0)
		return 0;
	int rc = db_run(db_query(db, "BEGIN"), info);
	db->reading = rc == 0;
	return rc;
}

void db_read_end(struct db *db)
{
	if (!db->reading)
		return;
	must(sqlite3_txn_state(db->handle, "main") !=
	     SQLITE_TXN_WRITE); /* what changes begins with db_begin */
	db->reading = false;
	if (sqlite3_get_autocommit(db->handle) == 0) {
		/* Statements that are in the middle of the file go on under locks of their own. */
		struct errinfo ignored;
		if (db_run(db_query(db, "COMMIT"), &ignored) != 0)
			db_rollback(db);
	}
}

int db_begin(struct db *db, struct errinfo *info)
{
	db_read_end(db);
	int rc = db->sync_wanted == db->sync_full ? 0 : sync_apply(db, info);
	if (rc == 0)
		rc = db_wal_name(db, info);
	if (rc == 0)
		rc = db_run(db_query(db, "BEGIN IMMEDIATE"), info);
	if (rc == 0) {
		rc = db_wal_settle(db, info);
		if (rc < 0)
			db_rollback(db);
	}
	return rc;
}

int db_commit(struct db *db, struct errinfo *info)
{
	int rc = db_run(db_query(db, "COMMIT"), info);
	if (rc < 0) {
		db_wal_doubt(db, rc);
		db_rollback(db);
	}
	return rc;
}

void db_rollback(struct db *db)
{
	if (db_in_transaction(db)) {
		/* Whatever it returns: SQLite has left the transaction afterwards. */
		struct errinfo ignored;
		int rc = db_run(db_query(db, "ROLLBACK"), &ignored);
		(void)rc;
		must(!db_in_transaction(db));
	}
}

bool db_in_transaction(const struct db *db)
{
	return !db->reading && sqlite3_get_autocommit(db->handle) == 0;
}

int64_t db_last_rowid(struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int db_changes(struct db *db)
{
	return sqlite3_changes(db->handle);
}

int db_checkpoint(struct db *db, bool truncate, struct errinfo *info)
{
	int frames = 0, checkpointed = 0;
	db_read_end(db);
	int rc = db_wal_settle(db, info);
	if (rc != 0)
		return rc;
	int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int code = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, &frames, &checkpointed);
	if (code != SQLITE_OK) {
		rc = db_fail(db, code, info);
		db_wal_doubt(db, rc);
		return rc;
	}
	db->wal_frames = frames > 0 ? (uint32_t)frames : 0;
	db->wal_checkpointed = checkpointed > 0 ? (uint32_t)checkpointed : 0;
	return 0;
}
