#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "front/session_internal.h"
#include "net/core_link.h"

struct str session_id_key(const uint64_t *id)
{
	return STR_OF((const char *)id, sizeof(*id));
}

static struct session *find(struct session_hub *hub, uint64_t id)
{
	return map_get(hub->by_id, session_id_key(&id));
}

/* Without that the store would keep the mailbox's key for it. */
void session_end_in_store(struct session *session)
{
	struct session_hub *hub = session->hub;
	if (session->id == 0)
		return;
	map_remove(hub->by_id, session_id_key(&session->id));
	session_tell_closed(hub, session->id);
	session->id = 0;
}

/* From READY or OPENING back to WAITING; what the link still has of our calls ends by itself. */
void session_lose(struct session *session)
{
	struct session_hub *hub = session->hub;
	if (session->state == SESSION_WAITING || session->state == SESSION_CLOSED)
		return;
	if (session->id != 0)
		map_remove(hub->by_id, session_id_key(&session->id));
	session->id = 0;
	if (session->state == SESSION_OPENING) {
		TAILQ_REMOVE(&hub->opening, session, entry);
		hub->opening_count--;
	} else {
		session->away_from = session_now_ms(hub);
	}
	if (session->step != NULL)
		link_call_cancel(session->step);
	session->step = NULL;
	if (session->opening != NULL)
		session->opening->session = NULL;
	session->opening = NULL;
	session->state = SESSION_WAITING;
	TAILQ_INSERT_TAIL(&hub->waiting, session, entry);
	timer_start(hub->retry, SESSION_RETRY_MS);
}

void session_leave_hub(struct session *session)
{
	session_lose(session);
	if (session->state == SESSION_WAITING)
		TAILQ_REMOVE(&session->hub->waiting, session, entry);
	session->state = SESSION_CLOSED;
}

/* The session is over for good. The holder may free it in the last line, or while calls end. */
void session_close_for_good(struct session *session, int error, struct str text)
{
	session_leave_hub(session);
	if (!session->opened_told) {
		session->opened_told = true;
		session->handlers->opened(session->ctx, error, text);
		return;
	}
	session->handlers->closed(session->ctx, error, text);
}

static void on_changed(struct session_hub *hub, const Pk__ChangedEvent *event)
{
	for (size_t i = 0; i < event->n_sessions; i++) {
		struct session *session = find(hub, event->sessions[i]);
		if (session != NULL && session->folder_name != NULL && session->folder == event->folder)
			session->handlers->changed(session->ctx);
	}
}

static void on_closed(struct session_hub *hub, const Pk__ClosedEvent *event)
{
	for (size_t i = 0; i < event->n_sessions; i++) {
		struct session *session = find(hub, event->sessions[i]);
		if (session == NULL)
			continue;
		if (event->key_changed) {
			session->record_stale = true;
			session_lose(session);
		} else {
			session_close_for_good(session, event->ended ? E_CANCELLED : E_STALE,
			                       str_from(event->reason));
		}
	}
}

static void store_event(void *ctx, uint32_t method, struct str body)
{
	struct session_hub *hub = ctx;
	if (method == PK__STORE_METHOD__STORE_EVENT_CHANGED) {
		ProtobufCMessage *event = link_unpack(&pk__changed_event__descriptor, body,
		                                      WIRE_ITEMS_MANY);
		if (event != NULL)
			on_changed(hub, (const Pk__ChangedEvent *)event);
		protobuf_c_message_free_unpacked(event, NULL);
	} else if (method == PK__STORE_METHOD__STORE_EVENT_CLOSED) {
		ProtobufCMessage *event = link_unpack(&pk__closed_event__descriptor, body, WIRE_ITEMS_MANY);
		if (event != NULL)
			on_closed(hub, (const Pk__ClosedEvent *)event);
		protobuf_c_message_free_unpacked(event, NULL);
		session_pump(hub);
	}
}

