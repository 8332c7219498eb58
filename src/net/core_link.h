#ifndef POSTKASSE_NET_CORE_LINK_H
#define POSTKASSE_NET_CORE_LINK_H

/* Where a front finds the cores: the configuration names a host, or they are on this one. */

#include "net/link.h"
#include "net/role.h"

/* Starts the link to core ("store", "directory"): over mutual TLS to the option <core>_address, or
 * over the Unix socket <core>.sock in run_dir. E_INVALID when the configuration makes no sense. */
int core_link_new(struct link **ret, struct role *role, const char *core,
                  const struct link_handlers *handlers, struct errinfo *info) MUST_USE;

#endif
