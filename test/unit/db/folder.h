#ifndef TEST_DB_FOLDER_H
#define TEST_DB_FOLDER_H

/* A folder of its own for each test, and small helpers around files in it. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "db/db.h"

struct folder {
	char path[64];
	char file[96]; /* path/a.sqlite */
	char copy[96]; /* path/b.sqlite */
	struct data_key key, other_key;
};

static inline void folder_make(struct folder *folder)
{
	struct errinfo info;
	assert_int_equal(crypto_init(&info), 0);
	assert_int_equal(db_init(&info), 0);
	strcpy(folder->path, "/tmp/postkasse-test-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->file, sizeof(folder->file), "%s/a.sqlite", folder->path);
	snprintf(folder->copy, sizeof(folder->copy), "%s/b.sqlite", folder->path);
	key32_random(&folder->key.key);
	random_bytes(folder->key.salt, sizeof(folder->key.salt));
	key32_random(&folder->other_key.key);
	random_bytes(folder->other_key.salt, sizeof(folder->other_key.salt));
}

static inline void folder_remove(struct folder *folder)
{
	DIR *dir = opendir(folder->path);
	assert_non_null(dir);
	struct dirent *entry;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(folder->path), 0);
}

static inline int folder_count(const struct folder *folder)
{
	DIR *dir = opendir(folder->path);
	assert_non_null(dir);
	int count = 0;
	struct dirent *entry;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* The whole file; the caller frees it. */
static inline char *file_read(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	char *bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

static inline void file_write_at(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

static inline bool bytes_contain(const char *bytes, size_t len, struct str needle)
{
	return memmem(bytes, len, needle.ptr, needle.len) != NULL;
}

static inline struct db *open_ok(const struct folder *folder, unsigned flags)
{
	struct errinfo info = {0};
	struct db *db;
	int rc = db_open(&db, folder->file, &folder->key, flags, &info);
	if (rc != 0)
		fail_msg("db_open: %s", info.text);
	return db;
}

static inline void exec_ok(struct db *db, const char *sql)
{
	struct errinfo info = {0};
	if (db_exec(db, sql, &info) != 0)
		fail_msg("%s: %s", sql, info.text);
}

#define query_int(db, sql) query_int_of(db_query(db, sql))
static inline int64_t query_int_of(struct db_stmt *stmt)
{
	struct errinfo info = {0};
	int rc = db_step(stmt, &info);
	if (rc != DB_ROW)
		fail_msg("query: %d %s", rc, info.text);
	int64_t value = db_int(stmt, 0);
	db_reset(stmt);
	return value;
}

/* The whole copy at once. */
static inline int copy_rekeyed(struct db *db, const char *path, const struct data_key *key,
                               struct errinfo *info)
{
	struct db_copy *copy;
	bool done = false;
	int rc = db_copy_new(&copy, db, path, key, info);
	while (rc == 0 && !done)
		rc = db_copy_step(copy, key, 7, &done, info);
	db_copy_free(copy);
	return rc;
}

#endif
