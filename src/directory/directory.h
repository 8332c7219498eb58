#ifndef POSTKASSE_DIRECTORY_DIRECTORY_H
#define POSTKASSE_DIRECTORY_DIRECTORY_H

/*
 * The directory: domains, aliases, key slots. A core with one thread: every request is a few
 * prepared statements on <data_dir>/directory/directory.sqlite, answered before the next one is looked at.
 */

#include "net/role.h"

/* Serves the links in role's sockets "link" and "link-tls", and an already connected descriptor
 * named "link-fd" (the command line's private directory), until it is told to stop. Returns the exit
 * code of the process. */
int directory_run(struct role *role);

#endif
