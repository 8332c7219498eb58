#include "imap/reader.h"

#include <string.h>

#include "base/must.h"

void imap_reader_init(struct imap_reader *reader, size_t line_max, size_t text_max)
{
	*reader = (struct imap_reader){.line_max = line_max};
	buf_init_secret(&reader->text, text_max); /* it may come to be a LOGIN */
}

void imap_reader_done(struct imap_reader *reader)
{
	buf_done_wiped(&reader->text);
}

void imap_reader_reset(struct imap_reader *reader)
{
	size_t line_max = reader->line_max, text_max = reader->text.max;
	imap_reader_done(reader); /* wiped: it may have been a LOGIN */
	imap_reader_init(reader, line_max, text_max);
}

bool imap_reader_idle(const struct imap_reader *reader)
{
	return reader->state == READER_LINE && reader->text.len == 0 && !reader->skipping;
}

/* Whether the line, without its end, announces a literal: "{" number ["+"] "}" at its end. A number
 * that does not fit counts as the largest. */
static bool announces_literal(struct imap_reader *reader, struct str line)
{
	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	ptrdiff_t open = str_rfind_byte(line, '{');
	if (open < 0)
		return false;
	struct str size = str_slice(line, (size_t)open + 1, line.len - (size_t)open - 2);
	reader->synchronizing = size.len == 0 || size.ptr[size.len - 1] != '+';
	if (!reader->synchronizing)
		size.len--;
	if (size.len == 0)
		return false;
	for (size_t i = 0; i < size.len; i++)
		if (!ascii_is_digit(size.ptr[i]))
			return false;
	if (!str_to_u64(size, UINT64_MAX, &reader->literal_size))
		reader->literal_size = UINT64_MAX;
	return true;
}

/* Keeps the last bytes of a line that is skipped: an announcement of a literal must be seen even when
 * the input cuts it in two, or the literal's bytes would be read as commands. */
static void tail_add(struct imap_reader *reader, struct str piece)
{
	if (piece.len >= IMAP_TAIL_SIZE) {
		piece = str_from_byte(piece, piece.len - IMAP_TAIL_SIZE);
		reader->tail_len = 0;
	}
	size_t keep = IMAP_TAIL_SIZE - piece.len;
	if (reader->tail_len > keep) {
		memmove(reader->tail, reader->tail + reader->tail_len - keep, keep);
		reader->tail_len = keep;
	}
	if (piece.len > 0)
		memcpy(reader->tail + reader->tail_len, piece.ptr, piece.len);
	reader->tail_len += piece.len;
}

/* From here on nothing is kept but the beginning of the command, which shows the tag; piece is what comes
 * next of it. */
static void refuse(struct imap_reader *reader, struct str piece, bool too_long)
{
	if (!reader->skipping)
		tail_add(reader, str_from_byte(buf_str(&reader->text), reader->line_start));
	if (reader->text.len < IMAP_TAG_ROOM)
		buf_add_str(&reader->text, str_slice(piece, 0, IMAP_TAG_ROOM - reader->text.len));
	reader->skipping = true;
	reader->too_long |= too_long;
}

static struct str without_line_end(struct str line)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* A line of a command that is skipped has ended: goes on with its literal, if the client sends that
 * without waiting. */
static enum imap_read skipped_line(struct imap_reader *reader)
{
	struct str line = without_line_end(STR_OF(reader->tail, reader->tail_len));
	bool full = reader->tail_len == IMAP_TAIL_SIZE;
	reader->tail_len = 0;
	if (announces_literal(reader, line)) {
		if (reader->synchronizing)
			return IMAP_READ_REFUSED;
		reader->literal_left = reader->literal_size;
		reader->state = reader->literal_left > 0 ? READER_LITERAL : READER_LINE;
		return IMAP_READ_MORE;
	}
	/* A number padded with zeros beyond what the tail holds: nobody knows where that would end. */
	bool cut = full && str_ends_nocase(line, STR("}")) && str_find_byte(line, '{') < 0;
	return cut ? IMAP_READ_FLOOD : IMAP_READ_REFUSED;
}

