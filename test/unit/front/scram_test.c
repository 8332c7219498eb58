#include "front/scram.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/slot.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* Passes each message to the parser in memory of exactly its size, so that reading on is seen. */
static int client_first(struct scram *scram, const char *text, bool plus, bool offered,
                        struct buf *name)
{
	size_t len = strlen(text);
	char *exact = mem_new(len);
	memcpy(exact, text, len);
	scram_init(scram);
	int rc = scram_client_first(scram, STR_OF(exact, len), plus, offered, name, NULL);
	free(exact);
	return rc;
}

static void first_messages(void **state)
{
	static const struct {
		const char *message;
		bool plus, offered;
		int error;
		const char *name;
		enum scram_binding binding;
	} cases[] = {
		{"n,,n=user,r=abc", false, false, 0, "user", SCRAM_BINDING_NONE},
		{"n,,n=user,r=abc", false, true, 0, "user", SCRAM_BINDING_NONE},
		{"n,,n=user,r=abc,x=ext,y=z", false, false, 0, "user", SCRAM_BINDING_NONE},
		{"n,a=user,n=user,r=abc", false, false, 0, "user", SCRAM_BINDING_NONE},
		{"n,a=USER,n=user,r=abc", false, false, 0, "user", SCRAM_BINDING_NONE},
		{"n,,n=a=2Cb=3Dc@x,r=abc", false, false, 0, "a,b=c@x", SCRAM_BINDING_NONE},
		{"y,,n=user,r=abc", false, false, 0, "user", SCRAM_BINDING_NONE},
		{"p=tls-exporter,,n=user,r=abc", true, true, 0, "user", SCRAM_BINDING_EXPORTER},
		{"p=tls-server-end-point,,n=user,r=abc", true, true, 0, "user", SCRAM_BINDING_END_POINT},
		/* the client was made to believe that there is no channel binding */
		{"y,,n=user,r=abc", false, true, E_DENIED, NULL, 0},
		{"n,a=other,n=user,r=abc", false, false, E_DENIED, NULL, 0},
		/* flags that do not fit the mechanism */
		{"n,,n=user,r=abc", true, true, E_INVALID, NULL, 0},
		{"y,,n=user,r=abc", true, true, E_INVALID, NULL, 0},
		{"p=tls-exporter,,n=user,r=abc", false, true, E_INVALID, NULL, 0},
		{"p=tls-unique,,n=user,r=abc", true, true, E_UNSUPPORTED, NULL, 0},
		{"n,,m=ext,n=user,r=abc", false, false, E_UNSUPPORTED, NULL, 0},
		/* malformed */
		{"", false, false, E_INVALID, NULL, 0},
		{"n", false, false, E_INVALID, NULL, 0},
		{"n,,", false, false, E_INVALID, NULL, 0},
		{"n,,n=user", false, false, E_INVALID, NULL, 0},
		{"n,,n=user,r=", false, false, E_INVALID, NULL, 0},
		{"n,,n=,r=abc", false, false, E_INVALID, NULL, 0},
		{"n,,n=us=er,r=abc", false, false, E_INVALID, NULL, 0},
		{"n,,n=us=2cer,r=abc", false, false, E_INVALID, NULL, 0},
		{"n,,n=user,r=a c", false, false, E_INVALID, NULL, 0},
		{"n,,n=user,r=abc,", false, false, E_INVALID, NULL, 0},
		{"n,,n=user,r=abc,1=x", false, false, E_INVALID, NULL, 0},
		{"n,,r=abc,n=user", false, false, E_INVALID, NULL, 0},
		{"n,a=,n=user,r=abc", false, false, E_INVALID, NULL, 0},
		{"n,b=x,n=user,r=abc", false, false, E_INVALID, NULL, 0},
		{"p=,,n=user,r=abc", true, true, E_INVALID, NULL, 0},
		{"x,,n=user,r=abc", false, false, E_INVALID, NULL, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scram scram;
		struct buf name BUF_AUTO;
		buf_init(&name, SCRAM_NAME_MAX);
		int rc = client_first(&scram, cases[i].message, cases[i].plus, cases[i].offered, &name);
		if (rc != cases[i].error)
			fail_msg("%s: %d", cases[i].message, rc);
		if (rc == 0) {
			assert_true(str_eq(buf_str(&name), str_from(cases[i].name)));
			assert_int_equal(scram.binding, cases[i].binding);
		}
		scram_done(&scram);
	}
}

static void too_long(void **state)
{
	struct scram scram;
	struct buf name BUF_AUTO, text BUF_AUTO;
	static const struct {
		int name, nonce, error;
	} cases[] = {
		{SCRAM_NAME_MAX, SCRAM_NONCE_MAX, 0},
		{SCRAM_NAME_MAX + 1, 10, E_INVALID},
		{10, SCRAM_NONCE_MAX + 1, E_INVALID},
		{10, SCRAM_MESSAGE_MAX, E_TOO_LARGE},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_init(&name, SCRAM_NAME_MAX);
		buf_init(&text, (size_t)2 * SCRAM_MESSAGE_MAX);
		buf_addf(&text, "n,,n=%0*d,r=%0*d", cases[i].name, 1, cases[i].nonce, 1);
		buf_add_byte(&text, '\0');
		assert_int_equal(client_first(&scram, text.ptr, false, false, &name), cases[i].error);
		scram_done(&scram);
		buf_done(&name);
		buf_done(&text);
	}
	buf_init(&name, 1);
	buf_init(&text, 1);
}

/* The example of RFC 7677 section 3, with its nonce in place of ours. */
static void rfc7677(void **state)
{
	const char *server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
							   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
	const char *client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
							   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	struct scram scram;
	struct buf name BUF_AUTO, message BUF_AUTO, salt BUF_AUTO, last BUF_AUTO;
	unsigned char proof[KEY_SIZE], signature[KEY_SIZE];
	struct slot slot;
	struct slot_salt slot_salt = {.iterations = 4096};
	struct key32 secret KEY32_AUTO, opened KEY32_AUTO;
	struct errinfo info;
	(void)state;
	assert_int_equal(crypto_init(&info), 0);
	buf_init(&name, SCRAM_NAME_MAX);
	buf_init(&message, 4096);
	buf_init(&salt, 64);
	buf_init(&last, 256);
	assert_int_equal(client_first(&scram, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false, false, &name),
	                 0);
	buf_clear(&scram.nonce);
	buf_add_text(&scram.nonce, "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	buf_add_text(&scram.server_first, server_first);
	assert_int_equal(
		scram_client_final(&scram, str_from(client_final), STR(""), &message, proof, &info), 0);

	assert_true(base64_decode(&salt, STR("W22ZaJ0SNY7soEsUEjb6gQ==")));
	memcpy(slot_salt.bytes, salt.ptr, SLOT_SALT_SIZE);
	key32_random(&secret);
	slot_create(&slot, STR("mailbox"), &slot_salt, STR("pencil"), &secret);
	assert_true(
		slot_open_scram(&slot, STR("mailbox"), buf_str(&message), proof, &opened, signature));
	assert_true(key32_eq(&secret, &opened));
	scram_server_final(STR_OF(signature, sizeof(signature)), &last);
	assert_true(str_eq(buf_str(&last), STR("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	scram_done(&scram);
}

#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void final_messages(void **state)
{
	/* %s is the nonce; the connection's binding is "data", where one was asked for */
	static const struct {
		const char *first, *format;
		bool plus;
		int error;
	} cases[] = {
		{"n,,n=u,r=abc", "c=biws,r=%s,p=" PROOF, false, 0},
		{"n,,n=u,r=abc", "c=biws,r=%s,x=y,p=" PROOF, false, 0},
		{"y,,n=u,r=abc", "c=eSws,r=%s,p=" PROOF, false, 0},
		{"n,a=u,n=u,r=abc", "c=bixhPXUs,r=%s,p=" PROOF, false, 0},
		{"p=tls-exporter,,n=u,r=abc", "c=cD10bHMtZXhwb3J0ZXIsLGRhdGE=,r=%s,p=" PROOF, true, 0},
		/* another channel, another header, another nonce */
		{"p=tls-exporter,,n=u,r=abc", "c=cD10bHMtZXhwb3J0ZXIsLGRhdGI=,r=%s,p=" PROOF, true,
	     E_DENIED},
		{"p=tls-exporter,,n=u,r=abc", "c=cD10bHMtZXhwb3J0ZXIsLA==,r=%s,p=" PROOF, true, E_DENIED},
		{"n,,n=u,r=abc", "c=eSws,r=%s,p=" PROOF, false, E_DENIED},
		{"n,,n=u,r=abc", "c=biwsZGF0YQ==,r=%s,p=" PROOF, false, E_DENIED},
		{"n,,n=u,r=abc", "c=biws,r=%sx,p=" PROOF, false, E_DENIED},
		{"n,,n=u,r=abc", "c=biws,r=x%s,p=" PROOF, false, E_DENIED},
		{"n,,n=u,r=abc", "c=biws,r=abc,p=" PROOF, false, E_DENIED},
		/* malformed */
		{"n,,n=u,r=abc", "", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s,p=", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s,p=AAAA", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s,p=" PROOF "AAAA", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s,p=" PROOF ",x=y", false, E_INVALID},
		{"n,,n=u,r=abc", "c=biw,r=%s,p=" PROOF, false, E_INVALID},
		{"n,,n=u,r=abc", "r=%s,c=biws,p=" PROOF, false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,r=%s,,p=" PROOF, false, E_INVALID},
		{"n,,n=u,r=abc", "c=biws,p=" PROOF, false, E_INVALID},
		{"n,,n=u,r=abc", ",", false, E_INVALID},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scram scram;
		struct buf name BUF_AUTO, out BUF_AUTO, final BUF_AUTO, message BUF_AUTO;
		unsigned char proof[KEY_SIZE];
		buf_init(&name, SCRAM_NAME_MAX);
		buf_init(&out, 1024);
		buf_init(&final, 1024);
		buf_init(&message, 4096);
		assert_int_equal(client_first(&scram, cases[i].first, cases[i].plus, cases[i].plus, &name),
		                 0);
		scram_server_first(&scram, STR("0123456789abcdef"), 4096, &out);
		assert_true(str_starts(buf_str(&out), STR("r=abc")));
		assert_true(str_ends_nocase(buf_str(&out), STR(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096")));
		const char *mark = strstr(cases[i].format, "%s");
		size_t before = mark == NULL ? strlen(cases[i].format) : (size_t)(mark - cases[i].format);
		buf_add(&final, cases[i].format, before);
		if (mark != NULL) {
			buf_add_str(&final, buf_str(&scram.nonce));
			buf_add_text(&final, mark + 2);
		}
		int rc = scram_client_final(&scram, buf_str(&final), cases[i].plus ? STR("data") : STR(""),
		                            &message, proof, NULL);
		if (rc != cases[i].error)
			fail_msg("%s: %d", cases[i].format, rc);
		scram_done(&scram);
	}
}

/* Nobody can know the second half of a nonce beforehand. */
static void nonces_differ(void **state)
{
	char seen[2][SCRAM_SERVER_NONCE + 8];
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scram scram;
		struct buf name BUF_AUTO, out BUF_AUTO;
		buf_init(&name, SCRAM_NAME_MAX);
		buf_init(&out, 1024);
		assert_int_equal(client_first(&scram, "n,,n=u,r=abc", false, false, &name), 0);
		scram_server_first(&scram, STR("0123456789abcdef"), 4096, &out);
		assert_int_equal(scram.nonce.len, 3 + SCRAM_SERVER_NONCE);
		memcpy(seen[i], scram.nonce.ptr, scram.nonce.len);
		scram_done(&scram);
	}
	assert_memory_not_equal(seen[0], seen[1], 3 + SCRAM_SERVER_NONCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_messages), cmocka_unit_test(too_long),
		cmocka_unit_test(rfc7677),        cmocka_unit_test(final_messages),
		cmocka_unit_test(nonces_differ),
	};
	return cmocka_run_group_tests_name("front/scram", tests, NULL, NULL);
}
