#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"

static struct str hex(const char *digits, unsigned char *ret)
{
	size_t len = strlen(digits) / 2;
	assert_int_equal(sodium_hex2bin(ret, len, digits, 2 * len, NULL, NULL, NULL), 0);
	return STR_OF(ret, len);
}

static void assert_hex(const void *bytes, const char *digits)
{
	unsigned char expected[32];
	hex(digits, expected);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

/* FIPS 180-4's examples. */
static void sha256_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *digest;
	} cases[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	unsigned char digest[SHA256_SIZE];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sha256(str_from(cases[i].text), digest);
		assert_hex(digest, cases[i].digest);
	}
	sha256((struct str){NULL, 0}, digest);
	assert_hex(digest, cases[0].digest);
	char *million = malloc(1000000);
	assert_non_null(million);
	memset(million, 'a', 1000000);
	sha256(STR_OF(million, 1000000), digest);
	assert_hex(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* RFC 4231 */
static void hmac_vectors(void **state)
{
	(void)state;
	unsigned char key[131], digest[SHA256_SIZE];
	memset(key, 0x0b, 20);
	hmac_sha256(key, 20, STR("Hi There"), digest);
	assert_hex(digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256("Jefe", 4, STR("what do ya want for nothing?"), digest);
	assert_hex(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, sizeof(key), STR("Test Using Larger Than Block-Size Key - Hash Key First"),
	            digest);
	assert_hex(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869 appendix A.1 and A.3, their first 32 bytes. */
static void hkdf_vectors(void **state)
{
	(void)state;
	unsigned char key[22], salt[13], info[10];
	struct key32 out;
	memset(key, 0x0b, sizeof(key));
	hkdf_sha256(key, sizeof(key), hex("000102030405060708090a0b0c", salt),
	            hex("f0f1f2f3f4f5f6f7f8f9", info), &out);
	assert_hex(out.bytes, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
	hkdf_sha256(key, sizeof(key), (struct str){NULL, 0}, (struct str){NULL, 0}, &out);
	assert_hex(out.bytes, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

/* The inputs of RFC 6070, with SHA-256. */
static void pbkdf2_vectors(void **state)
{
	(void)state;
	static const struct {
		uint32_t iterations;
		const char *key;
	} cases[] = {
		{1, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"},
		{2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"},
		{4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key32 out;
		pbkdf2_sha256(STR("password"), STR("salt"), cases[i].iterations, &out);
		assert_hex(out.bytes, cases[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(hkdf_vectors),
		cmocka_unit_test(pbkdf2_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
