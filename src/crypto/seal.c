#include "crypto/seal.h"

#include <sodium.h>
#include <string.h>

#include "crypto/digest.h"

enum {
	SCHEME_X25519 = 1,
	NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	BOX_OVERHEAD = NONCE_SIZE + TAG_SIZE,
};

_Static_assert(SEAL_PUBLIC_SIZE == crypto_scalarmult_BYTES, "X25519, RFC 7748");
_Static_assert(KEY_SIZE == crypto_scalarmult_SCALARBYTES, "X25519, RFC 7748");
_Static_assert(SEAL_OVERHEAD == 1 + SEAL_PUBLIC_SIZE + BOX_OVERHEAD, "scheme, ephemeral key, box");

void seal_public_of(const struct key32 *private_key, unsigned char ret_public[SEAL_PUBLIC_SIZE])
{
	crypto_scalarmult_base(ret_public, private_key->bytes);
}

void seal_keypair(unsigned char ret_public[SEAL_PUBLIC_SIZE], struct key32 *ret_private)
{
	key32_random(ret_private);
	seal_public_of(ret_private, ret_public);
}

/* The key that one sealed message is under. False for a public key of low order (RFC 7748 section
 * 6.1), which would make the result known to everybody. */
static bool seal_key(const struct key32 *own, const unsigned char *other,
                     const unsigned char *ephemeral, const unsigned char *recipient,
                     struct key32 *ret)
{
	struct key32 shared KEY32_AUTO;
	unsigned char both[2 * SEAL_PUBLIC_SIZE];
	if (crypto_scalarmult(shared.bytes, own->bytes, other) != 0)
		return false;
	memcpy(both, ephemeral, SEAL_PUBLIC_SIZE);
	memcpy(both + SEAL_PUBLIC_SIZE, recipient, SEAL_PUBLIC_SIZE);
	hkdf_sha256(shared.bytes, sizeof(shared.bytes), STR_OF(both, sizeof(both)),
	            STR("postkasse seal 1"), ret);
	return true;
}

int box_seal(const struct key32 *key, struct str context, struct str plain, struct buf *out)
{
	if (plain.len > SIZE_MAX - BOX_OVERHEAD)
		return E_TOO_LARGE;
	unsigned char *nonce = (unsigned char *)buf_reserve(out, plain.len + BOX_OVERHEAD);
	if (nonce == NULL)
		return E_TOO_LARGE;
	random_bytes(nonce, NONCE_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		nonce + NONCE_SIZE, NULL, (const unsigned char *)plain.ptr, plain.len,
		(const unsigned char *)context.ptr, context.len, NULL, nonce, key->bytes);
	out->len += plain.len + BOX_OVERHEAD;
	return 0;
}

int box_open(const struct key32 *key, struct str context, struct str sealed, struct buf *out)
{
	if (sealed.len < BOX_OVERHEAD)
		return E_DENIED;
	const unsigned char *nonce = (const unsigned char *)sealed.ptr;
	size_t plain_len = sealed.len - BOX_OVERHEAD;
	unsigned char *plain = (unsigned char *)buf_reserve(out, plain_len > 0 ? plain_len : 1);
	if (plain == NULL)
		return E_TOO_LARGE;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
			plain, NULL, NULL, nonce + NONCE_SIZE, plain_len + TAG_SIZE,
			(const unsigned char *)context.ptr, context.len, nonce, key->bytes) != 0)
		return E_DENIED;
	out->len += plain_len;
	return 0;
}

int seal_sender_init(struct seal_sender *ret, const unsigned char public_key[SEAL_PUBLIC_SIZE])
{
	struct key32 ephemeral KEY32_AUTO;
	ret->header[0] = SCHEME_X25519;
	seal_keypair(ret->header + 1, &ephemeral);
	return seal_key(&ephemeral, public_key, ret->header + 1, public_key, &ret->key) ? 0 : E_INVALID;
}

void seal_sender_wipe(struct seal_sender *sender)
{
	wipe(sender, sizeof(*sender));
}

int seal_with(const struct seal_sender *sender, struct str context, struct str plain,
              struct buf *out)
{
	size_t before = out->len;
	buf_add(out, sender->header, sizeof(sender->header));
	if (out->failed)
		return E_TOO_LARGE;
	int rc = box_seal(&sender->key, context, plain, out);
	if (rc < 0)
		out->len = before;
	return rc;
}

void seal_opener_init(struct seal_opener *ret, const struct key32 *private_key)
{
	ret->private_key = *private_key;
	seal_public_of(private_key, ret->public_key);
	ret->has_key = false;
}

int seal_open(struct seal_opener *opener, struct str context, struct str sealed, struct buf *out)
{
	if (sealed.len < SEAL_OVERHEAD || sealed.ptr[0] != SCHEME_X25519)
		return E_DENIED;
	const unsigned char *ephemeral = (const unsigned char *)sealed.ptr + 1;
	if (!opener->has_key || memcmp(opener->ephemeral, ephemeral, SEAL_PUBLIC_SIZE) != 0) {
		opener->has_key = seal_key(&opener->private_key, ephemeral, ephemeral, opener->public_key,
		                           &opener->key);
		memcpy(opener->ephemeral, ephemeral, SEAL_PUBLIC_SIZE);
	}
	if (!opener->has_key)
		return E_DENIED;
	return box_open(&opener->key, context, str_from_byte(sealed, 1 + SEAL_PUBLIC_SIZE), out);
}
