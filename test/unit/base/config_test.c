#include "base/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

static void table_is_sound(void **state)
{
	(void)state;
	size_t count;
	const struct config_option *options = config_options(&count);
	assert_true(count > 30);
	for (size_t i = 0; i < count; i++) {
		assert_true(options[i].reload == CONFIG_RELOADS || options[i].reload == CONFIG_RESTARTS);
		assert_true(strlen(options[i].sentence) > 10);
		assert_int_equal(options[i].sentence[strlen(options[i].sentence) - 1], '.');
		for (size_t k = i + 1; k < count; k++)
			assert_string_not_equal(options[i].name, options[k].name);
		/* A section is one run of the table. */
		for (size_t k = i + 2; k < count; k++)
			if (strcmp(options[i].section, options[k].section) == 0)
				assert_string_equal(options[i + 1].section, options[i].section);
		if (options[i].type == CONFIG_CHOICE)
			assert_non_null(options[i].choices);
		if (options[i].type == CONFIG_NUMBER || options[i].type == CONFIG_SIZE ||
		    options[i].type == CONFIG_DURATION)
			assert_true(options[i].min < options[i].max);
	}
}

static const struct {
	const char *text;
	const char *error; /* NULL: is read */
} files[] = {
	{"", NULL},
	{"\n\n# only a comment\n   # indented\n", NULL},
	{"recipients_max = 7", NULL},
	{"recipients_max=7\r\n", NULL},
	{"  recipients_max\t=\t7\t\n", NULL},
	{"host_key_file =\n", NULL},
	{"smtp_listen = 127.0.0.1:2525,[::1]:2525\n", NULL},
	{"log_level = warn\n", NULL},
	{"\n\nfrobnicate = 1\n", "t.conf:3: there is no option \"frobnicate\""},
	{"Recipients_max = 1\n", "t.conf:1: expected \"name = value\""},
	{"recipients_max\n", "t.conf:1: expected \"name = value\""},
	{"= 3\n", "t.conf:1: expected \"name = value\""},
	{"recipients_max : 3\n", "t.conf:1: expected \"name = value\""},
	{"recipients_max = \n", "t.conf:1: recipients_max must be a whole number"},
	{"recipients_max = -1\n", "t.conf:1: recipients_max must be a whole number"},
	{"recipients_max = 5x\n", "t.conf:1: recipients_max must be a whole number"},
	{"recipients_max = 0\n", "t.conf:1: recipients_max must be from 1 to 10000"},
	{"recipients_max = 10001\n", "t.conf:1: recipients_max must be from 1 to 10000"},
	{"recipients_max = 99999999999999999999\n", "t.conf:1: recipients_max must be a whole number"},
	{"message_size_max = 5X\n",
     "t.conf:1: message_size_max must be bytes such as 4096, 64K, 50M or 10G"},
	{"message_size_max = 1K\n", "t.conf:1: message_size_max must be from 64K to 1G"},
	{"message_size_max = 99999999T\n",
     "t.conf:1: message_size_max must be bytes such as 4096, 64K, 50M or 10G"},
	{"smtp_timeout = 5\n",
     "t.conf:1: smtp_timeout must be a time such as 250ms, 30s, 5m, 12h or 5d"},
	{"smtp_timeout = 2h\n", "t.conf:1: smtp_timeout must be from 1s to 1h"},
	{"auth_without_tls = true\n", "t.conf:1: auth_without_tls must be yes or no"},
	{"data_dir = mail\n", "t.conf:1: data_dir must be a path that begins with /"},
	{"log_level = loud\n", "t.conf:1: log_level must be one of: debug info warn error"},
	{"log_level = \n", "t.conf:1: log_level must be one of: debug info warn error"},
	{"hostname = a\001b\n", "t.conf:1: the value of hostname holds a control character"},
	{"recipients_max = 1\n\nrecipients_max = 2\n",
     "t.conf:3: recipients_max is set a second time, first on line 1"},
};

static void files_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct config *config = config_new();
		struct errinfo info = {0};
		int error = config_parse(config, "t.conf", str_from(files[i].text), &info);
		if (files[i].error == NULL)
			assert_int_equal(error, 0);
		else
			assert_string_equal(info.text, files[i].error);
		assert_int_equal(error, files[i].error == NULL ? 0 : E_INVALID);
		config_free(config);
	}
}

