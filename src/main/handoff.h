#ifndef POSTKASSE_MAIN_HANDOFF_H
#define POSTKASSE_MAIN_HANDOFF_H

/*
 * What the supervisor and a process of its own tell each other over their socketpair: a header of
 * kind and length, then fields, with listening sockets as ancillary data of the header. The
 * supervisor sends settings (at the start, and again to reload) and the order to stop; the process
 * says that it serves. Neither trusts the length or the fields of the other.
 */

#include "main/settings.h"
#include "net/role.h"

enum {
	HANDOFF_FD = 3, /* the process's end, from the moment of exec */
	HANDOFF_SOCKETS_MAX = 64,
	HANDOFF_BODY_MAX = 8 * 1024 * 1024,
	HANDOFF_TIMEOUT_MS = 10000, /* for sending or receiving one message */
};

enum handoff_kind {
	HANDOFF_SETTINGS = 1, /* to the process: body, and sockets the first time */
	HANDOFF_STOP = 2,     /* to the process: finish and exit */
	HANDOFF_READY = 3,    /* from the process: it serves, or goes by the settings that came last */
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
	uint32_t users[4]; /* of each role (struct kind's user), for who may link */
	struct handoff_socket sockets[HANDOFF_SOCKETS_MAX];
	size_t socket_count;
};

/* Wipes keys, closes the sockets that are still in it. */
void handoff_done(struct handoff *handoff);

/* A pair for a new process: *ret_ours stays, *ret_theirs is to become HANDOFF_FD. Close-on-exec. */
int handoff_pair(int *ret_ours, int *ret_theirs, struct errinfo *info) MUST_USE;

/* Sends what role needs of settings; sockets may be empty. Blocks for HANDOFF_TIMEOUT_MS at most. */
int handoff_send_settings(int fd, const struct handoff *handoff, struct errinfo *info) MUST_USE;
/* STOP or READY. */
int handoff_send_order(int fd, enum handoff_kind kind, struct errinfo *info) MUST_USE;

/* For the supervisor: an order that is there, never blocking, whatever the process does. E_AGAIN:
 * nothing is there; E_UNAVAILABLE: the process is gone; E_INVALID: something else came. */
int handoff_receive_order(int fd, enum handoff_kind *ret_kind) MUST_USE;

/* For the process: receives one message, blocking for HANDOFF_TIMEOUT_MS at most once its first byte
 * is there; wait: also until then. *ret is filled for HANDOFF_SETTINGS. E_UNAVAILABLE: the supervisor
 * is gone; E_AGAIN: nothing is there (only without wait). */
int handoff_receive(int fd, bool wait, enum handoff_kind *ret_kind, struct handoff *ret,
                    struct errinfo *info) MUST_USE;

#endif
