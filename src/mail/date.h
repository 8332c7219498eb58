#ifndef POSTKASSE_MAIL_DATE_H
#define POSTKASSE_MAIL_DATE_H

/* Dates: of header fields (RFC 5322 section 3.3 and its obsolete forms), of IMAP (RFC 9051 section 9:
 * date-time, date). An instant is seconds since 1970 in UTC, a zone is minutes east of UTC. */

#include "base/str.h"

enum {
	MAIL_DATE_SIZE = 32,      /* "Mon, 23 Nov 2026 15:28:43 +0000" and a NUL */
	MAIL_IMAP_DATE_SIZE = 27, /* "17-Jul-1996 02:44:25 -0700" and a NUL */
};

/* Reads a Date: field, folded or not. Tolerant: names of days are not checked, seconds and zone may be
 * missing (0), years may have two or three digits, asctime() order is understood. A zone of letters
 * that is not in RFC 5322 section 4.3, a military one, and "-0000" count as +0000. */
bool mail_date_parse(struct str text, int64_t *ret_seconds, int *ret_zone);
/* Writes the form of RFC 5322. Years outside 0 to 9999 are moved to the nearest end, zones outside of
 * a day to +0000. */
void mail_date_format(int64_t seconds, int zone, char ret[MAIL_DATE_SIZE]);

/* date-time without its quotes: "17-Jul-1996 02:44:25 -0700", the day " 7" or "07" */
bool mail_imap_date_time_parse(struct str text, int64_t *ret_seconds, int *ret_zone);
void mail_imap_date_time_format(int64_t seconds, int zone, char ret[MAIL_IMAP_DATE_SIZE]);
/* date-text: "1-Feb-1994"; days since 1970. */
bool mail_imap_date_parse(struct str text, int64_t *ret_days);

#endif
