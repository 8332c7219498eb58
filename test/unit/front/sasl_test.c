#include "front/sasl.h"

#include "base/codec.h"

#include "main/cli_certificate.h"

#include "../directory/fixture.h"

/* A front's side of the exchanges, against a real directory over a real link, with the client's
 * half of SCRAM computed here from the password. */

struct front {
	struct fixture *f;
	struct vault *vault;
	struct sasl *sasl;
	struct buf challenge; /* decoded */
	int challenges, dones, error;
	char mailbox[MAILBOX_ID_SIZE + 1];
	unsigned char secret[KEY_SIZE];
};

static void on_challenge(void *ctx, struct str text)
{
	struct front *front = ctx;
	buf_clear(&front->challenge);
	assert_true(base64_decode(&front->challenge, text));
	front->challenges++;
}

static void on_done(void *ctx, int error, struct str text, const Pk__LoginReply *login)
{
	struct front *front = ctx;
	front->dones++;
	front->error = error;
	assert_int_equal(login == NULL, error != 0);
	assert_int_equal(text.len == 0, error == 0);
	assert_false(sasl_busy(front->sasl));
	if (login != NULL) {
		strcpy(front->mailbox, login->mailbox);
		assert_int_equal(login->mailbox_secret.len, KEY_SIZE);
		memcpy(front->secret, login->mailbox_secret.data, KEY_SIZE);
	}
}

static void front_init_over(struct front *front, struct fixture *f, SSL *ssl, unsigned offered)
{
	*front = (struct front){.f = f, .vault = vault_new()};
	buf_init(&front->challenge, 4096);
	struct sasl_options options = {
		.directory = f->imap,
		.vault = front->vault,
		.service = "imap",
		.remote = "192.0.2.1",
		.ssl = ssl,
		.offered = offered,
	};
	struct sasl_handlers handlers = {.ctx = front, .challenge = on_challenge, .done = on_done};
	front->sasl = sasl_new(&options, &handlers);
}

static void front_init(struct front *front, struct fixture *f, unsigned offered)
{
	front_init_over(front, f, NULL, offered);
}

static void front_done(struct front *front)
{
	sasl_free(front->sasl);
	vault_free(front->vault);
	buf_done(&front->challenge);
}

/* Until the directory has answered and the next move is the client's, or all is over. */
static void settle(struct front *front)
{
	for (int i = 0; i < 1000 && sasl_busy(front->sasl) && !sasl_waits_for_client(front->sasl); i++)
		loop_run_once(front->f->loop, 100);
}

static void begin(struct front *front, const char *mechanism, const char *initial)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * SASL_LINE_MAX);
	front->challenges = front->dones = 0;
	front->error = 1;
	if (initial != NULL && initial[0] == '\0')
		buf_add_byte(&text, '=');
	else if (initial != NULL)
		base64_encode(&text, str_from(initial), 0, STR(""));
	sasl_start(front->sasl, str_from(mechanism), buf_str(&text));
	settle(front);
}

static void answer(struct front *front, struct str plain)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * SASL_LINE_MAX);
	base64_encode(&text, plain, 0, STR(""));
	sasl_response(front->sasl, buf_str(&text));
	settle(front);
}

static void assert_in(const struct front *front, const Pk__PasswordReply *password)
{
	assert_int_equal(front->dones, 1);
	assert_int_equal(front->error, 0);
	assert_string_equal(front->mailbox, password->mailbox);
	assert_memory_equal(front->secret, password->mailbox_secret.data, KEY_SIZE);
}

static void assert_out(const struct front *front, int error)
{
	assert_int_equal(front->dones, 1);
	assert_int_equal(front->error, error);
}

