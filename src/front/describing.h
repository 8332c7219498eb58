#ifndef POSTKASSE_FRONT_DESCRIBING_H
#define POSTKASSE_FRONT_DESCRIBING_H

/*
 * A front describes every message that it hands to the store (mail/describe.h). That takes 10 ns a byte
 * and more: a small one is described on the spot, a large one beside the loop, so that nobody else waits
 * for it. It lies inside of what owns the message, which must stay as it is until it is described.
 */

#include "mail/describe.h"
#include "net/background.h"

struct describing {
	struct background_job job;
	struct str message; /* borrowed */
	struct arena *arena;
	Pk__Description *description; /* in arena; NULL: not described */
	bool under_way;               /* beside the loop */
	void (*described)(struct describing *describing);
};

enum { DESCRIBING_AT_ONCE_MAX = 64 * 1024 };

/* True: it is described already. False: described will be called, from the loop. Zeroed before. */
bool describing_begin(struct describing *describing, struct background *background,
                      struct str message,
                      void (*described)(struct describing *describing)) MUST_USE;
/* Frees the description; not while it is under way. Fine where nothing was begun. */
void describing_done(struct describing *describing);

#endif
