#ifndef POSTKASSE_MAIN_FOLDERS_H
#define POSTKASSE_MAIN_FOLDERS_H

/*
 * Folders of the service, made ready by the supervisor before any process starts:
 *
 *     <data_dir>/             anybody of ours may pass
 *     <data_dir>/installation see installation.h, which makes all of these
 *     <data_dir>/lock         one supervisor at a time
 *     <data_dir>/directory/   of the directory
 *     <data_dir>/mailboxes/   of the store
 *     <data_dir>/temporary/   of the store
 *     <run_dir>/              Unix sockets for the command line
 *     <run_dir>/lock          likewise
 *
 * Nobody else may read what lies in the folders of a role; started as root, all of it belongs to the
 * user of its process. So a copy that was put back with other owners and modes is right again.
 */

#include <sys/types.h>

#include "base/config.h"
#include "base/error.h"

/* Hands over the folders of the roles that run here, which must be there. separate: each role has its
 * user; otherwise what belongs to somebody else is E_DENIED. */
int folders_prepare(const struct config *config, bool separate, struct errinfo *info) MUST_USE;
/* Makes run_dir, which is ours alone. */
int folders_prepare_run(const struct config *config, struct errinfo *info) MUST_USE;
/* Takes the lock of the folder that the option names, "data_dir" or "run_dir", until the descriptor is
 * closed; E_BUSY when somebody has it. */
int folders_lock(const struct config *config, const char *option, int *ret_fd,
                 struct errinfo *info) MUST_USE;

#endif
