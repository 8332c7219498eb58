#ifndef POSTKASSE_IMAP_SEARCH_H
#define POSTKASSE_IMAP_SEARCH_H

/*
 * Search programs (RFC 9051 section 6.4.4): read into the tree of keys that the store understands.
 * Nested keys are read with a stack of our own, not by recursion: a client decides how deep they go,
 * up to SEARCH_DEPTH_MAX.
 */

#include "imap/folder.h"
#include "imap/parse.h"

#include "store.pb-c.h"

enum {
	SEARCH_DEPTH_MAX = 40, /* the store takes a little more */
	SEARCH_KEYS_MAX = 4096,
	SEARCH_TEXT_MAX = 4096, /* bytes of one string that is searched for, folded */
};

enum search_return {
	SEARCH_RETURN_MIN = 1,
	SEARCH_RETURN_MAX = 2,
	SEARCH_RETURN_COUNT = 4,
	SEARCH_RETURN_ALL = 8,
};

struct search {
	bool extended;      /* answered by ESEARCH (RFC 4731) */
	unsigned returns;   /* set of enum search_return */
	bool bad_charset;   /* a charset that we do not know: NO [BADCHARSET] */
	bool modseq;        /* a MODSEQ key: the answer tells the highest one */
	Pk__SearchKey *key; /* the arena's */
};

/* [SP "RETURN" ...] [SP "CHARSET" SP astring] 1*(SP search-key), numbers resolved in folder
 * (borrowed during the call). */
bool search_parse(struct imap_parse *in, const struct view *folder, struct search *ret);

#endif
