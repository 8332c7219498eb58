#include "smtp/retry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

struct attempt {
	TAILQ_ENTRY(attempt) age;
	unsigned char digest[SMTP_RETRY_DIGEST_SIZE];
	struct smtp_seed seed;
	int64_t until_ms;
};

struct smtp_retry {
	struct map *attempts; /* by digest; values are owned */
	TAILQ_HEAD(attempts, attempt) oldest;
};

struct smtp_retry *smtp_retry_new(void)
{
	struct smtp_retry *retry = mem_new(sizeof(*retry));

	retry->attempts = map_new();
	TAILQ_INIT(&retry->oldest);
	return retry;
}

static struct str digest_of(const struct attempt *attempt)
{
	return STR_OF(attempt->digest, sizeof(attempt->digest));
}

static void drop(struct smtp_retry *retry, struct attempt *attempt)
{
	map_remove(retry->attempts, digest_of(attempt));
	TAILQ_REMOVE(&retry->oldest, attempt, age);
	free(attempt);
}

void smtp_retry_free(struct smtp_retry *retry)
{
	struct attempt *attempt, *next;

	if (retry == NULL)
		return;
	for (attempt = TAILQ_FIRST(&retry->oldest); attempt != NULL; attempt = next) {
		next = TAILQ_NEXT(attempt, age);
		drop(retry, attempt);
	}
	map_free(retry->attempts);
	free(retry);
}

/* SHA-256 over the digests of both, so that neither can run into the other. */
static void digest(struct str reverse_path, struct str content,
                   unsigned char ret[SMTP_RETRY_DIGEST_SIZE])
{
	unsigned char both[2 * SHA256_SIZE];

	_Static_assert((int)SMTP_RETRY_DIGEST_SIZE == (int)SHA256_SIZE, "digest sizes differ");
	sha256(reverse_path, both);
	sha256(content, both + SHA256_SIZE);
	sha256(STR_OF(both, sizeof(both)), ret);
}

/* Without a look at the content while there is nothing to find, which is nearly always. */
static struct attempt *find(struct smtp_retry *retry, struct str reverse_path, struct str content)
{
	unsigned char key[SMTP_RETRY_DIGEST_SIZE];

	if (map_count(retry->attempts) == 0)
		return NULL;
	digest(reverse_path, content, key);
	return map_get(retry->attempts, STR_OF(key, sizeof(key)));
}

static void drop_expired(struct smtp_retry *retry, int64_t now_ms)
{
	struct attempt *attempt, *next;

	for (attempt = TAILQ_FIRST(&retry->oldest); attempt != NULL && attempt->until_ms <= now_ms;
	     attempt = next) {
		next = TAILQ_NEXT(attempt, age);
		drop(retry, attempt);
	}
}

void smtp_retry_seed(struct smtp_retry *retry, struct str reverse_path, struct str content,
                     int64_t now_ms, struct smtp_seed *ret)
{
	struct attempt *attempt;

	drop_expired(retry, now_ms);
	attempt = find(retry, reverse_path, content);
	if (attempt != NULL)
		*ret = attempt->seed;
	else
		random_bytes(ret->bytes, sizeof(ret->bytes));
}

void smtp_retry_remember(struct smtp_retry *retry, struct str reverse_path, struct str content,
                         int64_t now_ms, const struct smtp_seed *seed)
{
	struct attempt *attempt = mem_new(sizeof(*attempt));
	struct attempt *earlier;

	digest(reverse_path, content, attempt->digest);
	attempt->seed = *seed;
	attempt->until_ms = now_ms + SMTP_RETRY_MEMORY_MS;
	earlier = map_get(retry->attempts, digest_of(attempt));
	if (earlier != NULL)
		drop(retry, earlier);
	if (map_count(retry->attempts) >= SMTP_RETRY_MAX)
		drop(retry, TAILQ_FIRST(&retry->oldest));
	map_put(retry->attempts, digest_of(attempt), attempt);
	TAILQ_INSERT_TAIL(&retry->oldest, attempt, age);
}

void smtp_retry_forget(struct smtp_retry *retry, struct str reverse_path, struct str content)
{
	struct attempt *attempt = find(retry, reverse_path, content);

	if (attempt != NULL)
		drop(retry, attempt);
}

size_t smtp_retry_count(const struct smtp_retry *retry)
{
	return map_count(retry->attempts);
}

void smtp_delivery_id(const struct smtp_seed *seed, struct str mailbox,
                      unsigned char ret[SMTP_DELIVERY_ID_SIZE])
{
	unsigned char mac[SHA256_SIZE];

	hmac_sha256(seed->bytes, sizeof(seed->bytes), mailbox, mac);
	memcpy(ret, mac, SMTP_DELIVERY_ID_SIZE);
}
