#ifndef POSTKASSE_STORE_CHECK_H
#define POSTKASSE_STORE_CHECK_H

/* Checks on what fronts send: a link peer is as little trusted as the network behind it. */

#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "mail.pb-c.h"

enum {
	PARTS_MAX = 20000,
	KEYWORDS_PER_MESSAGE = 64,
	KEYWORD_SIZE_MAX = 100,
	TEXT_FIELD_MAX = 64 * 1024,      /* of subject, addresses and the like */
	STRUCTURE_MAX = 4 * 1024 * 1024, /* bytes of an envelope, of a body structure */
};

/* text when it is valid UTF-8, cut at max on a character; else empty: such a field is for searching
 * and showing only, the message itself keeps every byte. */
struct str text_field(const char *text, size_t max);
/* Every offset within a message of size bytes, parents before their children, no structure larger than
 * its limit, or one that whoever shows it could not unpack; what the structures say is for him to check. */
int description_check(const Pk__Description *description, uint64_t size,
                      struct errinfo *info) MUST_USE;
/* Atoms without a backslash in front, few and short enough. */
int keywords_check(char *const *keywords, size_t count, struct errinfo *info) MUST_USE;
/* Nesting of a packed SearchRequest, checked before anything recursive reads it. */
bool search_depth_ok(struct str body);

#endif
