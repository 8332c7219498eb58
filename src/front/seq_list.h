#ifndef POSTKASSE_FRONT_SEQ_LIST_H
#define POSTKASSE_FRONT_SEQ_LIST_H

/* Sets of message numbers or UIDs as ranges. Normalized: each range rises, they are sorted and do not touch. */

#include "base/str.h"

/* Both ends included. */
struct seq_range {
	uint32_t first;
	uint32_t last;
};

/* Sorts and merges ranges that rise; returns how many are left. */
size_t seq_ranges_normalize(struct seq_range *ranges, size_t count);
/* Appends "1:3,5" for normalized ranges. */
void seq_ranges_format(struct buf *out, const struct seq_range *ranges, size_t count);
/* The number of elements in normalized ranges. */
uint64_t seq_ranges_size(const struct seq_range *ranges, size_t count);

/* Zeroed at first; grown by doubling. */
struct seq_list {
	struct seq_range *ranges; /* owned */
	size_t count;
	size_t cap;
};
void seq_list_done(struct seq_list *list);
/* Adds a range behind the last one of a normalized list, merging with it where they touch. first must be larger
 * than everything in it. */
void seq_list_add(struct seq_list *list, uint32_t first, uint32_t last);
/* Adds ranges in any order, until seq_list_normalize. */
void seq_list_push(struct seq_list *list, uint32_t first, uint32_t last);
void seq_list_normalize(struct seq_list *list);
/* In a normalized list. */
bool seq_list_contains(const struct seq_list *list, uint32_t number);

#endif
