#include "mail/describe.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/body_structure.h"
#include "mail/charset.h"
#include "mail/charset_label.h"
#include "mail/date.h"
#include "mail/encoding.h"
#include "mail/envelope.h"
#include "mail/fold.h"
#include "mail/html.h"
#include "mail/param.h"
#include "mail/scanner.h"
#include "mail/subject.h"
#include "mail/word.h"

enum {
	FIELD_TEXT_MAX = 256 * 1024,         /* of one decoded field */
	SEARCH_HEADER_MAX = 2 * 1024 * 1024, /* of the decoded top-level header */
	CHARSET_MAX = 255,
	FILE_NAME_MAX = 1000,
	FILE_NAMES_MAX = 1024 * 1024, /* all of them */
	MESSAGE_ID_MAX = 1000,        /* RFC 5322 has lines of 998 */
	REFERENCES_MAX = 1000,
	SORT_KEY_MAX = 1000,
	ATTACHMENT_MIN = 1024, /* smaller ones are not worth a row of their own */
	PREVIEW_CHARACTERS = 200,
	PREVIEW_BYTES = PREVIEW_CHARACTERS * 4,
	PREVIEW_LOOK = 8 * 1024, /* bytes of text that are looked at for it */
};

struct describer {
	struct str raw;
	struct arena *arena;
	struct mail_tree tree;
	Pk__Description *out;
	struct buf unfolded, decoded, folded; /* scratch for fields */
	struct buf body, utf8, text;          /* scratch for bodies */
	struct buf search;
	size_t file_names; /* bytes of them so far */
	bool has_preview;
	bool full;    /* the arena is */
	bool damaged; /* a limit was hit */
};

static void init(struct describer *d, struct str raw, struct arena *arena)
{
	*d = (struct describer){.raw = raw, .arena = arena};
	buf_init(&d->unfolded, FIELD_TEXT_MAX);
	buf_init(&d->decoded, FIELD_TEXT_MAX);
	buf_init(&d->folded, FIELD_TEXT_MAX);
	buf_init(&d->body, MAIL_DESCRIPTION_MAX);
	buf_init(&d->utf8, MAIL_DESCRIPTION_MAX);
	buf_init(&d->text, MAIL_DESCRIPTION_MAX);
	buf_init(&d->search, MAIL_DESCRIPTION_MAX);
}

static void done(struct describer *d)
{
	buf_done(&d->unfolded);
	buf_done(&d->decoded);
	buf_done(&d->folded);
	buf_done(&d->body);
	buf_done(&d->utf8);
	buf_done(&d->text);
	buf_done(&d->search);
}

/* A copy with a NUL behind it; an empty string where the arena is full. */
static char *keep(struct describer *d, struct str s)
{
	static char nothing[1] = "";
	if (s.len == 0)
		return nothing;
	struct str copy = arena_str(d->arena, s);
	if (copy.ptr != NULL)
		return (char *)copy.ptr;
	d->full = true;
	return nothing;
}

static ProtobufCBinaryData keep_bytes(struct describer *d, const struct buf *b)
{
	d->damaged |= b->failed;
	return (ProtobufCBinaryData){.len = b->len, .data = (uint8_t *)keep(d, buf_str(b))};
}

/* The value of a field: unfolded, encoded words decoded. Lives until the next call. */
static struct str decode_field(struct describer *d, struct str value)
{
	buf_clear(&d->decoded);
	mail_words_decode(&d->decoded, mail_unfold(value, &d->unfolded));
	d->damaged |= d->decoded.failed;
	return buf_str(&d->decoded);
}

static struct str fold_text(struct describer *d, struct str text)
{
	buf_clear(&d->folded);
	mail_search_form(&d->folded, text);
	d->damaged |= d->folded.failed;
	return buf_str(&d->folded);
}

/* ---- parts ---- */

