#include "main/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "directory/address.h"
#include "main/kinds.h"
#include "main/listen.h"
#include "net/certificate.h"
#include "net/core_link.h"
#include "net/link_address.h"
#include "net/tls.h"

bool settings_has_role(const struct config *config, const char *role)
{
	size_t position = 0;
	struct str word;
	while (config_list_next(config, "roles", &position, &word))
		if (str_eq(word, str_from(role)))
			return true;
	return false;
}

bool settings_has_kind(const struct config *config, bool front)
{
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++)
		if (kind[i].front == front && settings_has_role(config, kind[i].name))
			return true;
	return false;
}

/* Reads to the end of the file; more than SETTINGS_FILE_MAX is E_TOO_LARGE. */
static int read_all(int fd, struct buf *ret)
{
	buf_init(ret, SETTINGS_FILE_MAX);
	for (;;) {
		char piece[4096] = {0};
		ssize_t len = read(fd, piece, sizeof(piece));
		if (len < 0 && errno == EINTR)
			continue;
		if (len > 0)
			buf_add(ret, piece, (size_t)len);
		wipe(piece, sizeof(piece));
		if (len < 0)
			return err_from_errno(errno);
		if (ret->failed)
			return E_TOO_LARGE;
		if (len == 0)
			return 0;
	}
}

int settings_read_file(struct buf *ret, const char *path, const char *what, unsigned forbidden,
                       struct errinfo *info)
{
	struct stat status;
	buf_init(ret, SETTINGS_FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(info, err_from_errno(errno), "%s: %s: %s", what, path, strerror(errno));
	int error = fstat(fd, &status) != 0 ? err_from_errno(errno) : 0;
	if (error == 0 && !S_ISREG(status.st_mode))
		error = err_set(info, E_INVALID, "%s: %s: is no regular file", what, path);
	else if (error == 0 && (status.st_mode & forbidden) != 0)
		error = err_set(info, E_DENIED, "%s: %s: has mode %04o; others may read or write it", what,
		                path, (unsigned)status.st_mode & 07777);
	else if (error == 0 && (forbidden & S_IROTH) != 0 && status.st_uid != 0 &&
	         status.st_uid != geteuid())
		error = err_set(info, E_DENIED,
		                "%s: %s: belongs to user %u, who knows it or could change it", what, path,
		                (unsigned)status.st_uid);
	else if (error == 0 && (error = read_all(fd, ret)) != 0)
		err_set(info, error, "%s: %s: cannot be read, or longer than %d bytes", what, path,
		        SETTINGS_FILE_MAX);
	close(fd);
	if (error != 0)
		buf_done_wiped(ret);
	return error;
}

int settings_read_host_key(struct secret **ret, const char *path, struct errinfo *info)
{
	struct buf text;
	*ret = NULL;
	int error = settings_read_file(&text, path, "host_key_file", 077, info);
	if (error == 0 && text.len != HOST_KEY_SIZE)
		error = err_set(info, E_INVALID, "host_key_file: %s: has %zu bytes instead of %d", path,
		                text.len, HOST_KEY_SIZE);
	if (error == 0) {
		*ret = secret_new(text.ptr, text.len);
		if (*ret == NULL)
			error = err_set(info, E_LIMIT, "host_key_file: no locked memory is left for the key");
	}
	buf_done_wiped(&text);
	return error;
}

int settings_load_config(struct config **ret, const char *file, char *const *environment,
                         struct errinfo *info)
{
	struct buf text BUF_AUTO;
	*ret = NULL;
	int error = settings_read_file(&text, file == NULL ? SETTINGS_FILE : file, "configuration",
	                               S_IWOTH, info);
	return error != 0 ? error : settings_parse_config(ret, file, buf_str(&text), environment, info);
}

int settings_digest(const char *file, unsigned char ret[SHA256_SIZE], struct errinfo *info)
{
	struct buf text BUF_AUTO;
	int error = settings_read_file(&text, file == NULL ? SETTINGS_FILE : file, "configuration",
	                               S_IWOTH, info);
	if (error == 0)
		sha256(buf_str(&text), ret);
	return error;
}

int settings_parse_config(struct config **ret, const char *file, struct str text,
                          char *const *environment, struct errinfo *info)
{
	struct config *config = config_new();
	*ret = NULL;
	int error = config_parse(config, file == NULL ? SETTINGS_FILE : file, text, info);
	if (error == 0)
		error = config_parse_environment(config, environment, info);
	if (error == 0)
		*ret = config;
	else
		config_free(config);
	return error;
}

/* Each core that such processes have links to is on this host, or its address is known. */
static int check_links(const struct config *config, const struct kind *kind, struct errinfo *info)
{
	for (size_t i = 0; kind->links[i] != NULL; i++) {
		const char *core = kind->links[i];
		if (!settings_has_role(config, core) && core_address(config, core)[0] == '\0')
			return err_set(info, E_INVALID,
			               "%s_address: must be set, since this host has the role %s and not %s",
			               core, kind->name, core);
	}
	return 0;
}

static int check_roles(const struct config *config, struct errinfo *info)
{
	size_t position = 0, count = 0;
	struct str word;
	for (; config_list_next(config, "roles", &position, &word); count++) {
		if (kind_find(word) == NULL)
			return err_set(info, E_INVALID, "roles: there is no role \"%.*s\"",
			               STR_ARG(str_slice(word, 0, 60)));
	}
	if (count == 0)
		return err_set(info, E_INVALID, "roles: names no role");
	const struct kind *kind = kinds(&count);
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++)
		if (settings_has_role(config, kind[i].name))
			error = check_links(config, &kind[i], info);
	return error;
}

