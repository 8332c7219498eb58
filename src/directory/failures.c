#include "directory/failures.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"

/* One address and remote; in the list by the start of its window, oldest first. */
struct failure {
	TAILQ_ENTRY(failure) entry;
	struct str key; /* owned */
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

/* address NUL remote; of an IPv6 address only the /64, which is what one customer is given. */
static void make_key(struct buf *key, struct str address, struct str remote)
{
	unsigned char ipv6[16];
	char text[INET6_ADDRSTRLEN];
	buf_add_str(key, address);
	buf_add_byte(key, '\0');
	if (remote.len < sizeof(text) && remote.len > 0) {
		memcpy(text, remote.ptr, remote.len);
		text[remote.len] = '\0';
		if (inet_pton(AF_INET6, text, ipv6) == 1) {
			bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)ipv6);
			buf_add(key, ipv6, mapped ? 16 : 8);
			return;
		}
	}
	buf_add_str(key, remote);
}

static struct failure *find(struct failures *failures, struct str key, int64_t now_ms)
{
	struct failure *failure = map_get(failures->by_key, key);
	if (failure != NULL && now_ms - failure->since_ms >= failures->window_ms) {
		forget(failures, failure);
		failure = NULL;
	}
	return failure;
}

bool failures_full(struct failures *failures, struct str address, struct str remote, int64_t now_ms)
{
	struct buf key BUF_AUTO;
	buf_init(&key, 4096);
	make_key(&key, address, remote);
	struct failure *failure = find(failures, buf_str(&key), now_ms);
	return failure != NULL && failure->count >= failures->max;
}

void failures_add(struct failures *failures, struct str address, struct str remote, int64_t now_ms)
{
	struct buf key BUF_AUTO;
	buf_init(&key, 4096);
	make_key(&key, address, remote);
	struct failure *failure = find(failures, buf_str(&key), now_ms);
	if (failure == NULL) {
		if (map_count(failures->by_key) >= FAILURES_KEPT)
			forget(failures, TAILQ_FIRST(&failures->oldest_first));
		failure = mem_new(sizeof(*failure));
		failure->since_ms = now_ms;
		failure->key.ptr = buf_steal(&key, &failure->key.len);
		(void)map_put(failures->by_key, failure->key, failure);
		TAILQ_INSERT_TAIL(&failures->oldest_first, failure, entry);
	}
	failure->count++;
}

void failures_clear(struct failures *failures, struct str address, struct str remote)
{
	struct buf key BUF_AUTO;
	buf_init(&key, 4096);
	make_key(&key, address, remote);
	struct failure *failure = map_get(failures->by_key, buf_str(&key));
	if (failure != NULL)
		forget(failures, failure);
}
