#ifndef POSTKASSE_MAIL_ENVELOPE_H
#define POSTKASSE_MAIL_ENVELOPE_H

/* ENVELOPE of RFC 9051 section 7.5.2, rendered from the header of a message. */

#include "mail/render.h"
#include "mail/scanner.h"

/* Appends envelope = "(" env-date SP env-subject SP ... SP env-message-id ")" of part, which is a
 * message root. Several To, Cc or Bcc fields count as one; of the others the first counts. An address
 * without domain has an empty one, because NIL there would begin a group. */
void mail_envelope_render(struct mail_render *r, struct str raw, const struct mail_part *part);

#endif
