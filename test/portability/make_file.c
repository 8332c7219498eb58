/*
 * For portability.test.mjs: writes and reads files the way the store does.
 *
 *     portability-make create PATH PASSWORD         a file of all kinds of values
 *     portability-make abandon PATH PASSWORD        the same, and ends as if killed: -wal stays
 *     portability-make read PATH PASSWORD           prints the texts of table "value", one a line
 *     portability-make rekey PATH PASSWORD COPY NEW a copy that opens with another password
 *
 * Exit status 0, 3 when the password is refused, 1 for anything else.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"

static int done(int rc, const struct errinfo *info)
{
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err_name(rc), info->text);
	return rc == 0 ? 0 : rc == E_DENIED ? 3 : 1;
}

static void salt_of(const char *path, unsigned char ret[DATA_KEY_SALT_SIZE])
{
	int fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, ret, DATA_KEY_SALT_SIZE, 0) != DATA_KEY_SALT_SIZE)
		random_bytes(ret, DATA_KEY_SALT_SIZE);
	if (fd >= 0)
		close(fd);
}

static int fill(struct db *db, struct errinfo *info)
{
	int rc = db_exec(db,
	                 "CREATE TABLE value(name TEXT PRIMARY KEY, number INTEGER, real REAL,"
	                 " bytes BLOB, text TEXT) STRICT, WITHOUT ROWID;"
	                 "CREATE VIRTUAL TABLE found USING fts5(body, tokenize='trigram');"
	                 "INSERT INTO found VALUES('a needle in a haystack');"
	                 "CREATE TABLE large(id INTEGER PRIMARY KEY, bytes BLOB);"
	                 "WITH RECURSIVE i(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM i WHERE n<200)"
	                 " INSERT INTO large SELECT n, zeroblob(n*500) FROM i;"
	                 "PRAGMA user_version=42",
	                 info);
	struct db_stmt *stmt = db_query(db, "INSERT INTO value VALUES(?1,?2,0.1,?3,?4)");
	db_bind_text(stmt, 1, STR("first"));
	db_bind_int(stmt, 2, INT64_MAX);
	db_bind_blob(stmt, 3, STR("\0\x01\xff"));
	db_bind_text(stmt, 4, STR("blåbærgrød 📬"));
	return rc == 0 ? db_run(stmt, info) : rc;
}

static int print(struct db *db, struct errinfo *info)
{
	int rc;
	struct db_stmt *stmt = db_query(db, "SELECT text FROM value ORDER BY name");
	while ((rc = db_step(stmt, info)) == DB_ROW)
		printf("%.*s\n", STR_ARG(db_text(stmt, 0)));
	return rc;
}

static int rekey(struct db *db, const char *copy, const char *password, struct errinfo *info)
{
	struct data_key key DATA_KEY_AUTO;
	random_bytes(key.salt, sizeof(key.salt));
	data_key_derive(str_from(password), key.salt, &key);
	struct db_copy *made;
	bool done = false;
	int rc = db_copy_new(&made, db, copy, &key, info);
	while (rc == 0 && !done)
		rc = db_copy_step(made, &key, 64, &done, info);
	db_copy_free(made);
	return rc;
}

int main(int argc, char **argv)
{
	struct errinfo info = {0};
	struct data_key key DATA_KEY_AUTO;
	struct db *db;
	if (argc < 4 || crypto_init(&info) < 0)
		return 1;
	bool create = strcmp(argv[1], "create") == 0 || strcmp(argv[1], "abandon") == 0;
	salt_of(argv[2], key.salt);
	data_key_derive(str_from(argv[3]), key.salt, &key);
	int rc = db_open(&db, argv[2], &key, create ? DB_CREATE : 0, &info);
	if (rc < 0)
		return done(rc, &info);
	if (create)
		rc = fill(db, &info);
	else if (strcmp(argv[1], "read") == 0)
		rc = print(db, &info);
	else if (strcmp(argv[1], "rekey") == 0 && argc == 6)
		rc = rekey(db, argv[4], argv[5], &info);
	if (strcmp(argv[1], "abandon") == 0)
		_exit(done(rc, &info));
	db_close(db);
	return done(rc, &info);
}
