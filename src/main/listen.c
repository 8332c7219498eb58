#include "main/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int address_invalid(struct str text, struct errinfo *info)
{
	return err_set(info, E_INVALID,
	               "\"%.*s\" is no address and port such as 192.0.2.1:25 or [2001:db8::1]:25",
	               STR_ARG(str_slice(text, 0, 60)));
}

int listen_address_parse(struct listen_address *ret, struct str text, struct errinfo *info)
{
	uint64_t port;
	ptrdiff_t colon = str_rfind_byte(text, ':');
	*ret = (struct listen_address){0};
	if (colon < 0 || !str_to_u64(str_from_byte(text, (size_t)colon + 1), 65535, &port))
		return address_invalid(text, info);
	struct str host = str_slice(text, 0, (size_t)colon);
	bool v6 = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	if (v6)
		host = str_slice(host, 1, host.len - 2);
	char name[INET6_ADDRSTRLEN];
	if (host.len >= sizeof(name))
		return address_invalid(text, info);
	if (host.len > 0)
		memcpy(name, host.ptr, host.len);
	name[host.len] = '\0';
	void *to = v6 ? (void *)&ret->v6.sin6_addr : (void *)&ret->v4.sin_addr;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, name, to) != 1)
		return address_invalid(text, info);
	ret->any.sa_family = v6 ? AF_INET6 : AF_INET;
	ret->len = v6 ? sizeof(ret->v6) : sizeof(ret->v4);
	if (v6)
		ret->v6.sin6_port = htons((uint16_t)port);
	else
		ret->v4.sin_port = htons((uint16_t)port);
	return 0;
}

void listen_address_format(const struct listen_address *address, char ret[LISTEN_TEXT_SIZE])
{
	char name[INET6_ADDRSTRLEN] = "?";
	bool v6 = address->any.sa_family == AF_INET6;
	const void *from = v6 ? (const void *)&address->v6.sin6_addr
	                      : (const void *)&address->v4.sin_addr;
	inet_ntop(address->any.sa_family, from, name, sizeof(name));
	unsigned port = ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port);
	snprintf(ret, LISTEN_TEXT_SIZE, v6 ? "[%s]:%u" : "%s:%u", name, port);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define FD_AUTO __attribute__((cleanup(close_fd)))

static int take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

static int set_flag(int fd, int level, int option)
{
	int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on));
}

int listen_tcp(int *ret_fd, const struct listen_address *address, bool share, struct errinfo *info)
{
	char text[LISTEN_TEXT_SIZE];
	listen_address_format(address, text);
	int fd FD_AUTO = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		int error = errno == EAFNOSUPPORT ? E_UNSUPPORTED : err_from_errno(errno);
		return err_set(info, error, "%s: %s", text, strerror(errno));
	}
	if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
	    (share && set_flag(fd, SOL_SOCKET, SO_REUSEPORT) != 0) ||
	    (address->any.sa_family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0) ||
	    bind(fd, &address->any, address->len) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
		/* No IPv6 on this machine shows here or above. */
		int error = errno == EADDRINUSE      ? E_BUSY
		            : errno == EADDRNOTAVAIL ? E_UNSUPPORTED
		                                     : err_from_errno(errno);
		return err_set(info, error, "%s: %s", text, strerror(errno));
	}
	*ret_fd = take(&fd);
	return 0;
}

void listen_bound_address(int fd, struct listen_address *ret)
{
	*ret = (struct listen_address){0};
	ret->len = sizeof(ret->v6);
	if (getsockname(fd, &ret->any, &ret->len) != 0)
		*ret = (struct listen_address){0};
}

int listen_unix(int *ret_fd, const char *path, struct errinfo *info)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(address.sun_path))
		return err_set(info, E_INVALID, "%s: longer than the %zu bytes of a socket's path", path,
		               sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, len);
	struct stat status;
	if (lstat(path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return err_set(info, E_EXISTS, "%s: is there already and no socket", path);
		if (unlink(path) != 0)
			return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	}
	int fd FD_AUTO = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	mode_t before = umask(0177);
	int failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
	int errnum = errno;
	umask(before);
	if (failed == 0) {
		failed = listen(fd, LISTEN_BACKLOG);
		errnum = errno;
	}
	if (failed != 0)
		return err_set(info, err_from_errno(errnum), "%s: %s", path, strerror(errnum));
	*ret_fd = take(&fd);
	return 0;
}
