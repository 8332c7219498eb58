#include "mail/date.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/param.h"

enum { ZONE_LIMIT = 24 * 60, DAY_SECONDS = 86400 };

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* month = "Jan" / ...; longer words count by their first three letters. 1 to 12, or 0. */
static int month_of(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(month_names) && word.len >= 3; i++)
		if (str_eq_nocase(str_slice(word, 0, 3), STR_OF(month_names[i], 3)))
			return (int)i + 1;
	return 0;
}

static bool number(struct cursor *c, uint64_t max, int *ret, size_t *ret_digits)
{
	struct cursor at = *c;
	uint64_t value;
	if (!cursor_u64(&at, max, &value))
		return false;
	if (ret_digits != NULL)
		*ret_digits = (size_t)(at.p - c->p);
	*ret = (int)value;
	*c = at;
	return true;
}

/* obs-year: two digits are 1950 to 2049, three count from 1900 (RFC 5322 section 4.3) */
static bool year(struct cursor *c, int *ret)
{
	size_t digits;
	if (!number(c, 9999, ret, &digits) || digits < 2)
		return false;
	if (digits == 2)
		*ret += *ret < 50 ? 2000 : 1900;
	else if (digits == 3)
		*ret += 1900;
	return true;
}

/* hour ":" minute [":" second]; a dot instead of the colon is met too */
static bool time_of_day(struct cursor *c, struct civil *ret)
{
	struct cursor at = *c;
	if (!number(&at, 23, &ret->hour, NULL))
		return false;
	mail_skip_cfws(&at);
	if (!cursor_byte(&at, ':') && !cursor_byte(&at, '.'))
		return false;
	mail_skip_cfws(&at);
	if (!number(&at, 59, &ret->minute, NULL))
		return false;
	mail_skip_cfws(&at);
	if (cursor_byte(&at, ':') || cursor_byte(&at, '.')) {
		mail_skip_cfws(&at);
		if (!number(&at, 60, &ret->second, NULL))
			return false;
		if (ret->second == 60)
			ret->second = 59; /* a leap second */
	}
	*c = at;
	return true;
}

/* ("+" / "-") 4DIGIT */
static bool numeric_zone(struct cursor *c, int *ret)
{
	struct cursor at = *c;
	bool minus = cursor_peek(&at) == '-';
	if (!cursor_byte(&at, '+') && !cursor_byte(&at, '-'))
		return false;
	int hhmm;
	size_t digits;
	if (!number(&at, 9999, &hhmm, &digits) || digits != 4 || hhmm % 100 > 59 || hhmm > 2359)
		return false;
	int minutes = hhmm / 100 * 60 + hhmm % 100;
	*ret = minus ? -minutes : minutes;
	*c = at;
	return true;
}

/* obs-zone: a name that RFC 5322 section 4.3 does not know is +0000 */
static int named_zone(struct str word)
{
	static const struct {
		char name[4];
		int hours;
	} zones[] = {{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6},
	             {"MDT", -6}, {"MST", -7}, {"PDT", -7}, {"PST", -8}};
	for (size_t i = 0; i < ARRAY_LEN(zones); i++)
		if (str_eq_nocase(word, STR_OF(zones[i].name, 3)))
			return zones[i].hours * 60;
	return 0;
}

static bool is_letter(char c)
{
	return ascii_is_alpha(c);
}

/* A day of the week before the date, with or without its comma */
static void skip_day_name(struct cursor *c)
{
	struct cursor at = *c;
	struct str word;
	if (!cursor_span(&at, is_letter, &word) || month_of(word) != 0)
		return;
	cursor_byte(&at, '.');
	mail_skip_cfws(&at);
	cursor_byte(&at, ',');
	mail_skip_cfws(&at);
	*c = at;
}

static void skip_separator(struct cursor *c)
{
	mail_skip_cfws(c);
	if (cursor_byte(c, '-') || cursor_byte(c, ','))
		mail_skip_cfws(c);
}

/* date = day month year, then time and zone */
static bool day_first(struct cursor *c, struct civil *civil)
{
	struct str word;
	if (!number(c, 31, &civil->day, NULL))
		return false;
	skip_separator(c);
	if (!cursor_span(c, is_letter, &word) || (civil->month = month_of(word)) == 0)
		return false;
	cursor_byte(c, '.');
	skip_separator(c);
	if (!year(c, &civil->year))
		return false;
	skip_separator(c);
	return cursor_at_end(c) || time_of_day(c, civil);
}

/* asctime(): month day time year */
static bool month_first(struct cursor *c, struct civil *civil)
{
	struct str word;
	if (!cursor_span(c, is_letter, &word) || (civil->month = month_of(word)) == 0)
		return false;
	mail_skip_cfws(c);
	if (!number(c, 31, &civil->day, NULL))
		return false;
	skip_separator(c);
	if (!time_of_day(c, civil))
		return false;
	mail_skip_cfws(c);
	return year(c, &civil->year);
}

