#ifndef POSTKASSE_IMAP_APPEND_H
#define POSTKASSE_IMAP_APPEND_H

/* The message of an APPEND while it comes in: it does not go through the reader's text, and its size
 * is checked against the limit and the process's memory before the client is told to go on. */

#include "imap/client.h"

/* A message holds memory that others wait for, so its sender may not take for ever. */
enum {
	IMAP_APPEND_STALL_MS = 2 * 60 * 1000,  /* between two pieces */
	IMAP_APPEND_TOTAL_MS = 30 * 60 * 1000, /* in all */
};

struct imap_append {
	char *message; /* owned; size bytes */
	uint64_t size;
	uint64_t filled;
	uint64_t granted;        /* of the front's memory */
	int64_t end_at;          /* monotonic ms: it has to have come in by then */
	struct arena *described; /* holds the description; owned */
};

/* Whether the command whose text so far ends in a literal's announcement is an APPEND, and that
 * literal its message. */
bool imap_append_wants(struct str text);
/* Takes memory for size bytes, when there is some: false means that the client has to wait for
 * imap_client_memory. */
bool imap_append_reserve(struct imap_client *client, uint64_t size) MUST_USE;
void imap_append_free(struct imap_client *client);

#endif
