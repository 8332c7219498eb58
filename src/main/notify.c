#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/supervisor_internal.h"

static const char *find(char *const *environment, struct str name)
{
	for (; *environment != NULL; environment++) {
		struct str entry = str_from(*environment);
		if (str_starts(entry, name))
			return *environment + name.len;
	}
	return NULL;
}

/* sd_notify(3): one datagram to the socket; "@" in front means the abstract name space. */
void notify_service_manager(char *const *environment, const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = find(environment, STR("NOTIFY_SOCKET="));
	size_t len = path == NULL ? 0 : strlen(path);
	if (len == 0 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	/* Nobody is helped when a lost note stops the mail. */
	ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	                      (struct sockaddr *)&address, size);
	(void)sent;
	close(fd);
}
