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

#include "store.pb-c.h"

/* Finds the cores, or gets ready to start them; waits for a service that is just starting. */
int cores_open(struct cli *cli, struct errinfo *info) MUST_USE;
/* What changes mailboxes needs both cores on this host. E_UNSUPPORTED where one of them is elsewhere. */
int cores_both_here(const struct config *config, struct errinfo *info) MUST_USE;
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

/* ---------------------------------------------------------------- cli_session.c */

/* The aliases of at most 1000 mailboxes, for CORES_FREE; one without an alias is left out. */
int cli_find_addresses(struct cli *cli, char **mailboxes, size_t count, Pk__AliasListReply **ret,
                       struct errinfo *info) MUST_USE;
/* That of a mailbox, borrowed, or NULL. */
const Pk__AliasReply *cli_alias_of(const Pk__AliasListReply *list, const char *mailbox);

/* The mailbox of the address that is the command's first argument, owned by the caller. E_NOT_FOUND: no such
 * alias, or none yet. */
int cli_mailbox_of(struct cli *cli, char **ret, struct errinfo *info) MUST_USE;

/* One page of sessions; an error ends the walk. */
typedef int cli_session_page(struct cli *cli, const Pk__SessionListReply *page,
                             struct errinfo *info);
/* Calls each for every page of sessions, of one mailbox unless that is empty. */
int cli_session_pages(struct cli *cli, const char *mailbox, cli_session_page *each,
                      struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- cli_status_cores.c */

/* Calls each for every folder of mailbox files, or of temporary mailboxes; an error ends the walk. */
int cli_each_file(struct cli *cli, bool waiting,
                  int (*each)(struct cli *cli, const Pk__FileListReply *page, void *ctx,
                              struct errinfo *info),
                  void *ctx, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- cli_list.c */

struct cli_list {
	const char *name; /* of the array in JSON */
	uint32_t method;  /* of the directory, one that takes a ListRequest */
	const ProtobufCMessageDescriptor *type;
	/* Prints a page and returns what the next one begins after, or NULL; borrowed from the page. */
	const char *(*print)(struct cli *cli, const ProtobufCMessage *page, void *ctx);
};

/* Asks for page after page, of the domain that is the command's argument if there is one, and has each
 * printed. */
int cli_each_page(struct cli *cli, const struct cli_list *list, void *ctx,
                  struct errinfo *info) MUST_USE;

/* Prints them all, with ctx NULL; after an error nothing. */
int cli_list_pages(struct cli *cli, const struct cli_list *list, struct errinfo *info) MUST_USE;

/* Frees a reply and what secrets it left in memory. NULL is fine. */
#define CORES_FREE(reply)                     \
	do {                                      \
		if ((reply) != NULL)                  \
			link_free_secret(&(reply)->base); \
	} while (0)

#endif
