#include "db/page_cipher.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/must.h"

enum {
	BLOCK_SIZE = 64,   /* of ChaCha20 */
	IV_SIZE = 16,      /* of EVP_chacha20: 32-bit counter, 96-bit nonce */
	POOL_SIZE = 16384, /* random bytes for a thousand pages in one system call */
};

static const char RAW_PREFIX[4] = {'r', 'a', 'w', ':'}; /* of a key that is not a password */

/* Fetched once when the cipher is registered, constant afterwards. */
static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *chacha20;
static EVP_MAC *poly1305;

/* Nonces. Each thread has its own pool; the only thread of a forked child begins a new one. */
static _Thread_local struct {
	unsigned char bytes[POOL_SIZE];
	size_t left;
} nonce_pool;

static void nonce_pool_forked(void)
{
	nonce_pool.left = 0;
}

static void algorithms_fetch(void)
{
	chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	if (pthread_atfork(NULL, NULL, nonce_pool_forked) != 0) {
		EVP_MAC_free(poly1305);
		poly1305 = NULL;
	}
}

static bool algorithms_ready(void)
{
	pthread_once(&algorithms_once, algorithms_fetch);
	return chacha20 != NULL && poly1305 != NULL;
}

void page_cipher_nonce(unsigned char ret[PAGE_NONCE_SIZE])
{
	if (nonce_pool.left < PAGE_NONCE_SIZE) {
		size_t have = 0;
		while (have < POOL_SIZE) {
			ssize_t got = getrandom(nonce_pool.bytes + have, POOL_SIZE - have, 0);
			must(got > 0 || errno == EINTR); /* no page is ever written with a guessable nonce */
			have += got > 0 ? (size_t)got : 0;
		}
		nonce_pool.left = POOL_SIZE;
	}
	nonce_pool.left -= PAGE_NONCE_SIZE;
	memcpy(ret, nonce_pool.bytes + nonce_pool.left, PAGE_NONCE_SIZE);
}

struct page_cipher {
	EVP_CIPHER_CTX *file_stream; /* keyed with the file's key, for one-time keys */
	EVP_CIPHER_CTX *page_stream; /* keyed anew for each page */
	EVP_MAC_CTX *mac;
	struct data_key key;
	bool keyed;
};

static void cipher_set_key(struct page_cipher *cipher, const struct data_key *key)
{
	cipher->key = *key;
	cipher->keyed = true;
	must(EVP_EncryptInit_ex2(cipher->file_stream, chacha20, key->key.bytes, NULL, NULL) == 1);
}

static struct page_cipher *cipher_new(void)
{
	must(algorithms_ready());
	struct page_cipher *cipher = mem_new(sizeof(*cipher));
	cipher->file_stream = EVP_CIPHER_CTX_new();
	cipher->page_stream = EVP_CIPHER_CTX_new();
	cipher->mac = EVP_MAC_CTX_new(poly1305);
	must(cipher->file_stream != NULL && cipher->page_stream != NULL && cipher->mac != NULL);
	must(EVP_EncryptInit_ex2(cipher->page_stream, chacha20, NULL, NULL, NULL) == 1);
	return cipher;
}

struct page_cipher *page_cipher_new(const struct data_key *key)
{
	struct page_cipher *cipher = cipher_new();
	cipher_set_key(cipher, key);
	return cipher;
}

void page_cipher_free(struct page_cipher *cipher)
{
	if (cipher == NULL)
		return;
	EVP_CIPHER_CTX_free(cipher->file_stream); /* which cleanses the keys inside */
	EVP_CIPHER_CTX_free(cipher->page_stream);
	EVP_MAC_CTX_free(cipher->mac);
	data_key_wipe(&cipher->key);
	free(cipher);
}

static uint32_t load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(unsigned char *p, uint32_t n)
{
	p[0] = (unsigned char)n;
	p[1] = (unsigned char)(n >> 8);
	p[2] = (unsigned char)(n >> 16);
	p[3] = (unsigned char)(n >> 24);
}

