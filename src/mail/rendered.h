#ifndef POSTKASSE_MAIL_RENDERED_H
#define POSTKASSE_MAIL_RENDERED_H

/*
 * ENVELOPE and BODYSTRUCTURE as text, which is how earlier versions stored them, back into the messages
 * of proto/structure.proto. Strict, by the grammar of RFC 9051 section 9 in the form that those versions
 * wrote: whatever else stands there came from somebody who wants it to be taken for something.
 */

#include "base/arena.h"
#include "structure.pb-c.h"

/* 0, with *ret in arena and borrowing from text; E_INVALID for what is none; E_TOO_LARGE when the arena
 * is full. */
int mail_rendered_envelope(struct str text, struct arena *arena, Pk__Envelope *ret) MUST_USE;
int mail_rendered_body_structure(struct str text, struct arena *arena,
                                 Pk__BodyStructure *ret) MUST_USE;

#endif
