#include "smtp/smtp.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "crypto/secret.h"
#include "net/core_link.h"
#include "smtp/front.h"
#include "smtp/session.h"

enum {
	STOP_STEP_MS = 20, /* looks whether the last goodbyes have left */
	STOP_STEPS_MAX = 50,
};

void smtp_id(char ret[SMTP_ID_SIZE])
{
	unsigned char bytes[(SMTP_ID_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), ret);
}

static void read_config(struct smtp_front *front)
{
	const struct config *config = front->role->config;

	front->limits = (struct smtp_limits){
		.message_size_max = (uint64_t)config_number(config, "message_size_max"),
		.recipients_max = (size_t)config_number(config, "recipients_max"),
		.received_max = (size_t)config_number(config, "received_max"),
		.errors_max = (size_t)config_number(config, "smtp_errors_max"),
		.timeout_ms = config_number(config, "smtp_timeout"),
		.message_timeout_ms = config_number(config, "smtp_message_timeout"),
		.core_wait_ms = config_number(config, "smtp_core_wait"),
	};
	budget_set(&front->budget, (size_t)config_number(config, "smtp_memory_total"),
	           (uint64_t)config_number(config, "message_rate_min"));
	snprintf(front->hostname, sizeof(front->hostname), "%s", config_text(config, "hostname"));
	if (front->hostname[0] == '\0')
		gethostname(front->hostname, SMTP_HOSTNAME_MAX);
	if (front->hostname[0] == '\0')
		memcpy(front->hostname, "localhost", sizeof("localhost"));
}

static struct listener_options listener_limits(const struct smtp_front *front)
{
	const struct config *config = front->role->config;

	return (struct listener_options){
		.connections_max = (size_t)config_number(config, "smtp_connections_max"),
		.prefix_connections_max = (size_t)config_number(config, "smtp_connections_per_address"),
	};
}

static void accepted(void *ctx, int tag, int fd, const struct listener_peer *peer)
{
	(void)tag;
	smtp_session_start(ctx, fd, peer);
}

/* The text lives as long as the next reply is not written. */
static const char *refusal(void *ctx, int tag, enum listener_refusal reason)
{
	struct smtp_front *front = ctx;

	(void)tag;
	buf_clear(&front->scratch);
	smtp_reply_write(&front->scratch,
	                 reason == LISTENER_FULL ? SMTP_REPLY_CONNECTIONS_MAX
	                                         : SMTP_REPLY_CONNECTIONS_PER_ADDRESS,
	                 STR(""));
	buf_add_byte(&front->scratch, '\0');
	return front->scratch.ptr;
}

static void check_budget(void *ctx)
{
	struct smtp_front *front = ctx;

	front->budget_watched = false;
	budget_check(&front->budget, clock_monotonic_ms());
	if (!budget_idle(&front->budget))
		smtp_front_budget_used(front);
}

void smtp_front_budget_used(struct smtp_front *front)
{
	if (!front->budget_watched)
		timer_start(front->budget_timer, BUDGET_CHECK_MS);
	front->budget_watched = true;
}

static void stop_loop(void *ctx)
{
	struct smtp_front *front = ctx;

	if (loop_held_count(front->loop) > 0 && front->stop_steps++ < STOP_STEPS_MAX)
		timer_start(front->stop_timer, STOP_STEP_MS);
	else
		loop_stop(front->loop);
}

void smtp_front_settle(struct smtp_front *front)
{
	if (front->stopping && TAILQ_EMPTY(&front->sessions) && TAILQ_EMPTY(&front->deliveries))
		timer_start(front->stop_timer, STOP_STEP_MS);
}

static void on_stop(void *ctx)
{
	struct smtp_front *front = ctx;
	struct smtp_session *session, *next;

	if (front->stopping)
		return;
	front->stopping = true;
	listener_free(front->listener);
	front->listener = NULL;
	for (session = TAILQ_FIRST(&front->sessions); session != NULL; session = next) {
		next = TAILQ_NEXT(session, sessions);
		smtp_session_stop(session);
	}
	smtp_front_settle(front);
}

static void on_reload(void *ctx)
{
	struct smtp_front *front = ctx;
	struct listener_options options;

	read_config(front);
	options = listener_limits(front);
	if (front->listener != NULL)
		listener_set_options(front->listener, &options);
	smtp_resolver_clear(front->resolver);
}

static int front_init(struct smtp_front *front, struct role *role, struct errinfo *info)
{
	static const struct link_handlers nothing = {0};
	struct listener_options options;
	int error;

	front->role = role;
	front->loop = role->loop;
	front->log = role->log;
	TAILQ_INIT(&front->sessions);
	TAILQ_INIT(&front->deliveries);
	front->background = background_new(role->loop);
	buf_init(&front->scratch, SMTP_SCRATCH_MAX);
	budget_init(&front->budget);
	front->budget_timer = timer_new(role->loop, check_budget, front);
	read_config(front);
	front->retry = smtp_retry_new();
	front->stop_timer = timer_new(role->loop, stop_loop, front);
	error = core_link_new(&front->directory, role, "directory", &nothing, info);
	if (error == 0)
		error = core_link_new(&front->store, role, "store", &nothing, info);
	if (error != 0)
		return error;
	front->resolver = smtp_resolver_new(front->directory);
	options = listener_limits(front);
	front->listener = listener_new(
		role->loop, role->log, &options,
		&(struct listener_handlers){.ctx = front, .accepted = accepted, .refusal = refusal});
	for (size_t i = 0; i < role->socket_count; i++) {
		if (strcmp(role->sockets[i].name, "smtp") == 0)
			listener_add(front->listener, role->sockets[i].fd, 0);
	}
	return 0;
}

static void front_done(struct smtp_front *front)
{
	if (front->listener != NULL)
		listener_free(front->listener);
	background_free(front->background); /* what it still gives back goes to the store */
	if (front->store != NULL)
		link_free(front->store); /* ends the deliveries */
	if (front->directory != NULL)
		link_free(front->directory);
	smtp_resolver_free(front->resolver);
	smtp_retry_free(front->retry);
	timer_free(front->stop_timer);
	timer_free(front->budget_timer);
	budget_done(&front->budget);
	buf_done(&front->scratch);
}

int smtp_run(struct role *role)
{
	struct smtp_front front = {0};
	struct errinfo info = {0};
	int error = front_init(&front, role, &info);

	if (error == 0) {
		role->on_reload = on_reload;
		role->on_stop = on_stop;
		role->ctx = &front;
		loop_run(role->loop);
		on_stop(&front);
		role->on_reload = NULL;
		role->on_stop = NULL;
		role->ctx = NULL;
	} else {
		log_error(role->log, "smtp.not_started", F_ERR(error), F_TEXT("reason", info.text));
	}
	front_done(&front);
	return error == 0 ? 0 : 1;
}
