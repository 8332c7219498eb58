#ifndef POSTKASSE_FRONT_SCRAM_H
#define POSTKASSE_FRONT_SCRAM_H

/*
 * The messages of SCRAM (RFC 5802), the server's side, without input or output: front/sasl.c drives it,
 * the directory holds the keys. Nothing here is secret but the client's proof.
 *
 *     scram_client_first ──> user name ──> (directory: salt) ──> scram_server_first
 *     scram_client_final ──> AuthMessage, proof ──> (directory: signature) ──> scram_server_final
 */

#include "base/error.h"
#include "base/str.h"
#include "crypto/secret.h"

enum {
	SCRAM_MESSAGE_MAX = 3072, /* decoded bytes of one message of the client */
	SCRAM_NAME_MAX = 512,     /* of a user name, decoded; longer than any address */
	SCRAM_NONCE_MAX = 512,    /* of the client's part of the nonce */
	SCRAM_SERVER_NONCE = 24,  /* characters of ours, 144 bits */
};

enum scram_binding { SCRAM_BINDING_NONE, SCRAM_BINDING_EXPORTER, SCRAM_BINDING_END_POINT };

struct scram {
	struct buf gs2_header;        /* as the client sent it, for comparison with c= */
	struct buf client_first_bare; /* two of the three parts of AuthMessage */
	struct buf server_first;
	struct buf nonce; /* the client's, then ours behind it */
	enum scram_binding binding;
};

/* An exchange before its first message, and its end: scram_done frees what the messages left behind and
 * may be called at any point after scram_init. */
void scram_init(struct scram *scram);
void scram_done(struct scram *scram);

/* Reads client-first-message. plus: the -PLUS mechanism was chosen; plus_offered: the client was told
 * of it. Appends the decoded user name. E_INVALID: malformed, or a flag that does not fit the
 * mechanism; E_UNSUPPORTED: another kind of channel binding, or a mandatory extension; E_DENIED: the
 * client believes that we have no channel binding although we offered it, so somebody altered the
 * offer (RFC 5802 section 6), or an authorization identity that is not the user's own. */
int scram_client_first(struct scram *scram, struct str message, bool plus, bool plus_offered,
                       struct buf *ret_name, struct errinfo *info) MUST_USE;
/* Adds our nonce and appends server-first-message to out. */
void scram_server_first(struct scram *scram, struct str salt, uint32_t iterations, struct buf *out);
/* Reads client-final-message: binding is the data of the connection for scram->binding, empty for
 * none. Appends AuthMessage. E_INVALID: malformed; E_DENIED: another nonce or another channel. */
int scram_client_final(const struct scram *scram, struct str message, struct str binding,
                       struct buf *ret_auth_message, unsigned char ret_proof[KEY_SIZE],
                       struct errinfo *info) MUST_USE;
/* Appends server-final-message. */
void scram_server_final(struct str signature, struct buf *out);

#endif
