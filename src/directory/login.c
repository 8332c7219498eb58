#include "directory/internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/digest.h"

/*
 * LOGIN and the two steps of SCRAM. An address that does not exist costs the same work and gets the
 * same answers as a wrong password, so that nobody learns here which addresses there are.
 */

static const char wrong[] = "wrong address or password";

/* One attempt: who it is about, the passwords that would do. */
struct attempt {
	struct address address; /* text is empty when it was malformed */
	struct str key;         /* what failures are counted under; borrowed */
	struct str remote;
	bool counted;
	bool known;
	struct mailbox mailbox;
	struct slot_row rows[SLOTS_MAX];
	size_t count;
};

/* A salt that is always the same for this address, and not to be told from a real one. */
static void make_up(struct directory *d, struct attempt *attempt)
{
	unsigned char digest[SHA256_SIZE];
	hmac_sha256(secret_open(d->unknown_key), KEY_SIZE, attempt->key, digest);
	secret_close(d->unknown_key);
	memset(&attempt->mailbox, 0, sizeof(attempt->mailbox));
	memset(attempt->mailbox.id, '0', MAILBOX_ID_SIZE);
	memcpy(attempt->mailbox.salt.bytes, digest, SLOT_SALT_SIZE);
	attempt->mailbox.salt.iterations = SLOT_ITERATIONS;
	memset(attempt->rows, 0, sizeof(attempt->rows[0]));
	attempt->count = 1;
}

/* A failure of the database. An unknown address is no failure yet. */
static int attempt_begin(struct directory *d, struct attempt *attempt,
                         const struct request *request, const char *address, const char *remote,
                         struct errinfo *info)
{
	struct errinfo unused;
	attempt->key = str_slice(field_text(address), 0, ADDRESS_MAX);
	attempt->remote = str_slice(field_text(remote), 0, REMOTE_MAX);
	attempt->counted = request->role != ROLE_CLI;
	bool sane = address_normalize(field_text(address), &attempt->address, &unused) == 0;
	if (sane)
		attempt->key = str_from(attempt->address.text);
	int rc = sane ? directory_mailbox_find(d, &attempt->address, &attempt->mailbox, info)
	              : E_NOT_FOUND;
	attempt->known = rc == 0 && attempt->mailbox.id[0] != '\0';
	if (attempt->known)
		return slots_load(d, attempt->mailbox.id, attempt->rows, &attempt->count, info);
	make_up(d, attempt);
	return rc == E_NOT_FOUND ? 0 : rc;
}

/* The more of late, the later the answer: what was checked already does not wait for that. */
static int attempt_failed(struct directory *d, struct attempt *attempt,
                          const struct request *request, const char *service, struct errinfo *info)
{
	struct lateness *late = request->lateness;
	failures_network(attempt->remote, late->network);
	if (attempt->known)
		memcpy(late->mailbox, attempt->mailbox.id, sizeof(late->mailbox));
	if (attempt->counted)
		late->delay_ms = failures_add(d->failures, attempt->key, attempt->remote,
		                              clock_monotonic_ms());
	d->logins_refused++;
	log_info(d->log, "directory.login_refused",
	         F_TEXT("mailbox", attempt->known ? attempt->mailbox.id : ""),
	         F_STR("service", field_text(service)), F_TEXT("network", late->network),
	         F_INT("delay_ms", late->delay_ms));
	return err_set(info, E_DENIED, "%s", wrong);
}

/* The password was right: is it for this? Then the reply. */
static int attempt_succeeded(struct directory *d, struct attempt *attempt,
                             const struct request *request, const struct slot_row *row,
                             unsigned scope, const struct key32 *secret,
                             const unsigned char *signature, struct errinfo *info)
{
	if (attempt->mailbox.disabled)
		return err_set(info, E_DENIED, "this address is disabled");
	/* Until then its making can end in another mailbox, and what was put into this one be lost. */
	if (!attempt->mailbox.published)
		return err_set(info, E_UNAVAILABLE, "this mailbox is not ready yet");
	if ((row->scopes & scope) == 0)
		return err_set(info, E_DENIED, "this password is not for this service");
	if (attempt->counted)
		failures_clear(d->failures, attempt->key, attempt->remote);
	slots_used(d, attempt->mailbox.id, row->number);
	d->logins++;

	Pk__LoginReply reply = PK__LOGIN_REPLY__INIT;
	reply.mailbox = attempt->mailbox.id;
	reply.mailbox_secret = field_make(secret->bytes, KEY_SIZE);
	reply.key_record = field_make(attempt->mailbox.key_record, attempt->mailbox.key_record_len);
	if (attempt->mailbox.published)
		reply.public_key = field_make(attempt->mailbox.public_key,
		                              sizeof(attempt->mailbox.public_key));
	reply.quota_bytes = attempt->mailbox.quota_bytes;
	reply.store = attempt->mailbox.store;
	if (signature != NULL)
		reply.server_signature = field_make(signature, KEY_SIZE);
	reply.address = attempt->address.text;
	reply.slot = (uint64_t)row->number;
	link_pack(request->reply, &reply.base);
	return 0;
}

