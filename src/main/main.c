#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "main/cli.h"
#include "main/role_start.h"
#include "net/tls_memory.h"

/* What was started with its standard descriptors closed would get them for its files, and write its results
 * and its log into those. Each is taken by one that fails as a closed one does: only for the other direction. */
static void keep_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	struct errinfo info;
	keep_standard_descriptors();
	(void)tls_memory_init(); /* without it all works, an idle TLS connection costs more */
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return role_start(argv[2]);
	if (crypto_init(&info) != 0) {
		fprintf(stderr, "postkasse: %s\n", info.text);
		return EXIT_FAILURE;
	}
	return cli_main(argc, argv);
}
