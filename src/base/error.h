#ifndef POSTKASSE_BASE_ERROR_H
#define POSTKASSE_BASE_ERROR_H

/*
 * The closed list of errors of the whole project. A fallible function returns 0 or one of these;
 * the sentence for humans goes once, where the cause is known, into the caller's struct errinfo.
 * Each protocol has one table from these values to its own response codes. The values travel over
 * the link, so they are never renumbered.
 */

enum error {
	E_OK = 0,
	E_INVALID = -1,      /* malformed: syntax, a bad argument, a value out of range */
	E_TOO_LARGE = -2,    /* over a size limit, will be so again */
	E_LIMIT = -3,        /* over a count or rate limit, may pass later */
	E_NOT_FOUND = -4,    /* no such thing */
	E_EXISTS = -5,       /* there already */
	E_DENIED = -6,       /* wrong secret, or not allowed */
	E_UNAVAILABLE = -7,  /* a part of the service is away, try later */
	E_TIMEOUT = -8,      /* took longer than its deadline */
	E_IO = -9,           /* the operating system refused a read or a write */
	E_NO_SPACE = -10,    /* the volume is full */
	E_QUOTA = -11,       /* over the owner's quota */
	E_CORRUPT = -12,     /* stored data fails its check */
	E_STALE = -13,       /* refers to a state that is gone: reopen, then try again */
	E_CANCELLED = -14,   /* the asker went away */
	E_UNSUPPORTED = -15, /* understood, not offered */
	E_BUSY = -16,        /* in use by somebody else */
	E_INTERNAL = -17,    /* our own bug */
	E_AGAIN = -18,       /* incomplete: call again when there is more input or room */
	E_LAST = -18
};

/* Where the human text of a failure goes; text is UTF-8 that a terminal can be shown and holds no
 * secret, no address of a correspondent and no content of mail. */
struct errinfo {
	int error;
	char text[200];
};

/* Sets *info (may be NULL) and returns error. A text that is longer than the field loses its
 * middle; control characters and what is no UTF-8 become '?'. */
int err_set(struct errinfo *info, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A stable lower-case word for an error ("not_found"), for logs and JSON; never NULL. */
const char *err_name(int error);

/* Maps an errno value to an enum error (ENOSPC to E_NO_SPACE, EDQUOT likewise, ENOENT, ...; E_IO). */
int err_from_errno(int errnum);

#define MUST_USE __attribute__((warn_unused_result))

#endif
