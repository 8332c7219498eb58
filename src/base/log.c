#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};

bool log_level_parse(struct str word, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (str_eq(word, str_from(level_names[i]))) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool is_plain(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '/' ||
	       c == '+' || c == ',' || c == '@' || c == '*';
}

static void add_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '"' || c == '\\') {
			buf_add_byte(out, '\\');
			buf_add_byte(out, c);
		} else if (c < 0x20 || c > 0x7e) {
			char hex[3];
			hex_encode(&c, 1, hex);
			buf_add_text(out, "\\x");
			buf_add(out, hex, 2);
		} else {
			buf_add_byte(out, c);
		}
	}
	buf_add_byte(out, '"');
}

static void add_value(struct buf *out, struct str text)
{
	text = str_slice(text, 0, LOG_VALUE_MAX);
	size_t plain = 0;
	while (plain < text.len && is_plain(text.ptr[plain]))
		plain++;
	if (text.len > 0 && plain == text.len)
		buf_add_str(out, text);
	else
		add_quoted(out, text);
}

void log_format(struct buf *out, const char *role, int64_t realtime_us, enum log_level level,
                const char *event, const struct log_field *fields)
{
	char time[ISO8601_SIZE];
	iso8601_format(realtime_us, time);
	buf_addf(out, "time=%s level=%s role=%s event=%s", time, level_names[level], role, event);
	for (; fields->name != NULL; fields++) {
		buf_addf(out, " %s=", fields->name);
		if (fields->kind == LOG_FIELD_INT)
			buf_addf(out, "%lld", (long long)fields->number);
		else
			add_value(out, fields->text);
	}
	buf_add_byte(out, '\n');
}

void log_write(const struct log *log, enum log_level level, const char *event,
               const struct log_field *fields)
{
	if (log == NULL || level < log->level)
		return;
	struct buf line BUF_AUTO;
	buf_init(&line, LOG_LINE_MAX);
	log_format(&line, log->role, clock_realtime_us(), level, event, fields);
	if (line.len > 0 && line.ptr[line.len - 1] != '\n')
		line.ptr[line.len - 1] = '\n';
	/* A full disk or a closed pipe must not stop the mail: the line is lost, nothing else. */
	ssize_t written = write(log->fd, line.ptr, line.len);
	(void)written;
}
