#ifndef POSTKASSE_MAIN_MANUAL_H
#define POSTKASSE_MAIN_MANUAL_H

/* Manual pages in mdoc, made from the tables of the program. */

#include "base/str.h"

/* Appends text so that no character of it is markup: short lines, and a sentence begins a line. */
void manual_text(struct buf *out, struct str text);

/* The options of postkasse.conf(5), a sub-section for each section of the table. */
void manual_options(struct buf *out);

/* A line of a page, in whose place a section comes. */
struct manual_mark {
	const char *line;
	void (*section)(struct buf *out);
};

/* Copies a page and fills in its marks; false when it has none, or out is full. */
bool manual_fill(struct buf *out, struct str page, const struct manual_mark *marks, size_t count);

#endif
