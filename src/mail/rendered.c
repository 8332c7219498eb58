#include "mail/rendered.h"

#include "mail/builder.h"
#include "mail/describe.h"

struct reading {
	struct cursor c;
	struct mail_builder b; /* for its lists; nothing is charged */
};

static bool space(struct reading *r)
{
	return cursor_byte(&r->c, ' ');
}

static bool nil(struct reading *r)
{
	return cursor_text(&r->c, STR("NIL"));
}

/* ---------------------------------------------------------------- strings, numbers */

static struct str unescaped(struct reading *r, struct str text)
{
	char *copy = arena_alloc(r->b.arena, text.len + 1);
	size_t len = 0;
	r->b.full |= copy == NULL;
	for (size_t i = 0; copy != NULL && i < text.len; i++) {
		i += text.ptr[i] == '\\';
		copy[len++] = text.ptr[i];
	}
	return STR_OF(copy, len);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE, the cursor behind its first quote */
static bool quoted(struct reading *r, struct str *ret)
{
	struct cursor c = r->c;
	bool escaped = false;
	while (!cursor_at_end(&c) && *c.p != '"') {
		unsigned char byte = (unsigned char)*c.p++;
		if (byte == '\\') {
			escaped = true;
			if (cursor_peek(&c) != '"' && cursor_peek(&c) != '\\')
				return false;
			c.p++;
		} else if (byte == 0 || byte == '\r' || byte == '\n' || byte >= 0x80) {
			return false;
		}
	}
	struct str text = STR_OF(r->c.p, c.p - r->c.p);
	if (!cursor_byte(&c, '"'))
		return false;
	r->c = c;
	*ret = escaped ? unescaped(r, text) : text;
	return true;
}

static bool string(struct reading *r, struct str *ret)
{
	uint64_t len;
	if (cursor_byte(&r->c, '"'))
		return quoted(r, ret);
	return cursor_byte(&r->c, '{') && cursor_u64(&r->c, UINT32_MAX, &len) &&
	       cursor_text(&r->c, STR("}\r\n")) && cursor_take(&r->c, (size_t)len, ret);
}

static bool bytes(struct reading *r, ProtobufCBinaryData *ret, protobuf_c_boolean *ret_has)
{
	struct str text;
	if (!string(r, &text))
		return false;
	*ret = (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
	*ret_has = true;
	return true;
}

static bool nstring(struct reading *r, ProtobufCBinaryData *ret, protobuf_c_boolean *ret_has)
{
	return nil(r) || bytes(r, ret, ret_has);
}

static bool number(struct reading *r, uint64_t *ret, protobuf_c_boolean *ret_has)
{
	*ret_has = true;
	return cursor_u64(&r->c, UINT32_MAX, ret);
}

/* ---------------------------------------------------------------- ENVELOPE */

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"; without a host it begins a
 * group, without a mailbox too it ends one */
static bool address(struct reading *r, Pk__Address *ret)
{
	if (!cursor_byte(&r->c, '(') || !nstring(r, &ret->name, &ret->has_name) || !space(r) ||
	    !nstring(r, &ret->route, &ret->has_route) || !space(r) ||
	    !nstring(r, &ret->local, &ret->has_local) || !space(r) ||
	    !nstring(r, &ret->domain, &ret->has_domain) || !cursor_byte(&r->c, ')'))
		return false;
	if (ret->has_domain)
		return ret->has_local;
	if (ret->has_name || ret->has_route)
		return false;
	ret->has_kind = true;
	ret->kind = ret->has_local ? PK__ADDRESS__KIND__GROUP_START : PK__ADDRESS__KIND__GROUP_END;
	ret->name = ret->local;
	ret->has_name = ret->has_local;
	ret->has_local = false;
	return true;
}

/* "(" 1*address ")" / nil */
static bool addresses(struct reading *r, Pk__Address ***ret, size_t *ret_count)
{
	struct mail_build_list list = {0};
	if (nil(r))
		return true;
	if (!cursor_byte(&r->c, '('))
		return false;
	do {
		Pk__Address *one = mail_build_add(&r->b, &list, sizeof(*one));
		if (one == NULL)
			return false;
		pk__address__init(one);
		if (!address(r, one))
			return false;
	} while (cursor_peek(&r->c) == '(');
	*ret = (Pk__Address **)list.items;
	*ret_count = list.count;
	return cursor_byte(&r->c, ')');
}

/* envelope = "(" env-date SP env-subject SP env-from SP ... SP env-message-id ")" */
static bool envelope(struct reading *r, Pk__Envelope *ret)
{
	pk__envelope__init(ret);
	return cursor_byte(&r->c, '(') && nstring(r, &ret->date, &ret->has_date) && space(r) &&
	       nstring(r, &ret->subject, &ret->has_subject) && space(r) &&
	       addresses(r, &ret->from, &ret->n_from) && space(r) &&
	       addresses(r, &ret->sender, &ret->n_sender) && space(r) &&
	       addresses(r, &ret->reply_to, &ret->n_reply_to) && space(r) &&
	       addresses(r, &ret->to, &ret->n_to) && space(r) && addresses(r, &ret->cc, &ret->n_cc) &&
	       space(r) && addresses(r, &ret->bcc, &ret->n_bcc) && space(r) &&
	       nstring(r, &ret->in_reply_to, &ret->has_in_reply_to) && space(r) &&
	       nstring(r, &ret->message_id, &ret->has_message_id) && cursor_byte(&r->c, ')');
}

/* ---------------------------------------------------------------- BODYSTRUCTURE */

/* Takes over what was collected one by one. */
static bool as_array(struct reading *r, const struct mail_build_list *list,
                     ProtobufCBinaryData **ret, size_t *ret_count)
{
	*ret = arena_array(r->b.arena, list->count, sizeof(**ret));
	r->b.full |= *ret == NULL;
	if (*ret == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++)
		(*ret)[i] = *(ProtobufCBinaryData *)list->items[i];
	*ret_count = list->count;
	return true;
}

static bool listed(struct reading *r, struct mail_build_list *list)
{
	ProtobufCBinaryData *one = mail_build_add(&r->b, list, sizeof(*one));
	protobuf_c_boolean has;
	return one != NULL && bytes(r, one, &has);
}

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil */
static bool parameters(struct reading *r, ProtobufCBinaryData **ret, size_t *ret_count)
{
	struct mail_build_list list = {0};
	if (nil(r))
		return true;
	if (!cursor_byte(&r->c, '('))
		return false;
	do {
		if (!listed(r, &list) || !space(r) || !listed(r, &list))
			return false;
	} while (space(r));
	return cursor_byte(&r->c, ')') && as_array(r, &list, ret, ret_count);
}

/* body-fld-dsp = "(" string SP body-fld-param ")" / nil */
static bool disposition(struct reading *r, Pk__Body *ret)
{
	return nil(r) || (cursor_byte(&r->c, '(') &&
	                  bytes(r, &ret->disposition, &ret->has_disposition) && space(r) &&
	                  parameters(r, &ret->disposition_parameters, &ret->n_disposition_parameters) &&
	                  cursor_byte(&r->c, ')'));
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static bool languages(struct reading *r, Pk__Body *ret)
{
	struct mail_build_list list = {0};
	if (nil(r))
		return true;
	bool many = cursor_byte(&r->c, '(');
	do {
		if (!listed(r, &list))
			return false;
	} while (many && space(r));
	if (many && !cursor_byte(&r->c, ')'))
		return false;
	return as_array(r, &list, &ret->languages, &ret->n_languages);
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc ")" */
static bool extension(struct reading *r, Pk__Body *ret)
{
	return space(r) && disposition(r, ret) && space(r) && languages(r, ret) && space(r) &&
	       nstring(r, &ret->location, &ret->has_location) && cursor_byte(&r->c, ')');
}

static bool end_single(struct reading *r, Pk__Body *ret)
{
	return space(r) && nstring(r, &ret->md5, &ret->has_md5) && extension(r, ret);
}

static bool lines(struct reading *r, Pk__Body *ret)
{
	return space(r) && number(r, &ret->lines, &ret->has_lines);
}

static bool is(ProtobufCBinaryData word, struct str text)
{
	return str_eq_nocase(STR_OF_BYTES(word), text);
}

/* media SP body-fields, and of a leaf all of it */
static bool begin_single(struct reading *r, Pk__Body *ret)
{
	if (!bytes(r, &ret->type, &ret->has_type) || !space(r) ||
	    !bytes(r, &ret->subtype, &ret->has_subtype) || !space(r) ||
	    !parameters(r, &ret->parameters, &ret->n_parameters) || !space(r) ||
	    !nstring(r, &ret->id, &ret->has_id) || !space(r) ||
	    !nstring(r, &ret->description, &ret->has_description) || !space(r) ||
	    !bytes(r, &ret->encoding, &ret->has_encoding) || !space(r) ||
	    !number(r, &ret->size, &ret->has_size))
		return false;
	if (is(ret->type, STR("message")) &&
	    (is(ret->subtype, STR("rfc822")) || is(ret->subtype, STR("global")))) {
		ret->has_kind = true;
		ret->kind = PK__PART__KIND__MESSAGE;
		ret->envelope = arena_alloc(r->b.arena, sizeof(*ret->envelope));
		r->b.full |= ret->envelope == NULL;
		return ret->envelope != NULL && space(r) && envelope(r, ret->envelope) && space(r);
	}
	return (!is(ret->type, STR("text")) || lines(r, ret)) && end_single(r, ret);
}

/* The end of what stood around the last body */
static bool end_outer(struct reading *r, Pk__Body *ret)
{
	if (ret->kind == PK__PART__KIND__MESSAGE)
		return lines(r, ret) && end_single(r, ret);
	return space(r) && bytes(r, &ret->subtype, &ret->has_subtype) && space(r) &&
	       parameters(r, &ret->parameters, &ret->n_parameters) && extension(r, ret);
}

static Pk__Body *begin_body(struct reading *r, struct mail_build_list *bodies, uint32_t parent)
{
	Pk__Body *body = bodies->count >= MAIL_PARTS_MAX ? NULL
	                                                 : mail_build_add(&r->b, bodies, sizeof(*body));
	if (body == NULL || !cursor_byte(&r->c, '('))
		return NULL;
	pk__body__init(body);
	body->has_parent = parent > 0;
	body->parent = parent;
	if (cursor_peek(&r->c) != '(')
		return begin_single(r, body) ? body : NULL;
	body->has_kind = body->has_type = true;
	body->kind = PK__PART__KIND__MULTIPART;
	body->type = (ProtobufCBinaryData){9, (uint8_t *)(uintptr_t) "multipart"};
	return body;
}

/* body, one level of nesting an entry of a stack */
static bool body_structure(struct reading *r, struct mail_build_list *bodies)
{
	uint32_t open[MAIL_DEPTH_MAX + 1]; /* index plus 1 of the bodies around */
	size_t depth = 0;
	do {
		if (depth > MAIL_DEPTH_MAX)
			return false;
		const Pk__Body *body = begin_body(r, bodies, depth == 0 ? 0 : open[depth - 1]);
		if (body == NULL)
			return false;
		if (body->kind != PK__PART__KIND__LEAF) {
			open[depth++] = (uint32_t)bodies->count;
			continue;
		}
		while (depth > 0) {
			Pk__Body *outer = bodies->items[open[depth - 1] - 1];
			if (outer->kind == PK__PART__KIND__MULTIPART && cursor_peek(&r->c) == '(')
				break; /* the next part of it */
			if (!end_outer(r, outer))
				return false;
			depth--;
		}
	} while (depth > 0);
	return true;
}

/* ---------------------------------------------------------------- both */

static int finish(struct reading *r, bool good)
{
	mail_builder_done(&r->b);
	if (r->b.full)
		return E_TOO_LARGE;
	return good && cursor_at_end(&r->c) ? 0 : E_INVALID;
}

int mail_rendered_envelope(struct str text, struct arena *arena, Pk__Envelope *ret)
{
	struct reading r = {.c = cursor_of(text)};
	mail_builder_init(&r.b, arena);
	bool good = envelope(&r, ret);
	return finish(&r, good);
}

int mail_rendered_body_structure(struct str text, struct arena *arena, Pk__BodyStructure *ret)
{
	struct reading r = {.c = cursor_of(text)};
	struct mail_build_list bodies = {0};
	mail_builder_init(&r.b, arena);
	bool good = body_structure(&r, &bodies);
	pk__body_structure__init(ret);
	ret->bodies = (Pk__Body **)bodies.items;
	ret->n_bodies = bodies.count;
	return finish(&r, good);
}
