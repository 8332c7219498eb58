#ifndef POSTKASSE_MAIN_CLI_STATUS_H
#define POSTKASSE_MAIN_CLI_STATUS_H

/* What the two files of the command status share: cli_status.c asks the supervisor, cli_status_cores.c
 * the cores. Both print as they go and collect what is wrong: a problem makes the service degraded, a
 * warning does not. */

#include "main/cli_cores.h"
#include "main/settings.h"

#include "store.pb-c.h"

struct status {
	struct cli *cli;
	struct buf problems, warnings; /* a line each */
	unsigned char digest[SHA256_SIZE];
	bool has_digest; /* of the configuration file, as it is now */
	Pk__DirectoryStatistics *directory;
	Pk__StatisticsReply *store;
};

void status_say(struct status *status, bool problem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Mailboxes that are not served, and what to do. */
int status_refused(struct status *status, struct errinfo *info) MUST_USE;
/* Mail that waited and is not there any more. */
int status_missing_mail(struct status *status, struct errinfo *info) MUST_USE;
/* Directory and store: links, figures, sessions, mail that waits, space, orphans. */
void status_of_cores(struct status *status);

#endif
