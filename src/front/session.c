#include "front/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "front/session_internal.h"

static struct mailbox_count *count_of(struct session_hub *hub, const char *mailbox)
{
	struct mailbox_count *count = map_get(hub->by_mailbox, str_from(mailbox));
	if (count == NULL) {
		count = mem_new(sizeof(*count));
		TAILQ_INIT(&count->list);
		map_put(hub->by_mailbox, str_from(mailbox), count);
	}
	return count;
}

static void uncount(struct session *session)
{
	TAILQ_REMOVE(&session->count->list, session, of_mailbox);
	if (--session->count->sessions == 0)
		free(map_remove(session->hub->by_mailbox, str_from(session->mailbox)));
}

int session_open(struct session **ret, struct session_hub *hub, const Pk__LoginReply *login,
                 const char *service, const char *client, const struct link_patience *patience,
                 const struct session_handlers *handlers, void *ctx, struct errinfo *info)
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
	TAILQ_INSERT_TAIL(&count->list, session, of_mailbox);
	session->slot = login->slot;
	session->checked_round = hub->check_round;
	TAILQ_INIT(&session->calls);
	memcpy(session->mailbox, mailbox.ptr, mailbox.len);
	session->service = service;
	snprintf(session->client, sizeof(session->client), "%s", client);
	struct key32 secret KEY32_AUTO;
	memcpy(secret.bytes, login->mailbox_secret.data, KEY_SIZE);
	vault_put(hub->vault, &secret, &session->secret);
	session_set_record(session, login->key_record.data, login->key_record.len);
	session->public_key_len = login->public_key.len;
	if (login->public_key.len > 0)
		memcpy(session->public_key, login->public_key.data, login->public_key.len);
	session->quota_bytes = login->quota_bytes;
	session->away_from = session_now_ms(hub);
	session->patience = *patience;
	session->state = SESSION_WAITING;
	TAILQ_INSERT_TAIL(&hub->waiting, session, entry);
	timer_start(hub->retry, SESSION_RETRY_MS);
	*ret = session;
	session->fresh = &secret;
	session_pump(hub);
	session->fresh = NULL;
	return 0;
}

void session_free(struct session *session)
{
	if (session == NULL)
		return;
	struct session_hub *hub = session->hub;
	while (!TAILQ_EMPTY(&session->calls))
		session_call_cancel(TAILQ_FIRST(&session->calls));
	session_end_in_store(session);
	session_leave_hub(session);
	uncount(session);
	free(session->record);
	free(session->folder_name);
	free(session);
	session_pump(hub);
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
	session->uid_next = reply->uid_next;
	session->modseq = reply->highest_modseq;
	session->read_only = read_only;
}

void session_renamed(struct session *session, const char *name)
{
	must(session->folder_name != NULL);
	free(session->folder_name);
	session->folder_name = str_dup(str_from(name));
}

void session_saw(struct session *session, uint32_t uid_next, uint64_t modseq)
{
	if (uid_next > session->uid_next)
		session->uid_next = uid_next;
	if (modseq > session->modseq)
		session->modseq = modseq;
}

void session_unselected(struct session *session)
{
	free(session->folder_name);
	session->folder_name = NULL;
}

/* ---------------------------------------------------------------- calls */

void session_end_call(struct session_call *call, int error, struct str text, struct str body)
{
	struct session_request request = call->request;
	bool repeated = call->repeats > 0;
	TAILQ_REMOVE(&call->session->calls, call, entry);
	if (call->link_call != NULL)
		link_call_cancel(call->link_call);
	free(call);
	request.reply(request.ctx, error, text, body, repeated);
}

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
		session_lose(session);
	if (lost && call->request.repeatable && call->repeats < SESSION_REPEATS &&
	    session->state != SESSION_CLOSED) {
		call->repeats++;
		call->away_from = session_now_ms(hub);
		if (call->request.again != NULL)
			call->request.again(call->request.ctx);
	} else if (lost) {
		session_end_call(call, E_UNAVAILABLE, STR("The mail store was interrupted"),
		                 (struct str){NULL, 0});
	} else {
		session_end_call(call, error, text, body);
	}
	session_pump(hub);
}

/* Every request of a session has its number in a field of this name. */
static void set_session_field(ProtobufCMessage *body, uint64_t id)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
		body->descriptor, "session");
	must(field != NULL && field->type == PROTOBUF_C_TYPE_UINT64);
	memcpy((char *)body + field->offset, &id, sizeof(id));
}

int64_t session_call_left(const struct session_call *call, int64_t now_ms)
{
	const struct link_patience *patience = call->request.patience;
	if (patience == NULL)
		return INT64_MAX;
	int64_t waited = now_ms - call->away_from;
	return waited < patience->left_ms ? patience->left_ms - waited : 0;
}

static void send_call(struct session_call *call)
{
	const struct session_request *request = &call->request;
	int64_t now = session_now_ms(call->session->hub);
	int64_t left = call->deadline_at - now;
	struct link_patience *patience = request->patience;
	if (patience != NULL && now > call->away_from)
		patience->left_ms = session_call_left(call, now);
	set_session_field(request->body, call->session->id);
	call->link_call = link_call(call->session->hub->store,
	                            &(struct link_request){
									.method = request->method,
									.body = request->body,
									.kind = LINK_ONCE,
									.deadline_ms = left > 1 ? left : 1,
									.patience = patience,
									.credit = request->credit,
									.upload = request->upload,
									.ctx = call,
									.chunk = request->chunk == NULL ? NULL : call_chunk,
									.reply = call_reply,
								});
}

void session_send_calls(struct session *session)
{
	struct session_call *call;
	TAILQ_FOREACH (call, &session->calls, entry)
		if (call->link_call == NULL)
			send_call(call);
}

struct session_call *session_call(struct session *session, const struct session_request *request)
{
	must(session->state != SESSION_CLOSED);
	struct session_call *call = mem_new(sizeof(*call));
	call->session = session;
	call->request = *request;
	int64_t deadline = request->deadline_ms > 0 ? request->deadline_ms : SESSION_CALL_DEADLINE_MS;
	call->away_from = session_now_ms(session->hub);
	call->deadline_at = call->away_from + deadline;
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
