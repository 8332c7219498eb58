#ifndef POSTKASSE_DIRECTORY_INTERNAL_H
#define POSTKASSE_DIRECTORY_INTERNAL_H

/*
 * What the files of src/directory share. A request is one function: it reads request->message, and
 * either fills request->reply or returns an error with its text in info. It runs to its end in the
 * loop's thread; what it changes it changes in one transaction, which is durable when it returns.
 */

#include <sys/queue.h>

#include "base/config.h"
#include "crypto/slot.h"
#include "db/db.h"
#include "directory/address.h"
#include "directory/failures.h"
#include "directory/refusals.h"
#include "net/core_server.h"

#include "directory.pb-c.h"

enum {
	SLOTS_MAX = 64,          /* passwords of one mailbox, replaced ones included */
	LABEL_MAX = 100,         /* bytes of the name of an app password */
	LIST_PAGE = 1000,        /* entries in one reply of a list */
	MAILBOX_ID_SIZE = 24,    /* hex digits */
	AUTH_MESSAGE_MAX = 8192, /* bytes of a SCRAM AuthMessage */
	REMOTE_MAX = 64,         /* of a numeric network address */
	DATE_SIZE = 25,          /* ISO 8601 with NUL */
};

#define LOGIN_ROLES (ROLE_IMAP | ROLE_POP3 | ROLE_SMTP | ROLE_ADMIN)

/* What a password may be used for: the services of LoginRequest and the scopes of app passwords. */
enum scope {
	SCOPE_IMAP = 1,
	SCOPE_POP3 = 2,
	SCOPE_SMTP = 4,
	SCOPE_DAV = 8,
	SCOPE_CLI = 16, /* to open it for the command line, or as the current password */
	SCOPE_APP = SCOPE_IMAP | SCOPE_POP3 | SCOPE_SMTP | SCOPE_DAV,
	SCOPE_ALL = SCOPE_APP | SCOPE_CLI,
};

/* A front that is connected, and wants to know what was revoked. */
struct directory_front {
	TAILQ_ENTRY(directory_front) entry;
	struct link_peer *peer;
};

/* What a transaction has revoked: one slot of a mailbox, or (0) all of it. */
struct revocation {
	STAILQ_ENTRY(revocation) entry;
	char mailbox[MAILBOX_ID_SIZE + 1];
	int64_t slot;
};

struct directory {
	struct loop *loop;
	const struct log *log;
	struct db *db;
	char *path;    /* owned; of db */
	bool in_place; /* as far as was seen, db is what is at path */
	bool replaced; /* another file is there: the process ends */
	struct failures *failures;
	struct refusals *refusals;
	uint64_t logins, logins_refused; /* since the start */
	int64_t start_ms;
	struct secret *unknown_key; /* makes up the salts of users that do not exist */
	int64_t quota_default;
	/* Slots used since the last flush, by "mailbox number" (struct use). */
	struct map *uses;
	struct timer *use_timer;
	char *folder,
		*ballast; /* owned; where path is, and what is given back when its volume is full */
	uint64_t ballast_asked, reserve;
	int ballast_error; /* why it is not made; said in the log */
	struct timer *ballast_timer;
	TAILQ_HEAD(, directory_front) fronts;
	STAILQ_HEAD(, revocation) revocations; /* told once the transaction is committed */
};

struct request {
	unsigned role; /* one bit of enum role_bit */
	const ProtobufCMessage *message;
	struct buf *reply; /* packed; link_pack into it */
	struct link_inbound *inbound;
	struct lateness *lateness; /* of an error: to be filled in when it is to be told later */
};

struct lateness {
	int64_t delay_ms;                  /* 0: at once */
	char mailbox[MAILBOX_ID_SIZE + 1]; /* that was tried; empty: none that there is */
	char network[FAILURES_NETWORK_SIZE];
};

/* Each stands beside its code. */
struct method {
	struct core_method core;
	bool grows; /* on a full volume nothing is done to make room for it */
	int (*run)(struct directory *d, const struct request *request, struct errinfo *info);
};

