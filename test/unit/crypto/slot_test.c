#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/codec.h"
#include "crypto/digest.h"
#include "crypto/slot.h"

#define MAILBOX       STR("353a03f21e534321f5d6e267")
#define OTHER_MAILBOX STR("353a03f21e534321f5d6e268")

static int setup(void **state)
{
	(void)state;
	struct errinfo info;
	return crypto_init(&info);
}

static void decode(struct str base64, unsigned char *ret, size_t len)
{
	struct buf out;
	buf_init(&out, 100);
	assert_true(base64_decode(&out, base64));
	assert_int_equal(out.len, len);
	memcpy(ret, out.ptr, len);
	buf_done(&out);
}

/* The exchange of RFC 7677 section 3: user "user", password "pencil". */
#define NONCES "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_AUTH_MESSAGE                                                                \
	STR("n=user,r=rOprNGfwEbeRWgbNEkqO," NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=" \
	    "biws," NONCES)

static void rfc_salt(struct slot_salt *ret)
{
	decode(STR("W22ZaJ0SNY7soEsUEjb6gQ=="), ret->bytes, sizeof(ret->bytes));
	ret->iterations = 4096;
}

static void scram_exchange_of_rfc7677(void **state)
{
	(void)state;
	struct slot_salt salt;
	struct slot slot;
	struct key32 secret, back;
	unsigned char proof[KEY_SIZE], signature[KEY_SIZE], expected[KEY_SIZE];
	rfc_salt(&salt);
	key32_random(&secret);
	slot_create(&slot, MAILBOX, &salt, STR("pencil"), &secret);
	decode(STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), proof, sizeof(proof));
	decode(STR("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), expected, sizeof(expected));
	assert_true(slot_open_scram(&slot, MAILBOX, RFC_AUTH_MESSAGE, proof, &back, signature));
	assert_memory_equal(signature, expected, sizeof(expected));
	assert_true(key32_eq(&secret, &back));

	/* Another mailbox, another conversation, another proof, another slot. */
	assert_false(slot_open_scram(&slot, OTHER_MAILBOX, RFC_AUTH_MESSAGE, proof, &back, signature));
	assert_false(slot_open_scram(&slot, MAILBOX, STR("n=user"), proof, &back, signature));
	for (size_t i = 0; i < sizeof(proof); i++) {
		proof[i] ^= 1;
		assert_false(slot_open_scram(&slot, MAILBOX, RFC_AUTH_MESSAGE, proof, &back, signature));
		proof[i] ^= 1;
	}
	struct slot other;
	slot_create(&other, MAILBOX, &salt, STR("pencils"), &secret);
	assert_false(slot_open_scram(&other, MAILBOX, RFC_AUTH_MESSAGE, proof, &back, signature));
	/* A seal that was altered: the proof is right, the secret stays closed. */
	for (size_t i = 0; i < sizeof(slot.by_scram); i++) {
		slot.by_scram[i] ^= 1;
		assert_false(slot_open_scram(&slot, MAILBOX, RFC_AUTH_MESSAGE, proof, &back, signature));
		slot.by_scram[i] ^= 1;
	}
}

static void stored_keys_of_rfc7677(void **state)
{
	(void)state;
	struct slot_salt salt;
	struct slot slot;
	struct key32 secret;
	unsigned char expected[KEY_SIZE];
	rfc_salt(&salt);
	key32_random(&secret);
	slot_create(&slot, MAILBOX, &salt, STR("pencil"), &secret);
	decode(STR("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="), expected, sizeof(expected));
	assert_memory_equal(slot.stored_key, expected, sizeof(expected));
	decode(STR("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="), expected, sizeof(expected));
	assert_memory_equal(slot.server_key, expected, sizeof(expected));
}

static void plain_password_opens_its_slot(void **state)
{
	(void)state;
	struct slot_salt salt = {.iterations = SLOT_ITERATIONS};
	struct slot_salt other_salt = {.bytes = {1}, .iterations = SLOT_ITERATIONS};
	struct slot slot, another;
	struct key32 secret, back, key;
	key32_random(&secret);
	slot_create(&slot, MAILBOX, &salt, STR("first password"), &secret);
	slot_create(&another, MAILBOX, &salt, STR("second password"), &secret);
	slot_plain_key(MAILBOX, &salt, STR("first password"), &key);
	assert_true(slot_open_plain(&slot, MAILBOX, &key, &back));
	assert_true(key32_eq(&secret, &back));
	assert_false(slot_open_plain(&another, MAILBOX, &key, &back));
	assert_false(slot_open_plain(&slot, OTHER_MAILBOX, &key, &back));
	slot_plain_key(MAILBOX, &salt, STR("second password"), &key);
	assert_true(slot_open_plain(&another, MAILBOX, &key, &back));
	assert_true(key32_eq(&secret, &back));
	assert_false(slot_open_plain(&slot, MAILBOX, &key, &back));
	slot_plain_key(MAILBOX, &other_salt, STR("first password"), &key);
	assert_false(slot_open_plain(&slot, MAILBOX, &key, &back));
	slot_plain_key(MAILBOX, &salt, STR(""), &key);
	assert_false(slot_open_plain(&slot, MAILBOX, &key, &back));
	slot_plain_key(OTHER_MAILBOX, &salt, STR("first password"), &key);
	assert_false(slot_open_plain(&slot, MAILBOX, &key, &back));
	/* The two seals are of different keys: one is no use in the place of the other. */
	memcpy(slot.by_plain, slot.by_scram, sizeof(slot.by_plain));
	slot_plain_key(MAILBOX, &salt, STR("first password"), &key);
	assert_false(slot_open_plain(&slot, MAILBOX, &key, &back));
}

static void ids_of_any_length(void **state)
{
	(void)state;
	char id[300];
	struct slot_salt salt = {.iterations = 1};
	struct slot slot;
	struct key32 secret, back, key;
	memset(id, 'a', sizeof(id));
	key32_random(&secret);
	for (size_t len = 0; len <= sizeof(id); len += 60) {
		slot_create(&slot, STR_OF(id, len), &salt, STR("password"), &secret);
		slot_plain_key(STR_OF(id, len), &salt, STR("password"), &key);
		assert_true(slot_open_plain(&slot, STR_OF(id, len), &key, &back));
		if (len > 0) {
			id[len - 1] = 'b';
			assert_false(slot_open_plain(&slot, STR_OF(id, len), &key, &back));
			id[len - 1] = 'a';
		}
	}
}

static void generated_passwords(void **state)
{
	(void)state;
	struct buf out, previous;
	unsigned seen[256] = {0};
	buf_init(&out, PASSWORD_MAX);
	buf_init(&previous, PASSWORD_MAX);
	for (int i = 0; i < 2000; i++) {
		buf_clear(&out);
		password_generate(&out);
		assert_int_equal(out.len, 30);
		for (size_t at = 0; at < out.len; at++) {
			unsigned char c = (unsigned char)out.ptr[at];
			if (at == 6 || at == 12 || at == 18 || at == 24) {
				assert_int_equal(c, '-');
			} else {
				assert_non_null(strchr("0123456789abcdefghjkmnpqrstvwxyz", c));
				seen[c]++;
			}
		}
		assert_false(str_eq(buf_str(&out), buf_str(&previous)));
		assert_true(password_generated(buf_str(&out)));
		assert_false(password_generated(str_slice(buf_str(&out), 0, 29)));
		assert_false(password_generated(str_slice(buf_str(&out), 1, 30)));
		buf_add_byte(&out, '0');
		assert_false(password_generated(buf_str(&out)));
		out.len--;
		buf_clear(&previous);
		buf_add_str(&previous, buf_str(&out));
	}
	assert_false(password_generated(STR("")));
	assert_false(password_generated(STR("correct horse battery staple 4")));
	assert_false(password_generated(STR_OF("000000-00000-00000-00000-0000\0", 30)));
	/* 52,000 letters, 1625 of each expected, standard deviation 40. */
	for (const char *c = "0123456789abcdefghjkmnpqrstvwxyz"; *c != '\0'; c++)
		assert_in_range(seen[(unsigned char)*c], 1625 - 280, 1625 + 280);
	buf_done(&out);
	buf_done(&previous);
}

static void key_records(void **state)
{
	(void)state;
	struct key32 secret, wrong;
	struct data_key current, next, got, got_next;
	struct buf record;
	bool has_next = true;
	key32_random(&secret);
	key32_random(&wrong);
	random_bytes(&current, sizeof(current));
	random_bytes(&next, sizeof(next));
	buf_init(&record, KEY_RECORD_MAX);

	key_record_seal(&record, MAILBOX, &secret, &current, NULL);
	assert_int_equal(
		key_record_open(buf_str(&record), MAILBOX, &secret, &got, &got_next, &has_next), 0);
	assert_false(has_next);
	assert_memory_equal(&got, &current, sizeof(got));

	buf_clear(&record);
	key_record_seal(&record, MAILBOX, &secret, &current, &next);
	assert_true(record.len <= KEY_RECORD_MAX);
	assert_int_equal(
		key_record_open(buf_str(&record), MAILBOX, &secret, &got, &got_next, &has_next), 0);
	assert_true(has_next);
	assert_memory_equal(&got, &current, sizeof(got));
	assert_memory_equal(&got_next, &next, sizeof(got));

	assert_int_equal(
		key_record_open(buf_str(&record), OTHER_MAILBOX, &secret, &got, &got_next, &has_next),
		E_DENIED);
	assert_int_equal(key_record_open(buf_str(&record), MAILBOX, &wrong, &got, &got_next, &has_next),
	                 E_DENIED);
	for (size_t i = 0; i < record.len; i++) {
		assert_int_equal(key_record_open(str_slice(buf_str(&record), 0, i), MAILBOX, &secret, &got,
		                                 &got_next, &has_next),
		                 E_DENIED);
		record.ptr[i] ^= 0x40;
		assert_int_equal(
			key_record_open(buf_str(&record), MAILBOX, &secret, &got, &got_next, &has_next),
			E_DENIED);
		record.ptr[i] ^= 0x40;
	}
	char large[KEY_RECORD_MAX + 1] = {1};
	assert_int_equal(
		key_record_open(STR_OF(large, sizeof(large)), MAILBOX, &secret, &got, &got_next, &has_next),
		E_DENIED);
	buf_done(&record);
}

static void data_key_is_pbkdf2_of_64007_rounds(void **state)
{
	(void)state;
	struct data_key key;
	struct key32 expected;
	unsigned char salt[DATA_KEY_SALT_SIZE];
	random_bytes(salt, sizeof(salt));
	data_key_derive(STR("a password"), salt, &key);
	pbkdf2_sha256(STR("a password"), STR_OF(salt, sizeof(salt)), 64007, &expected);
	assert_true(key32_eq(&key.key, &expected));
	assert_memory_equal(key.salt, salt, sizeof(salt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_exchange_of_rfc7677),
		cmocka_unit_test(stored_keys_of_rfc7677),
		cmocka_unit_test(plain_password_opens_its_slot),
		cmocka_unit_test(ids_of_any_length),
		cmocka_unit_test(generated_passwords),
		cmocka_unit_test(key_records),
		cmocka_unit_test(data_key_is_pbkdf2_of_64007_rounds),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
