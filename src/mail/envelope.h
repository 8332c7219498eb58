#ifndef POSTKASSE_MAIL_ENVELOPE_H
#define POSTKASSE_MAIL_ENVELOPE_H

/* ENVELOPE of RFC 9051 section 7.5.2, from the header of a message. */

#include "mail/builder.h"
#include "mail/scanner.h"

/* The envelope of part, which is a message root. Several To, Cc or Bcc fields count as one; of the
 * others the first counts. What it returns lives as long as the builder's arena and raw. */
void mail_envelope_build(struct mail_builder *b, struct str raw, const struct mail_part *part,
                         Pk__Envelope *ret);

#endif
