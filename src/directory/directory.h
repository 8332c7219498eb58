#ifndef POSTKASSE_DIRECTORY_DIRECTORY_H
#define POSTKASSE_DIRECTORY_DIRECTORY_H

/*
 * The directory: domains, aliases, key slots. A core with one thread: every request is a few
 * prepared statements on <data_dir>/directory/directory.sqlite, answered before the next one is looked at.
 */

#include "base/error.h"
#include "net/role.h"

struct config;
struct secret;

/* Serves the links in role's sockets "link" and "link-tls", and an already connected descriptor
 * named "link-fd" (the command line's private directory), until it is told to stop. Returns the exit
 * code of the process. */
int directory_run(struct role *role);

/* For config check: whether a directory under data_dir would open with host_key, and is sound. Changes
 * nothing, and may be asked while it is served. E_DENIED: another host key; E_CORRUPT; E_UNSUPPORTED: of a
 * newer version; E_NOT_FOUND and E_IO. */
int directory_inspect(const char *data_dir, struct secret *host_key, struct errinfo *info) MUST_USE;

/* How large the ballast (db/ballast.h) beside a directory in folder should be. */
uint64_t directory_ballast_wanted(const char *folder, const struct config *config);

#endif