/* Lists of who may do something: a word that means nothing would let nobody in, silently. */
static int check_networks(const struct config *config, const char *option, struct errinfo *info)
{
	size_t position = 0;
	struct str word;
	while (config_list_next(config, option, &position, &word)) {
		if (!link_address_valid(word))
			return err_set(info, E_INVALID,
			               "%s: \"%.*s\" is neither a numeric address nor one with a prefix length",
			               option, STR_ARG(str_slice(word, 0, 60)));
	}
	return 0;
}

/* Every address of every role, whether that role runs here or not. */
static int check_addresses(const struct config *config, struct errinfo *info)
{
	struct listen_address address;
	struct errinfo cause;
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		const struct kind_listen *listen = kind[i].listen;
		for (; listen->option != NULL; listen++) {
			size_t position = 0;
			struct str word;
			while (config_list_next(config, listen->option, &position, &word)) {
				int error = listen_address_parse(&address, word, &cause);
				if (error != 0)
					return err_set(info, error, "%s: %s", listen->option, cause.text);
			}
		}
	}
	for (size_t i = 0; i < count; i++) {
		const char *text = kind[i].front ? "" : core_address(config, kind[i].name);
		int error = *text == '\0' ? 0 : listen_address_parse(&address, str_from(text), &cause);
		if (error != 0)
			return err_set(info, error, "%s_address: %s", kind[i].name, cause.text);
	}
	int error = check_networks(config, "link_allowed_addresses", info);
	return error != 0 ? error : check_networks(config, "auth_without_tls_from", info);
}

static bool is_set(const struct config *config, const char *option)
{
	return config_text(config, option)[0] != '\0';
}

int settings_hostname(const struct config *config, char ret[SETTINGS_HOSTNAME_SIZE],
                      struct errinfo *info)
{
	char machine[SETTINGS_HOSTNAME_SIZE] = "";
	struct str name = str_from(config_text(config, "hostname"));
	if (name.len == 0) {
		if (gethostname(machine, sizeof(machine) - 1) != 0 ||
		    domain_normalize(str_from(machine), ret, info) != 0)
			return err_set(info, E_INVALID,
			               "hostname: must be set; the machine's name \"%.60s\" is none for mail",
			               machine);
		return 0;
	}
	if (domain_normalize(name, ret, info) != 0)
		return err_set(info, E_INVALID, "hostname: \"%.*s\" is not a domain name",
		               STR_ARG(str_slice(name, 0, 60)));
	if (!str_eq_nocase(name, str_from(ret)))
		return err_set(info, E_INVALID, "hostname: must be written %s", ret);
	return 0;
}

