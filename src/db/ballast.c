#include "db/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "crypto/secret.h"

enum {
	RESERVE_SHARE = 16, /* parts of a small volume, at most */
	BALLAST_SHARE = 32,
	AGAIN_SHARE = 8,    /* of the reserve */
	LEAST = 256 * 1024, /* opening a mailbox and deleting in it, a few times: doc/operations.md */
	BLOCK = 512,        /* of st_blocks */
	NOISE = 16 * 1024,
};

bool volume_room(const char *path, uint64_t reserve, uint64_t *ret_free, uint64_t *ret_reserve)
{
	struct statvfs volume;
	if (statvfs(path, &volume) != 0)
		return false;
	uint64_t share = (uint64_t)volume.f_blocks * volume.f_frsize / RESERVE_SHARE;
	*ret_free = (uint64_t)volume.f_bavail * volume.f_frsize;
	*ret_reserve = reserve < share ? reserve : share;
	return true;
}

uint64_t volume_enough(uint64_t reserve)
{
	return reserve + reserve / AGAIN_SHARE;
}

uint64_t ballast_size(const char *path, uint64_t asked)
{
	struct statvfs volume;
	if (statvfs(path, &volume) != 0)
		return 0;
	uint64_t share = (uint64_t)volume.f_blocks * volume.f_frsize / BALLAST_SHARE;
	uint64_t size = asked < share ? asked : share;
	return size < LEAST ? 0 : size;
}

/* Holes, as a copying program may have made of it, are no room. */
static uint64_t occupied(const struct stat *status)
{
	uint64_t blocks = (uint64_t)status->st_blocks * BLOCK, size = (uint64_t)status->st_size;
	return S_ISREG(status->st_mode) ? blocks < size ? blocks : size : 0;
}

uint64_t ballast_bytes(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 ? occupied(&status) : 0;
}

/* Where blocks cannot be asked for. Noise, since zeros need none on a volume that compresses. */
static int write_noise(int fd, uint64_t at, uint64_t end)
{
	char noise[NOISE];
	random_bytes(noise, sizeof(noise));
	while (at < end) {
		size_t len = end - at < sizeof(noise) ? (size_t)(end - at) : sizeof(noise);
		ssize_t done = pwrite(fd, noise, len, (off_t)at);
		if (done < 0 && errno != EINTR)
			return -1;
		at += done > 0 ? (uint64_t)done : 0;
	}
	return 0;
}

static int grow(int fd, uint64_t has, uint64_t to)
{
	int rc;
	do
		rc = fallocate(fd, 0, 0, (off_t)to);
	while (rc != 0 && errno == EINTR);
	if (rc != 0 && errno == EOPNOTSUPP)
		rc = write_noise(fd, has, to);
	return rc;
}

static int change(int fd, uint64_t wanted, uint64_t piece)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -1;
	uint64_t has = occupied(&status), to = wanted > has + piece ? has + piece : wanted;
	if (wanted < has || (uint64_t)status.st_size > wanted)
		return ftruncate(fd, (off_t)wanted);
	if (wanted == has || grow(fd, has, to) == 0)
		return 0;
	int errnum = errno;
	(void)!ftruncate(fd, status.st_size); /* what was had of it is of no use to anybody */
	errno = errnum;
	return -1;
}

int ballast_tend(const char *path, uint64_t wanted, uint64_t piece, struct errinfo *info)
{
	if (wanted == 0 && (unlink(path) == 0 || errno == ENOENT))
		return 0;
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -1 : change(fd, wanted, piece), errnum = errno;
	if (fd >= 0)
		close(fd);
	return rc == 0 ? 0 : err_set(info, err_from_errno(errnum), "%s: %s", path, strerror(errnum));
}

bool ballast_give(const char *path, uint64_t piece)
{
	struct stat status;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	uint64_t has = fstat(fd, &status) == 0 ? occupied(&status) : 0;
	bool given = has > 0 && ftruncate(fd, (off_t)(has > piece ? has - piece : 0)) == 0;
	close(fd);
	return given;
}
