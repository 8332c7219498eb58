#ifndef POSTKASSE_STORE_MAILBOX_H
#define POSTKASSE_STORE_MAILBOX_H

/*
 * A mailbox that somebody has to do with: its files, its key, its turn. It is made with the first
 * request for it and goes when nothing is left of it in memory.
 *
 * Two owners: the loop's thread keeps the books (who has sessions, what is idle), and whoever has the
 * mailbox's turn (worker.h) works with the files. The loop may look at the turn's fields only while
 * no task is on its way. An error harms this mailbox alone: its handles are closed, the next request
 * opens them again.
 */

#include <stdatomic.h>
#include <sys/queue.h>

#include "crypto/digest.h"
#include "crypto/seal.h"
#include "crypto/slot.h"
#include "db/db.h"
#include "store/mark.h"
#include "store/waits.h"
#include "store/worker.h"

struct store;
struct session;
struct piece_cache;
struct folder_summary;
struct rekey;

enum {
	MAILBOX_ID_SIZE = 24, /* hexadecimal digits */
};

/* What mail for an owner who is away was last sealed with, kept for a moment: see temporary.c. */
struct sealing {
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	unsigned char header[1 + SEAL_PUBLIC_SIZE];
	struct vaulted key;
	int64_t until_ms;
	unsigned left; /* messages it may still be used for */
};

/* When a change is durable. Whatever somebody is told of must be by then: what a power cut took back would be
 * given again, a UID to another message, a modseq to another change. */
enum durability {
	DURABLE_SOMETIME,  /* only in order: what is \Recent, garbage, old records. Nobody is told */
	DURABLE_ANSWERED,  /* before its request is answered, by mailbox_sync: many changes share one */
	DURABLE_COMMITTED, /* with its commit; one that fails is undone */
};

struct mailbox {
	char id[MAILBOX_ID_SIZE + 1];
	struct store *store;

	/* The loop's. */
	TAILQ_ENTRY(mailbox) by_use;
	LIST_HEAD(, session) sessions;
	unsigned session_count;
	unsigned task_count; /* started and not yet back, or waiting for credit */
	bool caring;         /* a request of our own is under way */
	int64_t used_ms;     /* when the last task came back */
	int64_t left_ms;     /* when the last session, or request that had shown the secret, ended */
	bool keyed;          /* a key may be in memory */
	bool vouched;        /* its mark was compared, and is in memory */

	/* The turn's. */
	struct turn turn;
	struct db *db;
	struct db *temporary;
	bool has_key;
	unsigned unlocks; /* counts mailbox_unlock */
	unsigned
		key_holders; /* requests under way that have shown the secret: the key stays for them */
	struct vaulted key;
	unsigned char key_digest[SHA256_SIZE]; /* tells it from others without the vault */
	unsigned char salt[DATA_KEY_SALT_SIZE];
	enum durability durability; /* of the transaction that was begun last */
	bool unsynced;              /* there are commits that mailbox_sync is due for */
	struct mark mark;           /* how far it had come, as far as is known */
	uint32_t renew_to; /* less was accepted as this generation: mark_renew is due; 0: is not */
	bool mark_untold;  /* it has come further */
	bool has_less;     /* it was found to have less, which nobody has been told yet */
	struct wait_marks waits;        /* what is known to wait, or to have waited: see waits.h */
	struct wait_mark waiting;       /* of the temporary mailbox, while it is open to be added to */
	struct wait_marks waits_untold; /* what the directory is to be told */
	uint64_t waits_lost;       /* so much has not come, which the operator has not been told yet */
	bool entries_damaged;      /* the log has it */
	bool needs_care;           /* mailbox_care has something to do */
	struct rekey *rekey;       /* one that is under way, or NULL */
	bool has_next_key;         /* a re-key is due */
	atomic_bool rekey_put_off; /* and waits for room; the loop reads it, too */
	int64_t rekey_retry_ms;    /* when to look whether there is any */
	struct vaulted next_key;
	unsigned char next_salt[DATA_KEY_SALT_SIZE];
	int64_t id_next, id_limit; /* the block of ids in hand, see message.h */
	uint64_t temporary_bytes;  /* of the messages in the temporary mailbox, while that is open */
	struct sealing sealing;
	int64_t merge_retry_ms;      /* when to take over again what could not be; 0: nothing is due */
	unsigned merge_failures;     /* of taking over, one after the other */
	int64_t none_aside_until_ms; /* no file was set aside that waits, as far as is known */
	struct piece_cache *pieces;
	struct folder_summary *summary;
	uint64_t generation;        /* another one whenever the main file may have changed */
	int64_t hold_until_ms;      /* somebody copies the main file: see hold.c */
	atomic_uint streams_inside; /* fetches in the middle of a message: garbage waits for them */
};

struct mailbox *mailbox_new(struct store *store, struct str id)
	__attribute__((returns_nonnull, warn_unused_result));