static void plain(void **state)
{
	struct front front;
	struct buf text BUF_AUTO;
	Pk__PasswordReply *password = make_mailbox(*state, "hello@example.test");
	front_init(&front, *state, sasl_offer(false, true));
	static const struct {
		const char *authzid, *name, *password; /* NULL: the right one */
		int error;
	} cases[] = {
		{"", "hello@example.test", NULL, 0},
		{"", "HELLO+x@Example.test", NULL, 0},
		{"hello@example.test", "hello@example.test", NULL, 0},
		{"other@example.test", "hello@example.test", NULL, E_DENIED},
		{"", "hello@example.test", "wrong", E_DENIED},
		{"", "hello@example.test", "", E_DENIED},
		{"", "nobody@example.test", NULL, E_DENIED},
		{"", "", NULL, E_DENIED},
		{"", "a\x01@example.test", NULL, E_DENIED},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str secret = cases[i].password == NULL ? field_bytes(&password->password)
		                                              : str_from(cases[i].password);
		buf_init(&text, 1024);
		buf_add(&text, cases[i].authzid, strlen(cases[i].authzid) + 1);
		buf_add(&text, cases[i].name, strlen(cases[i].name) + 1);
		buf_add_str(&text, secret);
		for (int round = 0; round < 2; round++) { /* without and with an initial response */
			if (round == 0) {
				begin(&front, "plain", NULL);
				assert_int_equal(front.challenges, 1);
				assert_int_equal(front.challenge.len, 0);
				answer(&front, buf_str(&text));
			} else {
				struct buf line BUF_AUTO;
				buf_init(&line, 2048);
				base64_encode(&line, buf_str(&text), 0, STR(""));
				front.dones = 0;
				sasl_start(front.sasl, STR("PLAIN"), buf_str(&line));
				settle(&front);
			}
			if (cases[i].error == 0)
				assert_in(&front, password);
			else
				assert_out(&front, cases[i].error);
		}
		buf_done(&text);
	}
	buf_init(&text, 1);
	front_done(&front);
	drop(password);
}

static void malformed(void **state)
{
	struct front front;
	front_init(&front, *state, sasl_offer(false, true));
	static const struct {
		const char *mechanism, *line;
		int error;
	} cases[] = {
		{"PLAIN", "*", E_CANCELLED},          {"PLAIN", "!!!!", E_INVALID},
		{"PLAIN", "AAA", E_INVALID},          {"PLAIN", "", E_INVALID},
		{"PLAIN", "YWJj", E_INVALID},         {"PLAIN", "YQBiYw==", E_INVALID},
		{"PLAIN", "AGEAYgBj", E_DENIED}, /* a NUL in the password */
		{"SCRAM-SHA-256", "YWJj", E_INVALID}, {"SCRAM-SHA-256", "", E_INVALID},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(&front, cases[i].mechanism, NULL);
		sasl_response(front.sasl, str_from(cases[i].line));
		settle(&front);
		assert_out(&front, cases[i].error);
	}
	char *line = mem_new(SASL_LINE_MAX + 4);
	memset(line, 'A', SASL_LINE_MAX + 4);
	begin(&front, "PLAIN", NULL);
	sasl_response(front.sasl, STR_OF(line, SASL_LINE_MAX + 4));
	assert_out(&front, E_TOO_LARGE);
	free(line);

	static const char *const refused[] = {"SCRAM-SHA-256-PLUS", "CRAM-MD5", "", "PLAINX"};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		begin(&front, refused[i], NULL);
		assert_out(&front, E_UNSUPPORTED);
	}
	front_done(&front);
	front_init(&front, *state, sasl_offer(false, false));
	begin(&front, "PLAIN", NULL);
	assert_out(&front, E_UNSUPPORTED);
	front_done(&front);
}

static void login(void **state)
{
	struct front front;
	Pk__PasswordReply *password = make_mailbox(*state, "hello@example.test");
	front_init(&front, *state, sasl_offer(false, true));
	begin(&front, "LOGIN", NULL);
	assert_true(str_eq(buf_str(&front.challenge), STR("Username:")));
	answer(&front, STR("hello@example.test"));
	assert_true(str_eq(buf_str(&front.challenge), STR("Password:")));
	answer(&front, field_bytes(&password->password));
	assert_in(&front, password);

	begin(&front, "LOGIN", "hello@example.test");
	answer(&front, STR("wrong"));
	assert_out(&front, E_DENIED);

	front.dones = 0;
	sasl_password(front.sasl, STR("hello@example.test"), field_bytes(&password->password));
	settle(&front);
	assert_in(&front, password);
	front_done(&front);
	drop(password);
}

/* ---------------------------------------------------------------- the client of SCRAM */

static struct str attribute(struct str message, char name)
{
	struct cursor c = cursor_of(message);
	while (!cursor_at_end(&c)) {
		struct str rest = STR_OF(c.p, cursor_left(&c));
		ptrdiff_t comma = str_find_byte(rest, ',');
		struct str one = comma < 0 ? rest : str_slice(rest, 0, (size_t)comma);
		if (one.len >= 2 && one.ptr[0] == name && one.ptr[1] == '=')
			return str_from_byte(one, 2);
		c.p += comma < 0 ? rest.len : (size_t)comma + 1;
	}
	return STR("");
}

