#include "imap/fetch.h"
#include "imap/writer.h"

enum { LABEL_MAX = 16 * 1024 };

/* What all sections' names and fields need while they are read. */
struct section_builder {
	struct imap_parse *in;
	struct fetch_items *items;
	struct fetch_section *section;
	Pk__Section *request;
	struct buf label;
};

static bool too_long(struct imap_parse *in)
{
	return imap_parse_fail(in, "Command too long");
}

/* ---------------------------------------------------------------- sections */

/* section-part = nz-number *("." nz-number); leaves the cursor behind the last number. */
static bool section_part(struct section_builder *b)
{
	struct imap_parse *in = b->in;
	uint64_t n;
	if (!imap_nz_number(in, UINT32_MAX, &n))
		return true; /* none */
	b->request->path = arena_array(in->arena, FETCH_PATH_MAX, sizeof(*b->request->path));
	if (b->request->path == NULL)
		return too_long(in);
	struct cursor behind;
	do {
		if (b->request->n_path == FETCH_PATH_MAX)
			return imap_parse_fail(in, "Part number too deep");
		b->request->path[b->request->n_path++] = (uint32_t)n;
		if (b->label.ptr[b->label.len - 1] != '[')
			buf_add_byte(&b->label, '.');
		buf_add_u64(&b->label, n);
		behind = in->c;
	} while (cursor_byte(&in->c, '.') && imap_nz_number(in, UINT32_MAX, &n));
	in->c = behind;
	return true;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool header_list(struct section_builder *b)
{
	struct imap_parse *in = b->in;
	struct fetch_section *section = b->section;
	if (!imap_space(in) || !cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of header fields");
	section->fields = arena_array(in->arena, FETCH_FIELDS_MAX, sizeof(*section->fields));
	if (section->fields == NULL)
		return too_long(in);
	buf_add_str(&b->label, STR(" ("));
	do {
		if (section->field_count == FETCH_FIELDS_MAX)
			return imap_parse_fail(in, "Too many header fields");
		struct str *field = &section->fields[section->field_count++];
		if (!imap_astring(in, field))
			return imap_parse_fail(in, "Expected a header field");
		if (section->field_count > 1)
			buf_add_byte(&b->label, ' ');
		imap_write_astring(&b->label, *field);
	} while (imap_space(in));
	buf_add_byte(&b->label, ')');
	return cursor_byte(&in->c, ')') || imap_parse_fail(in, "List of fields without an end");
}

/* section-msgtext / "MIME" */
static bool section_text(struct section_builder *b)
{
	static const struct {
		struct str name;
		Pk__Section__What what;
		bool fields, not ;
	} texts[] = {
		{STR("HEADER.FIELDS.NOT"), PK__SECTION__WHAT__HEADER, true, true},
		{STR("HEADER.FIELDS"), PK__SECTION__WHAT__HEADER, true, false},
		{STR("HEADER"), PK__SECTION__WHAT__HEADER, false, false},
		{STR("TEXT"), PK__SECTION__WHAT__TEXT, false, false},
		{STR("MIME"), PK__SECTION__WHAT__MIME, false, false},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!cursor_text_nocase(&b->in->c, texts[i].name))
			continue;
		if (texts[i].what == PK__SECTION__WHAT__MIME && b->request->n_path == 0)
			return imap_parse_fail(b->in, "MIME needs a part number");
		b->request->what = texts[i].what;
		buf_add_str(&b->label, texts[i].name);
		b->section->fields_not = texts[i].not ;
		return !texts[i].fields || header_list(b);
	}
	return imap_parse_fail(b->in, "Unknown section");
}

/* section-spec between the brackets */
static bool section_spec(struct section_builder *b)
{
	struct imap_parse *in = b->in;
	if (cursor_peek(&in->c) == ']')
		return true;
	if (!section_part(b))
		return false;
	if (b->request->n_path > 0) {
		if (!cursor_byte(&in->c, '.'))
			return true;
		buf_add_byte(&b->label, '.');
	}
	return section_text(b);
}

/* partial = "<" number "." nz-number ">" */
static bool partial(struct section_builder *b)
{
	struct imap_parse *in = b->in;
	uint64_t offset, length;
	bool here = b->section->fields != NULL;
	if (here) /* an unbounded header is not taken into memory */
		b->request->length = FETCH_HEADER_MAX;
	if (!cursor_byte(&in->c, '<'))
		return true;
	if (!imap_number(in, INT64_MAX, &offset) || !cursor_byte(&in->c, '.') ||
	    !imap_nz_number(in, INT64_MAX, &length) || !cursor_byte(&in->c, '>'))
		return imap_parse_fail(in, "Bad partial");
	buf_add_byte(&b->label, '<');
	buf_add_u64(&b->label, offset);
	buf_add_byte(&b->label, '>');
	b->section->partial = here;
	b->section->partial_offset = offset;
	b->section->partial_length = length;
	if (!here) {
		b->request->offset = offset;
		b->request->length = length;
	}
	return true;
}

/* Makes room for one more section in the list and sets b up for it. */
static bool add_section(struct section_builder *b, struct imap_parse *in, struct fetch_items *items)
{
	if (items->section_count == FETCH_SECTIONS_MAX)
		return imap_parse_fail(in, "Too many sections");
	if (items->sections == NULL) {
		items->sections = arena_array(in->arena, FETCH_SECTIONS_MAX, sizeof(*items->sections));
		items->requests = arena_array(in->arena, FETCH_SECTIONS_MAX, sizeof(*items->requests));
	}
	Pk__Section *request = arena_alloc(in->arena, sizeof(*request));
	if (items->sections == NULL || items->requests == NULL || request == NULL)
		return too_long(in);
	pk__section__init(request);
	*b = (struct section_builder){.in = in,
	                              .items = items,
	                              .section = &items->sections[items->section_count],
	                              .request = request};
	items->requests[items->section_count++] = request;
	return true;
}

static bool keep_label(struct section_builder *b, struct str label)
{
	b->section->label = arena_str(b->in->arena, label);
	return b->section->label.ptr != NULL || too_long(b->in);
}

/* "BODY" [".PEEK"] section [partial], after the name; the cursor is at the "[". */
static bool body_section(struct imap_parse *in, struct fetch_items *items)
{
	struct section_builder b;
	if (!add_section(&b, in, items))
		return false;
	buf_init(&b.label, LABEL_MAX);
	buf_add_str(&b.label, STR("BODY["));
	bool ok = cursor_byte(&in->c, '[') && section_spec(&b) &&
	          (cursor_byte(&in->c, ']') || imap_parse_fail(in, "Section without an end"));
	buf_add_byte(&b.label, ']');
	ok = ok && partial(&b) && (!b.label.failed || too_long(in)) &&
	     keep_label(&b, buf_str(&b.label));
	buf_done(&b.label);
	return ok;
}

static bool rfc822(struct imap_parse *in, struct fetch_items *items, struct str name,
                   Pk__Section__What what)
{
	struct section_builder b;
	if (!add_section(&b, in, items))
		return false;
	b.request->what = what;
	items->mark_seen |= what != PK__SECTION__WHAT__HEADER;
	return keep_label(&b, name);
}

/* ---------------------------------------------------------------- items */

static const struct {
	struct str name;
	uint32_t bits;
} plain_items[] = {
	{STR("FLAGS"), PK__FETCH_ITEM__FETCH_FLAGS},
	{STR("UID"), FETCH_UID},
	{STR("INTERNALDATE"), PK__FETCH_ITEM__FETCH_INTERNAL_DATE},
	{STR("RFC822.SIZE"), PK__FETCH_ITEM__FETCH_SIZE},
	{STR("ENVELOPE"), PK__FETCH_ITEM__FETCH_ENVELOPE},
	{STR("BODYSTRUCTURE"), PK__FETCH_ITEM__FETCH_BODY_STRUCTURE},
	{STR("MODSEQ"), FETCH_MODSEQ},
	{STR("SAVEDATE"), PK__FETCH_ITEM__FETCH_SAVE_DATE},
};

static bool plain_item(struct imap_parse *in, struct fetch_items *items)
{
	for (size_t i = 0; i < sizeof(plain_items) / sizeof(plain_items[0]); i++) {
		if (imap_word(in, plain_items[i].name)) {
			items->set |= plain_items[i].bits;
			return true;
		}
	}
	return false;
}

/* "PREVIEW" [SP "(" "LAZY" ")"] (RFC 8970): ours are made when a message comes in, so LAZY changes
 * nothing. */
static bool preview(struct imap_parse *in, struct fetch_items *items)
{
	if (!imap_word(in, STR("PREVIEW")))
		return false;
	items->set |= PK__FETCH_ITEM__FETCH_PREVIEW;
	cursor_text_nocase(&in->c, STR(" (LAZY)"));
	return true;
}

/* A word with its section: the "[" must follow at once. */
static bool word_before_section(struct imap_parse *in, struct str word)
{
	struct cursor at = in->c;
	if (!cursor_text_nocase(&at, word) || cursor_peek(&at) != '[')
		return false;
	in->c = at;
	return true;
}

static bool fetch_att(struct imap_parse *in, struct fetch_items *items)
{
	if (plain_item(in, items) || preview(in, items))
		return true;
	if (word_before_section(in, STR("BODY.PEEK")))
		return body_section(in, items);
	if (word_before_section(in, STR("BODY"))) {
		items->mark_seen = true;
		return body_section(in, items);
	}
	if (imap_word(in, STR("BODY"))) {
		items->set |= FETCH_BODY;
		return true;
	}
	if (imap_word(in, STR("RFC822.HEADER")))
		return rfc822(in, items, STR("RFC822.HEADER"), PK__SECTION__WHAT__HEADER);
	if (imap_word(in, STR("RFC822.TEXT")))
		return rfc822(in, items, STR("RFC822.TEXT"), PK__SECTION__WHAT__TEXT);
	if (imap_word(in, STR("RFC822")))
		return rfc822(in, items, STR("RFC822"), PK__SECTION__WHAT__ALL);
	return imap_parse_fail(in, "Unknown item");
}

static bool macro(struct imap_parse *in, struct fetch_items *items)
{
	static const uint32_t fast = PK__FETCH_ITEM__FETCH_FLAGS | PK__FETCH_ITEM__FETCH_INTERNAL_DATE |
	                             PK__FETCH_ITEM__FETCH_SIZE;
	if (imap_word(in, STR("FAST")))
		items->set = fast;
	else if (imap_word(in, STR("ALL")))
		items->set = fast | PK__FETCH_ITEM__FETCH_ENVELOPE;
	else if (imap_word(in, STR("FULL")))
		items->set = fast | PK__FETCH_ITEM__FETCH_ENVELOPE | FETCH_BODY;
	else
		return false;
	return true;
}

bool fetch_items_parse(struct imap_parse *in, struct fetch_items *ret)
{
	*ret = (struct fetch_items){0};
	if (macro(in, ret))
		return true;
	if (!cursor_byte(&in->c, '('))
		return fetch_att(in, ret);
	do {
		if (!fetch_att(in, ret))
			return false;
	} while (imap_space(in));
	return cursor_byte(&in->c, ')') || imap_parse_fail(in, "List of items without an end");
}

/* ---------------------------------------------------------------- HEADER.FIELDS */

static bool is_asked_for(const struct fetch_section *section, struct str name)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (str_eq_nocase(section->fields[i], name))
			return !section->fields_not;
	return section->fields_not;
}

/* The line at the cursor with its end. */
static struct str take_line(struct cursor *c)
{
	struct str left = STR_OF(c->p, cursor_left(c));
	ptrdiff_t end = str_find_byte(left, '\n');
	struct str line = STR_OF(c->p, end < 0 ? left.len : (size_t)end + 1);
	c->p += line.len;
	return line;
}

void fetch_filter_header(struct buf *out, struct str header, const struct fetch_section *section)
{
	struct cursor c = cursor_of(header);
	bool keep = false;
	while (!cursor_at_end(&c)) {
		struct str line = take_line(&c);
		bool continues = line.ptr[0] == ' ' || line.ptr[0] == '\t';
		if (!continues) {
			if (str_trim(line).len == 0)
				break;
			ptrdiff_t colon = str_find_byte(line, ':');
			struct str name = str_trim(str_slice(line, 0, colon < 0 ? 0 : (size_t)colon));
			keep = colon > 0 && is_asked_for(section, name);
		}
		if (keep)
			buf_add_str(out, line);
	}
	if (out->len > 0 && out->ptr[out->len - 1] != '\n')
		buf_add_str(out, STR("\r\n"));
	buf_add_str(out, STR("\r\n"));
}
