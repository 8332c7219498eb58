#include "store/check.h"

#include "net/wire.h"
#include "structure.pb-c.h"

enum { SEARCH_DEPTH_MAX = 50 };

/* ---------------------------------------------------------------- text */

struct str text_field(const char *text, size_t max)
{
	struct str s = str_from(text);
	if (s.len > max) {
		s.len = max;
		while (s.len > 0 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	return utf8_valid(s) ? s : STR("");
}

/* ---------------------------------------------------------------- descriptions */

static bool inside(uint64_t offset, uint64_t len, uint64_t size)
{
	return offset <= size && len <= size - offset;
}

int description_check(const Pk__Description *description, uint64_t size, struct errinfo *info)
{
	if (description == NULL || description->n_parts == 0)
		return err_set(info, E_INVALID, "a message without a description");
	if (description->n_parts > PARTS_MAX)
		return err_set(info, E_TOO_LARGE, "a description with too many parts");
	if (description->envelope.len > STRUCTURE_MAX ||
	    description->body_structure.len > STRUCTURE_MAX ||
	    description->rendered_envelope.len > STRUCTURE_MAX ||
	    description->rendered_body_structure.len > STRUCTURE_MAX)
		return err_set(info, E_TOO_LARGE, "a description with too large a structure");
	/* Kept as they are, but whoever unpacks them later could not know how large they get. */
	if (!wire_within(&pk__envelope__descriptor, STR_OF_BYTES(description->envelope),
	                 WIRE_ITEMS_MANY) ||
	    !wire_within(&pk__body_structure__descriptor, STR_OF_BYTES(description->body_structure),
	                 WIRE_ITEMS_MANY))
		return err_set(info, E_INVALID, "a description whose structure does not parse");
	for (size_t i = 0; i < description->n_parts; i++) {
		const Pk__Part *part = description->parts[i];
		if (!inside(part->header_offset, part->header_size, size) ||
		    !inside(part->body_offset, part->body_size, size) || part->parent > i ||
		    (part->parent == 0) != (i == 0))
			return err_set(info, E_INVALID, "a description that does not fit its message");
	}
	return 0;
}

/* atom = 1*ATOM-CHAR, RFC 9051 section 9; a flag-keyword is one. */
static bool atom_valid(struct str s)
{
	if (s.len == 0 || s.len > KEYWORD_SIZE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c <= 0x20 || c >= 0x7f || str_find_byte(STR("(){%*\"\\]"), (char)c) >= 0)
			return false;
	}
	return true;
}

int keywords_check(char *const *keywords, size_t count, struct errinfo *info)
{
	if (count > KEYWORDS_PER_MESSAGE)
		return err_set(info, E_LIMIT, "too many keywords");
	for (size_t i = 0; i < count; i++)
		if (!atom_valid(str_from(keywords[i])))
			return err_set(info, E_INVALID, "not a keyword");
	return 0;
}

/* ---------------------------------------------------------------- nesting */

/* protobuf-c unpacks nested messages by recursion, and SearchKey nests: SearchRequest.key is field
 * 3, SearchKey.keys field 6. Walked here with a stack of fixed size. */
bool search_depth_ok(struct str body)
{
	enum { KEY = 3, KEYS = 6 };
	struct cursor stack[SEARCH_DEPTH_MAX];
	int depth = 0;
	stack[0] = cursor_of(body);
	for (;;) {
		struct cursor *c = &stack[depth];
		if (cursor_at_end(c)) {
			if (depth-- == 0)
				return true;
			continue;
		}
		struct wire_field field;
		if (!wire_next(c, &field))
			return false;
		if (field.type != WIRE_BYTES || field.number != (depth == 0 ? KEY : KEYS))
			continue;
		if (++depth == SEARCH_DEPTH_MAX)
			return false;
		stack[depth] = cursor_of(field.bytes);
	}
}
