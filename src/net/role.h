#ifndef POSTKASSE_NET_ROLE_H
#define POSTKASSE_NET_ROLE_H

/*
 * What a process of ours has in hand when it starts: the supervisor made the sockets, read the
 * configuration, the certificate and the host key, and passed them down; the process has dropped its
 * rights and is in its sandbox by the time its xyz_run(struct role *) is called.
 */

#include "base/config.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/tls.h"

/* Every role that a peer of a link can have, as bits, so that a method can name a set. */
enum role_bit {
	ROLE_IMAP = 1,
	ROLE_POP3 = 2,
	ROLE_SMTP = 4,
	ROLE_SUBMISSION = 8,
	ROLE_WEB = 16,
	ROLE_COURIER = 32,
	ROLE_QUEUE = 64,
	ROLE_STORE = 128,
	ROLE_DIRECTORY = 256,
	ROLE_CLI = 512,
	ROLE_MAIL = ROLE_IMAP | ROLE_POP3, /* reads mailboxes */
	ROLE_FRONT = ROLE_IMAP | ROLE_POP3 | ROLE_SMTP | ROLE_SUBMISSION | ROLE_WEB | ROLE_COURIER,
	ROLE_ADMIN = ROLE_WEB | ROLE_CLI,
};

/* The bit of a role's name; 0: none of ours. */
unsigned role_bit(const char *name);

struct role_socket {
	const char *name; /* "imap", "imaps", "smtp", "submission", "link", "link-tls", ... */
	int fd;           /* listening, non-blocking, close-on-exec */
};

struct role {
	const char *name; /* "imap", "smtp", "store", "directory" */
	unsigned index;   /* among the processes of that name on this host */
	struct loop *loop;
	struct log *log;
	struct config *config;
	struct role_socket *sockets;
	size_t socket_count;
	/* Both stay where they are while a reload swaps what is in them; see tls_ready. */
	struct tls_context *tls;          /* for clients of a front */
	struct tls_context *link_tls;     /* mutual TLS for links between hosts */
	struct secret *host_key;          /* cores only */
	const struct link_dialer *dialer; /* for core_link_new */
	/* Cores only: who may have a link, for struct link_server_options. */
	const struct link_allowed *allowed;
	size_t allowed_count;
	/* Set by the process, called in the loop's thread. reload: config has been replaced (the old one
	 * stays valid until the call returns), and what is in tls and link_tls, too. stop: finish what is
	 * under way, tell clients, then call loop_stop; the supervisor kills after a grace period. peer, in
	 * cores: another process of this host gets a link, whose descriptor the callee takes. */
	void (*on_reload)(void *ctx);
	void (*on_stop)(void *ctx);
	void (*on_peer)(void *ctx, int fd, const struct link_origin *origin);
	void *ctx;
};

/* The listening descriptor of that name, or -1. */
int role_socket(const struct role *role, const char *name);

/* The words of the option "link_allowed_addresses", NULL-terminated, for struct link_server_limits. */
char **role_link_addresses(const struct role *role)
	__attribute__((returns_nonnull, warn_unused_result));
void role_link_addresses_free(char **addresses);

#endif