static char *media_type(struct describer *d, const struct mail_part *part)
{
	char text[MAIL_MEDIA_TYPE_MAX];
	size_t len = part->type.len + 1 + part->subtype.len; /* the scanner has seen to that */
	for (size_t i = 0; i < part->type.len; i++)
		text[i] = ascii_lower(part->type.ptr[i]);
	text[part->type.len] = '/';
	for (size_t i = 0; i < part->subtype.len; i++)
		text[part->type.len + 1 + i] = ascii_lower(part->subtype.ptr[i]);
	return keep(d, STR_OF(text, len));
}

/* filename of Content-Disposition, else name of Content-Type */
static char *file_name(struct describer *d, const struct mail_part *part)
{
	struct mail_params params;
	struct str token, subtype;
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_DISPOSITION]);
	buf_clear(&d->decoded);
	bool found = false;
	if (cursor_left(&c) > 0) {
		mail_content_token(&c, &token);
		mail_params_read(&c, &params);
		found = mail_params_decode(&params, STR("filename"), &d->decoded);
	}
	c = cursor_of(part->field[MAIL_FIELD_CONTENT_TYPE]);
	if (!found && part->params_are_written && mail_content_type(&c, &token, &subtype)) {
		mail_params_read(&c, &params);
		mail_params_decode(&params, STR("name"), &d->decoded);
	}
	struct str name = str_trim(utf8_cut(buf_str(&d->decoded), FILE_NAME_MAX));
	d->file_names += name.len;
	if (d->file_names > FILE_NAMES_MAX) {
		d->damaged = true;
		name.len = 0;
	}
	return keep(d, name);
}

static bool is_attached(const struct mail_part *part)
{
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_DISPOSITION]);
	struct str token;
	return mail_content_token(&c, &token) && str_eq_nocase(token, STR("attachment"));
}

static bool is_text(const struct mail_part *part)
{
	return part->kind == PK__PART__KIND__LEAF && str_eq_nocase(part->type, STR("text"));
}

static void describe_part(struct describer *d, const struct mail_part *part, Pk__Part *out)
{
	pk__part__init(out);
	out->parent = part->parent;
	out->kind = part->kind;
	out->header_offset = part->header_offset;
	out->header_size = part->header_size;
	out->body_offset = part->body_offset;
	out->body_size = part->body_size;
	out->lines = (uint32_t)part->lines;
	out->encoding = part->encoding;
	out->attachment = part->kind == PK__PART__KIND__LEAF && part->body_size >= ATTACHMENT_MIN &&
	                  (!is_text(part) || is_attached(part));
	out->media_type = media_type(d, part);
	if (part->kind == PK__PART__KIND__LEAF)
		out->file_name = file_name(d, part);
}

static void describe_parts(struct describer *d)
{
	size_t count = d->tree.count;
	Pk__Part *parts = arena_array(d->arena, count, sizeof(*parts));
	Pk__Part **list = arena_array(d->arena, count, sizeof(Pk__Part *));
	if (parts == NULL || list == NULL) {
		d->full = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		describe_part(d, &d->tree.parts[i], &parts[i]);
		list[i] = &parts[i];
	}
	d->out->parts = list;
	d->out->n_parts = count;
}

/* A message of structure.proto, as it travels. */
static ProtobufCBinaryData pack(struct describer *d, const struct mail_builder *b,
                                const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = b->full ? NULL : arena_alloc(d->arena, size);
	d->damaged |= b->cut;
	d->full |= bytes == NULL;
	if (bytes == NULL)
		return (ProtobufCBinaryData){0};
	protobuf_c_message_pack(message, bytes);
	return (ProtobufCBinaryData){size, bytes};
}

static void describe_structure(struct describer *d)
{
	struct mail_builder b;
	Pk__Envelope envelope;
	mail_builder_init(&b, d->arena);
	mail_envelope_build(&b, d->raw, &d->tree.parts[0], &envelope);
	d->out->envelope = pack(d, &b, &envelope.base);
	mail_builder_done(&b);

	Pk__BodyStructure structure;
	mail_builder_init(&b, d->arena);
	mail_body_structure_build(&b, d->raw, &d->tree, &structure);
	d->out->body_structure = pack(d, &b, &structure.base);
	mail_builder_done(&b);
}

/* ---- fields of the message ---- */

