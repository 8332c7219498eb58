#include "main/process_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define STAMP "time=1970-01-01T00:00:00.000Z level="
#define WHO   " role=imap index=3 pid=77 event="
#define OURS  "time=2026-11-25T04:00:00.000Z level=info role=imap event=imap.login"

/* What a process writes, and what of it stands after the time. */
static const struct {
	const char *written, *expected;
} lines[] = {
	{OURS " mailbox=353a tls=1", "info" WHO "imap.login mailbox=353a tls=1"},
	{OURS " text=\"two words \\\" \\\\ \\x0d\"",
     "info" WHO "imap.login text=\"two words \\\" \\\\ \\x0d\""},
	{"time=x level=debug role=store event=link.lost core=store",
     "debug" WHO "link.lost core=store"},
	/* In another's name. */
	{"time=x level=info role=store event=store.ready workers=4",
     "error" WHO
     "process.output text=\"time=x level=info role=store event=store.ready workers=4\""},
	{"time=x level=info role=imap event=supervisor.ended process=store",
     "error" WHO
     "process.output text=\"time=x level=info role=imap event=supervisor.ended process=store\""},
	{OURS " role=store", "error" WHO "process.output text=\"" OURS " role=store\""},
	{OURS " x=1 event=smtp.accepted",
     "error" WHO "process.output text=\"" OURS " x=1 event=smtp.accepted\""},
	{OURS " x=1 pid=1", "error" WHO "process.output text=\"" OURS " x=1 pid=1\""},
	/* No line of ours. */
	{"==77==ERROR: AddressSanitizer",
     "error" WHO "process.output text=\"==77==ERROR: AddressSanitizer\""},
	{"", "error" WHO "process.output text=\"\""},
	{OURS " x", "error" WHO "process.output text=\"" OURS " x\""},
	{OURS " x=", "error" WHO "process.output text=\"" OURS " x=\""},
	{OURS " x=\"a", "error" WHO "process.output text=\"" OURS " x=\\\"a\""},
	{OURS " x=\"a\"b", "error" WHO "process.output text=\"" OURS " x=\\\"a\\\"b\""},
	{OURS "  x=a", "error" WHO "process.output text=\"" OURS "  x=a\""},
	{"time=x level=fatal role=imap event=imap.x",
     "error" WHO "process.output text=\"time=x level=fatal role=imap event=imap.x\""},
	{"a\rb\x1b[31m\xff", "error" WHO "process.output text=\"a\\x0db\\x1b[31m\\xff\""},
	{OURS " x=\"a\rb\"", "error" WHO "process.output text=\"" OURS " x=\\\"a\\x0db\\\"\""},
};

static struct process_log make_log(int *ret_write_fd)
{
	struct process_log log;
	struct errinfo info;
	assert_int_equal(process_log_open(&log, ret_write_fd, &info), 0);
	process_log_start(&log, kind_find(STR("imap")), 3, 77);
	return log;
}

static void nobody_writes_in_anothers_name(void **state)
{
	(void)state;
	struct process_log log = {.fd = -1};
	process_log_start(&log, kind_find(STR("imap")), 3, 77);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct buf out BUF_AUTO, expected BUF_AUTO;
		buf_init(&out, LOG_LINE_MAX * 2);
		buf_init(&expected, LOG_LINE_MAX * 2);
		buf_addf(&expected, STAMP "%s\n", lines[i].expected);
		process_log_stamp(&out, &log, 0, str_from(lines[i].written));
		if (!str_eq(buf_str(&out), buf_str(&expected)))
			fail_msg("%.*s", STR_ARG(buf_str(&out)));
	}
}

/* Reads all that the supervisor passed on. */
static struct str passed_on(int fd, char *to, size_t size)
{
	ssize_t got = read(fd, to, size);
	return STR_OF(to, got < 0 ? 0 : (size_t)got);
}

static size_t lines_in(struct str text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '\n';
	return count;
}

