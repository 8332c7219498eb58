#include "front/budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

enum {
	SLOW_FLOOR = 4096, /* bytes a second: slower than this is all the same slow under pressure */
	PRESSURE_BINS = 2, /* the present bin and the last one tell who is slow */
};

struct budget_share {
	size_t used;
	size_t used_small; /* of used, by small ones */
	size_t tickets;
	struct budget_ticket *past_share; /* who may go past the share, or NULL */
	bool large_waits, small_waits;    /* scratch of a walk over the queue */
};

void budget_init(struct budget *budget)
{
	*budget = (struct budget){.shares = map_new()};
	TAILQ_INIT(&budget->holders);
	TAILQ_INIT(&budget->queue);
}

void budget_done(struct budget *budget)
{
	must(budget_idle(budget));
	map_free(budget->shares);
	budget->shares = NULL;
}

bool budget_idle(const struct budget *budget)
{
	return TAILQ_EMPTY(&budget->holders);
}

void budget_ticket_init(struct budget_ticket *ticket, struct budget *budget, struct str key,
                        const struct budget_handlers *handlers, void *ctx)
{
	*ticket = (struct budget_ticket){.budget = budget, .handlers = handlers, .ctx = ctx};
	ticket->key_len = key.len < BUDGET_KEY_MAX ? key.len : BUDGET_KEY_MAX;
	if (ticket->key_len > 0)
		memcpy(ticket->key, key.ptr, ticket->key_len);
}

/* ---------------------------------------------------------------- who holds */

static void join(struct budget_ticket *ticket, int64_t now_ms)
{
	struct budget *budget = ticket->budget;
	if (ticket->listed)
		return;
	ticket->listed = true;
	ticket->receiving = true;
	ticket->bin_ms = now_ms;
	TAILQ_INSERT_TAIL(&budget->holders, ticket, holder);
	if (ticket->key_len == 0)
		return;
	struct str key = STR_OF(ticket->key, ticket->key_len);
	ticket->share = map_get(budget->shares, key);
	if (ticket->share == NULL) {
		ticket->share = mem_new(sizeof(*ticket->share));
		map_put(budget->shares, key, ticket->share);
	}
	ticket->share->tickets++;
}

static void leave(struct budget_ticket *ticket)
{
	struct budget *budget = ticket->budget;
	struct budget_share *share = ticket->share;
	ticket->listed = ticket->receiving = false;
	TAILQ_REMOVE(&budget->holders, ticket, holder);
	ticket->share = NULL;
	if (share == NULL)
		return;
	if (share->past_share == ticket)
		share->past_share = NULL;
	if (--share->tickets == 0)
		free(map_remove(budget->shares, STR_OF(ticket->key, ticket->key_len)));
}

/* ---------------------------------------------------------------- what fits */

static size_t reserve_of(const struct budget *budget)
{
	return budget->total / BUDGET_RESERVE_PART;
}

static bool is_small(const struct budget *budget, size_t size)
{
	size_t max = reserve_of(budget) / 4 < BUDGET_SMALL ? reserve_of(budget) / 4 : BUDGET_SMALL;
	return size <= max;
}

/* used + more <= total, whatever they are. */
static bool fits(size_t used, size_t more, size_t total)
{
	return used <= total && more <= total - used;
}

static size_t held_small(const struct budget_ticket *ticket)
{
	return is_small(ticket->budget, ticket->held) ? ticket->held : 0;
}

static bool fits_share(const struct budget_ticket *ticket, size_t size)
{
	const struct budget *budget = ticket->budget;
	const struct budget_share *share = ticket->share;
	if (share == NULL || share->past_share == NULL || share->past_share == ticket ||
	    budget->past_total == ticket)
		return true;
	return fits(share->used, size - ticket->held, budget->total / BUDGET_SHARE_PART) ||
	       (is_small(budget, size) && fits(share->used_small - held_small(ticket), size,
	                                       reserve_of(budget) / BUDGET_SHARE_PART));
}

/* Within the total; large_waits: a large one is before it, so it may have of the reserve only. */
static bool fits_total(const struct budget_ticket *ticket, size_t size, bool large_waits)
{
	const struct budget *budget = ticket->budget;
	size_t small = budget->used_small - held_small(ticket);
	size_t others = budget->used - ticket->held;
	if (is_small(budget, size))
		return fits(small, size, reserve_of(budget)) ||
		       (!large_waits && fits(others, size, budget->total));
	return fits(others, size, budget->total) &&
	       fits(others - small, size, budget->total - reserve_of(budget));
}

