#include <unistd.h>

#include "main/listen.h"
#include "main/supervisor_internal.h"

unsigned supervisor_processes(const struct config *config, const struct kind *kind)
{
	return kind->processes == NULL ? 1 : (unsigned)config_number(config, kind->processes);
}

static int add(struct supervisor *supervisor, const struct listening *listening,
               struct errinfo *info)
{
	size_t same = 0;
	for (size_t i = 0; i < supervisor->socket_count; i++)
		same += supervisor->sockets[i].kind == listening->kind &&
		        supervisor->sockets[i].index == listening->index;
	if (supervisor->socket_count == SOCKETS_MAX || same == HANDOFF_SOCKETS_MAX) {
		close(listening->fd);
		return err_set(info, E_LIMIT, "more than %d listening sockets, or %d of one process",
		               SOCKETS_MAX, HANDOFF_SOCKETS_MAX);
	}
	supervisor->sockets[supervisor->socket_count++] = *listening;
	return 0;
}

/* One address of a role: one socket, or one for each of its processes, among which the kernel spreads
 * the connections. With port 0 the first socket decides about the port. */
static int bind_tcp(struct supervisor *supervisor, const struct kind *kind,
                    const struct kind_listen *listen, struct str text, struct errinfo *info)
{
	struct listen_address address;
	struct errinfo cause;
	unsigned count = supervisor_processes(supervisor->settings.config, kind);
	int error = listen_address_parse(&address, text, &cause);
	for (unsigned i = 0; i < count && error == 0; i++) {
		struct listening listening = {kind, listen->socket, i, count > 1, -1};
		error = listen_tcp(&listening.fd, &address, count > 1, &cause);
		if (error != 0)
			break;
		listen_bound_address(listening.fd, &address);
		if (i == 0) {
			char bound[LISTEN_TEXT_SIZE];
			listen_address_format(&address, bound);
			log_info(&supervisor->log, "supervisor.listening", F_TEXT("name", listen->socket),
			         F_TEXT("address", bound));
		}
		error = add(supervisor, &listening, &cause);
	}
	if (error == E_UNSUPPORTED && text.ptr[0] == '[') {
		log_warn(&supervisor->log, "supervisor.no_ipv6", F_TEXT("option", listen->option),
		         F_TEXT("text", cause.text));
		return 0;
	}
	return error == 0 ? 0 : err_set(info, error, "%s: %s", listen->option, cause.text);
}

static int bind_unix(struct supervisor *supervisor, const struct kind *kind, struct errinfo *info)
{
	const struct config *config = supervisor->settings.config;
	struct listening listening = {kind, "link", 0, false, -1};
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	if (!kind_socket_path(config, kind->name, path, sizeof(path)))
		return err_set(info, E_INVALID, "run_dir: too long for the path of a socket");
	int error = listen_unix(&listening.fd, path, info);
	return error == 0 ? add(supervisor, &listening, info) : error;
}

int supervisor_bind(struct supervisor *supervisor, struct errinfo *info)
{
	const struct config *config = supervisor->settings.config;
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		if (!settings_has_role(config, kind[i].name))
			continue;
		int error = kind[i].front ? 0 : bind_unix(supervisor, &kind[i], info);
		const struct kind_listen *listen = kind[i].listen;
		for (; listen->option != NULL && error == 0; listen++) {
			size_t position = 0;
			struct str word;
			while (error == 0 && config_list_next(config, listen->option, &position, &word))
				error = bind_tcp(supervisor, &kind[i], listen, word, info);
		}
		if (error != 0)
			return error;
	}
	return 0;
}

void supervisor_unbind(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->socket_count; i++)
		close(supervisor->sockets[i].fd);
	supervisor->socket_count = 0;
}
