#include "main/installation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "main/kinds.h"
#include "main/settings.h"
#include "store/store.h"

#define RECORD         "installation"
#define DIRECTORY_FILE "directory/directory.sqlite"

enum { RECORD_MAX = 4096, NAME_SIZE = 64, KEY_TEXT_SIZE = 2 * KEY_SIZE + 1 };

/* data_dir as all functions here see it. */
struct installation {
	const struct config *config;
	const char *path;
	int fd;
	struct buf record; /* empty: there is none */
};

static void installation_done(struct installation *installation)
{
	if (installation->fd >= 0)
		close(installation->fd);
	buf_done(&installation->record);
}

#define INSTALLATION_AUTO __attribute__((cleanup(installation_done)))

static int installation_open(struct installation *ret, const struct config *config,
                             struct errinfo *info)
{
	*ret = (struct installation){.config = config, .path = config_text(config, "data_dir")};
	buf_init(&ret->record, RECORD_MAX);
	ret->fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd < 0)
		return err_set(info, err_from_errno(errno), "data_dir: %s: %s%s", ret->path,
		               strerror(errno), errno == ENOENT ? "; has postkasse init been run?" : "");
	int fd = openat(ret->fd, RECORD, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[RECORD_MAX];
	ssize_t len = fd < 0 ? (errno == ENOENT ? 0 : -1) : read(fd, text, sizeof(text));
	int errnum = errno;
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return err_set(info, err_from_errno(errnum), "%s/" RECORD ": %s", ret->path,
		               strerror(errnum));
	buf_add(&ret->record, text, (size_t)len);
	return 0;
}

/* ---------------------------------------------------------------- the record */

static bool has_line(const struct installation *installation, const char *word, const char *value)
{
	char line[2 * NAME_SIZE + KEY_TEXT_SIZE];
	int len = snprintf(line, sizeof(line), "\n%s %s\n", word, value);
	struct str record = buf_str(&installation->record);
	for (size_t i = 0; i + (size_t)len <= record.len; i++)
		if (memcmp(record.ptr + i, line, (size_t)len) == 0)
			return true;
	return false;
}

static bool is_recorded(const struct installation *installation)
{
	return installation->record.len > 0;
}

/* Tells nothing of a key of 256 random bits. */
static void key_text(struct secret *host_key, char ret[KEY_TEXT_SIZE])
{
	struct key32 check KEY32_AUTO;
	hkdf_sha256(secret_open(host_key), secret_len(host_key), STR(""),
	            STR("postkasse host key check"), &check);
	secret_close(host_key);
	hex_encode(check.bytes, KEY_SIZE, ret);
}

static int check_key(const struct installation *installation, struct secret *host_key,
                     struct errinfo *info)
{
	char text[KEY_TEXT_SIZE];
	key_text(host_key, text);
	if (!is_recorded(installation) || has_line(installation, "host_key", text))
		return 0;
	return err_set(info, E_DENIED,
	               "host_key_file: %s: is not the key that the data in %s was made with",
	               config_text(installation->config, "host_key_file"), installation->path);
}

/* ---------------------------------------------------------------- folders */

enum contents { FOLDER_MISSING, FOLDER_EMPTY, FOLDER_FILLED, FOLDER_HAS_MAILBOXES };

/* A new file system is empty although mkfs left something in it. Mailboxes lie in folders named after
 * their first two digits. */
static enum contents contents_of(const struct installation *installation, const char *name)
{
	int fd = openat(installation->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	if (entries == NULL) {
		if (fd >= 0)
			close(fd);
		return FOLDER_MISSING;
	}
	enum contents contents = FOLDER_EMPTY;
	for (struct dirent *entry;
	     contents != FOLDER_HAS_MAILBOXES && (entry = readdir(entries)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, "lost+found") == 0)
			continue;
		contents = strlen(entry->d_name) == 2 ? FOLDER_HAS_MAILBOXES : FOLDER_FILLED;
	}
	closedir(entries);
	return contents;
}

static bool has_mailboxes(const struct installation *installation)
{
	return contents_of(installation, "mailboxes") == FOLDER_HAS_MAILBOXES ||
	       contents_of(installation, "temporary") == FOLDER_HAS_MAILBOXES;
}

/* Calls visit for each folder of the roles that run here, until one fails. */
static int each_folder(struct installation *installation,
                       int (*visit)(struct installation *installation, const char *name,
                                    struct errinfo *info),
                       struct errinfo *info)
{
	size_t count;
	const struct kind *kind = kinds(&count);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (kind[i].folders == NULL || !settings_has_role(installation->config, kind[i].name))
			continue;
		for (size_t k = 0; kind[i].folders[k] != NULL && rc == 0; k++)
			rc = visit(installation, kind[i].folders[k], info);
	}
	return rc;
}

static int lost_folder(const struct installation *installation, const char *name,
                       enum contents contents, struct errinfo *info)
{
	return err_set(info, E_NOT_FOUND,
	               "data_dir: %s/%s: is %s, but this installation has one with data: is its volume "
	               "mounted? (For an empty one, make the file %s in it.)",
	               installation->path, name, contents == FOLDER_EMPTY ? "empty" : "not there",
	               STORE_FOLDER_MARKER);
}

static int check_folder(struct installation *installation, const char *name, struct errinfo *info)
{
	enum contents contents = contents_of(installation, name);
	if (has_line(installation, "folder", name) && contents <= FOLDER_EMPTY)
		return lost_folder(installation, name, contents, info);
	if (contents == FOLDER_MISSING)
		return err_set(info, E_NOT_FOUND, "data_dir: %s/%s: is not there; postkasse init makes it",
		               installation->path, name);
	return 0;
}

