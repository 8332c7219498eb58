#ifndef POSTKASSE_MAIN_KINDS_H
#define POSTKASSE_MAIN_KINDS_H

/* The kinds of processes that there are, as one table: what the supervisor, the child side and the
 * checks of the configuration know about a role. */

#include "base/config.h"
#include "net/role.h"

/* A list of addresses in the configuration whose sockets a role gets under a name. */
struct kind_listen {
	const char *socket; /* name in struct role_socket */
	const char *option;
};

struct kind {
	const char *name;
	bool front;                 /* faces the network, holds no file; a core is the opposite */
	uint32_t user;              /* added to uid_base */
	const char *processes;      /* the option that says how many, or NULL for one */
	const char *const *folders; /* below data_dir, for cores; NULL-terminated */
	struct kind_listen listen[3];
	int (*run)(struct role *role);
};

/* In the order of their start; *ret_count entries. */
const struct kind *kinds(size_t *ret_count);
const struct kind *kind_find(struct str name);

/* The path of a core's Unix socket, NUL-terminated, in ret of size bytes; false when it would be too
 * long for a socket address. */
bool kind_socket_path(const struct config *config, const char *role, char *ret, size_t size);

#endif
