#include "main/cli_certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/codec.h"
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

/* Everything that tells one kind of certificate from another. */
struct shape {
	const char *common_name; /* bounded to 64 (RFC 5280 appendix A.1); nobody compares it */
	int days;
	const char *constraints, *key_usage, *extended_usage, *names; /* NULL: none */
};

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	if (value == NULL)
		return true;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool fine = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return fine;
}

static bool fill(X509 *certificate, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                 const struct shape *shape)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	return set_serial(certificate) && X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -3600L) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), shape->days * 86400L - 3600L) != NULL &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	                                  (const unsigned char *)shape->common_name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
	       add_extension(certificate, issuer, NID_basic_constraints, shape->constraints) &&
	       add_extension(certificate, issuer, NID_key_usage, shape->key_usage) &&
	       add_extension(certificate, issuer, NID_ext_key_usage, shape->extended_usage) &&
	       add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       (issuer == certificate ||
	        add_extension(certificate, issuer, NID_authority_key_identifier, "keyid")) &&
	       add_extension(certificate, issuer, NID_subject_alt_name, shape->names) &&
	       X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
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

static BIO *read_from(struct str text)
{
	return text.len > INT32_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);
}

static EVP_PKEY *read_key(struct str text)
{
	BIO *bio = read_from(text);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return key;
}

static X509 *read_certificate(struct str text)
{
	BIO *bio = read_from(text);
	X509 *read = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return read;
}

/* Signed by issuer, or by itself when that is NULL. */
static int make(const struct shape *shape, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                struct buf *ret, struct errinfo *info)
{
	X509 *made = X509_new();
	bool fine = made != NULL &&
	            fill(made, key, issuer == NULL ? made : issuer, issuer == NULL ? key : issuer_key,
	                 shape) &&
	            write_certificate(made, ret);
	X509_free(made);
	return fine ? 0 : err_set(info, E_INTERNAL, "making a certificate failed");
}

/* The same for a new key, which is appended to ret_key. */
static int make_with_key(const struct shape *shape, X509 *issuer, EVP_PKEY *issuer_key,
                         struct buf *ret, struct buf *ret_key, struct errinfo *info)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	if (key == NULL)
		return err_set(info, E_INTERNAL, "making a key failed");
	int rc = make(shape, key, issuer, issuer_key, ret, info);
	if (rc == 0 && !write_key(key, ret_key))
		rc = err_set(info, E_INTERNAL, "writing a key failed");
	EVP_PKEY_free(key);
	return rc;
}

int certificate_make(const char *hostname, struct buf *certificate, struct buf *key,
                     struct errinfo *info)
{
	char names[400];
	bool local = str_eq_nocase(str_from(hostname), STR("localhost"));
	int len = snprintf(names, sizeof(names), "DNS:%s%s,IP:127.0.0.1,IP:::1", hostname,
	                   local ? "" : ",DNS:localhost");
	if (len < 0 || (size_t)len >= sizeof(names))
		return err_set(info, E_INVALID, "the name of the host is too long");
	const struct shape shape = {
		.common_name = "postkasse, self-signed",
		.days = CERTIFICATE_DAYS,
		.constraints = "critical,CA:FALSE",
		.extended_usage = "serverAuth",
		.names = names,
	};
	if (key->len == 0)
		return make_with_key(&shape, NULL, NULL, certificate, key, info);
	EVP_PKEY *given = read_key(buf_str(key));
	if (given == NULL)
		return err_set(info, E_INVALID, "there is no usable private key");
	int rc = make(&shape, given, NULL, NULL, certificate, info);
	EVP_PKEY_free(given);
	return rc;
}

/* Two authorities have two names, so that a verifier tells them apart while both are believed. */
int certificate_make_authority(struct buf *certificate, struct buf *key, struct errinfo *info)
{
	unsigned char number[8];
	char digits[2 * sizeof(number) + 1], name[64];
	random_bytes(number, sizeof(number));
	hex_encode(number, sizeof(number), digits);
	snprintf(name, sizeof(name), "postkasse links %s", digits);
	const struct shape shape = {
		.common_name = name,
		.days = CERTIFICATE_AUTHORITY_DAYS,
		.constraints = "critical,CA:TRUE,pathlen:0",
		.key_usage = "critical,keyCertSign,cRLSign",
	};
	return make_with_key(&shape, NULL, NULL, certificate, key, info);
}

int certificate_make_link(struct str authority, struct str authority_key, const char *names,
                          struct buf *certificate, struct buf *key, struct errinfo *info)
{
	X509 *issuer = read_certificate(authority);
	EVP_PKEY *issuer_key = read_key(authority_key);
	const struct shape shape = {
		.common_name = "postkasse link",
		.days = CERTIFICATE_LINK_DAYS,
		.constraints = "critical,CA:FALSE",
		.key_usage = "critical,digitalSignature",
		.extended_usage = "serverAuth,clientAuth",
		.names = names,
	};
	int rc;
	if (issuer == NULL || issuer_key == NULL || X509_check_private_key(issuer, issuer_key) != 1)
		rc = err_set(info, E_INVALID, "the authority's key does not belong to its certificate");
	else
		rc = make_with_key(&shape, issuer, issuer_key, certificate, key, info);
	X509_free(issuer);
	EVP_PKEY_free(issuer_key);
	return rc;
}
