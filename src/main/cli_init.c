#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "directory/address.h"
#include "main/cli_certificate.h"
#include "main/cli_cores.h"
#include "main/cli_internal.h"
#include "main/installation.h"
#include "main/settings.h"

#include "directory.pb-c.h"

/*
 * init: makes what is missing and leaves alone what is there, so that it can be given again at any
 * time, also after it was interrupted: every file appears whole under its name or not at all.
 */

/* What was made, and what is there now, for the report. */
struct made {
	bool config, host_key, certificate, data;
	char domain[ADDRESS_DOMAIN_MAX + 1]; /* the first one; empty: there is none */
	bool alias;                          /* there is one */
};

/* ---------------------------------------------------------------- the files */

static const char *config_path(const struct cli *cli)
{
	const char *path = cli->values[CLI_OPTION_CONFIG];
	return path == NULL ? SETTINGS_FILE : path;
}

/* A comment for every option with its default, so that the file is its own manual. */
static void write_config(const struct cli *cli, struct buf *text)
{
	size_t count;
	const char *section = "";
	const struct config_option *options = config_options(&count);
	buf_add_text(text, "# The configuration of postkasse: see postkasse.conf(5).\n"
	                   "# What is commented out stands at its default.\n");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, options[i].section) != 0)
			buf_addf(text, "\n# ---- %s ----\n", options[i].section);
		section = options[i].section;
		buf_addf(text, "\n# %s\n", options[i].sentence);
		if (strcmp(options[i].name, "hostname") == 0 && cli_given(cli, CLI_OPTION_HOSTNAME))
			buf_addf(text, "hostname = %s\n", cli->values[CLI_OPTION_HOSTNAME]);
		else
			buf_addf(text, "# %s = %s\n", options[i].name, options[i].standard);
	}
}

/* The configuration that is there, or the one that is about to be made, whose text is then in *text. */
static int read_config(struct cli *cli, struct buf *text, struct errinfo *info)
{
	if (cli_file_there(config_path(cli)))
		return cli_load_config(cli, info);
	write_config(cli, text);
	if (text->failed)
		return err_set(info, E_TOO_LARGE, "the configuration is too long");
	int rc = settings_parse_config(&cli->config, config_path(cli), buf_str(text), environ, info);
	return rc != 0 ? cli_config_failed(rc, info) : 0;
}

static int make_config(struct cli *cli, const struct buf *text, struct made *made,
                       struct errinfo *info)
{
	if (text->len == 0)
		return 0;
	int rc = cli_write_file(config_path(cli), 0644, buf_str(text), false, info);
	made->config = rc == 0;
	return rc;
}

static int make_host_key(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *path = config_text(cli->config, "host_key_file");
	struct key32 key KEY32_AUTO;
	if (!settings_has_kind(cli->config, false) || cli_file_there(path))
		return 0;
	key32_random(&key);
	int rc = cli_write_file(path, 0400, STR_OF(key.bytes, KEY_SIZE), false, info);
	made->host_key = rc == 0;
	return rc;
}

