#ifndef POSTKASSE_DIRECTORY_FAILURES_H
#define POSTKASSE_DIRECTORY_FAILURES_H

/*
 * Failed logins, counted by address and network address within a window of time. In memory only and
 * bounded: when FAILURES_KEPT pairs are remembered the oldest gives way. Passwords carry 128 bits, so
 * this is against noise and against trying stolen passwords of other services, not against guessing.
 */

#include "base/str.h"

enum { FAILURES_KEPT = 50000 };

struct failures;

struct failures *failures_new(void) __attribute__((returns_nonnull, warn_unused_result));
void failures_free(struct failures *failures);
/* max failures within window_ms; counts that are there stay. */
void failures_configure(struct failures *failures, int64_t max, int64_t window_ms);
/* True when another attempt must be refused. now_ms is monotonic. */
bool failures_full(struct failures *failures, struct str address, struct str remote,
                   int64_t now_ms);
/* One more failure. */
void failures_add(struct failures *failures, struct str address, struct str remote, int64_t now_ms);
/* A login that worked ends the count. */
void failures_clear(struct failures *failures, struct str address, struct str remote);
size_t failures_count(const struct failures *failures);

#endif