static void values_have_their_types(void **state)
{
	(void)state;
	struct config *config = config_new();
	struct errinfo info;
	assert_int_equal(config_number(config, "message_size_max"), 50 * 1024 * 1024);
	assert_int_equal(config_number(config, "smtp_timeout"), 300000);
	assert_int_equal(config_number(config, "recipients_max"), 50);
	assert_false(config_bool(config, "auth_without_tls"));
	assert_int_equal(config_parse(config, "x",
	                              STR("auth_without_tls = yes\nmailbox_linger=250ms\nquota = 3t\n"
	                                  "hostname = mail.example.test \nlog_level = error\n"
	                                  "smtp_listen = ,127.0.0.1:1, \t[::1]:2 ,\n"),
	                              &info),
	                 0);
	assert_true(config_bool(config, "auth_without_tls"));
	assert_int_equal(config_number(config, "mailbox_linger"), 250);
	assert_int_equal(config_number(config, "quota"), INT64_C(3) << 40);
	assert_string_equal(config_text(config, "hostname"), "mail.example.test");
	assert_string_equal(config_text(config, "log_level"), "error");
	size_t position = 0;
	struct str word;
	assert_true(config_list_next(config, "smtp_listen", &position, &word));
	assert_true(str_eq(word, STR("127.0.0.1:1")));
	assert_true(config_list_next(config, "smtp_listen", &position, &word));
	assert_true(str_eq(word, STR("[::1]:2")));
	assert_false(config_list_next(config, "smtp_listen", &position, &word));
	assert_false(config_list_next(config, "smtp_listen", &position, &word));
	config_free(config);
}

static void a_failed_line_keeps_the_value_before(void **state)
{
	(void)state;
	struct config *config = config_new();
	assert_int_equal(config_parse(config, "x", STR("recipients_max = many"), NULL), E_INVALID);
	assert_int_equal(config_number(config, "recipients_max"), 50);
	config_free(config);
}

static void long_text_is_refused(void **state)
{
	(void)state;
	struct config *config = config_new();
	struct buf text BUF_AUTO;
	struct errinfo info;
	buf_init(&text, 4 << 20);
	buf_add_text(&text, "hostname = ");
	for (size_t i = 0; i < 4001; i++)
		buf_add_byte(&text, 'h');
	assert_int_equal(config_parse(config, "x", buf_str(&text), &info), E_INVALID);
	assert_string_equal(info.text, "x:1: the value of hostname is longer than 4000 bytes");
	text.len--;
	assert_int_equal(config_parse(config, "x", buf_str(&text), &info), 0);
	while (text.len <= 1 << 20)
		buf_add_byte(&text, '\n');
	assert_int_equal(config_parse(config, "x", buf_str(&text), &info), E_TOO_LARGE);
	config_free(config);
}

static const struct {
	const char *entry;
	const char *error;
} variables[] = {
	{"HOME=/root", NULL},
	{"POSTKASSE_RECIPIENTS_MAX=9", NULL},
	{"POSTKASSE", NULL},
	{"XPOSTKASSE_NOTHING=1", NULL},
	{"POSTKASSE_NOTHING=1", "environment: there is no option for POSTKASSE_NOTHING"},
	{"POSTKASSE_=1", "environment: there is no option for POSTKASSE_"},
	{"POSTKASSE_recipients_max=1", "environment: there is no option for POSTKASSE_recipients_max"},
	{"POSTKASSE_RECIPIENTS_MAX=0",
     "POSTKASSE_RECIPIENTS_MAX: recipients_max must be from 1 to 10000"},
	{"POSTKASSE_RECIPIENTS_MAX=1\n2",
     "POSTKASSE_RECIPIENTS_MAX: the value of recipients_max holds a control character"},
};

static void environment_overrides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		struct config *config = config_new();
		struct errinfo info = {0};
		char *entry = str_dup(str_from(variables[i].entry));
		char *environment[] = {entry, NULL};
		int error = config_parse_environment(config, environment, &info);
		assert_int_equal(error, variables[i].error == NULL ? 0 : E_INVALID);
		if (variables[i].error != NULL)
			assert_string_equal(info.text, variables[i].error);
		assert_int_equal(config_number(config, "recipients_max"), i == 1 ? 9 : 50);
		free(entry);
		config_free(config);
	}
}