int settings_check(const struct config *config, struct errinfo *info)
{
	char hostname[SETTINGS_HOSTNAME_SIZE];
	int error = check_roles(config, info);
	if (error == 0)
		error = check_addresses(config, info);
	return error == 0 ? settings_hostname(config, hostname, info) : error;
}

static bool list_is_set(const struct config *config, const char *option)
{
	size_t position = 0;
	struct str word;
	return config_list_next(config, option, &position, &word);
}

/* Whether processes of that kind are one end of links over TLS. */
static bool links_over_tls(const struct config *config, const struct kind *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kind->listen) && kind->listen[i].socket != NULL; i++)
		if (strcmp(kind->listen[i].socket, "link-tls") == 0 &&
		    list_is_set(config, kind->listen[i].option))
			return true;
	for (size_t i = 0; kind->links[i] != NULL; i++)
		if (core_address(config, kind->links[i])[0] != '\0')
			return true;
	return false;
}

/* Every role of this host that has such links must stand in the certificate. */
static int check_link_roles(const struct settings *settings, bool *ret_any, struct errinfo *info)
{
	size_t count;
	const struct kind *all = kinds(&count);
	struct str certificate = buf_str(&settings->link_certificate);
	*ret_any = false;
	for (size_t i = 0; i < count; i++) {
		if (!settings_has_role(settings->config, all[i].name) ||
		    !links_over_tls(settings->config, &all[i]))
			continue;
		*ret_any = true;
		if (certificate.len > 0 && !certificate_has_role(certificate, all[i].name))
			return err_set(info, E_INVALID,
			               "link_tls_certificate_file: %s: not for the role %s, see postkasse link "
			               "certificate",
			               config_text(settings->config, "link_tls_certificate_file"), all[i].name);
	}
	return 0;
}

/* The names in an error of OpenSSL's, which sees the text of files only. */
static int tls_failed(const struct config *config, int error, const char *certificate,
                      const char *key, const char *ca, const struct errinfo *cause,
                      struct errinfo *info)
{
	struct buf text BUF_AUTO;
	const char *const options[] = {certificate, key, ca};
	buf_init(&text, sizeof(info->text) * 8);
	buf_add_text(&text, cause->text);
	for (size_t i = 0; i < ARRAY_LEN(options) && options[i] != NULL; i++)
		buf_addf(&text, "%s%s: %s", i == 0 ? " (" : ", ", options[i],
		         config_text(config, options[i]));
	buf_add_text(&text, ")");
	return err_set(info, error, "%.*s", STR_ARG(buf_str(&text)));
}

static int load_pem(const struct config *config, const char *option, bool is_key, struct buf *ret,
                    struct errinfo *info)
{
	if (!is_set(config, option))
		return err_set(info, E_INVALID, "%s: must be set", option);
	return settings_read_file(ret, config_text(config, option), option, is_key ? 007 : 0, info);
}

static int load_client_tls(struct settings *settings, struct errinfo *info)
{
	const struct config *config = settings->config;
	if (!settings_has_kind(config, true) || !is_set(config, "tls_certificate_file"))
		return 0;
	int error = load_pem(config, "tls_certificate_file", false, &settings->tls_certificate, info);
	if (error == 0)
		error = load_pem(config, "tls_key_file", true, &settings->tls_key, info);
	if (error != 0)
		return error;
	struct tls_context *context = NULL;
	struct errinfo cause;
	error = tls_server_new(&context, buf_str(&settings->tls_certificate),
	                       buf_str(&settings->tls_key), &cause);
	tls_context_free(context);
	return error == 0 ? 0
	                  : tls_failed(config, error, "tls_certificate_file", "tls_key_file", NULL,
	                               &cause, info);
}

