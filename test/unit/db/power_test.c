#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "db/db.h"

#define UNUSED __attribute__((unused))
#include "power.h"

/*
 * A sync fails, and the power is cut later, wherever that is. What was durable, or was seen in a file that
 * was opened anew, is there afterwards, and the file is sound.
 */

enum { ROUNDS = 14 };

struct disk {
	char dir[64], file[80];
	struct data_key key;
	unsigned told; /* a bit for each round */
	unsigned done; /* and for those whose commit was good */
};

static struct db *open_now(struct disk *disk)
{
	struct errinfo info = {0};
	struct db *db;
	int rc = db_open(&db, disk->file, &disk->key, DB_CREATE, &info);
	for (int i = 0; i < 2 && (rc == E_IO || rc == E_NO_SPACE); i++) /* a sync fails */
		rc = db_open(&db, disk->file, &disk->key, DB_CREATE, &info);
	if (rc != 0)
		fail_msg("%s", info.text);
	return db;
}

static unsigned seen(struct db *db)
{
	struct errinfo info = {0};
	unsigned rounds = 0;
	int rc;
	struct db_stmt *q = db_query(db, "SELECT round, count(*) FROM t GROUP BY round");
	while ((rc = db_step(q, &info)) == DB_ROW) {
		assert_int_equal(db_int(q, 1), 3); /* whole or not at all */
		rounds |= 1u << db_int(q, 0);
	}
	assert_int_equal(rc, 0);
	return rounds;
}

/* Rows of a page each. */
static int write_round(struct disk *disk, struct db *db, int round, bool durable)
{
	struct errinfo info;
	db_set_sync_full(db, durable);
	int rc = db_begin(db, &info);
	for (int i = 0; i < 3 && rc == 0; i++) {
		struct db_stmt *q = db_query(db, "INSERT INTO t VALUES (?1, randomblob(2500))");
		db_bind_int(q, 1, round);
		rc = db_run(q, &info);
	}
	if (rc == 0)
		rc = db_commit(db, &info);
	db_rollback(db);
	if (rc != 0 || power.off)
		return rc;
	disk->done |= 1u << round;
	if (durable)
		disk->told |= disk->done;
	return rc;
}

static bool one_round(struct disk *disk, struct db **db, int round)
{
	struct errinfo info;
	/* Ordered, ordered and synced, durable: each follows each. */
	static const char kinds[] = "osdoodododdods";
	int rc = write_round(disk, *db, round, kinds[round] == 'd');
	if (power.off)
		return false;
	if (rc == 0 && kinds[round] == 's') {
		rc = db_sync(*db, &info);
		if (rc == 0 && !power.off)
			disk->told |= disk->done;
	}
	assert_true(rc == 0 || rc == E_IO || rc == E_NO_SPACE);
	if (round % 5 == 1 && db_checkpoint(*db, round == 6, &info) == 0 && !power.off)
		disk->told |= disk->done;
	if (round % 4 != 3 || power.off)
		return !power.off;
	/* Another process, after this one has ended in an orderly way or was killed. */
	if (round % 8 == 3)
		db_close_as_found(*db);
	else
		db_close(*db);
	*db = NULL;
	if (power.off)
		return false;
	*db = open_now(disk);
	if (!power.off)
		disk->told |= disk->done = seen(*db);
	return !power.off;
}

static void work(struct disk *disk)
{
	struct db *db = open_now(disk);
	for (int round = 0; round < ROUNDS; round++)
		if (!one_round(disk, &db, round))
			break;
	db_close(db);
}

static void begin(struct disk *disk)
{
	struct errinfo info;
	static const char *const migrations[] = {"CREATE TABLE t(round, data)"};
	disk->told = disk->done = 0;
	struct db *db = open_now(disk);
	assert_int_equal(db_migrate(db, migrations, 1, &info), 0);
	db_close(db);
	power_start(disk->dir);
}

