#ifndef POSTKASSE_BASE_LOG_H
#define POSTKASSE_BASE_LOG_H

/*
 * Structured logging: one logfmt line an event, to a descriptor.
 *
 *     time=2026-11-23T09:15:00.123Z level=info role=smtp event=smtp.accepted mailbox=353a… size=3210
 *
 * Event names are stable ("role.what_happened"). Never logged: an address of a correspondent, a
 * subject, content, a password, a key. The user's own identity appears only as the mailbox id.
 * Values that a peer chose are cut at LOG_VALUE_MAX bytes and quoted; control characters and bytes
 * above 0x7e become \xNN. No field is named time, level, role, index, pid or event: the supervisor puts
 * its own word for these in front of what a process says (main/process_log.h).
 */

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum { LOG_VALUE_MAX = 200, LOG_LINE_MAX = 4000 };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
	struct str text;
	int64_t number;
};

#define F_STR(name_, str_) ((struct log_field){(name_), LOG_FIELD_STR, (str_), 0})
#define F_TEXT(name_, c_string_) \
	((struct log_field){(name_), LOG_FIELD_STR, str_from(c_string_), 0})
#define F_INT(name_, number_) \
	((struct log_field){(name_), LOG_FIELD_INT, {NULL, 0}, (int64_t)(number_)})
/* error=NAME */
#define F_ERR(error_) F_TEXT("error", err_name(error_))

/* What a process logs with; role and fd are borrowed. Lines below level are not written. */
struct log {
	const char *role;
	int fd;
	enum log_level level;
	bool hasty; /* a line that would have to wait for room is lost instead */
};

/* log_info(log, "smtp.accepted", F_INT("size", size)); at least one field, and log may be NULL. */
#define log_debug(log, event, ...) log_write_fields(log, LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(log, event, ...)  log_write_fields(log, LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(log, event, ...)  log_write_fields(log, LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(log, event, ...) log_write_fields(log, LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_write_fields(log, level, event, ...) \
	log_write(log, level, event, (const struct log_field[]){__VA_ARGS__, {0}})

/* Writes one line with a single write(); a line that does not fit LOG_LINE_MAX is cut. May be
 * called from any thread. The second form takes a line that is ready, newline included. */
void log_write(const struct log *log, enum log_level level, const char *event,
               const struct log_field *fields);
void log_write_line(const struct log *log, struct str line);
/* Appends the line that log_write would write, newline included; for tests. */
void log_format(struct buf *out, const char *role, int64_t realtime_us, enum log_level level,
                const char *event, const struct log_field *fields);
/* A line without its newline, as log_format writes it, taken apart; borrowed from line. */
struct log_line {
	struct str level, event;
	struct str
		fields; /* each with a blank before it; the names time, level, role, index, pid and event
	                      are not among them */
};
/* False for anything that log_format would not have written. */
bool log_parse(struct str line, struct log_line *ret);
/* Appends a blank, name=value; the value cut and quoted as everywhere. */
void log_add_text(struct buf *out, const char *name, struct str value);
/* "debug", "info", "warn", "error"; false for another word. */
bool log_level_parse(struct str word, enum log_level *ret);

#endif
