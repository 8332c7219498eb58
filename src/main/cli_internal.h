#ifndef POSTKASSE_MAIN_CLI_INTERNAL_H
#define POSTKASSE_MAIN_CLI_INTERNAL_H

/*
 * What the files of the command line share. A command is one row of cli_commands; its function reads
 * its arguments and options from struct cli, writes its result into cli->out (JSON when cli->json,
 * else text), and returns 0 or an enum error with its sentence in info. cli_main writes the result,
 * or the error, and finds the exit code.
 */

#include <stdio.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/error.h"
#include "base/str.h"
#include "main/cli.h"
#include "main/cli_json.h"

#include "directory.pb-c.h"

enum cli_option {
	CLI_OPTION_CONFIG,
	CLI_OPTION_JSON,
	CLI_OPTION_HELP,
	CLI_OPTION_CURRENT_FILE,
	CLI_OPTION_PASSWORD,
	CLI_OPTION_QUOTA,
	CLI_OPTION_LABEL,
	CLI_OPTION_SCOPE,
	CLI_OPTION_YES,
	CLI_OPTION_QUICK,
	CLI_OPTION_DOMAIN,
	CLI_OPTION_ALIAS,
	CLI_OPTION_HOSTNAME,
	CLI_OPTION_READY_FD,
	CLI_OPTION_VERSION,
	CLI_OPTION_ORPHANS,
	CLI_OPTION_ROLE,
	CLI_OPTION_NEXT,
	CLI_OPTION_RETIRE,
	CLI_OPTION_COUNT,
};

struct cli_option_info {
	const char *name;  /* with its dashes */
	const char *value; /* what follows it, in capitals; NULL: nothing */
	const char *sentence;
};

/* Indexed by enum cli_option. */
extern const struct cli_option_info cli_options[CLI_OPTION_COUNT];

#define CLI_BIT(option) (1u << CLI_OPTION_##option)
/* Of every command. */
#define CLI_COMMON (CLI_BIT(CONFIG) | CLI_BIT(HELP))

enum {
	CLI_ARGUMENTS_MAX = 4,
	CLI_OUTPUT_MAX = 256 * 1024 * 1024,
	/* Returned by a command whose result says all about it: no further sentence. */
	CLI_SAID = 1,
};

struct cli;

