#ifndef POSTKASSE_MAIN_SUPERVISOR_STATUS_H
#define POSTKASSE_MAIN_SUPERVISOR_STATUS_H

/*
 * What the supervisor knows and nobody else: processes, restarts, the configuration in force,
 * certificates. It tells whoever connects to <run_dir>/control.sock, if that is root or the user that
 * it runs as: it reads nothing, writes one answer without waiting, and closes. The answer is lines of a
 * first word and name=value pairs, separated by blanks; the value of "file" goes to the end of its line.
 */

#include "base/config.h"

enum {
	STATUS_TEXT_MAX = 64 * 1024,
	STATUS_DIGEST_SIZE = 8, /* bytes: enough to tell two configurations apart */
};

struct supervisor;

/* Binds the socket; without it the service serves all the same. */
void supervisor_status_open(struct supervisor *supervisor);
/* Somebody connects. */
void supervisor_status_accept(struct supervisor *supervisor);
/* The path of the socket; false when it would be too long. */
bool supervisor_status_path(const struct config *config, char *ret, size_t size);

#endif
