#include "main/cli_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { WORDS_MAX = 12 };

/* Splits a line at blanks into argv, after the program's name. */
static int split(char *line, char **argv)
{
	int argc = 0;
	argv[argc++] = line + strlen(line);
	for (char *p = line; *p != '\0' && argc < WORDS_MAX;) {
		argv[argc++] = p;
		p = strchr(p, ' ');
		if (p == NULL)
			break;
		*p++ = '\0';
	}
	argv[argc] = NULL;
	return argc;
}

static void parsing(void **state)
{
	static const struct {
		const char *line;
		const char *command; /* NULL: refused */
		const char *argument;
		unsigned given;
	} cases[] = {
		{"version", "version", NULL, 0},
		{"domain add example.test", "domain add", "example.test", 0},
		{"--config x domain add example.test", "domain add", "example.test", CLI_BIT(CONFIG)},
		{"domain --config=x add --json example.test", "domain add", "example.test",
	     CLI_BIT(CONFIG) | CLI_BIT(JSON)},
		{"domain add -- --example", "domain add", "--example", 0},
		{"alias list", "alias list", NULL, 0},
		{"alias list example.test", "alias list", "example.test", 0},
		{"password app a@b.test --label phone --scope imap,smtp", "password app", "a@b.test",
	     CLI_BIT(LABEL) | CLI_BIT(SCOPE)},
		{"password new a@b.test --current-file -", "password new", "a@b.test",
	     CLI_BIT(CURRENT_FILE)},
		{"domain add --help", "domain add", NULL, CLI_BIT(HELP)},
		{"-h", "help", NULL, CLI_BIT(HELP)},
		{"--version", "version", NULL, CLI_BIT(VERSION)},
		{"--config x serve --ready-fd 3", "serve", NULL, CLI_BIT(CONFIG) | CLI_BIT(READY_FD)},
		{"domain --help", "help", "domain", 0},
		{"help password new", "help", "password", 0},
		{"", NULL, NULL, 0},
		{"nonsense", NULL, NULL, 0},
		{"domain", NULL, NULL, 0},
		{"domain nonsense", NULL, NULL, 0},
		{"domain add", NULL, NULL, 0},
		{"domain add a b", NULL, NULL, 0},
		{"domain add a --password", NULL, NULL, 0},
		{"domain add a --nonsense", NULL, NULL, 0},
		{"domain add a --json=yes", NULL, NULL, 0},
		{"domain add a --config", NULL, NULL, 0},
		{"domain list --version", NULL, NULL, 0},
		{"version a b c d e f g h", NULL, NULL, 0},
		{"domainadd a", NULL, NULL, 0},
		{"--json serve", NULL, NULL, 0},
		{"alias list a\nb", NULL, NULL, 0},
		{"alias list \x1b[31m", NULL, NULL, 0},
		{"alias list a\x7f", NULL, NULL, 0},
		{"password app a@b.test --label a\tb", NULL, NULL, 0},
		{"password app a@b.test --label=", NULL, NULL, 0},
		{"domain add a --config=", NULL, NULL, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = str_dup(str_from(cases[i].line)), *argv[WORDS_MAX + 2];
		struct cli cli = {0};
		struct errinfo info = {0};
		int rc = cli_parse(&cli, split(line, argv), argv, &info);
		if (cases[i].command == NULL) {
			if (rc != E_INVALID)
				fail_msg("\"%s\" became %s", cases[i].line, cli.command->name);
			assert_string_not_equal(info.text, "");
		} else {
			if (rc != 0)
				fail_msg("\"%s\": %s", cases[i].line, info.text);
			assert_string_equal(cli.command->name, cases[i].command);
			assert_int_equal(cli.given, cases[i].given);
			if (cases[i].argument == NULL)
				assert_null(cli.arguments[0]);
			else
				assert_string_equal(cli.arguments[0], cases[i].argument);
		}
		free(line);
	}
}

/* What a script passes on when its variable is not set. */
static void empty_words(void **state)
{
	static const char *const lines[][5] = {
		{"", "alias", "list", ""},
		{"", "", "alias", "list"},
		{"", "--", "alias", "list", ""},
		{"", ""},
		{"", "alias", "list", "--config", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char *argv[6] = {NULL};
		struct cli cli = {0};
		struct errinfo info = {0};
		int argc = 0;
		for (; argc < 5 && lines[i][argc] != NULL; argc++)
			argv[argc] = (char *)(uintptr_t)lines[i][argc];
		assert_int_equal(cli_parse(&cli, argc, argv, &info), E_INVALID);
		assert_non_null(strstr(info.text, "empty"));
	}
}

/* Every row of the table says all that the help, the completion and the manual need. */
static void table(void **state)
{
	struct buf help BUF_AUTO, manual BUF_AUTO, completion BUF_AUTO, name BUF_AUTO;
	(void)state;
	buf_init(&help, 1 << 20);
	buf_init(&manual, 1 << 20);
	buf_init(&completion, 1 << 20);
	buf_init(&name, 1024);
	assert_int_equal(cli_help_list(&help, NULL), cli_command_count);
	assert_int_equal(cli_help_list(&help, "password"), 5);
	assert_int_equal(cli_help_list(&help, "pass"), 0);
	cli_help_manual(&manual);
	cli_completion_bash(&completion);
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		struct buf one BUF_AUTO;
		buf_init(&one, 1 << 16);
		assert_true(command->sentence[strlen(command->sentence) - 1] == '.');
		assert_true(command->least <= command->most && command->most <= CLI_ARGUMENTS_MAX);
		assert_true((command->arguments[0] == '\0') == (command->most == 0));
		cli_help_command(&one, command);
		assert_true(str_find(buf_str(&one), str_from(command->sentence)) > 0);
		buf_clear(&name);
		buf_addf(&name, ".It Ic %s", command->name);
		assert_true(str_find(buf_str(&manual), buf_str(&name)) > 0);
		buf_clear(&name);
		buf_addf(&name, "'%s'*)", command->name);
		assert_true(str_find(buf_str(&completion), buf_str(&name)) > 0);
	}
	for (int i = 0; i < CLI_OPTION_COUNT; i++) {
		assert_true(strncmp(cli_options[i].name, "--", 2) == 0);
		assert_true(cli_options[i].sentence[strlen(cli_options[i].sentence) - 1] == '.');
		unsigned users = CLI_COMMON & 1u << i;
		for (size_t k = 0; k < cli_command_count; k++)
			users |= cli_commands[k].options & 1u << i;
		assert_int_not_equal(users, 0);
	}
}

/* Each enum error has a code of its own kind, and none means success. */
static void exit_codes(void **state)
{
	(void)state;
	assert_int_equal(cli_exit_code(E_OK), CLI_OK);
	assert_int_equal(cli_exit_code(E_NOT_FOUND), CLI_NOT_FOUND);
	assert_int_equal(cli_exit_code(E_DENIED), CLI_DENIED);
	for (int error = -1; error >= E_LAST; error--)
		assert_int_not_equal(cli_exit_code(error), CLI_OK);
}

static void json(void **state)
{
	struct buf out BUF_AUTO;
	struct json json;
	(void)state;
	buf_init(&out, 4096);
	json_init(&json, &out);
	json_object(&json);
	json_text_field(&json, "text", "a \"quoted\" \\ line\n\tand æ \xff \x7f \u202e");
	json_date_field(&json, "date", "");
	json_number_field(&json, "number", UINT64_MAX);
	json_bool_field(&json, "bool", true);
	json_name(&json, "empty");
	json_array(&json);
	json_array_end(&json);
	json_name(&json, "list");
	json_array(&json);
	json_str(&json, STR("x"));
	json_signed(&json, -1);
	json_object(&json);
	json_object_end(&json);
	json_array_end(&json);
	json_object_end(&json);
	assert_true(str_eq(
		buf_str(&out),
		STR("{\n"
	        "  \"text\": \"a \\\"quoted\\\" \\\\ line\\n\\u0009and æ \\ufffd \\u007f \\u202e\",\n"
	        "  \"date\": null,\n"
	        "  \"number\": 18446744073709551615,\n"
	        "  \"bool\": true,\n"
	        "  \"empty\": [],\n"
	        "  \"list\": [\n"
	        "    \"x\",\n"
	        "    -1,\n"
	        "    {}\n"
	        "  ]\n"
	        "}\n")));
}

/* A password comes from the first line of a file or of standard input, and nothing after it is read. */
static void current_password(void **state)
{
	static const struct {
		const char *input, *expected;
		int error;
	} cases[] = {
		{"secret\nrest\n", "secret", 0}, {"secret\r\n", "secret", 0},
		{"  secret  ", "secret", 0},     {"", NULL, E_DENIED},
		{"\nsecret\n", NULL, E_DENIED},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int ends[2];
		char next;
		struct buf got BUF_AUTO;
		struct cli cli = {.error = stderr, .current_fd = -1};
		struct errinfo info = {0};
		buf_init(&got, 256);
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], cases[i].input, strlen(cases[i].input)),
		                 strlen(cases[i].input));
		close(ends[1]);
		cli.input = ends[0];
		assert_int_equal(cli_read_current(&cli, "a@b.test", &got, &info), cases[i].error);
		if (cases[i].error == 0)
			assert_true(str_eq(buf_str(&got), str_from(cases[i].expected)));
		if (i == 0) {
			assert_int_equal(read(ends[0], &next, 1), 1);
			assert_int_equal(next, 'r');
		}
		close(ends[0]);
	}
	struct buf got BUF_AUTO;
	struct cli cli = {.error = stderr, .input = -1, .current_fd = -1};
	struct errinfo info = {0};
	buf_init(&got, 256);
	cli.values[CLI_OPTION_CURRENT_FILE] = "/nonexistent/file";
	assert_int_equal(cli_open_current(&cli, &info), E_NOT_FOUND);
}

static void sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1536, "1.5 KB"}, {10737418240, "10.0 GB"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 64);
		cli_add_size(&out, cases[i].bytes);
		assert_true(str_eq(buf_str(&out), str_from(cases[i].text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing), cmocka_unit_test(empty_words),
		cmocka_unit_test(table),   cmocka_unit_test(exit_codes),
		cmocka_unit_test(json),    cmocka_unit_test(current_password),
		cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests_name("main/cli", tests, NULL, NULL);
}
