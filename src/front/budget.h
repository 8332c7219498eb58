#ifndef POSTKASSE_FRONT_BUDGET_H
#define POSTKASSE_FRONT_BUDGET_H

/*
 * The memory of a front for messages that come in. Who asks for more than there is waits, first come,
 * first served, with these rules so that nobody has it all for himself:
 *   - an eighth of it is for small messages: large ones cannot take it;
 *   - who is named by one key (a network, a mailbox) gets a quarter of it;
 *   - so that holders who all wait for more cannot wait for each other, one at a time may go past the
 *     total, and one of each key past its quarter: the bound is the total and one message;
 *   - what comes in has to come at a minimum rate; and when others have waited for a while, the one
 *     whose memory its sender would take longest to fill again (the slowest largest) is thrown out.
 * Clocks are parameters (monotonic ms). Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/map.h"

enum {
	BUDGET_SMALL = 256 * 1024, /* what counts as a small message, if the reserve is not smaller */
	BUDGET_RESERVE_PART = 8,   /* of the total, for small ones */
	BUDGET_SHARE_PART = 4,     /* of the total, for one key */
	BUDGET_KEY_MAX = 32,       /* bytes */
	BUDGET_CHECK_MS = 1000,    /* how often budget_check should be called */
	BUDGET_BIN_MS = 10 * 1000, /* rates are measured over bins of this length */
	BUDGET_BINS = 6,           /* a minute */
	BUDGET_PRESSURE_MS = 10 * 1000, /* somebody has waited so long: one is thrown out */
	BUDGET_REFILL_MS = 60 * 1000,   /* but none who could fill his memory again in this time */
};

enum budget_reason {
	BUDGET_SLOW,     /* below the minimum rate */
	BUDGET_PRESSURE, /* others need the memory, and this is the slowest largest */
};

struct budget_handlers {
	void (*granted)(void *ctx); /* a take that had to wait is through; may not release the ticket */
	void (*evicted)(void *ctx, enum budget_reason reason); /* has to release the ticket */
};

struct budget_share; /* what one key has */

/* One message's memory; lives inside what owns the message. */
struct budget_ticket {
	struct budget *budget;
	const struct budget_handlers *handlers;
	void *ctx;
	unsigned char key[BUDGET_KEY_MAX];
	size_t key_len;             /* 0: has no share to keep to */
	struct budget_share *share; /* while it holds or waits, if it has a key */
	size_t held;
	size_t wanted; /* while waiting */
	bool listed, waiting;
	bool receiving;                    /* its bytes come in: they have to come at some rate */
	int64_t since_ms;                  /* while waiting */
	int64_t bin_ms;                    /* when the present bin began */
	unsigned bin_count;                /* of full bins */
	uint64_t bins[BUDGET_BINS + 1];    /* bytes that came in; the present bin first */
	TAILQ_ENTRY(budget_ticket) holder; /* while listed: all that hold or wait */
	TAILQ_ENTRY(budget_ticket) queue;  /* while waiting */
};

struct budget {
	size_t total;
	size_t used;
	size_t used_small;                /* of used, by small ones */
	uint64_t rate_min;                /* bytes a second; 0: none asked for */
	struct budget_ticket *past_total; /* who may go past it, or NULL */
	struct map *shares;               /* key → struct budget_share */
	TAILQ_HEAD(, budget_ticket) holders;
	TAILQ_HEAD(, budget_ticket) queue;
};

/* budget_set before the first use; at any time again. */
void budget_init(struct budget *budget);
/* All tickets have been released. */
void budget_done(struct budget *budget);
void budget_set(struct budget *budget, size_t total, uint64_t rate_min);

/* key is copied, its first BUDGET_KEY_MAX bytes; empty: no share limits it. handlers and ctx are
 * borrowed. */
void budget_ticket_init(struct budget_ticket *ticket, struct budget *budget, struct str key,
                        const struct budget_handlers *handlers, void *ctx);
/* Makes ticket hold size bytes at least. False: it waits and granted will be called. */
bool budget_take(struct budget_ticket *ticket, size_t size, int64_t now_ms) MUST_USE;
/* Counts size bytes more that are taken already, past the total if need be. */
void budget_add(struct budget_ticket *ticket, size_t size);
/* Bytes of the message came in. */
void budget_received(struct budget_ticket *ticket, size_t size, int64_t now_ms);
/* All of it is here: no rate is asked for any more, and it is not thrown out. */
void budget_complete(struct budget_ticket *ticket);
/* Gives everything back and leaves the queue; others may be granted from in here. */
void budget_release(struct budget_ticket *ticket, int64_t now_ms);

/* Throws out who is too slow, and one who stands in others' way; evicted is called from in here. */
void budget_check(struct budget *budget, int64_t now_ms);
/* Nothing is held and nobody waits: no check is due. */
bool budget_idle(const struct budget *budget);

#endif