static void describe_subject(struct describer *d, struct str value)
{
	struct buf base BUF_AUTO;
	buf_init(&base, FIELD_TEXT_MAX);
	struct str subject = decode_field(d, value);
	d->out->subject = keep(d, subject);
	mail_base_subject(&base, subject);
	d->out->base_subject = keep(d, fold_text(d, buf_str(&base)));
}

static struct str clean_id(struct describer *d, struct str id)
{
	buf_clear(&d->decoded);
	struct str unfolded = mail_unfold(id, &d->unfolded);
	mail_to_utf8_lenient(&d->decoded, unfolded, STR(""));
	return utf8_cut(buf_str(&d->decoded), MESSAGE_ID_MAX);
}

/* The first identifier; without angle brackets all of it. */
static char *first_id(struct describer *d, struct str value)
{
	struct cursor c = cursor_of(value);
	struct str id;
	if (!mail_message_id_next(&c, &id))
		id = value;
	return keep(d, clean_id(d, id));
}

/* Of too long a list the last identifiers count: they are the nearest in the thread. */
static void describe_references(struct describer *d, struct str value)
{
	struct str id;
	size_t count = 0;
	for (struct cursor c = cursor_of(value); mail_message_id_next(&c, &id);)
		count++;
	size_t skip = count > REFERENCES_MAX ? count - REFERENCES_MAX : 0;
	if (count == 0)
		return;
	char **list = arena_array(d->arena, count - skip, sizeof(*list));
	if (list == NULL) {
		d->full = true;
		return;
	}
	struct cursor c = cursor_of(value);
	for (size_t i = 0; i < count && mail_message_id_next(&c, &id); i++)
		if (i >= skip)
			list[i - skip] = keep(d, clean_id(d, id));
	d->out->references = list;
	d->out->n_references = count - skip;
}

/* Does the address stand in span, which it was read from, as one piece? */
static bool stands_plain(const struct mail_address *address, struct str span, struct str spec)
{
	return str_find(span, spec) >= 0 &&
	       (address->name.len == 0 || str_find(span, address->name) >= 0);
}

/* The addresses of a field whose quotes, comments, folds and blanks hide them in its text, a line each:
 * "name <local@domain>". */
static void add_hidden_addresses(struct buf *out, struct str value)
{
	struct mail_address_reader reader;
	struct mail_address address;
	struct buf spec BUF_AUTO, line BUF_AUTO;
	buf_init(&spec, FIELD_TEXT_MAX);
	buf_init(&line, FIELD_TEXT_MAX);
	mail_address_reader_init(&reader, value);
	for (const char *start = reader.c.p; !out->failed && mail_address_next(&reader, &address);) {
		struct str span = STR_OF(start, reader.c.p - start);
		start = reader.c.p;
		buf_clear(&spec);
		buf_add_str(&spec, address.local);
		if (address.domain.len > 0)
			buf_add_byte(&spec, '@');
		buf_add_str(&spec, address.domain);
		if (spec.len == 0 || stands_plain(&address, span, buf_str(&spec)))
			continue;
		buf_clear(&line);
		mail_words_decode(&line, address.name);
		if (address.name.len > 0)
			buf_add_str(&line, STR(" <"));
		mail_to_utf8_lenient(&line, buf_str(&spec), STR(""));
		if (address.name.len > 0)
			buf_add_byte(&line, '>');
		buf_add_byte(out, '\n');
		mail_search_form(out, buf_str(&line));
	}
	mail_address_reader_done(&reader);
}

static void add_searched_addresses(struct describer *d, struct buf *out, struct str value)
{
	if (out->len > 0)
		buf_add_byte(out, '\n');
	mail_search_form(out, decode_field(d, value));
	add_hidden_addresses(out, value);
}

