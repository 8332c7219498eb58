#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/cli_internal.h"

enum {
	PATH_SIZE = 4096,
	PIECE_SIZE = 1024 * 1024,
	LOCK_MS = 10000, /* for another command; one that copies a large file takes longer */
	LOCK_AGAIN_MS = 50,
};

bool cli_file_there(const char *path)
{
	return access(path, F_OK) == 0;
}

int cli_make_folder(const char *path, mode_t mode, struct errinfo *info)
{
	char step[PATH_SIZE];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(step))
		return err_set(info, E_INVALID, "a path is empty or too long");
	memcpy(step, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (step[i] != '/' && step[i] != '\0')
			continue;
		step[i] = '\0';
		if (mkdir(step, path[i] == '\0' ? mode : 0755) != 0 && errno != EEXIST)
			return err_set(info, err_from_errno(errno), "%s: %s", step, strerror(errno));
		step[i] = path[i];
	}
	return 0;
}

int cli_lock_folder(const char *path, const char *busy, int *ret, struct errinfo *info)
{
	int64_t deadline_ms = clock_monotonic_ms() + LOCK_MS;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (clock_monotonic_ms() >= deadline_ms) {
			close(fd);
			return err_set(info, E_BUSY, "%s", busy);
		}
		(void)poll(NULL, 0, LOCK_AGAIN_MS);
	}
	*ret = fd;
	return 0;
}

static int make_folder_above(const char *path, struct errinfo *info)
{
	char *copy MEM_AUTO = str_dup(str_from(path));
	return cli_make_folder(dirname(copy), 0755, info);
}

static int write_whole(int fd, struct str text)
{
	for (size_t at = 0; at < text.len;) {
		ssize_t done = write(fd, text.ptr + at, text.len - at);
		if (done < 0 && errno != EINTR)
			return -1;
		at += done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int sync_folder_above(const char *path)
{
	char *copy MEM_AUTO = str_dup(str_from(path));
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* link() fails where something is, whoever put it there meanwhile; rename() takes its place. */
static int take_name(const char *temporary, const char *path, bool replace)
{
	return replace ? rename(temporary, path) : link(temporary, path);
}

int cli_write_file(const char *path, mode_t mode, struct str text, bool replace,
                   struct errinfo *info)
{
	char temporary[PATH_SIZE];
	int len = snprintf(temporary, sizeof(temporary), "%s.new-XXXXXX", path);
	if (len < 0 || (size_t)len >= sizeof(temporary))
		return err_set(info, E_INVALID, "a path is too long");
	int rc = make_folder_above(path, info);
	if (rc != 0)
		return rc;
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fchmod(fd, mode) != 0 || write_whole(fd, text) != 0 || fsync(fd) != 0 ||
	    take_name(temporary, path, replace) != 0 || sync_folder_above(path) != 0)
		rc = err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	close(fd);
	(void)unlink(temporary);
	return rc;
}

static int copy_piece(const struct cli_copying *copying, char *piece, bool *ret_end,
                      struct errinfo *info)
{
	ssize_t len = read(copying->from, piece, PIECE_SIZE);
	*ret_end = len == 0;
	if (len < 0 && errno == EINTR)
		return 0;
	if (len < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", copying->from_name, strerror(errno));
	if (write_whole(copying->to, STR_OF(piece, len)) != 0)
		return err_set(info, err_from_errno(errno), "%s: %s", copying->to_name, strerror(errno));
	return copying->copied == NULL || len == 0 ? 0
	                                           : copying->copied(copying->ctx, (size_t)len, info);
}

int cli_copy_file(const struct cli_copying *copying, struct errinfo *info)
{
	char *piece MEM_AUTO = mem_new(PIECE_SIZE);
	bool end = false;
	while (!end) {
		int rc = copy_piece(copying, piece, &end, info);
		if (rc != 0)
			return rc;
	}
	return fsync(copying->to) == 0
	           ? 0
	           : err_set(info, err_from_errno(errno), "%s: %s", copying->to_name, strerror(errno));
}
