#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/must.h"

int64_t clock_realtime_us(void)
{
	struct timespec now;
	must(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
	struct timespec now;
	must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Days since 1970-01-01, counting years from March so that the leap day comes last. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

int64_t civil_to_seconds(const struct civil *civil)
{
	int64_t days = days_from_civil(civil->year, civil->month, civil->day);
	return ((days * 24 + civil->hour) * 60 + civil->minute) * 60 + civil->second;
}

struct civil civil_from_seconds(int64_t seconds)
{
	int64_t days = seconds / 86400;
	int64_t rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	                       day_of_era / 146096) /
	                      365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_index = (5 * day_of_year + 2) / 153;
	int month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
	return (struct civil){
		.year = (int)(year_of_era + era * 400 + (month <= 2)),
		.month = month,
		.day = (int)(day_of_year - (153 * month_index + 2) / 5 + 1),
		.hour = (int)(rest / 3600),
		.minute = (int)(rest / 60 % 60),
		.second = (int)(rest % 60),
	};
}

int civil_weekday(int64_t seconds)
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0);
	return (int)(((days + 4) % 7 + 7) % 7);
}

bool civil_valid(const struct civil *civil)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (civil->month < 1 || civil->month > 12 || civil->day < 1)
		return false;
	bool leap = civil->year % 4 == 0 && (civil->year % 100 != 0 || civil->year % 400 == 0);
	int length = civil->month == 2 && !leap ? 28 : lengths[civil->month - 1];
	return civil->day <= length && civil->hour >= 0 && civil->hour <= 23 && civil->minute >= 0 &&
	       civil->minute <= 59 && civil->second >= 0 && civil->second <= 60;
}

void iso8601_format(int64_t realtime_us, char ret[ISO8601_SIZE])
{
	const int64_t first = -62167219200; /* 0000-01-01 */
	const int64_t last = 253402300799;  /* 9999-12-31 */
	int64_t seconds = realtime_us / 1000000 - (realtime_us % 1000000 < 0);
	int64_t ms = (realtime_us % 1000000 + 1000000) % 1000000 / 1000;
	if (seconds < first || seconds > last) {
		seconds = seconds < first ? first : last;
		ms = 0;
	}
	struct civil c = civil_from_seconds(seconds);
	char text[80];
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day,
	         c.hour, c.minute, c.second, (int)ms);
	for (int i = 0; i < ISO8601_SIZE; i++)
		ret[i] = text[i];
}

static bool digits(struct cursor *c, int count, int *ret)
{
	struct str text;
	uint64_t n;
	if (!cursor_take(c, (size_t)count, &text) || !str_to_u64(text, 9999, &n))
		return false;
	*ret = (int)n;
	return true;
}

static bool fraction(struct cursor *c, int64_t *ret_us)
{
	int64_t us = 0, unit = 100000;
	int count = 0;
	for (; cursor_peek(c) >= '0' && cursor_peek(c) <= '9'; count++, unit /= 10)
		us += (*c->p++ - '0') * unit;
	*ret_us = us;
	return count >= 1 && count <= 9;
}

bool iso8601_parse(struct str text, int64_t *ret_realtime_us)
{
	struct cursor c = cursor_of(text);
	struct civil civil;
	int64_t us = 0;
	if (!digits(&c, 4, &civil.year) || !cursor_byte(&c, '-') || !digits(&c, 2, &civil.month) ||
	    !cursor_byte(&c, '-') || !digits(&c, 2, &civil.day) || !cursor_byte(&c, 'T') ||
	    !digits(&c, 2, &civil.hour) || !cursor_byte(&c, ':') || !digits(&c, 2, &civil.minute) ||
	    !cursor_byte(&c, ':') || !digits(&c, 2, &civil.second))
		return false;
	if (cursor_byte(&c, '.') && !fraction(&c, &us))
		return false;
	if (!cursor_byte(&c, 'Z') || !cursor_at_end(&c) || !civil_valid(&civil))
		return false;
	*ret_realtime_us = civil_to_seconds(&civil) * 1000000 + us;
	return true;
}
