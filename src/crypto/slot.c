#include "crypto/slot.h"

#include <sodium.h>
#include <string.h>

#include "base/must.h"
#include "crypto/digest.h"
#include "crypto/seal.h"

enum {
	PASSWORD_LETTERS = 26,
	PASSWORD_BITS_PER_LETTER = 5,
	MAILBOX_ID_MAX = 64, /* they have 24 digits; anything longer is hashed into the context */
	CONTEXT_MAX = 128,
	RECORD_VERSION = 1,
	RECORD_KEY_SIZE = KEY_SIZE + DATA_KEY_SALT_SIZE,
};

_Static_assert(PASSWORD_LETTERS *PASSWORD_BITS_PER_LETTER >= 128, "nobody guesses a password");

/* Crockford's base 32 in lower case: nothing looks like 0, 1 or v. */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* 6-5-5-5-5 */
static bool hyphen_before(size_t letter)
{
	return letter > 1 && letter % 5 == 1;
}

void password_generate(struct buf *out)
{
	_Static_assert(sizeof(letters) - 1 == 1 << PASSWORD_BITS_PER_LETTER, "uniform without a loop");
	unsigned char random[PASSWORD_LETTERS];
	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < PASSWORD_LETTERS; i++) {
		if (hyphen_before(i))
			buf_add_byte(out, '-');
		buf_add_byte(out, letters[random[i] % (sizeof(letters) - 1)]);
	}
	wipe(random, sizeof(random));
}

bool password_generated(struct str password)
{
	size_t at = 0;
	for (size_t i = 0; i < PASSWORD_LETTERS; i++) {
		if (hyphen_before(i) && (at == password.len || password.ptr[at++] != '-'))
			return false;
		if (at == password.len || password.ptr[at] == '\0' ||
		    strchr(letters, password.ptr[at]) == NULL)
			return false;
		at++;
	}
	return at == password.len;
}

/* What a key or a seal is for and whose it is, as one text: "label mailbox". */
struct context {
	char text[CONTEXT_MAX];
	size_t len;
};

static struct str context_make(struct context *context, struct str label, struct str mailbox)
{
	unsigned char hash[SHA256_SIZE];
	if (mailbox.len > MAILBOX_ID_MAX) {
		sha256(mailbox, hash);
		mailbox = STR_OF(hash, sizeof(hash));
	}
	must(label.len + 1 + mailbox.len <= sizeof(context->text));
	memcpy(context->text, label.ptr, label.len);
	context->text[label.len] = ' ';
	if (mailbox.len > 0)
		memcpy(context->text + label.len + 1, mailbox.ptr, mailbox.len);
	context->len = label.len + 1 + mailbox.len;
	return STR_OF(context->text, context->len);
}

static void slot_seal(const struct key32 *key, struct str context, const struct key32 *secret,
                      unsigned char ret[SLOT_SEALED_SIZE])
{
	random_bytes(ret, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	                                           NULL, secret->bytes, sizeof(secret->bytes),
	                                           (const unsigned char *)context.ptr, context.len,
	                                           NULL, ret, key->bytes);
}

static bool slot_unseal(const struct key32 *key, struct str context,
                        const unsigned char sealed[SLOT_SEALED_SIZE], struct key32 *ret)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
			   ret->bytes, NULL, NULL, sealed + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
			   SLOT_SEALED_SIZE - crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
			   (const unsigned char *)context.ptr, context.len, sealed, key->bytes) == 0;
}

static void slot_scram_key(struct str mailbox, const struct key32 *client_key, struct key32 *ret)
{
	struct context context;
	hkdf_sha256(client_key->bytes, sizeof(client_key->bytes), STR(""),
	            context_make(&context, STR("postkasse slot scram 1"), mailbox), ret);
}

void slot_plain_key(struct str mailbox, const struct slot_salt *salt, struct str password,
                    struct key32 *ret)
{
	struct context context;
	hkdf_sha256(password.ptr, password.len, STR_OF(salt->bytes, sizeof(salt->bytes)),
	            context_make(&context, STR("postkasse slot plain 1"), mailbox), ret);
}

void slot_create(struct slot *ret, struct str mailbox, const struct slot_salt *salt,
                 struct str password, const struct key32 *secret)
{
	struct key32 salted KEY32_AUTO;
	struct key32 client_key KEY32_AUTO;
	struct key32 seal_key KEY32_AUTO;
	struct context context;

	/* RFC 5802 section 3; the passwords are ASCII, which SASLprep (RFC 4013) leaves alone. */
	pbkdf2_sha256(password, STR_OF(salt->bytes, sizeof(salt->bytes)), salt->iterations, &salted);
	hmac_sha256(salted.bytes, sizeof(salted.bytes), STR("Client Key"), client_key.bytes);
	hmac_sha256(salted.bytes, sizeof(salted.bytes), STR("Server Key"), ret->server_key);
	sha256(STR_OF(client_key.bytes, sizeof(client_key.bytes)), ret->stored_key);

