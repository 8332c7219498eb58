#ifndef POSTKASSE_IMAP_PATTERN_H
#define POSTKASSE_IMAP_PATTERN_H

/* Patterns of LIST (RFC 9051 section 6.3.9): "*" stands for anything, "%" for anything within one
 * level of the hierarchy. */

#include "base/str.h"

enum {
	IMAP_PATTERN_WILDCARDS_MAX = 32, /* matching costs up to name length times pattern length */
};

/* Whether name (levels separated by "/") matches. INBOX, also as the first level, matches in any
 * case. */
bool imap_pattern_matches(struct str pattern, struct str name);
/* False: more wildcards than IMAP_PATTERN_WILDCARDS_MAX. */
bool imap_pattern_allowed(struct str pattern);

#endif
