#ifndef POSTKASSE_SMTP_ARGUMENTS_H
#define POSTKASSE_SMTP_ARGUMENTS_H

/* Command lines: finding one in the input, and reading the arguments. Pure functions. */

#include "smtp/path.h"
#include "smtp/reply.h"

/* RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more. */
enum { SMTP_COMMAND_LINE_MAX = 2048 };

struct smtp_arguments {
	struct str text;       /* as they came; borrowed */
	struct smtp_path path; /* MAIL, RCPT */
	uint64_t size;         /* MAIL SIZE=, 0 if not said; BDAT chunk-size */
	bool utf8;             /* MAIL SMTPUTF8 */
	bool last;             /* BDAT LAST */
};

/* Parsers: no arguments at all; anything; MAIL, RCPT, BDAT. */
enum smtp_reply_id smtp_parse_nothing(struct smtp_arguments *arguments);
enum smtp_reply_id smtp_parse_anything(struct smtp_arguments *arguments);
enum smtp_reply_id smtp_parse_something(struct smtp_arguments *arguments);
enum smtp_reply_id smtp_parse_mail(struct smtp_arguments *arguments);
enum smtp_reply_id smtp_parse_rcpt(struct smtp_arguments *arguments);
enum smtp_reply_id smtp_parse_bdat(struct smtp_arguments *arguments);

/* How a line of input looks: complete lines are taken without their end. */
enum smtp_line { SMTP_LINE_PARTIAL, SMTP_LINE_WHOLE, SMTP_LINE_TOO_LONG, SMTP_LINE_BARE };
/* Finds the first line of input. *ret_used: bytes to consume (0 when partial; with TOO_LONG all of
 * the line that is there, and *ret_ended tells whether its end was among it). A line ends in CR LF;
 * one that ends in a bare LF or holds another CR or a NUL is SMTP_LINE_BARE. */
enum smtp_line smtp_line_find(struct str input, struct str *ret_line, size_t *ret_used,
                              bool *ret_ended);

#endif
