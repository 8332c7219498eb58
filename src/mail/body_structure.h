#ifndef POSTKASSE_MAIL_BODY_STRUCTURE_H
#define POSTKASSE_MAIL_BODY_STRUCTURE_H

/* BODYSTRUCTURE of RFC 9051 section 7.5.2, from a part tree. */

#include "mail/builder.h"
#include "mail/scanner.h"

/* A Body for each part of tree. What it returns lives as long as the builder's arena and raw. */
void mail_body_structure_build(struct mail_builder *b, struct str raw, const struct mail_tree *tree,
                               Pk__BodyStructure *ret);

#endif
