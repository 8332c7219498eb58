#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/link_server_internal.h"

/* Smaller bodies are copied, for larger ones the message is kept. */
enum { BODY_COPY_MAX = 16384 };
/* Of LINK_UNPACKED_MAX, for all of one owner. */
enum { UNPACKED_OWNER_PART = 2 };

/* ---------------------------------------------------------------- memory of requests */

static void leave_peer(struct link_inbound *request)
{
	if (request->peer == NULL)
		return;
	link_upload_leave(request);
	id_table_remove(&request->peer->table, &request->node);
	TAILQ_REMOVE(&request->peer->requests, request, of_peer);
	request->peer = NULL;
}

static void join_peer(struct link_inbound *request, struct link_peer *peer, uint64_t id)
{
	request->peer = peer;
	request->node.id = id;
	id_table_put(&peer->table, &request->node);
	TAILQ_INSERT_TAIL(&peer->requests, request, of_peer);
	link_upload_join(request);
}

static void drop_pieces(struct link_inbound *request)
{
	struct piece *piece;
	while ((piece = STAILQ_FIRST(&request->pieces)) != NULL) {
		STAILQ_REMOVE_HEAD(&request->pieces, link);
		buf_done(&piece->body);
		free(piece);
	}
}

int link_inbound_charge(struct link_inbound *request, uint64_t bytes, struct errinfo *info)
{
	uint64_t owners = atomic_fetch_add(&request->owner->unpacked, bytes) + bytes;
	uint64_t all = atomic_fetch_add(&request->server->unpacked, bytes) + bytes;
	request->unpacked += bytes;
	if (owners > LINK_UNPACKED_MAX / UNPACKED_OWNER_PART || all > LINK_UNPACKED_MAX)
		return err_set(info, E_LIMIT, "too much at once");
	return 0;
}

static void discharge(struct link_inbound *request)
{
	atomic_fetch_sub(&request->owner->unpacked, request->unpacked);
	atomic_fetch_sub(&request->server->unpacked, request->unpacked);
}

void link_inbound_free(struct link_inbound *request)
{
	struct link_server *server = request->server;
	discharge(request);
	link_upload_end(request);
	leave_peer(request);
	link_owner_release(server, request->owner);
	TAILQ_REMOVE(&server->requests, request, of_server);
	drop_pieces(request);
	buf_done(&request->upload);
	buf_done(&request->reply);
	if (request->secret)
		wipe((char *)(uintptr_t)request->body.ptr, request->body.len);
	free(request->text);
	free(request->message);
	free(request);
	link_upload_admit(server);
}

/* ---------------------------------------------------------------- replies */

static void send_reply(struct link_peer *peer, uint64_t id, int error, struct str text,
                       struct str body)
{
	struct frame frame = {
		.kind = PK__FRAME__KIND__REPLY,
		.id = id,
		.error = error,
		.text = text,
		.body = body,
	};
	link_peer_send(peer, &frame);
}

/* Ends a request: its reply is sent, or remembered, or both, or goes nowhere. Takes body. */
static void finish(struct link_inbound *request, int error, const char *text, struct buf *body)
{
	struct link_server *server = request->server;
	struct frame frame = {
		.kind = PK__FRAME__KIND__REPLY,
		.id = request->node.id,
		.error = error,
		.text = text == NULL ? STR("") : str_from(text),
		.secret = request->secret,
	};
	body->secret = request->secret;
	if (request->repeat != NULL)
		repeat_finish(server->repeats, request->repeat, error, frame.text, buf_str(body),
		              request->secret, loop_now_ms(server->loop));
	if (request->peer != NULL && !request->cancelled)
		link_peer_send_buf(request->peer, &frame, body);
	buf_done(body);
	link_inbound_free(request);
}

