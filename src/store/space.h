#ifndef POSTKASSE_STORE_SPACE_H
#define POSTKASSE_STORE_SPACE_H

/*
 * Room on the volumes that mail is written to; each of the folders may be one of its own. New mail is refused
 * while one has less left than the reserve, so that there is still room for what frees some: opening a
 * mailbox, flags, EXPUNGE, DELETE and their logs. For the loop's thread.
 */

#include "base/log.h"

struct volume {
	const char *folder;  /* below the data folder */
	uint64_t free_bytes; /* for us, when last looked at */
	uint64_t reserve; /* what must be left: of the option, and a sixteenth of the volume at most */
	bool low;
};

enum { SPACE_VOLUMES = 2 };

struct space {
	struct volume volumes[SPACE_VOLUMES];
};

/* Looks at the volumes, and says in the log when low changes. What cannot be asked for is not low: then
 * writing says what is wrong. reserve 0: there is none. */
void space_look(struct space *space, const struct log *log, const char *data_dir, uint64_t reserve);
/* Whether pledged bytes more would go into the reserve of one of them. */
bool space_refuses(const struct space *space, uint64_t pledged);

#endif
