#ifndef POSTKASSE_DIRECTORY_FAILURES_H
#define POSTKASSE_DIRECTORY_FAILURES_H

/*
 * Failed logins, counted within a window of time: by address and network together, and by network
 * alone. What is counted decides how much later the next wrong login is answered; a right one is never
 * looked up here, so that nobody's mistakes, and nobody's malice behind the same NAT, keep an owner
 * out. Passwords carry 128 bits: this is against load and noise, not against guessing. In memory only
 * and bounded: when FAILURES_KEPT counts are remembered the oldest gives way. The clock is the
 * caller's: now_ms is monotonic.
 */

#include <netinet/in.h>

#include "base/str.h"

enum {
	FAILURES_KEPT = 50000,
	FAILURES_NETWORK_SIZE = INET6_ADDRSTRLEN + 4, /* of a network as text, with NUL */
	FAILURES_NETWORK_FACTOR = 10,  /* so many times max for all addresses of one network */
	FAILURES_DELAY_FIRST_MS = 250, /* of the first answer that is late; then twice as long */
	FAILURES_DELAY_MAX_MS = 5000,  /* ... up to this */
};

struct failures;

struct failures *failures_new(void) __attribute__((returns_nonnull, warn_unused_result));
void failures_free(struct failures *failures);
/* max failures within window_ms are answered at once; counts that are there stay. */
void failures_configure(struct failures *failures, int64_t max, int64_t window_ms);
/* The network of a numeric address as text: IPv4 "192.0.2.1", of IPv6 the first 64 bits, which is what
 * one customer is given, "2001:db8:1:2::/64". Its own output is input too. Other text stays as it is,
 * cut. */
void failures_network(struct str remote, char ret[FAILURES_NETWORK_SIZE]);
/* One more failure; returns by how many milliseconds its answer is to be late. */
int64_t failures_add(struct failures *failures, struct str address, struct str remote,
                     int64_t now_ms);
/* A login that worked ends the count of its address and network. */
void failures_clear(struct failures *failures, struct str address, struct str remote);
/* Ends all counts of an address, or of a network (as failures_network writes it); how many. */
size_t failures_forget(struct failures *failures, struct str which);
/* For tests: how many are kept. */
size_t failures_count(const struct failures *failures);

/* A count that makes answers late now. */
struct failures_row {
	struct str address; /* empty: all of the network; borrowed; any bytes that a client sent */
	const char *network;
	int64_t count, since_ms, delay_ms;
};
/* Calls each for every such count, oldest first, until it returns false. */
void failures_each(struct failures *failures, int64_t now_ms,
                   bool (*each)(void *ctx, const struct failures_row *row), void *ctx);

#endif
