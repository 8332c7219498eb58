#ifndef POSTKASSE_NET_LINK_H
#define POSTKASSE_NET_LINK_H

/*
 * The link between a front and a core: WebSocket (RFC 6455), each binary message one
 * pk.Frame (proto/link.proto), over a Unix socket or mutual TLS. One implementation for both ends;
 * everything here runs in the thread of the loop it was made with.
 *
 * The front's end (struct link) reconnects by itself with back-off. A call that was under way when
 * the connection broke is sent again when its kind allows that, and otherwise ends with
 * E_UNAVAILABLE:
 *   LINK_ONCE        never sent again
 *   LINK_REPEAT      carries a repeat_id; sent again to the same instance of the core, which then
 *                    gives the first reply again (it remembers replies for LINK_REPEAT_MEMORY_MS)
 *   LINK_IDEMPOTENT  sent again to any instance; only for calls without a session, and without a
 *                    stream
 * Calls that belong to a mailbox session are LINK_ONCE: front/session.h opens the session again and
 * repeats what it may.
 *
 * Nothing is sent past credit: a core streams at most the bytes that the front granted, a front
 * uploads at most the bytes that the core granted; each side may overdraw by one piece of at most
 * LINK_PIECE_MAX bytes. So neither end buffers more than it asked for.
 */

#include <protobuf-c/protobuf-c.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/wire.h"

enum {
	LINK_VERSION_MIN = 1, /* the oldest that is still spoken: that of the release before */
	LINK_VERSION = 1,
	LINK_PIECE_MAX = 256 * 1024,         /* bytes of body in one frame of an upload or stream */
	LINK_MESSAGE_MAX = 16 * 1024 * 1024, /* one frame; more closes the connection */
	LINK_CREDIT = 1024 * 1024,           /* a stream's first credit unless the caller says else */
	LINK_REPEAT_MEMORY_MS = 10 * 60 * 1000,
	LINK_REPEAT_MEMORY_MAX = 32 * 1024 *
	                         1024, /* bytes of remembered replies; the oldest go first */
	LINK_DEADLINE_MS = 60 * 1000,
	LINK_UNPACKED_MAX = 512 * 1024 *
	                    1024,      /* bytes of requests that are unpacked, of one core; half for
	                                          one process, user or address */
	LINK_UPLOAD_FIRST = 64 * 1024, /* bytes of an upload that need no grant: most are whole then */
	LINK_UPLOAD_MAX = 64 * 1024 * 1024,        /* standard upload_max */
	LINK_UPLOAD_TOTAL_MAX = 512 * 1024 * 1024, /* standard upload_total_max */
	LINK_UPLOAD_SLACK = 64 * 1024 *
	                    1024,   /* held past upload_total_max for what needs no grant; then
	                                         requests end with E_LIMIT */
	LINK_REQUESTS_MAX = 16384,  /* of one front at once; more end with E_LIMIT */
	LINK_PEERS_MAX = 1024,      /* of one core */
	LINK_PEERS_OF_ONE = 256,    /* of these, of one user of this host or one address of another */
	LINK_PROCESS_PEERS_MAX = 4, /* of one process that the supervisor has named */
	LINK_UPLOAD_STALL_MS = 30 * 1000, /* standard upload_stall_ms */
	LINK_UPLOAD_RATE_MIN = 64 *
	                       1024, /* bytes a second, of an upload on average once it is granted */
	LINK_OUTPUT_TOTAL_MAX = 512 * 1024 * 1024, /* standard output_total_max */
	LINK_HELLO_MS = 10 * 1000,
	LINK_DEAD_MS = 20 * 1000, /* standard dead_ms over TLS */
	LINK_RETRY_MIN_MS = 20,   /* reconnection: first, and at most */
	LINK_RETRY_MAX_MS = 2000,
};
#define LINK_ANY_UID ((uint32_t)-1)
#define LINK_NO_UID  ((uint32_t)-2)

/* Copies a message to wire form. Never fails but for memory. */
void link_pack(struct buf *out, const ProtobufCMessage *message);
/* NULL when the bytes are no such message, hold more than items_max (enum of net/wire.h) values and inner
 * messages, or would take far more memory than their length: a peer's fault, E_INVALID of a request. Freed
 * with protobuf_c_message_free_unpacked(message, NULL), or: */
ProtobufCMessage *link_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                              size_t items_max);
/* Overwrites all text and bytes in it first. NULL is fine. */
void link_free_secret(ProtobufCMessage *message);

/* ---------------------------------------------------------------- the front's end */

struct link;
struct link_call;

/* Where a link of a process that may make no socket gets its connections from. */
struct link_dialer {
	void *ctx;
	/* The link wants a connection to core. Afterwards link_give is called, once and from the loop; or an
	 * error comes back at once. */
	int (*ask)(void *ctx, struct link *link, const char *core, struct errinfo *info);
	/* The link ends: no link_give any more. */
	void (*forget)(void *ctx, struct link *link);
	/* The core has answered over a connection that was given: the link is up. May be NULL. */
	void (*met)(void *ctx, const char *core);
};