/* client-final-message for the challenge; ret_signature is what the server must prove. */
static void make_final(const struct front *front, const char *first_bare, const char *channel,
                       struct str password, struct buf *ret, unsigned char ret_signature[KEY_SIZE])
{
	struct buf salt BUF_AUTO, message BUF_AUTO;
	struct key32 salted KEY32_AUTO;
	unsigned char key[KEY_SIZE], stored[KEY_SIZE], signature[KEY_SIZE];
	struct str server_first = buf_str(&front->challenge);
	uint64_t iterations;
	buf_init(&salt, 64);
	buf_init(&message, 4096);
	assert_true(base64_decode(&salt, attribute(server_first, 's')));
	assert_true(str_to_u64(attribute(server_first, 'i'), 100000, &iterations));
	pbkdf2_sha256(password, buf_str(&salt), (uint32_t)iterations, &salted);
	hmac_sha256(salted.bytes, KEY_SIZE, STR("Client Key"), key);
	sha256(STR_OF(key, KEY_SIZE), stored);

	buf_addf(ret, "c=%s,r=%.*s", channel, STR_ARG(attribute(server_first, 'r')));
	buf_addf(&message, "%s,%.*s,%.*s", first_bare, STR_ARG(server_first), STR_ARG(buf_str(ret)));
	hmac_sha256(stored, KEY_SIZE, buf_str(&message), signature);
	for (size_t i = 0; i < KEY_SIZE; i++)
		key[i] ^= signature[i];
	buf_add_text(ret, ",p=");
	base64_encode(ret, STR_OF(key, KEY_SIZE), 0, STR(""));

	hmac_sha256(salted.bytes, KEY_SIZE, STR("Server Key"), stored);
	hmac_sha256(stored, KEY_SIZE, buf_str(&message), ret_signature);
}

static void scram(void **state)
{
	struct front front;
	struct buf final BUF_AUTO, expected BUF_AUTO;
	unsigned char signature[KEY_SIZE];
	Pk__PasswordReply *password = make_mailbox(*state, "hello@example.test");
	const char *bare = "n=hello@example.test,r=clientnonce";
	front_init(&front, *state, sasl_offer(false, true));
	buf_init(&final, 1024);
	buf_init(&expected, 256);

	begin(&front, "SCRAM-SHA-256", "n,,n=hello@example.test,r=clientnonce");
	assert_int_equal(front.challenges, 1);
	assert_true(str_starts(buf_str(&front.challenge), STR("r=clientnonce")));
	make_final(&front, bare, "biws", field_bytes(&password->password), &final, signature);
	answer(&front, buf_str(&final));
	assert_int_equal(front.challenges, 2);
	assert_int_equal(front.dones, 0);
	buf_add_text(&expected, "v=");
	base64_encode(&expected, STR_OF(signature, KEY_SIZE), 0, STR(""));
	assert_true(str_eq(buf_str(&front.challenge), buf_str(&expected)));
	answer(&front, STR(""));
	assert_in(&front, password);

	/* The same message again is of another exchange: its nonce is void. */
	begin(&front, "SCRAM-SHA-256", "n,,n=hello@example.test,r=clientnonce");
	answer(&front, buf_str(&final));
	assert_out(&front, E_DENIED);

	/* A wrong password, a user who is not there, a last word that is not empty. */
	static const struct {
		const char *name, *password;
		int error;
	} wrong[] = {{"hello@example.test", "wrong", E_DENIED}, {"nobody@example.test", "x", E_DENIED}};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char first[140], first_bare[128];
		snprintf(first_bare, sizeof(first_bare), "n=%s,r=clientnonce", wrong[i].name);
		snprintf(first, sizeof(first), "n,,%s", first_bare);
		begin(&front, "SCRAM-SHA-256", first);
		buf_clear(&final);
		make_final(&front, first_bare, "biws", str_from(wrong[i].password), &final, signature);
		answer(&front, buf_str(&final));
		assert_out(&front, wrong[i].error);
	}
	begin(&front, "SCRAM-SHA-256", "n,,n=hello@example.test,r=clientnonce");
	buf_clear(&final);
	make_final(&front, bare, "biws", field_bytes(&password->password), &final, signature);
	answer(&front, buf_str(&final));
	answer(&front, STR("x"));
	assert_out(&front, E_INVALID);
	front_done(&front);
	drop(password);
}

/* Revoked between the proof and the client's last word: the session must not begin. Something else that
 * is revoked then does not matter. */
