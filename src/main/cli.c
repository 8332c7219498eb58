#include "main/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "main/cli_cores.h"
#include "main/cli_internal.h"
#include "main/sandbox.h"
#include "main/settings.h"

static const struct {
	int error;
	enum cli_exit code;
} exit_codes[] = {
	{E_OK, CLI_OK},
	{E_INVALID, CLI_DATA},
	{E_TOO_LARGE, CLI_DATA},
	{E_LIMIT, CLI_TRY_LATER},
	{E_NOT_FOUND, CLI_NOT_FOUND},
	{E_EXISTS, CLI_EXISTS},
	{E_DENIED, CLI_DENIED},
	{E_UNAVAILABLE, CLI_UNAVAILABLE},
	{E_TIMEOUT, CLI_UNAVAILABLE},
	{E_BUSY, CLI_UNAVAILABLE},
	{E_STALE, CLI_UNAVAILABLE},
	{E_IO, CLI_IO},
	{E_NO_SPACE, CLI_IO},
	{E_CORRUPT, CLI_IO},
	{E_QUOTA, CLI_TRY_LATER},
	{E_UNSUPPORTED, CLI_UNSUPPORTED},
	{E_INTERNAL, CLI_SOFTWARE},
};

int cli_exit_code(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
		if (exit_codes[i].error == error)
			return (int)exit_codes[i].code;
	return CLI_FAILED;
}

/* A failure of the configuration, and a wrong command line, have exit codes of their own, whatever
 * the error was. */
enum { CONFIG_FAILED = 1000, USAGE_FAILED };

/* One line; error: its name, or NULL for a warning. */
static void print_said(struct cli *cli, const char *error, const char *text)
{
	if (!cli->json) {
		fprintf(cli->error, "postkasse: %s\n", text);
		return;
	}
	struct buf line BUF_AUTO;
	struct json json;
	buf_init(&line, 8192);
	json_init(&json, &line);
	json_object(&json);
	if (error != NULL)
		json_text_field(&json, "error", error);
	json_text_field(&json, error != NULL ? "text" : "warning", text);
	json_object_end(&json);
	fprintf(cli->error, "%.*s", STR_ARG(buf_str(&line)));
}

static void print_error(struct cli *cli, int error, const char *text)
{
	print_said(cli, err_name(error), text);
}

void cli_warn(struct cli *cli, const char *format, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	utf8_disarm(text, strlen(text), "");
	print_said(cli, NULL, text);
}

int cli_config_failed(int rc, struct errinfo *info)
{
	info->error = CONFIG_FAILED;
	return rc;
}

int cli_usage_failed(int rc, struct errinfo *info)
{
	info->error = USAGE_FAILED;
	return rc;
}

int cli_load_config(struct cli *cli, struct errinfo *info)
{
	if (cli->config != NULL)
		return 0;
	int rc = settings_load_config(&cli->config, cli->values[CLI_OPTION_CONFIG], environ, info);
	return rc != 0 ? cli_config_failed(rc, info) : 0;
}

int cli_flush(struct cli *cli, struct errinfo *info)
{
	size_t at = 0;
	if (cli->out->failed)
		return err_set(info, E_TOO_LARGE, "the result is too large to print");
	if (!cli->json) /* whoever named what is in it must not command the terminal */
		utf8_disarm(cli->out->ptr, cli->out->len, "\n\t");
	while (at < cli->out->len) {
		ssize_t done = write(cli->output, cli->out->ptr + at, cli->out->len - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_set(info, E_IO, "writing the result failed: %s", strerror(errno));
		at += (size_t)done;
	}
	cli->printed = cli->printed || cli->out->len > 0;
	buf_clear(cli->out);
	return 0;
}

/* Scripts read an empty list; people would wonder what has happened. */
static void say_nothing_there(struct cli *cli)
{
	if (!cli->printed && isatty(fileno(cli->error)))
		fprintf(cli->error, "postkasse: %s: there are none\n", cli->command->name);
}

/* Who may not do what the service's own user may is told who that is. */
static void say_who_may(const struct cli *cli, int rc, struct errinfo *info)
{
	char cause[sizeof(info->text)], who[64] = "root and the user of the service";
	struct stat folder;
	int marked = info->error;
	if (rc != E_DENIED || geteuid() == 0 || strstr(info->text, strerror(EACCES)) == NULL)
		return;
	if (cli->config != NULL && stat(config_text(cli->config, "data_dir"), &folder) == 0) {
		if (folder.st_uid == geteuid())
			return;
		snprintf(who, sizeof(who), folder.st_uid == 0 ? "root" : "root and user %u", folder.st_uid);
	}
	memcpy(cause, info->text, sizeof(cause));
	(void)err_set(info, rc, "%s: only %s may", cause, who);
	info->error = marked;
}

/* Usage errors have an exit code that no enum error stands for. */
static int usage(struct cli *cli, const struct errinfo *info)
{
	print_error(cli, E_INVALID, info->text);
	return CLI_USAGE;
}

static int run(struct cli *cli, struct errinfo *info)
{
	if (cli_given(cli, CLI_OPTION_HELP)) {
		if (cli->command->run == cli_help)
			(void)cli_help_list(cli->out, NULL);
		else
			cli_help_command(cli->out, cli->command);
		return 0;
	}
	return cli->command->run(cli, info);
}

int cli_main(int argc, char **argv)
{
	struct buf out;
	struct errinfo info = {0};
	struct cli cli = {
		.out = &out,
		.error = stderr,
		.input = STDIN_FILENO,
		.output = STDOUT_FILENO,
		.current_fd = -1,
		.exit_code = CLI_FAILED,
	};
	signal(SIGPIPE, SIG_IGN);
	buf_init(&out, CLI_OUTPUT_MAX);
	json_init(&cli.writer, &out);
	if (cli_parse(&cli, argc, argv, &info) != 0) {
		buf_done(&out);
		return usage(&cli, &info);
	}
	int rc = sandbox_set_limits(&info); /* passwords pass through here: no core dump */
	if (rc == 0)
		rc = cli_open_current(&cli, &info);
	if (rc == 0)
		rc = run(&cli, &info);
	say_who_may(&cli, rc, &info);
	if (cli.current_fd >= 0)
		close(cli.current_fd);
	cores_close(cli.cores);
	config_free(cli.config);
	int written = cli_flush(&cli, rc == 0 ? &info : NULL); /* findings come with E_CORRUPT */
	if (rc == 0)
		rc = written;
	buf_done_wiped(&out);
	if (rc == 0)
		say_nothing_there(&cli);
	if (rc != 0 && rc != CLI_SAID)
		print_error(&cli, rc, info.text);
	if (rc == CLI_SAID)
		return cli.exit_code;
	if (rc != 0 && info.error == USAGE_FAILED)
		return CLI_USAGE;
	return info.error == CONFIG_FAILED ? CLI_CONFIG : cli_exit_code(rc);
}
