#ifndef POSTKASSE_NET_LINK_WAIT_H
#define POSTKASSE_NET_LINK_WAIT_H

/*
 * When a call has waited long enough for a core that is away. Pure arithmetic: the clock is a parameter,
 * link_client.c asks and acts.
 *
 * A core is away while there is no connection to it, and also when it has been asked whether it lives
 * and has said nothing since (its host is cut off, or its process is stuck): then from its last sign of
 * life on. A core that gives signs of life may take until the call's deadline.
 */

#include <stdbool.h>
#include <stdint.h>

#include "net/link.h"

/* Without a sign of life for so long while somebody waits, the core is asked for one, and has as long to
 * give it. */
enum { LINK_ASK_MS = 250 };

/* What the link knows of its core. All times are monotonic ms. */
struct link_life {
	int64_t heard_ms; /* the last sign of life */
	int64_t asked_ms; /* the last time that it was asked for one */
};

/* The waiting of one call. */
struct link_wait {
	struct link_patience *patience; /* borrowed; NULL: has no end but the call's deadline */
	int64_t from_ms;                /* made, sent or lost */
	bool away;                      /* not sent, for there is no connection */
};

enum link_wait_state {
	LINK_WAIT_ON,
	LINK_WAIT_ASK, /* ask the core for a sign of life, now */
	LINK_WAIT_OVER,
};

/* The call is made; it is not sent yet. */
void link_wait_begin(struct link_wait *wait, struct link_patience *patience, int64_t now_ms);
/* It is sent to a core. What it has waited till then is taken from its patience. */
void link_wait_sent(struct link_wait *wait, int64_t now_ms);
/* It was not waiting for the core meanwhile; from now on it is again. */
void link_wait_again(struct link_wait *wait, int64_t now_ms);
/* The connection over which it was sent is lost; life is what was known of the core then. */
void link_wait_lost(struct link_wait *wait, const struct link_life *life, int64_t now_ms);
/* It ends, however: what it has waited for a core that is away is taken from its patience. */
void link_wait_end(struct link_wait *wait, const struct link_life *life, int64_t now_ms);
/* What to do now. LINK_WAIT_ON: look again at *ret_next_ms (INT64_MAX: never). */
enum link_wait_state link_wait_look(const struct link_wait *wait, const struct link_life *life,
                                    int64_t now_ms, int64_t *ret_next_ms);

#endif
