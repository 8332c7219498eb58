#include "front/sasl.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/slot.h"
#include "front/scram.h"
#include "net/tls.h"

enum state {
	IDLE,
	WAIT_PLAIN,       /* for the client: the one message of PLAIN */
	WAIT_USER,        /* LOGIN */
	WAIT_PASSWORD,    /* LOGIN */
	CALL_LOGIN,       /* for the directory */
	WAIT_FIRST,       /* SCRAM: client-first-message */
	CALL_SCRAM_START, /* for the directory */
	WAIT_FINAL,       /* client-final-message */
	CALL_SCRAM_FINISH,
	WAIT_EMPTY, /* the client's empty answer to server-final-message */
	CALL_CHECK, /* for the directory: does the login still hold? */
};

struct sasl {
	struct sasl_handlers handlers;
	struct link *directory;
	struct vault *vault;
	struct link_patience *patience;
	char *service, *remote;
	SSL *ssl;
	unsigned offered;

	enum state state;
	bool plus; /* SCRAM-SHA-256-PLUS was chosen */
	struct link_call *call;
	struct buf name;
	struct scram scram;
	/* In WAIT_EMPTY: the login, its mailbox secret taken out and put into secret. */
	Pk__LoginReply *login;
	struct vaulted secret;
	uint64_t login_epoch; /* link_epoch when the login came */
	char tried[32];       /* mailbox of the last refusal */
};

struct mechanism {
	enum sasl_mechanism bit;
	const char *name;
	enum state first;
};

/* Strongest first: the order in which they are offered. */
static const struct mechanism mechanisms[] = {
	{SASL_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS", WAIT_FIRST},
	{SASL_SCRAM_SHA_256, "SCRAM-SHA-256", WAIT_FIRST},
	{SASL_PLAIN, "PLAIN", WAIT_PLAIN},
	{SASL_LOGIN, "LOGIN", WAIT_USER},
};

unsigned sasl_offer(bool tls, bool allow_clear)
{
	if (!tls && !allow_clear)
		return 0;
	unsigned offered = SASL_SCRAM_SHA_256 | SASL_PLAIN | SASL_LOGIN;
	return tls ? offered | SASL_SCRAM_SHA_256_PLUS : offered;
}

void sasl_offer_print(struct buf *out, unsigned offered, struct str prefix)
{
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
		if ((offered & mechanisms[i].bit) == 0)
			continue;
		buf_add_str(out, prefix);
		buf_add_text(out, mechanisms[i].name);
	}
}

/* ---------------------------------------------------------------- life */

struct sasl *sasl_new(const struct sasl_options *options, const struct sasl_handlers *handlers)
{
	struct sasl *sasl = mem_new(sizeof(*sasl));
	sasl->handlers = *handlers;
	sasl->directory = options->directory;
	sasl->vault = options->vault;
	sasl->patience = options->patience;
	sasl->service = str_dup(str_from(options->service));
	sasl->remote = str_dup(str_from(options->remote));
	sasl->ssl = options->ssl;
	sasl->offered = options->offered;
	buf_init(&sasl->name, SCRAM_NAME_MAX);
	scram_init(&sasl->scram);
	return sasl;
}

/* Frees a reply together with what the secret in it left in memory. */
static void login_free(Pk__LoginReply *login)
{
	if (login == NULL)
		return;
	link_free_secret(&login->base);
}

static void reset(struct sasl *sasl)
{
	sasl->state = IDLE;
	sasl->plus = false;
	buf_done(&sasl->name);
	buf_init(&sasl->name, SCRAM_NAME_MAX);
	scram_done(&sasl->scram);
	scram_init(&sasl->scram);
	login_free(sasl->login);
	sasl->login = NULL;
	wipe(&sasl->secret, sizeof(sasl->secret));
}

void sasl_abort(struct sasl *sasl)
{
	if (sasl->call != NULL)
		link_call_cancel(sasl->call);
	sasl->call = NULL;
	reset(sasl);
}

