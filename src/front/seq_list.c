#include "front/seq_list.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"

/* ---------------------------------------------------------------- ranges */

static int compare_ranges(const void *left, const void *right)
{
	const struct seq_range *a = left, *b = right;
	return (a->first > b->first) - (a->first < b->first);
}

size_t seq_ranges_normalize(struct seq_range *ranges, size_t count)
{
	if (count < 2)
		return count;
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	size_t kept = 1;
	for (size_t i = 1; i < count; i++) {
		struct seq_range *top = &ranges[kept - 1];
		if (top->last == UINT32_MAX || ranges[i].first <= top->last + 1) {
			if (ranges[i].last > top->last)
				top->last = ranges[i].last;
		} else {
			ranges[kept++] = ranges[i];
		}
	}
	return kept;
}

void seq_ranges_format(struct buf *out, const struct seq_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		buf_add_u64(out, ranges[i].first);
		if (ranges[i].last == ranges[i].first)
			continue;
		buf_add_byte(out, ':');
		buf_add_u64(out, ranges[i].last);
	}
}

uint64_t seq_ranges_size(const struct seq_range *ranges, size_t count)
{
	uint64_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += (uint64_t)ranges[i].last - ranges[i].first + 1;
	return size;
}

/* ---------------------------------------------------------------- lists */

void seq_list_done(struct seq_list *list)
{
	free(list->ranges);
	*list = (struct seq_list){0};
}

void seq_list_push(struct seq_list *list, uint32_t first, uint32_t last)
{
	if (list->count == list->cap) {
		list->cap = list->cap == 0 ? 4 : list->cap * 2;
		list->ranges = mem_grow(list->ranges, list->cap, sizeof(*list->ranges));
	}
	list->ranges[list->count++] = (struct seq_range){first, last};
}

void seq_list_normalize(struct seq_list *list)
{
	list->count = seq_ranges_normalize(list->ranges, list->count);
}

void seq_list_add(struct seq_list *list, uint32_t first, uint32_t last)
{
	if (list->count > 0) {
		struct seq_range *top = &list->ranges[list->count - 1];
		must(first > top->last);
		if (first == top->last + 1) {
			top->last = last;
			return;
		}
	}
	seq_list_push(list, first, last);
}

bool seq_list_contains(const struct seq_list *list, uint32_t number)
{
	size_t low = 0, high = list->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (list->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->ranges[low].first <= number;
}
