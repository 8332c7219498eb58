#include "smtp/data.h"

#include <string.h>

void smtp_data_init(struct smtp_data *data)
{
	*data = (struct smtp_data){.state = SMTP_DATA_LINE};
}

static void set_fault(struct smtp_data *data, enum smtp_data_fault fault)
{
	if (data->fault == SMTP_DATA_FINE)
		data->fault = fault;
}

static void keep(struct smtp_data *data, struct buf *out, const char *from, const char *to)
{
	if (data->fault != SMTP_DATA_FINE || from == to)
		return;
	buf_add(out, from, (size_t)(to - from));
	if (out->failed)
		set_fault(data, SMTP_DATA_TOO_LARGE);
}

/* From within a line to the start of the next one, or to end. */
static const char *take_line(struct smtp_data *data, const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	bool crlf = lf != NULL && lf > p && lf[-1] == '\r';
	const char *stop = lf == NULL ? end : crlf ? lf - 1 : lf;
	const char *cr = memchr(p, '\r', (size_t)(stop - p));

	if (cr != NULL && cr + 1 == end) {
		data->state = SMTP_DATA_CR;
		return end;
	}
	if (cr != NULL) {
		set_fault(data, SMTP_DATA_BARE);
		data->state = SMTP_DATA_TEXT;
		return cr + 1;
	}
	if (lf == NULL) {
		data->state = SMTP_DATA_TEXT;
		return end;
	}
	if (!crlf)
		set_fault(data, SMTP_DATA_BARE);
	data->state = crlf ? SMTP_DATA_LINE : SMTP_DATA_TEXT;
	return lf + 1;
}

/* The byte after a CR that ended a piece. */
static const char *after_cr(struct smtp_data *data, const char *p)
{
	if (*p == '\n') {
		data->state = SMTP_DATA_LINE;
		return p + 1;
	}
	set_fault(data, SMTP_DATA_BARE);
	data->state = SMTP_DATA_TEXT;
	return p;
}

size_t smtp_data_feed(struct smtp_data *data, struct str in, struct buf *out, bool *ret_end)
{
	struct cursor bytes = cursor_of(in); /* never NULL, also when there are none */
	const char *p = bytes.p, *end = bytes.end;
	const char *run = p; /* from here on bytes are kept as they are */

	*ret_end = false;
	while (p < end) {
		switch (data->state) {
		case SMTP_DATA_LINE:
			if (*p != '.') {
				p = take_line(data, p, end);
				break;
			}
			keep(data, out, run, p);
			run = ++p;
			data->state = SMTP_DATA_DOT;
			break;
		case SMTP_DATA_DOT:
			if (*p != '\r') {
				p = take_line(data, p, end);
				break;
			}
			run = ++p;
			data->state = SMTP_DATA_DOT_CR;
			break;
		case SMTP_DATA_DOT_CR:
			if (*p == '\n') {
				*ret_end = true;
				return (size_t)(p + 1 - bytes.p);
			}
			p = after_cr(data, p);
			break;
		case SMTP_DATA_CR:
			p = after_cr(data, p);
			break;
		case SMTP_DATA_TEXT:
			p = take_line(data, p, end);
			break;
		}
	}
	keep(data, out, run, end);
	return in.len;
}

void smtp_data_feed_chunk(struct smtp_data *data, struct str in, struct buf *out)
{
	struct cursor bytes = cursor_of(in);
	const char *p = bytes.p, *end = bytes.end;

	while (p < end)
		p = data->state == SMTP_DATA_CR ? after_cr(data, p) : take_line(data, p, end);
	keep(data, out, bytes.p, end);
}

void smtp_data_end_chunks(struct smtp_data *data)
{
	if (data->state == SMTP_DATA_CR)
		set_fault(data, SMTP_DATA_BARE);
}
