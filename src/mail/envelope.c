#include "mail/envelope.h"

#include "mail/address.h"

enum { ADDRESS_COST = 24 }; /* of an address besides its texts */

static bool add_text(struct mail_builder *b, struct str text, ProtobufCBinaryData *ret)
{
	return text.len > 0 && mail_build_bytes(b, text, ret);
}

static void add_address(struct mail_builder *b, struct mail_build_list *list,
                        const struct mail_address *address)
{
	Pk__Address *out = mail_build_add(b, list, sizeof(*out));
	if (out == NULL)
		return;
	pk__address__init(out);
	switch (address->kind) {
	case MAIL_ADDRESS_GROUP_START:
		out->kind = PK__ADDRESS__KIND__GROUP_START;
		break;
	case MAIL_ADDRESS_GROUP_END:
		out->kind = PK__ADDRESS__KIND__GROUP_END;
		break;
	case MAIL_ADDRESS_MAILBOX:
		break;
	}
	out->has_kind = out->kind != PK__ADDRESS__KIND__MAILBOX;
	out->has_name = add_text(b, address->name, &out->name);
	out->has_route = add_text(b, address->route, &out->route);
	out->has_local = add_text(b, address->local, &out->local);
	out->has_domain = add_text(b, address->domain, &out->domain);
}

static void add_addresses(struct mail_builder *b, struct mail_build_list *list, struct str value)
{
	static const struct mail_address end = {.kind = MAIL_ADDRESS_GROUP_END};
	struct mail_address_reader reader;
	struct mail_address address;
	bool in_group = false;
	mail_address_reader_init(&reader, value);
	while (!b->full && mail_address_next(&reader, &address)) {
		/* The end of a group is paid for with its start. */
		bool is_end = address.kind == MAIL_ADDRESS_GROUP_END;
		if (!is_end && !mail_build_charge(b, ADDRESS_COST))
			break;
		if (address.kind == MAIL_ADDRESS_GROUP_START)
			in_group = true;
		else if (is_end)
			in_group = false;
		add_address(b, list, &address);
	}
	if (in_group)
		add_address(b, list, &end);
	mail_address_reader_done(&reader);
}

static void add_repeated(struct mail_builder *b, struct mail_build_list *list, struct str header,
                         enum mail_field_id id)
{
	struct cursor c = cursor_of(header);
	struct mail_field field;
	while (mail_header_next(&c, &field))
		if (mail_field_id(field.name) == id)
			add_addresses(b, list, field.value);
}

static void add_list(struct mail_builder *b, struct str raw, const struct mail_part *part,
                     enum mail_field_id id, Pk__Address ***ret, size_t *ret_count)
{
	struct mail_build_list list = {0};
	bool is_one = id == MAIL_FIELD_FROM || id == MAIL_FIELD_SENDER || id == MAIL_FIELD_REPLY_TO;
	if ((part->repeated & UINT32_C(1) << id) != 0 && !is_one)
		add_repeated(b, &list, mail_part_header(raw, part), id);
	else
		add_addresses(b, &list, part->field[id]);
	*ret = (Pk__Address **)list.items;
	*ret_count = list.count;
}

void mail_envelope_build(struct mail_builder *b, struct str raw, const struct mail_part *part,
                         Pk__Envelope *ret)
{
	const struct str *field = part->field;
	pk__envelope__init(ret);
	ret->has_date = mail_build_field(b, field[MAIL_FIELD_DATE], &ret->date);
	ret->has_subject = mail_build_field(b, field[MAIL_FIELD_SUBJECT], &ret->subject);
	add_list(b, raw, part, MAIL_FIELD_FROM, &ret->from, &ret->n_from);
	add_list(b, raw, part, MAIL_FIELD_SENDER, &ret->sender, &ret->n_sender);
	add_list(b, raw, part, MAIL_FIELD_REPLY_TO, &ret->reply_to, &ret->n_reply_to);
	add_list(b, raw, part, MAIL_FIELD_TO, &ret->to, &ret->n_to);
	add_list(b, raw, part, MAIL_FIELD_CC, &ret->cc, &ret->n_cc);
	add_list(b, raw, part, MAIL_FIELD_BCC, &ret->bcc, &ret->n_bcc);
	ret->has_in_reply_to = mail_build_field(b, field[MAIL_FIELD_IN_REPLY_TO], &ret->in_reply_to);
	ret->has_message_id = mail_build_field(b, field[MAIL_FIELD_MESSAGE_ID], &ret->message_id);
}
