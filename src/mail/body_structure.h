#ifndef POSTKASSE_MAIL_BODY_STRUCTURE_H
#define POSTKASSE_MAIL_BODY_STRUCTURE_H

/* BODYSTRUCTURE and BODY of RFC 9051 section 7.5.2. */

#include "mail/render.h"
#include "mail/scanner.h"

/* Appends the structure of the whole tree with its extension data. Types, subtypes, names of
 * parameters and encodings are written in lower case. */
void mail_body_structure_render(struct mail_render *r, struct str raw,
                                const struct mail_tree *tree);

/* Appends BODY, which is a rendered BODYSTRUCTURE without its extension data. E_INVALID if
 * body_structure is none; out may have got a part of it then. */
int mail_body_from_structure(struct buf *out, struct str body_structure) MUST_USE;

#endif