/* What a process may log its clients in for: itself, so that one that was taken over gets no further
 * than what it serves anyway. */
static unsigned scopes_of(unsigned role)
{
	static const struct {
		unsigned role, scopes;
	} table[] = {
		{ROLE_IMAP, SCOPE_IMAP},           {ROLE_POP3, SCOPE_POP3}, {ROLE_SMTP, SCOPE_SMTP},
		{ROLE_WEB, SCOPE_DAV | SCOPE_CLI}, {ROLE_CLI, SCOPE_CLI},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].role == role)
			return table[i].scopes;
	return 0;
}

static int check_service(const struct request *request, const char *service, unsigned *ret_scope,
                         struct errinfo *info)
{
	*ret_scope = scope_parse(field_text(service));
	if (*ret_scope == 0)
		return err_set(info, E_INVALID, "unknown service");
	if ((*ret_scope & scopes_of(request->role)) == 0)
		return err_set(info, E_DENIED, "not a service of this process");
	return 0;
}

static int login_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__LoginRequest *asked = (const Pk__LoginRequest *)request->message;
	struct attempt attempt;
	struct key32 secret KEY32_AUTO;
	unsigned scope;

	int rc = check_service(request, asked->service, &scope, info);
	if (rc == 0)
		rc = attempt_begin(d, &attempt, request, asked->address, asked->remote, info);
	if (rc != 0)
		return rc;
	struct str password = field_bytes(&asked->password);
	const struct slot_row *row = password.len == 0 || password.len > PASSWORD_MAX
	                                 ? NULL
	                                 : slots_open(attempt.rows, attempt.count, &attempt.mailbox,
	                                              password, &secret);
	if (row == NULL)
		return attempt_failed(d, &attempt, request, asked->service, info);
	return attempt_succeeded(d, &attempt, request, row, scope, &secret, NULL, info);
}

const struct method directory_method_login = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_LOGIN,
	.core.name = "login",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__login_request__descriptor,
	.run = login_run,
};

static int scram_start_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__ScramStartRequest *asked = (const Pk__ScramStartRequest *)request->message;
	struct attempt attempt;
	int rc = attempt_begin(d, &attempt, request, asked->address, asked->remote, info);
	if (rc != 0)
		return rc;
	Pk__ScramStartReply reply = PK__SCRAM_START_REPLY__INIT;
	reply.salt = field_make(attempt.mailbox.salt.bytes, SLOT_SALT_SIZE);
	reply.iterations = attempt.mailbox.salt.iterations;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_scram_start = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_SCRAM_START,
	.core.name = "scram_start",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__scram_start_request__descriptor,
	.run = scram_start_run,
};

static int scram_finish_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	const Pk__ScramFinishRequest *asked = (const Pk__ScramFinishRequest *)request->message;
	struct attempt attempt;
	struct key32 secret KEY32_AUTO;
	unsigned char signature[KEY_SIZE];
	unsigned scope;

	int rc = check_service(request, asked->service, &scope, info);
	if (rc == 0 && (asked->proof.len != KEY_SIZE || asked->auth_message.len > AUTH_MESSAGE_MAX))
		rc = err_set(info, E_INVALID, "malformed SCRAM proof");
	if (rc == 0)
		rc = attempt_begin(d, &attempt, request, asked->address, asked->remote, info);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < attempt.count; i++) {
		const struct slot_row *row = &attempt.rows[i];
		if (slot_open_scram(&row->slot, str_from(attempt.mailbox.id),
		                    field_bytes(&asked->auth_message), asked->proof.data, &secret,
		                    signature))
			return attempt_succeeded(d, &attempt, request, row, scope, &secret, signature, info);
	}
	return attempt_failed(d, &attempt, request, asked->service, info);
}

const struct method directory_method_scram_finish = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_SCRAM_FINISH,
	.core.name = "scram_finish",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__scram_finish_request__descriptor,
	.run = scram_finish_run,
};