static int make_certificate(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *certificate_path = config_text(cli->config, "tls_certificate_file");
	const char *key_path = config_text(cli->config, "tls_key_file");
	char name[SETTINGS_HOSTNAME_SIZE];
	struct buf certificate BUF_AUTO, key __attribute__((cleanup(buf_done_wiped)));
	buf_init(&certificate, SETTINGS_FILE_MAX);
	buf_init(&key, SETTINGS_FILE_MAX);
	if (!settings_has_kind(cli->config, true) || certificate_path[0] == '\0' ||
	    cli_file_there(certificate_path))
		return 0;
	/* A key without a certificate may be somebody's own, or left over from here: it stays. */
	bool has_key = cli_file_there(key_path);
	int rc = settings_hostname(cli->config, name, info);
	if (rc == 0 && has_key)
		rc = settings_read_file(&key, key_path, "tls_key_file", 007, info);
	if (rc == 0)
		rc = certificate_make(name, &certificate, &key, info);
	if (rc == 0 && !has_key)
		rc = cli_write_file(key_path, 0600, buf_str(&key), false, info);
	if (rc == 0)
		rc = cli_write_file(certificate_path, 0644, buf_str(&certificate), false, info);
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

/* Opening the list makes the tables where there are none. */
static int list_domains(struct cli *cli, struct made *made, struct errinfo *info)
{
	Pk__ListRequest request = PK__LIST_REQUEST__INIT;
	ProtobufCMessage *message;
	int rc = cores_directory(cli, PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_LIST, &request.base,
	                         &pk__domain_list_reply__descriptor, &message, info);
	if (rc != 0)
		return rc;
	Pk__DomainListReply *list = (Pk__DomainListReply *)message;
	if (list->n_domains > 0)
		snprintf(made->domain, sizeof(made->domain), "%s", list->domains[0]->name);
	for (size_t i = 0; i < list->n_domains; i++)
		made->alias = made->alias || list->domains[i]->aliases > 0;
	CORES_FREE(list);
	return 0;
}

static int fill_directory(struct cli *cli, struct made *made, struct errinfo *info)
{
	int rc = list_domains(cli, made, info);
	if (rc == 0 && cli_given(cli, CLI_OPTION_DOMAIN))
		rc = add_domain(cli, cli->values[CLI_OPTION_DOMAIN], info);
	if (rc == 0 && cli_given(cli, CLI_OPTION_ALIAS))
		rc = add_alias(cli, cli->values[CLI_OPTION_ALIAS], info);
	return rc == 0 ? list_domains(cli, made, info) : rc;
}

/* ---------------------------------------------------------------- before anything is made */

static int check_name(const char *option, const char *domain, struct errinfo *info)
{
	char normal[ADDRESS_DOMAIN_MAX + 1];
	struct errinfo cause;
	int rc = domain == NULL ? 0 : domain_normalize(str_from(domain), normal, &cause);
	return rc == 0 ? 0 : err_set(info, rc, "%s: %s", option, cause.text);
}

static int check_values(const struct cli *cli, struct errinfo *info)
{
	const char *alias = cli->values[CLI_OPTION_ALIAS];
	struct address address;
	struct errinfo cause;
	int rc = check_name("--hostname", cli->values[CLI_OPTION_HOSTNAME], info);
	if (rc == 0)
		rc = check_name("--domain", cli->values[CLI_OPTION_DOMAIN], info);
	if (rc == 0 && alias != NULL &&
	    (rc = address_normalize(str_from(alias), &address, &cause)) != 0)
		rc = err_set(info, rc, "--alias: %s", cause.text);
	return rc;
}

/* A directory is filled with the store beside it; --domain and --alias mean nothing to other hosts. */
static int check_roles(const struct cli *cli, struct errinfo *info)
{
	bool fills = settings_has_role(cli->config, "directory") || cli_given(cli, CLI_OPTION_DOMAIN) ||
	             cli_given(cli, CLI_OPTION_ALIAS);
	return fills ? cores_both_here(cli->config, info) : 0;
}

/* Whether this user may make path, or what is missing of the folders above it. */
static int check_place(const struct cli *cli, const char *option, const char *path,
                       struct errinfo *info)
{
	char *above MEM_AUTO = str_dup(str_from(path));
	const char *folder;
	if (path[0] == '\0' || cli_file_there(path))
		return 0;
	do
		folder = dirname(above);
	while (!cli_file_there(folder));
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	int rc = err_from_errno(errno);
	if (option == NULL)
		return err_set(info, rc, "%s: cannot be made in %s: %s", path, folder, strerror(errno));
	return err_set(info, rc, "%s cannot be made in %s: %s; root can, or set %s in %s first", path,
	               folder, strerror(errno), option, config_path(cli));
}

/* Another one would open nothing of what is there. */
static int check_key_lost(const struct cli *cli, struct errinfo *info)
{
	const char *path = config_text(cli->config, "host_key_file");
	if (!settings_has_kind(cli->config, false) || cli_file_there(path) ||
	    !installation_holds_data(cli->config))
		return 0;
	return err_set(info, E_NOT_FOUND,
	               "host_key_file: %s: is not there, and no other key opens the data in %s: put it "
	               "back",
	               path, config_text(cli->config, "data_dir"));
}

static int check_places(const struct cli *cli, struct errinfo *info)
{
	static const struct {
		const char *option;
		bool front; /* a host with fronts needs it; else one with cores */
	} places[] = {
		{"data_dir", false},
		{"host_key_file", false},
		{"tls_certificate_file", true},
		{"tls_key_file", true},
	};
	int rc = check_key_lost(cli, info);
	if (rc == 0)
		rc = check_place(cli, NULL, config_path(cli), info);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(places); i++)
		if (settings_has_kind(cli->config, places[i].front))
			rc = check_place(cli, places[i].option, config_text(cli->config, places[i].option),
			                 info);
	return rc;
}

/* ---------------------------------------------------------------- init */

struct row {
	const char *name, *path; /* path NULL: this host needs none */
	bool made;
};

static void report_json(struct cli *cli, const struct row *rows, size_t count)
{
	struct json *json = &cli->writer;
	/* Stays open: with --alias the password follows in the same object. */
	json_object(json);
	for (size_t i = 0; i < count; i++) {
		json_name(json, rows[i].name);
		if (rows[i].path == NULL) {
			json_null(json);
			continue;
		}
		json_object(json);
		json_text_field(json, "path", rows[i].path);
		json_bool_field(json, "made", rows[i].made);
		json_object_end(json);
	}
}

