#ifndef POSTKASSE_IMAP_APPEND_H
#define POSTKASSE_IMAP_APPEND_H

/* The message of an APPEND while it comes in: it does not go through the reader's text, and its size
 * is checked against the limit and the process's memory before the client is told to go on. */

#include "front/describing.h"
#include "imap/client.h"
#include "net/budget.h"

/* A message holds memory that others wait for, so its sender may not take for ever. */
enum {
	IMAP_APPEND_STALL_MS = 2 * 60 * 1000,  /* between two pieces */
	IMAP_APPEND_TOTAL_MS = 30 * 60 * 1000, /* in all */
};

struct imap_append {
	char *message; /* owned; size bytes; NULL while it waits for memory */
	uint64_t size;
	uint64_t filled;
	struct budget_ticket memory;
	int64_t end_at;             /* monotonic ms: it has to have come in by then */
	struct imap_client *client; /* NULL: it has gone while the message was being described */
	struct describing describing;
};

/* Whether the command whose text so far ends in a literal's announcement is an APPEND, and that
 * literal its message. */
bool imap_append_wants(struct str text);
/* Asks for memory for size bytes. False: there is none now, and imap_client_memory will be called. */
bool imap_append_begin(struct imap_client *client, uint64_t size) MUST_USE;
void imap_append_free(struct imap_client *client);

#endif
