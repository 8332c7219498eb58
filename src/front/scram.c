#include "front/scram.h"

#include "base/codec.h"

enum { SALT_MAX = 64 };

void scram_init(struct scram *scram)
{
	buf_init(&scram->gs2_header, SCRAM_MESSAGE_MAX);
	buf_init(&scram->client_first_bare, SCRAM_MESSAGE_MAX);
	buf_init(&scram->server_first, SCRAM_NONCE_MAX + SCRAM_SERVER_NONCE + 2 * SALT_MAX);
	buf_init(&scram->nonce, SCRAM_NONCE_MAX + SCRAM_SERVER_NONCE);
	scram->binding = SCRAM_BINDING_NONE;
}

void scram_done(struct scram *scram)
{
	buf_done(&scram->gs2_header);
	buf_done(&scram->client_first_bare);
	buf_done(&scram->server_first);
	buf_done(&scram->nonce);
}

/* ---------------------------------------------------------------- grammar, RFC 5802 section 7 */

/* value-safe-char: anything but NUL, "=" and ","; other control characters have no place either. */
static bool is_value_safe(char c)
{
	return (unsigned char)c >= 0x20 && c != 0x7f && c != '=' && c != ',';
}

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce_char(char c)
{
	return c > 0x20 && c < 0x7f && c != ',';
}

static bool is_cb_name_char(char c)
{
	return ascii_is_alnum(c) || c == '.' || c == '-';
}

