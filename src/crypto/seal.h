#ifndef POSTKASSE_CRYPTO_SEAL_H
#define POSTKASSE_CRYPTO_SEAL_H

/*
 * Mail for an owner who is away: sealed to the mailbox's X25519 public key, with an ephemeral key,
 * HKDF-SHA256 and XChaCha20-Poly1305. The first byte names the scheme (1), so that another one can
 * follow. Only who holds the private key, which lives inside the encrypted mailbox, opens it.
 */

#include "base/str.h"
#include "crypto/secret.h"

enum { SEAL_PUBLIC_SIZE = 32, SEAL_OVERHEAD = 1 + 32 + 24 + 16 };

/* A new key pair; the public key of a private one. */
void seal_keypair(unsigned char ret_public[SEAL_PUBLIC_SIZE], struct key32 *ret_private);
void seal_public_of(const struct key32 *private_key, unsigned char ret_public[SEAL_PUBLIC_SIZE]);

/*
 * Who seals. The agreement on a key costs a hundred times what sealing a small message does, so both
 * ends may keep it for a while. Each message still has a nonce of its own. A sender is kept for
 * seconds only: whoever gets hold of it opens what was sealed with it.
 */
struct seal_sender {
	unsigned char header[1 + SEAL_PUBLIC_SIZE]; /* scheme, ephemeral public key */
	struct key32 key;
};
/* E_INVALID for a public key of low order. */
int seal_sender_init(struct seal_sender *ret,
                     const unsigned char public_key[SEAL_PUBLIC_SIZE]) MUST_USE;
void seal_sender_wipe(struct seal_sender *sender);
/* Appends the sealed form; context (a mailbox id and a row id, say) is bound in, not stored. E_TOO_LARGE
 * when out is full; it is then as it was. */
int seal_with(const struct seal_sender *sender, struct str context, struct str plain,
              struct buf *out) MUST_USE;

/* Who opens: keeps the last agreement. The caller wipes it. */
struct seal_opener {
	struct key32 private_key;
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	unsigned char ephemeral[SEAL_PUBLIC_SIZE];
	struct key32 key; /* of ephemeral, if has_key */
	bool has_key;
};
void seal_opener_init(struct seal_opener *ret, const struct key32 *private_key);
/* Appends what was sealed. E_DENIED when it does not open, E_TOO_LARGE when out is full; it is then as
 * it was. */
int seal_open(struct seal_opener *opener, struct str context, struct str sealed,
              struct buf *out) MUST_USE;

/* Symmetric: XChaCha20-Poly1305 with a random nonce in front. */
int box_seal(const struct key32 *key, struct str context, struct str plain,
             struct buf *out) MUST_USE;
int box_open(const struct key32 *key, struct str context, struct str sealed,
             struct buf *out) MUST_USE;

#endif
