#include "imap/structure.h"

#include "imap/writer.h"
#include "mail/describe.h"
#include "mail/rendered.h"

enum {
	RENDERED_ARENA_MAX = 64 * 1024 *
	                     1024, /* for text of an earlier version, which is bounded too */
	/* What a description says of one message (mail/builder.h) is less; more is not looked at. */
	PACKED_MAX = 4 * 1024 * 1024,
};

static void write_nstring(struct buf *out, ProtobufCBinaryData text, bool is_there)
{
	if (is_there)
		imap_write_string(out, STR_OF_BYTES(text));
	else
		buf_add_str(out, STR("NIL"));
}

/* Words whose case means nothing are written in lower case. */
static void write_lower(struct buf *out, struct str word)
{
	size_t start = out->len;
	imap_write_string(out, word);
	for (size_t i = start; i < out->len; i++)
		out->ptr[i] = ascii_lower(out->ptr[i]);
}

/* ---------------------------------------------------------------- ENVELOPE */

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static void write_mailbox(struct buf *out, const Pk__Address *address)
{
	buf_add_byte(out, '(');
	write_nstring(out, address->name, address->has_name);
	buf_add_byte(out, ' ');
	write_nstring(out, address->route, address->has_route);
	buf_add_byte(out, ' ');
	imap_write_string(out, STR_OF_BYTES(address->local));
	buf_add_byte(out, ' ');
	/* Empty where there is none, for NIL would begin a group. */
	imap_write_string(out, STR_OF_BYTES(address->domain));
	buf_add_byte(out, ')');
}

static void write_group_end(struct buf *out)
{
	buf_add_str(out, STR("(NIL NIL NIL NIL)"));
}

/* env-to = "(" 1*address ")" / nil; a group that begins ends too */
static void write_addresses(struct buf *out, Pk__Address *const *list, size_t count)
{
	bool in_group = false;
	size_t start = out->len;
	buf_add_byte(out, '(');
	for (size_t i = 0; i < count; i++) {
		const Pk__Address *address = list[i];
		if (address->kind == PK__ADDRESS__KIND__MAILBOX) {
			write_mailbox(out, address);
			continue;
		}
		if (in_group)
			write_group_end(out);
		in_group = address->kind == PK__ADDRESS__KIND__GROUP_START;
		if (!in_group)
			continue;
		buf_add_str(out, STR("(NIL NIL "));
		imap_write_string(out, STR_OF_BYTES(address->name));
		buf_add_str(out, STR(" NIL)"));
	}
	if (in_group)
		write_group_end(out);
	if (out->len == start + 1) {
		out->len = start;
		buf_add_str(out, STR("NIL"));
		return;
	}
	buf_add_byte(out, ')');
}

/* Again what stands there already: Sender and Reply-To that are not there are those of From. */
static void write_again(struct buf *out, size_t from, size_t to)
{
	if (buf_reserve(out, to - from) != NULL)
		buf_add(out, out->ptr + from, to - from);
}

void imap_write_envelope(struct buf *out, const Pk__Envelope *envelope)
{
	buf_add_byte(out, '(');
	write_nstring(out, envelope->date, envelope->has_date);
	buf_add_byte(out, ' ');
	write_nstring(out, envelope->subject, envelope->has_subject);
	buf_add_byte(out, ' ');
	size_t from_start = out->len;
	write_addresses(out, envelope->from, envelope->n_from);
	size_t from_end = out->len;
	buf_add_byte(out, ' ');
	if (envelope->n_sender > 0)
		write_addresses(out, envelope->sender, envelope->n_sender);
	else
		write_again(out, from_start, from_end);
	buf_add_byte(out, ' ');
	if (envelope->n_reply_to > 0)
		write_addresses(out, envelope->reply_to, envelope->n_reply_to);
	else
		write_again(out, from_start, from_end);
	buf_add_byte(out, ' ');
	write_addresses(out, envelope->to, envelope->n_to);
	buf_add_byte(out, ' ');
	write_addresses(out, envelope->cc, envelope->n_cc);
	buf_add_byte(out, ' ');
	write_addresses(out, envelope->bcc, envelope->n_bcc);
	buf_add_byte(out, ' ');
	write_nstring(out, envelope->in_reply_to, envelope->has_in_reply_to);
	buf_add_byte(out, ' ');
	write_nstring(out, envelope->message_id, envelope->has_message_id);
	buf_add_byte(out, ')');
}

