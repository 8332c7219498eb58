#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"

/* mailbox copy: the file of a mailbox, as it is on the disk, while it is in use or not. No key is needed;
 * whoever has the mailbox password opens the copy. */

enum {
	WAL_NAME_SIZE = PATH_MAX + sizeof("-wal"),
	RENEW_MS = 2000,   /* a good deal less than the store holds the file for */
	ATTEMPTS_MAX = 20, /* each is cut short only by what happens once in a session's life */
};

struct copying {
	struct cli *cli;
	const char *target; /* a path */
	char mailbox[64], source[PATH_MAX];
	int fd, folder; /* of target, and of what it lies in */
	uint64_t generation, bytes;
	int64_t renewed_ms;
	bool wal;
};

static int find_mailbox(struct copying *copying, struct errinfo *info)
{
	struct cli *cli = copying->cli;
	Pk__ResolveRequest request = PK__RESOLVE_REQUEST__INIT;
	ProtobufCMessage *message;
	request.address = (char *)(uintptr_t)cli->arguments[0];
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_RESOLVE, &request.base,
	                         &pk__resolve_reply__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__ResolveReply *reply = (Pk__ResolveReply *)message;
	if (reply->kind != PK__RESOLVE_REPLY__KIND__MAILBOX || reply->public_key.len == 0)
		rc = err_set(info, E_NOT_FOUND, "%s: there is no such mailbox", cli->arguments[0]);
	snprintf(copying->mailbox, sizeof(copying->mailbox), "%s", reply->mailbox);
	int len = snprintf(copying->source, sizeof(copying->source), "%s/mailboxes/%.2s/%s.sqlite",
	                   config_text(cli->config, "data_dir"), reply->mailbox, reply->mailbox);
	if (rc == 0 && (len < 0 || (size_t)len >= sizeof(copying->source) - sizeof("-wal")))
		rc = err_set(info, E_INVALID, "data_dir is too long");
	CORES_FREE(reply);
	return rc;
}

/* E_BUSY: the file has changed, what was copied of it is worth nothing. */
static int hold(struct copying *copying, uint64_t generation, bool over, struct errinfo *info)
{
	Pk__HoldRequest request = PK__HOLD_REQUEST__INIT;
	ProtobufCMessage *message;
	request.mailbox = copying->mailbox;
	request.generation = generation;
	request.over = over;
	int rc = cores_store(copying->cli, PK__STORE_METHOD__STORE_HOLD, &request.base,
	                     &pk__hold_reply__descriptor, 0, &message, info);
	if (rc != 0)
		return rc;
	Pk__HoldReply *reply = (Pk__HoldReply *)message;
	if (generation == 0) {
		copying->generation = reply->generation;
		copying->wal = reply->wal;
	} else if (reply->generation != generation) {
		rc = err_set(info, E_BUSY, "the mailbox file changes again and again");
	}
	copying->renewed_ms = clock_monotonic_ms();
	CORES_FREE(reply);
	return rc;
}

/* The file is held a little longer. */
static int copied(void *ctx, size_t bytes, struct errinfo *info)
{
	struct copying *copying = ctx;
	copying->bytes += bytes;
	return clock_monotonic_ms() - copying->renewed_ms < RENEW_MS
	           ? 0
	           : hold(copying, copying->generation, false, info);
}

/* The file at path into to, which is empty then. */
static int copy_file(struct copying *copying, const char *path, int to, struct errinfo *info)
{
	struct cli_copying file = {
		.to = to,
		.from_name = path,
		.to_name = copying->target,
		.copied = copied,
		.ctx = copying,
	};
	if (ftruncate(to, 0) != 0 || lseek(to, 0, SEEK_SET) != 0)
		return err_set(info, err_from_errno(errno), "%s: %s", copying->target, strerror(errno));
	file.from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file.from < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	int rc = cli_copy_file(&file, info);
	close(file.from);
	return rc;
}

static int create(const char *path, int *ret, struct errinfo *info)
{
	*ret = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*ret < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	return 0;
}

/* The folder is kept for when its new names are brought to the disk, which may be as another user. */
static int create_target(struct copying *copying, struct errinfo *info)
{
	char above[PATH_MAX];
	copying->folder = -1;
	int rc = create(copying->target, &copying->fd, info);
	if (rc != 0)
		return rc;
	snprintf(above, sizeof(above), "%s", copying->target);
	copying->folder = open(dirname(above), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copying->folder >= 0)
		return 0;
	rc = err_set(info, err_from_errno(errno), "%s: %s", copying->target, strerror(errno));
	close(copying->fd);
	unlink(copying->target);
	return rc;
}

static int sync_names(const struct copying *copying, struct errinfo *info)
{
	if (fsync(copying->folder) == 0)
		return 0;
	return err_set(info, err_from_errno(errno), "%s: %s", copying->target, strerror(errno));
}

static void wal_name(const char *path, char ret[WAL_NAME_SIZE])
{
	snprintf(ret, WAL_NAME_SIZE, "%s-wal", path);
}

static int copy_wal(struct copying *copying, struct errinfo *info)
{
	char from[WAL_NAME_SIZE], to[WAL_NAME_SIZE];
	int fd;
	wal_name(copying->source, from);
	wal_name(copying->target, to);
	int rc = create(to, &fd, info);
	if (rc != 0)
		return rc;
	rc = copy_file(copying, from, fd, info);
	close(fd);
	if (rc != 0)
		unlink(to);
	return rc;
}

static int attempt(struct copying *copying, struct errinfo *info)
{
	char wal[WAL_NAME_SIZE];
	copying->bytes = 0;
	int rc = hold(copying, 0, false, info);
	if (rc == 0)
		rc = copy_file(copying, copying->source, copying->fd, info);
	bool with_wal = rc == 0 && copying->wal;
	if (with_wal)
		rc = copy_wal(copying, info);
	if (rc == 0)
		rc = sync_names(copying, info);
	if (rc == 0)
		rc = hold(copying, copying->generation, true, info);
	if (rc != 0 && with_wal) {
		wal_name(copying->target, wal);
		unlink(wal);
	}
	return rc;
}

static void print_copied(const struct copying *copying)
{
	struct cli *cli = copying->cli;
	if (!cli->json) {
		buf_addf(cli->out, "%s: ", copying->target);
		cli_add_size(cli->out, copying->bytes);
		buf_addf(cli->out, "%s\n", copying->wal ? ", with the -wal that a crash has left" : "");
		return;
	}
	json_object(&cli->writer);
	json_text_field(&cli->writer, "mailbox", copying->mailbox);
	json_text_field(&cli->writer, "file", copying->target);
	json_number_field(&cli->writer, "bytes", copying->bytes);
	json_bool_field(&cli->writer, "wal", copying->wal);
	json_object_end(&cli->writer);
}

int cli_mailbox_copy(struct cli *cli, struct errinfo *info)
{
	struct copying copying = {.cli = cli, .target = cli->arguments[1]};
	if (strlen(copying.target) >= PATH_MAX - sizeof("-wal"))
		return err_set(info, E_INVALID, "the path of the copy is too long");
	/* Before we may become another user. */
	int rc = create_target(&copying, info);
	if (rc != 0)
		return rc;
	rc = find_mailbox(&copying, info);
	for (int i = 0; rc == 0 && i < ATTEMPTS_MAX; i++) {
		rc = attempt(&copying, info);
		if (rc != E_BUSY)
			break;
		rc = i + 1 < ATTEMPTS_MAX ? 0 : rc;
	}
	close(copying.fd);
	close(copying.folder);
	if (rc == 0)
		print_copied(&copying);
	else
		unlink(copying.target);
	return rc;
}
