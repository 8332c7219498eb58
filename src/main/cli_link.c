#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "directory/address.h"
#include "main/cli_certificate.h"
#include "main/cli_internal.h"
#include "main/settings.h"
#include "net/certificate.h"
#include "net/role.h"

/*
 * link authority, link certificate: whom hosts believe on links between them. A folder holds
 *
 *     ca.pem, ca.key         the authorities that are believed, the newest first, and the newest one's key
 *     HOST.pem, HOST.key     what a host shows
 *
 * It belongs on a machine that serves nothing; hosts get ca.pem and their own two files. A file is replaced
 * in one step, and what is old goes on working until it is taken away, so that nothing has to happen
 * at the same moment on two hosts.
 */

enum {
	NAMES_MAX = 1000, /* bytes of alternative names */
	AUTHORITIES_MAX = 64 * 1024,
};

static int path_in(const struct cli *cli, const char *name, const char *end, struct buf *ret,
                   struct errinfo *info)
{
	buf_init(ret, PATH_MAX);
	buf_addf(ret, "%s/%s%s", cli->arguments[0], name, end);
	buf_add_byte(ret, '\0');
	return ret->failed ? err_set(info, E_INVALID, "the path of the folder is too long") : 0;
}

static int read_in(const struct cli *cli, const char *end, bool is_key, struct buf *ret,
                   struct errinfo *info)
{
	struct buf path BUF_AUTO;
	int rc = path_in(cli, "ca", end, &path, info);
	return rc == 0 ? settings_read_file(ret, path.ptr, path.ptr, is_key ? 077 : 0, info) : rc;
}

static int write_in(const struct cli *cli, const char *name, const char *end, bool is_key,
                    const struct buf *text, bool replace, struct errinfo *info)
{
	struct buf path BUF_AUTO;
	int rc = text->failed ? err_set(info, E_TOO_LARGE, "too much for a file") : 0;
	if (rc == 0)
		rc = path_in(cli, name, end, &path, info);
	else
		buf_init(&path, 0);
	return rc == 0 ? cli_write_file(path.ptr, is_key ? 0600 : 0644, buf_str(text), replace, info)
	               : rc;
}

/* Two at once could leave the key of one beside the certificate of the other. */
static int lock(const struct cli *cli, int *ret, struct errinfo *info)
{
	return cli_lock_folder(cli->arguments[0], "another command works in that folder", ret, info);
}

/* ---------------------------------------------------------------- link authority */

/* The first certificate of the text alone. */
static struct str newest_of(struct str authorities)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	const char *found = memmem(authorities.ptr, authorities.len, end, sizeof(end) - 1);
	size_t len = found == NULL ? authorities.len
	                           : (size_t)(found - authorities.ptr) + sizeof(end) - 1;
	return str_slice(authorities, 0, len);
}

/* The key comes first: interrupted between the two, the new authority is made again. */
static int begin_authority(const struct cli *cli, struct str old, struct errinfo *info)
{
	struct buf certificates BUF_AUTO, key __attribute__((cleanup(buf_done_wiped)));
	buf_init(&certificates, AUTHORITIES_MAX);
	buf_init_secret(&key, SETTINGS_FILE_MAX);
	int rc = certificate_make_authority(&certificates, &key, info);
	buf_add_str(&certificates, old);
	if (rc == 0)
		rc = write_in(cli, "ca", ".key", true, &key, old.len > 0, info);
	if (rc == 0)
		rc = write_in(cli, "ca", ".pem", false, &certificates, old.len > 0, info);
	return rc;
}

static int retire_old(const struct cli *cli, struct str authorities, struct errinfo *info)
{
	struct buf newest BUF_AUTO;
	buf_init(&newest, AUTHORITIES_MAX);
	buf_add_str(&newest, newest_of(authorities));
	return write_in(cli, "ca", ".pem", false, &newest, true, info);
}

static void say_authority(struct cli *cli)
{
	bool next = cli_given(cli, CLI_OPTION_NEXT), retire = cli_given(cli, CLI_OPTION_RETIRE);
	const char *what = retire ? "retired" : next ? "next" : "made";
	if (cli->json) {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "folder", cli->arguments[0]);
		json_text_field(&cli->writer, "authority", what);
		json_object_end(&cli->writer);
		return;
	}
	buf_addf(cli->out, "%s/ca.pem  for every host: link_tls_ca_file\n", cli->arguments[0]);
	if (next)
		buf_add_text(cli->out,
		             "Give it to every host, with SIGHUP; then make all certificates anew.\n");
	else if (retire)
		buf_add_text(cli->out,
		             "Give it to every host, with SIGHUP. Older certificates end with that.\n");
	else
		buf_addf(cli->out, "%s/ca.key  for no host: whoever has it may link\n", cli->arguments[0]);
}

int cli_link_authority(struct cli *cli, struct errinfo *info)
{
	bool next = cli_given(cli, CLI_OPTION_NEXT), retire = cli_given(cli, CLI_OPTION_RETIRE);
	struct buf authorities BUF_AUTO;
	int fd = -1;
	buf_init(&authorities, SETTINGS_FILE_MAX);
	if (next && retire)
		return cli_usage_failed(err_set(info, E_INVALID, "--next or --retire, not both"), info);
	int rc = next || retire ? 0 : cli_make_folder(cli->arguments[0], 0700, info);
	if (rc == 0)
		rc = lock(cli, &fd, info);
	if (rc == 0 && (next || retire))
		rc = read_in(cli, ".pem", false, &authorities, info);
	if (rc == 0)
		rc = retire ? retire_old(cli, buf_str(&authorities), info)
		            : begin_authority(cli, buf_str(&authorities), info);
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		say_authority(cli);
	return rc;
}

