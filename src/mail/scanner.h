#ifndef POSTKASSE_MAIL_SCANNER_H
#define POSTKASSE_MAIL_SCANNER_H

/*
 * The MIME scanner: from the bytes of a message to its tree of parts, as offsets into those bytes.
 * Any input has a tree; time is linear in its size, no recursion, memory is the arena's and bounded by
 * MAIL_PARTS_MAX. Decisions for input that the standards do not cover:
 *
 * - A line ends with LF, the CR before it belongs to the line end. A header ends with the first empty
 *   line, whatever its lines look like, or with a boundary of an open multipart.
 * - A boundary is a line of "--", the boundary, optionally "--", then blanks only. The innermost open
 *   multipart is asked first; the boundary of an outer one closes what is inside.
 * - A malformed Content-Type, a multipart without boundary parameter and one whose boundary never
 *   comes are text/plain leaves (RFC 2045 section 5.2).
 * - A message/rfc822 with an encoding other than identity, which RFC 2046 section 5.2.1 forbids, and
 *   whatever is nested beyond MAIL_DEPTH_MAX is an application/octet-stream leaf.
 * - After MAIL_PARTS_MAX parts boundaries are not looked at any more: the part that is open then goes
 *   on to the end.
 */

#include "base/arena.h"
#include "base/str.h"
#include "mail.pb-c.h"
#include "mail/header.h"

enum { MAIL_MEDIA_TYPE_MAX = 127 }; /* bytes of "type/subtype"; a longer one is octet-stream */

struct mail_part {
	uint32_t parent; /* index plus 1; 0 for the root */
	uint32_t children;
	Pk__Part__Kind kind;
	Pk__Part__Encoding encoding;
	size_t header_offset;
	size_t header_size; /* with the blank line */
	size_t body_offset;
	size_t body_size;
	uint64_t lines;          /* line feeds in the body */
	struct str type;         /* as written; "text" where there was none */
	struct str subtype;      /* likewise */
	bool type_is_written;    /* type and subtype are those of the field */
	bool params_are_written; /* the parameters of the field belong to it, whatever its type */
	/* Values of the first field of each kind; a NULL ptr if there is none. */
	struct str field[MAIL_FIELD_COUNT];
	uint32_t repeated; /* set of 1 << enum mail_field_id: came more than once */
};

struct mail_tree {
	struct mail_part *parts; /* preorder; the arena's */
	size_t count;            /* at least 1 */
	bool damaged;            /* a limit was hit or the structure was broken */
};

/* E_TOO_LARGE if the arena is full. Strings in the tree borrow from raw. */
int mail_scan(struct str raw, struct arena *arena, struct mail_tree *ret) MUST_USE;

/* The header of a part and its body. */
struct str mail_part_header(struct str raw, const struct mail_part *part);
struct str mail_part_body(struct str raw, const struct mail_part *part);
/* Is part a header of its own message: the root or the child of a message/rfc822? */
bool mail_part_is_message_root(const struct mail_tree *tree, const struct mail_part *part);

#endif
