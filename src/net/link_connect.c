#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/link_internal.h"

static int connect_to(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, len + 1);
	return connect_to((const struct sockaddr *)&address, sizeof(address));
}

static int connect_tcp(const char *host, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return connect_to((const struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		return connect_to((const struct sockaddr *)&v6, sizeof(v6));
	errno = EINVAL; /* not a numeric address */
	return -1;
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
	bool tcp = target->unix_path == NULL;
	int fd = tcp ? connect_tcp(target->host, target->port) : connect_unix(target->unix_path);
	if (fd < 0)
		return err_set(info, E_UNAVAILABLE, "%s", strerrordesc_np(errno));
	if (tcp || peer_allowed(target, fd))
		return fd;
	close(fd);
	return err_set(info, E_DENIED, "the core runs as another user");
}
