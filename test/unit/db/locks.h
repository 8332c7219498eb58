#ifndef TEST_DB_LOCKS_H
#define TEST_DB_LOCKS_H

/* Counts the locks that SQLite takes to read: one for each transaction, or for each statement outside of one. */

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sqlite3.h>

static atomic_uint locks_taken;

static int locks_fcntl(int fd, int command, ...)
{
	va_list arguments;
	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (command == F_SETLK && ((const struct flock *)argument)->l_type == F_RDLCK)
		atomic_fetch_add(&locks_taken, 1);
	return fcntl(fd, command, argument);
}

/* After db_init. */
static inline void locks_count(void)
{
	union {
		int (*call)(int fd, int command, ...);
		sqlite3_syscall_ptr as_any;
	} counting = {.call = locks_fcntl};
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
	assert_int_equal(vfs->xSetSystemCall(vfs, "fcntl", counting.as_any), SQLITE_OK);
	locks_taken = 0;
}

#endif
