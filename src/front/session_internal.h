#ifndef POSTKASSE_FRONT_SESSION_INTERNAL_H
#define POSTKASSE_FRONT_SESSION_INTERNAL_H

/* What session.c (sessions and their calls), session_open.c (how one is opened, again and again) and
 * session_hub.c (what they share, events, waiting) know of each other; nobody else includes this. */

#include <sys/queue.h>

#include "base/map.h"
#include "front/session.h"

TAILQ_HEAD(session_list, session);

struct session_hub {
	struct role *role;
	struct link *store;
	struct link *directory;
	struct vault *vault;
	struct timer *retry;
	struct map *by_id;      /* the store's session number, 8 bytes → struct session */
	struct map *by_mailbox; /* mailbox id → struct mailbox_count */
	size_t sessions_per_mailbox;
	int64_t core_wait_ms;
	struct session_list waiting, opening;
	size_t opening_count;
	/* asking the directory which logins still hold */
	struct link_call *check;
	struct timer *check_retry;
	uint64_t check_round; /* rises with each connection to the directory */
};

/* Of the process's loop. */
static inline int64_t session_now_ms(const struct session_hub *hub)
{
	return loop_now_ms(hub->role->loop);
}

/* A STORE_OPEN under way. It outlives a session that is freed meanwhile: the session that the store
 * then makes has to be closed again, or it would keep the mailbox's key in memory. */
struct opening {
	struct session_hub *hub;
	struct session *session; /* NULL: nobody wants it any more */
	struct link_patience patience;
};

/* The sessions of one mailbox in this process. */
struct mailbox_count {
	size_t sessions;
	struct session_list list;
};

enum session_state {
	SESSION_WAITING, /* in hub->waiting */
	SESSION_OPENING, /* in hub->opening: a STORE_OPEN, DIRECTORY_KEY_RECORD or STORE_SELECT of ours is under way */
	SESSION_READY,
	SESSION_CLOSED,
};

struct session_call {
	TAILQ_ENTRY(session_call) entry;
	struct session *session;
	struct session_request request;
	struct link_call *link_call; /* NULL: waits */
	int64_t deadline_at;         /* monotonic ms */
	int64_t away_from;           /* likewise: since when it waits for the session */
	unsigned repeats;
};

struct session {
	TAILQ_ENTRY(session) entry; /* while waiting or opening */
	struct session_hub *hub;
	const struct session_handlers *handlers; /* borrowed */
	void *ctx;
	enum session_state state;
	int64_t try_at; /* monotonic ms: not opened again before */
	bool opened_told;
	bool record_stale;
	unsigned record_asks;
	char stale_text[200];    /* why the store asked for another one */
	uint64_t id;             /* the store's; 0: none */
	struct link_call *step;  /* the call that opening waits for, but for STORE_OPEN: */
	struct opening *opening; /* owned by its call */
	int64_t away_from;       /* monotonic ms: since when it is opened, by however many attempts */
	struct link_patience patience, step_patience; /* of the first opening; of the step */
	TAILQ_HEAD(, session_call) calls;
	struct mailbox_count *count;
	TAILQ_ENTRY(session) of_mailbox;
	uint64_t checked_round; /* of the hub's check_round */
	/* the login */
	char mailbox[32];
	uint64_t slot;
	const char *service; /* borrowed, static */
	char client[64];
	struct vaulted secret;
	const struct key32 *fresh; /* the same, for an opening that begins with the login; else NULL */
	char *record;
	size_t record_len;
	unsigned char public_key[32];
	size_t public_key_len;
	uint64_t quota_bytes;
	/* what is selected */
	char *folder_name; /* NULL: nothing */
	uint64_t folder;
	uint32_t uid_validity, uid_next;
	uint64_t modseq;
	bool read_only;
};

/* From READY or OPENING back to WAITING; what the link still has of its calls ends by itself. */
void session_lose(struct session *session);
/* Out of all lists of the hub: it is CLOSED. */
void session_leave_hub(struct session *session);
/* It is over for good. The holder may free it in the handler, so nothing may follow. */
void session_close_for_good(struct session *session, int error, struct str text);
/* Opens sessions that wait, in order, a few at a time. */
void session_pump(struct session_hub *hub);
/* Sends what waits, once the session is READY. */
void session_send_calls(struct session *session);
/* How long a call that waits for the session may still do so. */
int64_t session_call_left(const struct session_call *call, int64_t now_ms);
/* The reply of a call; its holder may free the session in it. */
void session_end_call(struct session_call *call, int error, struct str text, struct str body);
/* Ends what the store has of the session, if anything. */
void session_end_in_store(struct session *session);
/* An event of the directory (struct link_handlers). */
void session_directory_event(void *hub, uint32_t method, struct str body);
/* The link to the directory is there again or lost (likewise): asks which logins still hold. */
void session_directory_state(void *hub, bool connected, bool same_instance);
/* Asks again after a failure: a timer's. */
void session_check_retry(void *hub);
/* Keeps a copy of the key record. */
void session_set_record(struct session *session, const unsigned char *bytes, size_t len);
/* Ends a session of that number in the store. */
void session_tell_closed(struct session_hub *hub, uint64_t id);
/* Under which by_id has it; borrows id. */
struct str session_id_key(const uint64_t *id);

#endif
