#ifndef POSTKASSE_MAIN_SUPERVISOR_H
#define POSTKASSE_MAIN_SUPERVISOR_H

/*
 * `postkasse serve`: reads the configuration and the keys, binds the ports, starts the processes and
 * starts again what dies, until SIGTERM or SIGINT. SIGHUP reads configuration and certificates again.
 * It parses no byte of the network and opens no mailbox.
 *
 *     stopping: fronts first, so that what they took is stored; then the cores; a process that needs
 *     longer than stop_grace is killed
 *     restarting: at once; one that fails again and again waits longer each time
 */

struct supervisor_options {
	const char *config_file; /* NULL: the standard one */
	int ready_fd; /* gets "ready\n" once every process serves, then is closed; -1: none */
	char *const *environment;
};

/* Returns the exit code: 0 after an ordered stop in which every process ended well, 78 (EX_CONFIG)
 * for a configuration that cannot be used, 1 for everything else. */
int supervisor_run(const struct supervisor_options *options);

#endif
