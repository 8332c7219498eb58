#include "mail/date.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *text;
	bool ok;
	int64_t seconds;
	int zone;
} dates[] = {
	{"Mon, 23 Nov 2026 15:28:43 +0000", true, 1795447723, 0},
	{"Mon, 23 Nov 2026 16:28:43 +0100 (CET)", true, 1795447723, 60},
	{"23 Nov 2026 10:58:43 -0430", true, 1795447723, -270},
	{"Fri, 21 Nov 1997 09:55:06 -0600", true, 880127706, -360},
	{"Thu, 1 Jan 1970 00:00:00 GMT", true, 0, 0},
	{"Wed, 31 Dec 1969 19:00:00 EST", true, 0, -300},
	{"1 Jan 70 00:00 UT", true, 0, 0},
	{"1 Jan 49 00:00:00 Z", true, INT64_C(2493072000), 0},
	{"1 Jan 100 00:00:00 A", true, 946684800, 0},
	{"21 Nov 97 09:55:06 PDT", true, 880131306, -420},
	{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", true, 880127706, -360},
	{"Fri,\r\n 21\r\n Nov\r\n 1997 09:55:06 -0600", true, 880127706, -360},
	{"Friday, 21-Nov-97 09:55:06 GMT", true, 880106106, 0},
	{"Mon Nov 23 15:28:43 2026", true, 1795447723, 0},
	{"Nov 23, 15:28:43 2026 +0100", true, 1795444123, 60},
	{"29 Feb 2024 00:00:00 +0000", true, 1709164800, 0},
	{"23 November 2026 15.28.43 +0000", true, 1795447723, 0},
	{"31 Dec 2016 23:59:60 +0000", true, 1483228799, 0},
	{"23 Nov 2026", true, 1795392000, 0},
	{"23 Nov 2026 15:28:43 WEIRD", true, 1795447723, 0},
	{"23 Nov 2026 15:28:43 +9999", true, 1795447723, 0},
	{"23 Nov 2026 15:28:43 +1", true, 1795447723, 0},
	{"29 Feb 2023 00:00:00 +0000", false, 0, 0},
	{"31 Apr 2026 00:00:00 +0000", false, 0, 0},
	{"32 Jan 2026 00:00:00", false, 0, 0},
	{"23 Nov 2026 25:00:00", false, 0, 0},
	{"23 Nov 12026 15:28:43", false, 0, 0},
	{"23 Foo 2026 15:28:43", false, 0, 0},
	{"yesterday", false, 0, 0},
	{"", false, 0, 0},
	{"(((((", false, 0, 0},
	{"99999999999999999999 Nov 2026", false, 0, 0},
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		int64_t seconds = -1;
		int zone = -1;
		if (mail_date_parse(str_from(dates[i].text), &seconds, &zone) != dates[i].ok)
			fail_msg("%s", dates[i].text);
		if (dates[i].ok && (seconds != dates[i].seconds || zone != dates[i].zone))
			fail_msg("%s: %lld %d", dates[i].text, (long long)seconds, zone);
	}
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		for (size_t len = 0; len <= strlen(dates[i].text); len++) {
			char *copy MEM_AUTO = mem_copy_string(dates[i].text, len);
			int64_t seconds;
			int zone = 0;
			if (mail_date_parse(STR_OF(copy, len), &seconds, &zone))
				assert_true(zone > -24 * 60 && zone < 24 * 60);
		}
	}
}

static void test_format(void **state)
{
	static const struct {
		int64_t seconds;
		int zone;
		const char *text;
	} cases[] = {
		{0, 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
		{1795447723, 60, "Mon, 23 Nov 2026 16:28:43 +0100"},
		{1795447723, -270, "Mon, 23 Nov 2026 10:58:43 -0430"},
		{1795447723, 100000, "Mon, 23 Nov 2026 15:28:43 +0000"},
		{INT64_MAX, 0, "Fri, 31 Dec 9999 23:59:59 +0000"},
		{INT64_MIN, 0, "Sat, 01 Jan 0000 00:00:00 +0000"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[MAIL_DATE_SIZE];
		mail_date_format(cases[i].seconds, cases[i].zone, text);
		assert_string_equal(text, cases[i].text);
	}
	for (int64_t at = -2000000000; at < 4000000000; at += 99999971) {
		char text[MAIL_DATE_SIZE];
		int64_t seconds;
		int zone;
		mail_date_format(at, 90, text);
		assert_true(mail_date_parse(str_from(text), &seconds, &zone));
		assert_int_equal(seconds, at);
		assert_int_equal(zone, 90);
	}
}

static void test_imap_date_time(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t seconds;
		int zone;
	} cases[] = {
		{"17-Jul-1996 02:44:25 -0700", true, 837596665, -420},
		{" 7-Jul-1996 02:44:25 +0000", true, 836707465, 0},
		{"07-JUL-1996 02:44:25 +0000", true, 836707465, 0},
		{"7-Jul-1996 02:44:25 +0000", true, 836707465, 0},
		{"17-Jul-1996 02:44:25", false, 0, 0},
		{"17-Jul-1996 2:44:25 -0700", false, 0, 0},
		{"17-Jul-96 02:44:25 -0700", false, 0, 0},
		{"31-Feb-1996 02:44:25 -0700", false, 0, 0},
		{"17-Jul-1996 24:00:00 -0700", false, 0, 0},
		{"17-Jul-1996 02:44:25 -0700 ", false, 0, 0},
		{"17-Jux-1996 02:44:25 -0700", false, 0, 0},
		{"", false, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t seconds = 0;
		int zone = 0;
		if (mail_imap_date_time_parse(str_from(cases[i].text), &seconds, &zone) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		if (!cases[i].ok)
			continue;
		assert_int_equal(seconds, cases[i].seconds);
		assert_int_equal(zone, cases[i].zone);
		char text[MAIL_IMAP_DATE_SIZE];
		int64_t again;
		mail_imap_date_time_format(seconds, zone, text);
		assert_int_equal(strlen(text), MAIL_IMAP_DATE_SIZE - 1);
		assert_true(mail_imap_date_time_parse(str_from(text), &again, &zone));
		assert_int_equal(again, seconds);
	}
	char text[MAIL_IMAP_DATE_SIZE];
	mail_imap_date_time_format(837596665, -420, text);
	assert_string_equal(text, "17-Jul-1996 02:44:25 -0700");
	mail_imap_date_time_format(836707465, 0, text);
	assert_string_equal(text, "07-Jul-1996 02:44:25 +0000");
}

static void test_imap_date(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t days;
	} cases[] = {
		{"1-Jan-1970", true, 0},     {"2-Jan-1970", true, 1},     {"31-Dec-1969", true, -1},
		{"01-Feb-1994", true, 8797}, {"17-jul-1996", true, 9694}, {"1-Feb-94", false, 0},
		{"30-Feb-1994", false, 0},   {" 1-Feb-1994", false, 0},   {"1-Feb-1994x", false, 0},
		{"001-Feb-1994", false, 0},  {"1 Feb 1994", false, 0},    {"", false, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t days = 0;
		if (mail_imap_date_parse(str_from(cases[i].text), &days) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		if (cases[i].ok)
			assert_int_equal(days, cases[i].days);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),     cmocka_unit_test(test_cut),
		cmocka_unit_test(test_format),    cmocka_unit_test(test_imap_date_time),
		cmocka_unit_test(test_imap_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
