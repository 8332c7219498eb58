#ifndef POSTKASSE_MAIL_RENDER_H
#define POSTKASSE_MAIL_RENDER_H

/*
 * Strings of RFC 9051 section 9 for rendered ENVELOPE and BODYSTRUCTURE. Valid for any bytes: NUL is
 * left out, what is not 7-bit text without line ends goes into a literal. The text of one rendering
 * has a budget, because a hostile header can say ten times its size in addresses: past it strings
 * are NIL or empty and lists end early, so that the result stays valid.
 */

#include "base/str.h"

enum { MAIL_RENDER_BUDGET = 512 * 1024 };

struct mail_render {
	struct buf *out; /* borrowed */
	size_t budget;   /* bytes of text that may still come */
	struct buf unfolded, text;
	bool cut; /* something was left out */
};

/* A rendering with the whole budget, appending to out, which is borrowed. */
void mail_render_init(struct mail_render *r, struct buf *out);
void mail_render_done(struct mail_render *r);

/* string: quoted where possible, else a literal. */
void mail_render_string(struct mail_render *r, struct str text);
/* A short word of the structure itself, in lower case; costs nothing. */
void mail_render_word(struct mail_render *r, struct str word);
/* nstring: NIL if text.ptr is NULL. */
void mail_render_nstring(struct mail_render *r, struct str text);
/* The value of a field as nstring: unfolded; NIL if value.ptr is NULL. */
void mail_render_field(struct mail_render *r, struct str value);
/* Takes cost from the budget; false if there is not so much left. */
bool mail_render_charge(struct mail_render *r, size_t cost);

#endif
