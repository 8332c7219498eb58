#include "smtp/smtp.h"

#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "net/core_link.h"
#include "smtp/front.h"
#include "smtp/session.h"

void smtp_id(char ret[SMTP_ID_SIZE])
{
	unsigned char bytes[(SMTP_ID_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), ret);
}

static void configure(void *ctx)
{
	struct smtp_front *front = ctx;
	const struct config *config = front->common.role->config;

	front->limits = (struct smtp_limits){
		.message_size_max = (uint64_t)config_number(config, "message_size_max"),
		.recipients_max = (size_t)config_number(config, "recipients_max"),
		.received_max = (size_t)config_number(config, "received_max"),
		.errors_max = (size_t)config_number(config, "smtp_errors_max"),
		.timeout_ms = config_number(config, "smtp_timeout"),
		.message_timeout_ms = config_number(config, "smtp_message_timeout"),
		.core_wait_ms = config_number(config, "smtp_core_wait"),
	};
	snprintf(front->hostname, sizeof(front->hostname), "%s", config_text(config, "hostname"));
	if (front->hostname[0] == '\0')
		gethostname(front->hostname, SMTP_HOSTNAME_MAX);
	if (front->hostname[0] == '\0')
		memcpy(front->hostname, "localhost", sizeof("localhost"));
	smtp_resolver_clear(front->resolver);
}

static void accepted(void *ctx, bool tls, int fd, const struct listener_peer *peer)
{
	(void)tls;
	smtp_session_start(ctx, fd, peer);
}

/* The text lives as long as the next reply is not written. */
static const char *refusal(void *ctx, enum listener_refusal reason)
{
	struct smtp_front *front = ctx;

	buf_clear(&front->scratch);
	smtp_reply_write(&front->scratch,
	                 reason == LISTENER_FULL ? SMTP_REPLY_CONNECTIONS_MAX
	                                         : SMTP_REPLY_CONNECTIONS_PER_ADDRESS,
	                 STR(""));
	buf_add_byte(&front->scratch, '\0');
	return front->scratch.ptr;
}

static int start(void *ctx, struct errinfo *info)
{
	static const struct link_handlers nothing = {0};
	struct smtp_front *front = ctx;
	struct role *role = front->common.role;
	int error;

	TAILQ_INIT(&front->deliveries);
	buf_init(&front->scratch, SMTP_SCRATCH_MAX);
	front->retry = smtp_retry_new();
	error = core_link_new(&front->directory, role, "directory", &nothing, info);
	if (error == 0)
		error = core_link_new(&front->store, role, "store", &nothing, info);
	if (error == 0)
		front->resolver = smtp_resolver_new(role->loop, front->directory);
	return error;
}

static bool is_over(const void *ctx)
{
	const struct smtp_front *front = ctx;

	return TAILQ_EMPTY(&front->deliveries);
}

static void done(void *ctx)
{
	struct smtp_front *front = ctx;

	if (front->store != NULL)
		link_free(front->store); /* ends the deliveries */
	front_clients_free(&front->common);
	if (front->directory != NULL)
		link_free(front->directory);
	smtp_resolver_free(front->resolver);
	smtp_retry_free(front->retry);
	buf_done(&front->scratch);
}

static const struct front_socket sockets[] = {{"smtp", false}};

static const struct front_kind smtp_kind = {
	.sockets = sockets,
	.socket_count = ARRAY_LEN(sockets),
	.connections = "smtp_connections_max",
	.connections_per_address = "smtp_connections_per_address",
	.memory = "smtp_memory_total",
	.start = start,
	.configure = configure,
	.accepted = accepted,
	.refusal = refusal,
	.stop = smtp_session_stop,
	.leave = smtp_session_leave,
	.forget = smtp_session_forget,
	.is_over = is_over,
	.done = done,
};

int smtp_run(struct role *role)
{
	struct smtp_front front = {0};

	return front_run(&front.common, role, &smtp_kind, &front);
}