/* Nothing of it may be open any more. */
void mailbox_free(struct mailbox *mailbox);
/* 24 lower-case hexadecimal digits: the only names that become paths. */
bool mailbox_id_valid(struct str id);
/* Whether anything but the struct is left: handles or a key. For the loop, when task_count is 0. */
bool mailbox_holds_anything(const struct mailbox *mailbox);

/* ---- all that follows: in the mailbox's turn ---- */

/* Puts the key in that the record holds and opens the file, or checks that they are what is open
 * already. When the record holds two keys and the file has the second, new_record gets the record
 * that is to replace it; when it has the first, the re-key is remembered as due.
 * E_DENIED: the secret does not open the record. E_STALE: the file has another key. */
int mailbox_unlock(struct mailbox *mailbox, struct str secret, struct str record,
                   struct buf *new_record, struct errinfo *info) MUST_USE;
/* Opens the file if its handle was given back, or if another file has taken its place. E_STALE when there
 * is no key; E_IO when the file is not there; E_CORRUPT when it has less than it had (mark.h): then its
 * key is gone, too. */
int mailbox_ready(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Whether the temporary mailbox is open, and is what others would open: another is closed and logged. */
bool mailbox_temporary_ready(struct mailbox *mailbox);
void mailbox_temporary_close(struct mailbox *mailbox);
/* The same, but leaves file and WAL as they are: something in them is damaged. */
void mailbox_temporary_close_as_found(struct mailbox *mailbox);
/* Opens the temporary mailbox; with create, makes it when there is none. E_NOT_FOUND;
 * E_CORRUPT for a damaged one (see aside.h), E_UNAVAILABLE for one of another host key. */
int mailbox_temporary_open(struct mailbox *mailbox, bool create, struct errinfo *info) MUST_USE;
/* BEGIN IMMEDIATE. */
int mailbox_begin(struct mailbox *mailbox, enum durability durability,
                  struct errinfo *info) MUST_USE;
/* Commits, and notes how far the mailbox has come, and when the WAL has grown enough to be looked after. E_IO
 * when the file is not where others will look for it: what went into it counts for nothing. */
int mailbox_commit(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Makes durable what was committed as DURABLE_ANSWERED, if anything was. E_IO: it may be there after a power
 * cut or not, and is there until then; the handles are to be closed. */
int mailbox_sync(struct mailbox *mailbox, struct errinfo *info) MUST_USE;
/* Undoes what is open, if anything is. */
void mailbox_rollback(struct mailbox *mailbox);
/* What a quota counts: the sizes of all entries. */
int mailbox_used_bytes(struct mailbox *mailbox, uint64_t *ret, struct errinfo *info) MUST_USE;

/* A WAL that is longer is copied into its file at the next free moment. */
uint64_t mailbox_wal_max(const struct mailbox *mailbox);
/* Whether somebody copies the main file just now. */
bool mailbox_held(const struct mailbox *mailbox);
/* What is in the WAL goes into the main file. */
int mailbox_checkpoint(struct mailbox *mailbox, bool truncate, struct errinfo *info) MUST_USE;
void mailbox_close_handles(struct mailbox *mailbox);
void mailbox_forget_key(struct mailbox *mailbox);
/* Copies the data key that is in use. */
bool mailbox_key(struct mailbox *mailbox, struct data_key *ret);
void mailbox_set_key(struct mailbox *mailbox, const struct data_key *key);

/* Paths, appended with a NUL. */
enum mailbox_path { PATH_MAIN, PATH_NEW, PATH_REKEY, PATH_TEMPORARY };
void mailbox_path(const struct mailbox *mailbox, enum mailbox_path which, struct buf *ret);
/* E_IO when the volume that the file is on is not mounted (see STORE_FOLDER_MARKER). Before anything
 * is made or taken for gone. */
int mailbox_volume_check(const struct mailbox *mailbox, enum mailbox_path which,
                         struct errinfo *info) MUST_USE;
/* Makes the folder that the file is in, durably; E_IO likewise. */
int mailbox_make_folder(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info) MUST_USE;
int mailbox_sync_folder(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info) MUST_USE;
/* Whether there is such a file: a file system that cannot say so is E_IO, never "no". */
int mailbox_file_there(const struct mailbox *mailbox, enum mailbox_path which, bool *ret,
                       struct errinfo *info) MUST_USE;
int mailbox_path_there(const char *path, bool *ret, struct errinfo *info) MUST_USE;
/* Removes a file with its -wal and -shm; what is not there is fine. */
int mailbox_remove_path(const char *path, bool *ret_removed, struct errinfo *info) MUST_USE;
/* The same, durably. */
int mailbox_remove_file(const struct mailbox *mailbox, enum mailbox_path which,
                        struct errinfo *info) MUST_USE;

#endif