static int load_link_tls(struct settings *settings, struct errinfo *info)
{
	const struct config *config = settings->config;
	bool needed;
	int error = check_link_roles(settings, &needed, info);
	if (error != 0 || !needed)
		return error;
	error = load_pem(config, "link_tls_certificate_file", false, &settings->link_certificate, info);
	if (error == 0)
		error = load_pem(config, "link_tls_key_file", true, &settings->link_key, info);
	if (error == 0)
		error = load_pem(config, "link_tls_ca_file", false, &settings->link_ca, info);
	if (error != 0)
		return error;
	struct tls_context *context = NULL;
	struct errinfo cause;
	error = tls_mutual_new(&context, true, buf_str(&settings->link_certificate),
	                       buf_str(&settings->link_key), buf_str(&settings->link_ca), &cause);
	tls_context_free(context);
	if (error != 0)
		return tls_failed(config, error, "link_tls_certificate_file", "link_tls_key_file",
		                  "link_tls_ca_file", &cause, info);
	return check_link_roles(settings, &needed, info);
}

/* Writes down what depends on this machine, so that processes in a sandbox need not find it out. */
static int fill_in(struct config *config, struct errinfo *info)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 1024);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	processors = processors < 1 ? 1 : processors > 64 ? 64 : processors;
	if (config_number(config, "imap_processes") == 0)
		buf_addf(&text, "imap_processes = %ld\n", processors);
	if (config_number(config, "store_workers") == 0)
		buf_addf(&text, "store_workers = %ld\n", processors < 2 ? 4 : 2 * processors);
	char hostname[SETTINGS_HOSTNAME_SIZE];
	int error = settings_hostname(config, hostname, info);
	if (error != 0)
		return error;
	if (!is_set(config, "hostname"))
		buf_addf(&text, "hostname = %s\n", hostname);
	return config_parse(config, "machine", buf_str(&text), info);
}

/* What the options say, before any file that they name is read. */
static int load_options(struct settings *ret, const char *file, char *const *environment,
                        struct errinfo *info)
{
	*ret = (struct settings){0};
	int error = settings_load_config(&ret->config, file, environment, info);
	if (error == 0)
		error = settings_digest(file, ret->digest, info);
	if (error == 0)
		error = settings_check(ret->config, info);
	if (error == 0)
		error = fill_in(ret->config, info);
	return error;
}

static int load_files(struct settings *ret, struct errinfo *info)
{
	int error = load_client_tls(ret, info);
	if (error == 0)
		error = load_link_tls(ret, info);
	if (error == 0 && settings_has_kind(ret->config, false))
		error = settings_read_host_key(&ret->host_key, config_text(ret->config, "host_key_file"),
		                               info);
	return error;
}

int settings_load(struct settings *ret, const char *file, char *const *environment,
                  struct errinfo *info)
{
	int error = load_options(ret, file, environment, info);
	if (error == 0)
		error = load_files(ret, info);
	if (error != 0)
		settings_done(ret);
	return error;
}

/* Without the key that they were made under, the files of the cores could not be read. */
static bool same_host_key(struct settings *a, struct settings *b)
{
	if (a->host_key == NULL || b->host_key == NULL)
		return a->host_key == b->host_key;
	bool same = secret_len(a->host_key) == secret_len(b->host_key) &&
	            equal_constant_time(secret_open(a->host_key), secret_open(b->host_key),
	                                secret_len(a->host_key));
	secret_close(a->host_key);
	secret_close(b->host_key);
	return same;
}

int settings_reload(struct settings *settings, const char *file, char *const *environment,
                    void (*fixed)(void *ctx, const char *option), void *ctx, struct errinfo *info)
{
	struct settings now;
	int error = load_options(&now, file, environment, info);
	if (error == 0) {
		/* Before the files are read: which ones are needed follows from what stays, too. */
		config_keep_fixed(now.config, settings->config, fixed, ctx);
		error = load_files(&now, info);
	}
	if (error != 0) {
		settings_done(&now);
		return error;
	}
	if (!same_host_key(settings, &now))
		fixed(ctx, "host_key_file");
	struct secret *unused = now.host_key;
	now.host_key = settings->host_key;
	settings->host_key = unused;
	settings_done(settings);
	*settings = now;
	return 0;
}

void settings_done(struct settings *settings)
{
	config_free(settings->config);
	buf_done(&settings->tls_certificate);
	buf_done_wiped(&settings->tls_key);
	buf_done(&settings->link_certificate);
	buf_done_wiped(&settings->link_key);
	buf_done(&settings->link_ca);
	secret_free(settings->host_key);
	*settings = (struct settings){0};
}
