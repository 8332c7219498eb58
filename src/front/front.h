#ifndef POSTKASSE_FRONT_FRONT_H
#define POSTKASSE_FRONT_FRONT_H

/*
 * A front's process: its listening sockets, its clients, the memory for messages that come in, the thread beside
 * its loop, and how it begins, reloads and ends. What protocol its clients speak is its kind's; a struct front
 * lies inside of what the kind has besides. Loop thread only.
 *
 *     start ──> configure ──> (accepted | configure, at a reload)* ──> stop ──> (front_settle)* ──> done
 */

#include "front/budget.h"
#include "front/client.h"
#include "net/background.h"
#include "net/listener.h"
#include "net/role.h"

struct front_socket {
	const char *name; /* of the role's sockets */
	bool tls;         /* from the first byte */
};

struct front_kind {
	const struct front_socket *sockets;
	size_t socket_count;
	/* Names of options: connections at once, those of one address, bytes of messages; memory NULL: the kind
	 * takes in none. */
	const char *connections, *connections_per_address, *memory;
	/* Its links. On error the process ends. */
	int (*start)(void *ctx, struct errinfo *info);
	void (*configure)(void *ctx);
	/* See net/listener.h: makes a client, and starts it with front_client_start. */
	void (*accepted)(void *ctx, bool tls, int fd, const struct listener_peer *peer);
	/* What one hears who is refused before anything was said, where that can be said without TLS. */
	const char *(*refusal)(void *ctx, enum listener_refusal reason);
	/* The service ends: says so and ends the client, whose work under way is finished first. */
	void (*stop)(struct front_client *client);
	/* The connection is over: gives up what is under way for the client, nothing of which comes any more. */
	void (*leave)(struct front_client *client);
	/* Frees it. */
	void (*forget)(struct front_client *client);
	/* Where clients have to log in: a stranger waits for nothing but its client, and makes room for another
	 * one. NULL where they have not. */
	bool (*is_idle)(const struct front_client *client);
	void (*evict)(struct front_client *client);
	/* With the last client gone: nothing goes on without one. May be NULL. */
	bool (*is_over)(const void *ctx);
	/* Frees what start made, as far as it came, and with front_clients_free the clients that are left. */
	void (*done)(void *ctx);
};

struct front {
	const struct front_kind *kind;
	void *ctx;
	struct role *role;
	struct listener *listener;
	struct front_clients clients;
	struct front_clients gone; /* over; forgotten when the loop comes round */
	struct loop_task forget_gone;
	struct front_clients strangers; /* of clients, oldest first */
	size_t stranger_count;
	size_t strangers_max; /* 0: nobody logs in */
	struct budget memory;
	struct background *background;
	bool stopping;
	struct timer *memory_timer;
	bool memory_watched; /* that timer runs */
	struct timer *stop_timer;
	int stop_steps;
};

/* Of the process's loop. */
static inline int64_t front_now_ms(const struct front *front)
{
	return loop_now_ms(front->role->loop);
}

/* Runs until the service stops; front is zeroed before, and ctx what the kind's functions get. Returns the
 * process's exit code. */
int front_run(struct front *front, struct role *role, const struct front_kind *kind,
              void *ctx) MUST_USE;
/* Somebody is about to take memory: from now on it is looked after, until nobody holds any. */
void front_memory_used(struct front *front);
/* Something that a stop waits for is over; see is_over. */
void front_settle(struct front *front);

#endif
