#ifndef POSTKASSE_IMAP_IMAP_H
#define POSTKASSE_IMAP_IMAP_H

/* The process "imap", which speaks with mail clients and holds nothing but what their connections
 * need. */

#include "net/role.h"

/* Serves the role's sockets "imap" (STARTTLS) and "imaps" (TLS from the first byte) until the role is
 * told to stop. Returns the process's exit code. */
int imap_run(struct role *role) MUST_USE;

#endif
