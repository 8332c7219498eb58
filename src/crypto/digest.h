#ifndef POSTKASSE_CRYPTO_DIGEST_H
#define POSTKASSE_CRYPTO_DIGEST_H

/*
 * SHA-256 (FIPS 180-4) and PBKDF2 (RFC 8018) by OpenSSL, which uses the processor's instructions
 * for them; HMAC (RFC 2104) and HKDF (RFC 5869), for short texts, by libsodium. From any thread.
 */

#include "base/str.h"
#include "crypto/secret.h"

enum { SHA256_SIZE = 32 };

void sha256(struct str bytes, unsigned char ret[SHA256_SIZE]);
void hmac_sha256(const void *key, size_t key_len, struct str bytes, unsigned char ret[SHA256_SIZE]);
/* HKDF-SHA256 to 32 bytes; info tells what the key is for. */
void hkdf_sha256(const void *key, size_t key_len, struct str salt, struct str info,
                 struct key32 *ret);
void pbkdf2_sha256(struct str password, struct str salt, uint32_t iterations, struct key32 *ret);

#endif
