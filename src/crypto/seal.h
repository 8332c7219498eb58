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

void seal_keypair(unsigned char ret_public[SEAL_PUBLIC_SIZE], struct key32 *ret_private);
void seal_public_of(const struct key32 *private_key, unsigned char ret_public[SEAL_PUBLIC_SIZE]);
/* Appends the sealed form; context (a mailbox id and a row id, say) is bound in, not stored. */
int seal_to(const unsigned char public_key[SEAL_PUBLIC_SIZE], struct str context, struct str plain,
            struct buf *out) MUST_USE;
/* E_DENIED when it does not open; out is then as it was. */
int seal_open(const struct key32 *private_key, struct str context, struct str sealed,
              struct buf *out) MUST_USE;

/* Symmetric: XChaCha20-Poly1305 with a random nonce in front. */
int box_seal(const struct key32 *key, struct str context, struct str plain,
             struct buf *out) MUST_USE;
int box_open(const struct key32 *key, struct str context, struct str sealed,
             struct buf *out) MUST_USE;

#endif
