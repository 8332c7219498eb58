#ifndef POSTKASSE_SMTP_SMTP_H
#define POSTKASSE_SMTP_SMTP_H

/*
 * The SMTP front: takes in mail for our domains (MX, port 25), parses it, hands it to the store. It
 * holds a message in memory until every mailbox has it durably, and answers 250 only then. One
 * single-threaded process; no file, no key.
 */

#include "net/role.h"

/* Runs until the service stops; listens on all of role's sockets named "smtp". Returns the exit code
 * of the process. */
int smtp_run(struct role *role);

#endif