/* All fields of one kind, decoded and folded, a line each. */
static char *search_addresses(struct describer *d, enum mail_field_id id)
{
	const struct mail_part *root = &d->tree.parts[0];
	struct buf all BUF_AUTO;
	buf_init(&all, FIELD_TEXT_MAX);
	if ((root->repeated & UINT32_C(1) << id) == 0)
		add_searched_addresses(d, &all, root->field[id]);
	struct cursor c = cursor_of(str_slice(mail_part_header(d->raw, root), 0, MAIL_HEADER_MAX));
	struct mail_field field;
	while ((root->repeated & UINT32_C(1) << id) != 0 && mail_header_next(&c, &field))
		if (mail_field_id(field.name) == id)
			add_searched_addresses(d, &all, field.value);
	d->damaged |= all.failed;
	return keep(d, utf8_cut(buf_str(&all), FIELD_TEXT_MAX));
}

static char *sort_key(struct describer *d, struct str value)
{
	buf_clear(&d->decoded);
	mail_address_sort_key(&d->decoded, value);
	return keep(d, utf8_cut(fold_text(d, buf_str(&d->decoded)), SORT_KEY_MAX));
}

static void describe_fields(struct describer *d)
{
	const struct mail_part *root = &d->tree.parts[0];
	int64_t seconds;
	int zone;
	describe_subject(d, root->field[MAIL_FIELD_SUBJECT]);
	d->out->message_id = first_id(d, root->field[MAIL_FIELD_MESSAGE_ID]);
	d->out->in_reply_to = first_id(d, root->field[MAIL_FIELD_IN_REPLY_TO]);
	describe_references(d, root->field[MAIL_FIELD_REFERENCES]);
	if (mail_date_parse(root->field[MAIL_FIELD_DATE], &seconds, &zone)) {
		d->out->has_sent_date = true;
		d->out->sent_date = seconds;
		d->out->sent_zone = zone;
	}
	d->out->from = search_addresses(d, MAIL_FIELD_FROM);
	d->out->to = search_addresses(d, MAIL_FIELD_TO);
	d->out->cc = search_addresses(d, MAIL_FIELD_CC);
	d->out->bcc = search_addresses(d, MAIL_FIELD_BCC);
	d->out->sort_from = sort_key(d, root->field[MAIL_FIELD_FROM]);
	d->out->sort_to = sort_key(d, root->field[MAIL_FIELD_TO]);
	d->out->sort_cc = sort_key(d, root->field[MAIL_FIELD_CC]);
}

/* ---- text to search ---- */

/* "name: value\n" for each field of a header */
static void add_header(struct describer *d, struct buf *out, const struct mail_part *part)
{
	struct cursor c = cursor_of(str_slice(mail_part_header(d->raw, part), 0, MAIL_HEADER_MAX));
	struct mail_field field;
	while (mail_header_next(&c, &field) && !out->failed) {
		if (field.name.len == 0)
			continue;
		mail_search_form(out, field.name);
		buf_add_str(out, STR(": "));
		mail_search_form(out, decode_field(d, field.value));
		buf_add_byte(out, '\n');
	}
}

/* The body of a text part as UTF-8: borrowed from the message where that is possible, else from the
 * scratch buffers. */
static struct str body_text(struct describer *d, const struct mail_part *part)
{
	struct str body = mail_part_body(d->raw, part);
	if (part->encoding != PK__PART__ENCODING__IDENTITY) {
		buf_clear(&d->body);
		if (mail_decode(&d->body, body, part->encoding) == E_TOO_LARGE)
			d->damaged = true;
		body = buf_str(&d->body);
	}
	struct str type, subtype;
	struct mail_params params;
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_TYPE]);
	struct buf charset BUF_AUTO;
	buf_init(&charset, CHARSET_MAX);
	if (part->type_is_written && mail_content_type(&c, &type, &subtype)) {
		mail_params_read(&c, &params);
		mail_params_decode(&params, STR("charset"), &charset);
	}
	enum mail_charset_kind kind = mail_charset_find(str_trim(buf_str(&charset))).kind;
	bool is_utf8 = kind == MAIL_CHARSET_UTF8 || kind == MAIL_CHARSET_ASCII;
	if (is_utf8 && utf8_valid(body))
		return body;
	buf_clear(&d->utf8);
	mail_to_utf8_lenient(&d->utf8, body, str_trim(buf_str(&charset)));
	d->damaged |= d->utf8.failed;
	return buf_str(&d->utf8);
}

