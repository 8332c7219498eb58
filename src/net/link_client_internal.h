#ifndef POSTKASSE_NET_LINK_CLIENT_INTERNAL_H
#define POSTKASSE_NET_LINK_CLIENT_INTERNAL_H

/*
 * The asking end of the link in two parts: link_client.c has the connection, link_call.c the calls
 * over it. A call lives from link_call to its end; it waits while the link is down, and is sent again
 * over the next connection if it may be.
 */

#include <sys/queue.h>

#include "net/id_table.h"
#include "net/link_internal.h"
#include "net/link_wait.h"

struct link_call {
	struct id_node node;
	TAILQ_ENTRY(link_call) order;  /* all calls, by id */
	TAILQ_ENTRY(link_call) sender; /* those with upload to send */
	struct link *link;
	struct link_request request; /* body packed into body; upload still borrowed */
	struct buf body;             /* kept while the request may have to be sent (again) */
	unsigned char repeat_id[FRAME_REPEAT_ID_SIZE];
	bool sent; /* over the present connection */
	bool sent_before;
	bool streaming; /* a chunk has come: cannot be sent again */
	bool sending;   /* in the senders' list */
	bool calling;   /* inside one of its callbacks */
	bool ended;     /* off the lists: memory only */
	uint64_t upload_sent, upload_granted;
	int64_t credit;        /* of the stream: what the core may send; below 0: overdrawn */
	int64_t deadline_at;   /* INT64_MAX while the stream waits for us */
	int64_t deadline_left; /* then: what was left */
	struct link_wait wait;
};

TAILQ_HEAD(call_list, link_call);

struct link {
	struct loop *loop;
	const struct log *log;
	struct link_handlers handlers;
	struct link_target target; /* its strings are ours */
	char *where;               /* the target's address, for the log */
	struct ws *ws;             /* NULL while waiting to try again */
	bool up;                   /* hellos are exchanged */
	bool fixed;                /* made from a descriptor: no reconnection */
	bool asking;               /* the dialer has been asked and has not answered yet */
	bool freed;
	bool greeted;    /* core_instance is known */
	bool complained; /* the log says that the core is away */
	unsigned char instance[LINK_INSTANCE_SIZE], core_instance[LINK_INSTANCE_SIZE];
	char core_role[LINK_ROLE_MAX];
	int64_t up_since_ms, retry_ms;
	int64_t moved_ms; /* the core has taken more of what waits to be sent */
	int64_t asked_ms; /* ... and for this sign of life it was asked */
	struct timer *retry, *sweep;
	int64_t sweep_at; /* INT64_MAX: not running */
	uint64_t last_id, epoch;
	struct id_table table;
	struct call_list calls, senders;
	struct link_faults faults;
	struct loop_task later; /* ends what cannot be sent; after link_free: releases the memory */
};

/* What is known of the core over the present connection. */
struct link_life link_life(const struct link *link);

/* ---- link_call.c: what is said of calls runs their callbacks, in which the link may be freed ---- */

/* Takes any frame of the core but its hello. Returns what is wrong with it, or NULL. */
const char *link_calls_take(struct link *link, const struct frame *frame);
/* Sends what is not sent yet. */
void link_calls_send(struct link *link);
/* Sends more of the uploads while the connection takes it. */
void link_calls_pump(struct link *link);
/* The core is another instance: ends what was sent to the last one and may not be sent to this one. */
void link_calls_restarted(struct link *link);
/* The connection is gone, over which life was known: ends what goes with it. */
void link_calls_settle(struct link *link, const struct link_life *life);
/* Ends those that were too large to be sent. */
void link_calls_drop_unsendable(struct link *link);
/* Ends all. */
void link_calls_cancel(struct link *link);
/* The timer's: ends those whose deadline has passed. */
void link_calls_sweep(void *link);

#endif
