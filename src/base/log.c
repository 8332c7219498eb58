#include "base/log.h"

#include <poll.h>
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
	log_write_line(log, buf_str(&line));
}

void log_write_line(const struct log *log, struct str line)
{
	/* Of a pipe this means that there is room for a line. */
	struct pollfd writable = {.fd = log->fd, .events = POLLOUT};
	if (log->hasty && poll(&writable, 1, 0) != 1)
		return;
	/* A full disk or a closed pipe must not stop the mail: the line is lost, nothing else. */
	ssize_t written = write(log->fd, line.ptr, line.len);
	(void)written;
}

/* ---------------------------------------------------------------- reading what was written */

static bool is_name(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static bool is_event(char c)
{
	return is_name(c) || c == '.';
}

static bool is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* value = 1*plain / DQUOTE *(printable but DQUOTE and "\" / "\" printable) DQUOTE */
static bool take_value(struct cursor *c)
{
	struct str unused;
	if (!cursor_byte(c, '"'))
		return cursor_span(c, is_plain, &unused) && unused.len > 0;
	for (;;) {
		struct str byte;
		if (cursor_byte(c, '"'))
			return true;
		bool escaped = cursor_byte(c, '\\');
		(void)escaped;
		if (!cursor_take(c, 1, &byte) || !is_printable(byte.ptr[0]))
			return false;
	}
}

static bool is_stamp(struct str name)
{
	static const char *const names[] = {"time", "level", "role", "index", "pid", "event"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(name, str_from(names[i])))
			return true;
	return false;
}

/* fields = *(SP name "=" value) */
static bool are_fields(struct str text)
{
	struct cursor c = cursor_of(text);
	while (!cursor_at_end(&c)) {
		struct str name;
		if (!cursor_byte(&c, ' ') || !cursor_span(&c, is_name, &name) || is_stamp(name) ||
		    !cursor_byte(&c, '=') || !take_value(&c))
			return false;
	}
	return true;
}

bool log_parse(struct str line, struct log_line *ret)
{
	struct cursor c = cursor_of(line);
	struct str unused;
	enum log_level level;
	if (!cursor_text(&c, STR("time=")) || !cursor_span(&c, is_plain, &unused) ||
	    !cursor_text(&c, STR(" level=")) || !cursor_span(&c, is_name, &ret->level) ||
	    !log_level_parse(ret->level, &level) || !cursor_text(&c, STR(" role=")) ||
	    !cursor_span(&c, is_name, &unused) || !cursor_text(&c, STR(" event=")) ||
	    !cursor_span(&c, is_event, &ret->event) || ret->event.len == 0)
		return false;
	ret->fields = cursor_rest(&c);
	return are_fields(ret->fields);
}

void log_add_text(struct buf *out, const char *name, struct str value)
{
	buf_addf(out, " %s=", name);
	add_value(out, value);
}
