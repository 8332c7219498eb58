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

enum {
	KIND_PROCESSES_MAX = 64, /* the most that an option of processes allows */
	KIND_LINKS_MAX = 2,
};

struct kind {
	const char *name;
	bool front;            /* faces the network, holds no file; a core is the opposite */
	uint32_t user;         /* added to uid_base, and the process's index with it */
	const char *processes; /* the option that says how many, or NULL for one */
	const char *memory;    /* the option that says how much one may take; NULL: no limit */
	const char *links[KIND_LINKS_MAX + 1]; /* the cores that it may have links to */
	const char *const *folders;            /* below data_dir, for cores; NULL-terminated */
	struct kind_listen listen[3];
	int (*run)(struct role *role);
};

/* In the order of their start; *ret_count entries. */
const struct kind *kinds(size_t *ret_count);
const struct kind *kind_find(struct str name);
/* Its place in the list, which is its name between processes; and back, NULL for no such place. */
uint32_t kind_number(const struct kind *kind);
const struct kind *kind_numbered(uint32_t number);
/* The place of core in kind's links, or -1. */
int kind_link_place(const struct kind *kind, const struct kind *core);
/* The user of a process, from uid_base: fronts have one for each process. */
uint32_t kind_user(const struct kind *kind, uint32_t uid_base, unsigned index);

/* The path of a core's Unix socket, NUL-terminated, in ret of size bytes; false when it would be too
 * long for a socket address. */
bool kind_socket_path(const struct config *config, const char *role, char *ret, size_t size);

#endif