static void end(struct disk *disk, const char *what, int at)
{
	struct errinfo info = {0};
	struct buf findings BUF_AUTO;
	buf_init(&findings, 10000);
	power_cut();
	power_back();
	struct db *db = open_now(disk);
	if (db_integrity_check(db, &findings, &info) != 0)
		fail_msg("%s %d: %s: %.*s", what, at, info.text, STR_ARG(buf_str(&findings)));
	unsigned rounds = seen(db);
	if ((rounds & disk->told) != disk->told)
		fail_msg("%s %d: told %x, found %x", what, at, disk->told, rounds);
	db_close(db);
	assert_int_equal(unlink(disk->file), 0);
}

static void test_each(void **state)
{
	struct disk *disk = *state;
	begin(disk);
	work(disk);
	int changes = power.changes, syncs = power.syncs;
	end(disk, "nothing fails", 0);
	assert_true(changes > 60 && syncs > 15);
	static const enum tear tears[] = {TEAR_ALL_LOST, TEAR_SOME, TEAR_ALL_KEPT};
	int step = power_step(10);
	for (int fail_at = 0; fail_at <= syncs; fail_at++) {
		for (int cut_at = 1 + fail_at % step; cut_at <= changes + 10; cut_at += step) {
			begin(disk);
			power.error = fail_at % 2 == 0 ? EIO : ENOSPC;
			power.fail_at = fail_at;
			power.fail_more = cut_at % 3 == 0;
			power.cut_at = cut_at;
			power.tear = tears[(fail_at + cut_at) % 3];
			power.random = (uint32_t)(1000 * fail_at + cut_at);
			work(disk);
			end(disk, "sync", 1000 * fail_at + cut_at);
		}
	}
}

enum way { CHECKPOINT, CLOSE, CLOSE_AND_FAIL, SYNC_AND_CLOSE, WAYS };

/* A sync fails, and then the log is copied into the file; or not, where not even writing the log again succeeds.
 * Returns how often the disk was changed before the copying. */
static int fail_and_copy(struct disk *disk, enum way way)
{
	struct errinfo info;
	struct db *db = open_now(disk);
	assert_int_equal(write_round(disk, db, 0, true), 0);
	assert_int_equal(db_checkpoint(db, true, &info), 0);
	assert_int_equal(write_round(disk, db, 1, false), 0);
	power.error = EIO;
	power.fail_at = power.syncs + 1;
	power.fail_more = way == CLOSE_AND_FAIL;
	assert_int_equal(way == SYNC_AND_CLOSE ? db_sync(db, &info) : write_round(disk, db, 2, true),
	                 E_IO);
	int changes = power.changes;
	if (way == CHECKPOINT && db_checkpoint(db, false, &info) == 0 && !power.off)
		disk->told |= disk->done;
	db_close(db);
	return changes;
}

static void test_while_it_is_copied(void **state)
{
	struct disk *disk = *state;
	for (enum way way = CHECKPOINT; way < WAYS; way++) {
		begin(disk);
		int from = fail_and_copy(disk, way), to = power.changes;
		end(disk, "no cut, way", (int)way);
		for (int cut_at = from + 1; cut_at <= to; cut_at++) {
			begin(disk);
			power.cut_at = cut_at;
			power.tear = TEAR_SOME;
			power.random = (uint32_t)cut_at;
			fail_and_copy(disk, way);
			end(disk, "way", 1000 * (int)way + cut_at);
		}
	}
}

static int setup(void **state)
{
	struct errinfo info;
	struct disk *disk = mem_new(sizeof(*disk));
	assert_int_equal(crypto_init(&info), 0);
	strcpy(disk->dir, "/dev/shm/postkasse-db-XXXXXX");
	assert_non_null(mkdtemp(disk->dir));
	snprintf(disk->file, sizeof(disk->file), "%s/file.sqlite", disk->dir);
	key32_random(&disk->key.key);
	random_bytes(disk->key.salt, sizeof(disk->key.salt));
	*state = disk;
	return 0;
}

static int teardown(void **state)
{
	struct disk *disk = *state;
	power_stop();
	nftw(disk->dir, power_remove, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(disk->dir);
	free(disk);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_it_is_copied, setup, teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
