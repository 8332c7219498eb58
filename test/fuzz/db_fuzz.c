#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/must.h"
#include "db/db.h"
#include "db/page_cipher.h"

/*
 * A file that somebody hands in to be restored: he knows its password, so every page may hold what he
 * likes and still have a good tag. The input is such a file before encryption; its page size is what
 * its header says. Whatever it is, it is opened or refused, looked through, and nothing of it runs.
 */

enum { PAGES_MAX = 128, LOOKS_MAX = 300 };

static const char *const migrations[] = {
	"CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b BLOB) STRICT; CREATE INDEX i ON "
	"t(a);",
	"CREATE TABLE u(t REFERENCES t(id), n DEFAULT 5, PRIMARY KEY(t, n)) WITHOUT ROWID;",
};

static char folder[] = "/tmp/postkasse-fuzz-db-XXXXXX";
static char path[sizeof(folder) + 8];
static struct data_key key = {.salt = "salt of the file"};

static void remove_files(void)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	char name[sizeof(path) + 16];
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		unlink(name);
	}
}

static void leave(void)
{
	remove_files();
	rmdir(folder);
}

static void start(void)
{
	struct errinfo info;
	must(crypto_init(&info) == 0 && db_init(&info) == 0);
	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/a", folder);
	atexit(leave);
}

/* Page size as in bytes 16 and 17 of SQLite's file format, section 1.3.2. */
static size_t page_size_of(const uint8_t *data, size_t size)
{
	size_t page_size = size < 18 ? 0 : (size_t)data[16] << 8 | data[17];
	return page_size >= 512 && page_size <= 4096 && (page_size & (page_size - 1)) == 0 ? page_size
	                                                                                   : 4096;
}

static void write_encrypted(const uint8_t *data, size_t size)
{
	static const unsigned char nonce[PAGE_NONCE_SIZE] = {1, 2, 3};
	unsigned char page[4096];
	size_t page_size = page_size_of(data, size);
	struct page_cipher *cipher = page_cipher_new(&key);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	must(fd >= 0);
	for (uint32_t number = 1; size > 0 && number <= PAGES_MAX; number++) {
		size_t len = size < page_size ? size : page_size;
		memset(page, 0, page_size);
		memcpy(page, data, len);
		page_cipher_encrypt(cipher, number, page, page_size, nonce);
		must(write(fd, page, page_size) == (ssize_t)page_size);
		data += len;
		size -= len;
	}
	close(fd);
	page_cipher_free(cipher);
}

/* A file can be made to take forever, which whoever restores it must limit as well. */
static int look(void *arg)
{
	return ++*(int *)arg > LOOKS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct errinfo info;
	struct db *db;
	int looks = 0;
	if (!started) {
		start();
		started = true;
	}
	remove_files();
	write_encrypted(data, size);
	if (db_open(&db, path, &key, 0, &info) < 0) {
		must(db == NULL && info.error < 0);
		return 0;
	}
	struct buf findings BUF_AUTO;
	buf_init(&findings, 1 << 16);
	sqlite3_progress_handler(db_handle(db), 1000, look, &looks);
	int version = db_schema_version(db);
	int checked = db_schema_check(db, migrations, 2, &info);
	int whole = db_integrity_check(db, &findings, &info);
	int migrated = db_migrate(db, migrations, 2, &info);
	must(!db_in_transaction(db));
	if (migrated == 0 && version < 2)
		must(db_schema_check(db, migrations, 2, &info) == 0 || looks > LOOKS_MAX);
	if (checked == 0 && whole == 0) {
		struct db_stmt *stmt = db_query(db,
		                                "SELECT a, n FROM t LEFT JOIN u ON u.t=t.id ORDER BY a");
		int rc = db_run(stmt, &info);
		must(rc != E_INTERNAL); /* the schema is as expected, so the statement is */
	}
	db_close(db);
	return 0;
}