/* ---------------------------------------------------------------- BODYSTRUCTURE */

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil */
static void write_parameters(struct buf *out, const ProtobufCBinaryData *list, size_t count)
{
	if (count < 2) {
		buf_add_str(out, STR("NIL"));
		return;
	}
	for (size_t i = 0; i + 1 < count; i += 2) {
		buf_add_byte(out, i == 0 ? '(' : ' ');
		imap_write_string(out, STR_OF_BYTES(list[i]));
		buf_add_byte(out, ' ');
		imap_write_string(out, STR_OF_BYTES(list[i + 1]));
	}
	buf_add_byte(out, ')');
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static void write_languages(struct buf *out, const Pk__Body *body)
{
	if (body->n_languages == 1) {
		imap_write_string(out, STR_OF_BYTES(body->languages[0]));
		return;
	}
	for (size_t i = 0; i < body->n_languages; i++) {
		buf_add_byte(out, i == 0 ? '(' : ' ');
		imap_write_string(out, STR_OF_BYTES(body->languages[i]));
	}
	buf_add_str(out, body->n_languages == 0 ? STR("NIL") : STR(")"));
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void write_extension(struct buf *out, const Pk__Body *body)
{
	if (!body->has_disposition) {
		buf_add_str(out, STR(" NIL "));
	} else {
		buf_add_str(out, STR(" ("));
		write_lower(out, STR_OF_BYTES(body->disposition));
		buf_add_byte(out, ' ');
		write_parameters(out, body->disposition_parameters, body->n_disposition_parameters);
		buf_add_str(out, STR(") "));
	}
	write_languages(out, body);
	buf_add_byte(out, ' ');
	write_nstring(out, body->location, body->has_location);
}

/* Clients keep it in 32 bits (RFC 3501 section 9). */
static void write_number(struct buf *out, uint64_t n)
{
	buf_add_byte(out, ' ');
	buf_add_u64(out, n < UINT32_MAX ? n : UINT32_MAX);
}

/* The end of a part that is not a multipart: body-ext-1part ")" */
static void end_single(struct buf *out, const Pk__Body *body, bool extended)
{
	if (extended) {
		buf_add_byte(out, ' ');
		write_nstring(out, body->md5, body->has_md5);
		write_extension(out, body);
	}
	buf_add_byte(out, ')');
}

/* media SP body-fields */
static void write_fields(struct buf *out, const Pk__Body *body, struct str type, struct str subtype)
{
	write_lower(out, type);
	buf_add_byte(out, ' ');
	write_lower(out, subtype);
	buf_add_byte(out, ' ');
	write_parameters(out, body->parameters, body->n_parameters);
	buf_add_byte(out, ' ');
	write_nstring(out, body->id, body->has_id);
	buf_add_byte(out, ' ');
	write_nstring(out, body->description, body->has_description);
	buf_add_byte(out, ' ');
	if (body->has_encoding)
		write_lower(out, STR_OF_BYTES(body->encoding));
	else
		buf_add_str(out, STR("\"7bit\""));
	write_number(out, body->size);
}

static bool is_message(struct str type, struct str subtype)
{
	return str_eq_nocase(type, STR("message")) && str_eq_nocase(subtype, STR("rfc822"));
}

/* What a body is to a client: the form of it depends on its type alone, so a type whose form it does not
 * have is not shown. */
enum form { FORM_LEAF, FORM_MULTIPART, FORM_MESSAGE };

static enum form form_of(const Pk__BodyStructure *structure, size_t index)
{
	const Pk__Body *body = structure->bodies[index];
	bool has_child = index + 1 < structure->n_bodies &&
	                 structure->bodies[index + 1]->parent == index + 1;
	if (!has_child)
		return FORM_LEAF;
	if (body->kind == PK__PART__KIND__MULTIPART)
		return FORM_MULTIPART;
	return body->kind == PK__PART__KIND__MESSAGE &&
	               is_message(STR_OF_BYTES(body->type), STR_OF_BYTES(body->subtype)) &&
	               body->envelope != NULL
	           ? FORM_MESSAGE
	           : FORM_LEAF;
}

static void write_leaf(struct buf *out, const Pk__Body *body, bool extended)
{
	struct str type = STR_OF_BYTES(body->type), subtype = STR_OF_BYTES(body->subtype);
	if (type.len == 0 || str_eq_nocase(type, STR("multipart")) || is_message(type, subtype)) {
		type = STR("application");
		subtype = STR("octet-stream");
	}
	write_fields(out, body, type, subtype);
	if (str_eq_nocase(type, STR("text")))
		write_number(out, body->lines);
	end_single(out, body, extended);
}

/* What stands around the body that is written. */
struct around {
	uint32_t number; /* its index plus 1 */
	enum form form;
	bool hidden;  /* it is shown as a leaf, and so what is inside is not shown */
	bool has_one; /* a body inside has been written */
};

struct tree {
	const Pk__BodyStructure *structure;
	struct buf *out;
	bool extended;
	struct around open[MAIL_DEPTH_MAX + 1];
	size_t depth;
};

/* What comes after the children: of body-type-mpart and body-type-msg */
static void end_outer(struct tree *t)
{
	const struct around *around = &t->open[--t->depth];
	const Pk__Body *body = t->structure->bodies[around->number - 1];
	if (around->hidden)
		return;
	if (around->form == FORM_MESSAGE) {
		write_number(t->out, body->lines);
		end_single(t->out, body, t->extended);
		return;
	}
	buf_add_byte(t->out, ' ');
	write_lower(t->out, STR_OF_BYTES(body->subtype));
	if (t->extended) {
		buf_add_byte(t->out, ' ');
		write_parameters(t->out, body->parameters, body->n_parameters);
		write_extension(t->out, body);
	}
	buf_add_byte(t->out, ')');
}

/* A body up to the first one inside it, all of it if it has the form of a leaf. */
static bool begin_body(struct tree *t, size_t index)
{
	const Pk__Body *body = t->structure->bodies[index];
	struct around *outer = t->depth == 0 ? NULL : &t->open[t->depth - 1];
	bool hidden = outer != NULL && (outer->hidden || outer->form == FORM_LEAF);
	enum form form = form_of(t->structure, index);
	if (outer != NULL && outer->form == FORM_MESSAGE && outer->has_one)
		return false;
	if (outer != NULL)
		outer->has_one = true;
	if (!hidden)
		buf_add_byte(t->out, '(');
	if (!hidden && form == FORM_LEAF)
		write_leaf(t->out, body, t->extended);
	if (!hidden && form == FORM_MESSAGE) {
		write_fields(t->out, body, STR_OF_BYTES(body->type), STR_OF_BYTES(body->subtype));
		buf_add_byte(t->out, ' ');
		imap_write_envelope(t->out, body->envelope);
		buf_add_byte(t->out, ' ');
	}
	if (body->kind == PK__PART__KIND__LEAF)
		return true;
	if (t->depth == sizeof(t->open) / sizeof(t->open[0]))
		return false;
	t->open[t->depth++] = (struct around){
		.number = (uint32_t)index + 1, .form = form, .hidden = hidden || form == FORM_LEAF};
	return true;
}

static bool write_tree(struct tree *t)
{
	size_t count = t->structure->n_bodies;
	if (count == 0 || count > MAIL_PARTS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		uint32_t parent = t->structure->bodies[i]->parent;
		while (t->depth > 0 && t->open[t->depth - 1].number != parent)
			end_outer(t);
		if ((t->depth == 0) != (i == 0) || (i == 0 && parent != 0) || !begin_body(t, i))
			return false;
	}
	while (t->depth > 0)
		end_outer(t);
	return true;
}

bool imap_write_body_structure(struct buf *out, const Pk__BodyStructure *structure, bool extended)
{
	struct tree t = {.structure = structure, .out = out, .extended = extended};
	size_t before = out->len;
	if (write_tree(&t))
		return true;
	out->len = before;
	return false;
}

/* ---------------------------------------------------------------- of a row */

static void *unpack(struct scratch *scratch, const ProtobufCMessageDescriptor *type,
                    struct str packed)
{
	return packed.len == 0 || packed.len > PACKED_MAX
	           ? NULL
	           : scratch_unpack(scratch, type, packed, WIRE_ITEMS_MANY);
}

void imap_write_row_envelope(struct buf *out, struct scratch *scratch,
                             const struct imap_described *from)
{
	static const Pk__Envelope nothing = PK__ENVELOPE__INIT;
	struct scratch_mark mark = scratch_mark(scratch);
	const Pk__Envelope *envelope = unpack(scratch, &pk__envelope__descriptor, from->packed);
	struct arena *arena = from->rendered.len == 0 ? NULL : arena_new(RENDERED_ARENA_MAX);
	Pk__Envelope read;
	if (arena != NULL && mail_rendered_envelope(from->rendered, arena, &read) == 0)
		envelope = &read;
	imap_write_envelope(out, envelope == NULL ? &nothing : envelope);
	arena_free(arena);
	scratch_release(scratch, &mark);
}

void imap_write_row_structure(struct buf *out, struct scratch *scratch,
                              const struct imap_described *from, bool extended)
{
	struct scratch_mark mark = scratch_mark(scratch);
	const Pk__BodyStructure *structure = unpack(scratch, &pk__body_structure__descriptor,
	                                            from->packed);
	struct arena *arena = from->rendered.len == 0 ? NULL : arena_new(RENDERED_ARENA_MAX);
	Pk__BodyStructure read;
	if (arena != NULL && mail_rendered_body_structure(from->rendered, arena, &read) == 0)
		structure = &read;
	if (structure == NULL || !imap_write_body_structure(out, structure, extended))
		buf_add_str(out, extended
		                     ? STR("(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0"
		                           " NIL NIL NIL NIL)")
		                     : STR("(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0)"));
	arena_free(arena);
	scratch_release(scratch, &mark);
}