static bool has_right(const struct budget_ticket *ticket)
{
	const struct budget *budget = ticket->budget;
	return budget->past_total == NULL || budget->past_total == ticket;
}

/* Counts what ticket holds, or does not any more. */
static void count_held(struct budget_ticket *ticket, bool more)
{
	struct budget *budget = ticket->budget;
	struct budget_share *share = ticket->share;
	size_t small = held_small(ticket);
	budget->used = more ? budget->used + ticket->held : budget->used - ticket->held;
	budget->used_small = more ? budget->used_small + small : budget->used_small - small;
	if (share == NULL)
		return;
	share->used = more ? share->used + ticket->held : share->used - ticket->held;
	share->used_small = more ? share->used_small + small : share->used_small - small;
}

void budget_set(struct budget *budget, size_t total, uint64_t rate_min)
{
	struct budget_ticket *ticket;
	/* What counts as small follows from the total. */
	TAILQ_FOREACH (ticket, &budget->holders, holder)
		count_held(ticket, false);
	budget->total = total;
	budget->rate_min = rate_min;
	TAILQ_FOREACH (ticket, &budget->holders, holder)
		count_held(ticket, true);
}

static void hold(struct budget_ticket *ticket, size_t size)
{
	count_held(ticket, false);
	ticket->held = size;
	count_held(ticket, true);
}

static void grant(struct budget_ticket *ticket, size_t size)
{
	struct budget *budget = ticket->budget;
	struct budget_share *share = ticket->share;
	if (!fits_total(ticket, size, false))
		budget->past_total = ticket;
	if (share != NULL &&
	    !fits(share->used, size - ticket->held, budget->total / BUDGET_SHARE_PART) &&
	    share->past_share == NULL)
		share->past_share = ticket;
	hold(ticket, size);
}

/* The first of the queue that may have what it wants, or NULL. One that its own share stops is in
 * nobody's way but its like; one that the total stops is in the way of all behind it, except that small
 * ones go past large ones into their reserve. */
static struct budget_ticket *first_possible(struct budget *budget)
{
	struct budget_ticket *ticket;
	bool large_waits = false, all_wait = false;
	TAILQ_FOREACH (ticket, &budget->queue, queue)
		if (ticket->share != NULL)
			ticket->share->large_waits = ticket->share->small_waits = false;
	TAILQ_FOREACH (ticket, &budget->queue, queue) {
		struct budget_share *share = ticket->share;
		bool small = is_small(budget, ticket->wanted);
		if (budget->past_total == ticket)
			return ticket;
		if (share != NULL && ((small ? share->small_waits : share->large_waits) ||
		                      !fits_share(ticket, ticket->wanted))) {
			share->large_waits = true;
			share->small_waits |= small;
			continue;
		}
		if (all_wait || (large_waits && !small))
			continue;
		if (fits_total(ticket, ticket->wanted, large_waits) || (!large_waits && has_right(ticket)))
			return ticket;
		large_waits = true;
		all_wait = small;
	}
	return NULL;
}

static void enqueue(struct budget_ticket *ticket, size_t size, int64_t now_ms)
{
	ticket->wanted = size;
	ticket->waiting = true;
	ticket->since_ms = now_ms;
	TAILQ_INSERT_TAIL(&ticket->budget->queue, ticket, queue);
}

/* Its time of waiting does not count as time in which nothing came in. */
static void dequeue(struct budget_ticket *ticket, int64_t now_ms)
{
	ticket->waiting = false;
	ticket->bin_ms += now_ms - ticket->since_ms;
	TAILQ_REMOVE(&ticket->budget->queue, ticket, queue);
}

bool budget_take(struct budget_ticket *ticket, size_t size, int64_t now_ms)
{
	must(!ticket->waiting);
	if (size <= ticket->held)
		return true;
	join(ticket, now_ms);
	enqueue(ticket, size, now_ms);
	/* Nobody before it could be granted anything, or it would have been already. */
	if (first_possible(ticket->budget) != ticket)
		return false;
	dequeue(ticket, now_ms);
	grant(ticket, size);
	return true;
}

void budget_add(struct budget_ticket *ticket, size_t size)
{
	must(ticket->listed);
	hold(ticket, ticket->held + size);
}

static void grant_waiting(struct budget *budget, int64_t now_ms)
{
	struct budget_ticket *ticket;
	while ((ticket = first_possible(budget)) != NULL) {
		dequeue(ticket, now_ms);
		grant(ticket, ticket->wanted);
		ticket->handlers->granted(ticket->ctx);
	}
}