struct link_target {
	const char *unix_path;            /* this, or: */
	const struct link_dialer *dialer; /* borrowed for the link's life */
	const char *host;        /* with dialer: the address of a core on another host; then: */
	struct tls_context *tls; /* borrowed for the link's life */
	const char *role;        /* our own role, told in Hello */
	const char *core; /* whom we expect there: asked for from the dialer, else for the log only;
	                              may be NULL then */
	uint32_t allowed_peer_uid; /* Unix: the core's user, or root; LINK_ANY_UID for any */
	int64_t dead_ms;           /* silence after which the core counts as dead; it is pinged before.
	                              0: LINK_DEAD_MS over TLS, no pings over Unix */
};

struct link_handlers {
	void *ctx;
	/* An event of the core; body is borrowed. */
	void (*event)(void *ctx, uint32_t method, struct str body);
	/* Connected (same_instance tells whether it is the core process from before; false the first
	 * time) or lost. May be NULL. */
	void (*state)(void *ctx, bool connected, bool same_instance);
};

/* Starts connecting at once. target's strings are copied. */
struct link *link_new(struct loop *loop, const struct log *log, const struct link_target *target,
                      const struct link_handlers *handlers);
/* An already connected pair of sockets instead of an address: no reconnection. Takes fd. */
struct link *link_new_fd(struct loop *loop, const struct log *log, int fd, const char *role,
                         const struct link_handlers *handlers);
/* The dialer's answer: a connected descriptor, which the link takes, or -1 and the errno that says why
 * there is none. */
void link_give(struct link *link, int fd, int errnum);
/* All calls under way end with E_CANCELLED first. */
void link_free(struct link *link);
bool link_connected(const struct link *link);
/* Changes with every event and every connection: while it stays the same nothing was missed. */
uint64_t link_epoch(const struct link *link);

enum link_kind { LINK_ONCE, LINK_REPEAT, LINK_IDEMPOTENT };

/* How long one command of a client waits for its cores, whatever it asks of them, one after the other. */
struct link_patience {
	int64_t
		left_ms; /* for cores that are away (net/link_wait.h); what was waited is taken from it */
	int64_t
		until_ms; /* monotonic: for all together, cores that are there included; 0: no such end */
};

struct link_request {
	uint32_t method;
	const ProtobufCMessage *body; /* packed before link_call returns */
	bool
		secret; /* there is a secret in body or reply: no copy of either, at most WS_SECRET_MAX bytes,
	                stays in the memory of either end once it is done with. Not for streams. */
	enum link_kind kind;
	int64_t deadline_ms;            /* from now; 0: LINK_DEADLINE_MS; while a stream waits for our
	                                 credit it does not run */
	struct link_patience *patience; /* borrowed until the call ends, of one call at a time: ends
	                                 it earlier. Past left_ms E_UNAVAILABLE, or E_TIMEOUT when a
	                                 connected core is silent. NULL: nothing does */
	uint64_t credit;                /* for streams; 0: LINK_CREDIT */
	struct str upload;              /* borrowed until the call ends; sent as the core grants */
	void *ctx;
	/* One piece of a stream, borrowed. May be NULL for calls without a stream. */
	void (*chunk)(void *ctx, struct link_call *call, struct str body);
	/* Exactly once, always from the loop (never from inside link_call); the call is gone when it
	 * returns. error 0: body is the reply. Otherwise text is the reason, and body
	 * what the method's documentation says, or empty. */
	void (*reply)(void *ctx, int error, struct str text, struct str body);
};

/* Never fails: what cannot be sent ends in reply. Waits in a queue while not connected, until the
 * deadline. */
struct link_call *link_call(struct link *link, const struct link_request *request);
/* More credit for the stream. */
void link_call_grant(struct link_call *call, uint64_t bytes);
/* Forgets the call without reply being called; the core is told. */
void link_call_cancel(struct link_call *call);

/* For the command line and tests: makes the call and runs the loop until its reply. body is
 * appended to reply_body. Returns the call's error, its text in info. */
