#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "crypto/slot.h"
#include "db/db.h"
#include "main/cli_cores.h"
#include "store/mailbox.h"
#include "store/store.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/*
 * mailbox attach: a mailbox file without an alias gets one. The store says what is in the file, the
 * directory takes that in one transaction: cut short anywhere, the file is as attachable as before.
 */

enum { NAME_SIZE = 64 };

/* What a copy is called until it is whole. */
#define COPY     ".copy"
#define COPY_WAL ".copy-wal"

struct attaching {
	struct cli *cli;
	char id[MAILBOX_ID_SIZE + 1]; /* how the file is named in mailboxes/ */
	uint64_t quota_bytes;
	const char *path;   /* of what is to be copied; NULL: nothing */
	int from, from_wal; /* it, open; -1: nothing */
	int lock;           /* see cli_lock_mailboxes; -1: not yet */
	bool copied;        /* the file in mailboxes/ is ours, until it is attached */
	struct buf password;
};

/* ---------------------------------------------------------------- the file to be copied */

/* What it is called, where that says what it is; else any name will do until the store knows. */
static void choose_id(struct attaching *attaching, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct str name = str_from(slash == NULL ? path : slash + 1);
	struct str id = str_slice(name, 0, MAILBOX_ID_SIZE);
	unsigned char random[MAILBOX_ID_SIZE / 2];
	if (mailbox_id_valid(id) && str_eq(str_from_byte(name, id.len), STR(".sqlite"))) {
		memcpy(attaching->id, id.ptr, id.len);
		return;
	}
	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), attaching->id);
}

