#include "net/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/core_link.h"

enum { RECORD_ASKS_MAX = 3 /* key records fetched for one opening */ };

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
	struct session_list waiting;
	size_t opening;
};

/* A STORE_OPEN under way. It outlives a session that is freed meanwhile: the session that the store
 * then makes has to be closed again, or it would keep the mailbox's key in memory. */
struct opening {
	struct session_hub *hub;
	struct session *session; /* NULL: nobody wants it any more */
};

struct mailbox_count {
	size_t sessions;
};

enum session_state {
	SESSION_WAITING, /* in hub->waiting */
	SESSION_OPENING, /* a STORE_OPEN, DIRECTORY_KEY_RECORD or STORE_SELECT of ours is under way */
	SESSION_READY,
	SESSION_CLOSED,
};

struct session_call {
	TAILQ_ENTRY(session_call) entry;
	struct session *session;
	struct session_request request;
	struct link_call *link_call; /* NULL: waits */
	int64_t deadline_at;         /* monotonic ms */
	unsigned repeats;
	bool expired;
};

struct session {
	TAILQ_ENTRY(session) entry; /* while waiting */
	struct session_hub *hub;
	const struct session_handlers *handlers; /* borrowed */
	void *ctx;
	enum session_state state;
	int64_t try_at; /* monotonic ms: not opened again before */
	bool opened_told;
	bool record_stale;
	unsigned record_asks;
	uint64_t id;             /* the store's; 0: none */
	struct link_call *step;  /* the call that opening waits for, but for STORE_OPEN: */
	struct opening *opening; /* owned by its call */
	int64_t open_deadline_at;
	TAILQ_HEAD(, session_call) calls;
	struct mailbox_count *count;
	/* the login */
	char mailbox[32];
	const char *service; /* borrowed, static */
	struct vaulted secret;
	char *record;
	size_t record_len;
	unsigned char public_key[32];
	size_t public_key_len;
	uint64_t quota_bytes;
	/* what is selected */
	char *folder_name; /* NULL: nothing */
	uint64_t folder;
	uint32_t uid_validity;
	bool read_only;
};

static void pump(struct session_hub *hub);
static void send_calls(struct session *session);

/* ---------------------------------------------------------------- hub */

static struct str id_key(const uint64_t *id)
{
	return STR_OF((const char *)id, sizeof(*id));
}

static struct session *find(struct session_hub *hub, uint64_t id)
{
	return map_get(hub->by_id, id_key(&id));
}

/* From READY or OPENING back to WAITING; what the link still has of our calls ends by itself. */
static void lose(struct session *session)
{
	struct session_hub *hub = session->hub;
	if (session->state == SESSION_WAITING || session->state == SESSION_CLOSED)
		return;
	if (session->id != 0)
		map_remove(hub->by_id, id_key(&session->id));
	session->id = 0;
	if (session->state == SESSION_OPENING)
		hub->opening--;
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

static void leave_hub(struct session *session)
{
	lose(session);
	if (session->state == SESSION_WAITING)
		TAILQ_REMOVE(&session->hub->waiting, session, entry);
	session->state = SESSION_CLOSED;
}

static void end_call(struct session_call *call, int error, struct str text, struct str body)
{
	struct session_request request = call->request;
	bool repeated = call->repeats > 0;
	TAILQ_REMOVE(&call->session->calls, call, entry);
	if (call->link_call != NULL)
		link_call_cancel(call->link_call);
	free(call);
	request.reply(request.ctx, error, text, body, repeated);
}

/* The session is over for good. The holder may free it in the last line, or while calls end. */
static void close_for_good(struct session *session, int error, struct str text)
{
	leave_hub(session);
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
			lose(session);
		} else {
			close_for_good(session, E_STALE, str_from(event->reason));
		}
	}
}

static void store_event(void *ctx, uint32_t method, struct str body)
{
	struct session_hub *hub = ctx;
	if (method == PK__STORE_METHOD__STORE_EVENT_CHANGED) {
		ProtobufCMessage *event = link_unpack(&pk__changed_event__descriptor, body);
		if (event != NULL)
			on_changed(hub, (const Pk__ChangedEvent *)event);
		protobuf_c_message_free_unpacked(event, NULL);
	} else if (method == PK__STORE_METHOD__STORE_EVENT_CLOSED) {
		ProtobufCMessage *event = link_unpack(&pk__closed_event__descriptor, body);
		if (event != NULL)
			on_closed(hub, (const Pk__ClosedEvent *)event);
		protobuf_c_message_free_unpacked(event, NULL);
		pump(hub);
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
			lose(session);
		return;
	}
	pump(hub);
}