static void lines_come_whole(void **state)
{
	(void)state;
	static char text[64 * 1024];
	int ours, out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	const struct log to = {"supervisor", out[1], LOG_LEVEL_INFO, true};
	struct process_log log = make_log(&ours);
	/* A line in pieces is one line; two in one piece are two. */
	const char *line = OURS " x=1\n";
	for (size_t i = 0; i < strlen(line); i++) {
		assert_int_equal(passed_on(out[0], text, sizeof(text)).len, 0);
		assert_int_equal(write(ours, line + i, 1), 1);
		process_log_read(&log, &to, 1000);
	}
	assert_int_equal(lines_in(passed_on(out[0], text, sizeof(text))), 1);
	assert_int_equal(write(ours, OURS " x=1\n" OURS " y=2\n", 2 * strlen(line)), 2 * strlen(line));
	process_log_read(&log, &to, 1000);
	assert_int_equal(lines_in(passed_on(out[0], text, sizeof(text))), 2);
	/* One without an end is cut, and its rest is no line of its own. */
	char longer[3 * LOG_LINE_MAX];
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + LOG_LINE_MAX, line, strlen(line) - 1);
	longer[sizeof(longer) - 1] = '\n';
	assert_int_equal(write(ours, longer, sizeof(longer)), sizeof(longer));
	process_log_read(&log, &to, 1000);
	process_log_read(&log, &to, 1000);
	struct str got = passed_on(out[0], text, sizeof(text));
	assert_int_equal(lines_in(got), 1);
	assert_true(got.len < LOG_LINE_MAX);
	/* What a process said last is not lost with it, not even half a line. */
	assert_int_equal(write(ours, OURS, strlen(OURS)), strlen(OURS));
	close(ours);
	process_log_end(&log, &to);
	assert_int_equal(log.fd, -1);
	assert_int_equal(lines_in(passed_on(out[0], text, sizeof(text))), 1);
	close(out[0]);
	close(out[1]);
}

static void nobody_waits_for_the_other(void **state)
{
	(void)state;
	static char junk[4096];
	int ours, out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	const struct log to = {"supervisor", out[1], LOG_LEVEL_INFO, true};
	struct process_log log = make_log(&ours);
	memset(junk, 'x', sizeof(junk));
	junk[sizeof(junk) - 1] = '\n';
	/* Nobody reads: the process loses lines and goes on. */
	while (write(ours, junk, sizeof(junk)) == sizeof(junk))
		;
	assert_int_equal(errno, EAGAIN);
	/* It is read no faster than it may write, however much it writes; and then it is told of. */
	int64_t now_ms = clock_monotonic_ms();
	size_t taken = 0;
	while (process_log_fd(&log, now_ms) >= 0) {
		process_log_read(&log, &to, now_ms);
		/* What comes meanwhile is read in one go. */
		if (!log.limited) {
			assert_int_equal(process_log_fd(&log, now_ms), -1);
			assert_int_equal(process_log_due_ms(&log, now_ms), now_ms + PROCESS_LOG_PAUSE_MS);
			now_ms += PROCESS_LOG_PAUSE_MS;
		}
		taken += sizeof(junk);
		assert_true(taken <= (PROCESS_LOG_BURST_S + 1) * PROCESS_LOG_BYTES_PER_S);
		while (write(ours, junk, sizeof(junk)) == sizeof(junk))
			;
	}
	assert_true(log.limited);
	int64_t due_ms = process_log_due_ms(&log, now_ms);
	assert_true(due_ms > now_ms && due_ms < now_ms + 1000);
	assert_int_equal(process_log_fd(&log, due_ms), log.fd);
	/* And we never wait for whoever reads our log: out is full since long ago. */
	assert_int_equal(write(out[1], junk, sizeof(junk)), -1);
	close(ours);
	process_log_end(&log, &to);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_writes_in_anothers_name),
		cmocka_unit_test(lines_come_whole),
		cmocka_unit_test(nobody_waits_for_the_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
