#include "imap/imap.h"

#include "base/clock.h"
#include "base/mem.h"
#include "imap/command.h"
#include "imap/front.h"

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
	front->core_wait_ms = config_number(config, "imap_core_wait");
	session_hub_set_limits(front->hub, (size_t)config_number(config, "connections_per_mailbox"),
	                       front->core_wait_ms);
}

static int start(void *ctx, struct errinfo *info)
{
	struct imap_front *front = ctx;
	struct role *role = front->common.role;
	front->scratch = scratch_new(role->loop);
	front->idle_timer = timer_new(role->loop, idle_is_due, front);
	return session_hub_new(&front->hub, role, info);
}

static void done(void *ctx)
{
	struct imap_front *front = ctx;
	front_clients_free(&front->common);
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
	.stop = imap_client_stop,
	.leave = imap_client_leave,
	.forget = imap_client_forget,
	.is_idle = imap_client_is_idle,
	.evict = imap_client_evict,
	.done = done,
};

int imap_run(struct role *role)
{
	struct imap_front front = {0};
	return front_run(&front.common, role, &imap_kind, &front);
}
