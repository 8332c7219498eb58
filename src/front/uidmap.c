#include "front/uidmap.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"

void uidmap_done(struct uidmap *map)
{
	free(map->runs);
	*map = (struct uidmap){0};
}

static uint32_t run_size(const struct uid_run *run)
{
	return run->last - run->first + 1;
}

uint32_t uidmap_messages(const struct uidmap *map)
{
	if (map->count == 0)
		return 0;
	const struct uid_run *top = &map->runs[map->count - 1];
	return top->before + run_size(top);
}

uint32_t uidmap_highest_uid(const struct uidmap *map)
{
	return map->count == 0 ? 0 : map->runs[map->count - 1].last;
}

static void push(struct uidmap *map, struct uid_run run)
{
	if (map->count == map->cap) {
		map->cap = map->cap == 0 ? 1 : map->cap * 2;
		map->runs = mem_grow(map->runs, map->cap, sizeof(*map->runs));
	}
	map->runs[map->count++] = run;
}

void uidmap_append(struct uidmap *map, uint32_t first, uint32_t last)
{
	uint32_t highest = uidmap_highest_uid(map);
	if (highest == UINT32_MAX)
		return;
	if (first <= highest)
		first = highest + 1;
	uint32_t messages = uidmap_messages(map);
	if (last < first || last == UINT32_MAX || last - first >= UINT32_MAX - messages)
		return;
	if (map->count > 0 && first == highest + 1)
		map->runs[map->count - 1].last = last;
	else
		push(map, (struct uid_run){first, last, messages});
}

/* The index of the first run that ends at or after uid; map->count when there is none. */
static size_t run_from_uid(const struct uidmap *map, uint32_t uid)
{
	size_t low = 0, high = map->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->runs[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t uidmap_seq(const struct uidmap *map, uint32_t uid)
{
	size_t at = run_from_uid(map, uid);
	if (at == map->count || map->runs[at].first > uid)
		return 0;
	return map->runs[at].before + (uid - map->runs[at].first) + 1;
}

uint32_t uidmap_uid(const struct uidmap *map, uint32_t seq)
{
	must(seq >= 1 && seq <= uidmap_messages(map));
	size_t low = 0, high = map->count - 1;
	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;
		if (map->runs[middle].before < seq)
			low = middle;
		else
			high = middle - 1;
	}
	return map->runs[low].first + (seq - map->runs[low].before - 1);
}

/* Messages with a UID below uid. */
static uint32_t messages_below(const struct uidmap *map, uint32_t uid)
{
	size_t at = run_from_uid(map, uid);
	if (at == map->count)
		return uidmap_messages(map);
	const struct uid_run *run = &map->runs[at];
	return run->before + (uid > run->first ? uid - run->first : 0);
}

uint32_t uidmap_count(const struct uidmap *map, uint32_t first, uint32_t last)
{
	if (last < first)
		return 0;
	uint32_t through = last == UINT32_MAX ? uidmap_messages(map) : messages_below(map, last + 1);
	return through - messages_below(map, first);
}

void uidmap_remove(struct uidmap *map, const struct seq_range *ranges, size_t count)
{
	struct uidmap kept = {0};
	size_t at = 0;
	for (size_t i = 0; i < map->count; i++) {
		uint32_t first = map->runs[i].first, last = map->runs[i].last;
		bool left = true;
		while (at < count && ranges[at].last < first)
			at++;
		for (size_t cut = at; left && cut < count && ranges[cut].first <= last; cut++) {
			if (ranges[cut].first > first)
				uidmap_append(&kept, first, ranges[cut].first - 1);
			left = ranges[cut].last < last;
			if (left)
				first = ranges[cut].last + 1;
		}
		if (left)
			uidmap_append(&kept, first, last);
	}
	uidmap_done(map);
	*map = kept;
}

int uidmap_seqs_to_uids(const struct uidmap *map, struct seq_range *ranges, size_t count)
{
	uint32_t messages = uidmap_messages(map);
	if (count > 0 && ranges[count - 1].last > messages)
		return E_INVALID;
	for (size_t i = 0; i < count; i++) {
		ranges[i].first = uidmap_uid(map, ranges[i].first);
		ranges[i].last = uidmap_uid(map, ranges[i].last);
	}
	return 0;
}
