#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "main/cli.h"
#include "main/role_start.h"
#include "main/supervisor.h"
#include "net/tls_memory.h"

static int serve_usage(FILE *to)
{
	fputs("usage: postkasse [--config FILE] serve [--ready-fd N]\n"
	      "\n"
	      "Runs the service until SIGTERM; SIGHUP reads configuration and certificates again.\n"
	      "Logs go to standard error.\n"
	      "\n"
	      "  --config FILE    the configuration (/etc/postkasse/postkasse.conf)\n"
	      "  --ready-fd N     writes \"ready\" and a newline there once everything serves\n",
	      to);
	return to == stdout ? EX_OK : EX_USAGE;
}

/* The value of "--name VALUE" or "--name=VALUE" at *index, which moves past it; NULL for another. */
static const char *option_value(int argc, char **argv, int *index, struct str name)
{
	struct str argument = str_from(argv[*index]);
	if (str_eq(argument, name) && *index + 1 < argc)
		return argv[++*index];
	if (str_starts(argument, name) && argument.len > name.len && argument.ptr[name.len] == '=')
		return argument.ptr + name.len + 1;
	return NULL;
}

/* argv[command] is "serve"; its options may stand on either side. */
static int serve(int argc, char **argv, int command)
{
	struct supervisor_options options = {NULL, -1, environ};
	for (int i = 1; i < argc; i++) {
		const char *value;
		uint64_t number;
		if (i == command || (i < command && strcmp(argv[i], "--") == 0))
			continue;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return serve_usage(stdout);
		if ((value = option_value(argc, argv, &i, STR("--config"))) != NULL) {
			options.config_file = value;
		} else if ((value = option_value(argc, argv, &i, STR("--ready-fd"))) != NULL &&
		           str_to_u64(str_from(value), INT32_MAX, &number) &&
		           fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0) {
			options.ready_fd = (int)number;
		} else {
			fprintf(stderr, "postkasse: serve: cannot use \"%s\"\n", argv[i]);
			return serve_usage(stderr);
		}
	}
	return supervisor_run(&options);
}

int main(int argc, char **argv)
{
	struct errinfo info;
	(void)tls_memory_init(); /* without it all works, an idle TLS connection costs more */
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return role_start(argv[2]);
	if (crypto_init(&info) != 0) {
		fprintf(stderr, "postkasse: %s\n", info.text);
		return EXIT_FAILURE;
	}
	int command = cli_find_command(argc, argv);
	if (command < argc && strcmp(argv[command], "serve") == 0)
		return serve(argc, argv, command);
	return cli_main(argc, argv);
}
