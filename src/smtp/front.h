#ifndef POSTKASSE_SMTP_FRONT_H
#define POSTKASSE_SMTP_FRONT_H

/* What all connections of an SMTP process share. Inner header of src/smtp; loop thread only. */

#include <sys/queue.h>

#include "front/budget.h"
#include "net/background.h"
#include "net/link.h"
#include "net/listener.h"
#include "net/role.h"
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
	struct role *role;
	struct loop *loop;
	struct log *log;
	struct smtp_limits limits;
	char hostname[SMTP_HOSTNAME_MAX + 1];
	struct listener *listener; /* NULL once the service is stopping */
	struct link *directory;
	struct link *store;
	struct smtp_resolver *resolver;
	struct smtp_retry *retry;
	struct budget budget;
	struct timer *budget_timer;
	bool budget_watched; /* the timer runs */
	struct buf scratch;  /* for one reply */
	TAILQ_HEAD(smtp_sessions, smtp_session) sessions;
	struct background *background; /* describes large messages */
	TAILQ_HEAD(smtp_deliveries, smtp_delivery) deliveries;
	struct timer *stop_timer;
	int stop_steps;
	bool stopping;
};

/* A new id for a session or a message. */
void smtp_id(char ret[SMTP_ID_SIZE]);
/* Somebody asks for memory: from now on the budget is looked at, until nobody holds any. */
void smtp_front_budget_used(struct smtp_front *front);
/* A session or delivery is gone: when it was the last one of a stopping front, the loop ends. */
void smtp_front_settle(struct smtp_front *front);

#endif
