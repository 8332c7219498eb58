#ifndef POSTKASSE_MAIL_ADDRESS_H
#define POSTKASSE_MAIL_ADDRESS_H

/*
 * Address lists of header fields: RFC 5322 section 3.4 with its obsolete syntax (routes, comments as
 * names, empty elements, groups without end), RFC 6532 (bytes above 127 anywhere), and what senders
 * make of it ("a@b <a@b>", missing quotes, missing commas). Any input gives some list; each byte is
 * looked at a bounded number of times.
 */

#include "base/str.h"

struct mail_address {
	enum {
		MAIL_ADDRESS_MAILBOX,
		MAIL_ADDRESS_GROUP_START, /* name is the group's */
		MAIL_ADDRESS_GROUP_END,
	} kind;
	/* Unquoted, without comments and folds; encoded words are left encoded. Empty if there is none. */
	struct str name;
	struct str route; /* "@a,@b" */
	struct str local; /* before the "@" */
	struct str domain;
};

/* Reads a list; the strings of an address live until the next call. */
struct mail_address_reader {
	struct cursor c;
	bool in_group;
	struct buf name, comment, route, local, domain;
};

/* value is borrowed and may be folded. */
void mail_address_reader_init(struct mail_address_reader *reader, struct str value);
void mail_address_reader_done(struct mail_address_reader *reader);
/* False at the end. A group that was started has ended before. */
bool mail_address_next(struct mail_address_reader *reader, struct mail_address *ret);

/* For SORT (RFC 5256 section 3, FROM TO CC): the local part of the first address, or the name of the
 * group if the list begins with one; appended as UTF-8, not folded. Nothing for an empty list. */
void mail_address_sort_key(struct buf *out, struct str value);

#endif