static void revoked_in_between(void **state)
{
	struct fixture *f = *state;
	struct front front;
	unsigned char signature[KEY_SIZE];
	Pk__PasswordReply *password = make_mailbox(f, "hello@example.test"), *apps[2];
	const char *bare = "n=hello@example.test,r=clientnonce";
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(password_create(f, "hello@example.test", KIND_APP, password, &apps[i]), 0);
	front_init(&front, f, sasl_offer(false, true));
	static const struct {
		size_t used, revoked;
	} cases[] = {{1, 0}, {1, 1}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf final BUF_AUTO;
		buf_init(&final, 1024);
		begin(&front, "SCRAM-SHA-256", "n,,n=hello@example.test,r=clientnonce");
		make_final(&front, bare, "biws", field_bytes(&apps[cases[i].used]->password), &final,
		           signature);
		answer(&front, buf_str(&final));
		assert_int_equal(front.challenges, 2);
		Pk__PasswordRevokeRequest request = PK__PASSWORD_REVOKE_REQUEST__INIT;
		Pk__PasswordListReply *reply;
		uint64_t epoch = link_epoch(f->imap);
		request.address = password->address;
		request.slot = apps[cases[i].revoked]->slot;
		assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_REVOKE), &request,
		                     &pk__password_list_reply__descriptor, &reply),
		                 0);
		drop(reply);
		for (int round = 0; round < 1000 && link_epoch(f->imap) == epoch; round++)
			loop_run_once(f->loop, 10);
		answer(&front, STR(""));
		if (cases[i].used == cases[i].revoked)
			assert_out(&front, E_DENIED);
		else
			assert_in(&front, password);
	}
	front_done(&front);
	drop(password);
	drop(apps[0]);
	drop(apps[1]);
}

/* Without TLS there is no channel, whatever the client says. */
static void no_channel(void **state)
{
	struct front front;
	struct buf final BUF_AUTO;
	unsigned char signature[KEY_SIZE];
	Pk__PasswordReply *password = make_mailbox(*state, "hello@example.test");
	front_init(&front, *state, SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS);
	buf_init(&final, 1024);
	begin(&front, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=hello@example.test,r=abc");
	make_final(&front, "n=hello@example.test,r=abc",
	           "cD10bHMtZXhwb3J0ZXIsLA==", field_bytes(&password->password), &final, signature);
	answer(&front, buf_str(&final));
	assert_out(&front, E_UNSUPPORTED);
	/* The offer was altered on the way to the client. */
	begin(&front, "SCRAM-SHA-256", "y,,n=hello@example.test,r=abc");
	assert_out(&front, E_DENIED);
	front_done(&front);
	drop(password);
}

/* A handshake in memory, TLS 1.3 or 1.2. */
static void shake_hands(SSL *server, SSL *client)
{
	BIO *ends[2];
	assert_int_equal(BIO_new_bio_pair(&ends[0], 0, &ends[1], 0), 1);
	SSL_set_bio(server, ends[0], ends[0]);
	SSL_set_bio(client, ends[1], ends[1]);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 20; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
}

/* What the client sees of the channel, by its own means (RFC 9266, RFC 5929). */
static void client_binding(SSL *client, bool exporter, struct buf *out)
{
	unsigned char bytes[64];
	unsigned len = 32;
	if (exporter) {
		const char label[] = "EXPORTER-Channel-Binding";
		assert_int_equal(SSL_export_keying_material(client, bytes, 32, label, sizeof(label) - 1,
		                                            (const unsigned char *)"", 0, 1),
		                 1);
	} else {
		X509 *peer = SSL_get1_peer_certificate(client);
		assert_int_equal(X509_digest(peer, EVP_sha256(), bytes, &len), 1);
		X509_free(peer);
	}
	buf_add(out, bytes, len);
}

/* SCRAM-SHA-256-PLUS over real TLS; and what somebody in the middle, with a channel of his own to
 * each side, gets from passing the messages on. */
static void channel_binding(void **state)
{
	struct fixture *f = *state;
	struct front front;
	struct buf certificate BUF_AUTO, key BUF_AUTO;
	struct tls_context *tls;
	Pk__PasswordReply *password = make_mailbox(f, "hello@example.test");
	static const struct {
		const char *name;
		bool exporter, middle;
		int version, error;
	} cases[] = {
		{"tls-exporter", true, false, TLS1_3_VERSION, 0},
		{"tls-server-end-point", false, false, TLS1_3_VERSION, 0},
		{"tls-server-end-point", false, false, TLS1_2_VERSION, 0},
		{"tls-exporter", true, true, TLS1_3_VERSION, E_DENIED},
		{"tls-exporter", true, false, TLS1_2_VERSION, E_UNSUPPORTED},
	};
	buf_init(&certificate, 8192);
	buf_init(&key, 8192);
	assert_int_equal(certificate_make("mail.example.test", &certificate, &key, &f->info), 0);
	assert_int_equal(tls_server_new(&tls, buf_str(&certificate), buf_str(&key), &f->info), 0);
	SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf binding BUF_AUTO, channel BUF_AUTO, final BUF_AUTO;
		unsigned char signature[KEY_SIZE];
		char header[64], first[160];
		buf_init(&binding, 256);
		buf_init(&channel, 256);
		buf_init(&final, 1024);
		SSL *server = tls_connection_new(tls), *client = SSL_new(client_context);
		SSL_set_max_proto_version(client, cases[i].version);
		shake_hands(server, client);
		snprintf(header, sizeof(header), "p=%s,,", cases[i].name);
		snprintf(first, sizeof(first), "%sn=hello@example.test,r=abc", header);
		buf_add_text(&binding, header);
		if (cases[i].version == TLS1_3_VERSION || !cases[i].exporter)
			client_binding(client, cases[i].exporter, &binding);
		if (cases[i].middle)
			binding.ptr[binding.len - 1] ^= 1;
		base64_encode(&channel, buf_str(&binding), 0, STR(""));
		buf_add_byte(&channel, '\0');

		front_init_over(&front, f, server, sasl_offer(true, false));
		begin(&front, "SCRAM-SHA-256-PLUS", first);
		make_final(&front, "n=hello@example.test,r=abc", channel.ptr,
		           field_bytes(&password->password), &final, signature);
		answer(&front, buf_str(&final));
		if (cases[i].error == 0) {
			answer(&front, STR(""));
			assert_in(&front, password);
		} else {
			assert_out(&front, cases[i].error);
		}
		front_done(&front);
		SSL_free(server);
		SSL_free(client);
	}
	SSL_CTX_free(client_context);
	tls_context_free(tls);
	drop(password);
}

