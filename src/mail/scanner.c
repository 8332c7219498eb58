#include "mail/scanner.h"

#include <string.h>

#include "mail/describe.h"
#include "mail/param.h"

enum {
	BOUNDARY_MAX = 256, /* RFC 2046 allows 70 */
	PARTS_FIRST = 16,
};

/* A part whose end has not been seen. */
struct open_part {
	uint32_t index;
	bool closed;         /* its final boundary came: what follows is epilogue */
	size_t boundary_len; /* 0: not a multipart */
	char boundary[BOUNDARY_MAX];
};

struct scanner {
	struct str raw;
	struct arena *arena;
	struct mail_tree *tree;
	size_t room;       /* parts that fit tree->parts */
	size_t at;         /* beginning of the line that is looked at */
	uint64_t newlines; /* LFs before at */
	bool in_header;
	bool full; /* MAIL_PARTS_MAX was hit */
	uint64_t body_newlines[MAIL_DEPTH_MAX + 1];
	struct open_part open[MAIL_DEPTH_MAX + 1]; /* outermost first */
	size_t depth;
};

enum match { NO_MATCH, DELIMITER, CLOSE_DELIMITER };

static struct mail_part *part_at(struct scanner *s, size_t level)
{
	return &s->tree->parts[s->open[level].index];
}

static int begin_part(struct scanner *s, size_t offset)
{
	struct mail_tree *tree = s->tree;
	if (tree->count == s->room) {
		size_t room = s->room == 0 ? PARTS_FIRST : s->room * 2;
		struct mail_part *parts = arena_array(s->arena, room, sizeof(*parts));
		if (parts == NULL)
			return E_TOO_LARGE;
		if (tree->count > 0)
			memcpy(parts, tree->parts, tree->count * sizeof(*parts));
		tree->parts = parts;
		s->room = room;
	}
	uint32_t parent = s->depth == 0 ? 0 : s->open[s->depth - 1].index + 1;
	if (parent > 0)
		tree->parts[parent - 1].children++;
	struct mail_part *part = &tree->parts[tree->count];
	part->parent = parent;
	part->header_offset = offset;
	s->open[s->depth].index = (uint32_t)tree->count++;
	s->open[s->depth].closed = false;
	s->open[s->depth].boundary_len = 0;
	s->depth++;
	s->in_header = true;
	return 0;
}

static void read_fields(struct scanner *s, struct mail_part *part)
{
	struct str header = mail_part_header(s->raw, part);
	if (header.len > MAIL_HEADER_MAX) {
		header.len = MAIL_HEADER_MAX;
		s->tree->damaged = true;
	}
	struct cursor c = cursor_of(header);
	struct mail_field field;
	while (mail_header_next(&c, &field)) {
		enum mail_field_id id = mail_field_id(field.name);
		if (id == MAIL_FIELD_OTHER)
			continue;
		if (part->field[id].ptr != NULL)
			part->repeated |= UINT32_C(1) << id;
		else
			part->field[id] = field.value.ptr == NULL ? STR("") : field.value;
	}
}

static void set_type(struct mail_part *part, struct str type, struct str subtype)
{
	part->type = type;
	part->subtype = subtype;
	part->type_is_written = false;
	part->params_are_written = false;
}

/* What cannot be shown as what it is: its name and other parameters are still its own. */
static void set_opaque(struct mail_part *part)
{
	set_type(part, STR("application"), STR("octet-stream"));
	part->params_are_written = true;
}

static Pk__Part__Encoding encoding_of(struct str value)
{
	struct cursor c = cursor_of(value);
	struct str token;
	if (value.len == 0 || !mail_content_token(&c, &token))
		return PK__PART__ENCODING__IDENTITY;
	if (str_eq_nocase(token, STR("base64")))
		return PK__PART__ENCODING__BASE64;
	if (str_eq_nocase(token, STR("quoted-printable")))
		return PK__PART__ENCODING__QUOTED_PRINTABLE;
	if (str_eq_nocase(token, STR("7bit")) || str_eq_nocase(token, STR("8bit")) ||
	    str_eq_nocase(token, STR("binary")))
		return PK__PART__ENCODING__IDENTITY;
	return PK__PART__ENCODING__OTHER;
}

/* In a multipart/digest a part without type is a message (RFC 2046 section 5.1.5). */
static bool is_in_digest(struct scanner *s, const struct mail_part *part)
{
	if (part->parent == 0)
		return false;
	const struct mail_part *parent = &s->tree->parts[part->parent - 1];
	return parent->kind == PK__PART__KIND__MULTIPART &&
	       str_eq_nocase(parent->subtype, STR("digest"));
}

