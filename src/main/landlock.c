#include "main/sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* The header of Debian 12 ends at version 2 of the interface; what came later is spelt out here. */
#define RIGHT_TRUNCATE      (1ULL << 14) /* version 3 */
#define RIGHT_IOCTL_DEV     (1ULL << 15) /* version 5 */
#define RIGHT_NET_BIND      (1ULL << 0)  /* version 4 */
#define RIGHT_NET_CONNECT   (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* version 6 */
#define SCOPE_SIGNAL        (1ULL << 1)

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* What a core does in its folders: SQLite files come and go, and folders for them are made. */
#define FS_WORK                                                                                  \
	(FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                  \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_REFER | RIGHT_TRUNCATE)

int sandbox_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return version < 0 ? 0 : (int)version;
}

/* Everything that this version of the kernel can forbid is forbidden, but for what rules allow. */
static struct ruleset ruleset_of(int version)
{
	struct ruleset all = {.fs = (1ULL << 13) - 1};
	if (version >= 2)
		all.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all.fs |= RIGHT_TRUNCATE;
	if (version >= 4)
		all.net = RIGHT_NET_BIND | RIGHT_NET_CONNECT;
	if (version >= 5)
		all.fs |= RIGHT_IOCTL_DEV;
	if (version >= 6)
		all.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return all;
}

static size_t ruleset_size(int version)
{
	return version >= 6   ? sizeof(struct ruleset)
	       : version >= 4 ? offsetof(struct ruleset, scoped)
	                      : offsetof(struct ruleset, net);
}

/* Rights to a file or to all below a folder; a path that is not there is no error when optional. */
static int allow_path(int ruleset, const char *path, uint64_t rights, bool optional,
                      struct errinfo *info)
{
	struct stat status;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return optional ? 0 : err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
		rights &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
	long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	int errnum = errno;
	close(fd);
	return failed == 0
	           ? 0
	           : err_set(info, err_from_errno(errnum), "Landlock: %s: %s", path, strerror(errnum));
}

static int allow_all(int ruleset, const struct ruleset *all, const struct sandbox *sandbox,
                     struct errinfo *info)
{
	/* Where leak checks, stack traces and the loader look. */
	static const char *const sanitizer_paths[] = {"/proc", "/usr", "/lib", "/lib64",
	                                              "/etc/ld.so.cache"};
	int error = 0;
	for (size_t i = 0; sandbox->folders != NULL && sandbox->folders[i] != NULL && error == 0; i++)
		error = allow_path(ruleset, sandbox->folders[i], FS_WORK & all->fs, false, info);
	/* SQLite seeds its random numbers there, and makes weak ones when it cannot. */
	if (sandbox->folders != NULL && error == 0)
		error = allow_path(ruleset, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE, true, info);
	for (size_t i = 0; sandbox->sanitizers && i < ARRAY_LEN(sanitizer_paths) && error == 0; i++)
		error = allow_path(ruleset, sanitizer_paths[i], FS_READ, true, info);
	return error;
}

int sandbox_landlock(const struct sandbox *sandbox, const struct log *log, struct errinfo *info)
{
	int version = sandbox_landlock_version();
	if (version < 4)
		log_warn(log, "sandbox.landlock_incomplete", F_INT("version", version));
	if (version == 0)
		return 0;
	struct ruleset all = ruleset_of(version);
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, ruleset_size(version), 0);
	if (ruleset < 0)
		return err_set(info, err_from_errno(errno), "Landlock: %s", strerror(errno));
	int error = allow_all(ruleset, &all, sandbox, info);
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		error = err_set(info, err_from_errno(errno), "Landlock: %s", strerror(errno));
	close(ruleset);
	return error;
}
