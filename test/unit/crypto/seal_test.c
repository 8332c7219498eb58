#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/seal.h"

static int setup(void **state)
{
	(void)state;
	struct errinfo info;
	return crypto_init(&info);
}

static int seal_once(const unsigned char *public_key, const char *context, struct str plain,
                     struct buf *out)
{
	struct seal_sender sender __attribute__((cleanup(seal_sender_wipe)));
	int error = seal_sender_init(&sender, public_key);
	return error != 0 ? error : seal_with(&sender, str_from(context), plain, out);
}

static int open_once(const struct key32 *private_key, const char *context, struct str sealed,
                     struct buf *out)
{
	struct seal_opener opener;
	seal_opener_init(&opener, private_key);
	return seal_open(&opener, str_from(context), sealed, out);
}

/* RFC 7748 section 5.2: the first iteration, with 9 as scalar and as coordinate. */
static void public_key_vector(void **state)
{
	(void)state;
	struct key32 nine = {{9}};
	unsigned char public_key[SEAL_PUBLIC_SIZE], expected[SEAL_PUBLIC_SIZE];
	static const char digits[] = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
	assert_int_equal(
		sodium_hex2bin(expected, sizeof(expected), digits, strlen(digits), NULL, NULL, NULL), 0);
	seal_public_of(&nine, public_key);
	assert_memory_equal(public_key, expected, sizeof(expected));
}

static void sealed_mail_opens(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 3000000};
	unsigned char public_key[SEAL_PUBLIC_SIZE], again[SEAL_PUBLIC_SIZE];
	struct key32 private_key;
	seal_keypair(public_key, &private_key);
	seal_public_of(&private_key, again);
	assert_memory_equal(public_key, again, sizeof(again));
	char *plain = malloc(3000000);
	assert_non_null(plain);
	random_bytes(plain, 3000000);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf sealed, opened;
		buf_init(&sealed, 4000000);
		buf_init(&opened, 4000000);
		buf_add_text(&sealed, "before");
		buf_add_text(&opened, "before");
		assert_int_equal(seal_once(public_key, "ctx", STR_OF(plain, sizes[i]), &sealed), 0);
		assert_int_equal(sealed.len, 6 + sizes[i] + SEAL_OVERHEAD);
		assert_int_equal(
			open_once(&private_key, "ctx", str_from_byte(buf_str(&sealed), 6), &opened), 0);
		assert_int_equal(opened.len, 6 + sizes[i]);
		assert_memory_equal(opened.ptr, "before", 6);
		assert_memory_equal(opened.ptr + 6, plain, sizes[i]);
		buf_done(&sealed);
		buf_done(&opened);
	}
	free(plain);
}

static void altered_mail_does_not_open(void **state)
{
	(void)state;
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	struct key32 private_key, wrong;
	struct buf sealed, opened;
	seal_keypair(public_key, &private_key);
	key32_random(&wrong);
	buf_init(&sealed, 1000);
	buf_init(&opened, 1000);
	assert_int_equal(seal_once(public_key, "mailbox 1", STR("some text"), &sealed), 0);
	assert_int_equal(open_once(&wrong, "mailbox 1", buf_str(&sealed), &opened), E_DENIED);
	assert_int_equal(open_once(&private_key, "mailbox 2", buf_str(&sealed), &opened), E_DENIED);
	assert_int_equal(open_once(&private_key, "", buf_str(&sealed), &opened), E_DENIED);
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.ptr[i] ^= 0x20;
		assert_int_equal(open_once(&private_key, "mailbox 1", buf_str(&sealed), &opened), E_DENIED);
		sealed.ptr[i] ^= 0x20;
		assert_int_equal(
			open_once(&private_key, "mailbox 1", str_slice(buf_str(&sealed), 0, i), &opened),
			E_DENIED);
	}
	assert_int_equal(opened.len, 0);
	assert_false(opened.failed);
	assert_int_equal(open_once(&private_key, "mailbox 1", buf_str(&sealed), &opened), 0);
	buf_done(&sealed);
	buf_done(&opened);
}

