#ifndef POSTKASSE_STORE_BATCH_H
#define POSTKASSE_STORE_BATCH_H

/*
 * Several messages added to a mailbox in one durable transaction: what waits for the same mailbox is
 * written, synced and answered together. For the mailbox's turn.
 */

#include "mail.pb-c.h"
#include "store/entry.h"
#include "store/message.h"

enum {
	BATCH_FOLDERS = 16,
	BATCH_COUNT_MAX = 100,
	BATCH_BYTES_MAX = 8 * 1024 * 1024,
	DELIVERY_ID_SIZE = 16,
};

struct batch {
	struct mailbox *mailbox;
	struct packer *packer;
	bool used_known;
	uint64_t used; /* bytes, for quotas */
	struct folder folders[BATCH_FOLDERS];
	int folder_count;
	size_t count;
	uint64_t bytes;
	char now[ISO8601_SIZE];
	bool broken; /* a write failed: nothing of the batch can be kept */
};

struct batch_item {
	struct str folder; /* its name */
	bool or_inbox;     /* when there is no such folder */
	unsigned flags;
	char *const *keywords;
	size_t keyword_count;
	int64_t internal_date;
	struct str delivery_id; /* DELIVERY_ID_SIZE bytes, or empty */
	const Pk__Description *description;
	struct str raw;
	uint64_t quota; /* 0: none */
};

struct batch_result {
	int64_t folder;
	uint64_t modseq;
	uint32_t uid_validity, uid;
	bool repeated; /* it was there already */
};

/* Begins the transaction; on failure nothing is open. */
int batch_begin(struct batch *ret, struct mailbox *mailbox, struct packer *packer,
                struct errinfo *info) MUST_USE;
/* An error leaves the batch as it was, unless batch->broken is set. */
int batch_add(struct batch *batch, const struct batch_item *item, struct batch_result *ret,
              struct errinfo *info) MUST_USE;
bool batch_full(const struct batch *batch);
/* Commits, durably; on failure everything is undone. */
int batch_commit(struct batch *batch, struct errinfo *info) MUST_USE;
void batch_rollback(struct batch *batch);

#endif
