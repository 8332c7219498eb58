#ifndef POSTKASSE_BASE_MAP_H
#define POSTKASSE_BASE_MAP_H

/*
 * A hash table from byte strings to pointers. Keys may be chosen by a peer: the hash is SipHash-2-4
 * under a key that is random per table. The table copies keys and borrows values.
 */

#include "base/str.h"

struct map;

struct map *map_new(void) __attribute__((returns_nonnull, warn_unused_result));
void map_free(struct map *map);
size_t map_count(const struct map *map);
/* The value, or NULL. */
void *map_get(const struct map *map, struct str key);
/* Puts value (not NULL) under key and returns what was there before, or NULL. */
void *map_put(struct map *map, struct str key, void *value);
/* Removes key and returns its value, or NULL. */
void *map_remove(struct map *map, struct str key);
/* Walks all entries in no particular order: *position starts at 0; false at the end. The entry just
 * returned may be removed during the walk, nothing may be put. */
bool map_next(const struct map *map, size_t *position, struct str *ret_key, void **ret_value);

/* SipHash-2-4 of the bytes. */
uint64_t siphash(const uint64_t key[2], struct str bytes);

#endif
