#ifndef POSTKASSE_STORE_UIDS_H
#define POSTKASSE_STORE_UIDS_H

/* Sets of UIDs as rising, merged runs, in the form in which they travel over the link. */

#include "base/error.h"
#include "base/str.h"
#include "store.pb-c.h"

struct uid_runs {
	Pk__UidRange *items; /* owned */
	size_t count, capacity;
	Pk__UidRange **pointers; /* owned, see uid_runs_pointers */
};

void uid_runs_done(struct uid_runs *runs);
#define UID_RUNS_AUTO __attribute__((cleanup(uid_runs_done)))
/* Extends the last run, or begins one. In any order and with repeats the runs are no longer merged
 * nor rising; copy's pairs want exactly that. */
void uid_runs_add(struct uid_runs *runs, uint32_t uid);
void uid_runs_add_run(struct uid_runs *runs, uint32_t first, uint32_t last);
/* What a front asked for: sorted and merged. E_INVALID for 0 and for backward runs. */
int uid_runs_from(struct uid_runs *ret, Pk__UidRange *const *items, size_t count,
                  struct errinfo *info) MUST_USE;
/* For tests; rising runs only. */
bool uid_runs_have(const struct uid_runs *runs, uint32_t uid);
/* For a protobuf-c message; borrowed until the next change. */
Pk__UidRange **uid_runs_pointers(struct uid_runs *runs);

#endif
