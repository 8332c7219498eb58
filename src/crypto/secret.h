#ifndef POSTKASSE_CRYPTO_SECRET_H
#define POSTKASSE_CRYPTO_SECRET_H

/*
 * Secrets in memory. struct secret lives in libsodium's guarded memory: locked, not in core dumps,
 * between guard pages, unreadable except between secret_open and secret_close. struct key32 is the
 * short-lived form on a stack, wiped when its scope ends. struct vault keeps any number of 32-byte
 * keys in ordinary memory, sealed under a random key of this process that is itself a secret.
 */

#include "base/error.h"
#include "base/str.h"

enum { KEY_SIZE = 32, VAULTED_SIZE = 24 + KEY_SIZE + 16 };

struct key32 {
	unsigned char bytes[KEY_SIZE];
};
void key32_wipe(struct key32 *key);
#define KEY32_AUTO __attribute__((cleanup(key32_wipe)))
/* In constant time. */
bool key32_eq(const struct key32 *a, const struct key32 *b);
void key32_random(struct key32 *ret);

/* Once in a process, before anything else in src/crypto. E_INTERNAL when libsodium fails. */
int crypto_init(struct errinfo *info) MUST_USE;
void random_bytes(void *ret, size_t len);
bool equal_constant_time(const void *a, const void *b, size_t len);
void wipe(void *ptr, size_t len);
/* Overwrites what functions that have returned left on this thread's stack, STACK_WIPED bytes deep. To
 * be called where work on a secret ends. */
enum { STACK_WIPED = 32 * 1024 };
void stack_wipe(void);
/* The same, STACK_WIPED_DEEP bytes deep: where mail was worked on. */
enum { STACK_WIPED_DEEP = 256 * 1024 };
void stack_wipe_deep(void);

struct secret;
/* Copies len bytes (1 to 4096) into guarded memory; the caller wipes its own copy. NULL when the
 * limit of locked memory is reached. */
struct secret *secret_new(const void *bytes, size_t len) MUST_USE;
void secret_free(struct secret *secret);
size_t secret_len(const struct secret *secret);
/* Readable until secret_close; calls nest. */
const unsigned char *secret_open(struct secret *secret);
void secret_close(struct secret *secret);

struct vault;
struct vaulted {
	unsigned char bytes[VAULTED_SIZE];
};
struct vault *vault_new(void) __attribute__((returns_nonnull, warn_unused_result));
void vault_free(struct vault *vault);
void vault_put(struct vault *vault, const struct key32 *key, struct vaulted *ret);
/* False only when the bytes were damaged. */
bool vault_get(struct vault *vault, const struct vaulted *vaulted, struct key32 *ret) MUST_USE;

#endif
