#ifndef POSTKASSE_SMTP_FRONT_H
#define POSTKASSE_SMTP_FRONT_H

/* What all connections of an SMTP process share. Inner header of src/smtp; loop thread only. */

#include <sys/queue.h>

#include "front/front.h"
#include "net/link.h"
#include "smtp/resolve.h"
#include "smtp/retry.h"
#include "smtp/transaction.h"

struct smtp_session;
struct smtp_delivery;

enum {
	SMTP_HOSTNAME_MAX = 255,
	SMTP_IDLE_COMMANDS_MAX = 100,
	SMTP_REJECTS_MAX = 100, /* refused recipients without an accepted message in between */
	SMTP_SCRATCH_MAX = 16 * 1024,
	SMTP_DROPPED_FACTOR =
		4, /* a refused message is read to its end up to so many message_size_max */
};

/* Read from the configuration at the start and at every reload. */
struct smtp_limits {
	uint64_t message_size_max;
	size_t recipients_max;
	size_t received_max;
	size_t errors_max;
	int64_t timeout_ms;         /* for a command, or the next piece of a message */
	int64_t message_timeout_ms; /* for a whole message */
	int64_t core_wait_ms;       /* for cores that are away, in one transaction */
};

struct smtp_front {
	struct front common;
	struct smtp_limits limits;
	char hostname[SMTP_HOSTNAME_MAX + 1];
	struct link *directory;
	struct link *store;
	struct smtp_resolver *resolver;
	struct smtp_retry *retry;
	struct buf scratch; /* for one reply */
	TAILQ_HEAD(smtp_deliveries, smtp_delivery) deliveries;
};

/* A new id for a session or a message. */
void smtp_id(char ret[SMTP_ID_SIZE]);

#endif
