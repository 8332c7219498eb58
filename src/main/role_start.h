#ifndef POSTKASSE_MAIN_ROLE_START_H
#define POSTKASSE_MAIN_ROLE_START_H

/* The first steps of a process that the supervisor has started: it takes over what it is handed,
 * becomes its own user, enters its sandbox, and is its role until it is told to stop. */

/* name as in struct kind; HANDOFF_FD is the control socket. Returns the exit code. */
int role_start(const char *name);

#endif
