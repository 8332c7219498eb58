#ifndef POSTKASSE_STORE_SERVER_H
#define POSTKASSE_STORE_SERVER_H

/* What the work on a mailbox needs from the store as a whole. From any thread, except the last. */

#include "base/log.h"
#include "store/request.h"
#include "store/space.h"
#include "store/store.h"

/* The most bytes that any stored message has: what the option message_size_max could have been when it
 * came, and trace headers. It may be less now, and what is there must be read all the same. */
#define STORE_MESSAGE_MAX ((UINT64_C(1) << 30) + 64 * 1024)

/* The folder of the mailboxes and the process's log; they live as long as the store. */
const char *store_data_dir(const struct store *store);
const struct log *store_log(const struct store *store);
/* How long what waits and could not be taken over, or a re-key that was put off, is left alone. */
int64_t store_merge_retry_ms(const struct store *store);
/* For space_short and space_has_room. */
const struct space *store_space(const struct store *store);
/* What can wait for the next time is not begun or gone on with any more. */
bool store_stopping(const struct store *store);

/* Keys of mailboxes, sealed under the process's own key while nobody uses them. */
void store_key_put(struct store *store, const struct key32 *key, struct vaulted *ret);
bool store_key_get(struct store *store, const struct vaulted *vaulted, struct key32 *ret) MUST_USE;
/* The key of a mailbox's temporary file, derived from the host key. */
void store_temporary_key(struct store *store, struct str mailbox, struct key32 *ret);

/* Counts open files. */
void store_handle_opened(struct store *store);
void store_handle_closed(struct store *store);

/* One recipient of a delivery. In the loop's thread. */
struct delivery;
void store_start_target(struct store *store, struct delivery *delivery, size_t target,
                        struct str mailbox);

#endif
