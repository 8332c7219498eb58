#ifndef POSTKASSE_NET_LINK_SERVER_INTERNAL_H
#define POSTKASSE_NET_LINK_SERVER_INTERNAL_H

/*
 * The core's end of the link in two parts: link_server.c has the connections, link_inbound.c the
 * requests on them. A request lives from its first frame to its reply; it leaves its peer (whose
 * pointer becomes NULL) when that goes away or, with a repeat id, for the peer that repeats it.
 */

#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/map.h"
#include "net/id_table.h"
#include "net/link_address.h"
#include "net/link_internal.h"
#include "net/link_repeat.h"

struct piece {
	STAILQ_ENTRY(piece) link;
	struct buf body;
};

/* Bytes of bodies and uploads that are here or granted. */
struct link_held {
	uint64_t all;
	uint64_t waiting; /* of these, of requests whose upload is not admitted yet */
};

/* Who stands behind peers, see link_owner.c. */
struct link_owner {
	char *key;
	size_t key_len;
	size_t users; /* peers and requests */
	size_t peers;
	struct link_held held;
	atomic_uint_fast64_t unpacked; /* bytes, of its requests */
};

struct link_inbound {
	struct id_node node;
	TAILQ_ENTRY(link_inbound) of_peer;   /* while peer is not NULL */
	TAILQ_ENTRY(link_inbound) of_server; /* all */
	TAILQ_ENTRY(link_inbound) waiting;   /* while waits: for its upload to be admitted */
	TAILQ_ENTRY(link_inbound) uploading; /* while expected: its upload is not here yet */
	struct link_server *server;
	struct link_peer *peer;
	struct link_owner *owner; /* of the peer that began it */
	struct repeat *repeat;    /* once delivered, if it has an id */
	unsigned char repeat_id[FRAME_REPEAT_ID_SIZE];
	bool has_repeat_id, delivered, cancelled, waits, expected;
	bool secret; /* body is, and the reply's will be */
	uint32_t method;
	char *message; /* owned: what body lies in */
	struct str body;
	struct buf upload;
	uint64_t upload_size, upload_granted;
	uint64_t unpacked;       /* bytes; of whoever has the request */
	uint64_t held;           /* bytes that count in the three struct link_held */
	int64_t moved_ms;        /* when the last bytes of the upload came, or were granted */
	int64_t upload_until_ms; /* all that is granted has to be here by then */
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
	struct link_owner *owner;
	struct link_held held;
	uint64_t output;           /* bytes that it has not read; counts in server->output */
	bool leaving;              /* its connection is about to end: output counts no more */
	const char *role;          /* of the allowed list */
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
	TAILQ_HEAD(, link_inbound) waiting;   /* uploads not admitted yet */
	TAILQ_HEAD(, link_inbound) uploading; /* uploads that are not whole yet */
	struct timer *sweep;                  /* for those that do not come */
	bool sweeping;                        /* it runs */
	struct link_held held;
	atomic_uint_fast64_t unpacked; /* bytes, of all requests */
	struct map *owners;
	uint64_t output; /* bytes that peers have not read */
	bool freeing;
	int64_t refused, refused_told_ms; /* connections turned away since it was last logged */
};

/* Takes a frame of a peer that has said hello, whose body lies in message. Returns what is wrong with it,
 * or NULL; then handlers may have run, and the peer and the server may be gone. */
const char *link_inbound_take(struct link_peer *peer, const struct frame *frame,
                              struct buf *message);
/* Its connection is gone: it is reported cancelled, or goes on for its repeat. */
void link_inbound_orphan(struct link_inbound *request);
/* Without a reply. */
void link_inbound_free(struct link_inbound *request);
/* Ends a request whose peer broke its rules: with that error, and the core is told that nobody waits. What
 * still comes for it belongs to nobody and is dropped. */
void link_inbound_fault(struct link_inbound *request, int error, const char *reason);

/* Sends a frame; the first copies body, the second takes it over. A peer that does not read, while all
 * together have not read too much, ends (later, from the loop). */
void link_peer_send(struct link_peer *peer, const struct frame *frame);
void link_peer_send_buf(struct link_peer *peer, struct frame *frame, struct buf *body);

/* ---- link_owner.c ---- */

/* One user more of the owner that origin names; if that is NULL, of that address; if that is, of that user
 * of this host. */
struct link_owner *link_owner_get(struct link_server *server, const struct sockaddr *address,
                                  uint32_t uid, const struct link_origin *origin);
void link_owner_release(struct link_server *server, struct link_owner *owner);

/* ---- link_upload.c ---- */

/* Whether so much is held that this peer may ask nothing more. */
bool link_upload_full(const struct link_peer *peer);
/* A request's body is here: counts it, and grants the first piece of its upload, or all. */
void link_upload_begin(struct link_inbound *request);
/* All of the upload is here. */
void link_upload_complete(struct link_inbound *request);
/* The request's memory is given back; call link_upload_admit when it is gone. */
void link_upload_end(struct link_inbound *request);
/* The request is about to leave its peer, or has joined one. */
void link_upload_leave(struct link_inbound *request);
void link_upload_join(struct link_inbound *request);
/* Grants the uploads that wait, as far as there is room for them. */
void link_upload_admit(struct link_server *server);
/* The timer's. */
void link_upload_sweep(void *server);

#endif
