#ifndef POSTKASSE_MAIN_EXPIRY_H
#define POSTKASSE_MAIN_EXPIRY_H

/* The certificates of a configuration and how long they hold: for the log, `config check` and whoever
 * shows the state of a service. */

#include "base/log.h"
#include "main/settings.h"

enum {
	EXPIRY_MAX = 3,
	EXPIRY_WARN_DAYS = 30, /* fewer days left are worth a warning */
	EXPIRY_LOOK_MS = 24 * 60 * 60 * 1000,
};

struct expiry {
	const char *option;  /* that names the file */
	const char *path;    /* borrowed from the configuration */
	int64_t not_after_s; /* of the shortest-lived certificate in it, since 1970 */
	int64_t days;        /* left; below 0: over since then */
	bool soon;           /* or over: worth a warning */
};

/* Fills ret with those that settings has loaded; returns how many. now_s: seconds since 1970. */
size_t expiry_list(const struct settings *settings, int64_t now_s, struct expiry ret[EXPIRY_MAX]);
/* Appends a sentence about one that ends soon or has ended. */
void expiry_sentence(const struct expiry *expiry, struct buf *out);

/* Logs those that end soon or have ended: a certificate that ends unseen takes all links, or all clients,
 * with it. Does so when it is *due_ms, which is then a day later; 0: at once. now_ms is monotonic. */
void expiry_look(const struct settings *settings, const struct log *log, int64_t now_ms,
                 int64_t now_s, int64_t *due_ms);

#endif
