#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/link_internal.h"

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, len + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int errnum = errno;
		close(fd);
		errno = errnum;
		return -1;
	}
	return fd;
}

/* Another user's process may have taken the place of the core. */
static bool peer_allowed(const struct link_target *target, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (target->allowed_peer_uid == LINK_ANY_UID)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	return peer.uid == target->allowed_peer_uid || peer.uid == 0;
}

int link_connect(const struct link_target *target, struct errinfo *info)
{
	int fd = connect_unix(target->unix_path);
	if (fd < 0)
		return err_set(info, E_UNAVAILABLE, "%s", strerrordesc_np(errno));
	if (peer_allowed(target, fd))
		return fd;
	close(fd);
	return err_set(info, E_DENIED, "the core runs as another user");
}
