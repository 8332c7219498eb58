#include "imap/imap.h"

#include "base/clock.h"
#include "base/mem.h"
#include "imap/command.h"
#include "imap/front.h"

enum {
	STRANGERS_PART = 4, /* of imap_connections_max, for who has not logged in */
	STRANGERS_MIN = 10,
};

static void accepted(void *ctx, bool tls, int fd, const struct listener_peer *peer)
{
	imap_client_new(ctx, fd, peer, tls);
}

static const char *refusal(void *ctx, enum listener_refusal reason)
{
	(void)ctx;
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

static void configure(void *ctx)
{
	struct imap_front *front = ctx;
	const struct config *config = front->common.role->config;
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
	front->core_wait_ms = config_number(config, "imap_core_wait");
	session_hub_set_limits(front->hub, (size_t)config_number(config, "connections_per_mailbox"),
	                       front->core_wait_ms);
}

static int start(void *ctx, struct errinfo *info)
{
	struct imap_front *front = ctx;
	struct role *role = front->common.role;
	TAILQ_INIT(&front->clients);
	TAILQ_INIT(&front->dead);
	TAILQ_INIT(&front->strangers);
	front->scratch = scratch_new(role->loop);
	front->idle_timer = timer_new(role->loop, idle_is_due, front);
	return session_hub_new(&front->hub, role, info);
}

static void stop(void *ctx)
{
	struct imap_front *front = ctx;
	struct imap_client *client, *next;
	for (client = TAILQ_FIRST(&front->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, entry);
		imap_client_stop(client);
	}
}

static bool is_over(const void *ctx)
{
	const struct imap_front *front = ctx;
	return TAILQ_EMPTY(&front->clients) && TAILQ_EMPTY(&front->dead);
}

static void done(void *ctx)
{
	struct imap_front *front = ctx;
	while (!TAILQ_EMPTY(&front->clients))
		imap_client_free(TAILQ_FIRST(&front->clients));
	while (!TAILQ_EMPTY(&front->dead))
		imap_client_free(TAILQ_FIRST(&front->dead));
	timer_free(front->idle_timer);
	session_hub_free(front->hub);
	scratch_free(front->scratch);
}

static const struct front_socket sockets[] = {{"imap", false}, {"imaps", true}};

static const struct front_kind imap_kind = {
	.sockets = sockets,
	.socket_count = ARRAY_LEN(sockets),
	.connections = "imap_connections_max",
	.connections_per_address = "imap_connections_per_address",
	.memory = "imap_memory_total",
	.start = start,
	.configure = configure,
	.accepted = accepted,
	.refusal = refusal,
	.stop = stop,
	.is_over = is_over,
	.done = done,
};

int imap_run(struct role *role)
{
	struct imap_front front = {0};
	return front_run(&front.common, role, &imap_kind, &front);
}
