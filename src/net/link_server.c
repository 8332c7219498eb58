#include <arpa/inet.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/id_table.h"
#include "net/link_address.h"
#include "net/link_internal.h"
#include "net/link_repeat.h"

enum {
	ACCEPT_MAX = 16, /* connections taken in one go */
	REFUSED_EVERY_MS = 1000,
	ACCEPT_PAUSE_MS = 100, /* after running out of descriptors */
	BODY_COPY_MAX = 16384, /* smaller bodies are copied, for larger ones the message is kept */
};

struct piece {
	STAILQ_ENTRY(piece) link;
	struct buf body;
};

struct link_inbound {
	struct id_node node;
	TAILQ_ENTRY(link_inbound) of_peer;   /* while peer is not NULL */
	TAILQ_ENTRY(link_inbound) of_server; /* all */
	TAILQ_ENTRY(link_inbound) waiting;   /* for its upload to be admitted */
	struct link_server *server;
	struct link_peer *peer;
	struct repeat *repeat; /* once delivered, if it has an id */
	unsigned char repeat_id[FRAME_REPEAT_ID_SIZE];
	bool has_repeat_id, delivered, cancelled, waits;
	uint32_t method;
	char *message; /* owned: what body lies in */
	struct str body;
	struct buf upload;
	uint64_t upload_size, upload_granted;
	uint64_t held; /* bytes that count in server->held */
	int64_t credit;
	bool streams;                /* asked with credit */
	STAILQ_HEAD(, piece) pieces; /* sent without credit, kept */
	/* A reply that waits for those. */
	bool replied;
	int error;
	struct buf reply;
	char *text;
	void *data;
};

struct link_peer {
	TAILQ_ENTRY(link_peer) link;
	struct link_server *server;
	struct ws *ws;
	struct timer *hello_timer;
	bool tls, up;
	uint32_t uid;
	const char *role; /* of the allowed list */
	uint64_t last_id;
	struct id_table table;
	TAILQ_HEAD(, link_inbound) requests;
	void *data;
};

struct accepter {
	TAILQ_ENTRY(accepter) link;
	struct link_server *server;
	struct event event;
	struct timer *pause;
	int fd;
	bool tls;
};

struct link_server {
	struct loop *loop;
	const struct log *log;
	struct link_server_options options;
	struct link_server_handlers handlers;
	char *role;
	unsigned char instance[LINK_INSTANCE_SIZE];
	struct repeat_memory *repeats;
	TAILQ_HEAD(, accepter) accepters;
	TAILQ_HEAD(, link_peer) peers;
	size_t peer_count;
	TAILQ_HEAD(, link_inbound) requests;
	TAILQ_HEAD(, link_inbound) waiting; /* uploads not admitted yet */
	uint64_t held;                      /* bytes of bodies and uploads here or granted */
	uint64_t waiting_held;              /* of these, of the requests that wait */
	bool freeing;
	int64_t refused, refused_told_ms; /* connections turned away since it was last logged */
};

/* ---------------------------------------------------------------- memory of requests */

static void admit_waiting(struct link_server *server);
static void stop_waiting(struct link_inbound *request);

static void hold(struct link_inbound *request, uint64_t bytes)
{
	request->held += bytes;
	request->server->held += bytes;
}

static void leave_peer(struct link_inbound *request)
{
	if (request->peer == NULL)
		return;
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

static void inbound_free(struct link_inbound *request)
{
	struct link_server *server = request->server;
	leave_peer(request);
	TAILQ_REMOVE(&server->requests, request, of_server);
	stop_waiting(request);
	server->held -= request->held;
	drop_pieces(request);
	buf_done(&request->upload);
	buf_done(&request->reply);
	free(request->text);
	free(request->message);
	free(request);
	admit_waiting(server);
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
	link_send(peer->ws, &frame);
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
	};
	if (request->repeat != NULL)
		repeat_finish(server->repeats, request->repeat, error, frame.text, buf_str(body),
		              clock_monotonic_ms());
	if (request->peer != NULL && !request->cancelled)
		link_send_buf(request->peer->ws, &frame, body);
	buf_done(body);
	inbound_free(request);
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
	must(error < 0);
	reply(request, error, text, &none);
}

/* ---------------------------------------------------------------- streams */

