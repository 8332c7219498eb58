#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "front/session_internal.h"

enum { RECORD_ASKS_MAX = 3 /* key records fetched for one opening */ };

static void open_step(struct session *session);

/* Why an opening failed: later is worth another try. A client that logs in is told of a limit, or of a
 * file that cannot be read; one that had been let in before waits. */
static bool is_passing(const struct session *session, int error)
{
	if (error == E_LIMIT || error == E_IO)
		return session->opened_told;
	return error == E_UNAVAILABLE || error == E_TIMEOUT || error == E_BUSY || error == E_CANCELLED;
}

static void open_failed(struct session *session, int error, struct str text)
{
	session_end_in_store(session);
	session->try_at = session_now_ms(session->hub) + SESSION_RETRY_MS;
	if (is_passing(session, error))
		session_lose(session);
	else
		session_close_for_good(session, error, text);
}

/* What the store said, for the case that it proves true. */
static void keep_text(struct session *session, struct str text)
{
	struct str kept = str_slice(text, 0, sizeof(session->stale_text) - 1);
	memcpy(session->stale_text, kept.ptr, kept.len);
	session->stale_text[kept.len] = '\0';
}

void session_set_record(struct session *session, const unsigned char *bytes, size_t len)
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
	TAILQ_REMOVE(&session->hub->opening, session, entry);
	session->hub->opening_count--;
	session->record_asks = 0;
	session->opened_told = true;
	session_send_calls(session);
	if (first)
		session->handlers->opened(session->ctx, 0, STR(""));
	else if (session->folder_name != NULL)
		session->handlers->changed(session->ctx);
}

/* What the client has been told stands for something else, or will before long. */
static bool went_back(const struct session *session, const Pk__SelectReply *reply)
{
	if (reply->uid_next >= session->uid_next && reply->highest_modseq >= session->modseq)
		return false;
	log_error(session->hub->role->log, "session.went_back", F_TEXT("mailbox", session->mailbox),
	          F_INT("uid_next", reply->uid_next), F_INT("uid_next_before", session->uid_next),
	          F_INT("modseq", reply->highest_modseq), F_INT("modseq_before", session->modseq));
	return true;
}

static void reselected(void *ctx, int error, struct str text, struct str body)
{
	struct session *session = ctx;
	struct session_hub *hub = session->hub;
	session->step = NULL;
	Pk__SelectReply *reply = NULL;
	if (error == 0) {
		reply = (Pk__SelectReply *)link_unpack(&pk__select_reply__descriptor, body,
		                                       WIRE_ITEMS_MESSAGES);
		error = reply == NULL ? E_INTERNAL : 0;
	}
	if (error == E_NOT_FOUND || (error == 0 && (reply->folder != session->folder ||
	                                            reply->uid_validity != session->uid_validity)))
		open_failed(session, E_STALE, STR("The selected mailbox is gone"));
	else if (error == 0 && went_back(session, reply))
		open_failed(session, E_STALE,
		            STR("The selected mailbox has gone back to an earlier state"));
	else if (error != 0)
		open_failed(session, error, text);
	else
		ready(session);
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	session_pump(hub);
}

/* A store that is gone silent is no reason to try again before it has had its time: all sessions of it
 * are opened at once when it comes back. But a login has its end. */
static struct link_patience step_patience(const struct session *session)
{
	struct link_patience patience = {.left_ms = session->hub->core_wait_ms};
	if (session->opened_told)
		return patience;
	int64_t waited = session_now_ms(session->hub) - session->away_from;
	patience = session->patience;
	patience.left_ms = waited < patience.left_ms ? patience.left_ms - waited : 0;
	return patience;
}

static void reselect(struct session *session)
{
	session->step_patience = step_patience(session);
	Pk__SelectRequest request = PK__SELECT_REQUEST__INIT;
	request.session = session->id;
	request.name = session->folder_name;
	request.read_only = session->read_only;
	session->step = link_call(session->hub->store,
	                          &(struct link_request){.method = PK__STORE_METHOD__STORE_SELECT,
	                                                 .body = &request.base,
	                                                 .kind = LINK_ONCE,
	                                                 .patience = &session->step_patience,
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
	                                 .secret = true,
	                                 .kind = LINK_IDEMPOTENT,
	                                 .reply = ignore_reply});
	session_set_record(session, reply->key_record.data, reply->key_record.len);
}

