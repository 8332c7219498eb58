#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "db/internal.h"
#include "db/page_cipher.h"

static int fail_errno(int errnum, const char *what, struct errinfo *info)
{
	return err_set(info, err_from_errno(errnum), "database: %s: %s", what, strerror(errnum));
}

/* Forces a file, or the entries of a folder, to disk. */
static int path_sync(const char *path, int open_flags, struct errinfo *info)
{
	int fd = open(path, open_flags | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(errno, "cannot open for sync", info);
	int rc = fsync(fd) == 0 ? 0 : fail_errno(errno, "sync", info);
	close(fd);
	return rc;
}

int db_folder_sync(const char *path, struct errinfo *info)
{
	char *copy MEM_AUTO = mem_copy_string(path, strlen(path));
	return path_sync(dirname(copy), O_RDONLY | O_DIRECTORY, info);
}

/* The salt is what makes a file open with its password, so a copy is not trusted to have it. */
static int salt_verify(const char *path, const struct data_key *key, struct errinfo *info)
{
	unsigned char salt[DATA_KEY_SALT_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(errno, "cannot open the copy", info);
	ssize_t len = pread(fd, salt, sizeof(salt), 0);
	close(fd);
	if (len != (ssize_t)sizeof(salt) || memcmp(salt, key->salt, sizeof(salt)) != 0)
		return err_set(info, E_INTERNAL, "database: the copy has another salt");
	return 0;
}

/* Opens the copy with its own key, as any other file, and leaves one file. */
static int copy_check(const char *path, const struct data_key *key, unsigned flags,
                      struct errinfo *info)
{
	struct db *copy;
	int rc = db_open(&copy, path, key, flags & DB_PLAIN, info);
	if (rc < 0)
		return rc;
	db_close(copy);
	if ((flags & DB_PLAIN) == 0)
		rc = salt_verify(path, key, info);
	if (rc == 0)
		rc = path_sync(path, O_RDWR, info);
	return rc < 0 ? rc : db_folder_sync(path, info);
}

static void copy_remove(const char *path)
{
	static const char *const endings[] = {"-journal", "-wal", "-shm", ""};
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		struct buf name BUF_AUTO;
		buf_init(&name, 2 * 4096);
		buf_add_text(&name, path);
		buf_add(&name, endings[i], strlen(endings[i]) + 1);
		if (!name.failed)
			unlink(name.ptr);
	}
}

/* ---------------------------------------------------------------- a copy under another key */

/* Written pages are brought to the disk in between, so that the last sync finds little to do. */
enum { COPY_SYNC_PAGES = 512 };

struct db_copy {
	struct db *from; /* borrowed */
	struct db *to;
	sqlite3_backup *backup;
	char *path;
	int unsynced; /* pages */
	bool done;
};

static int copy_fail(struct db_copy *copy, int code, struct errinfo *info)
{
	return db_fail((code & 0xff) == SQLITE_BUSY ? copy->from : copy->to, code, info);
}

int db_copy_new(struct db_copy **ret, struct db *db, const char *path, const struct data_key *key,
                struct errinfo *info)
{
	*ret = NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(errno, "cannot create the copy", info);
	close(fd);
	struct db_copy *copy = mem_new(sizeof(*copy));
	copy->from = db;
	copy->path = mem_copy_string(path, strlen(path));
	int rc = db_open(&copy->to, path, key, (db->flags & DB_PLAIN) | DB_CREATE | DB_COPY, info);
	if (rc == 0) {
		copy->backup = sqlite3_backup_init(copy->to->handle, "main", db->handle, "main");
		if (copy->backup == NULL)
			rc = copy_fail(copy, sqlite3_extended_errcode(copy->to->handle), info);
	}
	if (rc < 0) {
		db_copy_free(copy);
		return rc;
	}
	*ret = copy;
	return 0;
}

/* The file is complete but for what SQLite still holds of it. */
static int copy_complete(struct db_copy *copy, const struct data_key *key, struct errinfo *info)
{
	int code = sqlite3_backup_finish(copy->backup);
	copy->backup = NULL;
	int rc = code == SQLITE_OK ? 0 : copy_fail(copy, code, info);
	unsigned flags = copy->to->flags;
	db_close(copy->to);
	copy->to = NULL;
	if (rc == 0)
		rc = copy_check(copy->path, key, flags, info);
	copy->done = rc == 0;
	return rc;
}

int db_copy_step(struct db_copy *copy, const struct data_key *key, int pages, bool *ret_done,
                 struct errinfo *info)
{
	*ret_done = false;
	db_read_end(copy->from);
	int code = sqlite3_backup_step(copy->backup, pages);
	int rc = 0;
	if (code == SQLITE_DONE) {
		rc = copy_complete(copy, key, info);
		*ret_done = rc == 0;
		return rc;
	}
	if (code != SQLITE_OK)
		return copy_fail(copy, code, info);
	copy->unsynced += pages;
	if (copy->unsynced >= COPY_SYNC_PAGES) {
		copy->unsynced = 0;
		rc = path_sync(copy->path, O_RDWR, info);
	}
	return rc;
}

void db_copy_free(struct db_copy *copy)
{
	if (copy == NULL)
		return;
	if (copy->backup != NULL)
		sqlite3_backup_finish(copy->backup);
	db_close(copy->to);
	if (!copy->done)
		copy_remove(copy->path);
	free(copy->path);
	free(copy);
}

enum { PAGE_SIZE = 4096, PROBED_PAGES = 32 };

bool db_key_fits(const char *path, const struct data_key *key)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	struct page_cipher *cipher = page_cipher_new(key);
	unsigned char data[PAGE_SIZE];
	bool fits = false;
	for (uint32_t page = 2; page < 2 + PROBED_PAGES && !fits; page++) {
		if (pread(fd, data, PAGE_SIZE, (off_t)(page - 1) * PAGE_SIZE) != PAGE_SIZE)
			break;
		fits = page_cipher_decrypt(cipher, page, data, PAGE_SIZE, true);
	}
	wipe(data, sizeof(data));
	page_cipher_free(cipher);
	close(fd);
	return fits;
}

