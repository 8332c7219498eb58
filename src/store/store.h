#ifndef POSTKASSE_STORE_STORE_H
#define POSTKASSE_STORE_STORE_H

/*
 * The store: the only process that opens mailbox files. One thread serves the link (server.c), a pool
 * of workers does the blocking work (worker.h); the requests of one mailbox run one at a time. What a
 * peer of the link sends is hostile input: bounds are checked here, mail itself is never parsed.
 */

#include "base/log.h"
#include "crypto/secret.h"
#include "net/core_server.h"
#include "net/role.h"

/* Lies in each folder that mailboxes are made in. While it is missing the folder counts as not mounted,
 * and nothing new is made there. */
#define STORE_FOLDER_MARKER ".postkasse"

/* The life of the process: serves until it is told to stop. Returns the exit code. */
int store_run(struct role *role);

/* What may change while a store serves. */
struct store_limits {
	int64_t linger_ms;      /* keys stay so long after the last session */
	int64_t merge_retry_ms; /* until what could not be done, or was put off, is tried again */
	int64_t handle_idle_ms; /* file handles stay open so long without a request */
	uint64_t disk_reserve;  /* bytes that stay free on the volume, see space.h; 0: none */
	uint64_t disk_ballast;  /* and bytes that are occupied for when they do not; 0: none */
	unsigned sessions_max;  /* of one mailbox */
};

/* The same without a process around it, for tests and tools. */
struct store_options {
	const char *data_dir; /* copied */
	int workers;
	unsigned handles_max; /* open mailbox files; the least recently used go first */
	struct store_limits limits;
	struct link *directory; /* keeps the marks of mailboxes (mark.h); borrowed. NULL: nobody does */
};

struct store;
/* host_key seals temporary mailboxes; it is only read here. E_NOT_FOUND when the folders of mailboxes
 * are not there: they are never made here. */
int store_new(struct store **ret, struct loop *loop, const struct log *log,
              const struct store_options *options, struct secret *host_key,
              struct errinfo *info) MUST_USE;
void store_set_limits(struct store *store, const struct store_limits *limits);
/* What core_server_new serves with a store. */
extern const struct core store_core;
/* Ends what is under way, closes all files, then calls stopped from the loop. */
void store_stop(struct store *store, void (*stopped)(void *ctx), void *ctx);
/* After stopped was called (or when nothing was ever served), and its server is freed. NULL is fine. */
void store_free(struct store *store);

#endif