static void reply(struct link_inbound *request, int error, const char *text, struct buf *body)
{
	must(!request->replied);
	if (body->len > LINK_MESSAGE_MAX - FRAME_HEAD_MAX || body->failed) {
		buf_clear(body);
		error = E_INTERNAL;
		text = "the reply is too large for the link";
	}
	if (STAILQ_EMPTY(&request->pieces)) {
		finish(request, error, text, body);
		return;
	}
	request->replied = true;
	request->error = error;
	request->text = text == NULL ? NULL : str_dup(str_from(text));
	request->reply = *body;
	*body = (struct buf){0};
}

void link_reply_packed(struct link_inbound *request, struct buf *body)
{
	reply(request, 0, NULL, body);
}

void link_reply(struct link_inbound *request, const ProtobufCMessage *body)
{
	struct buf packed;
	buf_init(&packed, LINK_MESSAGE_MAX);
	if (body != NULL)
		link_pack(&packed, body);
	reply(request, 0, NULL, &packed);
}

void link_reply_error(struct link_inbound *request, int error, const char *text)
{
	struct buf none;
	buf_init(&none, 0);
	link_reply_error_packed(request, error, text, &none);
}

void link_reply_error_packed(struct link_inbound *request, int error, const char *text,
                             struct buf *body)
{
	must(error < 0);
	reply(request, error, text, body);
}

/* ---------------------------------------------------------------- streams */

static void send_chunk(struct link_inbound *request, struct buf *body)
{
	struct frame frame = {.kind = PK__FRAME__KIND__CHUNK, .id = request->node.id};
	request->credit -= (int64_t)body->len;
	link_peer_send_buf(request->peer, &frame, body);
}

bool link_chunk(struct link_inbound *request, struct buf *body)
{
	must(!request->replied);
	if (request->peer == NULL || request->cancelled || body->len == 0) {
		buf_done(body);
		return true;
	}
	if (request->credit > 0) {
		send_chunk(request, body);
	} else {
		struct piece *piece = mem_new(sizeof(*piece));
		piece->body = *body;
		*body = (struct buf){.max = body->max};
		STAILQ_INSERT_TAIL(&request->pieces, piece, link);
	}
	return request->credit > 0;
}

/* The reply that waited for the pieces before it. */
static void finish_waiting(struct link_inbound *request)
{
	struct buf body = request->reply;
	char *text MEM_AUTO = request->text;
	request->reply = (struct buf){0};
	request->text = NULL;
	finish(request, request->error, text, &body);
}

/* Sends what was kept while there was no credit; false when that ended the request. */
static bool send_pieces(struct link_inbound *request)
{
	struct piece *piece;
	while (request->credit > 0 && (piece = STAILQ_FIRST(&request->pieces)) != NULL) {
		STAILQ_REMOVE_HEAD(&request->pieces, link);
		send_chunk(request, &piece->body);
		free(piece);
	}
	if (!request->replied || !STAILQ_EMPTY(&request->pieces))
		return true;
	finish_waiting(request);
	return false;
}

/* ---------------------------------------------------------------- requests come in */

static void send_again(struct link_peer *peer, uint64_t id, const struct repeat *repeat)
{
	struct str text;
	struct buf body BUF_AUTO;
	buf_init(&body, LINK_MESSAGE_MAX);
	int error = repeat_reply(peer->server->repeats, repeat, &text, &body);
	struct frame frame = {
		.kind = PK__FRAME__KIND__REPLY,
		.id = id,
		.error = error,
		.text = text,
		.secret = body.secret,
	};
	link_peer_send_buf(peer, &frame, &body);
}

/* Whether a request with this repeat id is known; then it is answered, or taken over by this peer. */
static bool known_repeat(struct link_peer *peer, uint64_t id, struct str repeat_id)
{
	struct link_server *server = peer->server;
	struct repeat *repeat = repeat_find(server->repeats, peer->role, repeat_id,
	                                    loop_now_ms(server->loop));
	if (repeat == NULL)
		return false;
	struct link_inbound *running = repeat_owner(repeat);
	if (running == NULL) {
		send_again(peer, id, repeat);
	} else {
		leave_peer(running);
		join_peer(running, peer, id);
		running->cancelled = false;
	}
	return true;
}

