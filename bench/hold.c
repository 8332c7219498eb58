/*
 *     bench-load hold COMMAND ARGUMENT ...
 *
 * Runs a server and adopts everything that it starts (PR_SET_CHILD_SUBREAPER), daemons included: so
 * the CPU time of processes that have ended is found in the children's time of some process under
 * this one, and nothing outlives the benchmark. Ends when its standard input does: SIGTERM to the
 * command, after five seconds SIGKILL to all that is left.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

int hold_main(int argc, char **argv);

enum { GRACE_MS = 5000, STEP_MS = 20 };

/* Sends signal to every child that we have now, adopted ones included. */
static void signal_children(int signal)
{
	char path[64], line[64 * 1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "r");
	if (file == NULL)
		return;
	if (fgets(line, sizeof(line), file) != NULL) {
		for (char *at = line, *end; *at != '\0'; at = end) {
			long pid = strtol(at, &end, 10);

			if (end == at)
				break;
			if (pid > 1)
				kill((pid_t)pid, signal);
		}
	}
	fclose(file);
}

/* False when there is no child any more. */
static bool reap(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid == 0;
}

int hold_main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	pid_t command;
	int waited;

	if (argc < 1)
		die("hold what?");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		die("cannot become a subreaper");
	command = fork();
	if (command < 0)
		die("cannot fork");
	if (command == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, STDIN_FILENO);
		execvp(argv[0], argv);
		die("cannot run %s: %s", argv[0], strerror(errno));
	}
	for (;;) {
		char byte;

		if (poll(&input, 1, 200) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
			break;
		reap(); /* a daemon may leave us with nothing to wait for at first: go on */
	}
	kill(command, SIGTERM);
	signal_children(SIGTERM);
	for (waited = 0; reap() && waited < GRACE_MS; waited += STEP_MS)
		usleep(STEP_MS * 1000);
	while (reap()) {
		signal_children(SIGKILL);
		usleep(STEP_MS * 1000);
	}
	return 0;
}
