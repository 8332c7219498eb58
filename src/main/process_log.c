#include "main/process_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	READ_SIZE = 32 * 1024, /* in one go: then it is another's turn */
	LEFT_MAX = 128 * 1024, /* read of a process that has ended: more than a pipe holds */
	STAMP_MAX = 64,        /* what a stamp adds to a line */
	US_PER_BYTE = 1000000 / PROCESS_LOG_BYTES_PER_S,
	BURST_US = PROCESS_LOG_BURST_S * 1000000,
};

int process_log_open(struct process_log *log, int *ret_write_fd, struct errinfo *info)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_set(info, err_from_errno(errno), "pipe: %s", strerror(errno));
	*log = (struct process_log){.fd = fds[0]};
	*ret_write_fd = fds[1];
	return 0;
}

void process_log_start(struct process_log *log, const struct kind *kind, unsigned index,
                       int64_t pid)
{
	log->kind = kind;
	log->index = index;
	log->pid = pid;
}

/* ---------------------------------------------------------------- lines */

/* Whether the event is named after another role, or the supervisor. */
static bool is_of_another(const struct kind *kind, struct str event)
{
	ptrdiff_t dot = str_find_byte(event, '.');
	struct str word = dot < 0 ? event : str_slice(event, 0, (size_t)dot);
	const struct kind *named = kind_find(word);
	return (named != NULL && named != kind) || str_eq(word, STR("supervisor"));
}

void process_log_stamp(struct buf *out, const struct process_log *log, int64_t realtime_us,
                       struct str line)
{
	struct log_line parts;
	char time[ISO8601_SIZE];
	iso8601_format(realtime_us, time);
	bool ours = log_parse(line, &parts) && !is_of_another(log->kind, parts.event);
	struct str level = ours ? parts.level : STR("error");
	buf_addf(out, "time=%s level=%.*s role=%s index=%u pid=%lld event=", time, STR_ARG(level),
	         log->kind->name, log->index, (long long)log->pid);
	if (ours) {
		buf_add_str(out, parts.event);
		buf_add_str(out, parts.fields);
	} else {
		buf_add_text(out, "process.output");
		log_add_text(out, "text", line);
	}
	buf_add_byte(out, '\n');
}

static void flush(struct buf *batch, size_t len, const struct log *to)
{
	if (len > 0)
		log_write_line(to, str_slice(buf_str(batch), 0, len));
	buf_consume(batch, len);
}

/* Lines are written together as far as a pipe takes them whole or not at all. */
static void pass_on(struct process_log *log, const struct log *to, struct buf *batch)
{
	size_t before = batch->len;
	if (log->len == 0)
		return;
	process_log_stamp(batch, log, clock_realtime_us(), STR_OF(log->line, log->len));
	if (batch->failed) { /* too long: this one is lost */
		batch->failed = false;
		batch->len = before;
	}
	if (batch->len > PIPE_BUF)
		flush(batch, before, to);
	log->len = 0;
}

/* An overlong line ends where there is no more room for it. */
static void take(struct process_log *log, const struct log *to, struct str bytes)
{
	struct buf batch BUF_AUTO;
	buf_init(&batch, PIPE_BUF + LOG_LINE_MAX + STAMP_MAX);
	for (size_t i = 0; i < bytes.len; i++) {
		bool end = bytes.ptr[i] == '\n';
		if (!end && !log->passing)
			log->line[log->len++] = bytes.ptr[i];
		if (end || log->len == sizeof(log->line)) {
			pass_on(log, to, &batch);
			log->passing = !end;
		}
	}
	flush(&batch, batch.len, to);
}

/* ---------------------------------------------------------------- the pipe */

static void close_pipe(struct process_log *log, const struct log *to)
{
	take(log, to, STR("\n")); /* half a line, too */
	close(log->fd);
	log->fd = -1;
}

int process_log_fd(const struct process_log *log, int64_t now_ms)
{
	bool left_alone = now_ms < log->next_ms || log->used_us - now_ms * 1000 > BURST_US;
	return left_alone ? -1 : log->fd;
}

int64_t process_log_due_ms(const struct process_log *log, int64_t now_ms)
{
	if (log->fd < 0 || process_log_fd(log, now_ms) >= 0)
		return INT64_MAX;
	int64_t share_ms = (log->used_us - BURST_US) / 1000 + 1;
	return share_ms > log->next_ms ? share_ms : log->next_ms;
}

static void count(struct process_log *log, const struct log *to, size_t bytes, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000;
	if (log->used_us < now_us) {
		log->used_us = now_us;
		log->limited = false;
	}
	log->used_us += (int64_t)bytes * US_PER_BYTE;
	if (log->used_us - now_us <= BURST_US || log->limited)
		return;
	log->limited = true;
	log_warn(to, "supervisor.log_limited", F_TEXT("process", log->kind->name),
	         F_INT("index", log->index), F_INT("pid", log->pid));
}

/* False: there is nothing more. */
static bool read_some(struct process_log *log, const struct log *to, int64_t now_ms)
{
	char bytes[READ_SIZE];
	ssize_t got = read(log->fd, bytes, sizeof(bytes));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		close_pipe(log, to);
		return false;
	}
	take(log, to, STR_OF(bytes, (size_t)got));
	count(log, to, (size_t)got, now_ms);
	return true;
}

void process_log_read(struct process_log *log, const struct log *to, int64_t now_ms)
{
	log->next_ms = now_ms + PROCESS_LOG_PAUSE_MS;
	if (log->fd >= 0)
		(void)read_some(log, to, now_ms);
}

void process_log_end(struct process_log *log, const struct log *to)
{
	size_t left = LEFT_MAX / READ_SIZE;
	while (log->fd >= 0 && left-- > 0 && read_some(log, to, clock_monotonic_ms()))
		;
	if (log->fd >= 0)
		close_pipe(log, to);
}
