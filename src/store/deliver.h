#ifndef POSTKASSE_STORE_DELIVER_H
#define POSTKASSE_STORE_DELIVER_H

/*
 * A message for one or several mailboxes of this host. Each recipient is a request of its own in the
 * turn of its mailbox; the reply goes out when the last of them is done. In the loop's thread.
 */

#include "store/request.h"

enum { DELIVER_TARGETS_MAX = 1000 };

struct delivery {
	struct link_inbound *inbound;
	ProtobufCMessage *message; /* owned, a Pk__DeliverRequest */
	size_t count, pending;
	struct {
		int error;
		bool sealed;
		char *text; /* owned, may be NULL */
	} results[];
};

/* Splits an unpacked DELIVER, which it takes over, into requests and starts them. */
void deliver_start(struct store *store, struct link_inbound *inbound, ProtobufCMessage *message);
/* Has a worker unpack a long one first. */
void deliver_arrive(struct store *store, struct link_inbound *inbound);
/* Takes the result of one recipient's request; the last one answers. */
void deliver_done(struct request *request);

#endif
