#include "net/id_table.h"

#include <stdlib.h>

#include "base/mem.h"

enum { SLOTS_MIN = 16 };

static struct id_node **slot_of(const struct id_table *table, uint64_t id)
{
	return &table->slots[id & (table->slot_count - 1)];
}

static void grow(struct id_table *table)
{
	struct id_table bigger = {
		.slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2,
		.count = table->count,
	};
	bigger.slots = mem_new_array(bigger.slot_count, sizeof(struct id_node *));
	for (size_t i = 0; i < table->slot_count; i++) {
		for (struct id_node *node = table->slots[i]; node != NULL;) {
			struct id_node *next = node->next;
			struct id_node **slot = slot_of(&bigger, node->id);
			node->next = *slot;
			*slot = node;
			node = next;
		}
	}
	free(table->slots);
	*table = bigger;
}

void id_table_done(struct id_table *table)
{
	free(table->slots);
	*table = (struct id_table){NULL, 0, 0};
}

void id_table_put(struct id_table *table, struct id_node *node)
{
	if (table->count >= table->slot_count)
		grow(table);
	struct id_node **slot = slot_of(table, node->id);
	node->next = *slot;
	*slot = node;
	table->count++;
}

struct id_node *id_table_get(const struct id_table *table, uint64_t id)
{
	if (table->count == 0)
		return NULL;
	struct id_node *node = *slot_of(table, id);
	while (node != NULL && node->id != id)
		node = node->next;
	return node;
}

void id_table_remove(struct id_table *table, struct id_node *node)
{
	if (table->count == 0)
		return;
	for (struct id_node **at = slot_of(table, node->id); *at != NULL; at = &(*at)->next) {
		if (*at == node) {
			*at = node->next;
			table->count--;
			return;
		}
	}
}
