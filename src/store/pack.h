#ifndef POSTKASSE_STORE_PACK_H
#define POSTKASSE_STORE_PACK_H

/*
 * Compression of what a mailbox keeps: zstd frames of level 3, for text with a dictionary that was
 * trained on synthetic mail (tools/train-dictionary). Dictionaries are numbered, a frame names the
 * one that it needs, and none is ever removed from the program. Every mailbox file holds those that
 * it uses, so that it can be read without this program.
 */

#include "base/error.h"
#include "base/str.h"

enum { PACK_DICTIONARY = 1 }; /* the one that new frames use; its zstd id too */

/* The dictionary's bytes as zstd takes them; borrowed, static. */
struct str pack_dictionary(void);

/* The digested dictionaries, shared by all threads. */
struct pack_tables;
struct pack_tables *pack_tables_new(void) __attribute__((returns_nonnull, warn_unused_result));
void pack_tables_free(struct pack_tables *tables);

/* The working memory of one thread. */
struct packer;
struct packer *packer_new(const struct pack_tables *tables)
	__attribute__((returns_nonnull, warn_unused_result));
void packer_free(struct packer *packer);
/* Lets go of what is left in it of the bytes that it worked on last; it goes on as if new. */
void packer_forget(struct packer *packer);

enum pack_kind {
	PACK_TEXT, /* with the dictionary */
	PACK_DATA, /* without */
	PACK_FAST, /* with the dictionary, for what is unpacked and thrown away soon */
};

/* Appends plain as one frame to out. False when out has no room for it. */
bool pack(struct packer *packer, enum pack_kind kind, struct str plain, struct buf *out) MUST_USE;
/* Whether packing these bytes would save at least a sixteenth, judged by their beginning. */
bool pack_worthwhile(struct packer *packer, struct str plain);
/* Appends what the frame holds, at most max bytes, to out. E_CORRUPT when it is not such a frame. */
int unpack(struct packer *packer, struct str frame, size_t max, struct buf *out,
           struct errinfo *info) MUST_USE;

#endif