/* The first PREVIEW_CHARACTERS characters, white space collapsed (RFC 8970 section 3.1). */
static void make_preview(struct describer *d, struct str text)
{
	char preview[PREVIEW_BYTES];
	size_t len = 0, characters = 0;
	bool white = false;
	text = utf8_cut(text, PREVIEW_LOOK);
	for (size_t i = 0; i < text.len && characters < PREVIEW_CHARACTERS;) {
		size_t bytes = utf8_character(str_from_byte(text, i));
		if (bytes == 0 || (unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 127) {
			white = true;
			i += bytes == 0 ? 1 : bytes;
			continue;
		}
		if (white && len > 0) {
			preview[len++] = ' ';
			if (++characters == PREVIEW_CHARACTERS)
				break;
		}
		white = false;
		memcpy(preview + len, text.ptr + i, bytes);
		len += bytes;
		i += bytes;
		characters++;
	}
	while (len > 0 && preview[len - 1] == ' ')
		len--;
	d->out->preview = keep(d, STR_OF(preview, len));
	d->has_preview = len > 0;
}

static void add_text(struct describer *d, const struct mail_part *part)
{
	struct str text = body_text(d, part);
	if (is_text(part) && str_eq_nocase(part->subtype, STR("html"))) {
		buf_clear(&d->text);
		mail_html_text(&d->text, text);
		d->damaged |= d->text.failed;
		text = buf_str(&d->text);
	}
	mail_search_form(&d->search, text);
	buf_add_byte(&d->search, '\n');
	if (!d->has_preview && is_text(part) && !is_attached(part))
		make_preview(d, text);
}

/* text, and reports such as message/delivery-status */
static bool is_searched(const struct mail_part *part)
{
	return part->kind == PK__PART__KIND__LEAF && part->encoding != PK__PART__ENCODING__OTHER &&
	       (is_text(part) || str_eq_nocase(part->type, STR("message")));
}

static void describe_header(struct describer *d)
{
	struct buf header BUF_AUTO;
	buf_init(&header, SEARCH_HEADER_MAX);
	add_header(d, &header, &d->tree.parts[0]);
	d->out->search_header = keep_bytes(d, &header);
}

/* The last field to be made, for it gets what the others leave of MAIL_DESCRIPTION_MAX. */
static void describe_text(struct describer *d)
{
	enum { LENGTH_BYTES = 16 }; /* tags and lengths of search_text and preview */
	size_t others = pk__description__get_packed_size(d->out) + PREVIEW_BYTES + LENGTH_BYTES;
	d->search.max = others < MAIL_DESCRIPTION_MAX ? MAIL_DESCRIPTION_MAX - others : 0;
	for (size_t i = 0; i < d->tree.count && !d->search.failed; i++) {
		const struct mail_part *part = &d->tree.parts[i];
		if (i > 0 && mail_part_is_message_root(&d->tree, part))
			add_header(d, &d->search, part);
		struct str name = str_from(d->out->parts[i]->file_name);
		if (name.len > 0) {
			mail_search_form(&d->search, name);
			buf_add_byte(&d->search, '\n');
		}
		if (is_searched(part))
			add_text(d, part);
	}
	d->out->search_text = keep_bytes(d, &d->search);
}

static void describe_all(struct describer *d)
{
	describe_parts(d);
	if (d->full)
		return;
	describe_structure(d);
	describe_fields(d);
	describe_header(d);
	describe_text(d);
	d->out->damaged = d->tree.damaged || d->damaged;
}

Pk__Description *mail_describe(struct str raw, struct arena *arena)
{
	struct describer d;
	Pk__Description *out = arena_alloc(arena, sizeof(*out));
	if (out == NULL)
		return NULL;
	pk__description__init(out);
	init(&d, raw, arena);
	d.out = out;
	if (mail_scan(raw, arena, &d.tree) == 0)
		describe_all(&d);
	else
		d.full = true;
	done(&d);
	return d.full ? NULL : out;
}
