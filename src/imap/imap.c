#include "imap/imap.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "imap/command.h"
#include "imap/front.h"

enum listener_tag { TAG_PLAIN, TAG_TLS };

enum {
	STRANGERS_PART = 4, /* of imap_connections_max, for who has not logged in */
	STRANGERS_MIN = 10,
};

/* ---------------------------------------------------------------- memory for APPEND */

static void check_memory(void *ctx)
{
	struct imap_front *front = ctx;
	front->memory_watched = false;
	budget_check(&front->memory, clock_monotonic_ms());
	if (!budget_idle(&front->memory))
		imap_memory_used(front);
}

void imap_memory_used(struct imap_front *front)
{
	if (!front->memory_watched)
		timer_start(front->memory_timer, BUDGET_CHECK_MS);
	front->memory_watched = true;
}

/* ---------------------------------------------------------------- the process */

static void accepted(void *ctx, int tag, int fd, const struct listener_peer *peer)
{
	imap_client_new(ctx, fd, peer, tag == TAG_TLS);
}

/* The port is bound whether there is a certificate or not: one may come with the next reload, and go
 * with the one after. It never speaks without TLS. */
static bool is_open(void *ctx, int tag)
{
	const struct imap_front *front = ctx;
	return tag != TAG_TLS || tls_ready(front->role->tls);
}

static const char *refusal(void *ctx, int tag, enum listener_refusal reason)
{
	(void)ctx;
	if (tag == TAG_TLS)
		return NULL;
	return reason == LISTENER_FULL
	           ? "* BYE [UNAVAILABLE] Too many connections\r\n"
	           : "* BYE [UNAVAILABLE] Too many connections from your network\r\n";
}

/* At whole multiples of the interval since 1970: at the same moment in every process of every host, so
 * that a phone with several connections wakes once for all of them. */
static void plan_idle(struct imap_front *front)
{
	int64_t interval = front->idle_interval_ms;
	timer_start(front->idle_timer, interval - clock_realtime_us() / 1000 % interval);
}

static void idle_is_due(void *ctx)
{
	struct imap_front *front = ctx;
	imap_idle_tell_all(front);
	plan_idle(front);
}

static void configure(struct imap_front *front)
{
	const struct config *config = front->role->config;
	front->auth_without_tls = config_bool(config, "auth_without_tls");
	front->login_timeout_ms = config_number(config, "imap_login_timeout");
	front->idle_timeout_ms = config_number(config, "imap_idle_timeout");
	front->idle_interval_ms = config_number(config, "imap_idle_interval");
	plan_idle(front);
	front->message_size_max = (uint64_t)config_number(config, "message_size_max");
	size_t connections = (size_t)config_number(config, "imap_connections_max");
	front->strangers_max = connections / STRANGERS_PART < STRANGERS_MIN
	                           ? STRANGERS_MIN
	                           : connections / STRANGERS_PART;
	budget_set(&front->memory, (size_t)config_number(config, "imap_memory_total"),
	           (uint64_t)config_number(config, "message_rate_min"));
	front->core_wait_ms = config_number(config, "imap_core_wait");
	session_hub_set_limits(front->hub, (size_t)config_number(config, "connections_per_mailbox"),
	                       front->core_wait_ms);
}

static struct listener_options limits(const struct imap_front *front)
{
	const struct config *config = front->role->config;
	return (struct listener_options){
		.connections_max = (size_t)config_number(config, "imap_connections_max"),
		.prefix_connections_max = (size_t)config_number(config, "imap_connections_per_address"),
	};
}

static void reload(void *ctx)
{
	struct imap_front *front = ctx;
	configure(front);
	struct listener_options options = limits(front);
	listener_set_options(front->listener, &options);
}

void imap_front_ended(struct imap_front *front)
{
	if (front->stopping && TAILQ_EMPTY(&front->clients))
		loop_stop(front->role->loop);
}

static void stop(void *ctx)
{
	struct imap_front *front = ctx;
	front->stopping = true;
	listener_pause(front->listener, true);
	struct imap_client *client, *next;
	for (client = TAILQ_FIRST(&front->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, entry);
		imap_client_stop(client);
	}
	if (!front->reaping)
		imap_front_ended(front);
}

static void listen_on(struct imap_front *front)
{
	struct listener_options options = limits(front);
	front->listener = listener_new(
		front->role->loop, front->role->log, &options,
		&(struct listener_handlers){
			.ctx = front, .accepted = accepted, .is_open = is_open, .refusal = refusal});
	for (size_t i = 0; i < front->role->socket_count; i++) {
		const struct role_socket *socket = &front->role->sockets[i];
		if (strcmp(socket->name, "imap") == 0)
			listener_add(front->listener, socket->fd, TAG_PLAIN);
		else if (strcmp(socket->name, "imaps") == 0)
			listener_add(front->listener, socket->fd, TAG_TLS);
	}
}

static void done(struct imap_front *front)
{
	while (!TAILQ_EMPTY(&front->clients))
		imap_client_free(TAILQ_FIRST(&front->clients));
	while (!TAILQ_EMPTY(&front->dead))
		imap_client_free(TAILQ_FIRST(&front->dead));
	timer_free(front->idle_timer);
	listener_free(front->listener);
	session_hub_free(front->hub);
	scratch_free(front->scratch);
	background_free(front->background);
	timer_free(front->memory_timer);
	budget_done(&front->memory);
}

int imap_run(struct role *role)
{
	struct imap_front front = {.role = role};
	struct errinfo info = {0};
	TAILQ_INIT(&front.clients);
	TAILQ_INIT(&front.dead);
	TAILQ_INIT(&front.strangers);
	int error = session_hub_new(&front.hub, role, &info);
	if (error != 0) {
		log_error(role->log, "imap.failed", F_ERR(error), F_TEXT("text", info.text));
		return 1;
	}
	front.scratch = scratch_new(role->loop);
	front.idle_timer = timer_new(role->loop, idle_is_due, &front);
	front.background = background_new(role->loop);
	budget_init(&front.memory);
	front.memory_timer = timer_new(role->loop, check_memory, &front);
	configure(&front);
	listen_on(&front);
	role->ctx = &front;
	role->on_reload = reload;
	role->on_stop = stop;
	loop_run(role->loop);
	role->on_reload = NULL;
	role->on_stop = NULL;
	done(&front);
	return 0;
}
