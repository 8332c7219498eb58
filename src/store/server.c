#include <malloc.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/check.h"
#include "store/deliver.h"
#include "store/internal.h"
#include "store/marks.h"
#include "store/message.h"
#include "store/refused.h"
#include "store/turn.h"

enum { TICK_MS = 1000, TRIM_MS = 10 * 1000 };

/* Everything that a peer may ask, by number. */
static const struct core_method *const methods[] = {
	&store_method_open.core,
	&store_method_close.core,
	&store_method_folder_list.core,
	&store_method_folder_create.core,
	&store_method_folder_delete.core,
	&store_method_folder_rename.core,
	&store_method_folder_subscribe.core,
	&store_method_folder_status.core,
	&store_method_select.core,
	&store_method_unselect.core,
	&store_method_changes.core,
	&store_method_fetch.core,
	&store_method_store.core,
	&store_method_search.core,
	&store_method_copy.core,
	&store_method_expunge.core,
	&store_method_append.core,
	&store_method_deliver.core,
	&store_method_create.core,
	&store_method_attach.core,
	&store_method_rekey.core,
	&store_method_verify.core,
	&store_method_remove.core,
	&store_method_hold.core,
	&store_method_statistics.core,
	&store_method_session_list.core,
	&store_method_session_end.core,
	&store_method_file_list.core,
	&store_method_waiting.core,
};

/* ---------------------------------------------------------------- back in the loop */

static void mailbox_release(struct store *store, struct mailbox *mailbox)
{
	/* How often that failed counts, also for an owner who never stays until it is tried again. */
	bool counts = mailbox->merge_failures > 0 && !store->stopping;
	if (mailbox->task_count > 0 || mailbox->session_count > 0 || mailbox_holds_anything(mailbox) ||
	    mailbox_held(mailbox) || counts)
		return;
	TAILQ_REMOVE(&store->by_use, mailbox, by_use);
	map_remove(store->mailboxes, str_from(mailbox->id));
	mailbox_free(mailbox);
}

static void request_free(struct request *request)
{
	struct store *store = request->store;
	LIST_REMOVE(request, under_way);
	if (request->state != NULL)
		request->state_free(request->state);
	request_free_message(request);
	buf_done_wiped(&request->reply); /* may hold a key record */
	buf_done(&request->chunk);
	if (request->session != NULL)
		session_request_done(store, request->session);
	free(request);
}

static void log_failure(const struct request *request)
{
	if (request->error != E_CORRUPT && request->error != E_IO && request->error != E_NO_SPACE &&
	    request->error != E_INTERNAL)
		return;
	log_error(request->store->log, "store.failed", F_TEXT("method", request->method->core.name),
	          F_TEXT("mailbox", request->mailbox->id), F_ERR(request->error),
	          F_TEXT("text", request->info.text));
}

static void answer(struct request *request)
{
	if (request->delivery != NULL)
		deliver_done(request);
	else if (request->error != 0)
		link_reply_error(request->inbound, request->error, request->info.text);
	else
		link_reply_packed(request->inbound, &request->reply);
}

static void request_finish(struct request *request)
{
	struct store *store = request->store;
	struct mailbox *mailbox = request->mailbox;
	log_failure(request);
	if (request->delivery != NULL && request->error == 0)
		store->deliveries++;
	session_tell_changes(request);
	if (request->watch_set && request->session != NULL)
		request->session->watching = request->watch;
	if (request->method->finished != NULL)
		request->method->finished(request);
	if (request_brings_secret(request->method)) {
		/* One that failed may have left a key, but is no reason to keep any: whoever has no secret
		 * could go on failing for ever. Nor is one that needs none. */
		mailbox->keyed = true;
		if (request->error == 0 && request->shown_secret)
			mailbox->left_ms = loop_now_ms(store->loop);
	}
	outcome_tell(request);
	bool care = request->wants_care && !store->stopping;
	store->upload_bytes_held -= request->upload.len;
	answer(request);
	request_free(request);
	mailbox->task_count--;
	mailbox->used_ms = loop_now_ms(store->loop);
	if (care)
		store_start_care(store, mailbox, CARE_TIDY);
	mailbox_release(store, mailbox);
	if (store->stopping)
		store_stop_further(store);
}

static void start(struct request *request)
{
	task_start(request->store->pool, &request->task);
}

static void request_done(struct task *task)
{
	struct request *request = container_of(task, struct request, task);
	bool credit = true;
	if (!request->more && room_for_another(request)) {
		start(request);
		return;
	}
	if (request->error == 0 && request->chunk.len > 0) {
		credit = link_chunk(request->inbound, &request->chunk);
		buf_init(&request->chunk, REPLY_MAX); /* its memory is the link's now */
	}
	/* The next piece of a stream is made when there is credit for it. */
	if (!request->more)
		request_finish(request);
	else if (credit || request_cancelled(request) || request->store->stopping)
		start(request);
	else
		request->waiting = true;
}

