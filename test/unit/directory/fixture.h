#ifndef POSTKASSE_TEST_DIRECTORY_FIXTURE_H
#define POSTKASSE_TEST_DIRECTORY_FIXTURE_H

/* A directory on a real encrypted file in a folder of its own, asked over a real link. */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "directory/internal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#ifndef FIXTURE_ROOT
#define FIXTURE_ROOT "/tmp"
#endif

#define METHOD(name)  PK__DIRECTORY_METHOD__DIRECTORY_##name
#define KIND_MAILBOX  PK__PASSWORD_CREATE_REQUEST__KIND__MAILBOX
#define KIND_APP      PK__PASSWORD_CREATE_REQUEST__KIND__APP
#define KIND_RECOVERY PK__PASSWORD_CREATE_REQUEST__KIND__RECOVERY

struct fixture {
	char folder[64], path[128];
	struct loop *loop;
	struct config *config;
	struct secret *host_key;
	struct directory *directory;
	struct core_server *server;
	struct link *cli, *imap;
	struct link_allowed allowed[5];
	struct errinfo info; /* of the last call */
};

static void no_event(void *ctx, uint32_t method, struct str body)
{
	(void)ctx;
	(void)method;
	(void)body;
}

static struct link *connect_as(struct fixture *f, const char *role)
{
	static const struct link_handlers handlers = {.event = no_event};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	link_server_add_fd(core_server_link(f->server), pair[1], NULL);
	return link_new_fd(f->loop, NULL, pair[0], role, &handlers);
}

static void start(struct fixture *f)
{
	f->loop = loop_new();
	assert_int_equal(
		directory_new(&f->directory, f->loop, NULL, f->path, f->config, f->host_key, &f->info), 0);
	f->allowed[0] = (struct link_allowed){"cli", geteuid()};
	f->allowed[1] = (struct link_allowed){"imap", geteuid()};
	f->allowed[2] = (struct link_allowed){"smtp", geteuid()};
	f->allowed[3] = (struct link_allowed){"pop3", geteuid()};
	f->allowed[4] = (struct link_allowed){"store", geteuid()};
	struct link_server_options options = {.allowed = f->allowed,
	                                      .allowed_count = ARRAY_LEN(f->allowed)};
	f->server = core_server_new(f->loop, NULL, &options, &directory_core, f->directory);
	f->cli = connect_as(f, "cli");
	f->imap = connect_as(f, "imap");
}

static void stop(struct fixture *f)
{
	link_free(f->cli);
	link_free(f->imap);
	core_server_free(f->server);
	directory_free(f->directory);
	loop_free(f->loop);
	f->directory = NULL;
}

static inline void restart(struct fixture *f)
{
	stop(f);
	start(f);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	unsigned char key[KEY_SIZE];
	assert_int_equal(crypto_init(&f->info), 0);
	assert_int_equal(db_init(&f->info), 0);
	strcpy(f->folder, FIXTURE_ROOT "/postkasse-directory-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/directory.sqlite", f->folder);
	f->config = config_new();
	random_bytes(key, sizeof(key));
	f->host_key = secret_new(key, sizeof(key));
	start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"directory.sqlite", "directory.sqlite-wal",
	                                    "directory.sqlite-shm", "ballast"};
	if (f->directory != NULL)
		stop(f);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[160];
		snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
	secret_free(f->host_key);
	config_free(f->config);
	free(f);
	return 0;
}

/* Asks and returns the error; *ret is the reply, NULL when there was an error. */
static int ask(struct fixture *f, struct link *link, uint32_t method, const void *request,
               const ProtobufCMessageDescriptor *type, void *ret)
{
	struct buf body BUF_AUTO;
	buf_init(&body, LINK_MESSAGE_MAX);
	struct link_request asked = {.method = method, .body = request, .kind = LINK_REPEAT};
	f->info = (struct errinfo){0};
	int rc = link_call_wait(link, f->loop, &asked, &body, &f->info);
	if (rc == 0) {
		*(ProtobufCMessage **)ret = link_unpack(type, buf_str(&body), WIRE_ITEMS_MESSAGES);
		assert_non_null(*(ProtobufCMessage **)ret);
	} else {
		*(ProtobufCMessage **)ret = NULL;
	}
	return rc;
}

