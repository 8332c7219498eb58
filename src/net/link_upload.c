/* What the requests of a core's peers hold in memory: bodies, and uploads, which are admitted in turn and
 * within shares, and have to come once they are. */

#include "net/link_server_internal.h"

enum {
	PEER_PART = 4,  /* of upload_total_max: what one connection may have of it */
	OWNER_PART = 2, /* and all of one user or address */
	SWEEPS = 4,     /* looks for uploads that do not come, in the time that they may stand still */
};

static void add(struct link_held *held, uint64_t bytes, bool waiting)
{
	held->all += bytes;
	held->waiting += waiting ? bytes : 0;
}

static void subtract(struct link_held *held, uint64_t bytes, bool waiting)
{
	held->all -= bytes;
	held->waiting -= waiting ? bytes : 0;
}

/* Counts, or does not count any more, what request holds, everywhere. */
static void count(struct link_inbound *request, void (*how)(struct link_held *, uint64_t, bool))
{
	how(&request->server->held, request->held, request->waits);
	how(&request->owner->held, request->held, request->waits);
	if (request->peer != NULL)
		how(&request->peer->held, request->held, request->waits);
}

static void set_held(struct link_inbound *request, uint64_t held, bool waits)
{
	count(request, subtract);
	request->held = held;
	request->waits = waits;
	count(request, add);
}

bool link_upload_full(const struct link_peer *peer)
{
	uint64_t max = peer->server->options.limits.upload_total_max + LINK_UPLOAD_SLACK;
	return peer->server->held.all > max || peer->owner->held.all > max / OWNER_PART;
}

void link_upload_leave(struct link_inbound *request)
{
	if (request->peer != NULL)
		subtract(&request->peer->held, request->held, request->waits);
}

void link_upload_join(struct link_inbound *request)
{
	add(&request->peer->held, request->held, request->waits);
}

/* ---------------------------------------------------------------- deadlines */

static void watch(struct link_server *server)
{
	if (!server->sweeping && !TAILQ_EMPTY(&server->uploading))
		timer_start(server->sweep, server->options.limits.upload_stall_ms / SWEEPS + 1);
	server->sweeping = !TAILQ_EMPTY(&server->uploading);
}

/* What was granted has to come: it is room that others wait for. */
static bool is_late(const struct link_inbound *request, int64_t now)
{
	if (request->upload.len == request->upload_granted)
		return false; /* it waits for us */
	return now - request->moved_ms >= request->server->options.limits.upload_stall_ms ||
	       now >= request->upload_until_ms;
}

static struct link_inbound *first_late(struct link_server *server, int64_t now)
{
	struct link_inbound *request;
	TAILQ_FOREACH (request, &server->uploading, uploading)
		if (is_late(request, now))
			return request;
	return NULL;
}

void link_upload_sweep(void *ctx)
{
	struct link_server *server = ctx;
	struct link_inbound *late;
	int64_t now = loop_now_ms(server->loop);
	server->sweeping = false;
	while ((late = first_late(server, now)) != NULL)
		link_inbound_fault(late, E_TIMEOUT, "the upload does not come");
	watch(server);
}

static void expect(struct link_inbound *request)
{
	const struct link_server_limits *limits = &request->server->options.limits;
	uint64_t due = request->upload_granted - request->upload.len;
	request->moved_ms = loop_now_ms(request->server->loop);
	request->upload_until_ms = request->moved_ms + limits->upload_stall_ms +
	                           (int64_t)(due * 1000 / LINK_UPLOAD_RATE_MIN);
}

/* ---------------------------------------------------------------- admission */

static void admit(struct link_inbound *request)
{
	uint64_t rest = request->upload_size - request->upload_granted;
	set_held(request, request->held + rest, false);
	TAILQ_REMOVE(&request->server->waiting, request, waiting);
	request->upload_granted += rest;
	expect(request);
	struct frame frame = {
		.kind = PK__FRAME__KIND__GRANT,
		.id = request->node.id,
		.credit = rest,
	};
	link_peer_send(request->peer, &frame);
}

/* One alone is within any share. */
static bool fits(const struct link_held *held, uint64_t bytes, uint64_t max)
{
	uint64_t others = held->all - held->waiting;
	return others == 0 || others + bytes <= max;
}

/* In the order of asking. Whom only his own share stops is in nobody's way. */
static struct link_inbound *first_possible(struct link_server *server)
{
	uint64_t max = server->options.limits.upload_total_max;
	struct link_inbound *request;
	TAILQ_FOREACH (request, &server->waiting, waiting) {
		uint64_t whole = request->held + request->upload_size - request->upload_granted;
		if (request->peer->ws == NULL || !fits(&request->peer->held, whole, max / PEER_PART) ||
		    !fits(&request->owner->held, whole, max / OWNER_PART))
			continue; /* the first: its peer is just being taken down, there is nobody to grant it to */
		return fits(&server->held, whole, max) ? request : NULL;
	}
	return NULL;
}

void link_upload_admit(struct link_server *server)
{
	struct link_inbound *request;
	while (!server->freeing && (request = first_possible(server)) != NULL)
		admit(request);
}

void link_upload_begin(struct link_inbound *request)
{
	struct link_server *server = request->server;
	uint64_t size = request->upload_size;
	request->upload_granted = size < LINK_UPLOAD_FIRST ? size : LINK_UPLOAD_FIRST;
	set_held(request, request->body.len + request->upload_granted, request->upload_granted < size);
	expect(request);
	if (size == 0)
		return;
	request->expected = true;
	TAILQ_INSERT_TAIL(&server->uploading, request, uploading);
	watch(server);
	if (!request->waits)
		return;
	TAILQ_INSERT_TAIL(&server->waiting, request, waiting);
	link_upload_admit(server);
}

void link_upload_complete(struct link_inbound *request)
{
	if (request->expected)
		TAILQ_REMOVE(&request->server->uploading, request, uploading);
	request->expected = false;
}

void link_upload_end(struct link_inbound *request)
{
	link_upload_complete(request);
	if (request->waits)
		TAILQ_REMOVE(&request->server->waiting, request, waiting);
	set_held(request, 0, false);
}