/* All bytes are here: over to the core. */
static void deliver(struct link_inbound *request)
{
	struct link_server *server = request->server;
	link_upload_complete(request);
	if (request->has_repeat_id) {
		struct str repeat_id = STR_OF(request->repeat_id, FRAME_REPEAT_ID_SIZE);
		struct link_peer *peer = request->peer;
		uint64_t id = request->node.id;
		if (repeat_find(server->repeats, peer->role, repeat_id, loop_now_ms(server->loop)) !=
		    NULL) {
			link_inbound_free(request);
			(void)known_repeat(peer, id, repeat_id);
			return;
		}
		request->repeat = repeat_begin(server->repeats, peer->role, repeat_id, request);
	}
	bool secret = request->secret;
	request->delivered = true;
	server->handlers.request(server->handlers.ctx, request);
	if (secret)
		stack_wipe();
}

/* Keeps body: by its message's memory when that saves a large copy and wastes little. */
static void keep_body(struct link_inbound *request, struct str body, struct buf *message)
{
	size_t len;
	if (body.len > BODY_COPY_MAX && body.len > message->cap / 2) {
		request->body = body;
		request->message = buf_steal(message, &len);
		return;
	}
	request->message = mem_copy_string(body.ptr, body.len);
	request->body = STR_OF(request->message, body.len);
}

static const char *refuse(struct link_peer *peer, uint64_t id, int error, const char *text)
{
	send_reply(peer, id, error, str_from(text), STR(""));
	return NULL;
}

void link_inbound_fault(struct link_inbound *request, int error, const char *reason)
{
	struct link_peer *peer = request->peer;
	link_log_fault(&peer->faults, peer->server->log, peer->role, request->method, reason);
	send_reply(peer, request->node.id, error, str_from(reason), STR(""));
	link_inbound_orphan(request);
}

/* A frame breaks the rules of one request: its peer's others go on. */
static void fault(struct link_inbound *request, const char *reason)
{
	link_inbound_fault(request, E_INVALID, reason);
}

/* Returns what is wrong with the frame, or NULL. The peer may be gone afterwards. */
static const char *take_request(struct link_peer *peer, const struct frame *frame,
                                struct buf *message)
{
	struct link_server *server = peer->server;
	const struct link_server_limits *limits = &server->options.limits;
	if (frame->id <= peer->last_id)
		return "ids do not rise";
	peer->last_id = frame->id;
	if (frame->credit > LINK_CREDIT_MAX) {
		link_log_fault(&peer->faults, server->log, peer->role, frame->method,
		               "credit out of range");
		return refuse(peer, frame->id, E_INVALID, "credit out of range");
	}
	if (frame->repeat_id.len > 0 && known_repeat(peer, frame->id, frame->repeat_id))
		return NULL;
	if (frame->upload_size > limits->upload_max)
		return refuse(peer, frame->id, E_TOO_LARGE, "larger than this service takes");
	if (peer->table.count >= LINK_REQUESTS_MAX || link_upload_full(peer))
		return refuse(peer, frame->id, E_LIMIT, "too much at once");

	struct link_inbound *request = mem_new(sizeof(*request));
	request->server = server;
	request->owner = peer->owner;
	request->owner->users++;
	request->method = frame->method;
	request->credit = (int64_t)frame->credit;
	request->streams = frame->credit > 0;
	request->upload_size = frame->upload_size;
	request->secret = frame->secret;
	STAILQ_INIT(&request->pieces);
	buf_init(&request->upload, frame->upload_size);
	if (frame->repeat_id.len > 0) {
		request->has_repeat_id = true;
		memcpy(request->repeat_id, frame->repeat_id.ptr, FRAME_REPEAT_ID_SIZE);
	}
	TAILQ_INSERT_TAIL(&server->requests, request, of_server);
	join_peer(request, peer, frame->id);
	keep_body(request, frame->body, message);