static void read_type(struct scanner *s, struct mail_part *part, struct cursor *ret_params)
{
	struct str value = part->field[MAIL_FIELD_CONTENT_TYPE];
	*ret_params = cursor_of(value);
	part->type_is_written = true;
	part->params_are_written = true;
	if (value.ptr == NULL && is_in_digest(s, part))
		set_type(part, STR("message"), STR("rfc822"));
	else if (value.ptr == NULL || !mail_content_type(ret_params, &part->type, &part->subtype))
		set_type(part, STR("text"), STR("plain"));
	else if (part->type.len + 1 + part->subtype.len > MAIL_MEDIA_TYPE_MAX)
		set_opaque(part);
}

static bool read_boundary(struct cursor *c, struct open_part *open)
{
	struct mail_params params;
	struct buf text BUF_AUTO;
	buf_init(&text, BOUNDARY_MAX);
	mail_params_read(c, &params);
	if (!mail_params_bytes(&params, STR("boundary"), &text) || text.failed)
		return false;
	/* Blanks after the boundary cannot be told from padding of the line (RFC 2046 section 5.1.1). */
	while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	if (text.len == 0)
		return false;
	memcpy(open->boundary, text.ptr, text.len);
	open->boundary_len = text.len;
	return true;
}

/* Finds out what the innermost part is, now that its header is known. */
static int classify(struct scanner *s)
{
	struct mail_part *part = part_at(s, s->depth - 1);
	struct cursor params;
	read_fields(s, part);
	read_type(s, part, &params);
	part->encoding = encoding_of(part->field[MAIL_FIELD_CONTENT_TRANSFER_ENCODING]);

	bool is_multipart = str_eq_nocase(part->type, STR("multipart"));
	bool is_message = str_eq_nocase(part->type, STR("message")) &&
	                  (str_eq_nocase(part->subtype, STR("rfc822")) ||
	                   str_eq_nocase(part->subtype, STR("global")));
	if (!is_multipart && !is_message)
		return 0;
	if (s->depth > MAIL_DEPTH_MAX || s->tree->count >= MAIL_PARTS_MAX ||
	    (is_message && part->encoding != PK__PART__ENCODING__IDENTITY)) {
		set_opaque(part);
		s->tree->damaged = true;
		return 0;
	}
	if (is_message) {
		part->kind = PK__PART__KIND__MESSAGE;
		return begin_part(s, part->body_offset);
	}
	if (read_boundary(&params, &s->open[s->depth - 1])) {
		part->kind = PK__PART__KIND__MULTIPART;
		part->encoding = PK__PART__ENCODING__IDENTITY; /* whatever it says: RFC 2045 section 6.4 */
	} else {
		set_type(part, STR("text"), STR("plain"));
		s->tree->damaged = true;
	}
	return 0;
}

/* The header of the innermost part ends at offset, before which there are so many LFs. */
static int end_header(struct scanner *s, size_t offset, uint64_t newlines)
{
	struct mail_part *part = part_at(s, s->depth - 1);
	part->header_size = offset - part->header_offset;
	part->body_offset = offset;
	s->body_newlines[s->depth - 1] = newlines;
	s->in_header = false;
	return classify(s);
}

/* Everything inside of level ends at offset, before which there are so many LFs; a part whose header
 * touches the boundary line keeps the line end between them, and so do those around it. */
static void close_parts(struct scanner *s, size_t level, size_t offset, uint64_t newlines)
{
	while (s->depth > level) {
		struct mail_part *part = part_at(s, s->depth - 1);
		struct open_part *open = &s->open[s->depth - 1];
		if (part->body_offset > offset) {
			offset = part->body_offset;
			newlines = s->newlines;
		}
		part->body_size = offset - part->body_offset;
		part->lines = newlines - s->body_newlines[s->depth - 1];
		if (part->kind == PK__PART__KIND__MULTIPART && !open->closed)
			s->tree->damaged = true;
		if (part->kind == PK__PART__KIND__MULTIPART && part->children == 0) {
			part->kind = PK__PART__KIND__LEAF;
			part->encoding = encoding_of(part->field[MAIL_FIELD_CONTENT_TRANSFER_ENCODING]);
			set_type(part, STR("text"), STR("plain"));
		}
		s->depth--;
	}
}

