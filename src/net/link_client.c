#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/certificate.h"
#include "net/id_table.h"
#include "net/link_address.h"
#include "net/link_internal.h"
#include "net/link_wait.h"

enum {
	OUTPUT_HIGH = 1024 * 1024, /* uploads wait while more than this is pending */
	STEADY_MS = 1000,          /* a connection that held so long starts back-off anew */
	SWEEP_MIN_MS = 5,          /* between two looks for deadlines that passed */
	DEADLINE_MAX_MS = 24 * 3600 * 1000,
};

struct link_call {
	struct id_node node;
	TAILQ_ENTRY(link_call) order;  /* all calls, by id */
	TAILQ_ENTRY(link_call) sender; /* those with upload to send */
	struct link *link;
	struct link_request request; /* body packed into body; upload still borrowed */
	struct buf body;             /* kept while the request may have to be sent (again) */
	unsigned char repeat_id[FRAME_REPEAT_ID_SIZE];
	bool sent; /* over the present connection */
	bool sent_before;
	bool streaming; /* a chunk has come: cannot be sent again */
	bool sending;   /* in the senders' list */
	bool calling;   /* inside one of its callbacks */
	bool ended;     /* off the lists: memory only */
	uint64_t upload_sent, upload_granted;
	int64_t credit;        /* of the stream: what the core may send; below 0: overdrawn */
	int64_t deadline_at;   /* INT64_MAX while the stream waits for us */
	int64_t deadline_left; /* then: what was left */
	struct link_wait wait;
};

TAILQ_HEAD(call_list, link_call);

struct link {
	struct loop *loop;
	const struct log *log;
	struct link_handlers handlers;
	struct link_target target; /* its strings are ours */
	char *where;               /* the target's address, for the log */
	struct ws *ws;             /* NULL while waiting to try again */
	bool up;                   /* hellos are exchanged */
	bool fixed;                /* made from a descriptor: no reconnection */
	bool asking;               /* the dialer has been asked and has not answered yet */
	bool freed;
	bool greeted;    /* core_instance is known */
	bool complained; /* the log says that the core is away */
	unsigned char instance[LINK_INSTANCE_SIZE], core_instance[LINK_INSTANCE_SIZE];
	char core_role[LINK_ROLE_MAX];
	int64_t up_since_ms, retry_ms;
	int64_t moved_ms; /* the core has taken more of what waits to be sent */
	int64_t asked_ms; /* ... and for this sign of life it was asked */
	struct timer *retry, *sweep;
	int64_t sweep_at; /* INT64_MAX: not running */
	uint64_t last_id, epoch;
	struct id_table table;
	struct call_list calls, senders;
	struct link_faults faults;
	struct loop_task later; /* ends what cannot be sent; after link_free: releases the memory */
};

static void connect_now(struct link *link);

/* ---------------------------------------------------------------- a call's end */

static void call_release(struct link_call *call)
{
	buf_done(&call->body);
	free(call);
}

/* What is known of the core over the present connection. */
static struct link_life life_of(const struct link *link)
{
	int64_t heard = link->ws == NULL ? 0 : ws_heard_ms(link->ws);
	return (struct link_life){
		.heard_ms = heard > link->moved_ms ? heard : link->moved_ms,
		.asked_ms = link->asked_ms,
	};
}

/* Off all lists; the memory stays. */
static void call_unlink(struct link_call *call)
{
	struct link *link = call->link;
	struct link_life life = life_of(link);
	call->ended = true;
	link_wait_end(&call->wait, &life, clock_monotonic_ms());
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
	int64_t delay = at - clock_monotonic_ms();
	link->sweep_at = at;
	timer_start(link->sweep, delay < SWEEP_MIN_MS ? SWEEP_MIN_MS : delay);
}

/* Whether it has waited long enough; lowers *next to when it should be looked at again. */
static bool is_late(struct link_call *call, int64_t now, int64_t *next)
{
	struct link *link = call->link;
	struct link_life life = life_of(link);
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
	TAILQ_FOREACH (call, &link->calls, order) {
		if (is_late(call, now, ret_next))
			return call;
	}
	return NULL;
}

