#ifndef POSTKASSE_SMTP_SESSION_H
#define POSTKASSE_SMTP_SESSION_H

/*
 * One client's connection. Input is taken command by command (or as a message's bytes) as long as
 * the session waits for nothing; a command that waits sets waiting, and whoever ends the wait calls
 * smtp_session_go_on. Inner header of src/smtp; loop thread only.
 */

#include "net/conn.h"
#include "smtp/command.h"
#include "smtp/front.h"

/* What a session waits for. */
enum smtp_waiting {
	SMTP_WAITING_NOTHING,
	SMTP_WAITING_DIRECTORY,
	SMTP_WAITING_MEMORY,
	SMTP_WAITING_STORE,
	SMTP_WAITING_TLS,
};

enum smtp_input { SMTP_INPUT_COMMAND, SMTP_INPUT_SKIP_LINE, SMTP_INPUT_DATA, SMTP_INPUT_CHUNK };

struct smtp_session {
	struct front_client client;
	struct smtp_front *front;
	char id[SMTP_ID_SIZE];
	enum smtp_state state;
	enum smtp_waiting waiting;
	enum smtp_input input;
	bool esmtp;      /* EHLO, not HELO */
	bool peer_ended; /* the client sends nothing more */
	bool closing;    /* nothing more is read: close as soon as the handler is through */
	bool starttls;   /* begin the handshake as soon as the handler is through */
	char *helo;      /* owned */
	size_t errors, rejects, idle_commands;
	struct smtp_transaction *transaction; /* owned; NULL between transactions */
	struct smtp_resolving *resolving;     /* while waiting for the directory */
	char *recipient;                      /* owned; what is being resolved, as written */
	struct smtp_delivery *delivery;       /* borrowed; while waiting for the store */
	int64_t command_until_ms;             /* monotonic; while a command is waited for */
	/* The message that is coming in; also one that is only read to be thrown away. */
	int64_t message_until_ms;         /* monotonic */
	uint64_t dropped;                 /* bytes of it that were thrown away */
	int64_t waited_from_ms;           /* while waiting for memory */
	uint64_t chunk_size, chunk_left;  /* of the BDAT chunk under way */
	enum smtp_reply_id chunk_refusal; /* not NONE: the chunk is thrown away */
	bool chunk_last;
};

/* A connection was accepted: takes fd, greets. */
void smtp_session_start(struct smtp_front *front, int fd, const struct listener_peer *peer);
/* See struct front_kind. While a delivery is under way, its answer goes before the goodbye. */
void smtp_session_stop(struct front_client *client);
void smtp_session_leave(struct front_client *client);
void smtp_session_forget(struct front_client *client);

/* ---- for the commands ---- */

/* Sends one reply. Syntax and sequence errors (50z, 555) count towards smtp_errors_max. */
void smtp_session_reply(struct smtp_session *session, enum smtp_reply_id id);
void smtp_session_reply_detail(struct smtp_session *session, enum smtp_reply_id id,
                               struct str detail);
/* Sends text as it is. */
void smtp_session_write(struct smtp_session *session, struct str text);
/* The last reply: sends it and closes. */
void smtp_session_end(struct smtp_session *session, enum smtp_reply_id id);
/* Forgets the transaction, if there is one: RSET, and what else ends one. */
void smtp_session_reset(struct smtp_session *session);
/* Nothing but a command comes next: from now on the client has smtp_timeout for the whole of it. */
void smtp_session_await(struct smtp_session *session);
/* As smtp_session_end, from outside of the session's handlers: it may be gone afterwards. */
void smtp_session_evict(struct smtp_session *session, enum smtp_reply_id id);
/* What the session waited for is there: the next input is taken soon. Not from inside a command. */
void smtp_session_go_on(struct smtp_session *session);

/* ---- receive.c: the bytes of a message ---- */

/* DATA, or the first BDAT: writes the trace headers. Goes on by itself when it has to wait for
 * memory. */
void smtp_receive_begin(struct smtp_session *session);
/* A chunk of size bytes follows, to be kept, or to be thrown away and then answered with refusal. */
void smtp_receive_chunk_begin(struct smtp_session *session, uint64_t size, bool last,
                              enum smtp_reply_id refusal);
/* Take input (not empty), and consume what they took. */
void smtp_receive_data(struct smtp_session *session, struct str input);
void smtp_receive_chunk(struct smtp_session *session, struct str input);
/* Makes the ticket of the transaction's memory ready; it counts under the client's network. */
void smtp_receive_ticket(struct smtp_session *session);

#endif