extern const struct method directory_method_resolve, directory_method_login,
	directory_method_scram_start, directory_method_scram_finish, directory_method_key_record,
	directory_method_key_record_set, directory_method_session_check,
	directory_method_mailbox_state_get, directory_method_mailbox_state_set,
	directory_method_mailbox_accept, directory_method_mailbox_attach,
	directory_method_alias_disable, directory_method_domain_add, directory_method_domain_list,
	directory_method_domain_remove, directory_method_alias_add, directory_method_alias_list,
	directory_method_alias_remove, directory_method_password_create, directory_method_password_list,
	directory_method_password_revoke, directory_method_mailbox_publish,
	directory_method_password_confirm, directory_method_removed_list, directory_method_removed_done,
	directory_method_statistics, directory_method_failure_list, directory_method_mailbox_list,
	directory_method_failure_forget;

/* ---------------------------------------------------------------- the core, directory.c */

/* Opens or creates the database at path and brings it up to date. host_key stays the caller's. */
int directory_new(struct directory **ret, struct loop *loop, const struct log *log,
                  const char *path, const struct config *config, struct secret *host_key,
                  struct errinfo *info) MUST_USE;
/* Writes what is pending and closes. NULL is fine. */
void directory_free(struct directory *d);
/* Takes over what may change while running. */
void directory_configure(struct directory *d, const struct config *config);
/* What core_server_new serves with a directory. */
extern const struct core directory_core;

/* ---------------------------------------------------------------- mailbox.c */

/* An alias and the mailbox behind it, as the database has them. */
struct mailbox {
	char id[MAILBOX_ID_SIZE + 1]; /* empty: the alias has no password yet */
	char created[DATE_SIZE];      /* of the alias */
	bool disabled;
	uint64_t quota_bytes;
	struct slot_salt salt;
	unsigned char public_key[32];
	bool published;
	int64_t next_slot;
	char store[ADDRESS_DOMAIN_MAX + 1];
	unsigned char key_record[KEY_RECORD_MAX];
	size_t key_record_len;
};

/* By address. E_NOT_FOUND "no such alias". */
int directory_mailbox_find(struct directory *d, const struct address *address, struct mailbox *ret,
                           struct errinfo *info) MUST_USE;
/* The alias that an administrator means by text: an address with a + is none. E_INVALID, E_NOT_FOUND. */
int directory_alias_find(struct directory *d, const char *text, struct address *ret_address,
                         struct mailbox *ret, struct errinfo *info) MUST_USE;
/* The same at the beginning of a transaction, which directory_end ends; after an error there is none. */
int directory_alias_begin(struct directory *d, const char *text, struct address *ret_address,
                          struct mailbox *ret, struct errinfo *info) MUST_USE;
/* By id; E_NOT_FOUND. Only what belongs to the mailbox itself is filled in. */
int directory_mailbox_by_id(struct directory *d, const char *id, struct mailbox *ret,
                            struct errinfo *info) MUST_USE;
/* Whether secret opens the mailbox's key record: E_DENIED when not. */
int directory_mailbox_prove(const struct mailbox *mailbox, const ProtobufCBinaryData *secret,
                            struct key32 *ret_secret, struct errinfo *info) MUST_USE;
/* Within a transaction: forgets a mailbox that no alias refers to any more, and remembers that its
 * files are to be removed. */
int directory_mailbox_discard(struct directory *d, const struct mailbox *mailbox,
                              struct errinfo *info) MUST_USE;
/* A protobuf string as text; peers may leave anything out. */
struct str field_text(const char *proto_string);
struct str field_bytes(const ProtobufCBinaryData *bytes);
/* Borrowed bytes as a protobuf field. */
ProtobufCBinaryData field_make(const void *ptr, size_t len);
void directory_now(char ret[DATE_SIZE]);

/* ---------------------------------------------------------------- slots, slots.c */

struct slot_row {
	int64_t number;
	int64_t kind; /* Pk__PasswordCreateRequest__Kind */
	unsigned scopes;
	struct slot slot;
};

/* All slots of a mailbox; *ret_count at most SLOTS_MAX, rows for as many. */
int slots_load(struct directory *d, const char *mailbox, struct slot_row *rows, size_t *ret_count,
               struct errinfo *info) MUST_USE;
/* The slot that password opens, or NULL; ret_secret is filled in then. */
const struct slot_row *slots_open(const struct slot_row *rows, size_t count,
                                  const struct mailbox *mailbox, struct str password,
                                  struct key32 *ret_secret);
