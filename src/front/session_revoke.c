#include <string.h>

#include "front/session_internal.h"

/*
 * Sessions whose login does not hold any more: the directory tells when it takes one away, and is asked
 * about all of them, in pages, after the link to it was down, for events are lost then.
 */

enum { CHECK_PAGE = 500 /* the most that the directory is asked at once */ };

/* ---------------------------------------------------------------- the end of sessions */

struct revoked {
	const char *mailbox;
	const uint64_t *slots;
	size_t count;
	bool all;
};

static bool concerns(const struct revoked *revoked, const struct session *session)
{
	if (session->state == SESSION_CLOSED)
		return false;
	for (size_t i = 0; i < revoked->count; i++)
		if (revoked->slots[i] == session->slot)
			return true;
	return revoked->all;
}

static struct session *find(struct session_hub *hub, const struct revoked *revoked)
{
	struct mailbox_count *count = map_get(hub->by_mailbox, str_from(revoked->mailbox));
	struct session *session;
	if (count == NULL)
		return NULL;
	TAILQ_FOREACH (session, &count->list, of_mailbox)
		if (concerns(revoked, session))
			return session;
	return NULL;
}

static void revoke(struct session_hub *hub, const struct revoked *revoked)
{
	struct session *session;
	/* A handler may free sessions: begin anew after each call out. */
	while ((session = find(hub, revoked)) != NULL) {
		log_info(hub->role->log, "session.revoked", F_TEXT("mailbox", session->mailbox),
		         F_INT("slot", (int64_t)session->slot));
		session_end_in_store(session);
		session_close_for_good(session, E_DENIED, STR("The password was revoked or replaced"));
	}
}

void session_directory_event(void *ctx, uint32_t method, struct str body)
{
	struct session_hub *hub = ctx;
	if (method != PK__DIRECTORY_METHOD__DIRECTORY_EVENT_REVOKED)
		return;
	Pk__RevokedEvent *event = (Pk__RevokedEvent *)link_unpack(&pk__revoked_event__descriptor, body,
	                                                          WIRE_ITEMS_MANY);
	if (event == NULL)
		return;
	revoke(hub, &(struct revoked){event->mailbox, event->slots, event->n_slots, event->all});
	protobuf_c_message_free_unpacked(&event->base, NULL);
	session_pump(hub);
}

/* ---------------------------------------------------------------- after the link was down */

static void ask_page(struct session_hub *hub);

static void page_answered(void *ctx, int error, struct str text, struct str body)
{
	struct session_hub *hub = ctx;
	(void)text;
	hub->check = NULL;
	Pk__SessionCheckReply *reply = NULL;
	if (error == 0)
		reply = (Pk__SessionCheckReply *)link_unpack(&pk__session_check_reply__descriptor, body,
		                                             WIRE_ITEMS_MANY);
	for (size_t i = 0; reply != NULL && i < reply->n_revoked; i++) {
		const Pk__SessionLogin *login = reply->revoked[i];
		revoke(hub, &(struct revoked){login->mailbox, &login->slot, 1, false});
	}
	if (reply != NULL) {
		protobuf_c_message_free_unpacked(&reply->base, NULL);
		session_pump(hub);
		ask_page(hub);
	} else if (error != E_CANCELLED) { /* else the link is being freed */
		hub->check_round++;            /* this page too */
		timer_start(hub->check_retry, SESSION_RETRY_MS);
	}
}

/* The next sessions that were not asked about since the link is there. Returns how many. */
static size_t next_page(struct session_hub *hub, Pk__SessionLogin *logins)
{
	size_t position = 0, found = 0;
	struct str key;
	void *value;
	while (found < CHECK_PAGE && map_next(hub->by_mailbox, &position, &key, &value)) {
		struct mailbox_count *count = value;
		struct session *session;
		TAILQ_FOREACH (session, &count->list, of_mailbox) {
			if (found == CHECK_PAGE)
				break;
			if (session->checked_round == hub->check_round)
				continue;
			session->checked_round = hub->check_round;
			pk__session_login__init(&logins[found]);
			logins[found].mailbox = session->mailbox;
			logins[found++].slot = session->slot;
		}
	}
	return found;
}

static void ask_page(struct session_hub *hub)
{
	Pk__SessionLogin logins[CHECK_PAGE], *pointers[CHECK_PAGE];
	Pk__SessionCheckRequest request = PK__SESSION_CHECK_REQUEST__INIT;
	if (hub->check != NULL)
		return;
	request.n_logins = next_page(hub, logins);
	request.logins = pointers;
	for (size_t i = 0; i < request.n_logins; i++)
		pointers[i] = &logins[i];
	if (request.n_logins == 0)
		return;
	hub->check = link_call(hub->directory,
	                       &(struct link_request){
							   .method = PK__DIRECTORY_METHOD__DIRECTORY_SESSION_CHECK,
							   .body = &request.base,
							   .kind = LINK_IDEMPOTENT,
							   .ctx = hub,
							   .reply = page_answered,
						   });
}

void session_check_retry(void *ctx)
{
	ask_page(ctx);
}

void session_directory_state(void *ctx, bool connected, bool same_instance)
{
	struct session_hub *hub = ctx;
	(void)same_instance;
	if (!connected)
		return;
	hub->check_round++;
	ask_page(hub);
}