/* While sessions wait: tries again, and ends what has waited too long. */
static void retry(void *ctx)
{
	struct session_hub *hub = ctx;
	int64_t now = clock_monotonic_ms();
	bool restart = true;
	while (restart) {
		/* A handler may free sessions; begin anew after each call out. */
		restart = false;
		struct session *session;
		TAILQ_FOREACH (session, &hub->waiting, entry) {
			if (!session->opened_told && now >= session->open_deadline_at) {
				close_for_good(session, E_UNAVAILABLE, STR("The mail store does not answer"));
				restart = true;
				break;
			}
			struct session_call *call = TAILQ_FIRST(&session->calls);
			if (call != NULL && now >= call->deadline_at && call->link_call == NULL) {
				end_call(call, E_UNAVAILABLE, STR("The mail store does not answer"),
				         (struct str){NULL, 0});
				restart = true;
				break;
			}
		}
	}
	pump(hub);
	if (!TAILQ_EMPTY(&hub->waiting))
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
	hub->retry = timer_new(role->loop, retry, hub);
	int error = core_link_new(&hub->store, role, "store",
	                          &(struct link_handlers){hub, store_event, store_state}, info);
	if (error == 0)
		error = core_link_new(&hub->directory, role, "directory",
		                      &(struct link_handlers){hub, NULL, NULL}, info);
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

void session_hub_set_limit(struct session_hub *hub, size_t sessions_per_mailbox)
{
	hub->sessions_per_mailbox = sessions_per_mailbox;
}

/* ---------------------------------------------------------------- opening */

static void open_step(struct session *session);

/* Why an opening failed: later is worth another try. A client that logs in is told of a limit; one
 * that had been let in before it was reached waits. */
static bool is_passing(const struct session *session, int error)
{
	if (error == E_LIMIT)
		return session->opened_told;
	return error == E_UNAVAILABLE || error == E_TIMEOUT || error == E_BUSY || error == E_IO ||
	       error == E_CANCELLED;
}

static void open_failed(struct session *session, int error, struct str text)
{
	session->try_at = clock_monotonic_ms() + SESSION_RETRY_MS;
	if (is_passing(session, error))
		lose(session);
	else
		close_for_good(session, error, text);
}

static void set_record(struct session *session, const unsigned char *bytes, size_t len)
{
	free(session->record);
	session->record = len == 0 ? NULL : mem_copy_string((const char *)bytes, len);
	session->record_len = len;
}

static void ready(struct session *session)
{
	bool first = !session->opened_told;
	session->state = SESSION_READY;
	session->try_at = 0;
	session->hub->opening--;
	session->record_asks = 0;
	session->opened_told = true;
	send_calls(session);
	if (first)
		session->handlers->opened(session->ctx, 0, STR(""));
	else if (session->folder_name != NULL)
		session->handlers->changed(session->ctx);
}

static void reselected(void *ctx, int error, struct str text, struct str body)
{
	struct session *session = ctx;
	struct session_hub *hub = session->hub;
	session->step = NULL;
	Pk__SelectReply *reply = NULL;
	if (error == 0) {
		reply = (Pk__SelectReply *)link_unpack(&pk__select_reply__descriptor, body);
		error = reply == NULL ? E_INTERNAL : 0;
	}
	if (error == E_NOT_FOUND || (error == 0 && (reply->folder != session->folder ||
	                                            reply->uid_validity != session->uid_validity)))
		close_for_good(session, E_STALE, STR("The selected mailbox is gone"));
	else if (error != 0)
		open_failed(session, error, text);
	else
		ready(session);
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	pump(hub);
}

static void reselect(struct session *session)
{
	Pk__SelectRequest request = PK__SELECT_REQUEST__INIT;
	request.session = session->id;
	request.name = session->folder_name;
	request.read_only = session->read_only;
	session->step = link_call(session->hub->store,
	                          &(struct link_request){.method = PK__STORE_METHOD__STORE_SELECT,
	                                                 .body = &request.base,
	                                                 .kind = LINK_ONCE,
	                                                 .ctx = session,
	                                                 .reply = reselected});
}

static void ignore_reply(void *ctx, int error, struct str text, struct str body)
{
	(void)ctx;
	(void)error;
	(void)text;
	(void)body;
}

/* A re-key has ended: the directory must keep the record that the file opens with now. */
static void keep_record(struct session *session, const Pk__OpenReply *reply)
{
	struct key32 secret KEY32_AUTO;
	if (!vault_get(session->hub->vault, &session->secret, &secret))
		return;
	Pk__KeyRecordSetRequest request = PK__KEY_RECORD_SET_REQUEST__INIT;
	request.mailbox = session->mailbox;
	request.mailbox_secret = (ProtobufCBinaryData){KEY_SIZE, secret.bytes};
	request.key_record = reply->key_record;
	request.replaces = (ProtobufCBinaryData){session->record_len, (unsigned char *)session->record};
	link_call(session->hub->directory,
	          &(struct link_request){.method = PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD_SET,
	                                 .body = &request.base,
	                                 .kind = LINK_IDEMPOTENT,
	                                 .reply = ignore_reply});
	set_record(session, reply->key_record.data, reply->key_record.len);
}

static void tell_closed(struct session_hub *hub, uint64_t id)
{
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = id;
	link_call(hub->store, &(struct link_request){.method = PK__STORE_METHOD__STORE_CLOSE,
	                                             .body = &request.base,
	                                             .kind = LINK_ONCE,
	                                             .reply = ignore_reply});
}

/* reply is NULL on error. */
static void session_opened(struct session *session, int error, struct str text,
                           const Pk__OpenReply *reply)
{
	if (error == E_STALE && session->record_asks < RECORD_ASKS_MAX) {
		session->record_stale = true;
		open_step(session);
	} else if (error != 0) {
		open_failed(session, error == E_STALE ? E_UNAVAILABLE : error, text);
	} else {
		session->id = reply->session;
		map_put(session->hub->by_id, id_key(&session->id), session);
		if (reply->key_record.len > 0)
			keep_record(session, reply);
		if (session->folder_name != NULL)
			reselect(session);
		else
			ready(session);
	}
}

static void store_opened(void *ctx, int error, struct str text, struct str body)
{
	struct opening *opening = ctx;
	struct session_hub *hub = opening->hub;
	struct session *session = opening->session;
	free(opening);
	Pk__OpenReply *reply = NULL;
	if (error == 0) {
		reply = (Pk__OpenReply *)link_unpack(&pk__open_reply__descriptor, body);
		error = reply == NULL || reply->session == 0 ? E_INTERNAL : 0;
	}
	if (session != NULL) {
		session->opening = NULL;
		session_opened(session, error, text, reply);
	} else if (error == 0) {
		tell_closed(hub, reply->session);
	}
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	if (error != E_CANCELLED) /* else the link is being freed */
		pump(hub);
}

static void record_came(void *ctx, int error, struct str text, struct str body)
{
	struct session *session = ctx;
	struct session_hub *hub = session->hub;
	session->step = NULL;
	Pk__KeyRecordReply *reply = NULL;
	if (error == 0) {
		reply = (Pk__KeyRecordReply *)link_unpack(&pk__key_record_reply__descriptor, body);
		error = reply == NULL ? E_INTERNAL : 0;
	}
	if (error != 0) {
		open_failed(session, error, text);
	} else {
		set_record(session, reply->key_record.data, reply->key_record.len);
		session->record_stale = false;
		open_step(session);
	}
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	pump(hub);
}

static void ask_record(struct session *session, struct key32 *secret)
{
	session->record_asks++;
	Pk__KeyRecordRequest request = PK__KEY_RECORD_REQUEST__INIT;
	request.mailbox = session->mailbox;
	request.mailbox_secret = (ProtobufCBinaryData){KEY_SIZE, secret->bytes};
	session->step = link_call(session->hub->directory,
	                          &(struct link_request){
								  .method = PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD,
								  .body = &request.base,
								  .kind = LINK_IDEMPOTENT,
								  .ctx = session,
								  .reply = record_came,
							  });
}

static void ask_open(struct session *session, struct key32 *secret)
{
	Pk__OpenRequest request = PK__OPEN_REQUEST__INIT;
	request.mailbox = session->mailbox;
	request.mailbox_secret = (ProtobufCBinaryData){KEY_SIZE, secret->bytes};
	request.key_record = (ProtobufCBinaryData){session->record_len,
	                                           (unsigned char *)session->record};
	request.service = (char *)session->service;
	request.public_key = (ProtobufCBinaryData){session->public_key_len, session->public_key};
	request.quota_bytes = session->quota_bytes;
	struct opening *opening = mem_new(sizeof(*opening));
	*opening = (struct opening){session->hub, session};
	session->opening = opening;
	link_call(session->hub->store, &(struct link_request){
									   .method = PK__STORE_METHOD__STORE_OPEN,
									   .body = &request.base,
									   .kind = LINK_ONCE,
									   .ctx = opening,
									   .reply = store_opened,
								   });
}

static void open_step(struct session *session)
{
	struct key32 secret KEY32_AUTO;
	must(vault_get(session->hub->vault, &session->secret, &secret));
	if (session->record_stale)
		ask_record(session, &secret);
	else
		ask_open(session, &secret);
}

/* Opens sessions that wait, in order, a few at a time. */
static void pump(struct session_hub *hub)
{
	if (TAILQ_EMPTY(&hub->waiting) || !link_connected(hub->store))
		return;
	int64_t now = clock_monotonic_ms();
	struct session *session = TAILQ_FIRST(&hub->waiting);
	while (session != NULL && hub->opening < SESSION_OPENING_MAX) {
		struct session *next = TAILQ_NEXT(session, entry);
		if (session->try_at <= now) {
			TAILQ_REMOVE(&hub->waiting, session, entry);
			session->state = SESSION_OPENING;
			hub->opening++;
			open_step(session);
		}
		session = next;
	}
}

/* ---------------------------------------------------------------- sessions */

static struct mailbox_count *count_of(struct session_hub *hub, const char *mailbox)
{
	struct mailbox_count *count = map_get(hub->by_mailbox, str_from(mailbox));
	if (count == NULL) {
		count = mem_new(sizeof(*count));
		map_put(hub->by_mailbox, str_from(mailbox), count);
	}
	return count;
}

static void uncount(struct session *session)
{
	if (--session->count->sessions == 0)
		free(map_remove(session->hub->by_mailbox, str_from(session->mailbox)));
}

int session_open(struct session **ret, struct session_hub *hub, const Pk__LoginReply *login,
                 const char *service, const struct session_handlers *handlers, void *ctx,
                 struct errinfo *info)
{
	struct str mailbox = str_from(login->mailbox);
	if (mailbox.len == 0 || mailbox.len >= sizeof((*ret)->mailbox) ||
	    login->mailbox_secret.len != KEY_SIZE || login->key_record.len > 4096 ||
	    login->public_key.len > sizeof((*ret)->public_key))
		return err_set(info, E_INTERNAL, "The directory's answer makes no sense");
	struct mailbox_count *count = count_of(hub, login->mailbox);
	if (count->sessions >= hub->sessions_per_mailbox)
		return err_set(info, E_LIMIT, "Too many connections to this mailbox");
	struct session *session = mem_new(sizeof(*session));
	session->hub = hub;
	session->handlers = handlers;
	session->ctx = ctx;
	session->count = count;
	count->sessions++;
	TAILQ_INIT(&session->calls);
	memcpy(session->mailbox, mailbox.ptr, mailbox.len);
	session->service = service;
	struct key32 secret KEY32_AUTO;
	memcpy(secret.bytes, login->mailbox_secret.data, KEY_SIZE);
	vault_put(hub->vault, &secret, &session->secret);
	set_record(session, login->key_record.data, login->key_record.len);
	session->public_key_len = login->public_key.len;
	if (login->public_key.len > 0)
		memcpy(session->public_key, login->public_key.data, login->public_key.len);
	session->quota_bytes = login->quota_bytes;
	session->open_deadline_at = clock_monotonic_ms() + SESSION_OPEN_DEADLINE_MS;
	session->state = SESSION_WAITING;
	TAILQ_INSERT_TAIL(&hub->waiting, session, entry);
	timer_start(hub->retry, SESSION_RETRY_MS);
	*ret = session;
	pump(hub);
	return 0;
}

void session_free(struct session *session)
{
	if (session == NULL)
		return;
	struct session_hub *hub = session->hub;
	while (!TAILQ_EMPTY(&session->calls))
		session_call_cancel(TAILQ_FIRST(&session->calls));
	if (session->id != 0)
		tell_closed(hub, session->id);
	leave_hub(session);
	uncount(session);
	free(session->record);
	free(session->folder_name);
	free(session);
	pump(hub);
}

const char *session_mailbox(const struct session *session)
{
	return session->mailbox;
}

void session_selected(struct session *session, const Pk__SelectReply *reply, const char *name,
                      bool read_only)
{
	session_unselected(session);
	session->folder_name = str_dup(str_from(name));
	session->folder = reply->folder;
	session->uid_validity = reply->uid_validity;
	session->read_only = read_only;
}

void session_renamed(struct session *session, const char *name)
{
	must(session->folder_name != NULL);
	free(session->folder_name);
	session->folder_name = str_dup(str_from(name));
}

void session_unselected(struct session *session)
{
	free(session->folder_name);
	session->folder_name = NULL;
}

/* ---------------------------------------------------------------- calls */

static void call_chunk(void *ctx, struct link_call *link_call, struct str body)
{
	struct session_call *call = ctx;
	(void)link_call;
	call->request.chunk(call->request.ctx, body);
}

static void call_reply(void *ctx, int error, struct str text, struct str body)
{
	struct session_call *call = ctx;
	struct session *session = call->session;
	struct session_hub *hub = session->hub;
	call->link_call = NULL;
	bool lost = error == E_UNAVAILABLE || error == E_STALE || error == E_CANCELLED;
	if (lost)
		lose(session);
	if (lost && call->request.repeatable && call->repeats < SESSION_REPEATS &&
	    session->state != SESSION_CLOSED) {
		call->repeats++;
		if (call->request.again != NULL)
			call->request.again(call->request.ctx);
	} else if (lost) {
		end_call(call, E_UNAVAILABLE, STR("The mail store was interrupted"), (struct str){NULL, 0});
	} else {
		end_call(call, error, text, body);
	}
	pump(hub);
}

/* Every request of a session has its number in a field of this name. */
static void set_session_field(ProtobufCMessage *body, uint64_t id)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
		body->descriptor, "session");
	must(field != NULL && field->type == PROTOBUF_C_TYPE_UINT64);
	memcpy((char *)body + field->offset, &id, sizeof(id));
}

