#ifndef POSTKASSE_FRONT_CLIENT_H
#define POSTKASSE_FRONT_CLIENT_H

/*
 * A client of a front: its connection, where it comes from, and how it ends. A kind's own struct of a client
 * begins with one. Loop thread only.
 *
 *     front_client_start ──> (front_client_known) ──> front_client_end ──> kind->leave ──> soon: kind->forget
 */

#include <sys/queue.h>

#include "net/conn.h"
#include "net/listener.h"

struct front;

struct front_client {
	TAILQ_ENTRY(front_client) entry; /* of those that are there, or of those that are over */
	TAILQ_ENTRY(front_client) stranger;
	struct front *front;
	struct conn *conn; /* NULL: the connection is over */
	struct listener_peer peer;
	bool is_stranger;
};

TAILQ_HEAD(front_clients, front_client);

/* Nobody is there yet. */
void front_clients_init(struct front *front);
/* Takes fd; client is zeroed. tls: from the first byte. ctx of the handlers is client. One who has to log in
 * and has not yet is a stranger: where there are too many of those, one of them makes room, see front_kind. */
void front_client_start(struct front *front, struct front_client *client, int fd,
                        const struct listener_peer *peer, bool tls,
                        const struct conn_handlers *handlers);
/* It has logged in. */
void front_client_known(struct front_client *client);
/* The connection ends: at once, or when what is pending has been sent. kind->leave is called before this
 * returns, kind->forget when the loop comes round. Nothing if it is over already. */
void front_client_end(struct front_client *client, bool at_once);
/* All that are left, at the end of the process: leave and forget. */
void front_clients_free(struct front *front);

#endif