struct cli_command {
	const char *name;      /* one or two words */
	const char *arguments; /* as the synopsis shows them */
	int least, most;       /* arguments */
	unsigned options;      /* bits besides CLI_COMMON */
	const char *sentence;
	int (*run)(struct cli *cli, struct errinfo *info);
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

struct cores;

struct cli {
	const struct cli_command *command;
	const char *arguments[CLI_ARGUMENTS_MAX]; /* NULL where there is none */
	unsigned given;                           /* bits of enum cli_option */
	const char *values[CLI_OPTION_COUNT];     /* of options that have one */
	bool json;
	struct buf *out;       /* the result; written when the command is done */
	struct json writer;    /* into out, for cli->json */
	FILE *error;           /* prompts, warnings, errors */
	int input, output;     /* descriptors: standard input and output */
	int current_fd;        /* of --current-file; -1: none */
	struct config *config; /* once cli_load_config was called */
	struct cores *cores;   /* once cli_cores was called */
	int exit_code;         /* after CLI_SAID */
	bool printed;          /* something was written to output */
	bool one_core;         /* a host with only one of the cores will do, while the service runs */
	int64_t deadline_ms;   /* of calls without a deadline of their own; 0: the link's */
	void *ctx;             /* the command's own */
};

static inline bool cli_given(const struct cli *cli, enum cli_option option)
{
	return (cli->given & 1u << option) != 0;
}

/* ---------------------------------------------------------------- cli.c */

/* Reads the configuration (--config, else the standard place) and the environment, once. */
int cli_load_config(struct cli *cli, struct errinfo *info) MUST_USE;
/* Marks info as a fault of the configuration, which has an exit code of its own; returns rc. */
int cli_config_failed(int rc, struct errinfo *info);
/* Marks info as the fault of a wrong command line, likewise. */
int cli_usage_failed(int rc, struct errinfo *info);
/* Writes what is in cli->out now, before something that must come after it. E_IO. */
int cli_flush(struct cli *cli, struct errinfo *info) MUST_USE;
/* A sentence to standard error that is no failure. */
void cli_warn(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An exit code for an enum error. */
int cli_exit_code(int error);

/* Finds the command, options and arguments of a command line. argv is kept by reference. E_INVALID
 * with a sentence in info; --help is an option like any other. */
int cli_parse(struct cli *cli, int argc, char *const *argv, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- cli_input.c */

/* Opens --current-file, while we still are who gave it, and before anything is done. */
int cli_open_current(struct cli *cli, struct errinfo *info) MUST_USE;
/* Asks for a password that opens the mailbox now: from --current-file ("-": standard input), else
 * from the terminal without echo, else from the first line of standard input. Appends to ret. */
int cli_read_current(struct cli *cli, const char *address, struct buf *ret,
                     struct errinfo *info) MUST_USE;
/* Unless --yes was given: asks question and reads a line, from the terminal or from whatever standard
 * input is. E_CANCELLED for everything but "yes", the end of the input too. */
int cli_confirm(struct cli *cli, const char *question, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- cli_file.c */

bool cli_file_there(const char *path);
/* mkdir -p, path with that mode; folders above stay as they are. E_INVALID for an empty or too long path. */
int cli_make_folder(const char *path, mode_t mode, struct errinfo *info) MUST_USE;
/* Takes a folder for one command at a time; waits 10 s for another one, then says busy. E_BUSY, and what opening
 * it fails with. *ret: a descriptor to close. */
int cli_lock_folder(const char *path, const char *busy, int *ret, struct errinfo *info) MUST_USE;
/* Writes text durably: the file appears whole under its name or not at all, and takes the place of
 * what is there only with replace, else E_EXISTS. Makes the folder that it lies in. */
int cli_write_file(const char *path, mode_t mode, struct str text, bool replace,
                   struct errinfo *info) MUST_USE;

struct cli_copying {
	int from, to;
	const char *from_name, *to_name; /* for what goes wrong */
	/* Called after each piece, unless it is NULL; what it fails with ends the copying. */
	int (*copied)(void *ctx, size_t bytes, struct errinfo *info);
	void *ctx;
};

/* Copies what is left to read, and syncs it. E_NO_SPACE, E_IO, and what copied returns. */
int cli_copy_file(const struct cli_copying *copying, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- cli_help.c */

/* All commands, or those whose first word is group; returns how many there were. */
size_t cli_help_list(struct buf *out, const char *group);
void cli_help_command(struct buf *out, const struct cli_command *command);
/* The COMMANDS, OPTIONS and EXIT STATUS sections of postkasse(1), mdoc. */
void cli_help_manual(struct buf *out);
void cli_completion_bash(struct buf *out);

/* ---------------------------------------------------------------- the commands */

typedef int cli_run(struct cli *cli, struct errinfo *info);

cli_run cli_init, cli_serve, cli_domain_add, cli_domain_list, cli_domain_remove, cli_alias_add,
	cli_alias_list, cli_alias_remove, cli_alias_disable, cli_alias_enable, cli_password_new,
	cli_password_app, cli_password_recovery, cli_password_list, cli_password_revoke,
	cli_session_list, cli_session_end, cli_status, cli_login_list, cli_login_unlock,
	cli_mailbox_list, cli_mailbox_verify, cli_mailbox_copy, cli_mailbox_accept, cli_mailbox_attach,
	cli_link_authority, cli_link_certificate, cli_config_check, cli_config_print, cli_completion,
	cli_help, cli_version;

/* Makes the first mailbox password of an alias, its mailbox and its file, and shows the password
 * before anybody can rely on it. E_EXISTS when there is one. */
int cli_first_password(struct cli *cli, const char *address, struct errinfo *info) MUST_USE;
/* Whether an alias has a mailbox, so that a current password is needed. E_NOT_FOUND: no such alias. */
int cli_look_up(struct cli *cli, const char *address, bool *ret_ready,
                struct errinfo *info) MUST_USE;
/* Whether the mailbox file opens with that password, too: takes over what waits for it, and closes it. */
int cli_check_opens(struct cli *cli, const char *address, struct str password,
                    struct errinfo *info) MUST_USE;
/* --quota in bytes; 0 when it was not given. E_INVALID. */
int cli_read_quota(struct cli *cli, uint64_t *ret, struct errinfo *info) MUST_USE;
/* The fields of an alias, into an object. */
void cli_json_alias(struct json *json, const Pk__AliasReply *alias);
/* Opens a mailbox with a password, as the service "cli"; *ret for cli_login_free. */
int cli_login(struct cli *cli, const char *address, struct str password, Pk__LoginReply **ret,
              struct errinfo *info) MUST_USE;
/* Wipes the secret in it; NULL is fine. */
void cli_login_free(Pk__LoginReply *login);
/* One command at a time takes mailbox files away, or brings some in: what one has found to be removed, another
 * may just attach. E_BUSY when that takes too long. *ret: a descriptor to close. */
int cli_lock_mailboxes(const struct cli *cli, int *ret, struct errinfo *info) MUST_USE;
/* Removes the files of mailboxes that no alias has any more. What fails, or has to wait for another command,
 * is tried again next time. */
void cli_sweep_removed(struct cli *cli);
/* "12 minutes" */
void cli_add_age(struct buf *out, uint64_t seconds);
/* "12.3 MB" */
void cli_add_size(struct buf *out, uint64_t bytes);
/* text, as utf8_disarm leaves it, blanks up to width, and one more. */
void cli_add_column(struct buf *out, const char *text, size_t width);

#endif
