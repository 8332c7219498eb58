#ifndef POSTKASSE_STORE_SPACE_H
#define POSTKASSE_STORE_SPACE_H

/*
 * Room on the volumes that mail is written to; each of the folders may be one of its own. New mail is refused
 * while one has less left than the reserve, so that there is still room for what frees some: opening a
 * mailbox, flags, EXPUNGE, DELETE and their logs. Should somebody else take the reserve, too, there is
 * ballast (db/ballast.h), which is given back for these piece by piece. For the loop's thread.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "base/log.h"

struct volume {
	const char *folder;  /* below the data folder */
	uint64_t free_bytes; /* for us, when last looked at */
	uint64_t reserve; /* what must be left: of the option, and a sixteenth of the volume at most */
	bool low;
	uint64_t ballast,
		ballast_wanted; /* what it occupies, and should; 0: another folder's is for it, too */
	int ballast_error;  /* why it is not made; said in the log */
};

enum { SPACE_VOLUMES = 2, SPACE_PIECE = 256 * 1024 };

struct space {
	const struct log *log;
	const char *data_dir; /* borrowed */
	uint64_t reserve;     /* asked for; 0: there is none */
	uint64_t ballast;     /* likewise */
	struct volume volumes[SPACE_VOLUMES];
	/* Of what was found last, for workers: */
	atomic_bool low; /* some volume is */
	atomic_ullong mailboxes_reserve, mailboxes_free;
};

/* Looks at the volumes, and says in the log when low changes. What cannot be asked for is not low: then
 * writing says what is wrong. */
void space_look(struct space *space);
/* The same, and looks after the ballast: a piece more of it, if there is room above the reserve. */
void space_tend(struct space *space);
/* Whether pledged bytes more would go into the reserve of one of them. */
bool space_refuses(const struct space *space, uint64_t pledged);
/* Whether one of them had nearly nothing left when last looked at. */
bool space_tight(const struct space *space);
/* For a request that makes room: where less than needed bytes are free ballast is given, which the log is
 * told. False when that is all for nothing: none is left to give, and less is free. */
bool space_give(struct space *space, uint64_t needed);

/* For workers: whether room is short, so that what saves some is worth more than speed. */
bool space_short(const struct space *space);
/* For workers: whether the volume of mailboxes had as much above its reserve when last looked at. */
bool space_plenty(const struct space *space, uint64_t bytes);
/* For workers: whether bytes more fit on the volume of mailboxes and leave a part of its reserve, 1/share of it. */
bool space_has_room(const struct space *space, uint64_t bytes, unsigned share);

#endif
