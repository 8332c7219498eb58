#ifndef POSTKASSE_IMAP_SEQSET_H
#define POSTKASSE_IMAP_SEQSET_H

/*
 * Sequence sets (RFC 9051 section 9, sequence-set): parsed into ranges as they were written, then
 * normalized: "*" replaced by the highest number, each range rising, the ranges sorted and merged.
 * All memory is an arena's.
 */

#include "base/arena.h"
#include "base/str.h"

/* Both ends included. In a set that is not normalized yet, SEQ_STAR stands for "*". */
struct seq_range {
	uint32_t first;
	uint32_t last;
};
enum { SEQ_STAR = 0 };

struct seqset {
	struct seq_range *ranges;
	size_t count;
	bool search_result; /* "$" of RFC 5182 instead of ranges */
};

/* Reads a set at the cursor. E_INVALID: not a set (the cursor has not moved). E_TOO_LARGE: the arena
 * is full. */
int seqset_parse(struct cursor *c, struct arena *arena, struct seqset *ret) MUST_USE;

/* Normalizes in place; "*" becomes highest, and with highest 0 (an empty mailbox) a "*" alone
 * vanishes together with its range. */
void seqset_normalize(struct seqset *set, uint32_t highest);

/* Adds a range behind the last one of a normalized set of ranges (heap, grown by doubling), merging
 * with it where they touch. first must be larger than everything in the set. */
struct seq_list {
	struct seq_range *ranges; /* owned */
	size_t count;
	size_t cap;
};
void seq_list_done(struct seq_list *list);
void seq_list_add(struct seq_list *list, uint32_t first, uint32_t last);
bool seq_list_contains(const struct seq_list *list, uint32_t number);
/* Sorts and merges ranges that were added in any order by seq_list_push. */
void seq_list_push(struct seq_list *list, uint32_t first, uint32_t last);
void seq_list_normalize(struct seq_list *list);

/* Appends "1:3,5" for normalized ranges. */
void seq_ranges_format(struct buf *out, const struct seq_range *ranges, size_t count);
/* The number of elements in normalized ranges. */
uint64_t seq_ranges_size(const struct seq_range *ranges, size_t count);

#endif
