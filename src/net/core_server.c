#include "net/core_server.h"

#include <stdlib.h>

#include "base/mem.h"

struct core_server {
	const struct core *core;
	void *ctx;
	struct link_server *link;
};

static const struct core_method *find(const struct core *core, uint32_t number)
{
	for (size_t i = 0; i < core->method_count; i++)
		if (core->methods[i]->number == number)
			return core->methods[i];
	return NULL;
}

/* Before anything is unpacked. */
static const char *refuse(const struct core_server *server, const struct core_method *method,
                          const struct link_inbound *inbound, int *ret_error)
{
	const struct link_peer *peer = link_inbound_peer(inbound);
	*ret_error = E_UNSUPPORTED;
	if (method == NULL)
		return "no such method";
	*ret_error = E_DENIED;
	if (peer == NULL || (role_bit(link_peer_role(peer)) & method->roles) == 0)
		return "this method is not for this process";
	const char *refusal = NULL;
	if (server->core->refuse != NULL)
		refusal = server->core->refuse(server->ctx, method, inbound, ret_error);
	if (refusal != NULL)
		return refusal;
	*ret_error = E_INVALID;
	if (!method->upload && link_inbound_upload(inbound).len > 0)
		return "an upload that does not belong here";
	*ret_error = E_TOO_LARGE;
	return !method->aside && link_inbound_body(inbound).len > CORE_BODY_MAX
	           ? "the request is too long"
	           : NULL;
}

int core_unpack(const struct core_method *method, struct link_inbound *inbound,
                ProtobufCMessage **ret, struct errinfo *info)
{
	struct str body = link_inbound_body(inbound);
	size_t items_max = method->items_max == 0 ? WIRE_ITEMS_FEW : method->items_max;
	const char *problem = method->check == NULL ? NULL : method->check(body);
	uint64_t memory;
	if (problem != NULL)
		return err_set(info, E_INVALID, "%s", problem);
	if (!wire_cost(method->request, body, items_max, &memory))
		return err_set(info, E_INVALID, "the request does not parse, or holds too much");
	int rc = link_inbound_charge(inbound, memory + body.len, info);
	if (rc != 0)
		return rc;
	*ret = wire_unpack_measured(method->request, body, NULL);
	return *ret == NULL ? err_set(info, E_INVALID, "the request does not parse") : 0;
}

static void on_request(void *ctx, struct link_inbound *inbound)
{
	struct core_server *server = ctx;
	const struct core_method *method = find(server->core, link_inbound_method(inbound));
	int error;
	const char *refusal = refuse(server, method, inbound, &error);
	if (refusal != NULL) {
		link_reply_error(inbound, error, refusal);
		return;
	}
	struct errinfo info = {0};
	ProtobufCMessage *message = NULL;
	bool aside = method->aside && link_inbound_body(inbound).len > CORE_BODY_MIN;
	error = aside ? 0 : core_unpack(method, inbound, &message, &info);
	if (error != 0)
		link_reply_error(inbound, error, info.text);
	else
		server->core->request(server->ctx, method, inbound, message);
}

static void on_credit(void *ctx, struct link_inbound *inbound)
{
	const struct core_server *server = ctx;
	if (server->core->credit != NULL)
		server->core->credit(server->ctx, inbound);
}

static void on_cancelled(void *ctx, struct link_inbound *inbound)
{
	const struct core_server *server = ctx;
	if (server->core->cancelled != NULL)
		server->core->cancelled(server->ctx, inbound);
}

static void on_peer_up(void *ctx, struct link_peer *peer)
{
	const struct core_server *server = ctx;
	if (server->core->peer_up != NULL)
		server->core->peer_up(server->ctx, peer);
}

static void on_peer_down(void *ctx, struct link_peer *peer)
{
	const struct core_server *server = ctx;
	if (server->core->peer_down != NULL)
		server->core->peer_down(server->ctx, peer);
}

struct core_server *core_server_new(struct loop *loop, const struct log *log,
                                    const struct link_server_options *options,
                                    const struct core *core, void *ctx)
{
	struct core_server *server = mem_new(sizeof(*server));
	struct link_server_handlers handlers = {
		.ctx = server,
		.request = on_request,
		.credit = on_credit,
		.cancelled = on_cancelled,
		.peer_up = on_peer_up,
		.peer_down = on_peer_down,
	};
	struct link_server_options named = *options;
	named.role = core->role;
	server->core = core;
	server->ctx = ctx;
	server->link = link_server_new(loop, log, &named, &handlers);
	return server;
}

void core_server_free(struct core_server *server)
{
	if (server == NULL)
		return;
	link_server_free(server->link);
	free(server);
}

struct link_server *core_server_link(struct core_server *server)
{
	return server->link;
}

/* ---------------------------------------------------------------- in a process */

/* "link-fd" is connected already, to the command line that started us. */
static void listen_all(struct core_server *server, const struct role *role)
{
	for (size_t i = 0; i < role->socket_count; i++) {
		struct str name = str_from(role->sockets[i].name);
		int fd = role->sockets[i].fd;
		if (str_eq(name, STR("link-fd")))
			link_server_add_fd(server->link, fd, NULL);
		else if (str_eq(name, STR("link")) || str_eq(name, STR("link-tls")))
			link_server_listen(server->link, fd, str_eq(name, STR("link-tls")));
	}
}

struct core_server *core_server_start(struct role *role, const struct link_server_limits *limits,
                                      const struct core *core, void *ctx)
{
	char **addresses = role_link_addresses(role);
	struct link_server_options options = {
		.allowed = role->allowed,
		.allowed_count = role->allowed_count,
		.local_role = "cli",
		.tls = role->link_tls,
		.limits = *limits,
	};
	options.limits.allowed_addresses = (const char *const *)addresses;
	struct core_server *server = core_server_new(role->loop, role->log, &options, core, ctx);
	role_link_addresses_free(addresses);
	listen_all(server, role);
	return server;
}

void core_server_reload(struct core_server *server, const struct role *role,
                        const struct link_server_limits *limits)
{
	char **addresses = role_link_addresses(role);
	struct link_server_limits changed = *limits;
	changed.allowed_addresses = (const char *const *)addresses;
	link_server_set_limits(server->link, &changed);
	role_link_addresses_free(addresses);
}
