#ifndef POSTKASSE_STORE_INTERNAL_H
#define POSTKASSE_STORE_INTERNAL_H

/* struct store, for the files that run in the loop's thread: store.c, server.c, session.c. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "store/care.h"
#include "store/server.h"
#include "store/space.h"

struct refused;

struct store {
	struct loop *loop;
	const struct log *log;
	struct store_options options;
	char *data_dir; /* owned */
	struct worker_pool *pool;
	struct marks *marks; /* NULL: nobody keeps them */
	struct refused *refused;

	pthread_mutex_t key_lock; /* guards the next two */
	struct vault *vault;
	struct vaulted temporary_base;

	struct map *mailboxes;        /* by id */
	TAILQ_HEAD(, mailbox) by_use; /* the least recently used first */
	struct map *sessions;         /* by the 8 bytes of their id */
	LIST_HEAD(, request) under_way;
	uint64_t session_last;
	atomic_uint handles;
	struct timer *tick;
	struct space space;

	bool handles_closed; /* since memory was last given back */
	int64_t trimmed_ms;  /* when that was */

	int64_t start_ms;
	unsigned session_count;
	uint64_t deliveries, upload_bytes_held;
	unsigned arrivals; /* deliveries that are being unpacked */

	atomic_bool stopping; /* set in the loop's thread */
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

/* ---- session.c ---- */

/* What we keep about a connected front, as link_peer_data. */
struct peer {
	LIST_HEAD(, session) sessions;
};
void peer_opened(struct link_peer *link_peer);
/* Ends its sessions. */
void peer_closed(struct store *store, struct link_peer *link_peer);

struct session *session_new(struct store *store, struct mailbox *mailbox, struct link_peer *peer,
                            const Pk__OpenRequest *open);
/* A session comes of an OPEN that went well, unless the front has gone meanwhile. */
void session_opened(struct request *request);
/* From now on it can be asked for. */
void session_register(struct store *store, struct session *session);
/* NULL when there is none of that id, or it is another peer's. */
struct session *session_find(struct store *store, const struct link_peer *peer, uint64_t id);
/* Ends it; the struct goes when its last request is back. */
void session_close(struct store *store, struct session *session);
/* A request of it has come back. */
void session_request_done(struct store *store, struct session *session);
/* Tells the sessions that look at a changed folder. */
void session_tell_changes(struct request *request);
/* Tells all sessions of a mailbox that it is gone, and ends them. */
void session_close_all(struct store *store, struct mailbox *mailbox, const char *reason,
                       bool by_administrator);
/* Tells a session so, and ends it. */
void session_end(struct store *store, struct session *session, const char *reason,
                 bool by_administrator);

/* ---- outcome.c ---- */

/* Tells what request has found out about its mailbox. */
void outcome_tell(struct request *request);

/* ---- room.c ---- */

/* Somebody else has filled the volume: before a request fails that needs a little room there is some. */
void room_make(const struct request *request);
/* After one that failed for want of room: whether there is more now, so that it may be started again. Nothing of it
 * was kept. */
bool room_for_another(struct request *request);

/* ---- server.c ---- */

struct mailbox *store_mailbox(struct store *store, struct str id);
/* Starts a request of our own. */
void store_start_care(struct store *store, struct mailbox *mailbox, enum care care);
/* Gives back what is idle; every second. */
void store_tick(void *ctx);
/* Goes on with stopping as far as it is possible now. */
void store_stop_further(struct store *store);

#endif