static void send_chunk(struct link_inbound *request, struct buf *body)
{
	struct frame frame = {.kind = PK__FRAME__KIND__CHUNK, .id = request->node.id};
	request->credit -= (int64_t)body->len;
	link_send_buf(request->peer->ws, &frame, body);
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

/* Whether a request with this repeat id is known; then it is answered, or taken over by this peer. */
static bool known_repeat(struct link_peer *peer, uint64_t id, struct str repeat_id)
{
	struct link_server *server = peer->server;
	struct repeat *repeat = repeat_find(server->repeats, peer->role, repeat_id,
	                                    clock_monotonic_ms());
	if (repeat == NULL)
		return false;
	struct link_inbound *running = repeat_owner(repeat);
	struct str text, body;
	if (running == NULL) {
		int error = repeat_reply(repeat, &text, &body);
		send_reply(peer, id, error, text, body);
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
	if (request->has_repeat_id) {
		struct str repeat_id = STR_OF(request->repeat_id, FRAME_REPEAT_ID_SIZE);
		struct link_peer *peer = request->peer;
		uint64_t id = request->node.id;
		if (repeat_find(server->repeats, peer->role, repeat_id, clock_monotonic_ms()) != NULL) {
			inbound_free(request);
			(void)known_repeat(peer, id, repeat_id);
			return;
		}
		request->repeat = repeat_begin(server->repeats, peer->role, repeat_id, request);
	}
	request->delivered = true;
	server->handlers.request(server->handlers.ctx, request);
}

static void admit(struct link_inbound *request)
{
	uint64_t rest = request->upload_size - request->upload_granted;
	hold(request, rest);
	request->upload_granted += rest;
	struct frame frame = {
		.kind = PK__FRAME__KIND__GRANT,
		.id = request->node.id,
		.credit = rest,
	};
	link_send(request->peer->ws, &frame);
}

static void wait_for_room(struct link_inbound *request)
{
	struct link_server *server = request->server;
	request->waits = true;
	server->waiting_held += request->held;
	TAILQ_INSERT_TAIL(&server->waiting, request, waiting);
}

static void stop_waiting(struct link_inbound *request)
{
	struct link_server *server = request->server;
	if (!request->waits)
		return;
	request->waits = false;
	server->waiting_held -= request->held;
	TAILQ_REMOVE(&server->waiting, request, waiting);
}

/* Grants uploads in the order of asking, within the budget; one alone is granted in any case. */
static void admit_waiting(struct link_server *server)
{
	struct link_inbound *first;
	while (!server->freeing && (first = TAILQ_FIRST(&server->waiting)) != NULL) {
		uint64_t others = server->held - server->waiting_held;
		uint64_t whole = first->held + first->upload_size - first->upload_granted;
		if (others > 0 && others + whole > server->options.upload_total_max)
			return;
		stop_waiting(first);
		admit(first);
	}
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

/* Each take_... returns what is wrong with the frame, or NULL. The peer may be gone afterwards. */
static const char *take_request(struct link_peer *peer, const struct frame *frame,
                                struct buf *message)
{
	struct link_server *server = peer->server;
	const struct link_server_options *options = &server->options;
	if (frame->id <= peer->last_id)
		return "ids do not rise";
	if (frame->credit > LINK_CREDIT_MAX)
		return "credit out of range";
	peer->last_id = frame->id;
	if (frame->repeat_id.len > 0 && known_repeat(peer, frame->id, frame->repeat_id))
		return NULL;
	if (frame->upload_size > options->upload_max)
		return refuse(peer, frame->id, E_TOO_LARGE, "larger than this service takes");
	if (peer->table.count >= LINK_REQUESTS_MAX ||
	    server->held > options->upload_total_max + LINK_UPLOAD_SLACK)
		return refuse(peer, frame->id, E_LIMIT, "too much at once");

	struct link_inbound *request = mem_new(sizeof(*request));
	request->server = server;
	request->method = frame->method;
	request->credit = (int64_t)frame->credit;
	request->streams = frame->credit > 0;
	request->upload_size = frame->upload_size;
	STAILQ_INIT(&request->pieces);
	buf_init(&request->upload, frame->upload_size);
	if (frame->repeat_id.len > 0) {
		request->has_repeat_id = true;
		memcpy(request->repeat_id, frame->repeat_id.ptr, FRAME_REPEAT_ID_SIZE);
	}
	TAILQ_INSERT_TAIL(&server->requests, request, of_server);
	join_peer(request, peer, frame->id);
	keep_body(request, frame->body, message);

	request->upload_granted = frame->upload_size < LINK_UPLOAD_FIRST ? frame->upload_size
	                                                                 : LINK_UPLOAD_FIRST;
	hold(request, request->body.len + request->upload_granted);
	if (request->upload_granted < request->upload_size) {
		wait_for_room(request);
		admit_waiting(server);
	}
	if (request->upload_size == 0)
		deliver(request);
	return NULL;
}

static const char *take_data(struct link_inbound *request, struct str bytes)
{
	if (request->delivered)
		return "upload past its size";
	if (bytes.len > LINK_PIECE_MAX || bytes.len > request->upload_granted - request->upload.len)
		return "upload past its grant";
	/* Room for all that is granted at once: the bytes are on their way. */
	if (buf_reserve(&request->upload, request->upload_granted - request->upload.len) != NULL)
		buf_add_str(&request->upload, bytes);
	if (request->upload.len == request->upload_size)
		deliver(request);
	return NULL;
}

static const char *take_credit(struct link_inbound *request, uint64_t credit)
{
	struct link_server *server = request->server;
	if (!request->streams || credit > LINK_CREDIT_MAX || request->credit > LINK_CREDIT_MAX)
		return "credit out of range";
	bool was_out = request->credit <= 0;
	request->credit += (int64_t)credit;
	if (!was_out || request->credit <= 0 || !request->delivered)
		return NULL;
	if (send_pieces(request) && !request->replied && request->credit > 0 &&
	    server->handlers.credit != NULL)
		server->handlers.credit(server->handlers.ctx, request);
	return NULL;
}

static void cancel(struct link_inbound *request)
{
	struct link_server *server = request->server;
	if (!request->delivered) {
		inbound_free(request);
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
static void orphan(struct link_inbound *request)
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

static const char *take_frame(struct link_peer *peer, const struct frame *frame,
                              struct buf *message)
{
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
	if (frame->kind == PK__FRAME__KIND__DATA)
		return take_data(request, frame->body);
	if (frame->kind == PK__FRAME__KIND__CREDIT)
		return take_credit(request, frame->credit);
	if (!request->cancelled)
		cancel(request);
	return NULL;
}

/* ---------------------------------------------------------------- peers */

static const char *allowed_role(const struct link_peer *peer, const char *role)
{
	const struct link_server_options *options = &peer->server->options;
	if (peer->tls && options->local_role != NULL && strcmp(options->local_role, role) == 0)
		return NULL;
	for (size_t i = 0; i < options->allowed_count; i++) {
		const struct link_allowed *allowed = &options->allowed[i];
		if (strcmp(allowed->role, role) == 0 &&
		    (peer->tls || allowed->uid == LINK_ANY_UID || allowed->uid == peer->uid))
			return allowed->role;
	}
	return NULL;
}

static bool allowed_uid(const struct link_server *server, uint32_t uid)
{
	for (size_t i = 0; i < server->options.allowed_count; i++) {
		uint32_t allowed = server->options.allowed[i].uid;
		if (allowed == LINK_ANY_UID || allowed == uid)
			return true;
	}
	return false;
}

static const char *take_hello(struct link_peer *peer, const struct frame *frame,
                              struct errinfo *info)
{
	struct link_server *server = peer->server;
	char role[LINK_ROLE_MAX];
	unsigned char instance[LINK_INSTANCE_SIZE];
	if (link_take_hello(frame, role, instance, info) != 0)
		return info->text;
	peer->role = allowed_role(peer, role);
	if (peer->role == NULL)
		return "hello: a role that this peer may not have";
	peer->up = true;
	timer_stop(peer->hello_timer);
	log_info(server->log, "link.peer_up", F_TEXT("peer", peer->role), F_INT("uid", peer->uid));
	if (server->handlers.peer_up != NULL)
		server->handlers.peer_up(server->handlers.ctx, peer);
	return NULL;
}

static void violation(struct link_server *server, struct ws *ws, const char *role,
                      const char *reason)
{
	log_warn(server->log, "link.violation", F_TEXT("peer", role == NULL ? "?" : role),
	         F_TEXT("reason", reason));
	ws_fail(ws, WS_CLOSE_POLICY, reason);
}

static void on_message(void *ctx, struct buf *message)
{
	struct link_peer *peer = ctx;
	struct link_server *server = peer->server;
	struct ws *ws = peer->ws;
	const char *role = peer->role;
	struct frame frame;
	struct errinfo info;
	const char *wrong;
	if (frame_parse(&frame, buf_str(message), &info) != 0)
		wrong = info.text;
	else if (!peer->up)
		wrong = take_hello(peer, &frame, &info);
	else
		wrong = take_frame(peer, &frame, message);
	/* Handlers have run: server and peer stand only if something is wrong, for then none has. */
	if (wrong != NULL)
		violation(server, ws, role, wrong);
}

static void on_open(void *ctx)
{
	struct link_peer *peer = ctx;
	timer_start(peer->hello_timer, LINK_HELLO_MS);
	link_send_hello(peer->ws, peer->server->role, peer->server->instance);
}

static void peer_free(struct link_peer *peer)
{
	struct link_server *server = peer->server;
	struct link_inbound *request;
	struct ws *ws = peer->ws;
	TAILQ_REMOVE(&server->peers, peer, link);
	server->peer_count--;
	peer->ws = NULL;
	while ((request = TAILQ_FIRST(&peer->requests)) != NULL)
		orphan(request);
	if (peer->up && server->handlers.peer_down != NULL)
		server->handlers.peer_down(server->handlers.ctx, peer);
	id_table_done(&peer->table);
	timer_free(peer->hello_timer);
	ws_free(ws);
	free(peer);
}

/* One line a second at most: who may not connect may not fill the log either. */
static void log_refused(struct link_server *server, const char *reason)
{
	int64_t now = clock_monotonic_ms();
	server->refused++;
	if (server->refused_told_ms != 0 && now - server->refused_told_ms < REFUSED_EVERY_MS)
		return;
	log_warn(server->log, "link.refused", F_TEXT("reason", reason),
	         F_INT("count", server->refused));
	server->refused_told_ms = now;
	server->refused = 0;
}

static void on_closed(void *ctx, const char *text)
{
	struct link_peer *peer = ctx;
	if (peer->up)
		log_info(peer->server->log, "link.peer_down", F_TEXT("peer", peer->role),
		         F_TEXT("reason", text));
	else
		log_refused(peer->server, text);
	peer_free(peer);
}

static void on_hello_timer(void *ctx)
{
	struct link_peer *peer = ctx;
	ws_fail(peer->ws, WS_CLOSE_POLICY, "no hello in time");
}

static const struct ws_handlers ws_handlers = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

static void add_peer(struct link_server *server, int fd, bool tls, uint32_t uid)
{
	struct link_peer *peer = mem_new(sizeof(*peer));
	const struct link_server_options *options = &server->options;
	peer->server = server;
	peer->tls = tls;
	peer->uid = uid;
	peer->hello_timer = timer_new(server->loop, on_hello_timer, peer);
	TAILQ_INIT(&peer->requests);
	TAILQ_INSERT_TAIL(&server->peers, peer, link);
	server->peer_count++;
	link_tune_socket(fd);
	struct ws_options ws_options = {
		.server = true,
		.ssl = tls ? tls_connection_new(options->tls) : NULL,
		.message_max = LINK_MESSAGE_MAX,
		.dead_ms = options->dead_ms != 0 ? options->dead_ms
	               : tls                 ? LINK_DEAD_MS
	                                     : 0,
	};
	peer->ws = ws_new(server->loop, fd, &ws_options, &ws_handlers, peer);
}

static void refuse_fd(struct link_server *server, int fd, const char *reason)
{
	log_refused(server, reason);
	close(fd);
}

static void check_unix(struct link_server *server, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		refuse_fd(server, fd, "no peer credentials");
	else if (!allowed_uid(server, peer.uid))
		refuse_fd(server, fd, "user may not connect");
	else
		add_peer(server, fd, false, peer.uid);
}

static void check_tls(struct link_server *server, int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	if (server->options.tls == NULL)
		refuse_fd(server, fd, "no certificate is configured");
	else if (getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
	         !link_address_allowed((const struct sockaddr *)&address,
	                               server->options.allowed_addresses))
		refuse_fd(server, fd, "address is not on the list");
	else
		add_peer(server, fd, true, LINK_ANY_UID);
}

/* ---------------------------------------------------------------- listening */

static void pause_cb(void *ctx)
{
	struct accepter *accepter = ctx;
	event_add(&accepter->event, NULL);
}

static void accept_cb(evutil_socket_t listening, short what, void *ctx)
{
	(void)what;
	struct accepter *accepter = ctx;
	struct link_server *server = accepter->server;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE) {
				event_del(&accepter->event);
				timer_start(accepter->pause, ACCEPT_PAUSE_MS);
			}
			return;
		}
		if (server->peer_count >= LINK_PEERS_MAX)
			refuse_fd(server, fd, "too many peers");
		else if (accepter->tls)
			check_tls(server, fd);
		else
			check_unix(server, fd);
	}
}

void link_server_listen(struct link_server *server, int fd, bool tls)
{
	struct accepter *accepter = mem_new(sizeof(*accepter));
	accepter->server = server;
	accepter->fd = fd;
	accepter->tls = tls;
	accepter->pause = timer_new(server->loop, pause_cb, accepter);
	evutil_make_socket_nonblocking(fd);
	event_assign(&accepter->event, loop_base(server->loop), fd, EV_READ | EV_PERSIST, accept_cb,
	             accepter);
	event_add(&accepter->event, NULL);
	TAILQ_INSERT_TAIL(&server->accepters, accepter, link);
}

void link_server_add_fd(struct link_server *server, int fd)
{
	evutil_make_socket_nonblocking(fd);
	check_unix(server, fd);
}

void link_server_set_tls(struct link_server *server, struct tls_context *tls)
{
	server->options.tls = tls;
}

/* ---------------------------------------------------------------- the server's life */

struct link_server *link_server_new(struct loop *loop, const struct log *log,
                                    const struct link_server_options *options,
                                    const struct link_server_handlers *handlers)
{
	struct link_server *server = mem_new(sizeof(*server));
	server->loop = loop;
	server->log = log;
	server->options = *options;
	if (server->options.upload_max == 0)
		server->options.upload_max = LINK_UPLOAD_MAX;
	if (server->options.upload_total_max == 0)
		server->options.upload_total_max = LINK_UPLOAD_TOTAL_MAX;
	server->handlers = *handlers;
	server->role = str_dup(str_from(options->role));
	random_bytes(server->instance, sizeof(server->instance));
	server->repeats = repeat_memory_new(LINK_REPEAT_MEMORY_MAX, LINK_REPEAT_MEMORY_MS);
	TAILQ_INIT(&server->accepters);
	TAILQ_INIT(&server->peers);
	TAILQ_INIT(&server->requests);
	TAILQ_INIT(&server->waiting);
	return server;
}

void link_server_free(struct link_server *server)
{
	struct accepter *accepter;
	if (server == NULL)
		return;
	server->freeing = true;
	while ((accepter = TAILQ_FIRST(&server->accepters)) != NULL) {
		TAILQ_REMOVE(&server->accepters, accepter, link);
		event_del(&accepter->event);
		timer_free(accepter->pause);
		close(accepter->fd);
		free(accepter);
	}
	while (!TAILQ_EMPTY(&server->peers))
		peer_free(TAILQ_FIRST(&server->peers));
	/* Those that the core has not answered; it must not do so any more. */
	while (!TAILQ_EMPTY(&server->requests))
		inbound_free(TAILQ_FIRST(&server->requests));
	repeat_memory_free(server->repeats);
	free(server->role);
	free(server);
}

const char *link_peer_role(const struct link_peer *peer)
{
	return peer->role;
}

void link_peer_set_data(struct link_peer *peer, void *data)
{
	peer->data = data;
}

void *link_peer_data(const struct link_peer *peer)
{
	return peer->data;
}

void link_event(struct link_peer *peer, uint32_t method, const ProtobufCMessage *body)
{
	if (peer->ws == NULL)
		return; /* inside peer_down */
	struct buf packed;
	buf_init(&packed, LINK_PIECE_MAX);
	if (body != NULL)
		link_pack(&packed, body);
	struct frame frame = {.kind = PK__FRAME__KIND__EVENT, .method = method};
	link_send_buf(peer->ws, &frame, &packed);
}

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