/* Before we may become another user. */
static int open_source(struct attaching *attaching, const char *path, struct errinfo *info)
{
	char wal[PATH_MAX];
	struct errinfo cause;
	unsigned char salt[DATA_KEY_SALT_SIZE];
	int len = snprintf(wal, sizeof(wal), "%s-wal", path);
	if (len < 0 || (size_t)len >= sizeof(wal))
		return err_set(info, E_INVALID, "the path of the file is too long");
	attaching->from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (attaching->from < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	int rc = db_file_look(attaching->from, salt, &cause);
	if (rc != 0)
		return err_set(info, rc, "%s %s", path, cause.text);
	attaching->from_wal = open(wal, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (attaching->from_wal < 0 && errno != ENOENT)
		return err_set(info, err_from_errno(errno), "%s: %s", wal, strerror(errno));
	attaching->path = path;
	choose_id(attaching, path);
	return 0;
}

static void forget_source(struct attaching *attaching)
{
	if (attaching->from >= 0)
		close(attaching->from);
	if (attaching->from_wal >= 0)
		close(attaching->from_wal);
	attaching->from = attaching->from_wal = -1;
}

/* ---------------------------------------------------------------- mailboxes/ */

static int open_below(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder of a mailbox file; with make, made when it is not there. Its owner is that of mailboxes/. */
static int open_folder(const struct cli *cli, const char *id, bool make, int *ret,
                       struct errinfo *info)
{
	char name[3] = {id[0], id[1], '\0'};
	struct stat status;
	const char *data_dir = config_text(cli->config, "data_dir");
	int data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int mailboxes = data < 0 ? -1 : open_below(data, "mailboxes");
	bool fine = mailboxes >= 0 && fstat(mailboxes, &status) == 0 &&
	            faccessat(mailboxes, STORE_FOLDER_MARKER, F_OK, 0) == 0;
	bool made = fine && make && mkdirat(mailboxes, name, 0700) == 0;
	*ret = fine ? open_below(mailboxes, name) : -1;
	fine = *ret >= 0 &&
	       (!made || geteuid() != 0 || fchown(*ret, status.st_uid, status.st_gid) == 0) &&
	       (!made || fsync(mailboxes) == 0);
	int errnum = errno;
	if (data >= 0)
		close(data);
	if (mailboxes >= 0)
		close(mailboxes);
	if (!fine && *ret >= 0)
		close(*ret);
	return fine ? 0
	            : err_set(info, err_from_errno(errnum), "%s/mailboxes/%s: %s", data_dir, name,
	                      strerror(errnum));
}

static const char *file_name(const char *id, const char *ending, char ret[NAME_SIZE])
{
	snprintf(ret, NAME_SIZE, "%s.sqlite%s", id, ending);
	return ret;
}

/* A file of ours goes to whom the folder belongs; not a link, which may be to anything. */
static int hand_over(int folder, const char *name)
{
	struct stat status, above;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	bool fine = fstat(fd, &status) == 0 && fstat(folder, &above) == 0;
	if (fine && geteuid() == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
	    (status.st_uid != above.st_uid || status.st_gid != above.st_gid))
		fine = fchown(fd, above.st_uid, above.st_gid) == 0;
	close(fd);
	return fine ? 0 : -1;
}

/* Under a name that is no mailbox file's: cut short, it is nothing. */
static int copy_to(const struct attaching *attaching, int folder, int from, const char *name,
                   struct errinfo *info)
{
	struct cli_copying copying = {.from = from, .from_name = attaching->path, .to_name = name};
	copying.to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copying.to < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", name, strerror(errno));
	int rc = cli_copy_file(&copying, info);
	if (rc == 0 && hand_over(folder, name) != 0)
		rc = err_set(info, err_from_errno(errno), "%s: %s", name, strerror(errno));
	close(copying.to);
	return rc;
}

/* The -wal gets its name first: without the file itself it is nothing. */
static int name_both(const struct attaching *attaching, int folder)
{
	char new[NAME_SIZE], name[NAME_SIZE];
	file_name(attaching->id, "-wal", name);
	if (attaching->from_wal < 0 && unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		return -1;
	if (attaching->from_wal >= 0 &&
	    renameat(folder, file_name(attaching->id, COPY_WAL, new), folder, name) != 0)
		return -1;
	if (renameat2(folder, file_name(attaching->id, COPY, new), folder,
	              file_name(attaching->id, "", name), RENAME_NOREPLACE) != 0)
		return -1;
	return fsync(folder);
}

static int copy_both(const struct attaching *attaching, int folder, struct errinfo *info)
{
	char name[NAME_SIZE];
	int rc = copy_to(attaching, folder, attaching->from, file_name(attaching->id, COPY, name),
	                 info);
	if (rc == 0 && attaching->from_wal >= 0)
		rc = copy_to(attaching, folder, attaching->from_wal,
		             file_name(attaching->id, COPY_WAL, name), info);
	if (rc == 0 && name_both(attaching, folder) != 0)
		rc = err_set(info, err_from_errno(errno), "mailboxes: %s", strerror(errno));
	if (rc != 0) {
		(void)unlinkat(folder, file_name(attaching->id, COPY, name), 0);
		(void)unlinkat(folder, file_name(attaching->id, COPY_WAL, name), 0);
	}
	return rc;
}

/* ---------------------------------------------------------------- what was cut short */

/* Half copies of a command that was killed, whose lock is ours now. */
static void sweep_folder(int folder)
{
	static const char *const endings[] = {COPY, COPY_WAL};
	int again = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *entries = again < 0 ? NULL : fdopendir(again);
	if (entries == NULL && again >= 0)
		close(again);
	for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
		struct str name = str_from(entry->d_name), id = str_slice(name, 0, MAILBOX_ID_SIZE);
		char half[NAME_SIZE], mailbox[MAILBOX_ID_SIZE + 1] = "";
		if (!mailbox_id_valid(id))
			continue;
		memcpy(mailbox, id.ptr, id.len);
		for (size_t i = 0; i < ARRAY_LEN(endings); i++)
			if (str_eq(name, str_from(file_name(mailbox, endings[i], half))))
				(void)unlinkat(folder, half, 0);
	}
	if (entries != NULL)
		closedir(entries);
}

static void sweep(const struct cli *cli)
{
	struct errinfo unused;
	for (unsigned prefix = 0; prefix < 256; prefix++) {
		char name[3];
		int folder;
		snprintf(name, sizeof(name), "%02x", prefix & 0xff);
		if (open_folder(cli, name, false, &folder, &unused) != 0)
			continue;
		sweep_folder(folder);
		close(folder);
	}
}

/* What is to be copied may be what lies there. */
static bool is_there(const struct attaching *attaching, int folder, bool *ret_same)
{
	char name[NAME_SIZE];
	struct stat there, from;
	*ret_same = false;
	if (fstatat(folder, file_name(attaching->id, "", name), &there, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	*ret_same = fstat(attaching->from, &from) == 0 && from.st_dev == there.st_dev &&
	            from.st_ino == there.st_ino;
	return true;
}

static int place(struct attaching *attaching, struct errinfo *info)
{
	int folder;
	bool same;
	int rc = open_folder(attaching->cli, attaching->id, true, &folder, info);
	if (rc != 0)
		return rc;
	if (is_there(attaching, folder, &same)) {
		rc = same ? 0
		          : err_set(
						info, E_EXISTS,
						"mailboxes/%.2s/%s.sqlite is there already: attach that, or move it away",
						attaching->id, attaching->id);
	} else {
		rc = copy_both(attaching, folder, info);
		attaching->copied = rc == 0;
	}
	close(folder);
	return rc;
}

static void unplace(struct attaching *attaching)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	struct errinfo unused;
	char name[NAME_SIZE];
	int folder;
	if (!attaching->copied ||
	    open_folder(attaching->cli, attaching->id, false, &folder, &unused) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		(void)unlinkat(folder, file_name(attaching->id, endings[i], name), 0);
	close(folder);
	attaching->copied = false;
}

/* Our copy gets the name that the content asks for. The store has closed it: there is no -wal. */
static int move_to(struct attaching *attaching, const char *id, struct errinfo *info)
{
	char from[NAME_SIZE], to[NAME_SIZE];
	int old, new;
	if (!mailbox_id_valid(str_from(id)))
		return err_set(info, E_CORRUPT, "the store answered nonsense");
	int rc = open_folder(attaching->cli, attaching->id, false, &old, info);
	if (rc != 0)
		return rc;
	rc = open_folder(attaching->cli, id, true, &new, info);
	if (rc == 0) {
		if (renameat2(old, file_name(attaching->id, "", from), new, file_name(id, "", to),
		              RENAME_NOREPLACE) != 0)
			rc = err_set(info, err_from_errno(errno), "mailboxes/%.2s/%s: %s", id, to,
			             strerror(errno));
		else if (fsync(new) != 0 || fsync(old) != 0)
			rc = err_set(info, err_from_errno(errno), "mailboxes: %s", strerror(errno));
		close(new);
	}
	close(old);
	if (rc == 0)
		memcpy(attaching->id, id, sizeof(attaching->id));
	return rc;
}

/* ---------------------------------------------------------------- store and directory */

static int ask_store(struct attaching *attaching, Pk__AttachReply **ret, struct errinfo *info)
{
	Pk__AttachRequest request = PK__ATTACH_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailbox = attaching->id;
	request.password.data = (uint8_t *)attaching->password.ptr;
	request.password.len = attaching->password.len;
	int rc = cores_store(attaching->cli, PK__STORE_METHOD__STORE_ATTACH, &request.base,
	                     &pk__attach_reply__descriptor, CORES_LONG_MS, &message, info);
	*ret = (Pk__AttachReply *)message;
	return rc;
}

/* found NULL: only to see what it says besides that a password is missing. */
static int tell_directory(struct attaching *attaching, const Pk__AttachReply *found,
                          Pk__AliasReply **ret, struct errinfo *info)
{
	Pk__MailboxAttachRequest request = PK__MAILBOX_ATTACH_REQUEST__INIT;
	Pk__MailboxState state = PK__MAILBOX_STATE__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)attaching->cli->arguments[0];
	request.quota_bytes = attaching->quota_bytes;
	request.mailbox = state.mailbox = attaching->id;
	request.state = &state;
	if (found != NULL) {
		request.password.data = (uint8_t *)attaching->password.ptr;
		request.password.len = attaching->password.len;
		request.salt = found->salt;
		request.public_key = found->public_key;
		state.generation = found->generation;
		state.uid_validity = found->uid_validity;
		state.modseq = found->modseq;
		state.uids = found->uids;
		state.messages = found->messages;
	}
	int rc = cores_directory(attaching->cli, PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_ATTACH,
	                         &request.base, &pk__alias_reply__descriptor, &message, info);
	*ret = (Pk__AliasReply *)message;
	return rc;
}

/* All that can be found out without the password. */
static int check_first(struct attaching *attaching, struct errinfo *info)
{
	Pk__AliasReply *alias;
	Pk__AttachReply *found;
	char name[NAME_SIZE];
	int folder;
	int rc = tell_directory(attaching, NULL, &alias, info);
	CORES_FREE(alias);
	if (rc != E_DENIED || attaching->from >= 0)
		return rc == E_DENIED ? 0 : rc;
	if (open_folder(attaching->cli, attaching->id, false, &folder, info) == 0) {
		/* Whoever has put them back may have done it as root. */
		(void)!hand_over(folder, file_name(attaching->id, "", name));
		(void)!hand_over(folder, file_name(attaching->id, "-wal", name));
		close(folder);
	}
	rc = ask_store(attaching, &found, info);
	CORES_FREE(found);
	return rc == E_DENIED ? 0 : rc;
}

/* A large file takes its time, in which nobody here would answer the cores. */
static int bring_in(struct attaching *attaching, struct errinfo *info)
{
	if (attaching->from < 0)
		return 0;
	cores_close(attaching->cli->cores);
	attaching->cli->cores = NULL;
	int rc = place(attaching, info);
	forget_source(attaching);
	return rc;
}

static int attach(struct attaching *attaching, Pk__AttachReply **ret_found, Pk__AliasReply **ret,
                  struct errinfo *info)
{
	int rc = ask_store(attaching, ret_found, info);
	if (rc == 0 && strcmp((*ret_found)->mailbox, attaching->id) != 0) {
		if (!attaching->copied)
			return err_set(info, E_INVALID,
			               "by its content the file is mailbox %s: rename it, to "
			               "mailboxes/%.2s/%s.sqlite",
			               (*ret_found)->mailbox, (*ret_found)->mailbox, (*ret_found)->mailbox);
		rc = move_to(attaching, (*ret_found)->mailbox, info);
		CORES_FREE(*ret_found);
		*ret_found = NULL;
		if (rc == 0)
			rc = ask_store(attaching, ret_found, info);
	}
	return rc != 0 ? rc : tell_directory(attaching, *ret_found, ret, info);
}

static void print_attached(struct cli *cli, const Pk__AttachReply *found,
                           const Pk__AliasReply *alias)
{
	if (cli->json) {
		json_object(&cli->writer);
		cli_json_alias(&cli->writer, alias);
		json_number_field(&cli->writer, "messages", found->messages);
		json_object_end(&cli->writer);
		return;
	}
	buf_addf(cli->out, "%s: has mailbox %s with %llu messages now, and its mailbox password\n",
	         alias->address, alias->mailbox, (unsigned long long)found->messages);
	cli_warn(cli,
	         "app passwords and recovery codes of before are gone: postkasse password recovery %s",
	         alias->address);
}

static int run(struct attaching *attaching, struct errinfo *info)
{
	struct cli *cli = attaching->cli;
	Pk__AttachReply *found = NULL;
	Pk__AliasReply *alias = NULL;
	int rc = cores_open(cli, info); /* what that refuses is none of the password's business */
	if (rc == 0)
		rc = check_first(attaching, info);
	if (rc == 0)
		rc = cli_read_current(cli, cli->arguments[0], &attaching->password, info);
	if (rc == 0)
		rc = cli_lock_mailboxes(cli, &attaching->lock, info);
	if (rc == 0)
		sweep(cli);
	if (rc == 0)
		rc = bring_in(attaching, info);
	if (rc == 0)
		rc = attach(attaching, &found, &alias, info);
	if (rc != 0) {
		unplace(attaching);
	} else {
		print_attached(cli, found, alias);
		struct errinfo cause;
		if (cli_check_opens(cli, alias->address, buf_str(&attaching->password), &cause) != 0)
			cli_warn(cli, "the mailbox is attached, but does not open: %s", cause.text);
	}
	CORES_FREE(found);
	CORES_FREE(alias);
	return rc;
}

int cli_mailbox_attach(struct cli *cli, struct errinfo *info)
{
	struct attaching attaching = {.cli = cli, .from = -1, .from_wal = -1, .lock = -1};
	const char *which = cli->arguments[1];
	buf_init(&attaching.password, PASSWORD_MAX);
	int rc = cli_read_quota(cli, &attaching.quota_bytes, info);
	if (rc == 0 && mailbox_id_valid(str_from(which)))
		memcpy(attaching.id, which, MAILBOX_ID_SIZE);
	else if (rc == 0)
		rc = open_source(&attaching, which, info);
	if (rc == 0)
		rc = run(&attaching, info);
	forget_source(&attaching);
	if (attaching.lock >= 0)
		close(attaching.lock);
	buf_done_wiped(&attaching.password);
	return rc;
}