int link_call_wait(struct link *link, struct loop *loop, const struct link_request *request,
                   struct buf *reply_body, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- the core's end */

struct link_server;
struct link_peer;    /* one connected front */
struct link_inbound; /* one request of it */

/* Who may have a link. Who connects over Unix may claim the role of its user id; over TLS any role of
 * the list is believed; for a descriptor that was handed over the supervisor names the role. */
struct link_allowed {
	const char *role;
	uint32_t uid; /* over Unix; LINK_ANY_UID: any, LINK_NO_UID: none */
};

/* Who is at the other end of a descriptor, from somebody who knows. */
struct link_origin {
	const char *role;
	uint32_t process; /* its number among those of the role */
};

/* What may change while a server serves. */
struct link_server_limits {
	const char *const *allowed_addresses; /* numeric, or numeric/prefix length; NULL-terminated; for
	                                         TLS listeners; copied; NULL: none */
	uint64_t upload_total_max;            /* bytes of uploads held at once, over all peers; past it
	                                        no more upload is granted until some are done; 0:
	                                        LINK_UPLOAD_TOTAL_MAX */
	uint64_t upload_max; /* of one request: more is E_TOO_LARGE; 0: LINK_UPLOAD_MAX */
	int64_t
		upload_stall_ms; /* without a byte of an upload that was granted; 0: LINK_UPLOAD_STALL_MS */
	uint64_t
		output_total_max; /* bytes that peers have not read, all together: past it the one who has
	                              read least is sent away; 0: LINK_OUTPUT_TOTAL_MAX */
};

struct link_server_options {
	const char *role;                   /* our own */
	const struct link_allowed *allowed; /* borrowed for the server's life */
	size_t allowed_count;
	const char *local_role;  /* one of them that nobody has over TLS ("cli"), or NULL */
	struct tls_context *tls; /* for TLS listeners; borrowed for the server's life */
	struct link_server_limits limits;
	int64_t dead_ms; /* as in struct link_target */
};

struct link_server_handlers {
	void *ctx;
	/* A complete request (upload included). The handler owns it and must end it with exactly one
	 * link_reply..., at once or later. */
	void (*request)(void *ctx, struct link_inbound *request);
	/* The front gave more credit for a stream that was out of it. May be NULL. */
	void (*credit)(void *ctx, struct link_inbound *request);
	/* The front is not interested any more or gone; a reply is still due and goes nowhere. Not called
	 * when the connection of a LINK_REPEAT request broke: that one goes on, for its repeat. */
	void (*cancelled)(void *ctx, struct link_inbound *request);
	void (*peer_up)(void *ctx, struct link_peer *peer);
	/* The last word about this peer; its requests have been reported cancelled. */
	void (*peer_down)(void *ctx, struct link_peer *peer);
};

struct link_server *link_server_new(struct loop *loop, const struct log *log,
                                    const struct link_server_options *options,
                                    const struct link_server_handlers *handlers);
void link_server_free(struct link_server *server);
/* Other limits than it was made with. A peer whose address is no longer on the list is sent away. */
void link_server_set_limits(struct link_server *server, const struct link_server_limits *limits);
/* Listens on fd too, which it takes (a Unix socket, or TCP for TLS). */
void link_server_listen(struct link_server *server, int fd, bool tls);
/* Serves one already connected descriptor, which it takes. origin: who is there; NULL: it is checked as
 * if it had connected over Unix (socketpairs of the command line and tests). */
void link_server_add_fd(struct link_server *server, int fd, const struct link_origin *origin);

const char *link_peer_role(const struct link_peer *peer);
/* Numeric, with the port; empty over a Unix socket. */
const char *link_peer_address(const struct link_peer *peer);
/* A front that has said hello. */
struct link_peer_info {
	const char *role;
	const char *address; /* numeric, with the port; empty: over a Unix socket */
	int64_t since_ms;    /* monotonic */
};
/* Calls each for every such peer of the server that request came to, until it returns false. */
void link_inbound_each_peer(const struct link_inbound *request,
                            bool (*each)(void *ctx, const struct link_peer_info *peer), void *ctx);
/* For the core's own bookkeeping. */
void link_peer_set_data(struct link_peer *peer, void *data);
void *link_peer_data(const struct link_peer *peer);
void link_event(struct link_peer *peer, uint32_t method, const ProtobufCMessage *body);

uint32_t link_inbound_method(const struct link_inbound *request);
struct str link_inbound_body(const struct link_inbound *request);   /* borrowed until the reply */
struct str link_inbound_upload(const struct link_inbound *request); /* likewise */
struct link_peer *link_inbound_peer(const struct link_inbound *request); /* NULL once it is gone */
/* Says that the request takes so many bytes more until its reply, beside those that came: what is unpacked
 * of it. They count in any case; E_LIMIT when its sender has more than its share of LINK_UNPACKED_MAX then,
 * or all together have more than that. From any thread that has the request. */
int link_inbound_charge(struct link_inbound *request, uint64_t bytes,
                        struct errinfo *info) MUST_USE;
void link_inbound_set_data(struct link_inbound *request, void *data);
void *link_inbound_data(const struct link_inbound *request);

/* Sends one piece (packed form, at most LINK_PIECE_MAX and a little). Takes the memory of body over.
 * Returns true while credit is left; after false wait for the credit handler (what is sent in spite of
 * that is kept until then). True when the front is gone: nobody waits. */
bool link_chunk(struct link_inbound *request, struct buf *body);
void link_reply(struct link_inbound *request, const ProtobufCMessage *body);
/* As link_reply with an already packed body, whose memory it takes. */
void link_reply_packed(struct link_inbound *request, struct buf *body);
void link_reply_error(struct link_inbound *request, int error, const char *text);
/* With a packed body that says more, whose memory it takes. */
void link_reply_error_packed(struct link_inbound *request, int error, const char *text,
                             struct buf *body);

#endif
