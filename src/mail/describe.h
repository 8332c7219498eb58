#ifndef POSTKASSE_MAIL_DESCRIBE_H
#define POSTKASSE_MAIL_DESCRIBE_H

/*
 * From the bytes of a message to its description (proto/mail.proto): part tree with offsets,
 * what ENVELOPE and BODYSTRUCTURE say, addresses, dates, text to search. A pure function of its
 * input, for any input at all: hostile, truncated, binary. Everything is bounded by the limits here;
 * what lies beyond is left undescribed (one leaf covers it) and damaged is set.
 */

#include "base/arena.h"
#include "base/str.h"
#include "mail.pb-c.h"

enum {
	MAIL_SIZE_MAX = 128 * 1024 * 1024, /* absolute; the configured limit is lower */
	MAIL_DEPTH_MAX = 50,               /* nested multiparts and messages */
	MAIL_PARTS_MAX = 10000,
	MAIL_HEADER_MAX = 1024 * 1024, /* of one header that is looked at; all of it is stored */
	/* A packed description, so that it fits one message of the link with room for the rest of a
	 * request; the text to search is cut to what the other fields leave of it. */
	MAIL_DESCRIPTION_MAX = 14 * 1024 * 1024,
	MAIL_DESCRIBE_ARENA = 64 * 1024 * 1024,
};

/* Returns a description whose memory is arena's (do not free it with protobuf-c), or NULL when arena
 * is full, which with an arena of MAIL_DESCRIBE_ARENA bytes no input of MAIL_SIZE_MAX can cause. raw
 * is borrowed only during the call, except that fields may point into it: keep it as long. */
Pk__Description *mail_describe(struct str raw, struct arena *arena) MUST_USE;

#endif
