#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "main/cli_certificate.h"
#include "main/cli_cores.h"
#include "main/cli_internal.h"
#include "main/folders.h"
#include "main/settings.h"

#include "directory.pb-c.h"

/*
 * init: makes what is missing and leaves alone what is there, so that it can be given again at any
 * time, also after it was interrupted: every file appears whole under its name or not at all.
 */

enum { PATH_SIZE = 4096 };

/* What was made, for the report. */
struct made {
	bool config, host_key, certificate;
};

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* mkdir -p; folders above stay as they are. */
static int make_folder(const char *path, mode_t mode, struct errinfo *info)
{
	char step[PATH_SIZE];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(step))
		return err_set(info, E_INVALID, "a path is empty or too long");
	memcpy(step, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (step[i] != '/' && step[i] != '\0')
			continue;
		step[i] = '\0';
		if (mkdir(step, path[i] == '\0' ? mode : 0755) != 0 && errno != EEXIST)
			return err_set(info, err_from_errno(errno), "%s: %s", step, strerror(errno));
		step[i] = path[i];
	}
	return 0;
}

static int make_folder_above(const char *path, struct errinfo *info)
{
	char *copy MEM_AUTO = str_dup(str_from(path));
	return make_folder(dirname(copy), 0755, info);
}

static int write_whole(int fd, struct str text)
{
	for (size_t at = 0; at < text.len;) {
		ssize_t done = write(fd, text.ptr + at, text.len - at);
		if (done < 0 && errno != EINTR)
			return -1;
		at += done > 0 ? (size_t)done : 0;
	}
	return fsync(fd);
}

static int sync_folder_above(const char *path)
{
	char *copy MEM_AUTO = str_dup(str_from(path));
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Never replaces: link() fails where something is, whoever put it there meanwhile. */
static int write_file(const char *path, mode_t mode, struct str text, struct errinfo *info)
{
	char temporary[PATH_SIZE];
	int len = snprintf(temporary, sizeof(temporary), "%s.new-XXXXXX", path);
	if (len < 0 || (size_t)len >= sizeof(temporary))
		return err_set(info, E_INVALID, "a path is too long");
	int rc = make_folder_above(path, info);
	if (rc != 0)
		return rc;
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fchmod(fd, mode) != 0 || write_whole(fd, text) != 0 || link(temporary, path) != 0 ||
	    sync_folder_above(path) != 0)
		rc = err_set(info, err_from_errno(errno), "%s: %s", path, strerror(errno));
	close(fd);
	(void)unlink(temporary);
	return rc;
}

/* ---------------------------------------------------------------- the files */

static void add_hostname(struct buf *out, const char *given)
{
	char name[256] = "";
	if (given != NULL)
		buf_add_text(out, given);
	else if (gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0')
		buf_add_text(out, name);
	else
		buf_add_text(out, "localhost");
}

/* A comment for every option with its default, so that the file is its own manual. */
static int write_config(struct cli *cli, const char *path, struct errinfo *info)
{
	struct buf text BUF_AUTO;
	size_t count;
	const char *section = "";
	const struct config_option *options = config_options(&count);
	buf_init(&text, SETTINGS_FILE_MAX);
	buf_add_text(&text, "# The configuration of postkasse: see postkasse.conf(5).\n"
	                    "# What is commented out stands at its default.\n");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, options[i].section) != 0)
			buf_addf(&text, "\n# ---- %s ----\n", options[i].section);
		section = options[i].section;
		buf_addf(&text, "\n# %s\n", options[i].sentence);
		if (strcmp(options[i].name, "hostname") == 0 && cli_given(cli, CLI_OPTION_HOSTNAME))
			buf_addf(&text, "hostname = %s\n", cli->values[CLI_OPTION_HOSTNAME]);
		else
			buf_addf(&text, "# %s = %s\n", options[i].name, options[i].standard);
	}
	if (text.failed)
		return err_set(info, E_TOO_LARGE, "the configuration is too long");
	return write_file(path, 0644, buf_str(&text), info);
}

static int make_config(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *path = cli->values[CLI_OPTION_CONFIG];
	path = path == NULL ? SETTINGS_FILE : path;
	if (!exists(path)) {
		int rc = write_config(cli, path, info);
		if (rc != 0)
			return rc;
		made->config = true;
	}
	return cli_load_config(cli, info);
}

static int make_host_key(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *path = config_text(cli->config, "host_key_file");
	struct key32 key KEY32_AUTO;
	if (exists(path))
		return 0;
	key32_random(&key);
	int rc = write_file(path, 0400, STR_OF(key.bytes, KEY_SIZE), info);
	made->host_key = rc == 0;
	return rc;
}

