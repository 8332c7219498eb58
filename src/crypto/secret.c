#include "crypto/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

enum { SECRET_MAX = 4096 };

_Static_assert(VAULTED_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES + KEY_SIZE +
                                   crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "a vaulted key is nonce, ciphertext and tag");
_Static_assert(KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size of key");

int crypto_init(struct errinfo *info)
{
	if (sodium_init() < 0)
		return err_set(info, E_INTERNAL, "libsodium does not start");
	return 0;
}

void random_bytes(void *ret, size_t len)
{
	randombytes_buf(ret, len);
}

bool equal_constant_time(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void wipe(void *ptr, size_t len)
{
	if (len > 0)
		sodium_memzero(ptr, len);
}

__attribute__((noinline)) void stack_wipe(void)
{
	/* As large as the frames that were there; it is only written. */
	unsigned char dead[STACK_WIPED] __attribute__((uninitialized));
	wipe(dead, sizeof(dead));
}

__attribute__((noinline)) void stack_wipe_deep(void)
{
	unsigned char dead[STACK_WIPED_DEEP] __attribute__((uninitialized));
	wipe(dead, sizeof(dead));
}

void key32_wipe(struct key32 *key)
{
	sodium_memzero(key->bytes, sizeof(key->bytes));
}

bool key32_eq(const struct key32 *a, const struct key32 *b)
{
	return equal_constant_time(a->bytes, b->bytes, sizeof(a->bytes));
}

void key32_random(struct key32 *ret)
{
	random_bytes(ret->bytes, sizeof(ret->bytes));
}

struct secret {
	unsigned char *bytes; /* owned, guarded */
	size_t len;
	pthread_mutex_t mutex; /* workers open the same secret at the same time */
	unsigned opened;       /* under mutex; readable while it is not 0 */
};

struct secret *secret_new(const void *bytes, size_t len)
{
	must(len > 0 && len <= SECRET_MAX);
	unsigned char *guarded = sodium_malloc(len);
	if (guarded == NULL)
		return NULL;
	memcpy(guarded, bytes, len);
	must(sodium_mprotect_noaccess(guarded) == 0);
	struct secret *secret = mem_new(sizeof(*secret));
	secret->bytes = guarded;
	secret->len = len;
	must(pthread_mutex_init(&secret->mutex, NULL) == 0);
	return secret;
}

void secret_free(struct secret *secret)
{
	if (secret == NULL)
		return;
	must(secret->opened == 0);
	sodium_free(secret->bytes); /* overwrites it first */
	pthread_mutex_destroy(&secret->mutex);
	free(secret);
}

size_t secret_len(const struct secret *secret)
{
	return secret->len;
}

const unsigned char *secret_open(struct secret *secret)
{
	pthread_mutex_lock(&secret->mutex);
	if (secret->opened++ == 0)
		must(sodium_mprotect_readonly(secret->bytes) == 0);
	pthread_mutex_unlock(&secret->mutex);
	return secret->bytes;
}

void secret_close(struct secret *secret)
{
	pthread_mutex_lock(&secret->mutex);
	must(secret->opened > 0);
	if (--secret->opened == 0)
		must(sodium_mprotect_noaccess(secret->bytes) == 0);
	pthread_mutex_unlock(&secret->mutex);
}

struct vault {
	struct secret *key; /* owned */
};

struct vault *vault_new(void)
{
	struct vault *vault = mem_new(sizeof(*vault));
	struct key32 key KEY32_AUTO;
	key32_random(&key);
	vault->key = secret_new(key.bytes, sizeof(key.bytes));
	must(vault->key != NULL); /* one page, at the start of a process */
	return vault;
}

void vault_free(struct vault *vault)
{
	if (vault == NULL)
		return;
	secret_free(vault->key);
	free(vault);
}

void vault_put(struct vault *vault, const struct key32 *key, struct vaulted *ret)
{
	unsigned char *nonce = ret->bytes;
	random_bytes(nonce, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	const unsigned char *vault_key = secret_open(vault->key);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	                                           NULL, key->bytes, sizeof(key->bytes), NULL, 0, NULL,
	                                           nonce, vault_key);
	secret_close(vault->key);
}

bool vault_get(struct vault *vault, const struct vaulted *vaulted, struct key32 *ret)
{
	const unsigned char *nonce = vaulted->bytes;
	const unsigned char *vault_key = secret_open(vault->key);
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(
		ret->bytes, NULL, NULL, nonce + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
		VAULTED_SIZE - crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, NULL, 0, nonce, vault_key);
	secret_close(vault->key);
	return rc == 0;
}
