#include <stdlib.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "net/link_client_internal.h"

enum {
	OUTPUT_HIGH = 1024 * 1024, /* uploads wait while more than this is pending */
	SWEEP_MIN_MS = 5,          /* between two looks for deadlines that passed */
	DEADLINE_MAX_MS = 24 * 3600 * 1000,
};

/* ---------------------------------------------------------------- a call's end */

static void call_release(struct link_call *call)
{
	buf_done(&call->body);
	free(call);
}

/* Off all lists; the memory stays. */
static void call_unlink(struct link_call *call)
{
	struct link *link = call->link;
	struct link_life life = link_life(link);
	call->ended = true;
	link_wait_end(&call->wait, &life, loop_now_ms(link->loop));
	id_table_remove(&link->table, &call->node);
	TAILQ_REMOVE(&link->calls, call, order);
	if (call->sending)
		TAILQ_REMOVE(&link->senders, call, sender);
	call->sending = false;
}

static void call_end(struct link_call *call, int error, struct str text, struct str body)
{
	bool in_chunk = call->calling; /* whose caller releases it then */
	call_unlink(call);
	call->calling = true;
	bool secret = call->request.secret;
	call->request.reply(call->request.ctx, error, text, body);
	if (secret)
		stack_wipe();
	if (!in_chunk)
		call_release(call);
}

static void call_fail(struct link_call *call, int error, const char *text)
{
	call_end(call, error, str_from(text), (struct str){NULL, 0});
}

static void send_control(struct link_call *call, Pk__Frame__Kind kind, uint64_t credit)
{
	struct frame frame = {.kind = kind, .id = call->node.id, .credit = credit};
	if (call->link->up && call->sent)
		link_send(call->link->ws, &frame);
}

/* The core breaks the rules of one call: that one ends, the others go on. */
static void call_fault(struct link_call *call, const char *reason)
{
	struct link *link = call->link;
	link_log_fault(&link->faults, link->log, link->core_role, call->request.method, reason);
	send_control(call, PK__FRAME__KIND__CANCEL, 0);
	call_fail(call, E_INTERNAL, reason);
}

/* ---------------------------------------------------------------- deadlines */

static void watch_deadline(struct link *link, int64_t at)
{
	if (at >= link->sweep_at)
		return;
	int64_t delay = at - loop_now_ms(link->loop);
	link->sweep_at = at;
	timer_start(link->sweep, delay < SWEEP_MIN_MS ? SWEEP_MIN_MS : delay);
}

/* Whether it has waited long enough; lowers *next to when it should be looked at again. */
static bool is_late(struct link_call *call, int64_t now, int64_t *next)
{
	struct link *link = call->link;
	struct link_life life = link_life(link);
	int64_t look_at;
	if (call->deadline_at == INT64_MAX)
		return false; /* the stream waits for us */
	enum link_wait_state state = link_wait_look(&call->wait, &life, now, &look_at);
	if (state == LINK_WAIT_ASK) {
		link->asked_ms = now;
		ws_ping(link->ws);
		look_at = now + LINK_ASK_MS;
	}
	if (call->deadline_at < look_at)
		look_at = call->deadline_at;
	if (look_at < *next)
		*next = look_at;
	return state == LINK_WAIT_OVER || call->deadline_at <= now;
}

static struct link_call *first_late(struct link *link, int64_t now, int64_t *ret_next)
{
	struct link_call *call;
	*ret_next = INT64_MAX;
	TAILQ_FOREACH (call, &link->calls, order)
		if (is_late(call, now, ret_next))
			return call;
	return NULL;
}

static void watch_call(struct link_call *call)
{
	int64_t next = INT64_MAX;
	if (is_late(call, loop_now_ms(call->link->loop), &next))
		next = 0; /* soon, and not from in here */
	watch_deadline(call->link, next);
}

void link_calls_sweep(void *ctx)
{
	struct link *link = ctx;
	int64_t now = loop_now_ms(link->loop);
	int64_t next;
	struct link_call *call;
	link->sweep_at = INT64_MAX;
	while (!link->freed && (call = first_late(link, now, &next)) != NULL) {
		send_control(call, PK__FRAME__KIND__CANCEL, 0);
		if (call->sent)
			call_fail(call, E_TIMEOUT, "no answer in time");
		else
			call_fail(call, E_UNAVAILABLE, "the core is away");
	}
	if (!link->freed && next != INT64_MAX)
		watch_deadline(link, next);
}

/* ---------------------------------------------------------------- sending */

static void mark_sender(struct link_call *call)
{
	bool can = call->sent && call->upload_sent < call->upload_granted;
	struct call_list *senders = &call->link->senders;
	if (can && !call->sending)
		TAILQ_INSERT_TAIL(senders, call, sender);
	else if (!can && call->sending)
		TAILQ_REMOVE(senders, call, sender);
	call->sending = can;
}

