#ifndef POSTKASSE_MAIN_CLI_H
#define POSTKASSE_MAIN_CLI_H

/*
 * The command line. One table of commands (cli_table.c) is what the
 * parser, the help, the shell completion and the manual page are made from.
 */

/* Exit codes, after sysexits.h so that scripts and mail programs know them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,       /* anything without a code of its own */
	CLI_USAGE = 64,       /* wrong arguments */
	CLI_DATA = 65,        /* malformed input: an address, a domain */
	CLI_NOT_FOUND = 67,   /* no such domain, alias, password */
	CLI_UNAVAILABLE = 69, /* the service does not answer, or is busy */
	CLI_SOFTWARE = 70,    /* our own bug */
	CLI_EXISTS = 73,      /* there already */
	CLI_IO = 74,          /* reading or writing failed, or stored data is damaged */
	CLI_TRY_LATER = 75,   /* a limit; later it may pass */
	CLI_UNSUPPORTED = 76, /* not on this host, or of a newer version */
	CLI_DENIED = 77,      /* wrong password, or not allowed */
	CLI_CONFIG = 78,      /* the configuration is wrong */
};

/* Runs the command that argv names and returns the process's exit code. crypto_init has been called.
 * argv[0] is the program. */
int cli_main(int argc, char **argv);

#endif
