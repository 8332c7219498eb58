#ifndef POSTKASSE_NET_CORE_SERVER_H
#define POSTKASSE_NET_CORE_SERVER_H

/*
 * The server of a core. A core is a table of methods and what is done with a request; who may ask, what
 * may come with it, how much of it is unpacked and what is answered to the rest is the same for all of
 * them, and stands here. Everything runs in the loop's thread.
 */

#include <protobuf-c/protobuf-c.h>

#include "net/link.h"
#include "net/role.h"

enum {
	CORE_BODY_MIN = 16 * 1024,  /* what is shorter takes less than a millisecond to unpack */
	CORE_BODY_MAX = 256 * 1024, /* bytes of a request that is always unpacked in the loop */
};

/* What the server knows of a method; a core puts it at the head of what it knows itself. */
struct core_method {
	uint32_t number;
	const char *name;
	unsigned roles; /* enum role_bit: who may ask */
	bool upload;    /* comes with the bytes of a message */
	const ProtobufCMessageDescriptor *request;
	size_t
		items_max; /* values of lists and inner messages in it, see link_unpack; 0: WIRE_ITEMS_FEW */
	/* Whether it may be long: of more than CORE_BODY_MIN bytes it comes to the core as it is. Without
	 * that it has CORE_BODY_MAX at most. */
	bool aside;
	/* Looks at a request before anything is unpacked: NULL, or what is wrong with it. In the thread that
	 * unpacks. May be NULL. */
	const char *(*check)(struct str body);
};

/* A core; ctx is what core_server_new was given. */
struct core {
	const char *role; /* its own: "store" */
	const struct core_method *const *methods;
	size_t method_count;
	/* Whether such a request can be taken at the moment: NULL, or why not, and *ret_error. May be NULL. */
	const char *(*refuse)(void *ctx, const struct core_method *method,
	                      const struct link_inbound *inbound, int *ret_error);
	/* The core's from here on: inbound wants one link_reply..., at once or later, and message is freed
	 * with protobuf_c_message_free_unpacked or link_free_secret. message is NULL where the method says
	 * so: it is for core_unpack then, in another thread than the loop's, which others wait for. */
	void (*request)(void *ctx, const struct core_method *method, struct link_inbound *inbound,
	                ProtobufCMessage *message);
	/* As of struct link_server_handlers; may be NULL. */
	void (*credit)(void *ctx, struct link_inbound *inbound);
	void (*cancelled)(void *ctx, struct link_inbound *inbound);
	void (*peer_up)(void *ctx, struct link_peer *peer);
	void (*peer_down)(void *ctx, struct link_peer *peer);
};

/* Unpacks a request that came without its message; free it before the reply. What it takes is charged to its
 * sender first. From any thread that has the request. E_INVALID, E_LIMIT. */
int core_unpack(const struct core_method *method, struct link_inbound *inbound,
                ProtobufCMessage **ret, struct errinfo *info) MUST_USE;

struct core_server;

/* Serves core with ctx. options->role is core's. core and ctx live longer than the server. */
struct core_server *core_server_new(struct loop *loop, const struct log *log,
                                    const struct link_server_options *options,
                                    const struct core *core, void *ctx);
/* NULL is fine. */
void core_server_free(struct core_server *server);
/* For descriptors that are given to it one by one, and its limits. */
struct link_server *core_server_link(struct core_server *server);

/* The same in a process: whom the configuration lets in, at the sockets that the supervisor made. limits:
 * without addresses, which are the configuration's. */
struct core_server *core_server_start(struct role *role, const struct link_server_limits *limits,
                                      const struct core *core, void *ctx);
/* After a reload. */
void core_server_reload(struct core_server *server, const struct role *role,
                        const struct link_server_limits *limits);

#endif
