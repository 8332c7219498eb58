#ifndef POSTKASSE_STORE_SECTION_H
#define POSTKASSE_STORE_SECTION_H

/* BODY[section] as offsets into a message, by the stored part table (RFC 9051 section 6.4.5). Pure. */

#include "base/str.h"
#include "store.pb-c.h"

struct section_place {
	bool missing; /* no such part: NIL */
	uint64_t offset, size;
	Pk__Part__Encoding encoding;
};

/* Whether the section needs the part table at all, or only the size of the message and its header. */
bool section_needs_parts(const Pk__Section *section);
/* Finds the section, partial applied. parts may be NULL when section_needs_parts says so. */
struct section_place section_find(const Pk__Section *section, const Pk__Description *parts,
                                  uint64_t message_size, uint64_t header_size);

#endif
