#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "net/certificate.h"
#include "net/link_address.h"
#include "net/link_server_internal.h"

enum {
	ACCEPT_MAX = 16, /* connections taken in one go */
	REFUSED_EVERY_MS = 1000,
	ACCEPT_PAUSE_MS = 100, /* after running out of descriptors */
};

struct accepter {
	TAILQ_ENTRY(accepter) link;
	struct link_server *server;
	struct event event;
	struct timer *pause;
	int fd;
	bool tls;
};

/* ---------------------------------------------------------------- peers */

static const char *allowed_role(const struct link_peer *peer, const char *role)
{
	const struct link_server_options *options = &peer->server->options;
	if (peer->origin.role != NULL)
		return strcmp(peer->origin.role, role) == 0 ? peer->origin.role : NULL;
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

/* Of a peer on another host, of whom nobody else knows anything. */
static const char *wrong_certificate(const struct link_peer *peer)
{
	const SSL *ssl = ws_ssl(peer->ws);
	if (!certificate_peer_has_role(ssl, peer->role))
		return "hello: a role that the certificate is not for";
	if (!certificate_peer_may_be_at(ssl, (const struct sockaddr *)&peer->address))
		return "hello: the certificate is for other addresses";
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
	struct link_hello hello;
	if (link_take_hello(frame, &hello, info) != 0)
		return info->text;
	peer->role = allowed_role(peer, hello.role);
	if (peer->role == NULL)
		return "hello: a role that this peer may not have";
	const char *wrong = peer->tls ? wrong_certificate(peer) : NULL;
	if (wrong != NULL) {
		peer->role = NULL;
		return wrong;
	}
	/* Who is not let in never hears ours: its link does not come up for a moment. */
	link_send_hello(peer->ws, server->role, server->instance);
	peer->up = true;
	peer->since_ms = loop_now_ms(server->loop);
	timer_stop(peer->hello_timer);
	log_info(server->log, "link.peer_up", F_TEXT("peer", peer->role),
	         F_TEXT("address", peer->where), F_INT("uid", peer->uid),
	         F_INT("version", hello.version), F_INT("features", hello.features));
	if (server->handlers.peer_up != NULL)
		server->handlers.peer_up(server->handlers.ctx, peer);
	return NULL;
}

static void violation(struct link_server *server, struct ws *ws, const char *role,
                      const char *where, const char *reason)
{
	log_warn(server->log, "link.violation", F_TEXT("peer", role == NULL ? "?" : role),
	         F_TEXT("address", where), F_TEXT("reason", reason));
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
		wrong = link_inbound_take(peer, &frame, message);
	/* Handlers have run: server and peer stand only if something is wrong, for then none has. */
	if (wrong != NULL)
		violation(server, ws, role, peer->where, wrong);
}

static void on_open(void *ctx)
{
	struct link_peer *peer = ctx;
	timer_start(peer->hello_timer, LINK_HELLO_MS);
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
		link_inbound_orphan(request);
	if (peer->up && server->handlers.peer_down != NULL)
		server->handlers.peer_down(server->handlers.ctx, peer);
	id_table_done(&peer->table);
	server->output -= peer->output;
	peer->owner->peers--;
	link_owner_release(server, peer->owner);
	timer_free(peer->hello_timer);
	ws_free(ws);
	free(peer);
}

/* One line a second at most: who may not connect may not fill the log either. */
static void log_refused(struct link_server *server, const char *where, const char *reason)
{
	int64_t now = loop_now_ms(server->loop);
	server->refused++;
	if (server->refused_told_ms != 0 && now - server->refused_told_ms < REFUSED_EVERY_MS)
		return;
	log_warn(server->log, "link.refused", F_TEXT("address", where), F_TEXT("reason", reason),
	         F_INT("count", server->refused));
	server->refused_told_ms = now;
	server->refused = 0;
}

static void on_closed(void *ctx, const char *text)
{
	struct link_peer *peer = ctx;
	if (peer->up)
		log_info(peer->server->log, "link.peer_down", F_TEXT("peer", peer->role),
		         F_TEXT("address", peer->where), F_TEXT("reason", text));
	else
		log_refused(peer->server, peer->where, text);
	peer_free(peer);
}

/* What it has not read yet. */
static void count_output(struct link_peer *peer)
{
	uint64_t output = peer->leaving ? 0 : ws_output_len(peer->ws);
	peer->server->output += output - peer->output;
	peer->output = output;
}

/* Who asks and does not read may not fill the memory for all: the one who has read least goes. */
static void shed_output(struct link_server *server)
{
	struct link_peer *peer, *worst = NULL;
	TAILQ_FOREACH (peer, &server->peers, link)
		if (!peer->leaving && (worst == NULL || peer->output > worst->output))
			worst = peer;
	if (worst == NULL)
		return;
	worst->leaving = true;
	count_output(worst);
	ws_fail(worst->ws, WS_CLOSE_POLICY, "peer does not read, and memory is short");
}

static void sent(struct link_peer *peer)
{
	count_output(peer);
	if (peer->server->output > peer->server->options.limits.output_total_max)
		shed_output(peer->server);
}

void link_peer_send(struct link_peer *peer, const struct frame *frame)
{
	link_send(peer->ws, frame);
	sent(peer);
}

void link_peer_send_buf(struct link_peer *peer, struct frame *frame, struct buf *body)
{
	link_send_buf(peer->ws, frame, body);
	sent(peer);
}

static void on_written(void *ctx)
{
	count_output(ctx);
}

static void on_hello_timer(void *ctx)
{
	struct link_peer *peer = ctx;
	ws_fail(peer->ws, WS_CLOSE_POLICY, "no hello in time");
}

static const struct ws_handlers ws_handlers = {
	.open = on_open,
	.message = on_message,
	.written = on_written,
	.closed = on_closed,
};

static void refuse_fd(struct link_server *server, int fd, const struct sockaddr_storage *address,
                      const char *reason)
{
	char where[LINK_ADDRESS_SIZE];
	link_address_format((const struct sockaddr *)address, where);
	log_refused(server, where, reason);
	close(fd);
}

/* On this host there is no address. */
static void refuse_here(struct link_server *server, int fd, const char *reason)
{
	static const struct sockaddr_storage here = {.ss_family = AF_UNIX};
	refuse_fd(server, fd, &here, reason);
}

/* Whom the supervisor has named has few links and a place for each. Of the others nobody has more than are
 * free, so that however many fill them one who has none gets one. */
static bool has_place(const struct link_server *server, const struct link_owner *owner,
                      const struct link_origin *origin)
{
	return origin != NULL ||
	       (owner->peers < LINK_PEERS_OF_ONE && owner->peers + server->peer_count < LINK_PEERS_MAX);
}

static void add_peer(struct link_server *server, int fd, const struct sockaddr_storage *address,
                     uint32_t uid, const struct link_origin *origin)
{
	bool tls = address != NULL;
	struct link_owner *owner = link_owner_get(server, (const struct sockaddr *)address, uid,
	                                          origin);
	if (!has_place(server, owner, origin)) {
		link_owner_release(server, owner);
		if (tls)
			refuse_fd(server, fd, address, "too many peers");
		else
			refuse_here(server, fd, "too many peers");
		return;
	}
	struct link_peer *peer = mem_new(sizeof(*peer));
	const struct link_server_options *options = &server->options;
	peer->server = server;
	peer->owner = owner;
	owner->peers++;
	if (origin != NULL)
		peer->origin = *origin;
	peer->tls = tls;
	peer->uid = uid;
	if (tls) {
		peer->address = *address;
		link_address_format((const struct sockaddr *)address, peer->where);
	}
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

static void check_unix(struct link_server *server, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		refuse_here(server, fd, "no peer credentials");
	else if (!allowed_uid(server, peer.uid))
		refuse_here(server, fd, "user may not connect");
	else
		add_peer(server, fd, NULL, peer.uid, NULL);
}

static void check_tls(struct link_server *server, int fd, const struct sockaddr_storage *address)
{
	if (!tls_ready(server->options.tls))
		refuse_fd(server, fd, address, "no certificate is configured");
	else if (!link_address_allowed((const struct sockaddr *)address,
	                               server->options.limits.allowed_addresses))
		refuse_fd(server, fd, address, "address is not on the list");
	else
		add_peer(server, fd, address, LINK_ANY_UID, NULL);
}

static const char *listed_role(const struct link_server *server, const char *role)
{
	for (size_t i = 0; i < server->options.allowed_count; i++)
		if (strcmp(server->options.allowed[i].role, role) == 0)
			return server->options.allowed[i].role;
	return NULL;
}

static size_t links_of(const struct link_server *server, const struct link_origin *origin)
{
	const struct link_peer *peer;
	size_t count = 0;
	TAILQ_FOREACH (peer, &server->peers, link)
		count += peer->origin.role == origin->role && peer->origin.process == origin->process;
	return count;
}

/* A process needs one link, and a second for the moment in which the first is found broken. */
static void check_origin(struct link_server *server, int fd, const struct link_origin *origin)
{
	struct link_origin known = {listed_role(server, origin->role), origin->process};
	if (known.role == NULL)
		refuse_here(server, fd, "role may not connect");
	else if (links_of(server, &known) >= LINK_PROCESS_PEERS_MAX)
		refuse_here(server, fd, "too many links of one process");
	else
		add_peer(server, fd, NULL, LINK_NO_UID, &known);
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
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		int fd = accept4(listening, (struct sockaddr *)&address, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE) {
				event_del(&accepter->event);
				timer_start(accepter->pause, ACCEPT_PAUSE_MS);
			}
			return;
		}
		if (accepter->tls)
			check_tls(server, fd, &address);
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

void link_server_add_fd(struct link_server *server, int fd, const struct link_origin *origin)
{
	evutil_make_socket_nonblocking(fd);
	if (origin != NULL)
		check_origin(server, fd, origin);
	else
		check_unix(server, fd);
}

/* ---------------------------------------------------------------- limits */

static void free_addresses(struct link_server *server)
{
	const char *const *addresses = server->options.limits.allowed_addresses;
	for (size_t i = 0; addresses != NULL && addresses[i] != NULL; i++)
		free((char *)addresses[i]);
	free((void *)addresses);
	server->options.limits.allowed_addresses = NULL;
}

/* The limits of server->options, as a copy of limits with the standard in place of 0. */
static void take_limits(struct link_server *server, const struct link_server_limits *limits)
{
	struct link_server_limits *ours = &server->options.limits;
	size_t count = 0;
	*ours = *limits;
	if (ours->upload_max == 0)
		ours->upload_max = LINK_UPLOAD_MAX;
	if (ours->upload_total_max == 0)
		ours->upload_total_max = LINK_UPLOAD_TOTAL_MAX;
	if (ours->upload_stall_ms == 0)
		ours->upload_stall_ms = LINK_UPLOAD_STALL_MS;
	if (ours->output_total_max == 0)
		ours->output_total_max = LINK_OUTPUT_TOTAL_MAX;
	if (limits->allowed_addresses == NULL)
		return;
	while (limits->allowed_addresses[count] != NULL)
		count++;
	const char **addresses = mem_new_array(count + 1, sizeof(*addresses));
	for (size_t i = 0; i < count; i++)
		addresses[i] = str_dup(str_from(limits->allowed_addresses[i]));
	ours->allowed_addresses = addresses;
}

void link_server_set_limits(struct link_server *server, const struct link_server_limits *limits)
{
	struct link_peer *peer, *next;
	free_addresses(server);
	take_limits(server, limits);
	for (peer = TAILQ_FIRST(&server->peers); peer != NULL; peer = next) {
		next = TAILQ_NEXT(peer, link);
		if (peer->tls && !link_address_allowed((const struct sockaddr *)&peer->address,
		                                       server->options.limits.allowed_addresses))
			ws_fail(peer->ws, WS_CLOSE_POLICY, "address is no longer on the list");
	}
	link_upload_admit(server);
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
	take_limits(server, &options->limits);
	server->handlers = *handlers;
	server->role = str_dup(str_from(options->role));
	random_bytes(server->instance, sizeof(server->instance));
	server->repeats = repeat_memory_new(LINK_REPEAT_MEMORY_MAX, LINK_REPEAT_MEMORY_MS);
	TAILQ_INIT(&server->accepters);
	TAILQ_INIT(&server->peers);
	TAILQ_INIT(&server->requests);
	TAILQ_INIT(&server->waiting);
	TAILQ_INIT(&server->uploading);
	server->owners = map_new();
	server->sweep = timer_new(loop, link_upload_sweep, server);
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
		link_inbound_free(TAILQ_FIRST(&server->requests));
	map_free(server->owners);
	timer_free(server->sweep);
	repeat_memory_free(server->repeats);
	free_addresses(server);
	free(server->role);
	free(server);
}

const char *link_peer_role(const struct link_peer *peer)
{
	return peer->role;
}

const char *link_peer_address(const struct link_peer *peer)
{
	return peer->where;
}

void link_inbound_each_peer(const struct link_inbound *request,
                            bool (*each)(void *ctx, const struct link_peer_info *peer), void *ctx)
{
	struct link_peer *peer;
	TAILQ_FOREACH (peer, &request->server->peers, link) {
		struct link_peer_info info = {peer->role, peer->where, peer->since_ms};
		if (peer->up && !each(ctx, &info))
			return;
	}
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
	link_peer_send_buf(peer, &frame, &packed);
}
