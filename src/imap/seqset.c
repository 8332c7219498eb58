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
	set->count = seq_ranges_normalize(set->ranges, kept);
}
