#ifndef POSTKASSE_IMAP_CLIENT_H
#define POSTKASSE_IMAP_CLIENT_H

/*
 * One client's connection, and what a command's code may do with it. Commands of one connection run
 * one after the other. A command's life:
 *
 *     parse ──> start ──> (imap_ask ──> its done function)* ──> imap_finish...
 *
 * imap_finish first tells the client what others changed in the selected mailbox, as far as the
 * command's effects allow, then sends the tagged line, in one write. Everything that a command keeps
 * lies in its arena, which goes with it; what it holds elsewhere is released by its cancel function,
 * which is called at the end however it ends.
 */

#include <sys/queue.h>

#include "base/arena.h"
#include "front/sasl.h"
#include "front/session.h"
#include "imap/parse.h"
#include "imap/reader.h"
#include "imap/respond.h"
#include "imap/writer.h"
#include "net/conn.h"
#include "front/client.h"

#include "store.pb-c.h"

enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGGED_IN = IMAP_AUTHENTICATED | IMAP_SELECTED,
	IMAP_ANY_STATE = IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN,
};

enum imap_effects {
	IMAP_MAY_EXPUNGE = 1, /* untagged EXPUNGE may be sent before it ends (RFC 9051 section 7.5.1) */
	IMAP_UID = 2,         /* the UID form: message numbers are UIDs */
	IMAP_CLEAR_ONLY = 4,  /* not under TLS: STARTTLS */
	IMAP_WRITES = 8,      /* refused in a mailbox that is open read-only */
};

/* What becomes of a literal that is announced before its command is complete. */
enum imap_literal {
	IMAP_LITERAL_IS_TEXT,   /* a part of the command's text */
	IMAP_LITERAL_IS_TAKEN,  /* its bytes go to the command */
	IMAP_LITERAL_WAITS,     /* they will: the command calls imap_client_go_on */
	IMAP_LITERAL_TOO_LARGE, /* for what it is */
};

enum { IMAP_TEXTF_MAX = 4000 };

struct imap_client;

struct imap_command {
	const char *name; /* upper case; "UID FETCH" for the UID form */
	const char *rfc;
	unsigned states;        /* set of enum imap_state */
	unsigned effects;       /* set of enum imap_effects */
	const char *capability; /* told to clients in these states; NULL: none of its own */
	/* Reads the arguments, which begin with a space if there are any, to the end of the command, and
	 * puts them into client->args. NULL: there are none. */
	bool (*parse)(struct imap_parse *in, struct imap_client *client);
	void (*start)(struct imap_client *client);
	/* Says what becomes of a literal of size bytes, in whose announcement the arguments so far end. Once one
	 * is taken, or waits, cancel is called however the command ends, also before start. NULL: all are text. */
	enum imap_literal (*literal)(struct imap_parse *in, struct imap_client *client, uint64_t size);
	/* Takes bytes of it, as many as are left or input has; returns how many. */
	size_t (*bytes)(struct imap_client *client, struct str input);
	/* A line that the client sent while the command runs and asked for it by imap_want_line. */
	void (*line)(struct imap_client *client, struct str line);
	void (*drained)(struct imap_client *client); /* output is low again */
	void (*changed)(struct imap_client *client); /* the selected mailbox has changed */
	void (*delayed)(struct imap_client *client); /* the time of imap_delay has passed */
	void (*cancel)(struct imap_client *client);  /* see above */
};

/* A reply of the store. message is of the type that was asked for, borrowed; NULL on error. */
struct imap_answer {
	int error;
	struct str text;
	const void *message;
	bool repeated; /* see session_request */
};

typedef void imap_answered(struct imap_client *client, const struct imap_answer *answer);

struct imap_client {
	struct front_client common;
	struct imap_front *front; /* borrowed */
	struct imap_reader reader;
	enum imap_state state;
	bool tls;
	bool greeted;
	bool stopping;     /* end after the command under way */
	bool peer_ended;   /* the client will send nothing more */
	bool processing;   /* in the input loop */
	bool utf8;         /* ENABLE UTF8=ACCEPT */
	bool condstore;    /* MODSEQ is told with flags */
	bool folder_gone;  /* somebody deleted the selected mailbox: BYE follows the command's answer */
	unsigned bad;      /* BAD answers in a row */
	unsigned failures; /* of login */
	int login_error;   /* of the failure whose answer is delayed */
	int64_t login_deadline_at;
	struct sasl *sasl; /* until login */
	struct session *session;
	struct view *folder; /* selected; NULL: none */
	/* the command under way */
	const struct imap_command *command; /* NULL: none */
	struct arena *arena;                /* NULL between commands */
	struct str tag;                     /* owned */
	void *args;
	bool wants_line;
	bool idle_done;            /* IDLE: ends with the answer that is under way */
	struct session_call *call; /* what it waits for */
	struct link_patience patience;
	imap_answered *answered;
	const ProtobufCMessageDescriptor *answer_type;
	void (*synced)(struct imap_client *client, bool ok); /* see sync.h */
	void *sync_state;                                    /* the arena's */
	const struct imap_command *taking; /* not started yet, and has taken a literal */
	void *taken;                       /* what that command keeps of it */
	enum { IMAP_WAITS_FOR_NOTHING, IMAP_WAITS_FOR_MEMORY, IMAP_WAITS_FOR_DELAY } waits;
	int refusal;          /* enum error: why a command that is read past will be refused */
	int64_t input_end_at; /* monotonic ms: what is taken or read past has to be through by then */
	/* the tagged line that is ready while changes are asked for */
	enum imap_status finish_status;
	const char *finish_code; /* NULL, static or in the arena */
	const char *finish_text;
	struct buf out; /* responses since the last flush */
};

