#ifndef POSTKASSE_MAIL_HTML_ENTITY_H
#define POSTKASSE_MAIL_HTML_ENTITY_H

#include "base/str.h"

enum { MAIL_HTML_ENTITY_MAX = 8 }; /* bytes of the longest name */

/* The character of a named reference (name without "&" and ";", case counts), or 0. */
uint32_t mail_html_entity(struct str name);

#endif