/* Sessions end with the link that opened them, whatever instance of the store is at its end. */
static void store_state(void *ctx, bool connected, bool same_instance)
{
	struct session_hub *hub = ctx;
	(void)same_instance;
	if (!connected) {
		size_t position = 0;
		struct str key;
		void *session;
		while (map_next(hub->by_id, &position, &key, &session))
			session_lose(session);
		return;
	}
	session_pump(hub);
}

/* A login: the store is away, or takes too long. */
static bool opens_too_long(const struct session *session, int64_t now)
{
	const struct link_patience *patience = &session->patience;
	if (session->opened_told)
		return false;
	return (patience->until_ms > 0 && now >= patience->until_ms) ||
	       (session->state == SESSION_WAITING && now - session->away_from >= patience->left_ms);
}

/* Ends one login or call that has waited too long, whose handler may free sessions. False: there is
 * none in the list. */
static bool end_late(struct session_list *list, int64_t now)
{
	struct session *session;
	TAILQ_FOREACH (session, list, entry) {
		if (opens_too_long(session, now)) {
			session_close_for_good(session, E_UNAVAILABLE, STR("The mail store does not answer"));
			return true;
		}
		struct session_call *call = TAILQ_FIRST(&session->calls);
		if (call != NULL && call->link_call == NULL &&
		    (now >= call->deadline_at || session_call_left(call, now) == 0)) {
			session_end_call(call, E_UNAVAILABLE, STR("The mail store does not answer"),
			                 (struct str){NULL, 0});
			return true;
		}
	}
	return false;
}

/* While sessions wait: tries again, and ends what has waited too long. */
static void retry(void *ctx)
{
	struct session_hub *hub = ctx;
	int64_t now = session_now_ms(hub);
	while (end_late(&hub->waiting, now) || end_late(&hub->opening, now)) {
		/* until none is left */
	}
	session_pump(hub);
	if (!TAILQ_EMPTY(&hub->waiting) || !TAILQ_EMPTY(&hub->opening))
		timer_start(hub->retry, SESSION_RETRY_MS);
}

int session_hub_new(struct session_hub **ret, struct role *role, struct errinfo *info)
{
	struct session_hub *hub = mem_new(sizeof(*hub));
	hub->role = role;
	hub->vault = vault_new();
	hub->by_id = map_new();
	hub->by_mailbox = map_new();
	hub->sessions_per_mailbox = SIZE_MAX;
	TAILQ_INIT(&hub->waiting);
	TAILQ_INIT(&hub->opening);
	hub->core_wait_ms = LINK_DEADLINE_MS;
	hub->retry = timer_new(role->loop, retry, hub);
	hub->check_retry = timer_new(role->loop, session_check_retry, hub);
	int error = core_link_new(&hub->store, role, "store",
	                          &(struct link_handlers){hub, store_event, store_state}, info);
	if (error == 0)
		error = core_link_new(
			&hub->directory, role, "directory",
			&(struct link_handlers){hub, session_directory_event, session_directory_state}, info);
	if (error != 0) {
		session_hub_free(hub);
		return error;
	}
	*ret = hub;
	return 0;
}

void session_hub_free(struct session_hub *hub)
{
	if (hub == NULL)
		return;
	must(map_count(hub->by_mailbox) == 0);
	if (hub->store != NULL)
		link_free(hub->store);
	if (hub->directory != NULL)
		link_free(hub->directory);
	timer_free(hub->retry);
	timer_free(hub->check_retry);
	map_free(hub->by_id);
	map_free(hub->by_mailbox);
	vault_free(hub->vault);
	free(hub);
}

struct link *session_hub_directory(struct session_hub *hub)
{
	return hub->directory;
}

struct vault *session_hub_vault(struct session_hub *hub)
{
	return hub->vault;
}

void session_hub_set_limits(struct session_hub *hub, size_t sessions_per_mailbox,
                            int64_t core_wait_ms)
{
	hub->sessions_per_mailbox = sessions_per_mailbox;
	hub->core_wait_ms = core_wait_ms;
}
