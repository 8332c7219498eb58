#ifndef POSTKASSE_NET_ID_TABLE_H
#define POSTKASSE_NET_ID_TABLE_H

/*
 * A hash table from 64-bit ids to structs that contain an id_node. The ids rise, so that their low bits
 * spread them; a peer that chooses others slows down its own link only.
 */

#include <stddef.h>
#include <stdint.h>

struct id_node {
	uint64_t id;
	struct id_node *next;
};

/* All zero is an empty table. */
struct id_table {
	struct id_node **slots;
	size_t slot_count; /* 0 or a power of 2 */
	size_t count;
};

void id_table_done(struct id_table *table);
/* node->id is set and not in the table. */
void id_table_put(struct id_table *table, struct id_node *node);
struct id_node *id_table_get(const struct id_table *table, uint64_t id);
/* Nothing when it is not there. */
void id_table_remove(struct id_table *table, struct id_node *node);

#endif
