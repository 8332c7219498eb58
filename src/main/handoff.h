#ifndef POSTKASSE_MAIN_HANDOFF_H
#define POSTKASSE_MAIN_HANDOFF_H

/*
 * What the supervisor and a process of its own tell each other over their socketpair: a header of
 * kind and length, then a body, with sockets as ancillary data of the header. The supervisor sends
 * settings (at the start, and again to reload), the order to stop, and the ends of links; the process
 * says that it serves, and asks for links. Neither trusts the length or the fields of the other.
 *
 * No process of ours can make a socket. One that wants a link asks for it (ASK); the supervisor
 * connects, gives it its end (LINK), and gives the other end to the core with the word who is there
 * (PEER); to a core on another host it makes the TCP connection and no more.
 */

#include "main/settings.h"
#include "net/role.h"

enum {
	HANDOFF_FD = 3, /* the process's end, from the moment of exec */
	HANDOFF_SOCKETS_MAX = 64,
	HANDOFF_BODY_MAX = 8 * 1024 * 1024,
	HANDOFF_QUEUE_MAX = 2 * HANDOFF_BODY_MAX, /* what a process is told before it has read it */
	HANDOFF_TIMEOUT_MS = 10000,               /* for sending or receiving one message */
};

enum handoff_kind {
	HANDOFF_SETTINGS = 1, /* to the process: body, and sockets the first time */
	HANDOFF_STOP = 2,     /* to the process: finish and exit */
	HANDOFF_READY = 3,    /* from the process: it serves, or goes by the settings that came last */
	HANDOFF_ASK = 4,      /* from the process: it wants a link to a core */
	HANDOFF_LINK = 5,     /* to the process: the link that it asked for, or why there is none */
	HANDOFF_PEER = 6,     /* to a core: the other end of a link */
	HANDOFF_MET = 7,      /* from the process: the core at the other end of its link has answered */
};

/* What ASK, LINK, PEER and MET are about. */
struct handoff_link {
	uint32_t role;  /* kind_number of the core; PEER: of the process at the other end */
	int32_t number; /* LINK: 0 or an errno; PEER: the process's index among its kind */
};

struct handoff_socket {
	char name[16];
	int fd;
};

/* What a process is given. Received: owned by this structure, until handoff_done. */
struct handoff {
	struct buf config; /* as config_print writes it */
	struct buf tls_certificate, tls_key;
	struct buf link_certificate, link_key, link_ca;
	struct secret *host_key;
	uint32_t uid, gid; /* to become; 0: stay who we are */
	uint32_t index;    /* among the processes of the same kind */
	struct handoff_socket sockets[HANDOFF_SOCKETS_MAX];
	size_t socket_count;
	struct handoff_link link; /* LINK, PEER: the socket is the only one, without a name */
};

/* Wipes keys, closes the sockets that are still in it. */
void handoff_done(struct handoff *handoff);

/* A pair for a new process: *ret_ours stays, *ret_theirs is to become HANDOFF_FD. Close-on-exec. */
int handoff_pair(int *ret_ours, int *ret_theirs, struct errinfo *info) MUST_USE;

/*
 * For the supervisor, which waits for nobody: what it says goes into a queue of HANDOFF_QUEUE_MAX bytes
 * (buf_init_secret), and from there to the process as this reads.
 */

/* Appends settings; the names of the sockets too, which handoff_send_queue then sends. E_TOO_LARGE: it is
 * no use any more. */
int handoff_add_settings(struct buf *queue, const struct handoff *handoff,
                         struct errinfo *info) MUST_USE;
/* Appends STOP. E_LIMIT: likewise. */
int handoff_add_order(struct buf *queue, enum handoff_kind kind, struct errinfo *info) MUST_USE;
/* Sends what there is room for; with its first byte the sockets of a handoff, unless NULL. E_AGAIN: some is
 * left. E_UNAVAILABLE: the process is gone. */
int handoff_send_queue(int fd, struct buf *queue, const struct handoff *sockets,
                       struct errinfo *info) MUST_USE;

/* For the process: READY. Waits for HANDOFF_TIMEOUT_MS at most. */
int handoff_send_order(int fd, enum handoff_kind kind, struct errinfo *info) MUST_USE;
/* ASK, LINK, PEER or MET, with a copy of the descriptor passed unless that is -1; never in the middle of a
 * queue. Never blocks: E_AGAIN when the other end does not read. */
int handoff_send_link(int fd, enum handoff_kind kind, const struct handoff_link *link, int passed,
                      struct errinfo *info) MUST_USE;

/* For the supervisor: an order that is there, never blocking, whatever the process does; *ret_link is
 * filled for ASK. E_AGAIN: nothing is there; E_UNAVAILABLE: the process is gone; E_INVALID: something
 * else came. */
int handoff_receive_order(int fd, enum handoff_kind *ret_kind,
                          struct handoff_link *ret_link) MUST_USE;

/* For the process: receives one message, blocking for HANDOFF_TIMEOUT_MS at most once its first byte
 * is there; wait: also until then. *ret is filled for HANDOFF_SETTINGS, and its link and socket for
 * LINK and PEER. E_UNAVAILABLE: the supervisor is gone; E_AGAIN: nothing is there (only without
 * wait); E_INVALID: something else came, or descriptors that nothing names. */
int handoff_receive(int fd, bool wait, enum handoff_kind *ret_kind, struct handoff *ret,
                    struct errinfo *info) MUST_USE;

#endif
