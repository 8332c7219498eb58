#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	PEM_MAX = 1024 * 1024,
	CHAIN_MAX = 16, /* certificates in one PEM text */
	EXPORTER_SIZE = 32,
};

struct tls_context {
	SSL_CTX *ssl_ctx; /* NULL: nothing is in it */
	bool server;
};

static int tls_error(struct errinfo *info, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	ERR_clear_error();
	return err_set(info, E_INVALID, "%s: %s", what, reason == NULL ? "not understood" : reason);
}

/* No process of ours can ask for a pass phrase. */
static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static BIO *bio_of_text(struct str text)
{
	return text.len == 0 || text.len > PEM_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);
}

/* Calls take for every certificate of the text; its result 1 means that it holds. */
static int each_certificate(struct str pem, int (*take)(void *ctx, X509 *cert, int index),
                            void *ctx, struct errinfo *info)
{
	BIO *bio = bio_of_text(pem);
	if (bio == NULL)
		return err_set(info, E_INVALID, "certificate: empty or too large");
	int count = 0;
	int error = 0;
	X509 *cert;
	while (error == 0 && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		if (count >= CHAIN_MAX)
			error = err_set(info, E_INVALID, "certificate: more than %d in a chain", CHAIN_MAX);
		else if (take(ctx, cert, count++) != 1)
			error = tls_error(info, "certificate");
		X509_free(cert);
	}
	BIO_free(bio);
	if (error == 0 && count == 0)
		error = tls_error(info, "certificate");
	ERR_clear_error(); /* "no start line" at the end of the text is how it ends */
	return error;
}

static int take_own(void *ctx, X509 *cert, int index)
{
	return index == 0 ? SSL_CTX_use_certificate(ctx, cert)
	                  : (int)SSL_CTX_add1_chain_cert((SSL_CTX *)ctx, cert);
}

static int take_ca(void *ctx, X509 *cert, int index)
{
	(void)index;
	return X509_STORE_add_cert(ctx, cert);
}

static int use_key(SSL_CTX *ssl_ctx, struct str pem, struct errinfo *info)
{
	BIO *bio = bio_of_text(pem);
	if (bio == NULL)
		return err_set(info, E_INVALID, "private key: empty or too large");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (key == NULL)
		return tls_error(info, "private key");
	int used = SSL_CTX_use_PrivateKey(ssl_ctx, key);
	EVP_PKEY_free(key);
	/* Either finds a key of another certificate: the first when it is of the same kind. */
	if (used != 1 || SSL_CTX_check_private_key(ssl_ctx) != 1) {
		ERR_clear_error();
		return err_set(info, E_INVALID, "the private key does not belong to the certificate");
	}
	return 0;
}

static int context_new(struct tls_context **ret, bool server, int min_version, struct str chain,
                       struct str key, struct errinfo *info)
{
	*ret = NULL;
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_method());
	if (ssl_ctx == NULL)
		return err_set(info, E_INTERNAL, "tls: no context");
	SSL_CTX_set_min_proto_version(ssl_ctx, min_version);
	/* TLS 1.2: forward secrecy and AEAD only. */
	SSL_CTX_set_cipher_list(ssl_ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* An idle connection holds no record buffers; what a client may resume with is in its ticket. */
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl_ctx, 1);
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl_ctx, 1);

	int error = each_certificate(chain, take_own, ssl_ctx, info);
	if (error == 0)
		error = use_key(ssl_ctx, key, info);
	if (error != 0) {
		SSL_CTX_free(ssl_ctx);
		return error;
	}
	*ret = tls_context_new();
	(*ret)->ssl_ctx = ssl_ctx;
	(*ret)->server = server;
	return 0;
}

int tls_server_new(struct tls_context **ret, struct str certificate_chain, struct str private_key,
                   struct errinfo *info)
{
	return context_new(ret, true, TLS1_2_VERSION, certificate_chain, private_key, info);
}

int tls_mutual_new(struct tls_context **ret, bool server, struct str certificate_chain,
                   struct str private_key, struct str ca, struct errinfo *info)
{
	int error = context_new(ret, server, TLS1_3_VERSION, certificate_chain, private_key, info);
	if (error != 0)
		return error;
	SSL_CTX *ssl_ctx = (*ret)->ssl_ctx;
	/* Every connection shows its certificate anew. */
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ssl_ctx, 0);
	SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	error = each_certificate(ca, take_ca, SSL_CTX_get_cert_store(ssl_ctx), info);
	if (error != 0) {
		tls_context_free(*ret);
		*ret = NULL;
	}
	return error;
}

struct tls_context *tls_context_new(void)
{
	return mem_new(sizeof(struct tls_context));
}

void tls_context_swap(struct tls_context *context, struct tls_context *from)
{
	const struct tls_context empty = {0};
	struct tls_context old = *context;
	*context = from == NULL ? empty : *from;
	free(from);
	SSL_CTX_free(old.ssl_ctx); /* each SSL holds a reference of its own */
}

bool tls_ready(const struct tls_context *context)
{
	return context != NULL && context->ssl_ctx != NULL;
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ssl_ctx);
	free(context);
}

SSL *tls_connection_new(struct tls_context *context)
{
	if (!tls_ready(context))
		return NULL;
	SSL *ssl = SSL_new(context->ssl_ctx);
	if (ssl == NULL)
		abort(); /* out of memory, nothing else */
	if (context->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

SSL *tls_connection_new_outward(struct tls_context *context)
{
	SSL *ssl = tls_connection_new(context);
	if (ssl != NULL)
		SSL_set_connect_state(ssl);
	return ssl;
}

/* ---------------------------------------------------------------- channel bindings */

int tls_binding_exporter(SSL *ssl, struct buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char bytes[EXPORTER_SIZE];
	if (SSL_version(ssl) < TLS1_3_VERSION || !SSL_is_init_finished(ssl) ||
	    SSL_export_keying_material(ssl, bytes, sizeof(bytes), label, sizeof(label) - 1, NULL, 0,
	                               0) != 1)
		return E_UNSUPPORTED;
	buf_add(out, bytes, sizeof(bytes));
	return 0;
}

/* The hash of the certificate's signature, but SHA-256 for MD5 and SHA-1: RFC 5929 section 4.1. */
static const EVP_MD *end_point_digest(X509 *cert)
{
	int digest = NID_undef;
	if (X509_get_signature_info(cert, &digest, NULL, NULL, NULL) != 1 || digest == NID_undef)
		return NULL;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	return EVP_get_digestbynid(digest);
}

int tls_binding_end_point(SSL *ssl, struct buf *out)
{
	bool server = SSL_is_server(ssl) != 0;
	X509 *cert = server ? SSL_get_certificate(ssl) : SSL_get1_peer_certificate(ssl);
	if (cert == NULL)
		return E_UNSUPPORTED;
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	const EVP_MD *digest = end_point_digest(cert);
	bool done = digest != NULL && X509_digest(cert, digest, bytes, &len) == 1;
	if (!server)
		X509_free(cert);
	ERR_clear_error();
	if (!done)
		return E_UNSUPPORTED;
	buf_add(out, bytes, len);
	return 0;
}