void sasl_free(struct sasl *sasl)
{
	if (sasl == NULL)
		return;
	sasl_abort(sasl);
	buf_done(&sasl->name);
	scram_done(&sasl->scram);
	free(sasl->service);
	free(sasl->remote);
	free(sasl);
}

const char *sasl_tried_mailbox(const struct sasl *sasl)
{
	return sasl->tried;
}

bool sasl_busy(const struct sasl *sasl)
{
	return sasl->state != IDLE;
}

bool sasl_waits_for_client(const struct sasl *sasl)
{
	return sasl->state != IDLE && sasl->state != CALL_LOGIN && sasl->state != CALL_SCRAM_START &&
	       sasl->state != CALL_SCRAM_FINISH && sasl->state != CALL_CHECK;
}

/* ---------------------------------------------------------------- the two ways out */

static void fail(struct sasl *sasl, int error, struct str text)
{
	reset(sasl);
	sasl->handlers.done(sasl->handlers.ctx, error, text, NULL);
}

static void fail_info(struct sasl *sasl, const struct errinfo *info)
{
	struct errinfo copy = *info;
	fail(sasl, copy.error, str_from(copy.text));
}

/* Takes login. */
static void succeed(struct sasl *sasl, Pk__LoginReply *login)
{
	reset(sasl);
	sasl->handlers.done(sasl->handlers.ctx, E_OK, STR(""), login);
	login_free(login);
}

static void challenge(struct sasl *sasl, enum state next, struct str plain)
{
	struct buf text BUF_AUTO;
	buf_init(&text, base64_size(SCRAM_MESSAGE_MAX));
	base64_encode(&text, plain, 0, STR(""));
	sasl->state = next;
	sasl->handlers.challenge(sasl->handlers.ctx, buf_str(&text));
}

/* ---------------------------------------------------------------- asking the directory */

static void call_directory(struct sasl *sasl, enum state next, uint32_t method,
                           const ProtobufCMessage *body,
                           void (*reply)(void *ctx, int error, struct str text, struct str body))
{
	struct link_request request = {
		.method = method,
		.body = body,
		.secret = true,
		.kind = LINK_IDEMPOTENT,
		.patience = sasl->patience,
		.ctx = sasl,
		.reply = reply,
	};
	sasl->state = next;
	sasl->call = link_call(sasl->directory, &request);
}

/* Takes login, which may be NULL. */
static void note_tried(struct sasl *sasl, Pk__LoginReply *login)
{
	struct str mailbox = login == NULL ? STR("") : str_from(login->mailbox);
	for (size_t i = 0; i < mailbox.len; i++)
		if (!ascii_is_alnum(mailbox.ptr[i]))
			mailbox.len = 0;
	mailbox = str_slice(mailbox, 0, sizeof(sasl->tried) - 1);
	memset(sasl->tried, 0, sizeof(sasl->tried));
	if (mailbox.len > 0)
		memcpy(sasl->tried, mailbox.ptr, mailbox.len);
	login_free(login);
}

/* A login as the directory sent it. NULL: the exchange has failed, and sasl may be gone. */
static Pk__LoginReply *take_login(struct sasl *sasl, int error, struct str text, struct str body)
{
	sasl->call = NULL;
	Pk__LoginReply *login = (Pk__LoginReply *)link_unpack(&pk__login_reply__descriptor, body,
	                                                      WIRE_ITEMS_FEW);
	if (error != 0) {
		note_tried(sasl, login);
		fail(sasl, error, text);
		return NULL;
	}
	if (login != NULL && login->mailbox_secret.len == KEY_SIZE)
		return login;
	login_free(login);
	fail(sasl, E_INTERNAL, STR("the directory sent a bad reply"));
	return NULL;
}

static void on_login(void *ctx, int error, struct str text, struct str body)
{
	struct sasl *sasl = ctx;
	Pk__LoginReply *login = take_login(sasl, error, text, body);
	if (login != NULL)
		succeed(sasl, login);
}