bool mail_date_parse(struct str text, int64_t *ret_seconds, int *ret_zone)
{
	struct cursor c = cursor_of(text);
	struct civil civil = {0};
	int zone = 0;
	struct str word;
	mail_skip_cfws(&c);
	skip_day_name(&c);
	bool ok = ascii_is_digit((char)cursor_peek(&c)) ? day_first(&c, &civil)
	                                                : month_first(&c, &civil);
	if (!ok || !civil_valid(&civil))
		return false;
	mail_skip_cfws(&c);
	if (!numeric_zone(&c, &zone) && cursor_span(&c, is_letter, &word))
		zone = named_zone(word);
	*ret_seconds = civil_to_seconds(&civil) - (int64_t)zone * 60;
	*ret_zone = zone;
	return true;
}

/* The local time of day and date of an instant, and the zone, both made printable. */
static struct civil local(int64_t seconds, int *zone)
{
	static const struct civil first = {0, 1, 1, 0, 0, 0}, last = {9999, 12, 31, 23, 59, 59};
	if (*zone <= -ZONE_LIMIT || *zone >= ZONE_LIMIT)
		*zone = 0;
	if (seconds < civil_to_seconds(&first) + DAY_SECONDS)
		seconds = civil_to_seconds(&first) - (int64_t)*zone * 60;
	else if (seconds > civil_to_seconds(&last) - DAY_SECONDS)
		seconds = civil_to_seconds(&last) - (int64_t)*zone * 60;
	return civil_from_seconds(seconds + (int64_t)*zone * 60);
}

/* n as count digits, the last ones if it has more; printf would cost the front more than all else that
 * it writes about a message. */
static char *put_number(char *to, int n, size_t count)
{
	for (size_t i = count; i > 0; i--, n /= 10)
		to[i - 1] = (char)('0' + n % 10);
	return to + count;
}

static char *put_text(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}

/* Day, month and year with separator between them. */
static char *put_date(char *to, const struct civil *at, char separator)
{
	to = put_number(to, at->day, 2);
	*to++ = separator;
	to = put_text(to, month_names[at->month - 1], 3);
	*to++ = separator;
	return put_number(to, at->year, 4);
}

/* " 02:44:25 -0700" and a NUL */
static void put_time_and_zone(char *to, const struct civil *at, int zone)
{
	int minutes = zone < 0 ? -zone : zone;
	*to++ = ' ';
	to = put_number(to, at->hour, 2);
	*to++ = ':';
	to = put_number(to, at->minute, 2);
	*to++ = ':';
	to = put_number(to, at->second, 2);
	*to++ = ' ';
	*to++ = zone < 0 ? '-' : '+';
	to = put_number(to, minutes / 60 * 100 + minutes % 60, 4);
	*to = '\0';
}

void mail_date_format(int64_t seconds, int zone, char ret[MAIL_DATE_SIZE])
{
	struct civil at = local(seconds, &zone);
	char *to = put_text(ret, day_names[civil_weekday(civil_to_seconds(&at))], 3);
	to = put_text(to, ", ", 2);
	to = put_date(to, &at, ' ');
	put_time_and_zone(to, &at, zone);
}

void mail_imap_date_time_format(int64_t seconds, int zone, char ret[MAIL_IMAP_DATE_SIZE])
{
	struct civil at = local(seconds, &zone);
	put_time_and_zone(put_date(ret, &at, '-'), &at, zone);
}

static bool digits(struct cursor *c, size_t count, uint64_t max, int *ret)
{
	struct cursor at = *c;
	size_t found;
	if (!number(&at, max, ret, &found) || found != count)
		return false;
	*c = at;
	return true;
}

/* "-" date-month "-" date-year */
static bool imap_month_and_year(struct cursor *c, struct civil *civil)
{
	struct str month;
	return cursor_byte(c, '-') && cursor_take(c, 3, &month) &&
	       (civil->month = month_of(month)) != 0 && cursor_byte(c, '-') &&
	       digits(c, 4, 9999, &civil->year);
}

/* date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone */
bool mail_imap_date_time_parse(struct str text, int64_t *ret_seconds, int *ret_zone)
{
	struct cursor c = cursor_of(text);
	struct civil at = {0};
	int zone;
	size_t day_digits;
	cursor_byte(&c, ' ');
	if (!number(&c, 31, &at.day, &day_digits) || day_digits > 2 || !imap_month_and_year(&c, &at) ||
	    !cursor_byte(&c, ' ') || !digits(&c, 2, 23, &at.hour) || !cursor_byte(&c, ':') ||
	    !digits(&c, 2, 59, &at.minute) || !cursor_byte(&c, ':') || !digits(&c, 2, 60, &at.second) ||
	    !cursor_byte(&c, ' ') || !numeric_zone(&c, &zone) || !cursor_at_end(&c))
		return false;
	if (at.second == 60)
		at.second = 59;
	if (!civil_valid(&at))
		return false;
	*ret_seconds = civil_to_seconds(&at) - (int64_t)zone * 60;
	*ret_zone = zone;
	return true;
}

/* date-text = date-day "-" date-month "-" date-year */
bool mail_imap_date_parse(struct str text, int64_t *ret_days)
{
	struct cursor c = cursor_of(text);
	struct civil at = {0};
	size_t day_digits;
	if (!number(&c, 31, &at.day, &day_digits) || day_digits > 2 || !imap_month_and_year(&c, &at) ||
	    !cursor_at_end(&c) || !civil_valid(&at))
		return false;
	int64_t seconds = civil_to_seconds(&at);
	*ret_days = (seconds < 0 ? seconds - (DAY_SECONDS - 1) : seconds) / DAY_SECONDS;
	return true;
}
