#include "net/core_link.h"

#include <stdio.h>

int core_link_new(struct link **ret, struct role *role, const char *core,
                  const struct link_handlers *handlers, struct errinfo *info)
{
	char option[32];
	struct link_target target = {.role = role->name, .dialer = role->dialer, .core = core};

	snprintf(option, sizeof(option), "%s_address", core);
	const char *address = config_text(role->config, option);
	if (address[0] != '\0') {
		if (!tls_ready(role->link_tls))
			return err_set(info, E_INVALID, "%s is set, but no certificate for links", option);
		target.host = address;
		target.tls = role->link_tls;
	}
	*ret = link_new(role->loop, role->log, &target, handlers);
	return 0;
}
