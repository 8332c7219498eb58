#include "imap/seqset.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"

/* seq-number = nz-number / "*"                       RFC 9051 section 9 */
static bool seq_number(struct cursor *c, uint32_t *ret)
{
	if (cursor_byte(c, '*')) {
		*ret = SEQ_STAR;
		return true;
	}
	uint64_t n;
	struct cursor at = *c;
	if (!cursor_u64(&at, UINT32_MAX, &n) || n == 0)
		return false;
	*c = at;
	*ret = (uint32_t)n;
	return true;
}

/* seq-range = seq-number [":" seq-number]; a number alone is a range of one. */
static bool seq_range(struct cursor *c, struct seq_range *ret)
{
	if (!seq_number(c, &ret->first))
		return false;
	ret->last = ret->first;
	return !cursor_byte(c, ':') || seq_number(c, &ret->last);
}

/* An upper bound of the ranges that can follow: one more than the commas before the set's end. */
static size_t count_elements(struct cursor c)
{
	size_t count = 1;
	for (int byte = cursor_peek(&c); byte != -1 && byte != ' ' && byte != ')' && byte != '\r';
	     byte = cursor_peek(&c)) {
		count += byte == ',';
		c.p++;
	}
	return count;
}

int seqset_parse(struct cursor *c, struct arena *arena, struct seqset *ret)
{
	struct cursor at = *c;
	*ret = (struct seqset){0};
	if (cursor_byte(&at, '$')) {
		ret->search_result = true;
		*c = at;
		return 0;
	}
	struct seq_range first;
	if (!seq_range(&at, &first))
		return E_INVALID;
	size_t room = 1 + count_elements(at);
	ret->ranges = arena_array(arena, room, sizeof(*ret->ranges));
	if (ret->ranges == NULL)
		return E_TOO_LARGE;
	ret->ranges[ret->count++] = first;
	while (cursor_byte(&at, ',')) {
		must(ret->count < room);
		if (!seq_range(&at, &ret->ranges[ret->count++]))
			return E_INVALID;
	}
	*c = at;
	return 0;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct seq_range *a = left, *b = right;
	return (a->first > b->first) - (a->first < b->first);
}

/* Sorts and merges ranges whose ends are in order; returns how many are left. */
static size_t merge(struct seq_range *ranges, size_t count)
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

void seqset_normalize(struct seqset *set, uint32_t highest)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		struct seq_range range = set->ranges[i];
		if ((range.first == SEQ_STAR || range.last == SEQ_STAR) && highest == 0)
			continue;
		uint32_t first = range.first == SEQ_STAR ? highest : range.first;
		uint32_t last = range.last == SEQ_STAR ? highest : range.last;
		set->ranges[kept++] = first <= last ? (struct seq_range){first, last}
		                                    : (struct seq_range){last, first};
	}
	set->count = merge(set->ranges, kept);
}

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
	list->count = merge(list->ranges, list->count);
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