/* ---------------------------------------------------------------- starting */

static void touch(struct store *store, struct mailbox *mailbox)
{
	TAILQ_REMOVE(&store->by_use, mailbox, by_use);
	TAILQ_INSERT_TAIL(&store->by_use, mailbox, by_use);
}

struct mailbox *store_mailbox(struct store *store, struct str id)
{
	struct mailbox *mailbox = map_get(store->mailboxes, id);
	if (mailbox != NULL) {
		touch(store, mailbox);
		return mailbox;
	}
	mailbox = mailbox_new(store, id);
	map_put(store->mailboxes, id, mailbox);
	TAILQ_INSERT_TAIL(&store->by_use, mailbox, by_use);
	return mailbox;
}

static struct request *request_new(struct store *store, const struct method *method,
                                   struct mailbox *mailbox)
{
	struct request *request = mem_new(sizeof(*request));
	request->store = store;
	request->method = method;
	request->mailbox = mailbox;
	request->task.turn = &mailbox->turn;
	request->task.run = request_run;
	request->task.done = request_done;
	buf_init(&request->reply, REPLY_MAX);
	buf_init(&request->chunk, REPLY_MAX);
	LIST_INSERT_HEAD(&store->under_way, request, under_way);
	mailbox->task_count++;
	return request;
}

void store_start_target(struct store *store, struct delivery *delivery, size_t target,
                        struct str mailbox)
{
	struct request *request = request_new(store, &store_method_deliver,
	                                      store_mailbox(store, mailbox));
	request->delivery = delivery;
	request->target = target;
	request->message = delivery->message;
	request->upload = link_inbound_upload(delivery->inbound);
	store->upload_bytes_held += request->upload.len;
	start(request);
}

static void close_at_once(struct store *store, struct link_inbound *inbound, uint64_t id)
{
	struct session *session = session_find(store, link_inbound_peer(inbound), id);
	if (session == NULL) {
		link_reply_error(inbound, E_STALE, "no such session");
		return;
	}
	session_close(store, session);
	Pk__Empty reply = PK__EMPTY__INIT;
	link_reply(inbound, &reply.base);
}

/* Of one that is not unpacked: what we write begins with it, and whoever writes another one further on is
 * found out when it is. */
static bool session_id_of(struct str body, uint64_t *ret)
{
	struct cursor c = cursor_of(body);
	struct wire_field read;
	if (!wire_next(&c, &read) || read.number != 1 || read.type != WIRE_VARINT)
		return false;
	*ret = read.value;
	return true;
}

static void start_on_session(struct store *store, const struct method *method,
                             struct link_inbound *inbound, ProtobufCMessage *message)
{
	uint64_t id = 0;
	if (message != NULL)
		id = *(const uint64_t *)request_first_field(message, PROTOBUF_C_TYPE_UINT64);
	bool named = message != NULL || session_id_of(link_inbound_body(inbound), &id);
	struct session *session = session_find(store, link_inbound_peer(inbound), id);
	if (!named || session == NULL) {
		if (message != NULL)
			protobuf_c_message_free_unpacked(message, NULL);
		link_reply_error(inbound, named ? E_STALE : E_INVALID, "no such session");
		return;
	}
	touch(store, session->mailbox);
	struct request *request = request_new(store, method, session->mailbox);
	request->session = session;
	session->request_count++;
	request->message = message;
	request->inbound = inbound;
	request->upload = link_inbound_upload(inbound);
	store->upload_bytes_held += request->upload.len;
	link_inbound_set_data(inbound, request);
	room_make(request);
	start(request);
}

/* A process opens mailboxes for what it serves, and for nothing else. */
static bool opens_for_itself(const ProtobufCMessage *message, const struct link_inbound *inbound)
{
	const Pk__OpenRequest *open = (const Pk__OpenRequest *)message;
	return str_eq(str_from(open->service), str_from(link_peer_role(link_inbound_peer(inbound))));
}

static void mark_came(void *ctx, int error, const struct mark *mark, const struct wait_marks *waits)
{
	struct request *request = ctx;
	request->question = NULL;
	request->unknown_error = error;
	request->known = *mark;
	request->known_waits = *waits;
	request->asked = error == 0;
	start(request);
}

/* Asks how far the mailbox had come, unless that is known from the file being open. */
static void start_known(struct request *request)
{
	struct store *store = request->store;
	if (store->marks == NULL || request->mailbox->vouched || request->method->without_mark)
		start(request);
	else
		request->question = marks_ask(store->marks, request->mailbox->id, mark_came, request);
}