/* In turn, a piece each. */
void link_calls_pump(struct link *link)
{
	struct link_call *call;
	while (link->up && (call = TAILQ_FIRST(&link->senders)) != NULL &&
	       ws_output_len(link->ws) < OUTPUT_HIGH) {
		uint64_t len = call->upload_granted - call->upload_sent;
		if (len > LINK_PIECE_MAX)
			len = LINK_PIECE_MAX;
		struct frame frame = {
			.kind = PK__FRAME__KIND__DATA,
			.id = call->node.id,
			.body = str_slice(call->request.upload, call->upload_sent, len),
		};
		link_send(link->ws, &frame);
		call->upload_sent += len;
		TAILQ_REMOVE(&link->senders, call, sender);
		call->sending = false;
		mark_sender(call);
	}
}

static void send_request(struct link_call *call)
{
	const struct link_request *request = &call->request;
	struct frame frame = {
		.kind = PK__FRAME__KIND__REQUEST,
		.id = call->node.id,
		.method = request->method,
		.credit = request->chunk == NULL ? 0 : request->credit,
		.upload_size = request->upload.len,
		.secret = request->secret,
	};
	if (request->kind == LINK_REPEAT)
		frame.repeat_id = STR_OF(call->repeat_id, sizeof(call->repeat_id));
	call->sent = call->sent_before = true;
	link_wait_sent(&call->wait, loop_now_ms(call->link->loop));
	watch_call(call);
	call->credit = (int64_t)frame.credit;
	call->upload_sent = 0;
	call->upload_granted = request->upload.len < LINK_UPLOAD_FIRST ? request->upload.len
	                                                               : LINK_UPLOAD_FIRST;
	if (request->kind == LINK_ONCE) {
		link_send_buf(call->link->ws, &frame, &call->body);
	} else {
		frame.body = buf_str(&call->body);
		link_send(call->link->ws, &frame);
	}
	mark_sender(call);
}

/* ---------------------------------------------------------------- what the core sends */

static void take_chunk(struct link_call *call, struct str body)
{
	if (call->request.chunk == NULL || call->credit <= 0) {
		call_fault(call, "chunk without credit");
		return;
	}
	call->streaming = true;
	call->credit -= (int64_t)body.len;
	if (call->credit <= 0) {
		int64_t left = call->deadline_at - loop_now_ms(call->link->loop);
		call->deadline_left = left < 0 ? 0 : left;
		call->deadline_at = INT64_MAX;
	}
	call->calling = true;
	call->request.chunk(call->request.ctx, call, body);
	call->calling = false;
	if (call->ended)
		call_release(call);
}

static void take_grant(struct link_call *call, uint64_t credit)
{
	if (credit > call->request.upload.len - call->upload_granted) {
		call_fault(call, "grant of more than the upload");
		return;
	}
	call->upload_granted += credit;
	mark_sender(call);
	link_calls_pump(call->link);
}

static void take_reply(struct link_call *call, const struct frame *frame)
{
	call->link->retry_ms = LINK_RETRY_MIN_MS; /* this core does answer */
	if (frame->error > 0)
		call_fault(call, "an error that there is not");
	else if (frame->error < E_LAST) /* of a later version */
		call_end(call, E_INTERNAL, frame->text, frame->body);
	else
		call_end(call, frame->error, frame->text, frame->body);
}

const char *link_calls_take(struct link *link, const struct frame *frame)
{
	if (frame->unknown)
		return NULL;
	if (frame->kind == PK__FRAME__KIND__EVENT) {
		link->epoch++;
		if (link->handlers.event != NULL)
			link->handlers.event(link->handlers.ctx, frame->method, frame->body);
		return NULL;
	}
	if (frame->kind != PK__FRAME__KIND__GRANT && frame->kind != PK__FRAME__KIND__CHUNK &&
	    frame->kind != PK__FRAME__KIND__REPLY)
		return "a kind that a core does not send";
	if (frame->id == 0 || frame->id > link->last_id)
		return "an id that was never used";
	struct id_node *node = id_table_get(&link->table, frame->id);
	if (node == NULL)
		return NULL; /* cancelled or timed out; its last frames were on their way */
	struct link_call *call = container_of(node, struct link_call, node);
	if (!call->sent)
		return "an answer before the request";
	if (frame->kind == PK__FRAME__KIND__GRANT)
		take_grant(call, frame->credit);
	else if (frame->kind == PK__FRAME__KIND__CHUNK)
		take_chunk(call, frame->body);
	else
		take_reply(call, frame);
	return NULL;
}

