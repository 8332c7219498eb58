#include "net/core_link.h"

#include <string.h>

/* "192.0.2.1:2500" or "[2001:db8::1]:2500". */
static int split_address(const char *text, char host[64], uint16_t *ret_port, struct errinfo *info)
{
	struct str all = str_from(text);
	ptrdiff_t colon = str_rfind_byte(all, ':');
	uint64_t port = 0;
	struct str name = str_slice(all, 0, colon < 0 ? 0 : (size_t)colon);

	if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = str_slice(name, 1, name.len - 2);
	if (name.len == 0 || name.len > 63 ||
	    !str_to_u64(str_from_byte(all, (size_t)colon + 1), 65535, &port) || port == 0)
		return err_set(info, E_INVALID, "%s is not a numeric address with a port", text);
	memcpy(host, name.ptr, name.len);
	host[name.len] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}

int core_link_new(struct link **ret, struct role *role, const char *core,
                  const struct link_handlers *handlers, struct errinfo *info)
{
	char option[32], path[512], host[64];
	const char *address;
	struct link_target target = {
		.role = role->name, .core = core, .allowed_peer_uid = (uint32_t)-1};

	snprintf(option, sizeof(option), "%s_address", core);
	address = config_text(role->config, option);
	if (address[0] != '\0') {
		int error = split_address(address, host, &target.port, info);

		if (error != 0)
			return error;
		if (!tls_ready(role->link_tls))
			return err_set(info, E_INVALID, "%s is set, but no certificate for links", option);
		target.host = host;
		target.tls = role->link_tls;
	} else {
		snprintf(path, sizeof(path), "%s/%s.sock", config_text(role->config, "run_dir"), core);
		target.unix_path = path;
	}
	*ret = link_new(role->loop, role->log, &target, handlers);
	return 0;
}