/* XORs the key stream from block counter on into bytes. key NULL keeps the one set before. */
static void stream_xor(EVP_CIPHER_CTX *stream, const unsigned char *key, uint32_t counter,
                       const unsigned char *nonce, unsigned char *bytes, size_t len)
{
	unsigned char iv[IV_SIZE];
	int done;
	memcpy(iv + 4, nonce, IV_SIZE - 4);
	/* OpenSSL carries a counter that overflows into the nonce, the format does not. */
	uint64_t until_wrap = ((uint64_t)1 << 32) - counter;
	size_t first = len;
	if (until_wrap * BLOCK_SIZE < len)
		first = (size_t)until_wrap * BLOCK_SIZE;
	store32(iv, counter);
	must(EVP_EncryptInit_ex2(stream, NULL, key, iv, NULL) == 1);
	must(EVP_EncryptUpdate(stream, bytes, &done, bytes, (int)first) == 1);
	if (first < len) {
		store32(iv, 0);
		must(EVP_EncryptInit_ex2(stream, NULL, key, iv, NULL) == 1);
		must(EVP_EncryptUpdate(stream, bytes + first, &done, bytes + first, (int)(len - first)) ==
		     1);
	}
}

/* What encrypting and decrypting have in common: where things are and the one-time key. */
struct page_layout {
	size_t n;     /* bytes before the nonce */
	size_t start; /* of what is encrypted */
	unsigned char *nonce;
	unsigned char *tag;
	uint32_t counter;
	unsigned char one_time_key[BLOCK_SIZE];
};

static void layout_wipe(struct page_layout *layout)
{
	wipe(layout->one_time_key, sizeof(layout->one_time_key));
}

static void layout_make(struct page_layout *ret, struct page_cipher *cipher, uint32_t page,
                        unsigned char *data, size_t len)
{
	must(cipher->keyed && page > 0 && len >= 512 && len <= 65536);
	ret->n = len - PAGE_RESERVED;
	ret->start = page == 1 ? PAGE_CLEAR_HEADER : 0;
	ret->nonce = data + ret->n;
	ret->tag = ret->nonce + PAGE_NONCE_SIZE;
	ret->counter = load32(ret->nonce + PAGE_NONCE_SIZE - 4) ^ page;
	memset(ret->one_time_key, 0, sizeof(ret->one_time_key));
	stream_xor(cipher->file_stream, NULL, ret->counter, ret->nonce, ret->one_time_key,
	           sizeof(ret->one_time_key));
}

static void layout_mac(const struct page_layout *layout, struct page_cipher *cipher,
                       const unsigned char *data, unsigned char ret[PAGE_TAG_SIZE])
{
	size_t len;
	must(EVP_MAC_init(cipher->mac, layout->one_time_key, 32, NULL) == 1);
	must(EVP_MAC_update(cipher->mac, data, layout->n + PAGE_NONCE_SIZE) == 1);
	must(EVP_MAC_final(cipher->mac, ret, &len, PAGE_TAG_SIZE) == 1 && len == PAGE_TAG_SIZE);
}

void page_cipher_encrypt(struct page_cipher *cipher, uint32_t page, unsigned char *data, size_t len,
                         const unsigned char nonce[PAGE_NONCE_SIZE])
{
	struct page_layout layout __attribute__((cleanup(layout_wipe)));
	memcpy(data + len - PAGE_RESERVED, nonce, PAGE_NONCE_SIZE);
	layout_make(&layout, cipher, page, data, len);
	stream_xor(cipher->page_stream, layout.one_time_key + 32, layout.counter + 1, layout.nonce,
	           data + layout.start, layout.n - layout.start);
	if (page == 1)
		memcpy(data, cipher->key.salt, DATA_KEY_SALT_SIZE);
	layout_mac(&layout, cipher, data, layout.tag);
}

bool page_cipher_decrypt(struct page_cipher *cipher, uint32_t page, unsigned char *data, size_t len,
                         bool check)
{
	static const char sqlite_magic[DATA_KEY_SALT_SIZE] = "SQLite format 3";
	struct page_layout layout __attribute__((cleanup(layout_wipe)));
	unsigned char tag[PAGE_TAG_SIZE];
	layout_make(&layout, cipher, page, data, len);
	if (check) {
		layout_mac(&layout, cipher, data, tag);
		if (!equal_constant_time(tag, layout.tag, sizeof(tag)))
			return false;
	}
	stream_xor(cipher->page_stream, layout.one_time_key + 32, layout.counter + 1, layout.nonce,
	           data + layout.start, layout.n - layout.start);
	if (page == 1)
		memcpy(data, sqlite_magic, sizeof(sqlite_magic));
	return true;
}

