#include "front/uidmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { UIDS = 300 };

/* The map as a plain array would tell it. */
static void check(const struct uidmap *map, const bool *there)
{
	uint32_t seq = 0;
	uint32_t highest = 0;
	for (uint32_t uid = 1; uid <= UIDS; uid++) {
		if (there[uid]) {
			seq++;
			highest = uid;
			assert_int_equal(uidmap_seq(map, uid), seq);
			assert_int_equal(uidmap_uid(map, seq), uid);
		} else {
			assert_int_equal(uidmap_seq(map, uid), 0);
		}
		assert_int_equal(uidmap_count(map, 1, uid), seq);
		assert_int_equal(uidmap_count(map, 0, uid), seq);
	}
	assert_int_equal(uidmap_messages(map), seq);
	assert_int_equal(uidmap_highest_uid(map), highest);
	assert_int_equal(uidmap_count(map, 0, UINT32_MAX), seq);
}

/* Random appends and removals against the array. */
static void test_against_array(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct uidmap map = {0};
		bool there[UIDS + 1] = {false};
		uint32_t next = 1;
		while (next < UIDS) {
			next += (uint32_t)rand() % 4;
			uint32_t last = next + (uint32_t)rand() % 20;
			if (last > UIDS)
				last = UIDS;
			if (next > last)
				break;
			uidmap_append(&map, next, last);
			for (uint32_t uid = next; uid <= last; uid++)
				there[uid] = true;
			next = last + 1;
		}
		check(&map, there);
		for (int step = 0; step < 6; step++) {
			struct seq_list gone = {0};
			uint32_t from = 1;
			while (from < UIDS && gone.count < 5) {
				uint32_t first = from + (uint32_t)rand() % 60;
				uint32_t last = first + (uint32_t)rand() % 30;
				seq_list_push(&gone, first, last);
				for (uint32_t uid = first; uid <= last && uid <= UIDS; uid++)
					there[uid] = false;
				from = last + 2;
			}
			uidmap_remove(&map, gone.ranges, gone.count);
			seq_list_done(&gone);
			check(&map, there);
		}
		uidmap_done(&map);
	}
}

static void test_nonsense_is_ignored(void **state)
{
	(void)state;
	struct uidmap map = {0};
	uidmap_append(&map, 10, 12);
	uidmap_append(&map, 5, 7); /* below what is there */
	assert_int_equal(uidmap_messages(&map), 3);
	uidmap_append(&map, 11, 14); /* overlapping: the new part counts */
	assert_int_equal(uidmap_messages(&map), 5);
	uidmap_append(&map, 20, 19);
	uidmap_append(&map, 20, UINT32_MAX);
	assert_int_equal(uidmap_messages(&map), 5);
	assert_int_equal(uidmap_count(&map, 12, 11), 0);
	uidmap_done(&map);
}

static void test_consecutive_uids_are_one_run(void **state)
{
	(void)state;
	struct uidmap map = {0};
	for (uint32_t uid = 1; uid <= 100000; uid++)
		uidmap_append(&map, uid, uid);
	assert_int_equal(map.count, 1);
	assert_int_equal(uidmap_uid(&map, 77777), 77777);
	uidmap_done(&map);
}

static void test_seqs_to_uids(void **state)
{
	(void)state;
	struct uidmap map = {0};
	uidmap_append(&map, 10, 12);
	uidmap_append(&map, 20, 20);
	struct seq_range ranges[] = {{1, 2}, {4, 4}};
	assert_int_equal(uidmap_seqs_to_uids(&map, ranges, 2), 0);
	assert_int_equal(ranges[0].first, 10);
	assert_int_equal(ranges[0].last, 11);
	assert_int_equal(ranges[1].first, 20);
	struct seq_range beyond[] = {{1, 5}};
	assert_int_equal(uidmap_seqs_to_uids(&map, beyond, 1), E_INVALID);
	uidmap_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_nonsense_is_ignored),
		cmocka_unit_test(test_consecutive_uids_are_one_run),
		cmocka_unit_test(test_seqs_to_uids),
	};
	return cmocka_run_group_tests_name("front/uidmap", tests, NULL, NULL);
}