static bool is_not_comma(char c)
{
	return c != ',' && c != '\0';
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D"); what it stands for is appended to out. */
static bool saslname(struct cursor *c, struct buf *out)
{
	struct cursor at = *c;
	for (;;) {
		struct str run;
		if (cursor_span(&at, is_value_safe, &run))
			buf_add_str(out, run);
		else if (cursor_text(&at, STR("=2C")))
			buf_add_byte(out, ',');
		else if (cursor_text(&at, STR("=3D")))
			buf_add_byte(out, '=');
		else
			break;
	}
	if (at.p == c->p || out->failed)
		return false;
	*c = at;
	return true;
}

/* extensions = attr-val *("," attr-val): optional ones are read and passed over. */
static bool extensions(struct cursor *c)
{
	struct cursor at = *c;
	struct str value;
	while (cursor_byte(&at, ',')) {
		int letter = cursor_peek(&at);
		if (letter < 0 || !ascii_is_alpha((char)letter) ||
		    !cursor_span(&at, is_not_comma, &value) || value.len < 2 || value.ptr[1] != '=')
			return false;
	}
	*c = at;
	return true;
}

/* gs2-cbind-flag = ("p=" cb-name) / "n" / "y" */
static int cbind_flag(struct cursor *c, struct scram *scram, bool plus, bool plus_offered,
                      struct errinfo *info)
{
	struct str name;
	if (cursor_byte(c, 'n'))
		return plus ? err_set(info, E_INVALID, "channel binding was chosen but not used") : 0;
	if (cursor_byte(c, 'y')) {
		if (plus)
			return err_set(info, E_INVALID, "channel binding was chosen but not used");
		if (plus_offered)
			return err_set(info, E_DENIED, "server does support channel binding");
		return 0;
	}
	if (!cursor_text(c, STR("p=")) || !cursor_span(c, is_cb_name_char, &name))
		return err_set(info, E_INVALID, "not a SCRAM message");
	if (!plus)
		return err_set(info, E_INVALID, "channel binding needs SCRAM-SHA-256-PLUS");
	if (str_eq(name, STR("tls-exporter")))
		scram->binding = SCRAM_BINDING_EXPORTER;
	else if (str_eq(name, STR("tls-server-end-point")))
		scram->binding = SCRAM_BINDING_END_POINT;
	else
		return err_set(info, E_UNSUPPORTED, "unsupported channel binding type");
	return 0;
}

int scram_client_first(struct scram *scram, struct str message, bool plus, bool plus_offered,
                       struct buf *ret_name, struct errinfo *info)
{
	struct buf authzid BUF_AUTO;
	buf_init(&authzid, SCRAM_NAME_MAX);
	if (message.len > SCRAM_MESSAGE_MAX)
		return err_set(info, E_TOO_LARGE, "SCRAM message too long");

	struct cursor c = cursor_of(message);
	int rc = cbind_flag(&c, scram, plus, plus_offered, info);
	if (rc != 0)
		return rc;
	if (!cursor_byte(&c, ',') || (cursor_text(&c, STR("a=")) && !saslname(&c, &authzid)) ||
	    !cursor_byte(&c, ','))
		return err_set(info, E_INVALID, "not a SCRAM message");
	buf_add(&scram->gs2_header, message.ptr, (size_t)(c.p - message.ptr));
	buf_add(&scram->client_first_bare, c.p, cursor_left(&c));

	struct str nonce;
	if (cursor_text(&c, STR("m=")))
		return err_set(info, E_UNSUPPORTED, "unsupported mandatory SCRAM extension");
	if (!cursor_text(&c, STR("n=")) || !saslname(&c, ret_name) || !cursor_text(&c, STR(",r=")) ||
	    !cursor_span(&c, is_nonce_char, &nonce) || nonce.len > SCRAM_NONCE_MAX || !extensions(&c) ||
	    !cursor_at_end(&c))
		return err_set(info, E_INVALID, "not a SCRAM message");
	if (authzid.len > 0 && !str_eq_nocase(buf_str(&authzid), buf_str(ret_name)))
		return err_set(info, E_DENIED, "acting for another user is not possible");
	buf_add_str(&scram->nonce, nonce);
	return 0;
}

void scram_server_first(struct scram *scram, struct str salt, uint32_t iterations, struct buf *out)
{
	unsigned char random[SCRAM_SERVER_NONCE / 4 * 3];
	random_bytes(random, sizeof(random));
	base64_encode(&scram->nonce, STR_OF(random, sizeof(random)), 0, STR(""));
	buf_add_text(&scram->server_first, "r=");
	buf_add_str(&scram->server_first, buf_str(&scram->nonce));
	buf_add_text(&scram->server_first, ",s=");
	base64_encode(&scram->server_first, str_slice(salt, 0, SALT_MAX), 0, STR(""));
	buf_addf(&scram->server_first, ",i=%u", iterations);
	buf_add_str(out, buf_str(&scram->server_first));
}

/* c= must be the gs2-header of before, and the channel that we see behind it. */
static int check_binding(const struct scram *scram, struct str encoded, struct str binding,
                         struct errinfo *info)
{
	struct buf seen BUF_AUTO;
	buf_init(&seen, SCRAM_MESSAGE_MAX);
	if (!base64_decode(&seen, encoded))
		return err_set(info, E_INVALID, "not a SCRAM message");
	struct str header = buf_str(&scram->gs2_header);
	if (!str_starts(buf_str(&seen), header) ||
	    !str_eq(str_from_byte(buf_str(&seen), header.len), binding))
		return err_set(info, E_DENIED, "channel bindings don't match");
	return 0;
}

int scram_client_final(const struct scram *scram, struct str message, struct str binding,
                       struct buf *ret_auth_message, unsigned char ret_proof[KEY_SIZE],
                       struct errinfo *info)
{
	if (message.len > SCRAM_MESSAGE_MAX)
		return err_set(info, E_TOO_LARGE, "SCRAM message too long");
	struct cursor c = cursor_of(message);
	struct str channel, nonce, proof;
	if (!cursor_text(&c, STR("c=")) || !cursor_span(&c, is_not_comma, &channel) ||
	    !cursor_text(&c, STR(",r=")) || !cursor_span(&c, is_nonce_char, &nonce))
		return err_set(info, E_INVALID, "not a SCRAM message");
	/* The proof is the last attribute; extensions may stand before it. Base64 holds no comma. */
	ptrdiff_t last = str_rfind_byte(message, ',');
	struct str without_proof = str_slice(message, 0, (size_t)last);
	struct cursor rest = {c.p, message.ptr + last};
	struct cursor end = cursor_of(str_from_byte(message, (size_t)last));
	if (rest.p > rest.end || !extensions(&rest) || !cursor_at_end(&rest) ||
	    !cursor_text(&end, STR(",p=")))
		return err_set(info, E_INVALID, "not a SCRAM message");
	proof = cursor_rest(&end);

	struct buf decoded __attribute__((cleanup(buf_done_wiped)));
	buf_init(&decoded, base64_size(KEY_SIZE));
	if (proof.len != base64_size(KEY_SIZE) || !base64_decode(&decoded, proof) ||
	    decoded.len != KEY_SIZE)
		return err_set(info, E_INVALID, "not a SCRAM message");
	if (!str_eq(nonce, buf_str(&scram->nonce)))
		return err_set(info, E_DENIED, "not the nonce of this exchange");
	int rc = check_binding(scram, channel, binding, info);
	if (rc != 0)
		return rc;

	for (size_t i = 0; i < KEY_SIZE; i++)
		ret_proof[i] = (unsigned char)decoded.ptr[i];
	buf_add_str(ret_auth_message, buf_str(&scram->client_first_bare));
	buf_add_byte(ret_auth_message, ',');
	buf_add_str(ret_auth_message, buf_str(&scram->server_first));
	buf_add_byte(ret_auth_message, ',');
	buf_add_str(ret_auth_message, without_proof);
	return 0;
}

void scram_server_final(struct str signature, struct buf *out)
{
	buf_add_text(out, "v=");
	base64_encode(out, signature, 0, STR(""));
}