/* ---------------------------------------------------------------- the connection comes and goes */

void link_calls_restarted(struct link *link)
{
	struct link_call *call = TAILQ_FIRST(&link->calls);
	while (call != NULL && !link->freed) {
		if (call->request.kind == LINK_REPEAT && call->sent_before) {
			call_fail(call, E_UNAVAILABLE, "the core was restarted");
			call = TAILQ_FIRST(&link->calls); /* the callback may have changed the list */
		} else {
			call = TAILQ_NEXT(call, order);
		}
	}
}

void link_calls_send(struct link *link)
{
	struct link_call *call;
	TAILQ_FOREACH (call, &link->calls, order)
		if (!call->sent && !call->body.failed)
			send_request(call);
	link_calls_pump(link);
}

void link_calls_settle(struct link *link, const struct link_life *life)
{
	struct link_call *call = TAILQ_FIRST(&link->calls);
	int64_t now = loop_now_ms(link->loop);
	while (call != NULL && !link->freed) {
		if (call->sent)
			link_wait_lost(&call->wait, life, now);
		bool again = !call->sent || (call->request.kind != LINK_ONCE && !call->streaming);
		if (link->fixed || !again) {
			call_fail(call, E_UNAVAILABLE, "the connection to the core broke");
			call = TAILQ_FIRST(&link->calls);
			continue;
		}
		call->sent = false;
		watch_call(call);
		mark_sender(call);
		call = TAILQ_NEXT(call, order);
	}
}

void link_calls_drop_unsendable(struct link *link)
{
	struct link_call *call = TAILQ_FIRST(&link->calls);
	while (call != NULL && !link->freed) {
		struct link_call *next = TAILQ_NEXT(call, order);
		if (call->body.failed) {
			call_fail(call, E_TOO_LARGE, "the request is too large for the link");
			next = TAILQ_FIRST(&link->calls); /* the callback may have changed the list */
		}
		call = next;
	}
}

void link_calls_cancel(struct link *link)
{
	while (!TAILQ_EMPTY(&link->calls))
		call_fail(TAILQ_FIRST(&link->calls), E_CANCELLED, "the link was closed");
}

/* ---------------------------------------------------------------- the public side */

struct link_call *link_call(struct link *link, const struct link_request *request)
{
	struct link_call *call = mem_new(sizeof(*call));
	call->link = link;
	call->request = *request;
	call->request.body = NULL;
	if (call->request.credit == 0 || call->request.credit > LINK_CREDIT_MAX)
		call->request.credit = LINK_CREDIT;
	buf_init(&call->body, LINK_MESSAGE_MAX - FRAME_HEAD_MAX);
	call->body.secret = request->secret;
	if (request->body != NULL)
		link_pack(&call->body, request->body);
	if (request->kind == LINK_REPEAT)
		random_bytes(call->repeat_id, sizeof(call->repeat_id));
	int64_t deadline = request->deadline_ms <= 0 ? LINK_DEADLINE_MS : request->deadline_ms;
	int64_t now = loop_now_ms(link->loop);
	call->deadline_at = now + (deadline > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : deadline);
	const struct link_patience *patience = request->patience;
	if (patience != NULL && patience->until_ms > 0 && patience->until_ms < call->deadline_at)
		call->deadline_at = patience->until_ms;
	link_wait_begin(&call->wait, request->patience, now);
	call->node.id = ++link->last_id;
	id_table_put(&link->table, &call->node);
	TAILQ_INSERT_TAIL(&link->calls, call, order);
	watch_call(call);
	if (call->body.failed || (link->fixed && link->ws == NULL)) {
		loop_later(link->loop, &link->later);
	} else if (link->up) {
		send_request(call);
		link_calls_pump(link);
	}
	return call;
}

void link_call_grant(struct link_call *call, uint64_t bytes)
{
	if (call->ended || bytes == 0 || call->request.chunk == NULL)
		return; /* only a stream has credit */
	if (bytes > LINK_CREDIT_MAX)
		bytes = LINK_CREDIT_MAX;
	bool waited = call->credit <= 0 && call->deadline_at == INT64_MAX;
	call->credit += (int64_t)bytes;
	if (waited && call->credit > 0) {
		int64_t now = loop_now_ms(call->link->loop);
		call->deadline_at = now + call->deadline_left;
		link_wait_again(&call->wait, now);
		watch_call(call);
	}
	send_control(call, PK__FRAME__KIND__CREDIT, bytes);
}

void link_call_cancel(struct link_call *call)
{
	if (call->ended)
		return;
	send_control(call, PK__FRAME__KIND__CANCEL, 0);
	call_unlink(call);
	if (!call->calling)
		call_release(call);
}
