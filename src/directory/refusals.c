#include "directory/refusals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "directory/failures.h"

#include "directory.pb-c.h"

struct refusal {
	TAILQ_ENTRY(refusal) entry;
	struct link_inbound *inbound;
	int64_t due_ms;
	int error;
	char network[FAILURES_NETWORK_SIZE];
	char mailbox[32];
	struct errinfo info;
};

struct refusals {
	struct timer *timer;
	TAILQ_HEAD(refusal_list, refusal) waiting; /* few: walked from end to end */
	size_t count;
};

void refusals_answer(struct link_inbound *inbound, const char *mailbox, int error, const char *text)
{
	Pk__LoginReply about = PK__LOGIN_REPLY__INIT;
	struct buf body;
	buf_init(&body, 256);
	about.mailbox = (char *)(uintptr_t)mailbox;
	link_pack(&body, &about.base);
	link_reply_error_packed(inbound, error, text, &body);
}

static void answer(struct refusals *refusals, struct refusal *refusal)
{
	TAILQ_REMOVE(&refusals->waiting, refusal, entry);
	refusals->count--;
	link_inbound_set_data(refusal->inbound, NULL);
	refusals_answer(refusal->inbound, refusal->mailbox, refusal->error, refusal->info.text);
	free(refusal);
}

static void wait_for_next(struct refusals *refusals, int64_t now_ms)
{
	struct refusal *refusal;
	int64_t due_ms = INT64_MAX;
	TAILQ_FOREACH (refusal, &refusals->waiting, entry)
		due_ms = refusal->due_ms < due_ms ? refusal->due_ms : due_ms;
	if (due_ms == INT64_MAX)
		timer_stop(refusals->timer);
	else
		timer_start(refusals->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void on_timer(void *ctx)
{
	struct refusals *refusals = ctx;
	int64_t now_ms = clock_monotonic_ms();
	struct refusal *refusal, *next;
	for (refusal = TAILQ_FIRST(&refusals->waiting); refusal != NULL; refusal = next) {
		next = TAILQ_NEXT(refusal, entry);
		if (refusal->due_ms <= now_ms)
			answer(refusals, refusal);
	}
	wait_for_next(refusals, now_ms);
}

struct refusals *refusals_new(struct loop *loop)
{
	struct refusals *refusals = mem_new(sizeof(*refusals));
	refusals->timer = timer_new(loop, on_timer, refusals);
	TAILQ_INIT(&refusals->waiting);
	return refusals;
}

void refusals_free(struct refusals *refusals)
{
	struct refusal *refusal;
	if (refusals == NULL)
		return;
	while ((refusal = TAILQ_FIRST(&refusals->waiting)) != NULL) {
		TAILQ_REMOVE(&refusals->waiting, refusal, entry);
		free(refusal);
	}
	timer_free(refusals->timer);
	free(refusals);
}

bool refusals_add(struct refusals *refusals, struct link_inbound *inbound, const char *network,
                  const char *mailbox, int64_t delay_ms, int error, const char *text)
{
	struct refusal *refusal;
	size_t same = 0;
	TAILQ_FOREACH (refusal, &refusals->waiting, entry)
		same += strcmp(refusal->network, network) == 0;
	if (same >= REFUSALS_PER_NETWORK || refusals->count >= REFUSALS_MAX)
		return false;
	int64_t now_ms = clock_monotonic_ms();
	refusal = mem_new(sizeof(*refusal));
	refusal->inbound = inbound;
	refusal->due_ms = now_ms + delay_ms;
	refusal->error = err_set(&refusal->info, error, "%s", text);
	snprintf(refusal->network, sizeof(refusal->network), "%s", network);
	snprintf(refusal->mailbox, sizeof(refusal->mailbox), "%s", mailbox);
	link_inbound_set_data(inbound, refusal);
	TAILQ_INSERT_TAIL(&refusals->waiting, refusal, entry);
	refusals->count++;
	wait_for_next(refusals, now_ms);
	return true;
}

void refusals_cancel(struct refusals *refusals, struct link_inbound *inbound)
{
	struct refusal *refusal = link_inbound_data(inbound);
	if (refusal != NULL)
		answer(refusals, refusal);
}

size_t refusals_count(const struct refusals *refusals)
{
	return refusals->count;
}