/* ---------------------------------------------------------------- directory.sqlite */

static int lost_directory(const struct installation *installation, struct errinfo *info)
{
	return err_set(
		info, E_NOT_FOUND,
		"data_dir: %s/" DIRECTORY_FILE ": is not there, or empty, although this "
		"installation has been in use: put it back, since without it nobody could log in "
		"and all mail would be refused",
		installation->path);
}

/* Bytes of it, or -1. */
static int64_t directory_size(const struct installation *installation)
{
	struct stat status;
	if (fstatat(installation->fd, DIRECTORY_FILE, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	return (int64_t)status.st_size;
}

static int check_directory(const struct installation *installation, struct errinfo *info)
{
	if (!settings_has_role(installation->config, "directory"))
		return 0;
	int64_t size = directory_size(installation);
	bool used = is_recorded(installation) || has_mailboxes(installation);
	if (size < 0 && !used)
		return err_set(info, E_NOT_FOUND,
		               "data_dir: %s/" DIRECTORY_FILE ": is not there; postkasse init makes it",
		               installation->path);
	/* Empty is what an init that was interrupted leaves. */
	return size > 0 || (size == 0 && !used) ? 0 : lost_directory(installation, info);
}

int installation_check(const struct config *config, struct secret *host_key, bool *ret_recorded,
                       struct errinfo *info)
{
	struct installation installation INSTALLATION_AUTO = {.fd = -1};
	*ret_recorded = false;
	int rc = installation_open(&installation, config, info);
	if (rc == 0)
		rc = check_key(&installation, host_key, info);
	if (rc == 0)
		rc = each_folder(&installation, check_folder, info);
	if (rc == 0)
		rc = check_directory(&installation, info);
	if (rc == 0)
		*ret_recorded = is_recorded(&installation);
	return rc;
}

bool installation_holds_data(const struct config *config)
{
	struct installation installation INSTALLATION_AUTO = {.fd = -1};
	struct errinfo unused;
	return installation_open(&installation, config, &unused) == 0 &&
	       (is_recorded(&installation) || directory_size(&installation) > 0 ||
	        has_mailboxes(&installation));
}

/* ---------------------------------------------------------------- making it */

static int failed(const struct installation *installation, const char *name, struct errinfo *info)
{
	return err_set(info, err_from_errno(errno), "data_dir: %s/%s: %s", installation->path, name,
	               strerror(errno));
}

static int make_empty_file(const struct installation *installation, const char *name,
                           struct errinfo *info)
{
	int fd = openat(installation->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : failed(installation, name, info);
	close(fd);
	return 0;
}

static int make_directory(const struct installation *installation, struct errinfo *info)
{
	if (directory_size(installation) >= 0)
		return 0;
	if (has_line(installation, "folder", "directory") || has_mailboxes(installation))
		return lost_directory(installation, info);
	return make_empty_file(installation, DIRECTORY_FILE, info);
}

static int make_folder(struct installation *installation, const char *name, struct errinfo *info)
{
	char marker[NAME_SIZE];
	enum contents contents = contents_of(installation, name);
	if (has_line(installation, "folder", name) && contents <= FOLDER_EMPTY)
		return lost_folder(installation, name, contents, info);
	if (mkdirat(installation->fd, name, 0700) != 0 && errno != EEXIST)
		return failed(installation, name, info);
	snprintf(marker, sizeof(marker), "%s/" STORE_FOLDER_MARKER, name);
	return make_empty_file(installation, marker, info);
}

int installation_make(const struct config *config, struct secret *host_key, struct errinfo *info)
{
	struct installation installation INSTALLATION_AUTO = {.fd = -1};
	int rc = installation_open(&installation, config, info);
	if (rc == 0)
		rc = check_key(&installation, host_key, info);
	if (rc == 0)
		rc = each_folder(&installation, make_folder, info);
	if (rc == 0 && settings_has_role(config, "directory"))
		rc = make_directory(&installation, info);
	return rc;
}

static int add_folder_line(struct installation *installation, const char *name,
                           struct errinfo *info)
{
	(void)info;
	if (!has_line(installation, "folder", name))
		buf_addf(&installation->record, "folder %s\n", name);
	return 0;
}

/* Whole under its name, or not at all. */
static int write_record(const struct installation *installation, struct errinfo *info)
{
	static const char temporary[] = RECORD ".new";
	struct str text = buf_str(&installation->record);
	int fd = openat(installation->fd, temporary,
	                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(installation, RECORD, info);
	bool good = write(fd, text.ptr, text.len) == (ssize_t)text.len && fsync(fd) == 0 &&
	            renameat(installation->fd, temporary, installation->fd, RECORD) == 0 &&
	            fsync(installation->fd) == 0;
	int rc = good ? 0 : failed(installation, RECORD, info);
	close(fd);
	return rc;
}

int installation_record(const struct config *config, struct secret *host_key, struct errinfo *info)
{
	struct installation installation INSTALLATION_AUTO = {.fd = -1};
	int rc = installation_open(&installation, config, info);
	if (rc == 0)
		rc = check_key(&installation, host_key, info);
	if (rc != 0)
		return rc;
	size_t before = installation.record.len;
	if (before == 0) {
		char text[KEY_TEXT_SIZE];
		key_text(host_key, text);
		buf_addf(&installation.record,
		         "# Made by postkasse init: what this installation has, and a check of its host "
		         "key.\nhost_key %s\n",
		         text);
	}
	rc = each_folder(&installation, add_folder_line, info);
	return rc == 0 && installation.record.len > before ? write_record(&installation, info) : rc;
}