static void start_on_mailbox(struct store *store, const struct method *method,
                             struct link_inbound *inbound, ProtobufCMessage *message)
{
	char *const *id = request_first_field(message, PROTOBUF_C_TYPE_STRING);
	const char *problem = NULL;
	int error = E_INVALID;
	if (!mailbox_id_valid(str_from(*id))) {
		problem = "not a mailbox";
	} else if (method->scope == METHOD_OPENING && !opens_for_itself(message, inbound)) {
		problem = "not a service of this process";
		error = E_DENIED;
	} else if (method->scope == METHOD_OPENING) {
		const struct mailbox *there = map_get(store->mailboxes, str_from(*id));
		if (there != NULL && there->session_count >= store->options.limits.sessions_max) {
			problem = "the mailbox has too many sessions";
			error = E_LIMIT;
		}
	}
	if (problem != NULL) {
		request_free_unpacked(method, message);
		link_reply_error(inbound, error, problem);
		return;
	}
	struct request *request = request_new(store, method, store_mailbox(store, str_from(*id)));
	request->message = message;
	request->inbound = inbound;
	if (method->scope == METHOD_OPENING) {
		const Pk__OpenRequest *open = (const Pk__OpenRequest *)message;
		request->session = session_new(store, request->mailbox, link_inbound_peer(inbound), open);
		request->session->request_count = 1;
	}
	link_inbound_set_data(inbound, request);
	room_make(request);
	start_known(request);
}

/* What is under way may take twice its size, in a log and in the file. */
static bool too_full(struct store *store, const struct link_inbound *inbound)
{
	uint64_t pledged = 2 * (store->upload_bytes_held + link_inbound_upload(inbound).len);
	space_look(&store->space);
	return space_refuses(&store->space, pledged);
}

static const char *refuse(void *ctx, const struct core_method *core_method,
                          const struct link_inbound *inbound, int *ret_error)
{
	struct store *store = ctx;
	const struct method *method = container_of(core_method, const struct method, core);
	*ret_error = E_UNAVAILABLE;
	if (store->stopping)
		return "the store is stopping";
	*ret_error = E_NO_SPACE;
	if (method->fills && too_full(store, inbound))
		return "a volume of the mailboxes is full but for its reserve";
	return NULL;
}

static void on_request(void *ctx, const struct core_method *core_method,
                       struct link_inbound *inbound, ProtobufCMessage *message)
{
	struct store *store = ctx;
	const struct method *method = container_of(core_method, const struct method, core);
	switch (method->scope) {
	case METHOD_SESSION:
		start_on_session(store, method, inbound, message);
		break;
	case METHOD_OPENING:
	case METHOD_MAILBOX:
		start_on_mailbox(store, method, inbound, message);
		break;
	case METHOD_TARGETS:
		if (message == NULL)
			deliver_arrive(store, inbound);
		else
			deliver_start(store, inbound, message);
		break;
	case METHOD_CLOSING:
		close_at_once(store, inbound, ((Pk__SessionRequest *)message)->session);
		protobuf_c_message_free_unpacked(message, NULL);
		break;
	case METHOD_STORE:
		method->answer(store, inbound, message);
		protobuf_c_message_free_unpacked(message, NULL);
		break;
	}
}

static void on_credit(void *ctx, struct link_inbound *inbound)
{
	(void)ctx;
	struct request *request = link_inbound_data(inbound);
	if (request == NULL || !request->waiting)
		return;
	request->waiting = false;
	start(request);
}

/* The answer is still due, so that what waits for credit is woken to end. */
static void on_cancelled(void *ctx, struct link_inbound *inbound)
{
	struct request *request = link_inbound_data(inbound);
	if (request == NULL)
		return;
	atomic_store_explicit(&request->cancelled, true, memory_order_relaxed);
	on_credit(ctx, inbound);
}

static void on_peer_up(void *ctx, struct link_peer *peer)
{
	(void)ctx;
	peer_opened(peer);
}

static void on_peer_down(void *ctx, struct link_peer *peer)
{
	peer_closed(ctx, peer);
}

const struct core store_core = {
	.role = "store",
	.methods = methods,
	.method_count = ARRAY_LEN(methods),
	.refuse = refuse,
	.request = on_request,
	.credit = on_credit,
	.cancelled = on_cancelled,
	.peer_up = on_peer_up,
	.peer_down = on_peer_down,
};

/* ---------------------------------------------------------------- our own requests */