void session_tell_closed(struct session_hub *hub, uint64_t id)
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
		keep_text(session, text);
		open_step(session);
	} else if (error != 0) {
		open_failed(session, error == E_STALE ? E_UNAVAILABLE : error, text);
	} else {
		session->id = reply->session;
		map_put(session->hub->by_id, session_id_key(&session->id), session);
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
		reply = (Pk__OpenReply *)link_unpack(&pk__open_reply__descriptor, body, WIRE_ITEMS_FEW);
		error = reply == NULL || reply->session == 0 ? E_INTERNAL : 0;
	}
	if (session != NULL) {
		session->opening = NULL;
		session_opened(session, error, text, reply);
	} else if (error == 0) {
		session_tell_closed(hub, reply->session);
	}
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	if (error != E_CANCELLED) /* else the link is being freed */
		session_pump(hub);
}

static void record_came(void *ctx, int error, struct str text, struct str body)
{
	struct session *session = ctx;
	struct session_hub *hub = session->hub;
	session->step = NULL;
	Pk__KeyRecordReply *reply = NULL;
	if (error == 0) {
		reply = (Pk__KeyRecordReply *)link_unpack(&pk__key_record_reply__descriptor, body,
		                                          WIRE_ITEMS_FEW);
		error = reply == NULL ? E_INTERNAL : 0;
	}
	if (error != 0) {
		open_failed(session, error, text);
	} else if (str_eq(STR_OF(session->record, session->record_len),
	                  STR_OF(reply->key_record.data, reply->key_record.len))) {
		/* The record was not stale: it is the file. The session may go with the answer. */
		char *why MEM_AUTO = str_dup(str_from(session->stale_text));
		log_error(hub->role->log, "session.other_key", F_TEXT("mailbox", session->mailbox),
		          F_TEXT("text", why));
		open_failed(session, E_CORRUPT, str_from(why));
	} else {
		session_set_record(session, reply->key_record.data, reply->key_record.len);
		session->record_stale = false;
		open_step(session);
	}
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	session_pump(hub);
}

static void ask_record(struct session *session, struct key32 *secret)
{
	session->record_asks++;
	session->step_patience = step_patience(session);
	Pk__KeyRecordRequest request = PK__KEY_RECORD_REQUEST__INIT;
	request.mailbox = session->mailbox;
	request.mailbox_secret = (ProtobufCBinaryData){KEY_SIZE, secret->bytes};
	session->step = link_call(session->hub->directory,
	                          &(struct link_request){
								  .method = PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD,
								  .body = &request.base,
								  .secret = true,
								  .kind = LINK_IDEMPOTENT,
								  .patience = &session->step_patience,
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
	request.client = session->client;
	request.public_key = (ProtobufCBinaryData){session->public_key_len, session->public_key};
	request.quota_bytes = session->quota_bytes;
	struct opening *opening = mem_new(sizeof(*opening));
	*opening = (struct opening){session->hub, session, step_patience(session)};
	session->opening = opening;
	link_call(session->hub->store, &(struct link_request){
									   .method = PK__STORE_METHOD__STORE_OPEN,
									   .body = &request.base,
									   .secret = true,
									   .kind = LINK_ONCE,
									   .patience = &opening->patience,
									   .ctx = opening,
									   .reply = store_opened,
								   });
}

static void open_step(struct session *session)
{
	struct key32 secret KEY32_AUTO;
	if (session->fresh != NULL)
		secret = *session->fresh;
	else
		must(vault_get(session->hub->vault, &session->secret, &secret));
	if (session->record_stale)
		ask_record(session, &secret);
	else
		ask_open(session, &secret);
}

/* Opens sessions that wait, in order, a few at a time. */
void session_pump(struct session_hub *hub)
{
	if (TAILQ_EMPTY(&hub->waiting) || !link_connected(hub->store))
		return;
	int64_t now = session_now_ms(hub);
	struct session *session = TAILQ_FIRST(&hub->waiting);
	while (session != NULL && hub->opening_count < SESSION_OPENING_MAX) {
		struct session *next = TAILQ_NEXT(session, entry);
		if (session->try_at <= now) {
			TAILQ_REMOVE(&hub->waiting, session, entry);
			session->state = SESSION_OPENING;
			TAILQ_INSERT_TAIL(&hub->opening, session, entry);
			hub->opening_count++;
			open_step(session);
		}
		session = next;
	}
}
