#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "net/certificate.h"
#include "net/link_address.h"
#include "net/link_client_internal.h"

enum {
	STEADY_MS = 1000, /* a connection that held so long starts back-off anew */
};

/* ---------------------------------------------------------------- up and down */

struct link_life link_life(const struct link *link)
{
	int64_t heard = link->ws == NULL ? 0 : ws_heard_ms(link->ws);
	return (struct link_life){
		.heard_ms = heard > link->moved_ms ? heard : link->moved_ms,
		.asked_ms = link->asked_ms,
	};
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
	link->up_since_ms = loop_now_ms(link->loop);
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
		link_calls_restarted(link);
	if (link->freed)
		return NULL;
	link->up = true;
	link_calls_send(link);
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
		wrong = link_calls_take(link, &frame);
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
		link->moved_ms = loop_now_ms(link->loop);
	link_calls_pump(link);
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

static void on_closed(void *ctx, const char *text)
{
	struct link *link = ctx;
	bool was_up = link->up;
	struct link_life life = link_life(link);
	ws_free(link->ws);
	link->ws = NULL;
	link->up = false;
	if (was_up) {
		log_info(link->log, "link.lost", F_TEXT("core", core_name(link)),
		         F_TEXT("address", link->where), F_TEXT("reason", text));
		if (loop_now_ms(link->loop) - link->up_since_ms >= STEADY_MS)
			link->retry_ms = LINK_RETRY_MIN_MS;
	} else {
		complain(link, text);
	}
	link_calls_settle(link, &life);
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

static void on_later(void *ctx)
{
	struct link *link = ctx;
	if (link->freed) {
		id_table_done(&link->table);
		free(link);
		return;
	}
	if (link->fixed && link->ws == NULL)
		link_calls_settle(link, &(struct link_life){0});
	link_calls_drop_unsendable(link);
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
	link->sweep = timer_new(loop, link_calls_sweep, link);
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
	link_calls_cancel(link);
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
