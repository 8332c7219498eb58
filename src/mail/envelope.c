#include "mail/envelope.h"

#include "mail/address.h"

enum { ADDRESS_COST = 24 }; /* of "(NIL NIL ...)" besides its strings */

static void add_text_or_nil(struct mail_render *r, struct str text)
{
	mail_render_nstring(r, text.len == 0 ? (struct str){NULL, 0} : text);
}

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static void add_address(struct mail_render *r, const struct mail_address *address)
{
	switch (address->kind) {
	case MAIL_ADDRESS_GROUP_START:
		buf_add_str(r->out, STR("(NIL NIL "));
		mail_render_string(r, address->name);
		buf_add_str(r->out, STR(" NIL)"));
		break;
	case MAIL_ADDRESS_GROUP_END:
		buf_add_str(r->out, STR("(NIL NIL NIL NIL)"));
		break;
	default:
		buf_add_byte(r->out, '(');
		add_text_or_nil(r, address->name);
		buf_add_byte(r->out, ' ');
		add_text_or_nil(r, address->route);
		buf_add_byte(r->out, ' ');
		mail_render_string(r, address->local);
		buf_add_byte(r->out, ' ');
		mail_render_string(r, address->domain);
		buf_add_byte(r->out, ')');
	}
}

/* The addresses of one field; they follow each other without anything between. */
static void add_addresses(struct mail_render *r, struct str value)
{
	struct mail_address_reader reader;
	struct mail_address address;
	bool in_group = false;
	mail_address_reader_init(&reader, value);
	while (mail_address_next(&reader, &address)) {
		/* The end of a group is paid for with its start. */
		bool is_end = address.kind == MAIL_ADDRESS_GROUP_END;
		if (!is_end && !mail_render_charge(r, ADDRESS_COST))
			break;
		if (address.kind == MAIL_ADDRESS_GROUP_START)
			in_group = true;
		else if (is_end)
			in_group = false;
		add_address(r, &address);
	}
	if (in_group)
		buf_add_str(r->out, STR("(NIL NIL NIL NIL)"));
	mail_address_reader_done(&reader);
}

static void add_repeated(struct mail_render *r, struct str header, enum mail_field_id id)
{
	struct cursor c = cursor_of(header);
	struct mail_field field;
	while (mail_header_next(&c, &field)) {
		if (mail_field_id(field.name) == id)
			add_addresses(r, field.value);
	}
}

/* env-to = "(" 1*address ")" / nil, likewise the others. False for NIL. */
static bool add_list(struct mail_render *r, struct str raw, const struct mail_part *part,
                     enum mail_field_id id)
{
	size_t start = r->out->len;
	bool is_one = id == MAIL_FIELD_FROM || id == MAIL_FIELD_SENDER || id == MAIL_FIELD_REPLY_TO;
	buf_add_byte(r->out, '(');
	size_t first = r->out->len;
	if ((part->repeated & UINT32_C(1) << id) != 0 && !is_one)
		add_repeated(r, mail_part_header(raw, part), id);
	else
		add_addresses(r, part->field[id]);
	if (r->out->len == first) {
		r->out->len = start;
		buf_add_str(r->out, STR("NIL"));
		return false;
	}
	buf_add_byte(r->out, ')');
	return true;
}

/* Sender and Reply-To are those of From where they are absent or empty. */
static void add_list_or_from(struct mail_render *r, struct str raw, const struct mail_part *part,
                             enum mail_field_id id, size_t from_start, size_t from_end)
{
	size_t start = r->out->len;
	if (add_list(r, raw, part, id))
		return;
	if (!mail_render_charge(r, from_end - from_start))
		return;
	r->out->len = start;
	if (buf_reserve(r->out, from_end - from_start) != NULL)
		buf_add(r->out, r->out->ptr + from_start, from_end - from_start);
}

void mail_envelope_render(struct mail_render *r, struct str raw, const struct mail_part *part)
{
	struct buf *out = r->out;
	buf_add_byte(out, '(');
	mail_render_field(r, part->field[MAIL_FIELD_DATE]);
	buf_add_byte(out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_SUBJECT]);
	buf_add_byte(out, ' ');
	size_t from_start = out->len;
	add_list(r, raw, part, MAIL_FIELD_FROM);
	size_t from_end = out->len;
	buf_add_byte(out, ' ');
	add_list_or_from(r, raw, part, MAIL_FIELD_SENDER, from_start, from_end);
	buf_add_byte(out, ' ');
	add_list_or_from(r, raw, part, MAIL_FIELD_REPLY_TO, from_start, from_end);
	buf_add_byte(out, ' ');
	add_list(r, raw, part, MAIL_FIELD_TO);
	buf_add_byte(out, ' ');
	add_list(r, raw, part, MAIL_FIELD_CC);
	buf_add_byte(out, ' ');
	add_list(r, raw, part, MAIL_FIELD_BCC);
	buf_add_byte(out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_IN_REPLY_TO]);
	buf_add_byte(out, ' ');
	mail_render_field(r, part->field[MAIL_FIELD_MESSAGE_ID]);
	buf_add_byte(out, ')');
}