static void drop(void *message)
{
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

/* ---------------------------------------------------------------- one line each */

static inline int domain_add(struct fixture *f, const char *name)
{
	Pk__DomainRequest request = PK__DOMAIN_REQUEST__INIT;
	Pk__DomainReply *reply;
	request.name = (char *)(uintptr_t)name;
	int rc = ask(f, f->cli, METHOD(DOMAIN_ADD), &request, &pk__domain_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

static inline int alias_add(struct fixture *f, const char *address)
{
	Pk__AliasAddRequest request = PK__ALIAS_ADD_REQUEST__INIT;
	Pk__AliasReply *reply;
	request.address = (char *)(uintptr_t)address;
	int rc = ask(f, f->cli, METHOD(ALIAS_ADD), &request, &pk__alias_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

static inline int alias_disable(struct fixture *f, const char *address, bool disabled)
{
	Pk__AliasDisableRequest request = PK__ALIAS_DISABLE_REQUEST__INIT;
	Pk__AliasReply *reply;
	request.address = (char *)(uintptr_t)address;
	request.disabled = disabled;
	int rc = ask(f, f->cli, METHOD(ALIAS_DISABLE), &request, &pk__alias_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

static inline int alias_remove(struct fixture *f, const char *address)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	Pk__AliasReply *reply;
	request.address = (char *)(uintptr_t)address;
	int rc = ask(f, f->cli, METHOD(ALIAS_REMOVE), &request, &pk__alias_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

/* A store tells how far a mailbox has come. */
static inline int state_set(struct fixture *f, const char *mailbox, uint64_t modseq)
{
	Pk__MailboxStates request = PK__MAILBOX_STATES__INIT;
	Pk__MailboxState state = PK__MAILBOX_STATE__INIT, *states[] = {&state};
	Pk__MailboxStates *reply;
	struct link *store = connect_as(f, "store");
	state.mailbox = (char *)(uintptr_t)mailbox;
	state.generation = state.uid_validity = 1;
	state.modseq = modseq;
	request.states = states;
	request.n_states = 1;
	int rc = ask(f, store, METHOD(MAILBOX_STATE_SET), &request, &pk__mailbox_states__descriptor,
	             &reply);
	drop(reply);
	link_free(store);
	return rc;
}

/* The modseq that the directory knows; 0: none. */
static inline uint64_t state_get(struct fixture *f, const char *mailbox)
{
	Pk__MailboxStateRequest request = PK__MAILBOX_STATE_REQUEST__INIT;
	Pk__MailboxState *reply;
	struct link *store = connect_as(f, "store");
	request.mailbox = (char *)(uintptr_t)mailbox;
	assert_int_equal(
		ask(f, store, METHOD(MAILBOX_STATE_GET), &request, &pk__mailbox_state__descriptor, &reply),
		0);
	uint64_t modseq = reply->known ? reply->modseq : 0;
	drop(reply);
	link_free(store);
	return modseq;
}

static inline int resolve(struct fixture *f, const char *address, Pk__ResolveReply **ret)
{
	Pk__ResolveRequest request = PK__RESOLVE_REQUEST__INIT;
	request.address = (char *)(uintptr_t)address;
	return ask(f, f->imap, METHOD(RESOLVE), &request, &pk__resolve_reply__descriptor, ret);
}

static inline int password_create(struct fixture *f, const char *address, int kind,
                                  const Pk__PasswordReply *current, Pk__PasswordReply **ret)
{
	Pk__PasswordCreateRequest request = PK__PASSWORD_CREATE_REQUEST__INIT;
	request.address = (char *)(uintptr_t)address;
	request.kind = (Pk__PasswordCreateRequest__Kind)kind;
	if (current != NULL)
		request.current = current->password;
	return ask(f, f->cli, METHOD(PASSWORD_CREATE), &request, &pk__password_reply__descriptor, ret);
}

static inline int publish(struct fixture *f, const Pk__PasswordReply *password, int fill)
{
	Pk__MailboxPublishRequest request = PK__MAILBOX_PUBLISH_REQUEST__INIT;
	Pk__AliasReply *reply;
	unsigned char public_key[32];
	memset(public_key, fill, sizeof(public_key));
	request.mailbox = password->mailbox;
	request.mailbox_secret = password->mailbox_secret;
	request.public_key = field_make(public_key, sizeof(public_key));
	int rc = ask(f, f->cli, METHOD(MAILBOX_PUBLISH), &request, &pk__alias_reply__descriptor,
	             &reply);
	drop(reply);
	return rc;
}

/* Domain, alias, first password, published. */
static inline Pk__PasswordReply *make_mailbox(struct fixture *f, const char *address)
{
	Pk__PasswordReply *password;
	(void)domain_add(f, strchr(address, '@') + 1);
	assert_int_equal(alias_add(f, address), 0);
	assert_int_equal(password_create(f, address, KIND_MAILBOX, NULL, &password), 0);
	assert_true(password->first);
	assert_int_equal(publish(f, password, 'p'), 0);
	return password;
}

static inline int login_over(struct fixture *f, struct link *link, const char *address,
                             struct str password, const char *service, const char *remote,
                             Pk__LoginReply **ret)
{
	Pk__LoginRequest request = PK__LOGIN_REQUEST__INIT;
	request.address = (char *)(uintptr_t)address;
	request.password = field_make(password.ptr, password.len);
	request.service = (char *)(uintptr_t)service;
	request.remote = (char *)(uintptr_t)remote;
	return ask(f, link, METHOD(LOGIN), &request, &pk__login_reply__descriptor, ret);
}

/* As the process that serves it. */
static inline int login_with(struct fixture *f, const char *address, struct str password,
                             const char *service, const char *remote, Pk__LoginReply **ret)
{
	struct link *own = NULL, *link = strcmp(service, "cli") == 0    ? f->cli
	                                 : strcmp(service, "imap") == 0 ? f->imap
	                                                                : NULL;
	if (link == NULL)
		link = own = connect_as(f, service);
	int rc = login_over(f, link, address, password, service, remote, ret);
	link_free(own);
	return rc;
}

/* The error of a login, which must give the right secret when there is none. */
static inline int login_for(struct fixture *f, const Pk__PasswordReply *password,
                            const char *service)
{
	Pk__LoginReply *reply;
	int rc = login_with(f, password->address, field_bytes(&password->password), service,
	                    "192.0.2.1", &reply);
	if (rc == 0) {
		assert_int_equal(reply->mailbox_secret.len, KEY_SIZE);
		assert_memory_equal(reply->mailbox_secret.data, password->mailbox_secret.data, KEY_SIZE);
		assert_string_equal(reply->mailbox, password->mailbox);
	}
	drop(reply);
	return rc;
}

static inline int confirm(struct fixture *f, const Pk__PasswordReply *password)
{
	Pk__PasswordRevokeRequest request = PK__PASSWORD_REVOKE_REQUEST__INIT;
	Pk__PasswordListReply *reply;
	request.address = password->address;
	request.slot = password->slot;
	int rc = ask(f, f->cli, METHOD(PASSWORD_CONFIRM), &request,
	             &pk__password_list_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

static inline int record_set(struct fixture *f, const Pk__PasswordReply *password,
                             const struct buf *record)
{
	Pk__KeyRecordSetRequest request = PK__KEY_RECORD_SET_REQUEST__INIT;
	Pk__KeyRecordReply *reply;
	request.mailbox = password->mailbox;
	request.mailbox_secret = password->mailbox_secret;
	request.replaces = password->key_record;
	request.key_record = field_make(record->ptr, record->len);
	int rc = ask(f, f->imap, METHOD(KEY_RECORD_SET), &request, &pk__key_record_reply__descriptor,
	             &reply);
	drop(reply);
	return rc;
}

/* What a store does when a re-key has ended: a record with only the next key of this one. */
static inline void record_after_rekey(const Pk__PasswordReply *password, struct buf *ret)
{
	struct data_key current DATA_KEY_AUTO, next DATA_KEY_AUTO;
	struct key32 secret KEY32_AUTO;
	bool has_next;
	memcpy(secret.bytes, password->mailbox_secret.data, KEY_SIZE);
	assert_int_equal(key_record_open(field_bytes(&password->key_record),
	                                 str_from(password->mailbox), &secret, &current, &next,
	                                 &has_next),
	                 0);
	assert_true(has_next);
	key_record_seal(ret, str_from(password->mailbox), &secret, &next, NULL);
}

#endif