	slot_scram_key(mailbox, &client_key, &seal_key);
	slot_seal(&seal_key, context_make(&context, STR("postkasse by_scram 1"), mailbox), secret,
	          ret->by_scram);
	slot_plain_key(mailbox, salt, password, &seal_key);
	slot_seal(&seal_key, context_make(&context, STR("postkasse by_plain 1"), mailbox), secret,
	          ret->by_plain);
}

bool slot_open_plain(const struct slot *slot, struct str mailbox, const struct key32 *plain_key,
                     struct key32 *ret_secret)
{
	struct context context;
	return slot_unseal(plain_key, context_make(&context, STR("postkasse by_plain 1"), mailbox),
	                   slot->by_plain, ret_secret);
}

bool slot_open_scram(const struct slot *slot, struct str mailbox, struct str auth_message,
                     const unsigned char proof[KEY_SIZE], struct key32 *ret_secret,
                     unsigned char ret_signature[KEY_SIZE])
{
	struct key32 client_key KEY32_AUTO;
	struct key32 seal_key KEY32_AUTO;
	unsigned char stored_key[KEY_SIZE];
	struct context context;

	/* ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage) */
	hmac_sha256(slot->stored_key, sizeof(slot->stored_key), auth_message, client_key.bytes);
	for (size_t i = 0; i < sizeof(client_key.bytes); i++)
		client_key.bytes[i] ^= proof[i];
	sha256(STR_OF(client_key.bytes, sizeof(client_key.bytes)), stored_key);
	if (!equal_constant_time(stored_key, slot->stored_key, sizeof(stored_key)))
		return false;
	slot_scram_key(mailbox, &client_key, &seal_key);
	if (!slot_unseal(&seal_key, context_make(&context, STR("postkasse by_scram 1"), mailbox),
	                 slot->by_scram, ret_secret))
		return false;
	hmac_sha256(slot->server_key, sizeof(slot->server_key), auth_message, ret_signature);
	return true;
}

void data_key_wipe(struct data_key *key)
{
	wipe(key, sizeof(*key));
}

void data_key_derive(struct str password, const unsigned char salt[DATA_KEY_SALT_SIZE],
                     struct data_key *ret)
{
	memmove(ret->salt, salt, DATA_KEY_SALT_SIZE);
	pbkdf2_sha256(password, STR_OF(ret->salt, DATA_KEY_SALT_SIZE), DATA_KEY_ITERATIONS, &ret->key);
}

static void record_key(struct str mailbox, const struct key32 *secret, struct key32 *ret)
{
	struct context context;
	hkdf_sha256(secret->bytes, sizeof(secret->bytes), STR(""),
	            context_make(&context, STR("postkasse key record 1"), mailbox), ret);
}

static void record_put(unsigned char *plain, const struct data_key *key)
{
	memcpy(plain, key->key.bytes, KEY_SIZE);
	memcpy(plain + KEY_SIZE, key->salt, DATA_KEY_SALT_SIZE);
}

static void record_get(const unsigned char *plain, struct data_key *ret)
{
	memcpy(ret->key.bytes, plain, KEY_SIZE);
	memcpy(ret->salt, plain + KEY_SIZE, DATA_KEY_SALT_SIZE);
}

/* Version, then a box of one data key or two. */
void key_record_seal(struct buf *out, struct str mailbox, const struct key32 *secret,
                     const struct data_key *current, const struct data_key *next)
{
	unsigned char plain[2 * RECORD_KEY_SIZE];
	size_t len = RECORD_KEY_SIZE;
	struct key32 key KEY32_AUTO;
	struct context context;
	record_put(plain, current);
	if (next != NULL) {
		record_put(plain + RECORD_KEY_SIZE, next);
		len += RECORD_KEY_SIZE;
	}
	record_key(mailbox, secret, &key);
	buf_add_byte(out, RECORD_VERSION);
	int rc = box_seal(&key, context_make(&context, STR("postkasse key record 1"), mailbox),
	                  STR_OF(plain, len), out);
	wipe(plain, sizeof(plain));
	must(rc == 0); /* the caller's buffer holds KEY_RECORD_MAX */
}

int key_record_open(struct str record, struct str mailbox, const struct key32 *secret,
                    struct data_key *ret_current, struct data_key *ret_next, bool *ret_has_next)
{
	struct key32 key KEY32_AUTO;
	struct context context;
	struct buf plain;
	if (record.len < 1 || record.len > KEY_RECORD_MAX || record.ptr[0] != RECORD_VERSION)
		return E_DENIED;
	record_key(mailbox, secret, &key);
	buf_init(&plain, KEY_RECORD_MAX);
	int rc = box_open(&key, context_make(&context, STR("postkasse key record 1"), mailbox),
	                  str_from_byte(record, 1), &plain);
	if (rc == 0 && plain.len != RECORD_KEY_SIZE && plain.len != 2 * RECORD_KEY_SIZE)
		rc = E_DENIED;
	if (rc == 0) {
		record_get((const unsigned char *)plain.ptr, ret_current);
		*ret_has_next = plain.len == 2 * RECORD_KEY_SIZE;
		if (*ret_has_next)
			record_get((const unsigned char *)plain.ptr + RECORD_KEY_SIZE, ret_next);
	}
	buf_done_wiped(&plain);
	return rc;
}
