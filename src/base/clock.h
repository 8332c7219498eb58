#ifndef POSTKASSE_BASE_CLOCK_H
#define POSTKASSE_BASE_CLOCK_H

/* Time: microseconds since 1970 in UTC for dates, monotonic milliseconds for deadlines. */

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { ISO8601_SIZE = 25 }; /* "2026-11-23T09:15:00.123Z" and a NUL */

int64_t clock_realtime_us(void);
int64_t clock_monotonic_ms(void);

/* ISO 8601 in UTC with milliseconds, the form in which dates are stored. Years outside 0 to 9999
 * are moved to the nearest end. */
void iso8601_format(int64_t realtime_us, char ret[ISO8601_SIZE]);
/* Reads that form (the fraction may be missing or have one to nine digits; only Z as zone). */
bool iso8601_parse(struct str text, int64_t *ret_realtime_us);

/* A civil date and time of day and back, proleptic Gregorian, without leap seconds. */
struct civil {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
};
int64_t civil_to_seconds(const struct civil *civil);
struct civil civil_from_seconds(int64_t seconds);
/* 0 is Sunday. */
int civil_weekday(int64_t seconds);
bool civil_valid(const struct civil *civil);

#endif