/* ---------------------------------------------------------------- link certificate */

static int add_addresses(const struct cli *cli, struct buf *names, struct errinfo *info)
{
	for (int i = 2; i < CLI_ARGUMENTS_MAX && cli->arguments[i] != NULL; i++) {
		unsigned char bytes[16];
		const char *address = cli->arguments[i];
		if (inet_pton(AF_INET, address, bytes) != 1 && inet_pton(AF_INET6, address, bytes) != 1)
			return err_set(info, E_INVALID, "%s: not a numeric address", address);
		buf_addf(names, ",IP:%s", address);
	}
	return 0;
}

static int add_role(struct str word, struct buf *names, struct errinfo *info)
{
	char *role MEM_AUTO = str_dup(word);
	/* The command line has no links to other hosts. */
	if (role_bit(role) == 0 || role_bit(role) == ROLE_CLI)
		return err_set(info, E_INVALID, "--role: \"%.40s\" is no role of a host", role);
	buf_addf(names, ",URI:" CERTIFICATE_ROLE "%s", role);
	return 0;
}

static int add_roles(const struct cli *cli, struct buf *names, struct errinfo *info)
{
	const char *given = cli->values[CLI_OPTION_ROLE];
	if (given == NULL)
		return err_set(info, E_INVALID, "--role: which roles has the host, such as imap,smtp?");
	int rc = 0;
	for (struct str rest = str_from(given); rc == 0 && rest.len > 0;) {
		ptrdiff_t comma = str_find_byte(rest, ',');
		struct str word = comma < 0 ? rest : str_slice(rest, 0, (size_t)comma);
		rc = add_role(str_trim(word), names, info);
		rest = comma < 0 ? STR("") : str_from_byte(rest, (size_t)comma + 1);
	}
	return rc;
}

/* As X509V3_EXT_conf_nid reads them, in which a name must not be able to write a comma. */
static int alternative_names(const struct cli *cli, struct buf *ret, struct errinfo *info)
{
	char host[ADDRESS_DOMAIN_MAX + 1];
	buf_init(ret, NAMES_MAX);
	int rc = domain_normalize(str_from(cli->arguments[1]), host, info);
	/* It becomes the name of two files as well. */
	if (rc == 0 && !str_eq(str_from(cli->arguments[1]), str_from(host)))
		rc = err_set(info, E_INVALID, "the name of the host must be written %s", host);
	if (rc == 0)
		buf_addf(ret, "DNS:%s", host);
	if (rc == 0)
		rc = add_addresses(cli, ret, info);
	if (rc == 0)
		rc = add_roles(cli, ret, info);
	buf_add_byte(ret, '\0');
	return rc == 0 && ret->failed ? err_set(info, E_INVALID, "too many roles and addresses") : rc;
}

static void say_certificate(struct cli *cli)
{
	const char *folder = cli->arguments[0], *host = cli->arguments[1];
	if (cli->json) {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "folder", folder);
		json_text_field(&cli->writer, "host", host);
		json_number_field(&cli->writer, "days", CERTIFICATE_LINK_DAYS);
		json_object_end(&cli->writer);
		return;
	}
	buf_addf(cli->out,
	         "%s/%s.pem  for %s, as link_tls_certificate_file, for %d days\n"
	         "%s/%s.key  likewise, as link_tls_key_file\n"
	         "%s/ca.pem  likewise, as link_tls_ca_file; then SIGHUP\n",
	         folder, host, host, CERTIFICATE_LINK_DAYS, folder, host, folder);
}

int cli_link_certificate(struct cli *cli, struct errinfo *info)
{
	struct buf names BUF_AUTO, authorities BUF_AUTO, certificate BUF_AUTO;
	struct buf authority_key __attribute__((cleanup(buf_done_wiped)));
	struct buf key __attribute__((cleanup(buf_done_wiped)));
	buf_init(&names, 0);
	buf_init(&authorities, SETTINGS_FILE_MAX);
	buf_init(&certificate, SETTINGS_FILE_MAX);
	buf_init_secret(&authority_key, SETTINGS_FILE_MAX);
	buf_init_secret(&key, SETTINGS_FILE_MAX);
	int fd = -1;
	int rc = alternative_names(cli, &names, info);
	if (rc == 0)
		rc = lock(cli, &fd, info);
	if (rc == 0)
		rc = read_in(cli, ".pem", false, &authorities, info);
	if (rc == 0)
		rc = read_in(cli, ".key", true, &authority_key, info);
	if (rc == 0)
		rc = certificate_make_link(buf_str(&authorities), buf_str(&authority_key), names.ptr,
		                           &certificate, &key, info);
	if (rc == 0)
		rc = write_in(cli, cli->arguments[1], ".key", true, &key, true, info);
	if (rc == 0)
		rc = write_in(cli, cli->arguments[1], ".pem", false, &certificate, true, info);
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		say_certificate(cli);
	return rc;
}
