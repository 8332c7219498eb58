#ifndef POSTKASSE_IMAP_FRONT_H
#define POSTKASSE_IMAP_FRONT_H

/* What all connections of the process share. */

#include "front/front.h"
#include "imap/client.h"
#include "imap/scratch.h"

struct imap_front {
	struct front common;
	struct session_hub *hub;
	struct scratch *scratch;
	/* from the configuration */
	bool auth_without_tls;
	int64_t login_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t idle_interval_ms;
	int64_t core_wait_ms;     /* for cores that are away, in one command */
	struct timer *idle_timer; /* tells clients in IDLE that we are there */
	uint64_t message_size_max;
};

/* A line to every client that waits in IDLE. */
void imap_idle_tell_all(struct imap_front *front);

#endif
