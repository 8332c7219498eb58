#ifndef POSTKASSE_MAIN_SETTINGS_H
#define POSTKASSE_MAIN_SETTINGS_H

/*
 * Everything that a service starts from: the configuration and the files that it names, read once by
 * the supervisor (and by `postkasse config check`), so that no other process opens any of them.
 */

#include "base/config.h"
#include "base/error.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

enum {
	SETTINGS_FILE_MAX = 1024 * 1024, /* of a configuration, certificate or key file */
	HOST_KEY_SIZE = KEY_SIZE,
	SETTINGS_HOSTNAME_SIZE = 254, /* of a domain name with its NUL */
};

#define SETTINGS_FILE "/etc/postkasse/postkasse.conf"

struct settings {
	struct config *config;
	/* PEM text; len 0 where not configured or not needed by the roles of this host. */
	struct buf tls_certificate, tls_key;
	struct buf link_certificate, link_key, link_ca;
	struct secret *host_key; /* NULL where this host has no core */
	unsigned char
		digest[SHA256_SIZE]; /* of the configuration file, to tell whether it has changed */
};

/* Reads file (NULL: the standard one), then the environment, then every file that they name, and
 * checks that all of it fits together. crypto_init has been called. On failure *ret is empty. */
int settings_load(struct settings *ret, const char *file, char *const *environment,
                  struct errinfo *info) MUST_USE;
/* Reads everything again. What only a restart changes stays as it is, the host key included; fixed is
 * called for each such option that has another value now. On failure settings is as it was. */
int settings_reload(struct settings *settings, const char *file, char *const *environment,
                    void (*fixed)(void *ctx, const char *option), void *ctx,
                    struct errinfo *info) MUST_USE;
/* Only the configuration, for programs that need no key: defaults, the file, the environment. */
int settings_load_config(struct config **ret, const char *file, char *const *environment,
                         struct errinfo *info) MUST_USE;
/* The same of a file whose text is here already; file is its name for messages. */
int settings_parse_config(struct config **ret, const char *file, struct str text,
                          char *const *environment, struct errinfo *info) MUST_USE;
/* The digest of a configuration file, NULL for the standard one. */
int settings_digest(const char *file, unsigned char ret[SHA256_SIZE],
                    struct errinfo *info) MUST_USE;
/* What can be said of a configuration without reading another file: roles, addresses, the name. */
int settings_check(const struct config *config, struct errinfo *info) MUST_USE;
/* The name in force: hostname, or that of the machine, which must be a domain name (RFC 5321 section
 * 4.1.2), since greetings, trace headers and the certificate show it. */
int settings_hostname(const struct config *config, char ret[SETTINGS_HOSTNAME_SIZE],
                      struct errinfo *info) MUST_USE;
void settings_done(struct settings *settings);

/* Reads a file of at most SETTINGS_FILE_MAX bytes. forbidden: mode bits that it must not have (077
 * for a key that only its owner may read: then that must be root or we); what: an option's name, for
 * messages. */
int settings_read_file(struct buf *ret, const char *path, const char *what, unsigned forbidden,
                       struct errinfo *info) MUST_USE;
/* Reads the host key: HOST_KEY_SIZE bytes that nobody but the owner may read. */
int settings_read_host_key(struct secret **ret, const char *path, struct errinfo *info) MUST_USE;

/* Whether the option "roles" names the role. */
bool settings_has_role(const struct config *config, const char *role);
/* Whether it names a front, or a core. */
bool settings_has_kind(const struct config *config, bool front);

#endif
