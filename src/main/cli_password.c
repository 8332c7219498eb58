#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/slot.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/*
 * password new, app, recovery, list, revoke.
 *
 * Each step below may be the last one before a crash. A first password counts once its mailbox is
 * published, a further one once it is confirmed, and both happen only after it was shown: until then
 * the old ones work, or the alias has none and the command can be given again.
 */

enum { SCOPES_MAX = 8, NEW_FOLDERS = 6 };

#define METHOD(name)  PK__DIRECTORY_METHOD__DIRECTORY_##name
#define STORE(name)   PK__STORE_METHOD__STORE_##name
#define KIND_MAILBOX  PK__PASSWORD_CREATE_REQUEST__KIND__MAILBOX
#define KIND_APP      PK__PASSWORD_CREATE_REQUEST__KIND__APP
#define KIND_RECOVERY PK__PASSWORD_CREATE_REQUEST__KIND__RECOVERY

static const char *kind_name(int kind)
{
	return kind == KIND_MAILBOX ? "mailbox" : kind == KIND_APP ? "app" : "recovery";
}

static void free_password(Pk__PasswordReply *reply)
{
	if (reply == NULL)
		return;
	wipe(reply->password.data, reply->password.len);
	wipe(reply->mailbox_secret.data, reply->mailbox_secret.len);
	CORES_FREE(reply);
}

/* ---------------------------------------------------------------- showing it */

static void print_password(struct cli *cli, const Pk__PasswordReply *reply, int kind)
{
	struct str password = STR_OF(reply->password.data, reply->password.len);
	if (!cli->json) {
		buf_addf(cli->out, "%s\n%.*s\n", reply->address, STR_ARG(password));
		return;
	}
	if (cli->writer.depth == 0) /* else in the one that init has begun */
		json_object(&cli->writer);
	json_text_field(&cli->writer, "address", reply->address);
	json_name(&cli->writer, "password");
	json_str(&cli->writer, password);
	json_text_field(&cli->writer, "kind", kind_name(kind));
	json_number_field(&cli->writer, "slot", reply->slot);
	json_text_field(&cli->writer, "mailbox", reply->mailbox);
	json_object_end(&cli->writer);
}

/* The password must be on its way to its owner before anything else is done. */
static int show(struct cli *cli, const Pk__PasswordReply *reply, int kind, struct errinfo *info)
{
	print_password(cli, reply, kind);
	int rc = cli_flush(cli, info);
	if (rc == 0 && !cli->json)
		cli_warn(cli, "this is shown once; whoever loses every password loses the mailbox");
	return rc;
}

/* ---------------------------------------------------------------- the first one */

/* The folders that a new mailbox begins with, as the configuration names them. */
static size_t new_folders(const struct cli *cli, Pk__Folder *ret)
{
	static const struct {
		const char *option, *use;
	} options[NEW_FOLDERS - 1] = {
		{"folder_drafts", "\\Drafts"}, {"folder_sent", "\\Sent"},   {"folder_archive", "\\Archive"},
		{"folder_junk", "\\Junk"},     {"folder_trash", "\\Trash"},
	};
	size_t count = 1;
	pk__folder__init(&ret[0]);
	ret[0].name = (char *)(uintptr_t) "INBOX"; /* it is there anyway: so the list is never empty */
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *name = config_text(cli->config, options[i].option);
		if (name[0] == '\0')
			continue;
		pk__folder__init(&ret[count]);
		ret[count].name = (char *)(uintptr_t)name;
		ret[count++].special_use = (char *)(uintptr_t)options[i].use;
	}
	return count;
}

static int create_file(struct cli *cli, const Pk__PasswordReply *password, Pk__CreateReply **ret,
                       struct errinfo *info)
{
	Pk__CreateRequest request = PK__CREATE_REQUEST__INIT;
	ProtobufCMessage *message;
	Pk__Folder folders[NEW_FOLDERS], *pointers[NEW_FOLDERS];
	request.mailbox = password->mailbox;
	request.mailbox_secret = password->mailbox_secret;
	request.key_record = password->key_record;
	request.n_folders = new_folders(cli, folders);
	request.folders = pointers;
	for (size_t i = 0; i < request.n_folders; i++)
		pointers[i] = &folders[i];
	int rc = cores_store(cli, STORE(CREATE), &request.base, &pk__create_reply__descriptor, 0,
	                     &message, info);
	*ret = (Pk__CreateReply *)message;
	return rc;
}

