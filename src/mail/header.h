#ifndef POSTKASSE_MAIL_HEADER_H
#define POSTKASSE_MAIL_HEADER_H

/*
 * Header fields as they lie in a message: RFC 5322 section 2.2 with every deviation that is met in
 * the field (bare LF, bytes above 127, NUL, lines that are no field, blanks before the colon).
 * Everything returned borrows from the header given.
 */

#include "base/str.h"

/* The fields that this module knows by number. */
enum mail_field_id {
	MAIL_FIELD_DATE,
	MAIL_FIELD_SUBJECT,
	MAIL_FIELD_FROM,
	MAIL_FIELD_SENDER,
	MAIL_FIELD_REPLY_TO,
	MAIL_FIELD_TO,
	MAIL_FIELD_CC,
	MAIL_FIELD_BCC,
	MAIL_FIELD_IN_REPLY_TO,
	MAIL_FIELD_MESSAGE_ID,
	MAIL_FIELD_REFERENCES,
	MAIL_FIELD_CONTENT_TYPE,
	MAIL_FIELD_CONTENT_TRANSFER_ENCODING,
	MAIL_FIELD_CONTENT_DISPOSITION,
	MAIL_FIELD_CONTENT_ID,
	MAIL_FIELD_CONTENT_DESCRIPTION,
	MAIL_FIELD_CONTENT_MD5,
	MAIL_FIELD_CONTENT_LANGUAGE,
	MAIL_FIELD_CONTENT_LOCATION,
	MAIL_FIELD_COUNT,
	MAIL_FIELD_OTHER = MAIL_FIELD_COUNT,
};

struct mail_field {
	struct str name;  /* as written; empty if the line is no field (a "From " line, garbage) */
	struct str value; /* after the colon: folds inside, blanks and line ends around it removed */
	struct str raw;   /* all of its lines with their line ends */
};

/* The next field, or false at the blank line that ends the header or at the end. */
bool mail_header_next(struct cursor *header, struct mail_field *ret);

/* MAIL_FIELD_OTHER if it is none of them. */
enum mail_field_id mail_field_id(struct str name);

/* The value on one line (RFC 5322 section 2.2.3): CR, LF and NUL removed. Returns value itself where
 * there is nothing to remove, else a copy in scratch, which is emptied first. A copy that does not
 * fit scratch is cut there. */
struct str mail_unfold(struct str value, struct buf *scratch);

#endif
