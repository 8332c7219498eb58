#include "store/section.h"

bool section_needs_parts(const Pk__Section *section)
{
	return section->n_path > 0;
}

/* The number-th child (from 1) of the part at index parent; -1: none. */
static ptrdiff_t child_of(const Pk__Description *parts, size_t parent, uint32_t number)
{
	for (size_t i = parent + 1; i < parts->n_parts; i++)
		if (parts->parts[i]->parent == parent + 1 && --number == 0)
			return (ptrdiff_t)i;
	return -1;
}

/* A message inside a message: numbers go on below its root, which is its only child. As BODYSTRUCTURE
 * shows it, only a message/rfc822 is one: what is in a message/global has numbers in IMAP4rev2. */
static ptrdiff_t inner_root(const Pk__Description *parts, size_t index)
{
	const Pk__Part *part = parts->parts[index];
	return part->kind == PK__PART__KIND__MESSAGE &&
	               str_eq(str_from(part->media_type), STR("message/rfc822"))
	           ? child_of(parts, index, 1)
	           : -1;
}

/* The part that a path of numbers means. What is no multipart has itself as its part 1. */
static ptrdiff_t part_at(const Pk__Description *parts, const uint32_t *path, size_t len)
{
	ptrdiff_t at = 0; /* the message whose parts are counted, or a multipart */
	for (size_t i = 0; i < len; i++) {
		if (path[i] == 0 || at < 0)
			return -1;
		ptrdiff_t inner = i > 0 ? inner_root(parts, (size_t)at) : -1;
		if (inner >= 0)
			at = inner;
		else if (i > 0 && parts->parts[at]->kind != PK__PART__KIND__MULTIPART)
			return -1;
		if (parts->parts[at]->kind == PK__PART__KIND__MULTIPART)
			at = child_of(parts, (size_t)at, path[i]);
		else if (path[i] != 1)
			return -1;
	}
	return at;
}

static struct section_place place(uint64_t offset, uint64_t size, Pk__Part__Encoding encoding)
{
	return (struct section_place){.offset = offset, .size = size, .encoding = encoding};
}

static struct section_place place_of_part(const Pk__Section *section, const Pk__Description *parts)
{
	struct section_place missing = {.missing = true};
	ptrdiff_t at = parts == NULL || parts->n_parts == 0
	                   ? -1
	                   : part_at(parts, section->path, section->n_path);
	if (at < 0)
		return missing;
	const Pk__Part *part = parts->parts[at];
	ptrdiff_t inner = inner_root(parts, (size_t)at);
	switch (section->what) {
	case PK__SECTION__WHAT__ALL:
		return place(part->body_offset, part->body_size, part->encoding);
	case PK__SECTION__WHAT__MIME:
		return place(part->header_offset, part->header_size, PK__PART__ENCODING__IDENTITY);
	case PK__SECTION__WHAT__HEADER:
		if (inner < 0)
			return missing;
		part = parts->parts[inner];
		return place(part->header_offset, part->header_size, PK__PART__ENCODING__IDENTITY);
	case PK__SECTION__WHAT__TEXT:
		if (inner < 0)
			return missing;
		part = parts->parts[inner];
		return place(part->body_offset, part->body_size, PK__PART__ENCODING__IDENTITY);
	default:
		return missing;
	}
}

static struct section_place place_of_message(const Pk__Section *section, uint64_t message_size,
                                             uint64_t header_size)
{
	switch (section->what) {
	case PK__SECTION__WHAT__ALL:
		return place(0, message_size, PK__PART__ENCODING__IDENTITY);
	case PK__SECTION__WHAT__HEADER:
		return place(0, header_size, PK__PART__ENCODING__IDENTITY);
	case PK__SECTION__WHAT__TEXT:
		return place(header_size, message_size - header_size, PK__PART__ENCODING__IDENTITY);
	default:
		return (struct section_place){.missing = true};
	}
}

struct section_place section_find(const Pk__Section *section, const Pk__Description *parts,
                                  uint64_t message_size, uint64_t header_size)
{
	if (header_size > message_size)
		header_size = message_size;
	struct section_place found = section->n_path == 0
	                                 ? place_of_message(section, message_size, header_size)
	                                 : place_of_part(section, parts);
	if (found.missing)
		return found;
	if (found.offset > message_size)
		found.offset = message_size;
	if (found.size > message_size - found.offset)
		found.size = message_size - found.offset;
	uint64_t skip = section->offset < found.size ? section->offset : found.size;
	found.offset += skip;
	found.size -= skip;
	if (section->length > 0 && section->length < found.size)
		found.size = section->length;
	return found;
}
