#ifndef POSTKASSE_FRONT_UIDMAP_H
#define POSTKASSE_FRONT_UIDMAP_H

/*
 * Which UID has which message sequence number in one selected mailbox, as the client knows it. Kept
 * as runs of consecutive UIDs: 12 bytes a run, whatever the number of messages in it. Lookups cost a
 * binary search over the runs.
 */

#include "base/error.h"
#include "front/seq_list.h"

struct uid_run {
	uint32_t first, last;
	uint32_t before; /* messages with lower UIDs */
};

struct uidmap {
	struct uid_run *runs; /* owned */
	size_t count;
	size_t cap;
};

void uidmap_done(struct uidmap *map);
/* Adds a run of messages with UIDs above all that are there; a run that is not is cut or ignored
 * (our store has sent nonsense). Past UINT32_MAX messages nothing is added. */
void uidmap_append(struct uidmap *map, uint32_t first, uint32_t last);
uint32_t uidmap_messages(const struct uidmap *map);
/* 0 when the mailbox is empty. */
uint32_t uidmap_highest_uid(const struct uidmap *map);
/* The sequence number, or 0 when there is no message of that UID. */
uint32_t uidmap_seq(const struct uidmap *map, uint32_t uid);
/* seq must be from 1 to uidmap_messages. */
uint32_t uidmap_uid(const struct uidmap *map, uint32_t seq);
/* The number of messages with a UID from first to last. */
uint32_t uidmap_count(const struct uidmap *map, uint32_t first, uint32_t last);
/* Removes the messages with UIDs in the normalized ranges. */
void uidmap_remove(struct uidmap *map, const struct seq_range *ranges, size_t count);

/* Turns normalized ranges of sequence numbers into ranges of UIDs in place. A number above
 * uidmap_messages is E_INVALID. A range of numbers becomes one range of UIDs: UIDs in between that
 * are not in the map name no message. */
int uidmap_seqs_to_uids(const struct uidmap *map, struct seq_range *ranges, size_t count) MUST_USE;

#endif
