/* The daily look at the certificates, over months, with the clocks as parameters. */

#include "main/expiry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/secret.h"
#include "main/cli_certificate.h"
#include "net/certificate.h"

enum { DAY_S = 24 * 60 * 60, LOG_SIZE = 4000 };

static struct {
	struct settings settings;
	struct log log;
	FILE *lines;
	int64_t not_after_s;
	int64_t due_ms;
} world;

static int set_up(void **state)
{
	struct errinfo info;
	struct buf key BUF_AUTO;
	(void)state;
	if (crypto_init(&info) != 0)
		return -1;
	buf_init(&world.settings.tls_certificate, 10000);
	buf_init_secret(&key, 10000);
	world.settings.config = config_new();
	assert_int_equal(config_parse(world.settings.config, "test",
	                              STR("tls_certificate_file = /etc/tls.pem\n"), &info),
	                 0);
	assert_int_equal(
		certificate_make("mail.example.test", &world.settings.tls_certificate, &key, &info), 0);
	assert_int_equal(
		certificate_not_after(buf_str(&world.settings.tls_certificate), &world.not_after_s, &info),
		0);
	world.lines = tmpfile();
	world.log = (struct log){
		.role = "supervisor", .fd = fileno(world.lines), .level = LOG_LEVEL_INFO};
	return world.lines == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&world.settings.tls_certificate);
	config_free(world.settings.config);
	return fclose(world.lines);
}

/* Looks with so many days and a half left, and what the log has afterwards. */
static const char *look(int64_t now_ms, int64_t days_left)
{
	static char text[LOG_SIZE];
	assert_int_equal(ftruncate(world.log.fd, 0), 0);
	lseek(world.log.fd, 0, SEEK_SET);
	expiry_look(&world.settings, &world.log, now_ms,
	            world.not_after_s - days_left * DAY_S - DAY_S / 2, &world.due_ms);
	ssize_t got = pread(world.log.fd, text, LOG_SIZE - 1, 0);
	assert_true(got >= 0);
	text[got] = '\0';
	return text;
}

static void assert_told(const char *text, const char *level, const char *event, int64_t days)
{
	char want[300];
	snprintf(want, sizeof(want),
	         "level=%s role=supervisor event=%s option=tls_certificate_file file=/etc/tls.pem "
	         "days=%lld\n",
	         level, event, (long long)days);
	assert_non_null(strstr(text, want));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* once */
}

/* From the start on once a day, not more often, and each day while it is worth a warning. */
static void once_a_day(void **state)
{
	const int64_t start_ms = 12345678;
	int64_t looks = 0;
	(void)state;
	for (int64_t day = 0; day < 45; day++) {
		int64_t now_ms = start_ms + day * EXPIRY_LOOK_MS, left = 40 - day;
		const char *text = look(now_ms, left);
		if (left >= EXPIRY_WARN_DAYS)
			assert_string_equal(text, "");
		else if (left >= 0)
			assert_told(text, "warn", "supervisor.certificate_expires", left);
		else
			assert_told(text, "error", "supervisor.certificate_expired", left);
		looks += text[0] != '\0';
		assert_int_equal(world.due_ms, now_ms + EXPIRY_LOOK_MS);
		assert_string_equal(look(now_ms, left), "");
		assert_string_equal(look(now_ms + EXPIRY_LOOK_MS - 1, left), "");
	}
	assert_int_equal(looks, 45 - (40 - EXPIRY_WARN_DAYS + 1));
}

/* A reload looks at once, and from then on counts the day. */
static void after_a_reload(void **state)
{
	(void)state;
	world.due_ms = 50 * (int64_t)EXPIRY_LOOK_MS;
	assert_string_equal(look(1000, 5), "");
	world.due_ms = 0;
	assert_told(look(1000, 5), "warn", "supervisor.certificate_expires", 5);
	assert_int_equal(world.due_ms, 1000 + EXPIRY_LOOK_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_a_day),
		cmocka_unit_test(after_a_reload),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
