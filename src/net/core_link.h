#ifndef POSTKASSE_NET_CORE_LINK_H
#define POSTKASSE_NET_CORE_LINK_H

/* How a process finds the cores: the configuration names a host, or they are on this one. */

#include "net/link.h"
#include "net/role.h"

/* The address of core on another host, as the configuration has it; empty: it is on this one. */
const char *core_address(const struct config *config, const char *core);

/* Starts the link to core ("store", "directory"), over connections that role->dialer gets: with mutual
 * TLS when the option <core>_address is set, else to the core of this host. E_INVALID when the
 * configuration makes no sense. */
int core_link_new(struct link **ret, struct role *role, const char *core,
                  const struct link_handlers *handlers, struct errinfo *info) MUST_USE;

#endif
