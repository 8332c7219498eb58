#ifndef POSTKASSE_SMTP_BUDGET_H
#define POSTKASSE_SMTP_BUDGET_H

/*
 * The memory of a process for messages under way. Who asks for more than is left waits in a queue,
 * first come, first served. So that holders who all wait for more cannot wait for each other, one of
 * them at a time may go past the total: the bound is the total and one message. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* One message's share; lives inside its transaction. */
struct smtp_ticket {
	struct smtp_budget *budget;
	void (*granted)(void *ctx); /* a take that had to wait is through; may not free the ticket */
	void *ctx;
	size_t held;
	size_t wanted; /* while waiting */
	bool waiting;
	TAILQ_ENTRY(smtp_ticket) queue;
};

struct smtp_budget {
	size_t total;
	size_t used;
	struct smtp_ticket *past_total; /* who may go past it, or NULL */
	TAILQ_HEAD(smtp_tickets, smtp_ticket) queue;
};

void smtp_budget_init(struct smtp_budget *budget, size_t total);
void smtp_ticket_init(struct smtp_ticket *ticket, struct smtp_budget *budget,
                      void (*granted)(void *ctx), void *ctx);
/* Makes ticket hold size bytes at least. False: it waits and granted will be called. */
bool smtp_ticket_take(struct smtp_ticket *ticket, size_t size);
/* Counts size bytes more that are taken already, past the total if need be. */
void smtp_ticket_add(struct smtp_ticket *ticket, size_t size);
/* Gives everything back and leaves the queue; others may be granted from in here. */
void smtp_ticket_release(struct smtp_ticket *ticket);

#endif