/* Remembers that a slot was used; written in a while, with many others. */
void slots_used(struct directory *d, const char *mailbox, int64_t number);
/* Within a transaction: deletes the slots that number has replaced. */
int slots_delete_replaced(struct directory *d, const char *mailbox, int64_t number,
                          struct errinfo *info) MUST_USE;
/* Writes what slots_used remembered: last_used, and the end of slots that were replaced. On a full volume it
 * is remembered on, unless this is the last time. */
void slots_flush(struct directory *d, bool last);
/* "imap" to its bit; 0 for another word. */
unsigned scope_parse(struct str word);
/* Names of the bits in order, at most 5, into ret; returns how many. */
size_t scope_names(unsigned scopes, const char *ret[5]);

/* Within a transaction: the mailbox id, whose file has the data key of password and salt, becomes that of
 * the alias, which mailbox was read from and which has none that is published. */
int directory_password_adopt(struct directory *d, const struct address *address,
                             struct mailbox *mailbox, const char *id, struct str password,
                             const unsigned char salt[DATA_KEY_SALT_SIZE],
                             struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- aliases, alias.c */

/* What a new alias may be called, and hold. E_INVALID. */
int directory_alias_check(const char *text, uint64_t quota_bytes, struct address *ret,
                          struct errinfo *info) MUST_USE;
/* Within a transaction: adds it; quota_bytes 0: the configured one. E_EXISTS; E_NOT_FOUND: no such domain. */
int directory_alias_insert(struct directory *d, const struct address *address, uint64_t quota_bytes,
                           struct errinfo *info) MUST_USE;
/* The alias as an AliasReply. E_NOT_FOUND. */
int directory_alias_reply(struct directory *d, const struct address *address,
                          const struct request *request, struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- what stores tell, state.c */

/* Within a transaction: a mailbox has come so far. One that the directory does not have is passed over. */
int directory_state_put(struct directory *d, const Pk__MailboxState *state,
                        struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- mail that waits, waiting.c */

enum { WAITING_MAX = 8 }; /* files of one mailbox in an answer, the oldest ones */

struct waiting_states {
	Pk__WaitingState rows[WAITING_MAX], *pointers[WAITING_MAX];
	size_t count;
};

/* Within a transaction: what a store tells of a temporary mailbox. *ret_lost: of rows that were acknowledged
 * so many were not there when it was opened again. */
int directory_waiting_put(struct directory *d, const Pk__WaitingState *state, uint64_t *ret_lost,
                          struct errinfo *info) MUST_USE;
/* What is known of mailbox, for a reply. */
int directory_waiting_get(struct directory *d, const char *mailbox, struct waiting_states *ret,
                          struct errinfo *info) MUST_USE;
/* Within a transaction: mailbox goes. */
int directory_waiting_discard(struct directory *d, const char *mailbox,
                              struct errinfo *info) MUST_USE;

/* ---------------------------------------------------------------- live sessions, revoke.c */

/* Within a transaction: a slot of the mailbox (0: the mailbox with all of them) opens nothing any more.
 * Every front is told once directory_end has committed. */
void directory_revoked(struct directory *d, const char *mailbox, int64_t slot);
/* Tells the fronts what the transaction has revoked, or forgets it when the transaction failed. */
void directory_revocations_end(struct directory *d, bool committed);
/* A front has come, or gone. */
void directory_front_up(struct directory *d, struct link_peer *peer);
void directory_front_down(struct directory *d, struct link_peer *peer);

/* ---------------------------------------------------------------- a full volume, space.c */

enum { SPACE_REPEATS_MAX = 4 };

void directory_space_configure(struct directory *d, const struct config *config);
/* With path and what is configured set: makes the ballast, and looks after it from now on. */
void directory_space_start(struct directory *d);
void directory_space_stop(struct directory *d);
/* After E_NO_SPACE: gives some of the ballast back, more with each repeat (from 0 on). False: there is none. */
bool directory_space_give(struct directory *d, unsigned repeat);

/* ---------------------------------------------------------------- transactions, directory.c */

/* Ends a request's transaction: commits when rc is 0, else rolls back. Returns rc, or the commit's
 * error. Checkpoints when the WAL has grown. */
int directory_end(struct directory *d, int rc, struct errinfo *info) MUST_USE;

#endif
