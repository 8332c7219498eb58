#include "store/uids.h"

#include <stdlib.h>

#include "base/mem.h"

void uid_runs_done(struct uid_runs *runs)
{
	free(runs->items);
	free(runs->pointers);
	*runs = (struct uid_runs){0};
}

void uid_runs_add_run(struct uid_runs *runs, uint32_t first, uint32_t last)
{
	if (runs->items == NULL || runs->count == runs->capacity) {
		runs->capacity = runs->capacity == 0 ? 8 : runs->capacity * 2;
		runs->items = mem_grow(runs->items, runs->capacity, sizeof(*runs->items));
	}
	Pk__UidRange *run = &runs->items[runs->count++];
	pk__uid_range__init(run);
	run->first = first;
	run->last = last;
}

void uid_runs_add(struct uid_runs *runs, uint32_t uid)
{
	Pk__UidRange *last = runs->count == 0 ? NULL : &runs->items[runs->count - 1];
	if (last != NULL && last->last == uid - 1 && uid > 1)
		last->last = uid;
	else
		uid_runs_add_run(runs, uid, uid);
}

static int compare_runs(const void *a, const void *b)
{
	uint32_t x = ((const Pk__UidRange *)a)->first, y = ((const Pk__UidRange *)b)->first;
	return (x > y) - (x < y);
}

static void merge(struct uid_runs *runs)
{
	size_t kept = 0;
	for (size_t i = 0; i < runs->count; i++) {
		Pk__UidRange *previous = kept == 0 ? NULL : &runs->items[kept - 1];
		const Pk__UidRange *run = &runs->items[i];
		if (previous != NULL &&
		    (previous->last == UINT32_MAX || run->first <= previous->last + 1)) {
			if (run->last > previous->last)
				previous->last = run->last;
		} else {
			runs->items[kept++] = *run;
		}
	}
	runs->count = kept;
}

int uid_runs_from(struct uid_runs *ret, Pk__UidRange *const *items, size_t count,
                  struct errinfo *info)
{
	bool rising = true;
	for (size_t i = 0; i < count; i++) {
		if (items[i]->first == 0 || items[i]->first > items[i]->last)
			return err_set(info, E_INVALID, "not a run of UIDs");
		rising = rising && (i == 0 || items[i]->first >= items[i - 1]->first);
		uid_runs_add_run(ret, items[i]->first, items[i]->last);
	}
	if (!rising)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare_runs);
	merge(ret);
	return 0;
}

bool uid_runs_have(const struct uid_runs *runs, uint32_t uid)
{
	size_t low = 0, high = runs->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (runs->items[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < runs->count && runs->items[low].first <= uid;
}

Pk__UidRange **uid_runs_pointers(struct uid_runs *runs)
{
	runs->pointers = mem_grow(runs->pointers, runs->count + 1, sizeof(Pk__UidRange *));
	for (size_t i = 0; i < runs->count; i++)
		runs->pointers[i] = &runs->items[i];
	return runs->pointers;
}
