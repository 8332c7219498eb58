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

/* Opens the temporary mailbox and begins a transaction; one that is found damaged is set aside first
 * (aside.h), so that nothing more goes into it. E_NOT_FOUND: there is no such mailbox. */
int temporary_begin(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Seals and adds; a delivery id that is there already is fine. *ret_broken: a write failed, and
 * nothing of the transaction can be kept. */
int temporary_add(struct mailbox *mailbox, struct packer *packer, const struct sealed_item *item,
                  bool *ret_broken, struct errinfo *info) MUST_USE;
/* Durable on return. */
int temporary_commit(struct mailbox *mailbox, struct errinfo *info) MUST_USE;

/* A sealed row, see proto/sealed.proto; bound to this mailbox and this delivery. */
enum {
	SEALED_VERSION = 1,
	SEALED_LENGTH_SIZE = 4,
	SEALED_CONTEXT_SIZE = MAILBOX_ID_SIZE + DELIVERY_ID_SIZE,
};
#define SEALED_PLAIN_MAX ((size_t)STORE_MESSAGE_MAX + LINK_MESSAGE_MAX + SEALED_LENGTH_SIZE)
struct str temporary_context(const struct mailbox *mailbox, struct str delivery_id,
                             char ret[SEALED_CONTEXT_SIZE]);

/* Whether the volume of mailboxes has room for what waits, at most that many bytes of it at once: in the WAL first,
 * and then in the file. A part of the reserve is left. */
bool temporary_has_room(const struct mailbox *mailbox, uint64_t most);

/* ---- merge.c ---- */

/* Takes over some of what is there; *ret_more: there is more, call it again with the same *merged,
 * which begins zeroed. The mailbox is open. Without room for it on the volume it is put off. A damaged temporary mailbox is set aside and read row by
 * row; what is behind the damage comes too, and a message in INBOX tells the owner. Any error but that
 * leaves everything for the next time. */
enum { MERGE_MAX = 50 };
struct merged {
	uint64_t count;           /* messages taken over */
	struct batch_result last; /* folder 0: none */
	/* Of the file that was set aside and is being read: */
	unsigned aside;      /* its number; 0: none */
	int64_t after;       /* rows up to this id have been looked at */
	uint64_t file, rows; /* as in waits.h, as far as it can be seen */
	uint64_t read, lost;
	bool uncounted; /* some of it cannot even be counted */
	bool io_failed; /* something could not be read that may be readable later */
};
int temporary_merge(struct mailbox *mailbox, struct packer *packer, struct merged *merged,
                    bool *ret_more, struct errinfo *info) MUST_USE;

#endif
