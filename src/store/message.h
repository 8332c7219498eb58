#ifndef POSTKASSE_STORE_MESSAGE_H
#define POSTKASSE_STORE_MESSAGE_H

/*
 * Messages, bit-exact. A message is kept in three places: its attachments, each once for the whole
 * mailbox (attachment.c), what is left when they are cut out, and what is known about it. Both kinds
 * of bytes are kept in pieces of PIECE_SIZE, packed one by one, so that any part of a large message
 * is read without the rest. All functions are for the mailbox's turn, adding inside a transaction.
 */

#include "db/db.h"
#include "mail.pb-c.h"
#include "store/mailbox.h"
#include "store/pack.h"

enum {
	PIECE_SIZE = 256 * 1024 - 1, /* a multiple of 3: base64 is written from pieces */
	PIECE_BITS = 16,             /* id of a piece: id of what it belongs to, then its number */
	ATTACHMENT_MIN = 4 * 1024,   /* smaller ones stay where they are */
	ATTACHMENTS_MAX = 1000,      /* cut out of one message; further ones stay too */
};

/* Makes sure of count ids for messages and attachments, in this transaction; they are then taken by
 * mailbox_take_id. Ids come from one counter in blocks, and no id is ever given twice. */
int mailbox_reserve_ids(struct mailbox *mailbox, int64_t count, struct errinfo *info) MUST_USE;
int64_t mailbox_take_id(struct mailbox *mailbox);

/* Adds a message without any entry. description has passed description_check. */
int message_add(struct mailbox *mailbox, struct packer *packer, struct str raw,
                const Pk__Description *description, int64_t *ret_id, struct errinfo *info) MUST_USE;
/* Deletes a message that has no entry any more, and attachments that nobody else uses. */
int message_delete(struct db *db, int64_t id, struct errinfo *info) MUST_USE;
/* The thread of a message with these references, for message_add. */
int thread_assign(struct db *db, int64_t message, const Pk__Description *description,
                  int64_t *ret_thread, struct errinfo *info) MUST_USE;

/* ---- attachment.c ---- */

/* A stretch of a message that is kept as an attachment. */
struct cut {
	uint64_t offset, size;
	int64_t attachment;
	uint64_t line_size; /* 0: the bytes as they came; else base64 in lines of so many characters */
	unsigned line_end;  /* bytes of a line end */
};
/* Stores the attachments of raw and says where they were; *ret_count at most max. */
int attachments_cut(struct mailbox *mailbox, struct packer *packer, struct str raw,
                    const Pk__Description *description, struct cut *ret, size_t max,
                    size_t *ret_count, struct errinfo *info) MUST_USE;
/* Packs bytes in pieces into the table of content (attachment false) or attachment_content. */
int pieces_add(struct db *db, struct packer *packer, bool attachment, int64_t id, struct str bytes,
               struct errinfo *info) MUST_USE;
/* Deletes the pieces that pieces_add made. */
int pieces_delete(struct db *db, bool attachment, int64_t id, struct errinfo *info) MUST_USE;
/* Deletes an attachment when no cut names it. */
int attachment_release(struct db *db, int64_t id, struct errinfo *info) MUST_USE;

/* ---- reader.c ---- */

/* The last unpacked pieces of a mailbox: attachments are often the same one. NULL is fine. */
void piece_cache_free(struct piece_cache *cache);

struct message_reader {
	struct mailbox *mailbox;
	struct packer *packer;
	int64_t id;
	uint64_t size, header_size;
	struct cut *cuts; /* owned, by offset */
	size_t cut_count;
};
/* E_NOT_FOUND, E_CORRUPT. */
int message_reader_init(struct message_reader *ret, struct mailbox *mailbox, struct packer *packer,
                        int64_t id, struct errinfo *info) MUST_USE;
void message_reader_done(struct message_reader *reader);
#define MESSAGE_READER_AUTO __attribute__((cleanup(message_reader_done)))
/* Whether every piece can be read, without taking them apart: what is stored is authenticated page by
 * page. E_CORRUPT, E_IO. About 0.4 ms a megabyte. */
int message_check_readable(struct message_reader *reader, struct errinfo *info) MUST_USE;
/* Appends bytes offset to offset + len, which lie within the message. */
int message_read(struct message_reader *reader, uint64_t offset, uint64_t len, struct buf *out,
                 struct errinfo *info) MUST_USE;

#endif
