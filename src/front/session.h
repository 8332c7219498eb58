#ifndef POSTKASSE_FRONT_SESSION_H
#define POSTKASSE_FRONT_SESSION_H

/*
 * A front's session with a mailbox in a store. It outlives the link: when the link breaks or the
 * store is restarted, the session is opened again with the mailbox secret that the front keeps in its
 * vault, the selected folder is selected again, and calls go on:
 *
 *     login ──> OPENING ──> READY ──(link lost, store restarted, key changed)──> WAITING
 *                  ^                                                               |
 *                  └───────────── link is back; at most a few at a time ───────────┘
 *
 * A call that was under way is sent again when it was marked repeatable, at most SESSION_REPEATS
 * times (a request that kills the store must not do so for ever); others end with E_UNAVAILABLE.
 * Calls made meanwhile wait until their deadline. The holder sees a pause and, afterwards, one changed
 * event, because events may have been missed.
 *
 * struct session_hub is what all sessions of a front's process share: the links to store and
 * directory, the vault, the count of sessions of each mailbox. Everything runs in the loop's thread.
 */

#include "crypto/secret.h"
#include "net/link.h"
#include "net/role.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

enum {
	SESSION_REPEATS = 3,
	SESSION_OPENING_MAX = 64,             /* opened at the same time after the link came back */
	SESSION_RETRY_MS = 250,               /* between attempts while the store says that it cannot */
	SESSION_CALL_DEADLINE_MS = 90 * 1000, /* of a call, unless it says else: link loss included */
};

/* ---------------------------------------------------------------- hub */

struct session_hub;

/* Starts the links that role's configuration names. role is borrowed. */
int session_hub_new(struct session_hub **ret, struct role *role, struct errinfo *info) MUST_USE;
/* After all sessions are freed. NULL is fine. */
void session_hub_free(struct session_hub *hub);
/* For SASL. */
struct link *session_hub_directory(struct session_hub *hub);
struct vault *session_hub_vault(struct session_hub *hub);
/* Sessions that one mailbox may have in this process, and how long the store may be silent while it is
 * asked to open one again. */
void session_hub_set_limits(struct session_hub *hub, size_t sessions_per_mailbox,
                            int64_t core_wait_ms);

/* ---------------------------------------------------------------- session */

struct session;
struct session_call;

struct session_handlers {
	/* The end of session_open: 0, or why it failed; the session then has to be freed. Once. */
	void (*opened)(void *ctx, int error, struct str text);
	/* The selected folder may have changed: ask STORE_CHANGES. May come without cause. */
	void (*changed)(void *ctx);
	/* It is over for good: E_DENIED when its password was revoked or replaced or its address removed,
	 * E_STALE when the mailbox or the selected folder was replaced, E_CANCELLED when an administrator
	 * ended it. Calls under way get no reply any
	 * more; only session_call_cancel and session_free are allowed. */
	void (*closed)(void *ctx, int error, struct str text);
};

/* Opens the mailbox of login (copied), of which nothing was revoked since the directory sent it. E_LIMIT: it has too many sessions. handlers is borrowed for
 * the session's life and never called from inside a session_ function. service: "imap", "pop3";
 * client: the network address of whom it is for. patience
 * (copied) is what the login has left of it. */
int session_open(struct session **ret, struct session_hub *hub, const Pk__LoginReply *login,
                 const char *service, const char *client, const struct link_patience *patience,
                 const struct session_handlers *handlers, void *ctx, struct errinfo *info) MUST_USE;
/* Ends it in the store too. Calls are forgotten without their reply. NULL is fine. */
void session_free(struct session *session);
/* The mailbox id, for the log. */
const char *session_mailbox(const struct session *session);

/* Tells what is selected (by a STORE_SELECT that has succeeded), so that it can be selected again and
 * recognized; name is copied. */
void session_selected(struct session *session, const Pk__SelectReply *reply, const char *name,
                      bool read_only);
/* The selected folder has another name now. */
void session_renamed(struct session *session, const char *name);
void session_unselected(struct session *session);
/* The selected folder has come so far, as the client was or may be told. A store that comes back with
 * less serves another state of the mailbox: the session then ends. */
void session_saw(struct session *session, uint32_t uid_next, uint64_t modseq);

struct session_request {
	uint32_t method;
	ProtobufCMessage
		*body;           /* borrowed until the call ends; its field "session" is filled in here */
	bool repeatable;     /* doing it twice is as good as once */
	int64_t deadline_ms; /* 0: SESSION_CALL_DEADLINE_MS */
	struct link_patience *patience; /* borrowed until the call ends; NULL: has only the deadline */
	uint64_t credit;                /* of a stream; 0: LINK_CREDIT */
	struct str upload;              /* borrowed until the call ends */
	void *ctx;
	/* A piece of a stream. May be NULL. */
	void (*chunk)(void *ctx, struct str body);
	/* Before a repeatable request is sent again: may change body, for example to what has not come
	 * yet. May be NULL. */
	void (*again)(void *ctx);
	/* Exactly once, unless cancelled, always from the loop. repeated: it may have been executed
	 * before, so that E_NOT_FOUND or E_EXISTS may mean that it was. */
	void (*reply)(void *ctx, int error, struct str text, struct str body, bool repeated);
};
struct session_call *session_call(struct session *session, const struct session_request *request)
	__attribute__((returns_nonnull));
void session_call_grant(struct session_call *call, uint64_t bytes);
/* NULL is fine. */
void session_call_cancel(struct session_call *call);

#endif
