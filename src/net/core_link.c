#include "net/core_link.h"

#include <stdio.h>

const char *core_address(const struct config *config, const char *core)
{
	char option[32];
	snprintf(option, sizeof(option), "%s_address", core);
	return config_text(config, option);
}

int core_link_new(struct link **ret, struct role *role, const char *core,
                  const struct link_handlers *handlers, struct errinfo *info)
{
	struct link_target target = {.role = role->name, .dialer = role->dialer, .core = core};
	const char *address = core_address(role->config, core);

	if (address[0] != '\0') {
		if (!tls_ready(role->link_tls))
			return err_set(info, E_INVALID, "%s_address is set, but no certificate for links",
			               core);
		target.host = address;
		target.tls = role->link_tls;
	}
	*ret = link_new(role->loop, role->log, &target, handlers);
	return 0;
}