/* A user name must survive as a C string, and is text. */
static bool name_is_sane(struct str name)
{
	if (name.len == 0 || name.len > SCRAM_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return false;
	return true;
}

static void call_login(struct sasl *sasl, struct str name, struct str password)
{
	if (!name_is_sane(name) || password.len == 0 || password.len > PASSWORD_MAX ||
	    memchr(password.ptr, '\0', password.len) != NULL) {
		fail(sasl, E_DENIED, STR("wrong address or password"));
		return;
	}
	char address[SCRAM_NAME_MAX + 1];
	memcpy(address, name.ptr, name.len);
	address[name.len] = '\0';
	uint8_t secret[PASSWORD_MAX];
	memcpy(secret, password.ptr, password.len);

	Pk__LoginRequest body = PK__LOGIN_REQUEST__INIT;
	body.address = address;
	body.password.data = secret;
	body.password.len = password.len;
	body.service = sasl->service;
	body.remote = sasl->remote;
	call_directory(sasl, CALL_LOGIN, PK__DIRECTORY_METHOD__DIRECTORY_LOGIN, &body.base, on_login);
	wipe(secret, sizeof(secret));
}

void sasl_password(struct sasl *sasl, struct str address, struct str password)
{
	must(sasl->state == IDLE);
	sasl->tried[0] = '\0';
	call_login(sasl, address, password);
}

/* ---------------------------------------------------------------- PLAIN, LOGIN */

/* message = [authzid] NUL authcid NUL passwd, RFC 4616 section 2 */
static void plain_message(struct sasl *sasl, struct str message)
{
	ptrdiff_t first = str_find_byte(message, '\0');
	struct str rest = first < 0 ? message : str_from_byte(message, (size_t)first + 1);
	ptrdiff_t second = first < 0 ? -1 : str_find_byte(rest, '\0');
	if (second < 0) {
		fail(sasl, E_INVALID, STR("not a PLAIN message"));
		return;
	}
	struct str authzid = str_slice(message, 0, (size_t)first);
	struct str name = str_slice(rest, 0, (size_t)second);
	if (authzid.len > 0 && !str_eq_nocase(authzid, name))
		fail(sasl, E_DENIED, STR("acting for another user is not possible"));
	else
		call_login(sasl, name, str_from_byte(rest, (size_t)second + 1));
}

static void login_name(struct sasl *sasl, struct str name)
{
	buf_add_str(&sasl->name, name);
	if (sasl->name.failed)
		fail(sasl, E_DENIED, STR("wrong address or password"));
	else
		challenge(sasl, WAIT_PASSWORD, STR("Password:"));
}

/* ---------------------------------------------------------------- SCRAM */

static void on_scram_start(void *ctx, int error, struct str text, struct str body)
{
	struct sasl *sasl = ctx;
	sasl->call = NULL;
	if (error != 0) {
		fail(sasl, error, text);
		return;
	}
	Pk__ScramStartReply *reply = (Pk__ScramStartReply *)link_unpack(
		&pk__scram_start_reply__descriptor, body, WIRE_ITEMS_FEW);
	if (reply == NULL) {
		fail(sasl, E_INTERNAL, STR("the directory sent a bad reply"));
		return;
	}
	struct buf message BUF_AUTO;
	buf_init(&message, SCRAM_MESSAGE_MAX);
	scram_server_first(&sasl->scram, STR_OF(reply->salt.data, reply->salt.len), reply->iterations,
	                   &message);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	challenge(sasl, WAIT_FINAL, buf_str(&message));
}

static void scram_first(struct sasl *sasl, struct str message)
{
	struct errinfo info = {0};
	int rc = scram_client_first(&sasl->scram, message, sasl->plus,
	                            (sasl->offered & SASL_SCRAM_SHA_256_PLUS) != 0, &sasl->name, &info);
	if (rc != 0) {
		fail_info(sasl, &info);
		return;
	}
	Pk__ScramStartRequest body = PK__SCRAM_START_REQUEST__INIT;
	buf_add_byte(&sasl->name, '\0');
	if (sasl->name.failed) {
		fail(sasl, E_DENIED, STR("wrong address or password"));
		return;
	}
	body.address = sasl->name.ptr;
	body.remote = sasl->remote;
	call_directory(sasl, CALL_SCRAM_START, PK__DIRECTORY_METHOD__DIRECTORY_SCRAM_START, &body.base,
	               on_scram_start);
}

/* Proof accepted: the signature goes out, the login waits for the client's empty answer. */
static void on_scram_finish(void *ctx, int error, struct str text, struct str body)
{
	struct sasl *sasl = ctx;
	Pk__LoginReply *login = take_login(sasl, error, text, body);
	if (login == NULL)
		return;
	struct key32 secret KEY32_AUTO;
	memcpy(secret.bytes, login->mailbox_secret.data, KEY_SIZE);
	vault_put(sasl->vault, &secret, &sasl->secret);
	wipe(login->mailbox_secret.data, KEY_SIZE);
	sasl->login = login;
	sasl->login_epoch = link_epoch(sasl->directory);

	struct buf message BUF_AUTO;
	buf_init(&message, SCRAM_MESSAGE_MAX);
	scram_server_final(STR_OF(login->server_signature.data, login->server_signature.len), &message);
	challenge(sasl, WAIT_EMPTY, buf_str(&message));
}

static int channel_binding(const struct sasl *sasl, struct buf *out)
{
	if (sasl->scram.binding == SCRAM_BINDING_NONE)
		return 0;
	if (sasl->ssl == NULL)
		return E_UNSUPPORTED;
	return sasl->scram.binding == SCRAM_BINDING_EXPORTER ? tls_binding_exporter(sasl->ssl, out)
	                                                     : tls_binding_end_point(sasl->ssl, out);
}

static void scram_final(struct sasl *sasl, struct str message)
{
	struct errinfo info = {0};
	struct buf binding BUF_AUTO, auth_message BUF_AUTO;
	unsigned char proof[KEY_SIZE];
	buf_init(&binding, 256);
	buf_init(&auth_message, (size_t)4 * SCRAM_MESSAGE_MAX);
	if (channel_binding(sasl, &binding) != 0) {
		fail(sasl, E_UNSUPPORTED, STR("this connection has no such channel binding"));
		return;
	}
	int rc = scram_client_final(&sasl->scram, message, buf_str(&binding), &auth_message, proof,
	                            &info);
	if (rc != 0) {
		fail_info(sasl, &info);
		return;
	}
	Pk__ScramFinishRequest body = PK__SCRAM_FINISH_REQUEST__INIT;
	body.address = sasl->name.ptr;
	body.auth_message.data = (uint8_t *)auth_message.ptr;
	body.auth_message.len = auth_message.len;
	body.proof.data = proof;
	body.proof.len = sizeof(proof);
	body.service = sasl->service;
	body.remote = sasl->remote;
	call_directory(sasl, CALL_SCRAM_FINISH, PK__DIRECTORY_METHOD__DIRECTORY_SCRAM_FINISH,
	               &body.base, on_scram_finish);
	wipe(proof, sizeof(proof));
}

static void scram_done_well(struct sasl *sasl)
{
	struct key32 secret KEY32_AUTO;
	if (!vault_get(sasl->vault, &sasl->secret, &secret)) {
		fail(sasl, E_INTERNAL, STR("the login was damaged in memory"));
		return;
	}
	Pk__LoginReply *login = sasl->login;
	sasl->login = NULL;
	memcpy(login->mailbox_secret.data, secret.bytes, KEY_SIZE);
	succeed(sasl, login);
}

static void on_check(void *ctx, int error, struct str text, struct str body)
{
	struct sasl *sasl = ctx;
	sasl->call = NULL;
	Pk__SessionCheckReply *reply = NULL;
	if (error == 0)
		reply = (Pk__SessionCheckReply *)link_unpack(&pk__session_check_reply__descriptor, body,
		                                             WIRE_ITEMS_MANY);
	bool revoked = reply != NULL && reply->n_revoked > 0;
	bool fine = reply != NULL && !revoked;
	protobuf_c_message_free_unpacked((ProtobufCMessage *)reply, NULL);
	if (fine)
		scram_done_well(sasl);
	else if (revoked)
		fail(sasl, E_DENIED, STR("wrong address or password"));
	else if (error != 0)
		fail(sasl, error, text);
	else
		fail(sasl, E_INTERNAL, STR("the directory sent a bad reply"));
}

/* The client took its time for the last word, and something was revoked meanwhile: perhaps this. */
static void check_login(struct sasl *sasl)
{
	Pk__SessionLogin login = PK__SESSION_LOGIN__INIT, *logins[] = {&login};
	Pk__SessionCheckRequest body = PK__SESSION_CHECK_REQUEST__INIT;
	login.mailbox = sasl->login->mailbox;
	login.slot = sasl->login->slot;
	body.n_logins = 1;
	body.logins = logins;
	sasl->login_epoch = link_epoch(sasl->directory);
	call_directory(sasl, CALL_CHECK, PK__DIRECTORY_METHOD__DIRECTORY_SESSION_CHECK, &body.base,
	               on_check);
}

static void scram_empty(struct sasl *sasl, struct str message)
{
	if (message.len != 0)
		fail(sasl, E_INVALID, STR("an empty response was expected"));
	else if (sasl->login_epoch != link_epoch(sasl->directory))
		check_login(sasl);
	else
		scram_done_well(sasl);
}

/* ---------------------------------------------------------------- what the client sends */

static void take_message(struct sasl *sasl, struct str message)
{
	switch (sasl->state) {
	case WAIT_PLAIN:
		plain_message(sasl, message);
		return;
	case WAIT_USER:
		login_name(sasl, message);
		return;
	case WAIT_PASSWORD:
		call_login(sasl, buf_str(&sasl->name), message);
		return;
	case WAIT_FIRST:
		scram_first(sasl, message);
		return;
	case WAIT_FINAL:
		scram_final(sasl, message);
		return;
	case WAIT_EMPTY:
		scram_empty(sasl, message);
		return;
	case IDLE:
	case CALL_LOGIN:
	case CALL_SCRAM_START:
	case CALL_SCRAM_FINISH:
	case CALL_CHECK:
		must(sasl_waits_for_client(sasl));
	}
}

static void take_line(struct sasl *sasl, struct str line)
{
	struct buf message BUF_AUTO;
	buf_init_secret(&message, SASL_LINE_MAX);
	if (line.len > SASL_LINE_MAX)
		fail(sasl, E_TOO_LARGE, STR("the response is too long"));
	else if (!base64_decode(&message, line))
		fail(sasl, E_INVALID, STR("not base64"));
	else
		take_message(sasl, buf_str(&message));
}

void sasl_response(struct sasl *sasl, struct str line)
{
	must(sasl_waits_for_client(sasl));
	if (str_eq(line, STR("*")))
		fail(sasl, E_CANCELLED, STR("cancelled"));
	else
		take_line(sasl, line);
}

void sasl_start(struct sasl *sasl, struct str mechanism, struct str initial)
{
	must(sasl->state == IDLE);
	sasl->tried[0] = '\0';
	const struct mechanism *found = NULL;
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
		if (str_eq_nocase(str_from(mechanisms[i].name), mechanism))
			found = &mechanisms[i];
	if (found == NULL || (found->bit & sasl->offered) == 0) {
		fail(sasl, E_UNSUPPORTED, STR("this mechanism is not offered"));
		return;
	}
	sasl->state = found->first;
	sasl->plus = found->bit == SASL_SCRAM_SHA_256_PLUS;
	if (initial.len > 0) /* "=" stands for an empty one: RFC 4954 section 4, RFC 4959 section 3 */
		take_line(sasl, str_eq(initial, STR("=")) ? STR("") : initial);
	else
		challenge(sasl, found->first, found->bit == SASL_LOGIN ? STR("Username:") : STR(""));
}
