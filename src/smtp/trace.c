#include "smtp/trace.h"

#include <string.h>

#include "mail/date.h"

const char *smtp_trace_protocol(bool esmtp, bool utf8, bool tls)
{
	if (utf8)
		return tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (esmtp)
		return tls ? "ESMTPS" : "ESMTP";
	return "SMTP";
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]", section 4.1.3 */
static void address_literal(struct str address, struct buf *out)
{
	buf_add_text(out, str_find_byte(address, ':') >= 0 ? "[IPv6:" : "[");
	buf_add_str(out, address);
	buf_add_byte(out, ']');
}

void smtp_trace_write(const struct smtp_trace *trace, struct buf *out)
{
	bool tls = trace->tls_version.len > 0;
	char date[MAIL_DATE_SIZE];

	buf_add_str(out, STR("Return-Path: <"));
	buf_add_str(out, trace->reverse_path);
	buf_add_str(out, STR(">\r\nReceived: from "));
	buf_add_str(out, trace->helo);
	if (trace->remote.len > 0) {
		buf_add_str(out, STR(" ("));
		address_literal(trace->remote, out);
		buf_add_byte(out, ')');
	}
	buf_add_str(out, STR("\r\n\tby "));
	buf_add_str(out, trace->hostname);
	buf_add_str(out, STR(" (postkasse) with "));
	buf_add_text(out, smtp_trace_protocol(trace->esmtp, trace->utf8, tls));
	buf_add_str(out, STR(" id "));
	buf_add_str(out, trace->id);
	if (tls) {
		buf_add_str(out, STR("\r\n\t("));
		buf_add_str(out, trace->tls_version);
		buf_add_byte(out, ' ');
		buf_add_str(out, trace->tls_cipher);
		buf_add_byte(out, ')');
	}
	if (trace->recipient.len > 0) {
		buf_add_str(out, STR("\r\n\tfor <"));
		buf_add_str(out, trace->recipient);
		buf_add_byte(out, '>');
	}
	buf_add_str(out, STR(";\r\n\t"));
	mail_date_format(trace->seconds, 0, date);
	buf_add_text(out, date);
	buf_add_str(out, STR("\r\n"));
}

size_t smtp_trace_count(struct str message)
{
	struct cursor bytes = cursor_of(message); /* never NULL, also when there are none */
	const char *p = bytes.p, *end = bytes.end;
	size_t count = 0;

	while (p < end && *p != '\r' && *p != '\n') {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		count += str_starts_nocase(STR_OF(p, end - p), STR("Received:"));
		if (lf == NULL)
			break;
		p = lf + 1;
	}
	return count;
}
