#ifndef POSTKASSE_MAIN_SANDBOX_PARTS_H
#define POSTKASSE_MAIN_SANDBOX_PARTS_H

/* The two halves of sandbox_enter, each in a file of its own. */

#include "main/sandbox.h"

/* Files, TCP ports, signals: landlock.c. */
int sandbox_landlock(const struct sandbox *sandbox, const struct log *log,
                     struct errinfo *info) MUST_USE;
/* System calls: seccomp.c. After it the file system calls of sandbox_landlock are gone. */
int sandbox_seccomp(const struct sandbox *sandbox, struct errinfo *info) MUST_USE;

#endif