/* The methods that SQLite3MultipleCiphers calls. */

static void *method_allocate(sqlite3 *db)
{
	(void)db;
	return cipher_new();
}

static void method_free(void *cipher)
{
	page_cipher_free(cipher);
}

static void method_clone(void *to, void *from)
{
	struct page_cipher *target = to;
	const struct page_cipher *source = from;
	if (source->keyed)
		cipher_set_key(target, &source->key);
}

static int method_legacy(void *cipher)
{
	(void)cipher;
	return 0;
}

static int method_page_size(void *cipher)
{
	(void)cipher;
	return 0; /* any */
}

static int method_reserved(void *cipher)
{
	(void)cipher;
	return PAGE_RESERVED;
}

static unsigned char *method_salt(void *cipher)
{
	return ((struct page_cipher *)cipher)->key.salt;
}

/* rekey: 0 to open, 1 for a new key in rollback mode, 2 for a new key in WAL mode, where the salt
 * stays. file_salt is what the file begins with, NULL for a new one. */
static void method_key(void *cipher, char *raw, int raw_len, int rekey, unsigned char *file_salt)
{
	struct data_key key DATA_KEY_AUTO;
	if (raw_len != RAW_KEY_SIZE || memcmp(raw, RAW_PREFIX, sizeof(RAW_PREFIX)) != 0)
		return; /* stays without a key */
	const char *bytes = raw + sizeof(RAW_PREFIX);
	memcpy(key.key.bytes, bytes, KEY_SIZE);
	memcpy(key.salt, file_salt != NULL && rekey != 1 ? (const char *)file_salt : bytes + KEY_SIZE,
	       DATA_KEY_SALT_SIZE);
	cipher_set_key(cipher, &key);
}

static bool page_usable(const struct page_cipher *cipher, int page, int len, int reserved)
{
	return cipher->keyed && page > 0 && len >= 512 && len <= 65536 && reserved >= PAGE_RESERVED;
}

static int method_encrypt(void *cipher, int page, unsigned char *data, int len, int reserved)
{
	unsigned char nonce[PAGE_NONCE_SIZE];
	if (!page_usable(cipher, page, len, reserved))
		return SQLITE_CORRUPT;
	page_cipher_nonce(nonce);
	page_cipher_encrypt(cipher, (uint32_t)page, data, (size_t)len, nonce);
	return SQLITE_OK;
}

static int method_decrypt(void *cipher, int page, unsigned char *data, int len, int reserved,
                          int check)
{
	if (!page_usable(cipher, page, len, reserved) ||
	    !page_cipher_decrypt(cipher, (uint32_t)page, data, (size_t)len, check != 0))
		return page == 1 ? SQLITE_NOTADB : SQLITE_CORRUPT;
	return SQLITE_OK;
}

int page_cipher_register(struct errinfo *info)
{
	static const CipherDescriptor descriptor = {
		.m_name = "postkasse_chacha20",
		.m_allocateCipher = method_allocate,
		.m_freeCipher = method_free,
		.m_cloneCipher = method_clone,
		.m_getLegacy = method_legacy,
		.m_getPageSize = method_page_size,
		.m_getReserved = method_reserved,
		.m_getSalt = method_salt,
		.m_generateKey = method_key,
		.m_encryptPage = method_encrypt,
		.m_decryptPage = method_decrypt,
	};
	static const CipherParams none[] = {{"", 0, 0, 0, 0}};
	if (!algorithms_ready())
		return err_set(info, E_INTERNAL, "OpenSSL has no ChaCha20 or Poly1305");
	if (sqlite3mc_register_cipher(&descriptor, none, 1) != SQLITE_OK)
		return err_set(info, E_INTERNAL, "SQLite does not accept the page cipher");
	return 0;
}

void page_cipher_raw_key(const struct data_key *key, unsigned char ret[RAW_KEY_SIZE])
{
	memcpy(ret, RAW_PREFIX, sizeof(RAW_PREFIX));
	memcpy(ret + sizeof(RAW_PREFIX), key->key.bytes, KEY_SIZE);
	memcpy(ret + sizeof(RAW_PREFIX) + KEY_SIZE, key->salt, DATA_KEY_SALT_SIZE);
}
