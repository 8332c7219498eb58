#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "store/internal.h"

static struct str id_key(const uint64_t *id)
{
	return STR_OF(id, sizeof(*id));
}

void peer_opened(struct link_peer *link_peer)
{
	struct peer *peer = mem_new(sizeof(*peer));
	LIST_INIT(&peer->sessions);
	link_peer_set_data(link_peer, peer);
}

void peer_closed(struct store *store, struct link_peer *link_peer)
{
	struct peer *peer = link_peer_data(link_peer);
	if (peer == NULL)
		return;
	struct session *session;
	while ((session = LIST_FIRST(&peer->sessions)) != NULL)
		session_close(store, session);
	link_peer_set_data(link_peer, NULL);
	free(peer);
}

struct session *session_new(struct store *store, struct mailbox *mailbox, struct link_peer *peer,
                            const Pk__OpenRequest *open)
{
	struct session *session = mem_new(sizeof(*session));
	session->id = ++store->session_last;
	session->mailbox = mailbox;
	session->peer = peer;
	session->quota = open->quota_bytes;
	session->since_ms = clock_monotonic_ms();
	snprintf(session->service, sizeof(session->service), "%s", open->service);
	snprintf(session->client, sizeof(session->client), "%s",
	         utf8_valid(str_from(open->client)) ? open->client : "?");
	session->keywords_known = -1;
	return session;
}

void session_opened(struct request *request)
{
	struct session *session = request->session;
	session->peer = request->inbound == NULL ? NULL : link_inbound_peer(request->inbound);
	if (request->error == 0 && session->peer != NULL)
		session_register(request->store, session);
	else
		session_close(request->store, session);
}

void session_register(struct store *store, struct session *session)
{
	struct peer *peer = link_peer_data(session->peer);
	must(!session->registered);
	session->registered = true;
	LIST_INSERT_HEAD(&peer->sessions, session, of_peer);
	LIST_INSERT_HEAD(&session->mailbox->sessions, session, of_mailbox);
	session->mailbox->session_count++;
	store->session_count++;
	map_put(store->sessions, id_key(&session->id), session);
}

struct session *session_find(struct store *store, const struct link_peer *peer, uint64_t id)
{
	struct session *session = map_get(store->sessions, id_key(&id));
	return session != NULL && session->peer == peer ? session : NULL;
}

void session_close(struct store *store, struct session *session)
{
	if (session->registered) {
		session->registered = false;
		LIST_REMOVE(session, of_peer);
		LIST_REMOVE(session, of_mailbox);
		session->mailbox->session_count--;
		session->mailbox->left_ms = loop_now_ms(store->loop);
		store->session_count--;
		map_remove(store->sessions, id_key(&session->id));
	}
	session->closed = true;
	session->peer = NULL;
	if (session->request_count == 0)
		free(session);
}

void session_request_done(struct store *store, struct session *session)
{
	must(session->request_count > 0);
	session->request_count--;
	if (session->closed)
		session_close(store, session);
}

/* ---------------------------------------------------------------- events */

static bool wants(const struct session *session, const struct change *change,
                  const struct request *request)
{
	return session->watching == change->folder && (change->to_all || session != request->session);
}

/* One event to each peer, with all of its sessions. */
static void tell_peer(struct mailbox *mailbox, struct session *first, const struct change *change,
                      const struct request *request, uint64_t *ids)
{
	Pk__ChangedEvent event = PK__CHANGED_EVENT__INIT;
	event.folder = change->folder;
	event.highest_modseq = change->modseq;
	event.sessions = ids;
	struct session *session;
	LIST_FOREACH (session, &mailbox->sessions, of_mailbox) {
		if (session->peer == first->peer && wants(session, change, request)) {
			session->told = true;
			ids[event.n_sessions++] = session->id;
		}
	}
	link_event(first->peer, PK__STORE_METHOD__STORE_EVENT_CHANGED, &event.base);
}

static void tell_change(const struct request *request, const struct change *change)
{
	struct mailbox *mailbox = request->mailbox;
	if (mailbox->session_count == 0)
		return;
	uint64_t *ids MEM_AUTO = mem_new_array(mailbox->session_count, sizeof(*ids));
	struct session *session;
	LIST_FOREACH (session, &mailbox->sessions, of_mailbox)
		session->told = false;
	LIST_FOREACH (session, &mailbox->sessions, of_mailbox)
		if (!session->told && wants(session, change, request))
			tell_peer(mailbox, session, change, request, ids);
}

void session_tell_changes(struct request *request)
{
	for (int i = 0; i < request->change_count; i++)
		tell_change(request, &request->changes[i]);
}

void session_end(struct store *store, struct session *session, const char *reason,
                 bool by_administrator)
{
	Pk__ClosedEvent event = PK__CLOSED_EVENT__INIT;
	event.n_sessions = 1;
	event.sessions = &session->id;
	event.reason = (char *)(uintptr_t)reason;
	event.ended = by_administrator;
	link_event(session->peer, PK__STORE_METHOD__STORE_EVENT_CLOSED, &event.base);
	session_close(store, session);
}

void session_close_all(struct store *store, struct mailbox *mailbox, const char *reason,
                       bool by_administrator)
{
	struct session *session;
	while ((session = LIST_FIRST(&mailbox->sessions)) != NULL)
		session_end(store, session, reason, by_administrator);
}