static void send_call(struct session_call *call)
{
	const struct session_request *request = &call->request;
	int64_t left = call->deadline_at - clock_monotonic_ms();
	set_session_field(request->body, call->session->id);
	call->link_call = link_call(call->session->hub->store,
	                            &(struct link_request){
									.method = request->method,
									.body = request->body,
									.kind = LINK_ONCE,
									.deadline_ms = left > 1 ? left : 1,
									.credit = request->credit,
									.upload = request->upload,
									.ctx = call,
									.chunk = request->chunk == NULL ? NULL : call_chunk,
									.reply = call_reply,
								});
}

static void send_calls(struct session *session)
{
	struct session_call *call;
	TAILQ_FOREACH (call, &session->calls, entry) {
		if (call->link_call == NULL)
			send_call(call);
	}
}

struct session_call *session_call(struct session *session, const struct session_request *request)
{
	must(session->state != SESSION_CLOSED);
	struct session_call *call = mem_new(sizeof(*call));
	call->session = session;
	call->request = *request;
	int64_t deadline = request->deadline_ms > 0 ? request->deadline_ms : SESSION_CALL_DEADLINE_MS;
	call->deadline_at = clock_monotonic_ms() + deadline;
	TAILQ_INSERT_TAIL(&session->calls, call, entry);
	if (session->state == SESSION_READY)
		send_call(call);
	return call;
}

void session_call_grant(struct session_call *call, uint64_t bytes)
{
	if (call->link_call != NULL)
		link_call_grant(call->link_call, bytes);
}

void session_call_cancel(struct session_call *call)
{
	if (call == NULL)
		return;
	TAILQ_REMOVE(&call->session->calls, call, entry);
	if (call->link_call != NULL)
		link_call_cancel(call->link_call);
	free(call);
}