static enum imap_read ended_line(struct imap_reader *reader)
{
	struct str line = without_line_end(str_from_byte(buf_str(&reader->text), reader->line_start));
	if (announces_literal(reader, line)) {
		reader->state = READER_ASK;
		return IMAP_READ_LITERAL;
	}
	reader->text.len = reader->line_start + line.len;
	return IMAP_READ_COMMAND;
}

static size_t feed_line(struct imap_reader *reader, struct str input, enum imap_read *ret)
{
	ptrdiff_t end = str_find_byte(input, '\n');
	size_t used = end < 0 ? input.len : (size_t)end + 1;
	struct str piece = str_slice(input, 0, used);
	reader->line_bytes += used;
	if (!reader->skipping &&
	    (reader->line_bytes > reader->line_max || used > imap_reader_room(reader)))
		refuse(reader, piece, true);
	if (reader->skipping) {
		reader->skipped += used;
		tail_add(reader, piece);
		*ret = end < 0 ? IMAP_READ_MORE : skipped_line(reader);
	} else {
		buf_add_str(&reader->text, piece);
		*ret = end < 0 ? IMAP_READ_MORE : ended_line(reader);
	}
	return used;
}

static size_t feed_literal(struct imap_reader *reader, struct str input)
{
	size_t used = input.len < reader->literal_left ? input.len : (size_t)reader->literal_left;
	if (reader->skipping)
		reader->skipped += used;
	else
		buf_add_str(&reader->text, str_slice(input, 0, used));
	reader->literal_left -= used;
	if (reader->literal_left == 0) {
		reader->state = READER_LINE;
		reader->line_start = reader->text.len;
		reader->tail_len = 0;
	}
	return used;
}

size_t imap_reader_feed(struct imap_reader *reader, struct str input, enum imap_read *ret)
{
	size_t used = 0;
	*ret = IMAP_READ_MORE;
	while (*ret == IMAP_READ_MORE) {
		if (reader->skipped > IMAP_SKIP_MAX + reader->skip_more) {
			*ret = IMAP_READ_FLOOD;
			break;
		}
		struct str left = str_from_byte(input, used);
		if (reader->state == READER_DIVERTED && reader->literal_left == 0) {
			reader->state = READER_LINE;
			reader->line_start = reader->text.len;
		}
		if (left.len == 0)
			break;
		if (reader->state == READER_DIVERTED) {
			*ret = IMAP_READ_DIVERTED;
			break;
		}
		must(reader->state != READER_ASK);
		used += reader->state == READER_LITERAL ? feed_literal(reader, left)
		                                        : feed_line(reader, left, ret);
	}
	return used;
}

size_t imap_reader_room(const struct imap_reader *reader)
{
	return reader->text.max - reader->text.len;
}

void imap_reader_take(struct imap_reader *reader)
{
	must(reader->state == READER_ASK);
	must(reader->skipping || reader->literal_size <= imap_reader_room(reader));
	reader->literal_left = reader->literal_size;
	reader->state = READER_LITERAL;
	if (reader->literal_left == 0) {
		reader->state = READER_LINE;
		reader->line_start = reader->text.len;
	}
}

void imap_reader_divert(struct imap_reader *reader)
{
	must(reader->state == READER_ASK);
	reader->literal_left = reader->literal_size;
	reader->state = READER_DIVERTED;
}

void imap_reader_diverted(struct imap_reader *reader, size_t bytes)
{
	must(reader->state == READER_DIVERTED && bytes <= reader->literal_left);
	reader->literal_left -= bytes;
}

void imap_reader_skip(struct imap_reader *reader, uint64_t more)
{
	refuse(reader, STR(""), false);
	reader->skip_more = more;
	imap_reader_take(reader);
	reader->tail_len = 0;
}
