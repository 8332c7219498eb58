#ifndef POSTKASSE_CRYPTO_SLOT_H
#define POSTKASSE_CRYPTO_SLOT_H

/*
 * How a password reaches a mailbox.
 *
 *     password --PBKDF2, SCRAM--> ClientKey --HKDF--> opens slot.by_scram --+
 *     password --HKDF-----------> fast key ----------> opens slot.by_plain --+--> mailbox secret
 *     mailbox secret --> opens the key record --> data key (the key of the SQLite file)
 *
 * A slot belongs to one password. All slots of a mailbox share one salt and iteration count, so
 * that SCRAM (RFC 5802, RFC 7677), which sends the salt before it knows which password will be
 * used, works for every one of them. Passwords are made by password_generate and carry 128 bits or
 * more, which is why by_plain needs no slow hash. Pure functions; crypto_init first.
 */

#include "base/str.h"
#include "crypto/secret.h"

enum {
	SLOT_SALT_SIZE = 16,
	SLOT_ITERATIONS = 4096, /* RFC 7677 section 4 */
	SLOT_SEALED_SIZE = 24 + KEY_SIZE + 16,
	DATA_KEY_SALT_SIZE = 16,
	DATA_KEY_ITERATIONS = 64007, /* what SQLite3MultipleCiphers uses for chacha20 */
	KEY_RECORD_MAX = 512,
	PASSWORD_MAX = 128, /* bytes of a password that anybody may send */
};

struct slot_salt {
	unsigned char bytes[SLOT_SALT_SIZE];
	uint32_t iterations;
};

struct slot {
	unsigned char stored_key[KEY_SIZE];
	unsigned char server_key[KEY_SIZE];
	unsigned char by_scram[SLOT_SEALED_SIZE];
	unsigned char by_plain[SLOT_SEALED_SIZE];
};

/* Appends a new password: 26 letters and digits in groups, 130 bits, easy to read out and to type
 * (no i, l, o, u), and never in a form that SQLite3MultipleCiphers takes for a raw key. */
void password_generate(struct buf *out);

/* Whether password has the form that password_generate gives: then it has its 130 bits, as far as anybody
 * can tell who was not there. */
bool password_generated(struct str password);

/* Seals secret for password. mailbox is the id, bound into the seals. */
void slot_create(struct slot *ret, struct str mailbox, const struct slot_salt *salt,
                 struct str password, const struct key32 *secret);
/* The key that by_plain seals of this mailbox open with; costs microseconds. */
void slot_plain_key(struct str mailbox, const struct slot_salt *salt, struct str password,
                    struct key32 *ret);
/* True and the mailbox secret when the password behind plain_key is this slot's. */
bool slot_open_plain(const struct slot *slot, struct str mailbox, const struct key32 *plain_key,
                     struct key32 *ret_secret) MUST_USE;
/* RFC 5802 section 3: checks ClientProof over auth_message, gives mailbox secret and
 * ServerSignature. False when the proof is not of this slot's password. */
bool slot_open_scram(const struct slot *slot, struct str mailbox, struct str auth_message,
                     const unsigned char proof[KEY_SIZE], struct key32 *ret_secret,
                     unsigned char ret_signature[KEY_SIZE]) MUST_USE;

/* The key of a mailbox file: 32 bytes and the salt that stands in the file's first 16 bytes. */
struct data_key {
	struct key32 key;
	unsigned char salt[DATA_KEY_SALT_SIZE];
};
void data_key_wipe(struct data_key *key);
#define DATA_KEY_AUTO __attribute__((cleanup(data_key_wipe)))
/* As SQLite3MultipleCiphers derives it for cipher chacha20 (about 16 ms). */
void data_key_derive(struct str password, const unsigned char salt[DATA_KEY_SALT_SIZE],
                     struct data_key *ret);

/* The key record: current data key, and during a re-key the next one, sealed under the mailbox
 * secret and bound to the mailbox id. next may be NULL. Appends to out. */
void key_record_seal(struct buf *out, struct str mailbox, const struct key32 *secret,
                     const struct data_key *current, const struct data_key *next);
/* E_DENIED when secret or mailbox is not the one it was sealed with, or it was altered. */
int key_record_open(struct str record, struct str mailbox, const struct key32 *secret,
                    struct data_key *ret_current, struct data_key *ret_next,
                    bool *ret_has_next) MUST_USE;

#endif
