#include "net/role.h"

#include <string.h>

int role_socket(const struct role *role, const char *name)
{
	for (size_t i = 0; i < role->socket_count; i++) {
		if (strcmp(role->sockets[i].name, name) == 0)
			return role->sockets[i].fd;
	}
	return -1;
}
