#include "net/certificate.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "net/link_address.h"

enum { HOST_MAX = 256 };

static BIO *bio_of(struct str pem)
{
	return pem.len > INT_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

int certificate_not_after(struct str pem, int64_t *ret, struct errinfo *info)
{
	BIO *bio = bio_of(pem);
	int64_t first = INT64_MAX;
	X509 *certificate;
	while (bio != NULL && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		struct tm end;
		if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 && timegm(&end) < first)
			first = timegm(&end);
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error(); /* "no start line" at the end of the text is how it ends */
	*ret = first;
	return first < INT64_MAX ? 0 : err_set(info, E_INVALID, "there is no certificate in it");
}

/* ---------------------------------------------------------------- who it is for */

/* Calls is for the alternative names of that type until it returns true; *ret_count of them there were. */
static bool find_name(const X509 *certificate, int type,
                      bool (*is)(const void *ctx, const GENERAL_NAME *name), const void *ctx,
                      int *ret_count)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	*ret_count = 0;
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != type)
			continue;
		++*ret_count;
		found = is(ctx, name);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static struct str text_of(const ASN1_STRING *string)
{
	return STR_OF(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

static bool is_role(const void *role, const GENERAL_NAME *name)
{
	struct str uri = text_of(name->d.uniformResourceIdentifier);
	struct str prefix = STR(CERTIFICATE_ROLE);
	return str_starts(uri, prefix) && str_eq(str_from_byte(uri, prefix.len), str_from(role));
}

static bool has_role(const X509 *certificate, const char *role)
{
	int count;
	return certificate != NULL && find_name(certificate, GEN_URI, is_role, role, &count);
}

bool certificate_has_role(struct str pem, const char *role)
{
	BIO *bio = bio_of(pem);
	X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool has = has_role(certificate, role);
	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return has;
}

bool certificate_peer_has_role(const SSL *ssl, const char *role)
{
	return ssl != NULL && has_role(SSL_get0_peer_certificate(ssl), role);
}

static bool is_at(const void *ctx, const GENERAL_NAME *name)
{
	struct str bytes = text_of(name->d.iPAddress);
	char text[INET6_ADDRSTRLEN];
	const char *const list[] = {text, NULL};
	int family = bytes.len == sizeof(struct in_addr) ? AF_INET : AF_INET6;
	if (family == AF_INET6 && bytes.len != sizeof(struct in6_addr))
		return false;
	return inet_ntop(family, bytes.ptr, text, sizeof(text)) != NULL &&
	       link_address_allowed(ctx, list);
}

bool certificate_peer_may_be_at(const SSL *ssl, const struct sockaddr *address)
{
	const X509 *certificate = ssl == NULL ? NULL : SSL_get0_peer_certificate(ssl);
	int count;
	return certificate != NULL &&
	       (find_name(certificate, GEN_IPADD, is_at, address, &count) || count == 0);
}

/* "192.0.2.1:7101", "[2001:db8::1]:7101", "store.example.org:7101", or any of them without the port. */
static bool host_without_port(struct str host, char ret[HOST_MAX])
{
	ptrdiff_t bracket = str_find_byte(host, ']'), colon = str_find_byte(host, ':');
	if (host.len > 0 && host.ptr[0] == '[')
		host = bracket < 0 ? STR("") : str_slice(host, 1, (size_t)bracket - 1);
	else if (colon >= 0 && colon == str_rfind_byte(host, ':'))
		host = str_slice(host, 0, (size_t)colon);
	if (host.len == 0 || host.len >= HOST_MAX)
		return false;
	memcpy(ret, host.ptr, host.len);
	ret[host.len] = '\0';
	return true;
}

int certificate_expect_host(SSL *ssl, const char *host, struct errinfo *info)
{
	char name[HOST_MAX];
	X509_VERIFY_PARAM *expected = SSL_get0_param(ssl);
	if (!host_without_port(str_from(host), name))
		return err_set(info, E_INVALID, "neither the name nor the address of a host");
	X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
	                                              X509_CHECK_FLAG_NO_WILDCARDS);
	bool taken = X509_VERIFY_PARAM_set1_ip_asc(expected, name) == 1 ||
	             X509_VERIFY_PARAM_set1_host(expected, name, 0) == 1;
	ERR_clear_error();
	return taken ? 0 : err_set(info, E_INVALID, "neither the name nor the address of a host");
}
