#ifndef POSTKASSE_NET_LINK_SERVER_INTERNAL_H
#define POSTKASSE_NET_LINK_SERVER_INTERNAL_H

/*
 * The core's end of the link in two parts: link_server.c has the connections, link_inbound.c the
 * requests on them. A request lives from its first frame to its reply; it leaves its peer (whose
 * pointer becomes NULL) when that goes away or, with a repeat id, for the peer that repeats it.
 */

#include <sys/queue.h>
#include <sys/socket.h>

#include "net/id_table.h"
#include "net/link_address.h"
#include "net/link_internal.h"
#include "net/link_repeat.h"

struct piece {
	STAILQ_ENTRY(piece) link;
	struct buf body;
};

struct link_inbound {
	struct id_node node;
	TAILQ_ENTRY(link_inbound) of_peer;   /* while peer is not NULL */
	TAILQ_ENTRY(link_inbound) of_server; /* all */
	TAILQ_ENTRY(link_inbound) waiting;   /* for its upload to be admitted */
	struct link_server *server;
	struct link_peer *peer;
	struct repeat *repeat; /* once delivered, if it has an id */
	unsigned char repeat_id[FRAME_REPEAT_ID_SIZE];
	bool has_repeat_id, delivered, cancelled, waits;
	bool secret; /* body is, and the reply's will be */
	uint32_t method;
	char *message; /* owned: what body lies in */
	struct str body;
	struct buf upload;
	uint64_t upload_size, upload_granted;
	uint64_t held; /* bytes that count in server->held */
	int64_t credit;
	bool streams;                /* asked with credit */
	STAILQ_HEAD(, piece) pieces; /* sent without credit, kept */
	/* A reply that waits for those. */
	bool replied;
	int error;
	struct buf reply;
	char *text;
	void *data;
};

struct link_peer {
	TAILQ_ENTRY(link_peer) link;
	struct link_server *server;
	struct ws *ws;
	struct timer *hello_timer;
	bool tls, up;
	char where[LINK_ADDRESS_SIZE];   /* the address as text; empty over a Unix socket */
	int64_t since_ms;                /* once up */
	uint32_t uid;                    /* over Unix */
	struct sockaddr_storage address; /* over TLS */
	const char *role;                /* of the allowed list */
	struct link_origin origin; /* its role is of the list too; NULL where nobody vouches for it */
	uint64_t last_id;
	struct id_table table;
	TAILQ_HEAD(, link_inbound) requests;
	struct link_faults faults;
	void *data;
};

struct accepter; /* a listening socket, link_server.c */

struct link_server {
	struct loop *loop;
	const struct log *log;
	struct link_server_options options; /* its addresses are owned, and its limits never 0 */
	struct link_server_handlers handlers;
	char *role;
	unsigned char instance[LINK_INSTANCE_SIZE];
	struct repeat_memory *repeats;
	TAILQ_HEAD(accepter_list, accepter) accepters;
	TAILQ_HEAD(, link_peer) peers;
	size_t peer_count;
	TAILQ_HEAD(, link_inbound) requests;
	TAILQ_HEAD(, link_inbound) waiting; /* uploads not admitted yet */
	uint64_t held;                      /* bytes of bodies and uploads here or granted */
	uint64_t waiting_held;              /* of these, of the requests that wait */
	bool freeing;
	int64_t refused, refused_told_ms; /* connections turned away since it was last logged */
};

/* Takes a frame of a peer that has said hello, whose body lies in message. Returns what is wrong with it,
 * or NULL; then handlers may have run, and the peer and the server may be gone. */
const char *link_inbound_take(struct link_peer *peer, const struct frame *frame,
                              struct buf *message);
/* Its connection is gone: it is reported cancelled, or goes on for its repeat. */
void link_inbound_orphan(struct link_inbound *request);
/* Grants the uploads that wait, as far as there is room for them. */
void link_inbound_admit(struct link_server *server);
/* Without a reply. */
void link_inbound_free(struct link_inbound *request);

#endif
