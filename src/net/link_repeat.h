#ifndef POSTKASSE_NET_LINK_REPEAT_H
#define POSTKASSE_NET_LINK_REPEAT_H

/*
 * What a core remembers of requests with a repeat id: which are under way, and what was replied to those
 * that are done, for a bounded time and within a bounded number of bytes. Ids are kept by role, so that
 * one kind of front can never ask for the reply of another.
 */

#include "base/str.h"

struct repeat_memory;
struct repeat;

struct repeat_memory *repeat_memory_new(size_t bytes_max, int64_t keep_ms)
	__attribute__((returns_nonnull, warn_unused_result));
void repeat_memory_free(struct repeat_memory *memory);
/* What is known of that id, or NULL. Forgets what is too old first. */
struct repeat *repeat_find(struct repeat_memory *memory, const char *role, struct str id,
                           int64_t now_ms);
/* Begins to remember; owner (not NULL) is whoever works on it. */
struct repeat *repeat_begin(struct repeat_memory *memory, const char *role, struct str id,
                            void *owner) __attribute__((returns_nonnull));
/* The owner, or NULL once it is finished. */
void *repeat_owner(const struct repeat *repeat);
/* Keeps the reply, a secret body encrypted under a key of this memory's own; forgets older ones over
 * the bound. repeat may be gone afterwards. */
void repeat_finish(struct repeat_memory *memory, struct repeat *repeat, int error, struct str text,
                   struct str body, bool secret, int64_t now_ms);
/* The reply of a finished one: text is borrowed, body appended to a buffer, which is made a secret one
 * if that is what body is. */
int repeat_reply(const struct repeat_memory *memory, const struct repeat *repeat,
                 struct str *ret_text, struct buf *ret_body);

#endif
