#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "crypto/slot.h"
#include "main/cli_internal.h"

enum { LINE_MAX_BYTES = 1024, QUESTION_SIZE = 500 };

/* Reads one byte at a time, so that what follows the line stays for the next reader. */
static int read_line(int fd, struct buf *ret, struct errinfo *info)
{
	for (;;) {
		char c;
		ssize_t got = read(fd, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(info, err_from_errno(errno), "reading the answer: %s", strerror(errno));
		if (got == 0 || c == '\n')
			break;
		buf_add_byte(ret, c);
		if (ret->failed)
			return err_set(info, E_TOO_LARGE, "the line is too long");
	}
	return 0;
}

static void show_question(struct cli *cli, const char *question)
{
	char shown[QUESTION_SIZE];
	snprintf(shown, sizeof(shown), "%s", question);
	utf8_disarm(shown, strlen(shown), "");
	fprintf(cli->error, "%s", shown);
	fflush(cli->error);
}

/* A terminal that does not echo, and the signals that would end or stop us and leave it so. */
struct silence {
	int fd, signals; /* signals -1: it is no terminal */
	struct termios before;
	sigset_t mask;
};

static bool silence_begin(struct silence *silence, int fd)
{
	sigset_t set;
	*silence = (struct silence){.fd = fd, .signals = -1};
	if (tcgetattr(fd, &silence->before) != 0)
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	silence->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (silence->signals < 0)
		return false;
	sigprocmask(SIG_BLOCK, &set, &silence->mask);
	struct termios silent = silence->before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(fd, TCSAFLUSH, &silent);
	return true;
}

/* What has arrived meanwhile acts now. */
static void silence_end(struct silence *silence)
{
	if (silence->signals < 0)
		return;
	(void)tcsetattr(silence->fd, TCSAFLUSH, &silence->before);
	close(silence->signals);
	silence->signals = -1;
	sigprocmask(SIG_SETMASK, &silence->mask, NULL);
}

/* Until there is a line; false when a signal has come before it, and we are still here. */
static bool wait_for_line(const struct silence *silence)
{
	struct pollfd polled[] = {{.fd = silence->fd, .events = POLLIN},
	                          {.fd = silence->signals, .events = POLLIN}};
	while (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno == EINTR)
		;
	return polled[1].revents == 0;
}

/* A line typed at the terminal without echo. */
static int ask_secret(struct cli *cli, int fd, const char *question, struct buf *ret,
                      struct errinfo *info)
{
	struct silence silence;
	show_question(cli, question);
	bool silent = silence_begin(&silence, fd);
	while (silent && !wait_for_line(&silence)) {
		silence_end(&silence); /* by most signals this is the end; after a stop we ask again */
		show_question(cli, question);
		silent = silence_begin(&silence, fd);
	}
	int rc = read_line(fd, ret, info);
	silence_end(&silence);
	if (silent)
		fputc('\n', cli->error);
	return rc;
}

static int read_password(struct cli *cli, const char *address, struct buf *line,
                         struct errinfo *info)
{
	const char *file = cli->values[CLI_OPTION_CURRENT_FILE];
	char question[QUESTION_SIZE];
	if (file == NULL && isatty(cli->input)) {
		snprintf(question, sizeof(question), "Current password of %.300s: ", address);
		return ask_secret(cli, cli->input, question, line, info);
	}
	return read_line(cli->current_fd >= 0 ? cli->current_fd : cli->input, line, info);
}

int cli_open_current(struct cli *cli, struct errinfo *info)
{
	const char *file = cli->values[CLI_OPTION_CURRENT_FILE];
	if (file == NULL || strcmp(file, "-") == 0)
		return 0;
	cli->current_fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (cli->current_fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", file, strerror(errno));
	return 0;
}

int cli_read_current(struct cli *cli, const char *address, struct buf *ret, struct errinfo *info)
{
	struct buf line __attribute__((cleanup(buf_done_wiped)));
	buf_init(&line, LINE_MAX_BYTES);
	(void)!buf_reserve(&line, LINE_MAX_BYTES); /* so that it never moves and leaves a copy */
	int rc = read_password(cli, address, &line, info);
	if (rc != 0)
		return rc;
	struct str password = str_trim(buf_str(&line));
	if (password.len == 0)
		return err_set(info, E_DENIED, "a password that opens the mailbox now is needed");
	if (password.len > PASSWORD_MAX)
		return err_set(info, E_DENIED, "that is too long for a password");
	buf_add_str(ret, password);
	return 0;
}

int cli_confirm(struct cli *cli, const char *question, struct errinfo *info)
{
	struct buf line BUF_AUTO;
	char text[QUESTION_SIZE];
	buf_init(&line, LINE_MAX_BYTES);
	if (cli_given(cli, CLI_OPTION_YES))
		return 0;
	snprintf(text, sizeof(text), "%.400s (yes/no) ", question);
	show_question(cli, text);
	int rc = read_line(cli->input, &line, info);
	if (rc != 0)
		return rc;
	return str_eq_nocase(str_trim(buf_str(&line)), STR("yes"))
	           ? 0
	           : err_set(info, E_CANCELLED,
	                     "nothing was done: only the answer yes, or --yes, does it");
}