static void what_is_printed_is_read_back(void **state)
{
	(void)state;
	struct config *config = config_new(), *copy = config_new();
	struct buf first BUF_AUTO, second BUF_AUTO;
	struct errinfo info;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	assert_int_equal(config_parse(config, "x",
	                              STR("message_size_max = 77M\nhostname = a = b # c\n"
	                                  "smtp_listen =\ndata_dir = /srv/mail box\n"),
	                              &info),
	                 0);
	config_print(config, &first);
	assert_int_equal(config_parse(copy, "copy", buf_str(&first), &info), 0);
	config_print(copy, &second);
	assert_true(str_eq(buf_str(&first), buf_str(&second)));
	assert_string_equal(config_text(copy, "hostname"), "a = b # c");
	assert_string_equal(config_text(copy, "data_dir"), "/srv/mail box");
	config_free(config);
	config_free(copy);
}

static void note_changed(void *ctx, const char *name)
{
	buf_addf(ctx, "%s ", name);
}

static void only_a_restart_changes_what_the_table_says(void **state)
{
	(void)state;
	static const struct {
		const char *text, *changed;
	} cases[] = {
		{"", ""},
		{"quota = 3G\nlog_level = debug\nhostname = other.example.test\n", ""},
		{"smtp_processes = 3\nquota = 3G\n", "smtp_processes "},
		{"data_dir = /srv\nroles = smtp\nuid_base = 70000\n", "data_dir roles uid_base "},
		/* Written in another way, the same. */
		{"roles = directory,store  imap smtp\nuid_base = 060608\n", ""},
		{"roles = directory store imap\n", "roles "},
		{"roles = directory store imap smtp smtp\n", "roles "},
		{"roles =\n", "roles "},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *running = config_new(), *config = config_new();
		struct buf changed BUF_AUTO;
		struct errinfo info;
		buf_init(&changed, 1 << 10);
		assert_int_equal(config_parse(config, "x", str_from(cases[i].text), &info), 0);
		config_keep_fixed(config, running, note_changed, &changed);
		assert_true(str_eq(buf_str(&changed), str_from(cases[i].changed)));
		config_keep_fixed(config, running, note_changed, &changed);
		assert_true(str_eq(buf_str(&changed), str_from(cases[i].changed)));
		assert_string_equal(config_text(config, "data_dir"), config_text(running, "data_dir"));
		bool quota = str_find(str_from(cases[i].text), STR("quota")) >= 0;
		assert_int_equal(config_number(config, "quota"), (quota ? INT64_C(3) : 10) << 30);
		config_free(running);
		config_free(config);
	}
}

static void numbers_are_written_in_their_largest_unit(void **state)
{
	(void)state;
	static const struct {
		enum config_type type;
		int64_t number;
		const char *text;
	} cases[] = {
		{CONFIG_NUMBER, 0, "0"},          {CONFIG_NUMBER, 1024, "1024"},
		{CONFIG_SIZE, 1024, "1K"},        {CONFIG_SIZE, 1025, "1025"},
		{CONFIG_SIZE, 50 << 20, "50M"},   {CONFIG_SIZE, INT64_C(1) << 50, "1024T"},
		{CONFIG_DURATION, 250, "250ms"},  {CONFIG_DURATION, 90000, "90s"},
		{CONFIG_DURATION, 3600000, "1h"}, {CONFIG_DURATION, 0, "0"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[CONFIG_NUMBER_SIZE];
		config_format_number(cases[i].type, cases[i].number, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(files_are_read_or_refused),
		cmocka_unit_test(values_have_their_types),
		cmocka_unit_test(a_failed_line_keeps_the_value_before),
		cmocka_unit_test(long_text_is_refused),
		cmocka_unit_test(environment_overrides),
		cmocka_unit_test(what_is_printed_is_read_back),
		cmocka_unit_test(only_a_restart_changes_what_the_table_says),
		cmocka_unit_test(numbers_are_written_in_their_largest_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
