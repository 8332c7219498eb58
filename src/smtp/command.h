#ifndef POSTKASSE_SMTP_COMMAND_H
#define POSTKASSE_SMTP_COMMAND_H

/* Commands: what a descriptor says, and finding the one that a line names. */

#include "smtp/arguments.h"

struct smtp_session;

/* How far a session has come; states of a descriptor are a set of these. */
enum smtp_state {
	SMTP_STATE_START = 1,      /* no EHLO or HELO yet */
	SMTP_STATE_READY = 2,      /* between transactions */
	SMTP_STATE_SENDER = 4,     /* MAIL accepted, no recipient yet */
	SMTP_STATE_RECIPIENTS = 8, /* one recipient at least */
	SMTP_STATE_CHUNKS = 16,    /* a BDAT that was not the last is through */
	SMTP_STATE_ANY = 31,
};

struct smtp_command {
	const char *name; /* upper case */
	const char *rfc;
	unsigned states;                 /* where it is legal */
	enum smtp_reply_id out_of_order; /* the answer in the other states after EHLO */
	bool idle;                       /* gets nothing done: many in a row are too many */
	bool fragile; /* when it cannot be parsed, nobody knows where the next command begins */
	/* Appends what EHLO says of the command to this client, a line "250-KEYWORD ... CR LF" for each keyword.
	 * May be NULL. */
	void (*ehlo)(const struct smtp_session *session, struct buf *out);
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
/* Appends what all commands have to say in the answer to EHLO. */
void smtp_command_ehlo(const struct smtp_session *session, struct buf *out);

#endif
