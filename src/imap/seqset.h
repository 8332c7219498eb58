#ifndef POSTKASSE_IMAP_SEQSET_H
#define POSTKASSE_IMAP_SEQSET_H

/*
 * Sequence sets (RFC 9051 section 9, sequence-set): parsed into ranges as they were written, then
 * normalized: "*" replaced by the highest number, each range rising, the ranges sorted and merged.
 * All memory is an arena's.
 */

#include "base/arena.h"
#include "front/seq_list.h"

/* In a set that is not normalized yet, SEQ_STAR stands for "*". */
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

#endif
