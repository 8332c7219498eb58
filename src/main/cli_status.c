#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "main/cli_status.h"
#include "main/expiry.h"
#include "main/supervisor_status.h"

/* status: what the supervisor tells, and what the cores tell. */

enum {
	CONNECT_MS = 5000,
	DAY = 86400,
	CORE_MS = 5000, /* for an answer of a core: a health check has no patience */
};

/* ---------------------------------------------------------------- what is wrong */

void status_say(struct status *status, bool problem, const char *format, ...)
{
	struct buf *to = problem ? &status->problems : &status->warnings;
	va_list arguments;
	char text[300];
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buf_addf(to, "%s\n", text);
}

static void print_lines(struct cli *cli, const char *name, const struct buf *lines)
{
	struct str rest = buf_str(lines);
	if (cli->json) {
		json_name(&cli->writer, name);
		json_array(&cli->writer);
	}
	while (rest.len > 0) {
		ptrdiff_t end = str_find_byte(rest, '\n');
		struct str line = str_slice(rest, 0, (size_t)end);
		if (cli->json)
			json_str(&cli->writer, line);
		else
			buf_addf(cli->out, "%s: %.*s\n", name, STR_ARG(line));
		rest = str_from_byte(rest, (size_t)end + 1);
	}
	if (cli->json)
		json_array_end(&cli->writer);
}

void cli_add_age(struct buf *out, uint64_t seconds)
{
	if (seconds >= 2 * DAY)
		buf_addf(out, "%llu days", (unsigned long long)seconds / DAY);
	else if (seconds >= 7200)
		buf_addf(out, "%llu hours", (unsigned long long)seconds / 3600);
	else if (seconds >= 120)
		buf_addf(out, "%llu minutes", (unsigned long long)seconds / 60);
	else
		buf_addf(out, "%llu s", (unsigned long long)seconds);
}

/* ---------------------------------------------------------------- the supervisor's answer */

static int ask_supervisor(struct cli *cli, struct buf *ret, struct errinfo *info)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int64_t deadline_ms = clock_monotonic_ms() + CONNECT_MS;
	if (!supervisor_status_path(cli->config, address.sun_path, sizeof(address.sun_path)))
		return err_set(info, E_INVALID, "run_dir: too long for the path of a socket");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		rc = errno == EACCES
		         ? err_set(info, E_DENIED, "run_dir: %s: %s", address.sun_path, strerror(errno))
		         : err_set(info, E_UNAVAILABLE, "the service does not run: %s: %s",
		                   address.sun_path, strerror(errno));
	while (rc == 0) {
		char piece[4096];
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ms - clock_monotonic_ms();
		if (left <= 0 || poll(&readable, 1, (int)left) <= 0) {
			rc = err_set(info, E_UNAVAILABLE, "the service does not answer in %s",
			             address.sun_path);
			break;
		}
		ssize_t got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
		if (got <= 0)
			break;
		buf_add(ret, piece, (size_t)got);
	}
	if (fd >= 0)
		close(fd);
	if (rc == 0 && (ret->len == 0 || ret->failed))
		rc = err_set(info, E_DENIED, "the service answers root and its own user only");
	return rc;
}

/* The value of name in a line; "file" goes to its end. */
static struct str value_of(struct str line, const char *name)
{
	char mark[32];
	int len = snprintf(mark, sizeof(mark), " %s=", name);
	ptrdiff_t at = str_find(line, STR_OF(mark, len));
	if (at < 0)
		return STR("");
	struct str value = str_from_byte(line, (size_t)at + (size_t)len);
	ptrdiff_t blank = strcmp(name, "file") == 0 ? -1 : str_find_byte(value, ' ');
	return blank < 0 ? value : str_slice(value, 0, (size_t)blank);
}

static int64_t number_of(struct str line, const char *name)
{
	struct str value = value_of(line, name);
	bool negative = str_starts(value, STR("-"));
	uint64_t number = 0;
	if (!str_to_u64(str_from_byte(value, negative ? 1 : 0), INT64_MAX, &number))
		return 0;
	return negative ? -(int64_t)number : (int64_t)number;
}

static void json_value(struct json *json, struct str line, const char *name, bool number)
{
	json_name(json, name);
	if (number)
		json_signed(json, number_of(line, name));
	else
		json_str(json, value_of(line, name));
}

