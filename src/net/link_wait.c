#include "net/link_wait.h"

static bool is_silent(const struct link_life *life)
{
	return life->asked_ms > life->heard_ms;
}

/* Since when the core owes this call a sign of life. */
static int64_t since(const struct link_wait *wait, const struct link_life *life)
{
	if (wait->away || wait->from_ms > life->heard_ms)
		return wait->from_ms;
	return life->heard_ms;
}

static void charge(const struct link_wait *wait, int64_t ms)
{
	if (wait->patience == NULL || ms <= 0)
		return;
	wait->patience->left_ms = wait->patience->left_ms > ms ? wait->patience->left_ms - ms : 0;
}

void link_wait_begin(struct link_wait *wait, struct link_patience *patience, int64_t now_ms)
{
	*wait = (struct link_wait){.patience = patience, .from_ms = now_ms, .away = true};
}

void link_wait_sent(struct link_wait *wait, int64_t now_ms)
{
	charge(wait, now_ms - wait->from_ms);
	wait->from_ms = now_ms;
	wait->away = false;
}

void link_wait_again(struct link_wait *wait, int64_t now_ms)
{
	wait->from_ms = now_ms;
}

void link_wait_lost(struct link_wait *wait, const struct link_life *life, int64_t now_ms)
{
	wait->from_ms = is_silent(life) ? since(wait, life) : now_ms;
	wait->away = true;
}

void link_wait_end(struct link_wait *wait, const struct link_life *life, int64_t now_ms)
{
	if (wait->away || is_silent(life))
		charge(wait, now_ms - since(wait, life));
}

enum link_wait_state link_wait_look(const struct link_wait *wait, const struct link_life *life,
                                    int64_t now_ms, int64_t *ret_next_ms)
{
	bool asks = !wait->away && !is_silent(life);
	*ret_next_ms = INT64_MAX;
	if (wait->patience == NULL)
		return LINK_WAIT_ON;
	int64_t end = since(wait, life) + (asks ? LINK_ASK_MS : wait->patience->left_ms);
	/* Whoever has waited before gives a core that may just be slow the time to answer. Whoever comes
	 * while it is silent already does not. */
	if (!wait->away && !asks && wait->from_ms < life->asked_ms &&
	    end < life->asked_ms + LINK_ASK_MS)
		end = life->asked_ms + LINK_ASK_MS;
	if (now_ms >= end)
		return asks ? LINK_WAIT_ASK : LINK_WAIT_OVER;
	*ret_next_ms = end;
	return LINK_WAIT_ON;
}
