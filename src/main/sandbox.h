#ifndef POSTKASSE_MAIN_SANDBOX_H
#define POSTKASSE_MAIN_SANDBOX_H

/*
 * What a process of ours gives up before it meets its first byte: its rights, its files, most system
 * calls, and every way to leave a trace of its memory on a disk. Called with one thread; threads
 * that start later inherit all of it. There is no way back.
 */

#include "base/error.h"
#include "base/log.h"

struct sandbox {
	/* Folders whose files may be read, written, made and removed; NULL-terminated. NULL: no file
	 * system at all, as befits a front. */
	const char *const *folders;
	/* A build with sanitizers: lets their leak check and their reports work, at the price of some
	 * read access and of ptrace between our own threads. */
	bool sanitizers;
};

/* Leaves root: no supplementary group, gid, uid, no capability. Both 0: only drops capabilities.
 * Fails unless it is certain that there is no way back. */
int sandbox_drop_user(uint32_t uid, uint32_t gid, struct errinfo *info) MUST_USE;

/* At most so many threads of the user that we have become: for processes that share it with nobody. */
int sandbox_limit_threads(unsigned max, struct errinfo *info) MUST_USE;

/* At most so many bytes of memory that is ours alone to write (RLIMIT_DATA), for good: past it there is none,
 * which ends a process. Before sandbox_drop_user. Not in a build with sanitizers, whose shadow is larger. */
int sandbox_limit_memory(uint64_t max, struct errinfo *info) MUST_USE;

/* Of root's rights keeps what the supervisor needs to start processes and hand files to them, for
 * itself and for all that it starts. Without root's rights there is nothing to drop. */
int sandbox_bound_capabilities(struct errinfo *info) MUST_USE;

/* No core dump, not dumpable, no new rights; as many descriptors and as much locked memory as are
 * allowed. For the supervisor too. Before sandbox_drop_user, which makes some of it final. */
int sandbox_set_limits(struct errinfo *info) MUST_USE;

/* Keeps all memory out of swap where the limit on locked memory allows that; false: it does not. */
bool sandbox_lock_memory(void);

/* The kernel's Landlock version, 0 when it has none. */
int sandbox_landlock_version(void);

/* The file system, TCP and signals (Landlock), then system calls (seccomp): what there is to talk to is
 * there already, no socket is made, bound or connected any more. A kernel without
 * Landlock, or with less of it, is logged as a warning and gets what it has; without seccomp this
 * fails. A system call outside the list ends the process (SIGSYS). */
int sandbox_enter(const struct sandbox *sandbox, const struct log *log,
                  struct errinfo *info) MUST_USE;

#endif
