#include "net/certificate.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

int certificate_not_after(struct str pem, int64_t *ret, struct errinfo *info)
{
	BIO *bio = pem.len > INT_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
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