/* Given up in every state, also while the directory is being asked: nothing is called afterwards. */
static void aborted(void **state)
{
	struct front front;
	struct fixture *f = *state;
	front_init(&front, f, sasl_offer(false, true));
	begin(&front, "LOGIN", NULL);
	sasl_abort(front.sasl);
	assert_false(sasl_busy(front.sasl));
	front.dones = 0;
	sasl_password(front.sasl, STR("hello@example.test"), STR("x"));
	assert_true(sasl_busy(front.sasl));
	assert_false(sasl_waits_for_client(front.sasl));
	sasl_abort(front.sasl);
	for (int i = 0; i < 10; i++)
		loop_run_once(f->loop, 5);
	assert_int_equal(front.dones, 0);
	sasl_password(front.sasl, STR("hello@example.test"), STR("x"));
	settle(&front);
	assert_out(&front, E_DENIED);
	sasl_password(front.sasl, STR("hello@example.test"), STR("x"));
	front_done(&front);
}

/* However often the password was wrong: the answer comes later, and the right one is taken. */
static void slowed_down(void **state)
{
	struct front front;
	Pk__PasswordReply *password = make_mailbox(*state, "hello@example.test");
	front_init(&front, *state, sasl_offer(false, true));
	for (int i = 0; i < 4; i++) {
		front.dones = 0;
		sasl_password(front.sasl, STR("hello@example.test"), STR("wrong"));
		settle(&front);
		assert_out(&front, E_DENIED);
	}
	front.dones = 0;
	sasl_password(front.sasl, STR("hello@example.test"), field_bytes(&password->password));
	settle(&front);
	assert_out(&front, 0);
	front_done(&front);
	drop(password);
}

static void offers(void **state)
{
	struct buf text BUF_AUTO;
	(void)state;
	buf_init(&text, 256);
	sasl_offer_print(&text, sasl_offer(true, false), STR(" AUTH="));
	assert_true(str_eq(buf_str(&text), STR(" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256"
	                                       " AUTH=PLAIN AUTH=LOGIN")));
	buf_clear(&text);
	sasl_offer_print(&text, sasl_offer(false, true), STR(" "));
	assert_true(str_eq(buf_str(&text), STR(" SCRAM-SHA-256 PLAIN LOGIN")));
	assert_int_equal(sasl_offer(false, false), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain),
		TEST(malformed),
		TEST(login),
		TEST(scram),
		TEST(no_channel),
		TEST(channel_binding),
		TEST(aborted),
		TEST(slowed_down),
		TEST(revoked_in_between),
		cmocka_unit_test(offers),
	};
	return cmocka_run_group_tests_name("front/sasl", tests, NULL, NULL);
}
