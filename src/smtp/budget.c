#include "smtp/budget.h"

void smtp_budget_init(struct smtp_budget *budget, size_t total)
{
	*budget = (struct smtp_budget){.total = total};
	TAILQ_INIT(&budget->queue);
}

void smtp_ticket_init(struct smtp_ticket *ticket, struct smtp_budget *budget,
                      void (*granted)(void *ctx), void *ctx)
{
	*ticket = (struct smtp_ticket){.budget = budget, .granted = granted, .ctx = ctx};
}

/* Whether ticket may hold size bytes now; size is more than it holds. */
static bool grant(struct smtp_ticket *ticket, size_t size)
{
	struct smtp_budget *budget = ticket->budget;
	size_t more = size - ticket->held;

	if (budget->used > budget->total || more > budget->total - budget->used) {
		if (budget->past_total != NULL && budget->past_total != ticket)
			return false;
		budget->past_total = ticket;
	}
	budget->used += more;
	ticket->held = size;
	return true;
}

bool smtp_ticket_take(struct smtp_ticket *ticket, size_t size)
{
	struct smtp_budget *budget = ticket->budget;

	if (size <= ticket->held)
		return true;
	if ((TAILQ_EMPTY(&budget->queue) || budget->past_total == ticket) && grant(ticket, size))
		return true;
	ticket->wanted = size;
	ticket->waiting = true;
	TAILQ_INSERT_TAIL(&budget->queue, ticket, queue);
	return false;
}

void smtp_ticket_add(struct smtp_ticket *ticket, size_t size)
{
	ticket->budget->used += size;
	ticket->held += size;
}

void smtp_ticket_release(struct smtp_ticket *ticket)
{
	struct smtp_budget *budget = ticket->budget;
	struct smtp_ticket *next;

	if (budget == NULL)
		return;
	if (ticket->waiting)
		TAILQ_REMOVE(&budget->queue, ticket, queue);
	ticket->waiting = false;
	budget->used -= ticket->held;
	ticket->held = 0;
	if (budget->past_total == ticket)
		budget->past_total = NULL;
	while ((next = TAILQ_FIRST(&budget->queue)) != NULL && grant(next, next->wanted)) {
		TAILQ_REMOVE(&budget->queue, next, queue);
		next->waiting = false;
		next->granted(next->ctx);
	}
}
