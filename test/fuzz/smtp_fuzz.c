/*
 * SMTP input: a command line with its arguments, and the bytes of a message. The first byte picks
 * what the rest is; the second, for messages, where the input is cut in two: the outcome must not
 * depend on that.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/must.h"
#include "smtp/arguments.h"
#include "smtp/data.h"
#include "smtp/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void arguments(struct str text)
{
	static enum smtp_reply_id (*const parsers[])(struct smtp_arguments *) = {
		smtp_parse_nothing, smtp_parse_anything, smtp_parse_something,
		smtp_parse_mail,    smtp_parse_rcpt,     smtp_parse_bdat,
	};

	for (size_t i = 0; i < ARRAY_LEN(parsers); i++) {
		struct smtp_arguments result = {.text = text};
		struct buf canonical BUF_AUTO;

		buf_init(&canonical, 2 * SMTP_PATH_MAX);
		if (parsers[i](&result) != SMTP_REPLY_NONE || result.path.mailbox.len == 0)
			continue;
		must(result.path.mailbox.ptr >= text.ptr &&
		     result.path.mailbox.ptr + result.path.mailbox.len <= text.ptr + text.len);
		smtp_path_canonical(&result.path, &canonical);
		must(!canonical.failed && canonical.len <= result.path.mailbox.len);
		must(str_find_byte(buf_str(&canonical), '\r') < 0);
	}
}

static void commands(struct str input)
{
	struct cursor c = cursor_of(input);
	struct str line, name;
	size_t used;
	bool ended;

	(void)!smtp_helo_name(&c, &name);
	for (;;) {
		enum smtp_line kind = smtp_line_find(input, &line, &used, &ended);

		must(used <= input.len && (kind == SMTP_LINE_PARTIAL) == (used == 0));
		if (used == 0)
			break;
		if (kind == SMTP_LINE_WHOLE)
			arguments(line);
		input = str_from_byte(input, used);
	}
	arguments(input);
}

struct outcome {
	struct smtp_data data;
	struct buf message;
	size_t taken;
	bool end;
};

static void receive(struct outcome *outcome, struct str input, size_t cut, bool chunks)
{
	buf_init(&outcome->message, input.len / 2 + 100);
	smtp_data_init(&outcome->data);
	outcome->taken = 0;
	outcome->end = false;
	for (int piece = 0; piece < 2 && !outcome->end; piece++) {
		struct str bytes = piece == 0 ? str_slice(input, 0, cut) : str_from_byte(input, cut);

		if (chunks)
			smtp_data_feed_chunk(&outcome->data, bytes, &outcome->message);
		else
			outcome->taken += smtp_data_feed(&outcome->data, bytes, &outcome->message,
			                                 &outcome->end);
	}
	if (chunks)
		smtp_data_end_chunks(&outcome->data);
}

static void message(struct str input, size_t cut, bool chunks)
{
	struct outcome whole, parts;

	receive(&whole, input, 0, chunks);
	receive(&parts, input, cut < input.len ? cut : input.len, chunks);
	must(whole.end == parts.end && whole.taken == parts.taken);
	must((whole.data.fault == SMTP_DATA_FINE) == (parts.data.fault == SMTP_DATA_FINE));
	if (whole.data.fault == SMTP_DATA_FINE) {
		must(str_eq(buf_str(&whole.message), buf_str(&parts.message)));
		smtp_trace_count(buf_str(&whole.message));
	}
	buf_done(&whole.message);
	buf_done(&parts.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest;

	if (size < 2)
		return 0;
	rest = STR_OF(data + 2, size - 2);
	if (data[0] % 3 == 0)
		commands(rest);
	else
		message(rest, data[1], data[0] % 3 == 1);
	return 0;
}