int db_file_look(int fd, unsigned char ret_salt[DATA_KEY_SALT_SIZE], struct errinfo *info)
{
	/* What is not encrypted of a first page: page size 4096, WAL, 32 bytes kept free in each page. */
	static const unsigned char fields[] = {PAGE_SIZE / 256, 0, 2, 2, 32, 64, 32, 32};
	unsigned char head[DATA_KEY_SALT_SIZE + sizeof(fields)];
	struct stat status;
	if (fstat(fd, &status) != 0)
		return err_set(info, err_from_errno(errno), "cannot be read: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return err_set(info, E_INVALID, "is no file");
	ssize_t len = pread(fd, head, sizeof(head), 0);
	if (len < 0)
		return err_set(info, err_from_errno(errno), "cannot be read: %s", strerror(errno));
	if ((size_t)len != sizeof(head) || status.st_size < PAGE_SIZE)
		return err_set(info, E_INVALID, "is too short for a mailbox");
	if (memcmp(head, "SQLite format 3", DATA_KEY_SALT_SIZE) == 0)
		return err_set(info, E_INVALID, "is a database that is not encrypted");
	if (memcmp(head + DATA_KEY_SALT_SIZE, fields, sizeof(fields)) != 0)
		return err_set(info, E_INVALID, "is no mailbox file");
	memcpy(ret_salt, head, DATA_KEY_SALT_SIZE);
	return 0;
}

static int findings_of(struct db *db, struct db_stmt *stmt, struct buf *findings, int *ret_count,
                       struct errinfo *info)
{
	int rc;
	(void)db;
	while ((rc = db_step(stmt, info)) == DB_ROW) {
		struct str line = db_text(stmt, 0);
		if (!str_eq(line, STR("ok"))) {
			buf_add_str(findings, line);
			buf_add_byte(findings, '\n');
			++*ret_count;
		}
	}
	return rc;
}

int db_integrity_check(struct db *db, struct buf *findings, struct errinfo *info)
{
	int count = 0;
	int rc = findings_of(db, db_query(db, "PRAGMA integrity_check"), findings, &count, info);
	if (rc == 0) {
		rc = findings_of(db,
		                 db_query(db, "SELECT printf('%s: row %d has no parent in %s', \"table\","
		                              " rowid, parent) FROM pragma_foreign_key_check"),
		                 findings, &count, info);
	}
	if (rc == 0 && count > 0)
		return err_set(info, E_CORRUPT, "database: %d findings of the integrity check", count);
	return rc;
}