static enum match match_one(const struct open_part *open, struct str text)
{
	size_t len = open->boundary_len;
	if (len == 0 || open->closed || text.len < len || memcmp(text.ptr, open->boundary, len) != 0)
		return NO_MATCH;
	if (text.len == len)
		return DELIMITER;
	return text.len == len + 2 && text.ptr[len] == '-' && text.ptr[len + 1] == '-' ? CLOSE_DELIMITER
	                                                                               : NO_MATCH;
}

static bool is_padding(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* line begins with "--" */
static enum match match_boundary(const struct scanner *s, struct str line, size_t *ret_level)
{
	struct str text = str_from_byte(line, 2);
	while (text.len > 0 && is_padding(text.ptr[text.len - 1]))
		text.len--;
	if (text.len > BOUNDARY_MAX + 2)
		return NO_MATCH;
	for (size_t level = s->depth; level-- > 0;) {
		enum match match = match_one(&s->open[level], text);
		if (match != NO_MATCH) {
			*ret_level = level;
			return match;
		}
	}
	return NO_MATCH;
}

/* A boundary line of the multipart at level: at is its beginning, after the line that follows. */
static int take_boundary(struct scanner *s, enum match match, size_t level, size_t after)
{
	if (match == DELIMITER && s->tree->count >= MAIL_PARTS_MAX) {
		s->tree->damaged = true;
		s->full = true;
		return 0;
	}
	while (s->in_header) {
		int error = end_header(s, s->at, s->newlines);
		if (error != 0)
			return error;
	}
	/* The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1). There is one:
	 * the header of the multipart stands before. */
	size_t end = s->at - 1;
	if (end > 0 && s->raw.ptr[end - 1] == '\r')
		end--;
	close_parts(s, level + 1, end, s->newlines - 1);
	if (match == CLOSE_DELIMITER) {
		s->open[level].closed = true;
		return 0;
	}
	return begin_part(s, after);
}

static int take_line(struct scanner *s, size_t after)
{
	struct str line = str_slice(s->raw, s->at, after - s->at);
	uint64_t newlines = s->newlines + (line.ptr[line.len - 1] == '\n');
	if (line.len >= 2 && line.ptr[0] == '-' && line.ptr[1] == '-' && !s->full) {
		size_t level;
		enum match match = match_boundary(s, line, &level);
		if (match != NO_MATCH) {
			int error = take_boundary(s, match, level, after);
			s->newlines = newlines;
			return error;
		}
	}
	s->newlines = newlines;
	if (s->in_header && (line.ptr[0] == '\n' || str_eq(line, STR("\r\n"))))
		return end_header(s, after, newlines);
	return 0;
}

/* Passes over lines of a body that cannot be boundaries. */
static void skip_body(struct scanner *s)
{
	const char *end = s->raw.ptr + s->raw.len;
	const char *p = s->raw.ptr + s->at;
	uint64_t newlines = s->newlines;
	while (p < end && (*p != '-' || s->full)) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		if (newline == NULL) {
			p = end;
			break;
		}
		newlines++;
		p = newline + 1;
	}
	s->at = (size_t)(p - s->raw.ptr);
	s->newlines = newlines;
}

static int scan_lines(struct scanner *s)
{
	int error = 0;
	while (error == 0) {
		if (!s->in_header)
			skip_body(s);
		if (s->at >= s->raw.len)
			break;
		const char *p = s->raw.ptr + s->at;
		const char *newline = memchr(p, '\n', s->raw.len - s->at);
		size_t after = newline == NULL ? s->raw.len : (size_t)(newline + 1 - s->raw.ptr);
		error = take_line(s, after);
		s->at = after;
	}
	while (error == 0 && s->in_header)
		error = end_header(s, s->raw.len, s->newlines);
	if (error == 0)
		close_parts(s, 0, s->raw.len, s->newlines);
	return error;
}

int mail_scan(struct str raw, struct arena *arena, struct mail_tree *ret)
{
	*ret = (struct mail_tree){0};
	struct scanner *s = arena_alloc(arena, sizeof(*s));
	if (s == NULL)
		return E_TOO_LARGE;
	s->raw = raw;
	s->arena = arena;
	s->tree = ret;
	int error = begin_part(s, 0);
	return error != 0 ? error : scan_lines(s);
}

struct str mail_part_header(struct str raw, const struct mail_part *part)
{
	return str_slice(raw, part->header_offset, part->header_size);
}

struct str mail_part_body(struct str raw, const struct mail_part *part)
{
	return str_slice(raw, part->body_offset, part->body_size);
}

bool mail_part_is_message_root(const struct mail_tree *tree, const struct mail_part *part)
{
	return part->parent == 0 || tree->parts[part->parent - 1].kind == PK__PART__KIND__MESSAGE;
}
