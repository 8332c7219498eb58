#ifndef POSTKASSE_MAIN_CLI_CORES_H
#define POSTKASSE_MAIN_CLI_CORES_H

/*
 * How the command line reaches the directory and the store: over their Unix sockets while the service
 * runs. Else it takes the lock of the data folder and starts them itself, for as long as the command
 * takes, in the same sandbox and as the same users as the service would; they serve one socketpair.
 * So everything above this file is the same in both cases.
 */

#include <protobuf-c/protobuf-c.h>

#include "main/cli_internal.h"
#include "net/link.h"

/* Finds the cores, or gets ready to start them; waits for a service that is just starting. */
int cores_open(struct cli *cli, struct errinfo *info) MUST_USE;
/* Ends what was started. NULL is fine. */
void cores_close(struct cores *cores);

enum { CORES_LONG_MS = 6 * 60 * 60 * 1000 }; /* for work that takes time by the gigabyte */

/* One call; *ret is the reply, of type, for protobuf_c_message_free_unpacked. deadline_ms 0: the
 * link's standard one. A core that answers nonsense is E_INTERNAL. */
int cores_directory(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                    const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                    struct errinfo *info) MUST_USE;
int cores_store(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *type, int64_t deadline_ms, ProtobufCMessage **ret,
                struct errinfo *info) MUST_USE;

/* Frees a reply and what secrets it left in memory. NULL is fine. */
#define CORES_FREE(reply)                     \
	do {                                      \
		if ((reply) != NULL)                  \
			link_free_secret(&(reply)->base); \
	} while (0)

#endif
