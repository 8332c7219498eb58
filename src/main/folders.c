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
#include "store/store.h"

enum { DEPTH_MAX = 4 }; /* of folders below a role's folder: mailboxes/35/ */

static int failed(struct errinfo *info, const char *path, const char *name)
{
	return err_set(info, err_from_errno(errno), "%s/%s: %s", path, name, strerror(errno));
}

/* The cores' users must be able to pass every folder above. */
static int check_passable(const char *path, gid_t group, struct errinfo *info)
{
	char *above MEM_AUTO = str_dup(str_from(path));
	for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
		struct stat status;
		slash[slash == above] = '\0'; /* "/" itself at last */
		if (stat(above, &status) == 0 && (status.st_mode & S_IXOTH) == 0 &&
		    (status.st_gid != group || (status.st_mode & S_IXGRP) == 0))
			return err_set(
				info, E_DENIED,
				"data_dir: the processes have users of their own, who may not pass %s, which "
				"has mode %04o",
				above, (unsigned)status.st_mode & 07777);
		if (slash == above)
			break;
	}
	return 0;
}

static int open_folder(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whom a folder and all that lies in it goes to. */
struct handing {
	bool separate; /* else it must be ours already, and only modes are set */
	uid_t uid;
	gid_t gid;
	struct errinfo *info;
};

static int hand_over(const struct handing *handing, int folder, int depth);

static int hand_over_file(const struct handing *handing, int folder, const char *name,
                          const struct stat *status)
{
	bool ours = status->st_uid == handing->uid && status->st_gid == handing->gid;
	if (!handing->separate && status->st_uid != handing->uid)
		return err_set(handing->info, E_DENIED,
		               "%s: belongs to user %u, and the service runs as %u", name,
		               (unsigned)status->st_uid, (unsigned)handing->uid);
	bool done = (!handing->separate || ours ||
	             fchownat(folder, name, handing->uid, handing->gid, AT_SYMLINK_NOFOLLOW) == 0) &&
	            ((status->st_mode & 07777) == 0600 ||
	             fchmodat(folder, name, 0600, AT_SYMLINK_NOFOLLOW) == 0);
	return done ? 0
	            : err_set(handing->info, err_from_errno(errno), "%s: %s", name, strerror(errno));
}

/* One entry. Links are left alone, also hard ones: a process that broke out of its sandbox must not
 * be able to make us give it a file of root's. */
static int hand_over_entry(const struct handing *handing, int folder, const char *name, int depth)
{
	struct stat status;
	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT
		           ? 0
		           : err_set(handing->info, err_from_errno(errno), "%s: %s", name, strerror(errno));
	if (S_ISREG(status.st_mode) && status.st_nlink == 1)
		return hand_over_file(handing, folder, name, &status);
	/* Of the file system, and nobody's but root's. */
	if (!S_ISDIR(status.st_mode) || depth == DEPTH_MAX || strcmp(name, "lost+found") == 0)
		return 0;
	int fd = open_folder(folder, name);
	if (fd < 0)
		return err_set(handing->info, err_from_errno(errno), "%s: %s", name, strerror(errno));
	int error = hand_over(handing, fd, depth + 1);
	close(fd);
	return error;
}

/* The folder and all that lies in it. */
static int hand_over(const struct handing *handing, int folder, int depth)
{
	if ((handing->separate && fchown(folder, handing->uid, handing->gid) != 0) ||
	    fchmod(folder, 0700) != 0)
		return err_set(handing->info, err_from_errno(errno), "%s", strerror(errno));
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	if (entries == NULL) {
		int errnum = errno;
		if (copy >= 0)
			close(copy);
		return err_set(handing->info, err_from_errno(errnum), "%s", strerror(errnum));
	}
	int error = 0;
	for (struct dirent *entry; error == 0 && (entry = readdir(entries)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			error = hand_over_entry(handing, folder, entry->d_name, depth);
	closedir(entries);
	return error;
}

/* What has been there since before there was a marker has its volume. */
static int add_marker(int folder, struct errinfo *info)
{
	int fd = openat(folder, STORE_FOLDER_MARKER, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), STORE_FOLDER_MARKER ": %s", strerror(errno));
	close(fd);
	return 0;
}

static int prepare_one(int data, const char *data_path, const char *name, bool separate, uid_t uid,
                       gid_t gid, struct errinfo *info)
{
	struct errinfo cause;
	struct handing handing = {separate, separate ? uid : geteuid(), gid, &cause};
	int fd = open_folder(data, name);
	if (fd < 0)
		return failed(info, data_path, name);
	int error = add_marker(fd, &cause);
	if (error == 0)
		error = hand_over(&handing, fd, 0);
	close(fd);
	return error == 0 ? 0 : err_set(info, error, "%s/%s: %s", data_path, name, cause.text);
}

int folders_prepare(const struct config *config, bool separate, struct errinfo *info)
{
	const char *path = config_text(config, "data_dir");
	int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0)
		return err_set(info, err_from_errno(errno), "data_dir: %s: %s", path, strerror(errno));
	uid_t base = (uid_t)config_number(config, "uid_base");
	int error = separate ? check_passable(path, base, info) : 0;
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

int folders_prepare_run(const struct config *config, struct errinfo *info)
{
	const char *path = config_text(config, "run_dir");
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	int error = 0;
	if (fchmod(fd, 0700) != 0)
		error = err_set(info, err_from_errno(errno), "run_dir: %s: %s", path, strerror(errno));
	close(fd);
	return error;
}

int folders_lock(const struct config *config, const char *option, int *ret_fd, struct errinfo *info)
{
	const char *path = config_text(config, option);
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return err_set(info, err_from_errno(errno), "%s: %s: %s", option, path, strerror(errno));
	int fd = openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int errnum = errno;
	close(folder);
	if (fd < 0)
		return err_set(info, err_from_errno(errnum), "%s/lock: %s", path, strerror(errnum));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return err_set(info, E_BUSY, "%s: %s: is served already by another process", option,
			               path);
		return err_set(info, err_from_errno(errnum), "%s/lock: %s", path, strerror(errnum));
	}
	*ret_fd = fd;
	return 0;
}
