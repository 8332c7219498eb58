#include "front/front.h"

#include <string.h>

enum {
	STOP_STEP_MS = 20, /* looks whether the last goodbyes have left */
	STOP_STEPS_MAX = 50,
	STRANGERS_PART = 4, /* of the connections, for who has not logged in */
	STRANGERS_MIN = 10,
};

/* ---------------------------------------------------------------- memory for messages */

void front_memory_used(struct front *front)
{
	if (!front->memory_watched)
		timer_start(front->memory_timer, BUDGET_CHECK_MS);
	front->memory_watched = true;
}

static void check_memory(void *ctx)
{
	struct front *front = ctx;
	front->memory_watched = false;
	budget_check(&front->memory, front_now_ms(front));
	if (!budget_idle(&front->memory))
		front_memory_used(front);
}

/* ---------------------------------------------------------------- connections */

static void accepted(void *ctx, int tag, int fd, const struct listener_peer *peer)
{
	struct front *front = ctx;
	front->kind->accepted(front->ctx, front->kind->sockets[tag].tls, fd, peer);
}

/* A port is bound whether there is a certificate or not: one may come with the next reload, and go with
 * the one after. It never speaks without TLS. */
static bool is_open(void *ctx, int tag)
{
	const struct front *front = ctx;
	return !front->kind->sockets[tag].tls || tls_ready(front->role->tls);
}

static const char *refusal(void *ctx, int tag, enum listener_refusal reason)
{
	struct front *front = ctx;
	return front->kind->sockets[tag].tls ? NULL : front->kind->refusal(front->ctx, reason);
}

static struct listener_options limits(const struct front *front)
{
	const struct config *config = front->role->config;
	return (struct listener_options){
		.connections_max = (size_t)config_number(config, front->kind->connections),
		.prefix_connections_max = (size_t)config_number(config,
	                                                    front->kind->connections_per_address),
	};
}

static void listen_on(struct front *front)
{
	const struct front_kind *kind = front->kind;
	struct listener_options options = limits(front);
	front->listener = listener_new(
		front->role->loop, front->role->log, &options,
		&(struct listener_handlers){
			.ctx = front, .accepted = accepted, .is_open = is_open, .refusal = refusal});
	for (size_t i = 0; i < kind->socket_count; i++) {
		for (size_t k = 0; k < front->role->socket_count; k++) {
			const struct role_socket *socket = &front->role->sockets[k];
			if (strcmp(socket->name, kind->sockets[i].name) == 0)
				listener_add(front->listener, socket->fd, (int)i);
		}
	}
}

/* ---------------------------------------------------------------- the process */

static size_t strangers_max(const struct front *front)
{
	size_t connections = limits(front).connections_max;
	if (front->kind->evict == NULL)
		return 0;
	return connections / STRANGERS_PART < STRANGERS_MIN ? STRANGERS_MIN
	                                                    : connections / STRANGERS_PART;
}

static void configure(struct front *front)
{
	const struct config *config = front->role->config;
	front->strangers_max = strangers_max(front);
	if (front->kind->memory != NULL)
		budget_set(&front->memory, (size_t)config_number(config, front->kind->memory),
		           (uint64_t)config_number(config, "message_rate_min"));
	front->kind->configure(front->ctx);
}

static void on_reload(void *ctx)
{
	struct front *front = ctx;
	struct listener_options options = limits(front);
	configure(front);
	listener_set_options(front->listener, &options);
}

static void look_again(void *ctx)
{
	struct front *front = ctx;
	if (loop_held_count(front->role->loop) > 0 && front->stop_steps++ < STOP_STEPS_MAX)
		timer_start(front->stop_timer, STOP_STEP_MS);
	else
		loop_stop(front->role->loop);
}

void front_settle(struct front *front)
{
	bool over = TAILQ_EMPTY(&front->clients) && TAILQ_EMPTY(&front->gone) &&
	            (front->kind->is_over == NULL || front->kind->is_over(front->ctx));
	if (front->stopping && over)
		timer_start(front->stop_timer, STOP_STEP_MS);
}

static void on_stop(void *ctx)
{
	struct front *front = ctx;
	struct front_client *client, *next;
	if (front->stopping)
		return;
	front->stopping = true;
	listener_pause(front->listener, true);
	for (client = TAILQ_FIRST(&front->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, entry);
		front->kind->stop(client);
	}
	front_settle(front);
}

static void serve(struct front *front)
{
	struct role *role = front->role;
	role->ctx = front;
	role->on_reload = on_reload;
	role->on_stop = on_stop;
	loop_run(role->loop);
	on_stop(front); /* whatever ended the loop */
	role->on_reload = NULL;
	role->on_stop = NULL;
	role->ctx = NULL;
}

int front_run(struct front *front, struct role *role, const struct front_kind *kind, void *ctx)
{
	struct errinfo info = {0};
	front->kind = kind;
	front->ctx = ctx;
	front->role = role;
	front_clients_init(front);
	budget_init(&front->memory);
	front->background = background_new(role->loop);
	front->memory_timer = timer_new(role->loop, check_memory, front);
	front->stop_timer = timer_new(role->loop, look_again, front);
	int error = kind->start(ctx, &info);
	if (error == 0) {
		configure(front);
		listen_on(front);
		serve(front);
	} else {
		log_error(role->log, "front.not_started", F_ERR(error), F_TEXT("reason", info.text));
	}
	background_free(front->background); /* what it still gives back goes to the store */
	kind->done(ctx);
	listener_free(front->listener);
	timer_free(front->memory_timer);
	timer_free(front->stop_timer);
	budget_done(&front->memory);
	return error == 0 ? 0 : 1;
}
