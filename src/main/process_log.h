#ifndef POSTKASSE_MAIN_PROCESS_LOG_H
#define POSTKASSE_MAIN_PROCESS_LOG_H

/*
 * The log of one process, as the supervisor reads it from a pipe of its own: nobody can write lines in
 * another's name. Each line gets the supervisor's time and the process's role, index and pid in front of
 * what the process says:
 *
 *     time=2026-11-23T09:15:00.123Z level=info role=imap index=0 pid=77 event=imap.login mailbox=353a...
 *
 * What is not a line of our log, or tells an event of another role, becomes event=process.output with
 * the text quoted. A process that writes more than PROCESS_LOG_BYTES_PER_S is not read for a while and
 * loses lines, without waiting for us or we for it.
 */

#include "base/log.h"
#include "main/kinds.h"

enum {
	PROCESS_LOG_BYTES_PER_S = 1000000,
	PROCESS_LOG_BURST_S = 4,
	/* After it was read a log is left alone for so long: what comes meanwhile is read in one go, which
	 * saves most of what a line costs when there are many. */
	PROCESS_LOG_PAUSE_MS = 20,
};

struct process_log {
	int fd; /* -1: none */
	const struct kind *kind;
	unsigned index;
	int64_t pid;
	int64_t used_us; /* up to when what it wrote would have been its share */
	int64_t next_ms; /* when it is read again */
	bool limited;    /* it writes too much, and was told of */
	bool passing;    /* over the rest of an overlong line */
	size_t len;
	char line[LOG_LINE_MAX];
};

/* A pipe: the reading end is of log, *ret_write_fd is for the process. Both close-on-exec, non-blocking. */
int process_log_open(struct process_log *log, int *ret_write_fd, struct errinfo *info) MUST_USE;
/* The process that has the other end. */
void process_log_start(struct process_log *log, const struct kind *kind, unsigned index,
                       int64_t pid);
/* The descriptor to poll for reading, -1 while it is left alone, or too much was read. */
int process_log_fd(const struct process_log *log, int64_t now_ms);
/* When process_log_fd is to be asked again; INT64_MAX: not by time. */
int64_t process_log_due_ms(const struct process_log *log, int64_t now_ms);
/* Takes some of what is there and passes complete lines on. */
void process_log_read(struct process_log *log, const struct log *to, int64_t now_ms);
/* The process has ended: takes what is left, within bounds, and closes. */
void process_log_end(struct process_log *log, const struct log *to);

/* Appends the line, which has no newline, as that of the process; for tests. */
void process_log_stamp(struct buf *out, const struct process_log *log, int64_t realtime_us,
                       struct str line);

#endif
