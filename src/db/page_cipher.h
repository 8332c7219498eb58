#ifndef POSTKASSE_DB_PAGE_CIPHER_H
#define POSTKASSE_DB_PAGE_CIPHER_H

/*
 * The page cipher: the same bytes on disk as SQLite3MultipleCiphers' own chacha20, computed by
 * OpenSSL's vector code (about four times faster), and registered with its public
 * sqlite3mc_register_cipher(). The cipher's name is not stored in a file, so any
 * SQLite3MultipleCiphers program opens ours with "PRAGMA cipher='chacha20'" and the password.
 *
 * A page of len bytes, of which the last 32 are reserved:
 *
 *     n = len - 32; data[0..n) | nonce (16 random bytes at n) | tag (16 bytes at n + 16)
 *     counter = little-endian 32 bits at n + 12, XOR page number
 *     one-time key (64 bytes) = ChaCha20 key stream of (file key, nonce[0..12), counter)
 *     data[0..n) encrypted with ChaCha20 (one-time key[32..64), nonce[0..12), counter + 1)
 *     tag = Poly1305(one-time key[0..32), data[0..n) | nonce)
 *
 * The block counter wraps at 32 bits without a carry into the nonce. Page 1 is encrypted from byte
 * 24 on: bytes 0 to 15 are the salt of the file, 16 to 23 the clear page size and versions.
 *
 * It takes keys only as "raw:", 32 bytes of key, 16 of salt: with anything else no page can be read
 * or written. One cipher object belongs to one connection and is used by one thread at a time.
 */

#include "base/error.h"
#include "crypto/slot.h"

enum { PAGE_NONCE_SIZE = 16, PAGE_TAG_SIZE = 16, PAGE_RESERVED = 32, PAGE_CLEAR_HEADER = 24 };
enum { RAW_KEY_SIZE = 4 + KEY_SIZE + DATA_KEY_SALT_SIZE };

struct sqlite3;

/* Makes it the default cipher of this process. After sqlite3_initialize, before any file is opened,
 * and once. E_INTERNAL when OpenSSL or SQLite refuses. */
int page_cipher_register(struct errinfo *info) MUST_USE;

/* The form of a key that sqlite3_key_v2 takes; the caller wipes ret. */
void page_cipher_raw_key(const struct data_key *key, unsigned char ret[RAW_KEY_SIZE]);

/* The cipher by itself, for its tests and its benchmark. */
struct page_cipher;
struct page_cipher *page_cipher_new(const struct data_key *key)
	__attribute__((returns_nonnull, warn_unused_result));
void page_cipher_free(struct page_cipher *cipher);
/* Encrypts a page (a multiple of 512 bytes, page numbers from 1) in place. */
void page_cipher_encrypt(struct page_cipher *cipher, uint32_t page, unsigned char *data, size_t len,
                         const unsigned char nonce[PAGE_NONCE_SIZE]);
/* False, and the page as it was, when the tag is wrong and check is true. */
bool page_cipher_decrypt(struct page_cipher *cipher, uint32_t page, unsigned char *data, size_t len,
                         bool check) MUST_USE;
/* 16 fresh random bytes; never the same ones in a parent and its forked child. */
void page_cipher_nonce(unsigned char ret[PAGE_NONCE_SIZE]);

#endif