static void watch_call(struct link_call *call)
{
	int64_t next = INT64_MAX;
	if (is_late(call, clock_monotonic_ms(), &next))
		next = 0; /* soon, and not from in here */
	watch_deadline(call->link, next);
}

static void on_sweep(void *ctx)
{
	struct link *link = ctx;
	int64_t now = clock_monotonic_ms();
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

/* Sends pieces of uploads in turn while the connection takes them. */
static void pump_uploads(struct link *link)
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
	link_wait_sent(&call->wait, clock_monotonic_ms());
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
		int64_t left = call->deadline_at - clock_monotonic_ms();
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
	pump_uploads(call->link);
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

/* Returns what is wrong, or NULL. The link may be gone afterwards. */
static const char *take_frame(struct link *link, const struct frame *frame)
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

/* ---------------------------------------------------------------- up and down */

/* Ends those calls that were sent to another instance and may not be sent to this one. */
static void fail_repeats(struct link *link)
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

static void send_waiting(struct link *link)
{
	struct link_call *call;
	TAILQ_FOREACH (call, &link->calls, order) {
		if (!call->sent && !call->body.failed)
			send_request(call);
	}
	pump_uploads(link);
}

static const char *take_hello(struct link *link, const struct frame *frame, struct errinfo *info)
{
	struct link_hello hello;
	if (link_take_hello(frame, &hello, info) != 0)
		return info->text;
	bool same = link->greeted &&
	            memcmp(hello.instance, link->core_instance, LINK_INSTANCE_SIZE) == 0;
	link->greeted = true;
	memcpy(link->core_instance, hello.instance, LINK_INSTANCE_SIZE);
	memcpy(link->core_role, hello.role, sizeof(hello.role));
	link->epoch++;
	link->up_since_ms = clock_monotonic_ms();
	timer_stop(link->retry);
	link->complained = false;
	const struct link_dialer *dialer = link->target.dialer;
	if (dialer != NULL && dialer->met != NULL)
		dialer->met(dialer->ctx, link->target.core);
	log_info(link->log, "link.connected", F_TEXT("core", hello.role),
	         F_TEXT("address", link->where), F_INT("same_instance", same),
	         F_INT("version", hello.version), F_INT("features", hello.features));
	/* What handlers ask comes after what waits: the core takes requests in the order of their ids. */
	if (!same)
		fail_repeats(link);
	if (link->freed)
		return NULL;
	link->up = true;
	send_waiting(link);
	if (link->handlers.state != NULL)
		link->handlers.state(link->handlers.ctx, true, same);
	return NULL;
}

/* As it said itself, or as whoever made the link knows. */
static const char *core_name(const struct link *link)
{
	if (link->greeted)
		return link->core_role;
	return link->target.core == NULL ? "?" : link->target.core;
}

static void violation(struct link *link, struct ws *ws, const char *wrong)
{
	log_warn(link->log, "link.violation", F_TEXT("core", core_name(link)),
	         F_TEXT("address", link->where), F_TEXT("reason", wrong));
	ws_fail(ws, WS_CLOSE_POLICY, wrong);
}

static void on_message(void *ctx, struct buf *message)
{
	struct link *link = ctx;
	struct frame frame;
	struct errinfo info;
	const char *wrong;
	struct ws *ws = link->ws;
	if (frame_parse(&frame, buf_str(message), &info) != 0)
		wrong = info.text;
	else if (!link->up)
		wrong = take_hello(link, &frame, &info);
	else
		wrong = take_frame(link, &frame);
	if (wrong != NULL)
		violation(link, ws, wrong);
}

static void on_open(void *ctx)
{
	struct link *link = ctx;
	/* Before we say anything. */
	if (link->target.host != NULL &&
	    !certificate_peer_has_role(ws_ssl(link->ws), link->target.core)) {
		violation(link, link->ws, "the certificate is not for such a core");
		return;
	}
	link_send_hello(link->ws, link->target.role, link->instance);
	if (!link->fixed)
		timer_start(link->retry, LINK_HELLO_MS);
}

/* Who takes what has long waited lives; that the kernel takes the last of it says nothing. */
static void on_written(void *ctx)
{
	struct link *link = ctx;
	if (ws_output_len(link->ws) > 0)
		link->moved_ms = clock_monotonic_ms();
	pump_uploads(link);
}

/* Once for each time that the core is away, not for each try. */
static void complain(struct link *link, const char *reason)
{
	if (!link->complained)
		log_warn(link->log, "link.unreachable", F_TEXT("core", core_name(link)),
		         F_TEXT("address", link->where), F_TEXT("reason", reason));
	link->complained = true;
}

/* First soon, then later and later, with a quarter of chance so that fronts don't come in step. */
static void retry_later(struct link *link)
{
	unsigned char dice;
	random_bytes(&dice, 1);
	int64_t delay = link->retry_ms + link->retry_ms * dice / 1024;
	link->retry_ms = link->retry_ms * 2 > LINK_RETRY_MAX_MS ? LINK_RETRY_MAX_MS
	                                                        : link->retry_ms * 2;
	timer_start(link->retry, delay);
}

/* The connection is gone, over which life was known: which calls go with it? */
static void settle_calls(struct link *link, const struct link_life *life)
{
	struct link_call *call = TAILQ_FIRST(&link->calls);
	int64_t now = clock_monotonic_ms();
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

static void on_closed(void *ctx, const char *text)
{
	struct link *link = ctx;
	bool was_up = link->up;
	struct link_life life = life_of(link);
	ws_free(link->ws);
	link->ws = NULL;
	link->up = false;
	if (was_up) {
		log_info(link->log, "link.lost", F_TEXT("core", core_name(link)),
		         F_TEXT("address", link->where), F_TEXT("reason", text));
		if (clock_monotonic_ms() - link->up_since_ms >= STEADY_MS)
			link->retry_ms = LINK_RETRY_MIN_MS;
	} else {
		complain(link, text);
	}
	settle_calls(link, &life);
	if (link->freed)
		return;
	if (was_up && link->handlers.state != NULL)
		link->handlers.state(link->handlers.ctx, false, false);
	if (!link->freed && !link->fixed)
		retry_later(link);
}

static const struct ws_handlers ws_handlers = {
	.open = on_open,
	.message = on_message,
	.written = on_written,
	.closed = on_closed,
};

/* ---------------------------------------------------------------- connecting */

static void not_connected(struct link *link, const char *reason)
{
	complain(link, reason);
	retry_later(link);
}

static void use_fd(struct link *link, int fd)
{
	const struct link_target *target = &link->target;
	bool tls = target->host != NULL;
	SSL *ssl = tls ? tls_connection_new_outward(target->tls) : NULL;
	struct errinfo info;
	if (ssl != NULL && certificate_expect_host(ssl, target->host, &info) != 0) {
		SSL_free(ssl);
		close(fd);
		not_connected(link, info.text);
		return;
	}
	link_tune_socket(fd);
	struct ws_options options = {
		.ssl = ssl,
		.host = target->host,
		.message_max = LINK_MESSAGE_MAX,
		.dead_ms = target->dead_ms != 0 ? target->dead_ms
	               : tls                ? LINK_DEAD_MS
	                                    : 0,
	};
	link->ws = ws_new(link->loop, fd, &options, &ws_handlers, link);
}

static const char no_certificate[] = "no certificate for links is configured";

static void connect_now(struct link *link)
{
	const struct link_dialer *dialer = link->target.dialer;
	struct errinfo info = {0};
	if (link->target.host != NULL && !tls_ready(link->target.tls)) {
		not_connected(link, no_certificate);
		return;
	}
	if (dialer != NULL) {
		/* No deadline: the answer comes when the core can be reached at all, and calls have theirs. */
		link->asking = dialer->ask(dialer->ctx, link, link->target.core, &info) == 0;
		if (!link->asking)
			not_connected(link, info.text);
		return;
	}
	int fd = link_connect(&link->target, &info);
	if (fd < 0)
		not_connected(link, info.text);
	else
		use_fd(link, fd);
}

void link_give(struct link *link, int fd, int errnum)
{
	must(link->asking && !link->freed);
	link->asking = false;
	if (fd < 0) {
		not_connected(link, strerrordesc_np(errnum));
		return;
	}
	if (link->target.host != NULL && !tls_ready(link->target.tls)) {
		close(fd);
		not_connected(link, no_certificate);
		return;
	}
	evutil_make_socket_nonblocking(fd);
	use_fd(link, fd);
}

static void on_retry(void *ctx)
{
	struct link *link = ctx;
	if (link->ws != NULL)
		ws_fail(link->ws, WS_CLOSE_POLICY, "no hello in time");
	else
		connect_now(link);
}

/* ---------------------------------------------------------------- the public side */

/* Ends the calls that cannot be sent any more, outside of link_call. */
static void on_later(void *ctx)
{
	struct link *link = ctx;
	if (link->freed) {
		id_table_done(&link->table);
		free(link);
		return;
	}
	if (link->fixed && link->ws == NULL)
		settle_calls(link, &(struct link_life){0});
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

static char *copy_text(const char *text)
{
	return text == NULL ? NULL : str_dup(str_from(text));
}

static char *where_text(const struct link_target *target)
{
	if (target->unix_path != NULL)
		return copy_text(target->unix_path);
	return copy_text(target->host == NULL ? "" : target->host);
}

static struct link *new_link(struct loop *loop, const struct log *log,
                             const struct link_target *target, const struct link_handlers *handlers)
{
	struct link *link = mem_new(sizeof(*link));
	link->loop = loop;
	link->log = log;
	if (handlers != NULL)
		link->handlers = *handlers;
	link->target = *target;
	link->target.unix_path = copy_text(target->unix_path);
	link->target.host = copy_text(target->host);
	link->target.role = copy_text(target->role);
	link->target.core = copy_text(target->core);
	link->where = where_text(target);
	link->retry_ms = LINK_RETRY_MIN_MS;
	link->sweep_at = INT64_MAX;
	link->retry = timer_new(loop, on_retry, link);
	link->sweep = timer_new(loop, on_sweep, link);
	link->later.run = on_later;
	link->later.ctx = link;
	TAILQ_INIT(&link->calls);
	TAILQ_INIT(&link->senders);
	random_bytes(link->instance, sizeof(link->instance));
	return link;
}

struct link *link_new(struct loop *loop, const struct log *log, const struct link_target *target,
                      const struct link_handlers *handlers)
{
	must(target->unix_path != NULL || (target->dialer != NULL && target->core != NULL));
	must(target->host == NULL || target->tls != NULL);
	struct link *link = new_link(loop, log, target, handlers);
	connect_now(link);
	return link;
}

struct link *link_new_fd(struct loop *loop, const struct log *log, int fd, const char *role,
                         const struct link_handlers *handlers)
{
	struct link_target target = {.role = role, .allowed_peer_uid = LINK_ANY_UID};
	struct link *link = new_link(loop, log, &target, handlers);
	link->fixed = true;
	evutil_make_socket_nonblocking(fd);
	use_fd(link, fd);
	return link;
}

void link_free(struct link *link)
{
	if (link == NULL || link->freed)
		return;
	link->freed = true;
	link->up = false;
	while (!TAILQ_EMPTY(&link->calls))
		call_fail(TAILQ_FIRST(&link->calls), E_CANCELLED, "the link was closed");
	if (link->asking)
		link->target.dialer->forget(link->target.dialer->ctx, link);
	ws_free(link->ws);
	timer_free(link->retry);
	timer_free(link->sweep);
	free((char *)link->target.unix_path);
	free((char *)link->target.host);
	free((char *)link->target.role);
	free((char *)link->target.core);
	free(link->where);
	loop_later(link->loop, &link->later);
}

bool link_connected(const struct link *link)
{
	return link->up;
}

uint64_t link_epoch(const struct link *link)
{
	return link->epoch;
}

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
	int64_t now = clock_monotonic_ms();
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
		pump_uploads(link);
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
		int64_t now = clock_monotonic_ms();
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