static void care_done(struct task *task)
{
	struct request *request = container_of(task, struct request, task);
	struct store *store = request->store;
	struct mailbox *mailbox = request->mailbox;
	if (room_for_another(request)) {
		start(request);
		return;
	}
	if (request->error != 0)
		log_error(store->log, "store.care_failed", F_TEXT("mailbox", mailbox->id),
		          F_ERR(request->error), F_TEXT("text", request->info.text));
	mailbox->caring = false;
	session_tell_changes(request);
	outcome_tell(request);
	if (request->forgot)
		mailbox->keyed = false;
	if (request->care != CARE_TIDY)
		store->handles_closed = true;
	request_free(request);
	mailbox->task_count--;
	mailbox_release(store, mailbox);
	if (store->stopping)
		store_stop_further(store);
}

void store_start_care(struct store *store, struct mailbox *mailbox, enum care care)
{
	if (mailbox->caring)
		return;
	mailbox->caring = true;
	struct request *request = request_new(store, NULL, mailbox);
	request->care = care;
	request->task.run = request_run_care;
	request->task.done = care_done;
	room_make(request);
	start(request);
}

/* Something that could not be done before, or was put off. */
static bool is_due_again(const struct mailbox *mailbox, int64_t now)
{
	return (mailbox->merge_retry_ms != 0 && now >= mailbox->merge_retry_ms) ||
	       (atomic_load(&mailbox->rekey_put_off) && now >= mailbox->rekey_retry_ms);
}

/* What an idle mailbox is due, looked at while nothing of it is under way. */
static void tick_mailbox(struct store *store, struct mailbox *mailbox, int64_t now,
                         unsigned *too_many)
{
	/* However much mail comes in, the key goes: what waits in line behind is sealed then. */
	if (mailbox->keyed && mailbox->session_count == 0 &&
	    now - mailbox->left_ms >= store->options.limits.linger_ms) {
		store_start_care(store, mailbox, CARE_FORGET);
		return;
	}
	if (mailbox->task_count > 0)
		return;
	bool open = mailbox->db != NULL || mailbox->temporary != NULL;
	bool idle = now - mailbox->used_ms >= store->options.limits.handle_idle_ms;
	if (open && (idle || *too_many > 0)) {
		store_start_care(store, mailbox, CARE_CLOSE);
		*too_many -= *too_many > 0;
	} else if (mailbox->session_count > 0 && is_due_again(mailbox, now)) {
		store_start_care(store, mailbox, CARE_TIDY);
	} else {
		mailbox_release(store, mailbox);
	}
}

/* A handle is a quarter of a megabyte in small pieces, which the C library would keep for itself. */
static void give_back_memory(struct store *store, int64_t now)
{
	if (!store->handles_closed || now - store->trimmed_ms < TRIM_MS)
		return;
	malloc_trim(0);
	store->handles_closed = false;
	store->trimmed_ms = now;
}

void store_tick(void *ctx)
{
	struct store *store = ctx;
	int64_t now = loop_now_ms(store->loop);
	give_back_memory(store, now);
	space_tend(&store->space);
	if (store->marks != NULL)
		marks_tell(store->marks);
	unsigned handles = atomic_load(&store->handles), max = store->options.handles_max;
	unsigned too_many = handles > max ? handles - max : 0;
	struct mailbox *mailbox, *next;
	for (mailbox = TAILQ_FIRST(&store->by_use); mailbox != NULL; mailbox = next) {
		next = TAILQ_NEXT(mailbox, by_use);
		tick_mailbox(store, mailbox, now, &too_many);
	}
	timer_start(store->tick, TICK_MS);
}

/* ---------------------------------------------------------------- stopping */

/* Streams that wait for credit end; everything else runs to its end, then all files are closed. */
void store_stop_further(struct store *store)
{
	struct request *request, *next;
	for (request = LIST_FIRST(&store->under_way); request != NULL; request = next) {
		next = LIST_NEXT(request, under_way);
		if (request->question != NULL)
			marks_give_up(request->question);
		if (request->waiting) {
			atomic_store_explicit(&request->cancelled, true, memory_order_relaxed);
			request->waiting = false;
			start(request);
		}
	}
	struct mailbox *mailbox, *following;
	for (mailbox = TAILQ_FIRST(&store->by_use); mailbox != NULL; mailbox = following) {
		following = TAILQ_NEXT(mailbox, by_use);
		if (mailbox->task_count == 0 && mailbox_holds_anything(mailbox))
			store_start_care(store, mailbox, CARE_FORGET);
	}
	if (LIST_EMPTY(&store->under_way) && store->arrivals == 0 && store->stopped != NULL) {
		void (*stopped)(void *ctx) = store->stopped;
		store->stopped = NULL;
		if (store->marks != NULL)
			marks_flush(store->marks, stopped, store->stopped_ctx);
		else
			stopped(store->stopped_ctx);
	}
}
