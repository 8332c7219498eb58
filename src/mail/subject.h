#ifndef POSTKASSE_MAIL_SUBJECT_H
#define POSTKASSE_MAIL_SUBJECT_H

/* Base subjects (RFC 5256 section 2.1) and message identifiers (RFC 5322 section 3.6.4). */

#include "base/str.h"

/* Appends the base subject of a decoded subject: without "Re:", "Fwd:", "[list]", "(fwd)" around it,
 * white space collapsed. Linear in its size. */
void mail_base_subject(struct buf *out, struct str decoded);

/* The next identifier in a References, In-Reply-To or Message-ID value, without its angle brackets and
 * never empty; folds are left in it. */
bool mail_message_id_next(struct cursor *c, struct str *ret);

#endif
