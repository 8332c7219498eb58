#include "mail/builder.h"

#include <string.h>

#include "mail/header.h"

enum { LIST_FIRST = 4 };

void mail_builder_init(struct mail_builder *b, struct arena *arena)
{
	*b = (struct mail_builder){.arena = arena, .budget = MAIL_BUILD_BUDGET};
	buf_init(&b->scratch, MAIL_BUILD_BUDGET);
}

void mail_builder_done(struct mail_builder *b)
{
	buf_done(&b->scratch);
}

bool mail_build_charge(struct mail_builder *b, size_t cost)
{
	if (cost > b->budget) {
		b->cut = true;
		return false;
	}
	b->budget -= cost;
	return true;
}

bool mail_build_bytes(struct mail_builder *b, struct str text, ProtobufCBinaryData *ret)
{
	*ret = (ProtobufCBinaryData){0};
	if (text.ptr == NULL || !mail_build_charge(b, text.len))
		return false;
	struct str copy = arena_str(b->arena, text);
	b->full |= copy.ptr == NULL;
	*ret = (ProtobufCBinaryData){copy.len, (uint8_t *)(uintptr_t)copy.ptr};
	return copy.ptr != NULL;
}

bool mail_build_field(struct mail_builder *b, struct str value, ProtobufCBinaryData *ret)
{
	*ret = (ProtobufCBinaryData){0};
	if (value.ptr == NULL || !mail_build_charge(b, value.len))
		return false;
	struct str text = mail_unfold(value, &b->scratch);
	if (text.ptr != value.ptr)
		text = arena_str(b->arena, text);
	b->full |= text.ptr == NULL;
	*ret = (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
	return text.ptr != NULL;
}

void *mail_build_add(struct mail_builder *b, struct mail_build_list *list, size_t size)
{
	if (list->count == list->room) {
		size_t room = list->room == 0 ? LIST_FIRST : list->room * 2;
		void **items = arena_array(b->arena, room, sizeof(void *));
		b->full |= items == NULL;
		if (items == NULL)
			return NULL;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(void *));
		list->items = items;
		list->room = room;
	}
	void *item = arena_alloc(b->arena, size);
	b->full |= item == NULL;
	if (item != NULL)
		list->items[list->count++] = item;
	return item;
}
