#ifndef POSTKASSE_STORE_TEMPORARY_H
#define POSTKASSE_STORE_TEMPORARY_H

/*
 * Mail that came while the owner was away: rows sealed to the mailbox's public key, in a file of
 * their own that is encrypted under a key of this host. At the next opening they are taken over,
 * exactly once: first the message is committed durably in the mailbox together with its delivery
 * id, then the row is deleted, and a row that is there again is known by that id. In the turn.
 */

#include "store/batch.h"

struct sealed_item {
	struct str public_key;  /* SEAL_PUBLIC_SIZE bytes */
	struct str delivery_id; /* DELIVERY_ID_SIZE bytes */
	struct str folder;
	int64_t internal_date;
	const Pk__Description *description;
	struct str raw;
	uint64_t quota; /* 0: none */
};

/* Opens the temporary mailbox and begins a transaction. E_NOT_FOUND: there is no such mailbox. */
int temporary_begin(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Seals and adds; a delivery id that is there already is fine. *ret_broken: a write failed, and
 * nothing of the transaction can be kept. */
int temporary_add(struct mailbox *mailbox, struct packer *packer, const struct sealed_item *item,
                  bool *ret_broken, struct errinfo *info) MUST_USE;
/* Durable on return. */
int temporary_commit(struct mailbox *mailbox, struct errinfo *info) MUST_USE;

/* Takes over some of what is there; *ret_more: there is more. The mailbox is open. Adds to
 * *ret_merged; results holds what changed, for events. */
enum { MERGE_MAX = 50 };
struct merged {
	uint64_t count;
	struct batch_result last; /* folder 0: none */
};
int temporary_merge(struct mailbox *mailbox, struct packer *packer, struct merged *merged,
                    bool *ret_more, struct errinfo *info) MUST_USE;

#endif
