#ifndef POSTKASSE_TEST_TLS_MATERIAL_H
#define POSTKASSE_TEST_TLS_MATERIAL_H

/* Keys and certificates for tests, made on the spot. To be included after cmocka.h. */

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

struct material {
	EVP_PKEY *key;
	X509 *cert;
	struct buf key_pem, cert_pem;
};

static inline void material_pem(BIO *bio, struct buf *out)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	buf_init(out, 65536);
	buf_add(out, text, (size_t)len);
	BIO_free(bio);
}

static inline void material_extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* A certificate signed by issuer, or by itself as a CA when that is NULL; names: its subject alternative
 * names, NULL for none. */
static inline void material_make_for(struct material *ret, const char *name, const char *names,
                                     const struct material *issuer)
{
	ret->key = EVP_EC_gen("P-256");
	assert_non_null(ret->key);
	ret->cert = X509_new();
	X509_set_version(ret->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(ret->cert), issuer == NULL ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(ret->cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(ret->cert), 3600);
	X509_set_pubkey(ret->cert, ret->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ret->cert), "CN", MBSTRING_UTF8,
	                           (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(ret->cert,
	                     X509_get_subject_name(issuer == NULL ? ret->cert : issuer->cert));
	material_extend(ret->cert, NID_basic_constraints,
	                issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL)
		material_extend(ret->cert, NID_subject_alt_name, names);
	assert_true(X509_sign(ret->cert, issuer == NULL ? ret->key : issuer->key, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, ret->cert);
	material_pem(bio, &ret->cert_pem);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, ret->key, NULL, NULL, 0, NULL, NULL);
	material_pem(bio, &ret->key_pem);
}

static inline void material_make(struct material *ret, const char *name,
                                 const struct material *issuer)
{
	material_make_for(ret, name, NULL, issuer);
}

static inline void material_done(struct material *material)
{
	EVP_PKEY_free(material->key);
	X509_free(material->cert);
	buf_done(&material->key_pem);
	buf_done(&material->cert_pem);
}

/* A public server's context with a certificate of its own. */
static inline struct tls_context *material_server(void)
{
	struct material self;
	struct tls_context *context;
	struct errinfo info;
	material_make(&self, "mail.example.test", NULL);
	int error = tls_server_new(&context, buf_str(&self.cert_pem), buf_str(&self.key_pem), &info);
	material_done(&self);
	assert_int_equal(error, 0);
	return context;
}

#endif
