#ifndef POSTKASSE_DIRECTORY_REFUSALS_H
#define POSTKASSE_DIRECTORY_REFUSALS_H

/*
 * Answers to wrong logins that are given later (failures.h says how much): requests that lie here
 * until their time, bounded in all and by network, while everything else is answered. In the loop's
 * thread.
 */

#include "net/link.h"

enum {
	REFUSALS_MAX = 1024,
	REFUSALS_PER_NETWORK = 32,
};

struct refusals;

struct refusals *refusals_new(struct loop *loop)
	__attribute__((returns_nonnull, warn_unused_result));
/* Without answering what waits: the link server is gone by then. NULL is fine. */
void refusals_free(struct refusals *refusals);
/* Answers a login that was refused; mailbox is the id of what was tried, or empty. */
void refusals_answer(struct link_inbound *inbound, const char *mailbox, int error,
                     const char *text);
/* Keeps inbound, and answers it like that after delay_ms. False when too many wait already, of this
 * network or at all: then it is still the caller's. The texts are copied. */
bool refusals_add(struct refusals *refusals, struct link_inbound *inbound, const char *network,
                  const char *mailbox, int64_t delay_ms, int error, const char *text);
/* The asker has gone: answers at once, which frees it, if it waits here. */
void refusals_cancel(struct refusals *refusals, struct link_inbound *inbound);
size_t refusals_count(const struct refusals *refusals);

#endif