static int publish(struct cli *cli, const Pk__PasswordReply *password,
                   const Pk__CreateReply *created, struct errinfo *info)
{
	Pk__MailboxPublishRequest request = PK__MAILBOX_PUBLISH_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailbox = password->mailbox;
	request.mailbox_secret = password->mailbox_secret;
	request.public_key = created->public_key;
	int rc = cores_directory(cli, METHOD(MAILBOX_PUBLISH), &request.base,
	                         &pk__alias_reply__descriptor, &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc;
}

static int finish_first(struct cli *cli, const Pk__PasswordReply *password, struct errinfo *info)
{
	Pk__CreateReply *created;
	int rc = create_file(cli, password, &created, info);
	if (rc == 0)
		rc = show(cli, password, KIND_MAILBOX, info);
	if (rc == 0) {
		rc = publish(cli, password, created, info);
		if (rc != 0)
			cli_warn(cli, "the password above is void: give the command again");
	}
	CORES_FREE(created);
	if (rc == 0)
		cli_sweep_removed(cli); /* what an interrupted attempt left */
	return rc;
}

/* ---------------------------------------------------------------- a changed one */

static int set_record(struct cli *cli, char *mailbox, ProtobufCBinaryData secret,
                      ProtobufCBinaryData record, ProtobufCBinaryData replaces,
                      struct errinfo *info)
{
	Pk__KeyRecordSetRequest request = PK__KEY_RECORD_SET_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailbox = mailbox;
	request.mailbox_secret = secret;
	request.key_record = record;
	request.replaces = replaces;
	int rc = cores_directory(cli, METHOD(KEY_RECORD_SET), &request.base,
	                         &pk__key_record_reply__descriptor, &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc == E_STALE ? 0 : rc; /* a session of the owner was faster */
}

/* Has the file encrypted under its next key, and tells the directory. */
static int rekey(struct cli *cli, char *mailbox, ProtobufCBinaryData secret,
                 ProtobufCBinaryData record, struct errinfo *info)
{
	Pk__RekeyRequest request = PK__REKEY_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailbox = mailbox;
	request.mailbox_secret = secret;
	request.key_record = record;
	int rc = cores_store(cli, STORE(REKEY), &request.base, &pk__rekey_reply__descriptor,
	                     CORES_LONG_MS, &message, info);
	Pk__RekeyReply *reply = (Pk__RekeyReply *)message;
	if (rc == 0)
		rc = set_record(cli, mailbox, secret, reply->key_record, record, info);
	CORES_FREE(reply);
	return rc;
}

/* An earlier change of the mailbox password was interrupted: brings it to its end. */
static int finish_earlier(struct cli *cli, const char *address, struct str current,
                          struct errinfo *info)
{
	Pk__LoginReply *reply;
	int rc = cli_login(cli, address, current, &reply, info);
	if (rc == 0)
		rc = rekey(cli, reply->mailbox, reply->mailbox_secret, reply->key_record, info);
	cli_login_free(reply);
	return rc;
}

static int about_slot(struct cli *cli, uint32_t method, const Pk__PasswordReply *password,
                      struct errinfo *info)
{
	Pk__PasswordRevokeRequest request = PK__PASSWORD_REVOKE_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = password->address;
	request.slot = password->slot;
	int rc = cores_directory(cli, method, &request.base, &pk__password_list_reply__descriptor,
	                         &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc;
}

static int confirm(struct cli *cli, const Pk__PasswordReply *password, struct errinfo *info)
{
	return about_slot(cli, METHOD(PASSWORD_CONFIRM), password, info);
}

/* Nobody has seen it, and nobody ever will. */
static void take_back(struct cli *cli, const Pk__PasswordReply *password)
{
	struct errinfo cause;
	if (about_slot(cli, METHOD(PASSWORD_REVOKE), password, &cause) != 0)
		cli_warn(cli, "password %llu of %s was not shown, and is still there: %s",
		         (unsigned long long)password->slot, password->address, cause.text);
}

static int finish_further(struct cli *cli, const Pk__PasswordReply *password, int kind,
                          struct errinfo *info)
{
	int rc = show(cli, password, kind, info);
	if (rc != 0 && kind != KIND_MAILBOX)
		take_back(cli, password);
	if (rc == 0 && kind != KIND_APP)
		rc = confirm(cli, password, info);
	if (rc != 0 || !password->rekey)
		return rc;
	/* The new password is in force; encrypting the file again can be made up for at any login. */
	rc = rekey(cli, password->mailbox, password->mailbox_secret, password->key_record, info);
	if (rc == E_STALE || rc == E_CORRUPT)
		return rc; /* no login will mend that */
	if (rc != 0)
		cli_warn(cli,
		         "the mailbox file is still encrypted under the old password, the next login "
		         "will see to it: %s",
		         info->text);
	return 0;
}

/* ---------------------------------------------------------------- new, app, recovery */

/* Cuts list at its commas; the directory knows which words there are. 0: too many. */
static size_t split_scopes(char *list, char *ret[SCOPES_MAX])
{
	size_t count = 0;
	for (char *next; list != NULL; list = next) {
		next = strchr(list, ',');
		if (next != NULL)
			*next++ = '\0';
		if (count == SCOPES_MAX)
			return 0;
		ret[count++] = list;
	}
	return count;
}

static int create(struct cli *cli, const char *address, int kind, struct str current,
                  Pk__PasswordReply **ret, struct errinfo *info)
{
	Pk__PasswordCreateRequest request = PK__PASSWORD_CREATE_REQUEST__INIT;
	ProtobufCMessage *message;
	char *scopes[SCOPES_MAX], *list MEM_AUTO = NULL;
	request.address = (char *)(uintptr_t)address;
	request.kind = (Pk__PasswordCreateRequest__Kind)kind;
	request.current.data = (uint8_t *)(uintptr_t)current.ptr;
	request.current.len = current.len;
	if (cli->values[CLI_OPTION_LABEL] != NULL)
		request.label = (char *)(uintptr_t)cli->values[CLI_OPTION_LABEL];
	if (cli->values[CLI_OPTION_SCOPE] != NULL) {
		list = str_dup(str_from(cli->values[CLI_OPTION_SCOPE]));
		request.scopes = scopes;
		request.n_scopes = split_scopes(list, scopes);
		if (request.n_scopes == 0)
			return err_set(info, E_INVALID, "--scope: words of imap, pop3, smtp, dav");
	}
	int rc = cores_directory(cli, METHOD(PASSWORD_CREATE), &request.base,
	                         &pk__password_reply__descriptor, &message, info);
	*ret = (Pk__PasswordReply *)message;
	return rc;
}

int cli_look_up(struct cli *cli, const char *address, bool *ret_ready, struct errinfo *info)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)address;
	int rc = cores_directory(cli, METHOD(PASSWORD_LIST), &request.base,
	                         &pk__password_list_reply__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__PasswordListReply *list = (Pk__PasswordListReply *)message;
	*ret_ready = list->ready;
	CORES_FREE(list);
	return 0;
}

/* Everything but the current password, before anybody is asked for that: the directory looks at it
 * last. */
static int check_first(struct cli *cli, const char *address, int kind, struct errinfo *info)
{
	Pk__PasswordReply *password = NULL;
	int rc = create(cli, address, kind, STR(""), &password, info);
	free_password(password);
	return rc == E_DENIED ? 0 : rc;
}

/* A mailbox file that the present password does not open gets no other one: nothing would ever bring the
 * two together. */
int cli_check_opens(struct cli *cli, const char *address, struct str current, struct errinfo *info)
{
	Pk__LoginReply *login;
	ProtobufCMessage *message = NULL;
	Pk__OpenRequest request = PK__OPEN_REQUEST__INIT;
	int rc = cli_login(cli, address, current, &login, info);
	if (rc != 0)
		return rc == E_DENIED ? 0 : rc; /* a recovery code logs in nowhere */
	request.mailbox = login->mailbox;
	request.mailbox_secret = login->mailbox_secret;
	request.key_record = login->key_record;
	request.service = (char *)(uintptr_t) "cli";
	request.public_key = login->public_key;
	rc = cores_store(cli, STORE(OPEN), &request.base, &pk__open_reply__descriptor, 0, &message,
	                 info);
	cli_login_free(login);
	if (rc != 0)
		return rc == E_LIMIT ? 0 : rc; /* others have it open */
	Pk__SessionRequest opened = PK__SESSION_REQUEST__INIT;
	opened.session = ((Pk__OpenReply *)message)->session;
	protobuf_c_message_free_unpacked(message, NULL);
	rc = cores_store(cli, STORE(CLOSE), &opened.base, &pk__empty__descriptor, 0, &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc;
}

static int further_password(struct cli *cli, const char *address, int kind, struct errinfo *info)
{
	struct buf current __attribute__((cleanup(buf_done_wiped)));
	Pk__PasswordReply *password = NULL;
	buf_init(&current, PASSWORD_MAX);
	int rc = check_first(cli, address, kind, info);
	if (rc == 0)
		rc = cli_read_current(cli, address, &current, info);
	if (rc == 0 && kind == KIND_MAILBOX)
		rc = cli_check_opens(cli, address, buf_str(&current), info);
	if (rc == 0)
		rc = create(cli, address, kind, buf_str(&current), &password, info);
	if (rc == E_BUSY && kind == KIND_MAILBOX) {
		rc = finish_earlier(cli, address, buf_str(&current), info);
		if (rc == 0)
			rc = create(cli, address, kind, buf_str(&current), &password, info);
	}
	if (rc == 0)
		rc = finish_further(cli, password, kind, info);
	free_password(password);
	return rc;
}

int cli_first_password(struct cli *cli, const char *address, struct errinfo *info)
{
	bool ready;
	Pk__PasswordReply *password = NULL;
	int rc = cli_look_up(cli, address, &ready, info);
	if (rc == 0 && ready)
		rc = err_set(info, E_EXISTS, "the alias has a mailbox and its password already: %s",
		             address);
	if (rc == 0)
		rc = create(cli, address, KIND_MAILBOX, STR(""), &password, info);
	if (rc == 0)
		rc = finish_first(cli, password, info);
	free_password(password);
	return rc;
}

int cli_password_new(struct cli *cli, struct errinfo *info)
{
	bool ready;
	int rc = cli_look_up(cli, cli->arguments[0], &ready, info);
	if (rc != 0)
		return rc;
	return ready ? further_password(cli, cli->arguments[0], KIND_MAILBOX, info)
	             : cli_first_password(cli, cli->arguments[0], info);
}

static int password_of_kind(struct cli *cli, int kind, struct errinfo *info)
{
	bool ready;
	int rc = cli_look_up(cli, cli->arguments[0], &ready, info);
	if (rc == 0 && !ready)
		rc = err_set(info, E_NOT_FOUND, "the alias has no mailbox yet: postkasse password new %s",
		             cli->arguments[0]);
	return rc != 0 ? rc : further_password(cli, cli->arguments[0], kind, info);
}

int cli_password_app(struct cli *cli, struct errinfo *info)
{
	return password_of_kind(cli, KIND_APP, info);
}

int cli_password_recovery(struct cli *cli, struct errinfo *info)
{
	return password_of_kind(cli, KIND_RECOVERY, info);
}

/* ---------------------------------------------------------------- list, revoke */

static void json_password(struct json *json, const Pk__PasswordInfo *password)
{
	json_object(json);
	json_number_field(json, "slot", password->slot);
	json_text_field(json, "kind", kind_name((int)password->kind));
	json_text_field(json, "label", password->label);
	json_name(json, "scopes");
	json_array(json);
	for (size_t i = 0; i < password->n_scopes; i++)
		json_str(json, str_from(password->scopes[i]));
	json_array_end(json);
	json_text_field(json, "created", password->created);
	json_date_field(json, "last_used", password->last_used);
	json_bool_field(json, "replaced", password->replaced_by != 0);
	json_object_end(json);
}

static void text_password(struct buf *out, const Pk__PasswordInfo *password)
{
	buf_addf(out, "%4llu  %-8s  made %.16s  used %-16.16s  ", (unsigned long long)password->slot,
	         kind_name((int)password->kind), password->created,
	         password->last_used[0] == '\0' ? "never" : password->last_used);
	for (size_t i = 0; i < password->n_scopes; i++)
		buf_addf(out, "%s%s", i == 0 ? "" : ",", password->scopes[i]);
	if (password->label[0] != '\0')
		buf_addf(out, "  %s", password->label);
	buf_add_text(out, password->replaced_by != 0 ? "  (ends when the new one is used)\n" : "\n");
}

static void print_list(struct cli *cli, const Pk__PasswordListReply *list)
{
	if (!cli->json) {
		for (size_t i = 0; i < list->n_passwords; i++)
			text_password(cli->out, list->passwords[i]);
		return;
	}
	json_object(&cli->writer);
	json_text_field(&cli->writer, "address", list->address);
	json_text_field(&cli->writer, "mailbox", list->mailbox);
	json_bool_field(&cli->writer, "ready", list->ready);
	json_name(&cli->writer, "passwords");
	json_array(&cli->writer);
	for (size_t i = 0; i < list->n_passwords; i++)
		json_password(&cli->writer, list->passwords[i]);
	json_array_end(&cli->writer);
	json_object_end(&cli->writer);
}

static int call_list(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                     struct errinfo *info)
{
	ProtobufCMessage *message;
	int rc = cores_directory(cli, method, request, &pk__password_list_reply__descriptor, &message,
	                         info);
	if (rc != 0)
		return rc;
	Pk__PasswordListReply *list = (Pk__PasswordListReply *)message;
	print_list(cli, list);
	CORES_FREE(list);
	return 0;
}

int cli_password_list(struct cli *cli, struct errinfo *info)
{
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	return call_list(cli, METHOD(PASSWORD_LIST), &request.base, info);
}

int cli_password_revoke(struct cli *cli, struct errinfo *info)
{
	Pk__PasswordRevokeRequest request = PK__PASSWORD_REVOKE_REQUEST__INIT;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	if (!str_to_u64(str_from(cli->arguments[1]), INT32_MAX, &request.slot))
		return err_set(info, E_INVALID,
		               "which password? postkasse password list tells the numbers");
	return call_list(cli, METHOD(PASSWORD_REVOKE), &request.base, info);
}
