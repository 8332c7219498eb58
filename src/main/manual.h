#ifndef POSTKASSE_MAIN_MANUAL_H
#define POSTKASSE_MAIN_MANUAL_H

/* The option section of postkasse.conf(5), from the table of options. */

#include <stdio.h>

#include "base/str.h"

/* Copies a manual page (mdoc) and puts the options in place of its line "@OPTIONS@". Returns an exit
 * code: 1 without such a line. */
int manual_print(FILE *from, FILE *to);

/* Appends the options as mdoc, a sub-section for each section of the table. */
void manual_options(struct buf *out);

#endif