void budget_release(struct budget_ticket *ticket, int64_t now_ms)
{
	struct budget *budget = ticket->budget;
	if (budget == NULL || !ticket->listed)
		return;
	if (ticket->waiting)
		dequeue(ticket, now_ms);
	hold(ticket, 0);
	leave(ticket);
	if (budget->past_total == ticket)
		budget->past_total = NULL;
	grant_waiting(budget, now_ms);
}

/* ---------------------------------------------------------------- rates */

/* Moves on to the bin of now. */
static void turn_bins(struct budget_ticket *ticket, int64_t now_ms)
{
	while (now_ms - ticket->bin_ms >= BUDGET_BIN_MS) {
		memmove(&ticket->bins[1], &ticket->bins[0], BUDGET_BINS * sizeof(ticket->bins[0]));
		ticket->bins[0] = 0;
		ticket->bin_ms += BUDGET_BIN_MS;
		if (++ticket->bin_count > BUDGET_BINS) {
			ticket->bin_count = BUDGET_BINS;
			/* A long sleep needs no more turns than there are bins. */
			if (now_ms - ticket->bin_ms > BUDGET_BINS * BUDGET_BIN_MS)
				ticket->bin_ms = now_ms - BUDGET_BINS * BUDGET_BIN_MS;
		}
	}
}

void budget_received(struct budget_ticket *ticket, size_t size, int64_t now_ms)
{
	turn_bins(ticket, now_ms);
	ticket->bins[0] += size;
}

void budget_complete(struct budget_ticket *ticket)
{
	ticket->receiving = false;
}

static bool too_slow(struct budget_ticket *ticket, int64_t now_ms)
{
	uint64_t bytes = 0;
	if (!ticket->receiving || ticket->waiting)
		return false;
	turn_bins(ticket, now_ms);
	for (size_t i = 1; i <= BUDGET_BINS; i++)
		bytes += ticket->bins[i];
	return ticket->bin_count == BUDGET_BINS &&
	       bytes < ticket->budget->rate_min * BUDGET_BINS * BUDGET_BIN_MS / 1000;
}

/* How long its sender would take to fill its memory again, as he sends now; 0: not to be thrown out. */
static uint64_t refill_ms(struct budget_ticket *ticket, int64_t now_ms)
{
	if (!ticket->receiving || ticket->waiting || ticket->bin_count == 0)
		return 0;
	uint64_t bytes = 0, ms = (uint64_t)(now_ms - ticket->bin_ms) + BUDGET_BIN_MS;
	for (size_t i = 0; i < PRESSURE_BINS; i++)
		bytes += ticket->bins[i];
	uint64_t rate = bytes * 1000 / ms;
	return (uint64_t)ticket->held * 1000 / (rate < SLOW_FLOOR ? SLOW_FLOOR : rate);
}

/* Who is most in the way of waiting; of its own key when its share is what stops it. */
static struct budget_ticket *in_the_way(struct budget_ticket *waiting, int64_t now_ms)
{
	bool own = !fits_share(waiting, waiting->wanted);
	struct budget_ticket *ticket, *worst = NULL;
	uint64_t most = BUDGET_REFILL_MS;
	TAILQ_FOREACH (ticket, &waiting->budget->holders, holder) {
		if (own && ticket->share != waiting->share)
			continue;
		uint64_t refill = refill_ms(ticket, now_ms);
		if (refill > most) {
			most = refill;
			worst = ticket;
		}
	}
	return worst;
}

static struct budget_ticket *first_slow(struct budget *budget, int64_t now_ms)
{
	struct budget_ticket *ticket;
	TAILQ_FOREACH (ticket, &budget->holders, holder)
		if (too_slow(ticket, now_ms))
			return ticket;
	return NULL;
}

static void evict(struct budget_ticket *ticket, enum budget_reason reason)
{
	ticket->receiving = false; /* whatever the callee does, not a second time */
	ticket->handlers->evicted(ticket->ctx, reason);
}

void budget_check(struct budget *budget, int64_t now_ms)
{
	struct budget_ticket *ticket, *worst = NULL;
	grant_waiting(budget, now_ms); /* there may be more of it by a new configuration */
	while ((ticket = first_slow(budget, now_ms)) != NULL)
		evict(ticket, BUDGET_SLOW);
	TAILQ_FOREACH (ticket, &budget->queue, queue)
		if (now_ms - ticket->since_ms >= BUDGET_PRESSURE_MS &&
		    (worst = in_the_way(ticket, now_ms)) != NULL)
			break;
	if (worst != NULL)
		evict(worst, BUDGET_PRESSURE);
}