static void bad_keys_and_small_buffers(void **state)
{
	(void)state;
	static const unsigned char zero[SEAL_PUBLIC_SIZE], one[SEAL_PUBLIC_SIZE] = {1};
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	struct key32 private_key;
	struct buf out;
	buf_init(&out, 100);
	buf_add_text(&out, "x");
	/* Points of low order: anybody could open it. */
	assert_int_equal(seal_once(zero, "", STR("text"), &out), E_INVALID);
	assert_int_equal(seal_once(one, "", STR("text"), &out), E_INVALID);
	assert_int_equal(out.len, 1);
	seal_keypair(public_key, &private_key);
	char plain[60] = {0};
	assert_int_equal(seal_once(public_key, "", STR_OF(plain, sizeof(plain)), &out), E_TOO_LARGE);
	assert_int_equal(out.len, 1);
	buf_done(&out);
}

static void boxes(void **state)
{
	(void)state;
	struct key32 key, wrong;
	struct buf sealed, opened;
	key32_random(&key);
	key32_random(&wrong);
	buf_init(&sealed, 1000);
	buf_init(&opened, 1000);
	assert_int_equal(box_seal(&key, STR("a"), STR("text"), &sealed), 0);
	assert_int_equal(box_open(&wrong, STR("a"), buf_str(&sealed), &opened), E_DENIED);
	assert_int_equal(box_open(&key, STR("b"), buf_str(&sealed), &opened), E_DENIED);
	for (size_t i = 0; i < sealed.len; i++) {
		assert_int_equal(box_open(&key, STR("a"), str_slice(buf_str(&sealed), 0, i), &opened),
		                 E_DENIED);
	}
	assert_int_equal(box_open(&key, STR("a"), buf_str(&sealed), &opened), 0);
	assert_true(str_eq(buf_str(&opened), STR("text")));
	buf_done(&sealed);
	buf_done(&opened);
}

/* One agreement, many messages: each opens, with either way of opening, and none looks like another. */
static void test_one_agreement_for_many(void **state)
{
	(void)state;
	unsigned char public_key[SEAL_PUBLIC_SIZE];
	struct key32 private_key;
	struct seal_sender senders[2];
	struct seal_opener opener;
	seal_keypair(public_key, &private_key);
	assert_int_equal(seal_sender_init(&senders[0], public_key), 0);
	assert_int_equal(seal_sender_init(&senders[1], public_key), 0);
	assert_memory_not_equal(senders[0].header, senders[1].header, sizeof(senders[0].header));
	seal_opener_init(&opener, &private_key);
	struct buf before BUF_AUTO;
	buf_init(&before, 1000);
	for (int i = 0; i < 20; i++) {
		struct buf sealed BUF_AUTO, plain BUF_AUTO;
		buf_init(&sealed, 1000);
		buf_init(&plain, 1000);
		/* Senders take turns, so that the opener's last agreement is the wrong one at times. */
		assert_int_equal(seal_with(&senders[i / 3 % 2], STR("row"), STR("same text"), &sealed), 0);
		assert_false(str_eq(buf_str(&sealed), buf_str(&before)));
		buf_clear(&before);
		buf_add_str(&before, buf_str(&sealed));
		assert_int_equal(seal_open(&opener, STR("other row"), buf_str(&sealed), &plain), E_DENIED);
		assert_int_equal(seal_open(&opener, STR("row"), buf_str(&sealed), &plain), 0);
		assert_true(str_eq(buf_str(&plain), STR("same text")));
		buf_clear(&plain);
		assert_int_equal(open_once(&private_key, "row", buf_str(&sealed), &plain), 0);
		assert_true(str_eq(buf_str(&plain), STR("same text")));
		sealed.ptr[1] ^= 1;
		assert_int_equal(seal_open(&opener, STR("row"), buf_str(&sealed), &plain), E_DENIED);
	}
	unsigned char low_order[SEAL_PUBLIC_SIZE] = {0};
	assert_int_equal(seal_sender_init(&senders[0], low_order), E_INVALID);
	seal_sender_wipe(&senders[0]);
	seal_sender_wipe(&senders[1]);
	wipe(&opener, sizeof(opener));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_agreement_for_many), cmocka_unit_test(public_key_vector),
		cmocka_unit_test(sealed_mail_opens),           cmocka_unit_test(altered_mail_does_not_open),
		cmocka_unit_test(bad_keys_and_small_buffers),  cmocka_unit_test(boxes),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
