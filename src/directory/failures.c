#include "directory/failures.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"

enum { KEY_MAX = 4096 };

/* One address and network, or one network; in the list by the start of its window, oldest first. */
struct failure {
	TAILQ_ENTRY(failure) entry;
	struct str key; /* owned: network NUL, then the address of a pair */
	bool pair;
	int64_t since_ms;
	int64_t count;
};

struct failures {
	struct map *by_key;
	TAILQ_HEAD(failure_list, failure) oldest_first;
	int64_t max, window_ms;
};

struct failures *failures_new(void)
{
	struct failures *failures = mem_new(sizeof(*failures));
	failures->by_key = map_new();
	TAILQ_INIT(&failures->oldest_first);
	failures->max = INT64_MAX;
	return failures;
}

static void forget(struct failures *failures, struct failure *failure)
{
	TAILQ_REMOVE(&failures->oldest_first, failure, entry);
	(void)map_remove(failures->by_key, failure->key);
	free((char *)(uintptr_t)failure->key.ptr);
	free(failure);
}

void failures_free(struct failures *failures)
{
	if (failures == NULL)
		return;
	struct failure *failure;
	while ((failure = TAILQ_FIRST(&failures->oldest_first)) != NULL)
		forget(failures, failure);
	map_free(failures->by_key);
	free(failures);
}

void failures_configure(struct failures *failures, int64_t max, int64_t window_ms)
{
	failures->max = max;
	failures->window_ms = window_ms;
}

size_t failures_count(const struct failures *failures)
{
	return map_count(failures->by_key);
}

void failures_network(struct str remote, char ret[FAILURES_NETWORK_SIZE])
{
	struct in6_addr ipv6;
	struct str numeric = str_ends_nocase(remote, STR("/64")) ? str_slice(remote, 0, remote.len - 3)
	                                                         : remote;
	numeric = str_slice(numeric, 0, FAILURES_NETWORK_SIZE - 1);
	memcpy(ret, numeric.ptr == NULL ? "" : numeric.ptr, numeric.len);
	ret[numeric.len] = '\0';
	if (inet_pton(AF_INET6, ret, &ipv6) != 1)
		return;
	if (IN6_IS_ADDR_V4MAPPED(&ipv6)) {
		(void)inet_ntop(AF_INET, &ipv6.s6_addr[12], ret, FAILURES_NETWORK_SIZE);
		return;
	}
	memset(&ipv6.s6_addr[8], 0, 8);
	(void)inet_ntop(AF_INET6, &ipv6, ret, FAILURES_NETWORK_SIZE);
	memcpy(ret + strlen(ret), "/64", sizeof("/64"));
}

static void make_key(struct buf *key, const char *network, struct str address)
{
	buf_init(key, KEY_MAX);
	buf_add_text(key, network);
	buf_add_byte(key, '\0');
	buf_add_str(key, address);
}

static struct str address_of(const struct failure *failure)
{
	return str_from_byte(failure->key, strlen(failure->key.ptr) + 1);
}

/* An address is never empty, so the network alone has a key of its own. */
static int64_t add_one(struct failures *failures, const char *network, struct str address,
                       int64_t now_ms)
{
	struct buf key BUF_AUTO;
	make_key(&key, network, address);
	struct failure *failure = map_get(failures->by_key, buf_str(&key));
	if (failure != NULL && now_ms - failure->since_ms >= failures->window_ms) {
		forget(failures, failure);
		failure = NULL;
	}
	if (failure == NULL) {
		if (map_count(failures->by_key) >= FAILURES_KEPT)
			forget(failures, TAILQ_FIRST(&failures->oldest_first));
		failure = mem_new(sizeof(*failure));
		failure->since_ms = now_ms;
		failure->pair = address.len > 0;
		failure->key.ptr = buf_steal(&key, &failure->key.len);
		(void)map_put(failures->by_key, failure->key, failure);
		TAILQ_INSERT_TAIL(&failures->oldest_first, failure, entry);
	}
	return ++failure->count;
}

static int64_t delay_after(int64_t count, int64_t free_of_delay)
{
	int64_t delay_ms = count > free_of_delay ? FAILURES_DELAY_FIRST_MS : 0;
	for (int64_t i = free_of_delay + 1; i < count && delay_ms < FAILURES_DELAY_MAX_MS; i++)
		delay_ms *= 2;
	return delay_ms < FAILURES_DELAY_MAX_MS ? delay_ms : FAILURES_DELAY_MAX_MS;
}

static int64_t delay_of(const struct failures *failures, bool pair, int64_t count)
{
	return delay_after(count, pair ? failures->max : failures->max * FAILURES_NETWORK_FACTOR);
}

int64_t failures_add(struct failures *failures, struct str address, struct str remote,
                     int64_t now_ms)
{
	char network[FAILURES_NETWORK_SIZE];
	failures_network(remote, network);
	if (address.len == 0)
		address = STR("?"); /* of a login without one */
	int64_t by_pair = delay_of(failures, true, add_one(failures, network, address, now_ms));
	int64_t by_network = delay_of(failures, false, add_one(failures, network, STR(""), now_ms));
	return by_pair > by_network ? by_pair : by_network;
}

void failures_clear(struct failures *failures, struct str address, struct str remote)
{
	char network[FAILURES_NETWORK_SIZE];
	struct buf key BUF_AUTO;
	failures_network(remote, network);
	make_key(&key, network, address);
	struct failure *failure = map_get(failures->by_key, buf_str(&key));
	if (failure != NULL && failure->pair)
		forget(failures, failure);
}

size_t failures_forget(struct failures *failures, struct str which)
{
	size_t count = 0;
	struct failure *failure, *next;
	for (failure = TAILQ_FIRST(&failures->oldest_first); failure != NULL; failure = next) {
		next = TAILQ_NEXT(failure, entry);
		if (!str_eq(str_from(failure->key.ptr), which) &&
		    (!failure->pair || !str_eq(address_of(failure), which)))
			continue;
		forget(failures, failure);
		count++;
	}
	return count;
}

void failures_each(struct failures *failures, int64_t now_ms,
                   bool (*each)(void *ctx, const struct failures_row *row), void *ctx)
{
	struct failure *failure;
	TAILQ_FOREACH (failure, &failures->oldest_first, entry) {
		struct failures_row row = {
			.address = failure->pair ? address_of(failure) : STR(""),
			.network = failure->key.ptr,
			.count = failure->count,
			.since_ms = failure->since_ms,
			/* That of the next one. */
			.delay_ms = delay_of(failures, failure->pair, failure->count + 1),
		};
		bool late = row.delay_ms > 0 && now_ms - failure->since_ms < failures->window_ms;
		if (late && !each(ctx, &row))
			return;
	}
}
