#ifndef POSTKASSE_MAIN_INSTALLATION_H
#define POSTKASSE_MAIN_INSTALLATION_H

/*
 * How an installation that has lost a part of itself is told from a new one. `postkasse init` makes
 *
 *     <data_dir>/installation                   which folders there are, and a check of the host key
 *     <data_dir>/directory/directory.sqlite     empty at first
 *     <data_dir>/<folder>/.postkasse            says that the folder's volume is mounted
 *
 * and nothing else ever makes any of them: what is missing later is a volume that is not mounted, a
 * restore under way, or a loss. The service then does not start, and mail is kept by whoever sends it.
 */

#include "base/config.h"
#include "base/error.h"
#include "crypto/secret.h"

/* Everything that a healthy installation has, and the host key that its files were made with.
 * E_NOT_FOUND: a part is missing; E_DENIED: another host key. The sentence in info says which and what
 * to do. *ret_recorded false: it stems from before there was a record, which is to be written once
 * all of it has worked. host_key is only read. */
int installation_check(const struct config *config, struct secret *host_key, bool *ret_recorded,
                       struct errinfo *info) MUST_USE;
/* For init: makes what is missing, unless something is there that shows that it has been lost. */
int installation_make(const struct config *config, struct secret *host_key,
                      struct errinfo *info) MUST_USE;
/* Writes the record, for the folders of the roles that run here. */
int installation_record(const struct config *config, struct secret *host_key,
                        struct errinfo *info) MUST_USE;
/* Whether data_dir holds anything that needs the host key. */
bool installation_holds_data(const struct config *config);

#endif
