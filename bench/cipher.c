/*
 * The page cipher beside the one that SQLite3MultipleCiphers brings: pages by themselves, and inside
 * SQLite. CPU time; the best of five.   bench-cipher [FOLDER]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db/db.h"
#include "db/page_cipher.h"

enum { PAGE_SIZE = 4096, PAGES = 50000, ROWS = 20000, ROW_SIZE = 3000, REPEATS = 5 };

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void pages_alone(void)
{
	static unsigned char page[PAGE_SIZE];
	unsigned char nonce[PAGE_NONCE_SIZE];
	struct data_key key DATA_KEY_AUTO;
	random_bytes(&key, sizeof(key));
	struct page_cipher *cipher = page_cipher_new(&key);
	double encrypt = 1e9, decrypt = 1e9;
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		double start = cpu_seconds();
		for (uint32_t i = 0; i < PAGES; i++) {
			page_cipher_nonce(nonce);
			page_cipher_encrypt(cipher, i + 2, page, PAGE_SIZE, nonce);
		}
		double middle = cpu_seconds();
		for (uint32_t i = 0; i < PAGES; i++) {
			if (page_cipher_decrypt(cipher, 1, page, PAGE_SIZE, true)) {
				abort(); /* a page of another number; the tag is what costs */
			}
		}
		double end = cpu_seconds();
		encrypt = middle - start < encrypt ? middle - start : encrypt;
		decrypt = end - middle < decrypt ? end - middle : decrypt;
	}
	page_cipher_free(cipher);
	double megabytes = (double)PAGES * PAGE_SIZE / 1e6;
	printf("%-24s %8.0f MB/s encrypted, %.0f MB/s authenticated\n", "pages alone",
	       megabytes / encrypt, megabytes / decrypt);
}

static void must_work(int code, sqlite3 *handle)
{
	if (code != SQLITE_OK) {
		fprintf(stderr, "%s\n", sqlite3_errmsg(handle));
		exit(1);
	}
}

static sqlite3 *fresh(const char *path, const char *cipher)
{
	char pragma[64];
	unsigned char raw[RAW_KEY_SIZE];
	struct data_key key = {.salt = "0123456789abcde"};
	sqlite3 *handle;
	page_cipher_raw_key(&key, raw);
	must_work(sqlite3_open(path, &handle), handle);
	snprintf(pragma, sizeof(pragma), "PRAGMA cipher='%s'", cipher);
	must_work(sqlite3_exec(handle, pragma, NULL, NULL, NULL), handle);
	must_work(sqlite3_key_v2(handle, "main", raw, sizeof(raw)), handle);
	must_work(sqlite3_exec(handle,
	                       "PRAGMA journal_mode=WAL; PRAGMA secure_delete=FAST;"
	                       "PRAGMA wal_autocheckpoint=0; CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
	                       NULL, NULL, NULL),
	          handle);
	return handle;
}

static double timed(sqlite3 *handle, const char *sql)
{
	double start = cpu_seconds();
	must_work(sqlite3_exec(handle, sql, NULL, NULL, NULL), handle);
	return cpu_seconds() - start;
}

static void inside_sqlite(const char *folder, const char *cipher)
{
	char path[4096], name[sizeof(path) + 8], fill[256];
	double insert = 1e9, scan = 1e9, checkpoint = 1e9;
	snprintf(path, sizeof(path), "%s/bench-cipher-%d.sqlite", folder, (int)getpid());
	snprintf(fill, sizeof(fill),
	         "WITH RECURSIVE i(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM i WHERE n<%d)"
	         " INSERT INTO t SELECT n, zeroblob(%d) FROM i",
	         ROWS, ROW_SIZE);
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		sqlite3 *handle = fresh(path, cipher);
		double inserted = timed(handle, fill);
		double checkpointed = timed(handle, "PRAGMA wal_checkpoint(TRUNCATE)");
		double scanned = timed(handle, "SELECT sum(length(a)) FROM t WHERE a IS NOT NULL");
		insert = inserted < insert ? inserted : insert;
		checkpoint = checkpointed < checkpoint ? checkpointed : checkpoint;
		scan = scanned < scan ? scanned : scan;
		sqlite3_close(handle);
		static const char *const endings[] = {"", "-wal", "-shm"};
		for (size_t i = 0; i < 3; i++) {
			snprintf(name, sizeof(name), "%s%s", path, endings[i]);
			unlink(name);
		}
	}
	printf("%-24s %8.1f us a row inserted, %.1f checkpointed, %.1f read (rows of 3 KB)\n", cipher,
	       insert * 1e6 / ROWS, checkpoint * 1e6 / ROWS, scan * 1e6 / ROWS);
}

int main(int argc, char **argv)
{
	struct errinfo info;
	const char *folder = argc > 1 ? argv[1] : "/tmp";
	if (crypto_init(&info) < 0 || db_init(&info) < 0) {
		fprintf(stderr, "%s\n", info.text);
		return 1;
	}
	pages_alone();
	inside_sqlite(folder, "chacha20");
	inside_sqlite(folder, "postkasse_chacha20");
	return 0;
}
