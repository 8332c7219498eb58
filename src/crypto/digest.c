#include "crypto/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>

#include "base/must.h"

/* Fetched once: looking an algorithm up by name costs more than hashing a short text. */
static pthread_once_t digest_once = PTHREAD_ONCE_INIT;
static EVP_MD *digest_sha256;

static void digest_fetch(void)
{
	digest_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(digest_sha256 != NULL);
}

void sha256(struct str bytes, unsigned char ret[SHA256_SIZE])
{
	pthread_once(&digest_once, digest_fetch);
	must(EVP_Digest(bytes.ptr, bytes.len, ret, NULL, digest_sha256, NULL) == 1);
}

/* libsodium's, which takes no memory: keys and messages are short wherever it is used. */
void hmac_sha256(const void *key, size_t key_len, struct str bytes, unsigned char ret[SHA256_SIZE])
{
	crypto_auth_hmacsha256_state state;
	crypto_auth_hmacsha256_init(&state, key_len == 0 ? (const void *)"" : key, key_len);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)bytes.ptr, bytes.len);
	crypto_auth_hmacsha256_final(&state, ret);
	wipe(&state, sizeof(state));
}

/* RFC 5869 section 2.2 and 2.3, with L = HashLen: one block is all there is to expand to. */
void hkdf_sha256(const void *key, size_t key_len, struct str salt, struct str info,
                 struct key32 *ret)
{
	static const unsigned char block_number = 1;
	struct key32 extracted KEY32_AUTO;
	hmac_sha256(salt.ptr, salt.len, STR_OF(key, key_len), extracted.bytes);

	crypto_auth_hmacsha256_state state;
	crypto_auth_hmacsha256_init(&state, extracted.bytes, sizeof(extracted.bytes));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)info.ptr, info.len);
	crypto_auth_hmacsha256_update(&state, &block_number, sizeof(block_number));
	crypto_auth_hmacsha256_final(&state, ret->bytes);
	wipe(&state, sizeof(state));
}

void pbkdf2_sha256(struct str password, struct str salt, uint32_t iterations, struct key32 *ret)
{
	pthread_once(&digest_once, digest_fetch);
	must(iterations > 0 && iterations <= INT32_MAX && password.len <= INT32_MAX &&
	     salt.len <= INT32_MAX);
	must(PKCS5_PBKDF2_HMAC(password.len == 0 ? "" : password.ptr, (int)password.len,
	                       (const unsigned char *)salt.ptr, (int)salt.len, (int)iterations,
	                       digest_sha256, sizeof(ret->bytes), ret->bytes) == 1);
}
