#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/must.h"

/* Open addressing with linear probing; a removed entry leaves a grave (key set, value NULL). */
struct entry {
	uint64_t hash;
	struct str key; /* owned; ptr NULL: never used */
	void *value;
};

struct map {
	struct entry *entries;
	size_t size; /* a power of two, or 0 */
	size_t used; /* live entries and graves */
	size_t count;
	uint64_t key[2];
};

static inline uint64_t rotate(uint64_t n, int bits)
{
	return n << bits | n >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t siphash(const uint64_t key[2], struct str bytes)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
	                 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	size_t whole = bytes.len & ~(size_t)7;
	for (size_t i = 0; i < whole; i += 8) {
		uint64_t word;
		memcpy(&word, bytes.ptr + i, 8);
		sip_word(v, word);
	}
	uint64_t last = (uint64_t)bytes.len << 56;
	for (size_t i = whole; i < bytes.len; i++)
		last |= (uint64_t)(unsigned char)bytes.ptr[i] << 8 * (i - whole);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
	struct map *map = mem_new(sizeof(*map));
	must(getrandom(map->key, sizeof(map->key), 0) == (ssize_t)sizeof(map->key));
	return map;
}

void map_free(struct map *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->size; i++)
		free((char *)map->entries[i].key.ptr);
	free(map->entries);
	free(map);
}

size_t map_count(const struct map *map)
{
	return map->count;
}

static struct entry *find(const struct map *map, struct str key, uint64_t hash)
{
	if (map->size == 0)
		return NULL;
	for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
		struct entry *entry = &map->entries[i];
		if (entry->key.ptr == NULL)
			return NULL;
		if (entry->value != NULL && entry->hash == hash && str_eq(entry->key, key))
			return entry;
	}
}

static void insert(struct map *map, struct entry entry)
{
	size_t i = entry.hash & (map->size - 1);
	while (map->entries[i].key.ptr != NULL)
		i = (i + 1) & (map->size - 1);
	map->entries[i] = entry;
}

/* Doubles the table when it is half full of live entries, else only clears the graves. */
static void rehash(struct map *map)
{
	struct entry *old = map->entries;
	size_t old_size = map->size;
	map->size = old_size == 0 ? 16 : map->count * 2 > old_size / 2 ? old_size * 2 : old_size;
	map->entries = mem_new_array(map->size, sizeof(*map->entries));
	map->used = map->count;
	for (size_t i = 0; i < old_size; i++)
		if (old[i].value != NULL)
			insert(map, old[i]);
		else
			free((char *)old[i].key.ptr);
	free(old);
}

void *map_get(const struct map *map, struct str key)
{
	struct entry *entry = find(map, key, siphash(map->key, key));
	return entry == NULL ? NULL : entry->value;
}

void *map_put(struct map *map, struct str key, void *value)
{
	must(value != NULL);
	uint64_t hash = siphash(map->key, key);
	struct entry *entry = find(map, key, hash);
	if (entry != NULL) {
		void *before = entry->value;
		entry->value = value;
		return before;
	}
	if (map->used + 1 > map->size - map->size / 4)
		rehash(map);
	insert(map, (struct entry){hash, {str_dup(key), key.len}, value});
	map->used++;
	map->count++;
	return NULL;
}

void *map_remove(struct map *map, struct str key)
{
	struct entry *entry = find(map, key, siphash(map->key, key));
	if (entry == NULL)
		return NULL;
	void *value = entry->value;
	entry->value = NULL;
	map->count--;
	return value;
}

bool map_next(const struct map *map, size_t *position, struct str *ret_key, void **ret_value)
{
	for (; *position < map->size; (*position)++) {
		const struct entry *entry = &map->entries[*position];
		if (entry->value == NULL)
			continue;
		*ret_key = entry->key;
		*ret_value = entry->value;
		(*position)++;
		return true;
	}
	return false;
}