static void print_service(struct status *status, struct str line)
{
	struct cli *cli = status->cli;
	if (cli->json) {
		json_name(&cli->writer, "service");
		json_object(&cli->writer);
		json_value(&cli->writer, line, "version", false);
		json_value(&cli->writer, line, "pid", true);
		json_value(&cli->writer, line, "seconds", true);
		json_value(&cli->writer, line, "phase", false);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "postkasse %.*s, pid %lld, %.*s since ",
		         STR_ARG(value_of(line, "version")), (long long)number_of(line, "pid"),
		         STR_ARG(value_of(line, "phase")));
		cli_add_age(cli->out, (uint64_t)number_of(line, "seconds"));
		buf_add_byte(cli->out, '\n');
	}
	if (!str_eq(value_of(line, "version"), STR(POSTKASSE_VERSION)))
		status_say(status, false,
		           "version %.*s runs, " POSTKASSE_VERSION " is installed: restart it",
		           STR_ARG(value_of(line, "version")));
	if (!str_eq(value_of(line, "phase"), STR("serving")))
		status_say(status, true, "the service is stopping");
}

static void print_configuration(struct status *status, struct str line)
{
	struct cli *cli = status->cli;
	char now[2 * STATUS_DIGEST_SIZE + 1];
	hex_encode(status->digest, STATUS_DIGEST_SIZE, now);
	bool differs = status->has_digest && !str_eq(value_of(line, "digest"), str_from(now));
	if (cli->json) {
		json_name(&cli->writer, "configuration");
		json_object(&cli->writer);
		json_value(&cli->writer, line, "file", false);
		json_value(&cli->writer, line, "digest", false);
		json_value(&cli->writer, line, "seconds", true);
		json_bool_field(&cli->writer, "differs", differs);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "configuration %.*s, version %.*s, in force since ",
		         STR_ARG(value_of(line, "file")), STR_ARG(value_of(line, "digest")));
		cli_add_age(cli->out, (uint64_t)number_of(line, "seconds"));
		buf_add_byte(cli->out, '\n');
	}
	if (differs)
		status_say(status, false, "the configuration file has changed since it was read: SIGHUP");
}

static void print_certificate(struct status *status, struct str line)
{
	struct cli *cli = status->cli;
	struct str option = value_of(line, "option");
	int64_t days = number_of(line, "days");
	if (cli->json) {
		json_object(&cli->writer);
		json_value(&cli->writer, line, "option", false);
		json_name(&cli->writer, "days");
		json_signed(&cli->writer, days);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "%.*s: %lld %s left\n", STR_ARG(option), (long long)days,
		         days == 1 ? "day" : "days");
	}
	if (days < 0)
		status_say(status, true, "%.*s: has expired", STR_ARG(option));
	else if (days < EXPIRY_WARN_DAYS)
		status_say(status, false, "%.*s: ends in %lld %s", STR_ARG(option), (long long)days,
		           days == 1 ? "day" : "days");
}

static void print_process(struct status *status, struct str line)
{
	struct cli *cli = status->cli;
	struct str kind = value_of(line, "kind");
	bool ready = number_of(line, "ready") == 1;
	if (cli->json) {
		static const char *const numbers[] = {"index", "pid", "seconds", "restarts"};
		json_object(&cli->writer);
		json_value(&cli->writer, line, "kind", false);
		for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
			json_value(&cli->writer, line, numbers[i], true);
		json_bool_field(&cli->writer, "ready", ready);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "process %-10.*s pid %-8lld %s", STR_ARG(kind),
		         (long long)number_of(line, "pid"), ready ? "serves since " : "does not serve");
		if (ready)
			cli_add_age(cli->out, (uint64_t)number_of(line, "seconds"));
		buf_addf(cli->out, ", %lld %s\n", (long long)number_of(line, "restarts"),
		         number_of(line, "restarts") == 1 ? "restart" : "restarts");
	}
	if (!ready)
		status_say(status, true, "a process of %.*s does not serve", STR_ARG(kind));
	else if (number_of(line, "restarts") > 0)
		status_say(status, false, "a process of %.*s was started again (%lld)", STR_ARG(kind),
		           (long long)number_of(line, "restarts"));
}