static void report(struct cli *cli, const struct made *made)
{
	const struct config *config = cli->config;
	const struct row rows[] = {
		{"configuration", config_path(cli), made->config},
		{"host_key",
	     settings_has_kind(cli->config, false) ? config_text(config, "host_key_file") : NULL,
	     made->host_key},
		{"certificate",
	     settings_has_kind(cli->config, true) ? config_text(config, "tls_certificate_file") : NULL,
	     made->certificate},
		{"data", settings_has_kind(cli->config, false) ? config_text(config, "data_dir") : NULL,
	     made->data},
	};
	if (cli->json) {
		report_json(cli, rows, ARRAY_LEN(rows));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].path != NULL && rows[i].path[0] != '\0')
			buf_addf(cli->out, "%-14s %s%s\n", rows[i].name, rows[i].path,
			         rows[i].made ? " (made)" : "");
}

static void next_steps_in_dns(struct cli *cli, const char *domain)
{
	char host[SETTINGS_HOSTNAME_SIZE];
	if (settings_hostname(cli->config, host, NULL) != 0)
		return;
	buf_addf(
		cli->out,
		"In the DNS, for mail to come in:\n"
		"  %s.  A and AAAA  the public addresses of this host\n"
		"  %s.  MX          10 %s.\n"
		"  PTR of these addresses:  %s.\n"
		"Port 25 must be open from everywhere; many providers close it until they are asked.\n",
		host, domain, host, host);
	if (strchr(host, '.') == NULL)
		buf_addf(cli->out, "\"%s\" is no name of the DNS: set hostname in %s.\n", host,
		         config_path(cli));
}

/* What is still to be done until mail comes in. */
static void next_steps(struct cli *cli, const struct made *made)
{
	const char *file = cli->values[CLI_OPTION_CONFIG];
	const char *option = file == NULL ? "" : "--config ", *blank = file == NULL ? "" : " ";
	file = file == NULL ? "" : file;
	const char *domain = made->domain[0] == '\0' ? "example.org" : made->domain;
	buf_add_text(cli->out, "\nNext:\n");
	if (settings_has_role(cli->config, "directory") && made->domain[0] == '\0')
		buf_addf(cli->out, "  postkasse %s%s%sdomain add %s\n", option, file, blank, domain);
	if (settings_has_role(cli->config, "directory") && !made->alias)
		buf_addf(cli->out, "  postkasse %s%s%salias add you@%s --password\n", option, file, blank,
		         domain);
	buf_addf(cli->out, "  postkasse %s%s%sserve\n", option, file, blank);
	if (settings_has_role(cli->config, "smtp"))
		next_steps_in_dns(cli, domain);
}

static int make_data(struct cli *cli, struct made *made, struct errinfo *info)
{
	const char *path = config_text(cli->config, "data_dir");
	if (!settings_has_kind(cli->config, false) || cli_file_there(path))
		return 0;
	int rc = cli_make_folder(path, 0700, info);
	made->data = rc == 0;
	return rc;
}

static int make(struct cli *cli, const struct buf *config_file, struct made *made,
                struct errinfo *info)
{
	int rc = make_config(cli, config_file, made, info);
	if (rc == 0)
		rc = make_host_key(cli, made, info);
	if (rc == 0)
		rc = make_certificate(cli, made, info);
	if (rc == 0)
		rc = make_data(cli, made, info);
	return rc;
}

/* The folders of the cores; and, recorded once all of it works, that they are there. */
static int make_installation(struct cli *cli, bool record, struct errinfo *info)
{
	struct secret *host_key;
	if (!settings_has_kind(cli->config, false))
		return 0;
	int rc = settings_read_host_key(&host_key, config_text(cli->config, "host_key_file"), info);
	if (rc == 0)
		rc = record ? installation_record(cli->config, host_key, info)
		            : installation_make(cli->config, host_key, info);
	secret_free(host_key);
	return rc;
}

int cli_init(struct cli *cli, struct errinfo *info)
{
	struct made made = {0};
	struct buf config_file BUF_AUTO;
	buf_init(&config_file, SETTINGS_FILE_MAX);
	int rc = check_values(cli, info);
	if (rc == 0)
		rc = read_config(cli, &config_file, info);
	if (rc == 0 && (rc = settings_check(cli->config, info)) != 0)
		(void)cli_config_failed(rc, info);
	if (rc == 0)
		rc = check_roles(cli, info);
	if (rc == 0)
		rc = check_places(cli, info);
	if (rc == 0)
		rc = make(cli, &config_file, &made, info);
	if (rc == 0)
		rc = make_installation(cli, false, info);
	if (rc != 0)
		return rc;
	report(cli, &made);
	if (settings_has_role(cli->config, "directory"))
		rc = fill_directory(cli, &made, info);
	if (rc == 0)
		rc = make_installation(cli, true, info);
	if (rc != 0) {
		buf_clear(cli->out);
		return rc;
	}
	if (!cli->json)
		next_steps(cli, &made);
	else if (cli->writer.depth > 0)
		json_object_end(&cli->writer);
	return 0;
}
