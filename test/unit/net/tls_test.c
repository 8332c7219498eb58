/* TLS contexts from PEM text: chains, keys that do not fit, text that is none; what a handshake between
 * them agrees on. */

#include "net/tls.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tls_material.h"

static struct str cert_of(const struct material *material)
{
	return buf_str(&material->cert_pem);
}

static struct str key_of(const struct material *material)
{
	return buf_str(&material->key_pem);
}

static void pem_test(void **state)
{
	(void)state;
	struct material one, other;
	struct buf locked, many, huge, padded;
	material_make(&one, "one", NULL);
	material_make(&other, "other", NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, one.key, EVP_aes_256_cbc(), (const unsigned char *)"phrase", 6,
	                         NULL, NULL);
	material_pem(bio, &locked);
	buf_init(&many, 1000000);
	for (int i = 0; i < 17; i++)
		buf_add_str(&many, cert_of(&one));
	buf_init(&huge, 3000000);
	memset(buf_reserve(&huge, 2000000), 'x', 2000000);
	huge.len = 2000000;
	buf_init(&padded, 100000);
	buf_add_text(&padded, "a line of comment\n");
	buf_add_str(&padded, cert_of(&one));
	buf_add_str(&padded, cert_of(&other));
	const struct {
		struct str chain, key;
		int error;
	} cases[] = {
		{cert_of(&one), key_of(&one), 0},
		{buf_str(&padded), key_of(&one), 0},
		{cert_of(&one), key_of(&other), E_INVALID},
		{cert_of(&one), buf_str(&locked), E_INVALID}, /* nobody is there to be asked */
		{STR(""), key_of(&one), E_INVALID},
		{cert_of(&one), STR(""), E_INVALID},
		{STR("nonsense"), key_of(&one), E_INVALID},
		{cert_of(&one), STR("nonsense"), E_INVALID},
		{key_of(&one), cert_of(&one), E_INVALID},
		{str_slice(cert_of(&one), 0, 200), key_of(&one), E_INVALID},
		{buf_str(&many), key_of(&one), E_INVALID},
		{buf_str(&huge), key_of(&one), E_INVALID},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_context *context;
		struct errinfo info = {0};
		int error = tls_server_new(&context, cases[i].chain, cases[i].key, &info);
		if (error != cases[i].error)
			print_error("case %zu: %s\n", i, info.text);
		assert_int_equal(error, cases[i].error);
		assert_true((context != NULL) == (error == 0));
		assert_true((info.text[0] != '\0') == (error != 0));
		tls_context_free(context);
	}
	struct tls_context *context;
	struct errinfo info = {0};
	assert_int_equal(
		tls_mutual_new(&context, true, cert_of(&one), key_of(&one), STR("no CA"), &info),
		E_INVALID);
	assert_null(context);
	buf_done(&locked);
	buf_done(&many);
	buf_done(&huge);
	buf_done(&padded);
	material_done(&one);
	material_done(&other);
}

/* Both sides in memory, until neither has anything to say. Returns whether both are done. */
static bool shake(SSL *client, SSL *server)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(to_server, -1);
	BIO_set_mem_eof_return(to_client, -1);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(client, to_client, to_server);
	SSL_set_bio(server, to_server, to_client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	return SSL_is_init_finished(client) && SSL_is_init_finished(server);
}

static void versions_test(void **state)
{
	(void)state;
	static const struct {
		int version;
		const char *ciphers;
		bool agreed;
	} cases[] = {
		{TLS1_3_VERSION, NULL, true},
		{TLS1_2_VERSION, NULL, true},
		{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
		{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:AES128-GCM-SHA256", false},
		{TLS1_1_VERSION, "ALL:@SECLEVEL=0", false},
	};
	struct tls_context *server = material_server();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, cases[i].version);
		if (cases[i].ciphers != NULL)
			assert_int_equal(SSL_CTX_set_cipher_list(ctx, cases[i].ciphers), 1);
		SSL *ours = tls_connection_new(server), *theirs = SSL_new(ctx);
		SSL_set_connect_state(theirs);
		assert_int_equal(shake(theirs, ours), cases[i].agreed);
		if (cases[i].agreed) {
			/* Before TLS 1.3 only the binding to the certificate is offered. */
			struct buf binding BUF_AUTO;
			buf_init(&binding, 100);
			assert_int_equal(tls_binding_exporter(ours, &binding),
			                 cases[i].version == TLS1_3_VERSION ? 0 : E_UNSUPPORTED);
			assert_int_equal(tls_binding_end_point(ours, &binding), 0);
		}
		SSL_free(ours);
		SSL_free(theirs);
		SSL_CTX_free(ctx);
	}
	tls_context_free(server);
}

/* A link's ends take nothing below TLS 1.3 and nobody without a certificate. */
static void mutual_test(void **state)
{
	(void)state;
	struct material ca, own;
	struct tls_context *context;
	struct errinfo info;
	material_make(&ca, "CA", NULL);
	material_make(&own, "store", &ca);
	assert_int_equal(
		tls_mutual_new(&context, true, cert_of(&own), key_of(&own), cert_of(&ca), &info), 0);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		for (int with_cert = 0; with_cert < 2; with_cert++) {
			SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
			SSL_CTX_set_max_proto_version(ctx, version);
			if (with_cert) {
				SSL_CTX_use_certificate(ctx, own.cert);
				SSL_CTX_use_PrivateKey(ctx, own.key);
			}
			SSL *server = tls_connection_new(context), *client = SSL_new(ctx);
			SSL_set_connect_state(client);
			bool agreed = with_cert && version == TLS1_3_VERSION;
			assert_int_equal(shake(client, server), agreed);
			SSL_free(server);
			SSL_free(client);
			SSL_CTX_free(ctx);
		}
	}
	tls_context_free(context);
	material_done(&ca);
	material_done(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_test),
		cmocka_unit_test(versions_test),
		cmocka_unit_test(mutual_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
