#include "main/cli_certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/secret.h"

enum { SERIAL_SIZE = 16 };

/* RFC 5280 section 4.1.2.2: positive, at most 20 octets; random, so that no two are alike. */
static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_SIZE];
	random_bytes(bytes, sizeof(bytes));
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool fine = number != NULL &&
	            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return fine;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool fine = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return fine;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *hostname)
{
	char names[400];
	bool local = str_eq_nocase(str_from(hostname), STR("localhost"));
	int len = snprintf(names, sizeof(names), "DNS:%s%s,IP:127.0.0.1,IP:::1", hostname,
	                   local ? "" : ",DNS:localhost");
	/* CN is bounded to 64 (RFC 5280 appendix A.1); clients look at the alternative names only. */
	X509_NAME *name = X509_get_subject_name(certificate);
	return len > 0 && (size_t)len < sizeof(names) && set_serial(certificate) &&
	       X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -3600L) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), CERTIFICATE_DAYS * 86400L - 3600L) !=
	           NULL &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                                  (const unsigned char *)"postkasse, self-signed", -1, -1,
	                                  0) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1 &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       add_extension(certificate, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, NID_subject_alt_name, names) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool take(BIO *bio, struct buf *out)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	if (len <= 0)
		return false;
	buf_add(out, text, (size_t)len);
	return !out->failed;
}

static bool write_certificate(X509 *certificate, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool fine = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1 && take(bio, out);
	BIO_free(bio);
	return fine;
}

static bool write_key(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool fine = bio != NULL &&
	            PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	            take(bio, out);
	BIO_free(bio);
	return fine;
}

/* No question for a passphrase on the terminal: such a key is of no use to a service. */
static int no_passphrase(char *ret, int size, int writing, void *ctx)
{
	(void)ret;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *read_key(const struct buf *text)
{
	if (text->len > INT32_MAX)
		return NULL;
	BIO *bio = BIO_new_mem_buf(text->ptr, (int)text->len);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return key;
}

int certificate_make(const char *hostname, struct buf *certificate, struct buf *key,
                     struct errinfo *info)
{
	bool given = key->len > 0;
	EVP_PKEY *pair = given ? read_key(key) : EVP_EC_gen("P-256");
	if (pair == NULL)
		return err_set(info, given ? E_INVALID : E_INTERNAL, "there is no usable private key");
	X509 *made = X509_new();
	bool fine = made != NULL && fill(made, pair, hostname) &&
	            write_certificate(made, certificate) && (given || write_key(pair, key));
	X509_free(made);
	EVP_PKEY_free(pair);
	return fine ? 0 : err_set(info, E_INTERNAL, "making a certificate failed");
}