static int make_certificate(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *certificate_path = config_text(cli->config, "tls_certificate_file");
	const char *key_path = config_text(cli->config, "tls_key_file");
	struct buf name BUF_AUTO, certificate BUF_AUTO, key __attribute__((cleanup(buf_done_wiped)));
	buf_init(&name, 300);
	buf_init(&certificate, SETTINGS_FILE_MAX);
	buf_init(&key, SETTINGS_FILE_MAX);
	if (certificate_path[0] == '\0' || exists(certificate_path))
		return 0;
	const char *configured = config_text(cli->config, "hostname");
	add_hostname(&name, configured[0] != '\0' ? configured : cli->values[CLI_OPTION_HOSTNAME]);
	buf_add_byte(&name, '\0');
	if (name.failed)
		return err_set(info, E_INVALID, "hostname: is too long");
	/* A key without a certificate may be somebody's own, or left over from here: it stays. */
	bool has_key = exists(key_path);
	int rc = has_key ? settings_read_file(&key, key_path, "tls_key_file", 007, info) : 0;
	if (rc == 0)
		rc = certificate_make(name.ptr, &certificate, &key, info);
	if (rc == 0 && !has_key)
		rc = write_file(key_path, 0600, buf_str(&key), info);
	if (rc == 0)
		rc = write_file(certificate_path, 0644, buf_str(&certificate), info);
	made->certificate = rc == 0;
	return rc;
}

/* ---------------------------------------------------------------- the directory */

static int add_domain(struct cli *cli, const char *domain, struct errinfo *info)
{
	Pk__DomainRequest request = PK__DOMAIN_REQUEST__INIT;
	ProtobufCMessage *message;
	request.name = (char *)(uintptr_t)domain;
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_ADD, &request.base,
	                         &pk__domain_reply__descriptor, &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return rc == E_EXISTS ? 0 : rc;
}

static int add_alias(struct cli *cli, const char *address, struct errinfo *info)
{
	Pk__AliasAddRequest request = PK__ALIAS_ADD_REQUEST__INIT;
	ProtobufCMessage *message;
	const char *at = strrchr(address, '@');
	int rc = at == NULL ? 0 : add_domain(cli, at + 1, info);
	request.address = (char *)(uintptr_t)address;
	if (rc == 0)
		rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_ADD, &request.base,
		                     &pk__alias_reply__descriptor, &message, info);
	else
		message = NULL;
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	if (rc != 0 && rc != E_EXISTS)
		return rc;
	rc = cli_first_password(cli, address, info);
	return rc == E_EXISTS ? 0 : rc;
}

/* Opening the list creates the database where there is none. */
static int fill_directory(struct cli *cli, struct errinfo *info)
{
	Pk__ListRequest request = PK__LIST_REQUEST__INIT;
	ProtobufCMessage *message;
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_LIST, &request.base,
	                         &pk__domain_list_reply__descriptor, &message, info);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	if (rc == 0 && cli_given(cli, CLI_OPTION_DOMAIN))
		rc = add_domain(cli, cli->values[CLI_OPTION_DOMAIN], info);
	if (rc == 0 && cli_given(cli, CLI_OPTION_ALIAS))
		rc = add_alias(cli, cli->values[CLI_OPTION_ALIAS], info);
	return rc;
}

/* ---------------------------------------------------------------- init */

static void report(struct cli *cli, const struct made *made)
{
	const char *file = cli->values[CLI_OPTION_CONFIG];
	file = file == NULL ? SETTINGS_FILE : file;
	const struct {
		const char *name, *path;
		bool made;
	} rows[] = {
		{"configuration", file, made->config},
		{"host_key", config_text(cli->config, "host_key_file"), made->host_key},
		{"certificate", config_text(cli->config, "tls_certificate_file"), made->certificate},
	};
	struct json *json = &cli->writer;
	for (size_t i = 0; i < ARRAY_LEN(rows) && !cli->json; i++)
		fprintf(cli->error, "%-14s %s%s\n", rows[i].name, rows[i].path,
		        rows[i].made ? " (made)" : "");
	/* With --alias the one JSON object is that of the password. */
	if (!cli->json || cli_given(cli, CLI_OPTION_ALIAS))
		return;
	json_object(json);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_name(json, rows[i].name);
		json_object(json);
		json_text_field(json, "path", rows[i].path);
		json_bool_field(json, "made", rows[i].made);
		json_object_end(json);
	}
	json_text_field(json, "data_dir", config_text(cli->config, "data_dir"));
	json_object_end(json);
}

int cli_init(struct cli *cli, struct errinfo *info)
{
	struct made made = {0};
	int rc = make_config(cli, &made, info);
	if (rc == 0)
		rc = make_host_key(cli, &made, info);
	if (rc == 0)
		rc = make_certificate(cli, &made, info);
	if (rc == 0)
		rc = make_folder(config_text(cli->config, "data_dir"), 0700, info);
	if (rc == 0 && settings_has_role(cli->config, "directory"))
		rc = fill_directory(cli, info);
	if (rc == 0)
		report(cli, &made);
	return rc;
}
