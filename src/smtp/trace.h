#ifndef POSTKASSE_SMTP_TRACE_H
#define POSTKASSE_SMTP_TRACE_H

/* Trace headers, RFC 5321 section 4.4: what we put in front of a message, and counting what others
 * have put there. */

#include "base/str.h"

struct smtp_trace {
	struct str reverse_path; /* without brackets; empty for the null path */
	struct str helo;         /* what the client called itself */
	struct str remote;       /* its numeric address; empty if unknown */
	struct str hostname;     /* ours */
	struct str id;
	struct str tls_version; /* "TLSv1.3"; empty without TLS */
	struct str tls_cipher;
	struct str
		recipient; /* only of a message with one; else empty, so that nobody learns of others */
	bool esmtp, utf8;
	int64_t seconds; /* since 1970 UTC */
};

/* Appends Return-Path and Received. */
void smtp_trace_write(const struct smtp_trace *trace, struct buf *out);
/* The "with" word: RFC 3848, RFC 6531 section 4.3. */
const char *smtp_trace_protocol(bool esmtp, bool utf8, bool tls);
/* Received fields in the header of a message. */
size_t smtp_trace_count(struct str message);

#endif
