#include "main/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/kinds.h"
#include "main/settings.h"

enum { DEPTH_MAX = 4 }; /* of folders below a role's folder: mailboxes/35/ */

static int failed(struct errinfo *info, const char *path, const char *name)
{
	return err_set(info, err_from_errno(errno), "%s/%s: %s", path, name, strerror(errno));
}

/* The processes' users must be able to pass every folder above; option names path in the message. */
static int check_passable(const char *option, const char *path, gid_t group, struct errinfo *info)
{
	char *above MEM_AUTO = str_dup(str_from(path));
	for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
		struct stat status;
		slash[slash == above] = '\0'; /* "/" itself at last */
		if (stat(above, &status) == 0 && (status.st_mode & S_IXOTH) == 0 &&
		    (status.st_gid != group || (status.st_mode & S_IXGRP) == 0))
			return err_set(
				info, E_DENIED,
				"%s: the processes have users of their own, who may not pass %s, which has "
				"mode %04o",
				option, above, (unsigned)status.st_mode & 07777);
		if (slash == above)
			break;
	}
	return 0;
}

static int open_folder(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int hand_over(int folder, uid_t uid, gid_t gid, int depth);

/* One entry. Links are left alone, also hard ones: a process that broke out of its sandbox must not
 * be able to make us give it a file of root's. */
static int hand_over_entry(int folder, const char *name, uid_t uid, gid_t gid, int depth)
{
	struct stat status;
	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	bool ours = status.st_uid == uid && status.st_gid == gid;
	if (S_ISREG(status.st_mode) && status.st_nlink == 1 && !ours)
		return fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW);
	if (!S_ISDIR(status.st_mode) || depth == DEPTH_MAX)
		return 0;
	int fd = open_folder(folder, name);
	if (fd < 0)
		return -1;
	int result = hand_over(fd, uid, gid, depth + 1);
	int errnum = errno;
	close(fd);
	errno = errnum;
	return result;
}

/* The folder and all that lies in it; 0, or -1 and errno. */
static int hand_over(int folder, uid_t uid, gid_t gid, int depth)
{
	if (fchown(folder, uid, gid) != 0)
		return -1;
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	if (entries == NULL) {
		int errnum = errno;
		if (copy >= 0)
			close(copy);
		errno = errnum;
		return -1;
	}
	int result = 0;
	for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = hand_over_entry(folder, entry->d_name, uid, gid, depth);
	}
	int errnum = errno;
	closedir(entries);
	errno = errnum;
	return result;
}

static int prepare_one(int data, const char *data_path, const char *name, bool separate, uid_t uid,
                       gid_t gid, struct errinfo *info)
{
	if (mkdirat(data, name, 0700) != 0 && errno != EEXIST)
		return failed(info, data_path, name);
	int fd = open_folder(data, name);
	if (fd < 0)
		return failed(info, data_path, name);
	int error = 0;
	if (fchmod(fd, 0700) != 0 || (separate && hand_over(fd, uid, gid, 0) != 0))
		error = failed(info, data_path, name);
	close(fd);
	return error;
}

int folders_prepare(const struct config *config, bool separate, struct errinfo *info)
{
	const char *path = config_text(config, "data_dir");
	int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0)
		return err_set(info, err_from_errno(errno), "data_dir: %s: %s", path, strerror(errno));
	uid_t base = (uid_t)config_number(config, "uid_base");
	int error = separate ? check_passable("data_dir", path, base, info) : 0;
	/* Our group may pass to its own folders, and sees no names here. */
	if (error == 0 && separate && (fchown(data, 0, base) != 0 || fchmod(data, 0710) != 0))
		error = err_set(info, err_from_errno(errno), "data_dir: %s: %s", path, strerror(errno));
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		if (!settings_has_role(config, kind[i].name) || kind[i].folders == NULL)
			continue;
		for (size_t k = 0; kind[i].folders[k] != NULL && error == 0; k++)
			error = prepare_one(data, path, kind[i].folders[k], separate, base + kind[i].user, base,
			                    info);
	}
	close(data);
	return error;
}

int folders_prepare_run(const struct config *config, gid_t group, struct errinfo *info)
{
	const char *path = config_text(config, "run_dir");
	bool shared = group != (gid_t)-1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	int error = shared ? check_passable("run_dir", path, group, info) : 0;
	if (error == 0 &&
	    ((shared && fchown(fd, 0, group) != 0) || fchmod(fd, shared ? 0750 : 0700) != 0))
		error = err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	close(fd);
	return error;
}

int folders_lock(const struct config *config, int *ret_fd, struct errinfo *info)
{
	const char *path = config_text(config, "data_dir");
	int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0)
		return err_set(info, err_from_errno(errno), "data_dir: %s: %s", path, strerror(errno));
	int fd = openat(data, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int errnum = errno;
	close(data);
	if (fd < 0)
		return err_set(info, err_from_errno(errnum), "%s/lock: %s", path, strerror(errnum));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return err_set(info, E_BUSY, "data_dir: %s: is served already by another process",
			               path);
		return err_set(info, err_from_errno(errnum), "%s/lock: %s", path, strerror(errnum));
	}
	*ret_fd = fd;
	return 0;
}