/* ---------------------------------------------------------------- for commands */

/* size zeroed bytes of the command's arena, or NULL with a reason in in->error. */
void *imap_args(struct imap_parse *in, struct imap_client *client, size_t size) MUST_USE;

/* Ends the command with OK; code without brackets, or NULL. code and text are static or the arena's. */
void imap_finish(struct imap_client *client, const char *code, const char *text);
/* With NO or BAD, by the table in respond.c; text may be empty. */
void imap_finish_error(struct imap_client *client, enum imap_failure failure, int error,
                       struct str text);
void imap_finish_with(struct imap_client *client, enum imap_status status, const char *code,
                      const char *text);
/* The UIDs that a command's set means, numbers or UIDs as the command has it, in the command's arena.
 * False: none of them exists, or the set is wrong; the command is then finished. */
bool imap_command_uids(struct imap_client *client, struct seqset *set, Pk__UidRange ***ret,
                       size_t *ret_count) MUST_USE;
/* A copy in the command's arena for code or text: printf into at most IMAP_TEXTF_MAX bytes. */
const char *imap_textf(struct imap_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Asks the store; body is in the arena. reply_type NULL: the reply's body is not looked at. */
struct imap_question {
	uint32_t method;
	ProtobufCMessage *body;
	const ProtobufCMessageDescriptor *reply_type;
	imap_answered *answered;
	struct str upload;
	uint64_t credit;
	void (*chunk)(void *client, struct str body);
	void (*again)(void *client);
};
/* Returns the call, which is there until answered is called: credit is granted to it, never to whatever
 * the client happens to wait for. NULL when the connection is over. */
struct session_call *imap_ask(struct imap_client *client, const struct imap_question *question);

/* A command begins, or another round of one that has no end: how long it waits for the cores. */
void imap_patience_renew(struct imap_client *client);
/* Gives the arena's memory back, for a command that will take long: args are gone. */
void imap_arena_renew(struct imap_client *client);
/* Sends what is in client->out. */
void imap_flush(struct imap_client *client);
/* A continuation request: "+ text". */
void imap_continue(struct imap_client *client, struct str text);
/* The literal that waited is taken now. */
void imap_client_go_on(struct imap_client *client);
/* The next line goes to command->line. */
void imap_want_line(struct imap_client *client);
/* Has command->delayed called after a while. */
void imap_delay(struct imap_client *client, int64_t ms);
/* "* BYE [code] text", then the connection ends. The client is dead when the loop comes round. */
void imap_bye(struct imap_client *client, const char *code, const char *text);
/* Deselects, if something is selected. */
void imap_deselect(struct imap_client *client);
/* From now on MODSEQ is told with flags; tells up to where it holds in what is selected (RFC 7162
 * section 3.1.2). */
void imap_enable_condstore(struct imap_client *client);
/* BYE, because somebody else has deleted the selected mailbox. */
void imap_folder_is_gone(struct imap_client *client);
/* Whether the client may log in as things are: under TLS, or where the configuration allows it without. */
bool imap_may_login(const struct imap_client *client);
/* Appends "[CAPABILITY ...]" content for the client's state. */
void imap_capability_write(const struct imap_client *client, struct buf *out);

/* ---------------------------------------------------------------- for the front */

/* Takes fd. implicit_tls: TLS from the first byte. */
void imap_client_new(struct imap_front *front, int fd, const struct listener_peer *peer,
                     bool implicit_tls);
/* See struct front_kind. */
void imap_client_stop(struct front_client *common);
void imap_client_leave(struct front_client *common);
void imap_client_forget(struct front_client *common);
bool imap_client_is_idle(const struct front_client *common);
void imap_client_evict(struct front_client *common);

#endif
