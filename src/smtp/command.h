#ifndef POSTKASSE_SMTP_COMMAND_H
#define POSTKASSE_SMTP_COMMAND_H

/*
 * Commands: their descriptors, and the parsers of their arguments, which are pure functions.
 */

#include "smtp/path.h"
#include "smtp/reply.h"

struct smtp_session;

enum {
	SMTP_COMMAND_LINE_MAX = 2048
}; /* RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more */

/* How far a session has come; states of a descriptor are a set of these. */
enum smtp_state {
	SMTP_STATE_START = 1,      /* no EHLO or HELO yet */
	SMTP_STATE_READY = 2,      /* between transactions */
	SMTP_STATE_SENDER = 4,     /* MAIL accepted, no recipient yet */
	SMTP_STATE_RECIPIENTS = 8, /* one recipient at least */
	SMTP_STATE_CHUNKS = 16,    /* a BDAT that was not the last is through */
	SMTP_STATE_ANY = 31,
};

struct smtp_arguments {
	struct str text;       /* as they came; borrowed */
	struct smtp_path path; /* MAIL, RCPT */
	uint64_t size;         /* MAIL SIZE=, 0 if not said; BDAT chunk-size */
	bool utf8;             /* MAIL SMTPUTF8 */
	bool last;             /* BDAT LAST */
};

struct smtp_command {
	const char *name; /* upper case */
	const char *rfc;
	unsigned states;                 /* where it is legal */
	enum smtp_reply_id out_of_order; /* the answer in the other states after EHLO */
	bool idle;                       /* gets nothing done: many in a row are too many */
	bool fragile; /* when it cannot be parsed, nobody knows where the next command begins */
	/* SMTP_REPLY_NONE, or what is wrong with the arguments. Sees text set, the rest zero. */
	enum smtp_reply_id (*parse)(struct smtp_arguments *arguments);
	/* Answers, at once or later. arguments is borrowed until it returns. */
	void (*start)(struct smtp_session *session, const struct smtp_arguments *arguments);
};

/* Descriptors, one file for each command or small family. */
extern const struct smtp_command smtp_cmd_bdat;
extern const struct smtp_command smtp_cmd_data;
extern const struct smtp_command smtp_cmd_ehlo;
extern const struct smtp_command smtp_cmd_helo;
extern const struct smtp_command smtp_cmd_help;
extern const struct smtp_command smtp_cmd_mail;
extern const struct smtp_command smtp_cmd_noop;
extern const struct smtp_command smtp_cmd_quit;
extern const struct smtp_command smtp_cmd_rcpt;
extern const struct smtp_command smtp_cmd_rset;
extern const struct smtp_command smtp_cmd_starttls;
extern const struct smtp_command smtp_cmd_vrfy;

/* The command of a line without its CR LF, and what follows the command word. NULL for another word;
 * *ret_reply then says what to answer: there are commands that we know and do not have, and words of
 * other protocols (somebody makes a browser talk to us), which end the connection. */
const struct smtp_command *smtp_command_find(struct str line, struct str *ret_text,
                                             enum smtp_reply_id *ret_reply);
/* Appends the names of all commands, separated by blanks, for HELP. */
void smtp_command_names(struct buf *out);

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
