#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "db/internal.h"

enum { PIECE = 64 * 1024 };

bool db_wal_there(const char *path)
{
	struct buf name BUF_AUTO;
	struct stat st;
	buf_init(&name, PATH_MAX);
	buf_addf(&name, "%s-wal", path);
	buf_add_byte(&name, '\0');
	return !name.failed && stat(name.ptr, &st) == 0 && st.st_size > 0;
}

/* ---------------------------------------------------------------- what a failed sync leaves */

void db_wal_doubt(struct db *db, int error)
{
	db->wal_doubtful = db->wal_doubtful || error == E_IO || error == E_NO_SPACE;
}

/* Every byte once more where it is. */
static int write_over(int fd, char piece[PIECE])
{
	off_t at = 0;
	for (;;) {
		ssize_t got = pread(fd, piece, PIECE, at);
		if (got == 0)
			return fdatasync(fd);
		ssize_t put = got < 0 ? got : pwrite(fd, piece, (size_t)got, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		at += put;
	}
}

/* With the write lock, so that nobody else writes meanwhile; who reads sees the same bytes. No lock of
 * SQLite's is on the WAL itself: closing the descriptor takes none away. */
static int write_again(struct db *db, struct errinfo *info)
{
	const char *path = sqlite3_filename_wal(sqlite3_db_filename(db->handle, "main"));
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	char *piece MEM_AUTO = mem_new(PIECE);
	int errnum = fd >= 0 && write_over(fd, piece) == 0 ? 0 : errno;
	if (fd >= 0)
		close(fd);
	return errnum == 0 ? 0
	                   : err_set(info, err_from_errno(errnum) == E_NO_SPACE ? E_NO_SPACE : E_IO,
	                             "database: cannot write its log again: %s", strerror(errnum));
}

int db_wal_settle(struct db *db, struct errinfo *info)
{
	if (!db->wal_doubtful)
		return 0;
	bool inside = db_in_transaction(db);
	int rc = inside ? 0 : db_run(db_query(db, "BEGIN IMMEDIATE"), info);
	if (rc == 0)
		rc = write_again(db, info);
	if (!inside)
		db_rollback(db);
	db->wal_doubtful = rc != 0;
	return rc;
}

int db_wal_name(struct db *db, struct errinfo *info)
{
	if (!db->wal_unnamed)
		return 0;
	int rc = db_folder_sync(sqlite3_db_filename(db->handle, "main"), info);
	db->wal_unnamed = rc != 0;
	return rc;
}

/* ---------------------------------------------------------------- one sync for many commits */

int db_sync(struct db *db, struct errinfo *info)
{
	sqlite3_file *wal = NULL;
	int code = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (code == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
		code = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	if (code == SQLITE_OK)
		return 0;
	db_wal_doubt(db, E_IO);
	return err_set(info, E_IO, "database: %s", sqlite3_errstr(code));
}
