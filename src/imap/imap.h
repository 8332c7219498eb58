#ifndef POSTKASSE_IMAP_IMAP_H
#define POSTKASSE_IMAP_IMAP_H

/* The process "imap": serves the role's sockets "imap" (STARTTLS) and "imaps" (TLS from the first
 * byte) until the role is told to stop. Returns the process's exit code. */

#include "net/role.h"

int imap_run(struct role *role) MUST_USE;

#endif
