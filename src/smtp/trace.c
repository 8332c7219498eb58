#include "smtp/trace.h"

#include <string.h>

#include "base/clock.h"

const char *smtp_trace_protocol(bool esmtp, bool utf8, bool tls)
{
	if (utf8)
		return tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (esmtp)
		return tls ? "ESMTPS" : "ESMTP";
	return "SMTP";
}

/* date-time of RFC 5322 section 3.3, in UTC */
static void date_time(int64_t seconds, struct buf *out)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil civil = civil_from_seconds(seconds);

	buf_addf(out, "%s, %d %s %04d %02d:%02d:%02d +0000", days[civil_weekday(seconds)], civil.day,
	         months[civil.month - 1], civil.year, civil.hour, civil.minute, civil.second);
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
	date_time(trace->seconds, out);
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
