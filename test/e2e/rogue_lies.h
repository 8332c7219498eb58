#ifndef POSTKASSE_TEST_ROGUE_LIES_H
#define POSTKASSE_TEST_ROGUE_LIES_H

/* What the misbehaving front (rogue.c) says of a message instead of what is in it. */

#include "base/str.h"
#include "net/link.h"
#include "structure.pb-c.h"

/* What it would like its victim's client to read. */
static const struct str lies[] = {
	STR("x\r\n* BYE gone\r\n"),          STR("\r\nt1 OK done\r\n* OK"), STR("\" NIL) {3}\r\n"),
	STR("a\0b\\\"\xff\r* NO [ALERT] x"), STR(")\n* 1 EXPUNGE\n"),
};

static ProtobufCBinaryData bytes_of(struct str s)
{
	return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static void lie_in_address(Pk__Address *address, struct str lie)
{
	pk__address__init(address);
	address->has_name = address->has_route = address->has_local = address->has_domain = true;
	address->name = address->route = address->local = address->domain = bytes_of(lie);
}

/* The lie in every field of an envelope and of a structure, packed into out. */
static void pack_lies(struct str lie, struct buf *ret_envelope, struct buf *ret_structure)
{
	Pk__Address address, *list[] = {&address};
	Pk__Envelope e = PK__ENVELOPE__INIT;
	lie_in_address(&address, lie);
	e.has_date = e.has_subject = e.has_in_reply_to = e.has_message_id = true;
	e.date = e.subject = e.in_reply_to = e.message_id = bytes_of(lie);
	e.from = e.sender = e.reply_to = e.to = e.cc = e.bcc = list;
	e.n_from = e.n_sender = e.n_reply_to = e.n_to = e.n_cc = e.n_bcc = 1;
	link_pack(ret_envelope, &e.base);

	ProtobufCBinaryData languages[] = {bytes_of(lie), bytes_of(lie)};
	Pk__Body body = PK__BODY__INIT, *bodies[] = {&body};
	body.has_type = body.has_subtype = body.has_id = body.has_description = true;
	body.has_encoding = body.has_md5 = body.has_location = body.has_size = body.has_lines = true;
	body.type = body.subtype = body.id = body.description = body.encoding = body.md5 =
		body.location = bytes_of(lie);
	body.size = body.lines = UINT64_MAX;
	body.parameters = body.disposition_parameters = languages;
	body.n_parameters = body.n_disposition_parameters = 2;
	body.has_disposition = true;
	body.disposition = bytes_of(lie);
	body.languages = languages;
	body.n_languages = 2;
	Pk__BodyStructure structure = PK__BODY_STRUCTURE__INIT;
	structure.bodies = bodies;
	structure.n_bodies = 1;
	link_pack(ret_structure, &structure.base);
}

#endif
