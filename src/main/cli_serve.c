#include <fcntl.h>
#include <unistd.h>

#include "main/cli_internal.h"
#include "main/supervisor.h"

/* serve: the one command that does not end when it is done, and whose exit codes are the supervisor's. */

static int read_ready_fd(const struct cli *cli, int *ret, struct errinfo *info)
{
	const char *text = cli->values[CLI_OPTION_READY_FD];
	uint64_t number;
	if (text == NULL)
		return 0;
	if (!str_to_u64(str_from(text), INT32_MAX, &number))
		return err_set(info, E_INVALID, "--ready-fd: not a number: %s", text);
	if (fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(info, E_INVALID, "--ready-fd: there is no descriptor %s", text);
	*ret = (int)number;
	return 0;
}

int cli_serve(struct cli *cli, struct errinfo *info)
{
	struct supervisor_options options = {
		.config_file = cli->values[CLI_OPTION_CONFIG],
		.ready_fd = -1,
		.environment = environ,
	};
	int rc = read_ready_fd(cli, &options.ready_fd, info);
	if (rc != 0)
		return cli_usage_failed(rc, info);
	cli->exit_code = supervisor_run(&options);
	return CLI_SAID;
}