static void print_link(struct status *status, struct str line)
{
	struct cli *cli = status->cli;
	struct str kind = value_of(line, "kind"), core = value_of(line, "core");
	struct str address = value_of(line, "address");
	bool up = number_of(line, "up") == 1;
	if (cli->json) {
		json_object(&cli->writer);
		json_value(&cli->writer, line, "kind", false);
		json_value(&cli->writer, line, "index", true);
		json_value(&cli->writer, line, "core", false);
		json_value(&cli->writer, line, "address", false);
		json_bool_field(&cli->writer, "up", up);
		json_value(&cli->writer, line, "seconds", true);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "link of %.*s to the %.*s (%.*s): %s since ", STR_ARG(kind),
		         STR_ARG(core), STR_ARG(address), up ? "up" : "down");
		cli_add_age(cli->out, (uint64_t)number_of(line, "seconds"));
		buf_add_byte(cli->out, '\n');
	}
	if (!up)
		status_say(status, true, "the link of %.*s to the %.*s (%.*s) is down", STR_ARG(kind),
		           STR_ARG(core), STR_ARG(address));
}

/* Calls print for every line of the answer that begins with word. */
static void each_line(struct status *status, struct str answer, struct str word,
                      void (*print)(struct status *status, struct str line))
{
	while (answer.len > 0) {
		ptrdiff_t end = str_find_byte(answer, '\n');
		struct str line = str_slice(answer, 0, end < 0 ? answer.len : (size_t)end);
		if (str_starts(line, word))
			print(status, line);
		answer = str_from_byte(answer, line.len + 1);
	}
}

static void print_array(struct status *status, struct str answer, const char *name, struct str word,
                        void (*print)(struct status *status, struct str line))
{
	struct cli *cli = status->cli;
	if (cli->json) {
		json_name(&cli->writer, name);
		json_array(&cli->writer);
	}
	each_line(status, answer, word, print);
	if (cli->json)
		json_array_end(&cli->writer);
}

static void print_answer(struct status *status, struct str answer)
{
	each_line(status, answer, STR("service "), print_service);
	each_line(status, answer, STR("configuration "), print_configuration);
	print_array(status, answer, "certificates", STR("certificate "), print_certificate);
	print_array(status, answer, "processes", STR("process "), print_process);
	print_array(status, answer, "links", STR("link "), print_link);
}

/* ---------------------------------------------------------------- status */

static int print_health(struct status *status)
{
	struct cli *cli = status->cli;
	bool healthy = status->problems.len == 0;
	print_lines(cli, cli->json ? "problems" : "problem", &status->problems);
	print_lines(cli, cli->json ? "warnings" : "warning", &status->warnings);
	if (cli->json) {
		json_text_field(&cli->writer, "health", healthy ? "healthy" : "degraded");
		json_object_end(&cli->writer);
	} else {
		buf_add_text(cli->out, healthy ? "healthy\n" : "degraded\n");
	}
	return healthy ? 0 : CLI_SAID;
}

int cli_status(struct cli *cli, struct errinfo *info)
{
	struct status status = {.cli = cli};
	struct errinfo unused;
	struct buf answer BUF_AUTO;
	buf_init(&answer, STATUS_TEXT_MAX);
	int rc = cli_load_config(cli, info);
	if (rc == 0) /* while we may: see cores_open */
		status.has_digest = settings_digest(cli->values[CLI_OPTION_CONFIG], status.digest,
		                                    &unused) == 0;
	if (rc == 0)
		rc = ask_supervisor(cli, &answer, info);
	if (rc != 0)
		return rc;
	buf_init(&status.problems, STATUS_TEXT_MAX);
	buf_init(&status.warnings, STATUS_TEXT_MAX);
	cli->deadline_ms = CORE_MS;
	if (cli->json)
		json_object(&cli->writer);
	print_answer(&status, buf_str(&answer));
	cli->one_core = true; /* that of another host has a status there */
	if (settings_has_role(cli->config, "directory") || settings_has_role(cli->config, "store"))
		status_of_cores(&status);
	rc = print_health(&status);
	buf_done(&status.problems);
	buf_done(&status.warnings);
	return rc;
}