	link_upload_begin(request);
	if (request->upload_size == 0)
		deliver(request);
	return NULL;
}

static void take_data(struct link_inbound *request, struct str bytes)
{
	if (request->delivered) {
		fault(request, "upload past its size");
		return;
	}
	if (bytes.len > LINK_PIECE_MAX || bytes.len > request->upload_granted - request->upload.len) {
		fault(request, "upload past its grant");
		return;
	}
	/* Room for all that is granted at once: the bytes are on their way. */
	if (buf_reserve(&request->upload, request->upload_granted - request->upload.len) != NULL)
		buf_add_str(&request->upload, bytes);
	request->moved_ms = loop_now_ms(request->server->loop);
	if (request->upload.len == request->upload_size)
		deliver(request);
}

static void take_credit(struct link_inbound *request, uint64_t credit)
{
	struct link_server *server = request->server;
	if (!request->streams || credit > LINK_CREDIT_MAX || request->credit > LINK_CREDIT_MAX) {
		fault(request, "credit out of range");
		return;
	}
	bool was_out = request->credit <= 0;
	request->credit += (int64_t)credit;
	if (!was_out || request->credit <= 0 || !request->delivered)
		return;
	if (send_pieces(request) && !request->replied && request->credit > 0 &&
	    server->handlers.credit != NULL)
		server->handlers.credit(server->handlers.ctx, request);
}

static void cancel(struct link_inbound *request)
{
	struct link_server *server = request->server;
	if (!request->delivered) {
		link_inbound_free(request);
		return;
	}
	request->cancelled = true;
	drop_pieces(request);
	if (request->replied)
		finish_waiting(request);
	else if (server->handlers.cancelled != NULL)
		server->handlers.cancelled(server->handlers.ctx, request);
}

/* The connection is gone. With a repeat id it goes on: its repeat will come. */
void link_inbound_orphan(struct link_inbound *request)
{
	leave_peer(request);
	if (request->cancelled)
		return;
	if (request->repeat == NULL) {
		cancel(request);
		return;
	}
	drop_pieces(request);
	if (request->replied)
		finish_waiting(request);
}

const char *link_inbound_take(struct link_peer *peer, const struct frame *frame,
                              struct buf *message)
{
	if (frame->unknown)
		return NULL;
	if (frame->kind == PK__FRAME__KIND__REQUEST)
		return take_request(peer, frame, message);
	if (frame->kind != PK__FRAME__KIND__DATA && frame->kind != PK__FRAME__KIND__CREDIT &&
	    frame->kind != PK__FRAME__KIND__CANCEL)
		return "a kind that a front does not send";
	if (frame->id == 0 || frame->id > peer->last_id)
		return "an id that was never used";
	struct id_node *node = id_table_get(&peer->table, frame->id);
	if (node == NULL)
		return NULL; /* answered already; these were on their way */
	struct link_inbound *request = container_of(node, struct link_inbound, node);
	if (request->cancelled)
		return NULL; /* what was on its way before the front lost interest */
	if (frame->kind == PK__FRAME__KIND__DATA)
		take_data(request, frame->body);
	else if (frame->kind == PK__FRAME__KIND__CREDIT)
		take_credit(request, frame->credit);
	else
		cancel(request);
	return NULL;
}

/* ---------------------------------------------------------------- what the core asks */

uint32_t link_inbound_method(const struct link_inbound *request)
{
	return request->method;
}

struct str link_inbound_body(const struct link_inbound *request)
{
	return request->body;
}

struct str link_inbound_upload(const struct link_inbound *request)
{
	return buf_str(&request->upload);
}

struct link_peer *link_inbound_peer(const struct link_inbound *request)
{
	return request->peer;
}

void link_inbound_set_data(struct link_inbound *request, void *data)
{
	request->data = data;
}

void *link_inbound_data(const struct link_inbound *request)
{
	return request->data;
}
