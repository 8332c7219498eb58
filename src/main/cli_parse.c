#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "main/cli_internal.h"

static struct str first_word(const char *name)
{
	const char *space = strchr(name, ' ');
	return space == NULL ? str_from(name) : STR_OF(name, space - name);
}

static const char *second_word(const char *name)
{
	const char *space = strchr(name, ' ');
	return space == NULL ? NULL : space + 1;
}

/* The option that word names ("--json", "--config=x", "-h"), or -1. *ret_value: what stands behind
 * an equals sign, or NULL. */
static int find_option(const char *word, const char **ret_value)
{
	const char *equals = strchr(word, '=');
	struct str name = equals == NULL ? str_from(word) : STR_OF(word, equals - word);
	*ret_value = equals == NULL ? NULL : equals + 1;
	if (str_eq(name, STR("-h")))
		return CLI_OPTION_HELP;
	for (int i = 0; i < CLI_OPTION_COUNT; i++)
		if (str_eq(name, str_from(cli_options[i].name)))
			return i;
	return -1;
}

/* No address, number or name that anybody would give has one: it would reach logs, lists and the terminal. */
static bool has_control_character(const char *word)
{
	for (; *word != '\0'; word++)
		if ((unsigned char)*word < 0x20 || *word == 0x7f)
			return true;
	return false;
}

/* An empty word is a variable of a script that was not set: it must not mean all, or any. */
static int check_words(int argc, char *const *argv, struct errinfo *info)
{
	for (int at = 1; at < argc; at++) {
		if (argv[at][0] == '\0')
			return err_set(info, E_INVALID, "argument %d is empty", at);
		if (has_control_character(argv[at]))
			return err_set(info, E_INVALID, "argument %d holds a control character: %.60s", at,
			               argv[at]);
	}
	return 0;
}

static int take_option(struct cli *cli, int argc, char *const *argv, int *at, struct errinfo *info)
{
	const char *value;
	int option = find_option(argv[*at], &value);
	if (option < 0)
		return err_set(info, E_INVALID, "unknown option: %.60s", argv[*at]);
	const struct cli_option_info *about = &cli_options[option];
	if (about->value == NULL && value != NULL)
		return err_set(info, E_INVALID, "%s takes no value", about->name);
	if (about->value != NULL && value == NULL) {
		if (*at + 1 >= argc)
			return err_set(info, E_INVALID, "%s needs a value: %s %s", about->name, about->name,
			               about->value);
		value = argv[++*at];
	}
	if (value != NULL && value[0] == '\0')
		return err_set(info, E_INVALID, "%s: the value is empty", about->name);
	cli->given |= 1u << option;
	cli->values[option] = value;
	return 0;
}

static bool is_group(struct str word)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (second_word(cli_commands[i].name) != NULL &&
		    str_eq(word, first_word(cli_commands[i].name)))
			return true;
	return false;
}

/* Names the command by its first one or two words; *ret_used says by how many. */
static int find_command(const char *const *words, int count, const struct cli_command **ret,
                        int *ret_used, struct errinfo *info)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		const char *second = second_word(command->name);
		if (!str_eq(str_from(words[0]), first_word(command->name)) ||
		    (second != NULL && (count < 2 || strcmp(words[1], second) != 0)))
			continue;
		*ret = command;
		*ret_used = second == NULL ? 1 : 2;
		return 0;
	}
	if (!is_group(str_from(words[0])))
		return err_set(info, E_INVALID, "unknown command: %.60s", words[0]);
	if (count < 2)
		return err_set(info, E_INVALID, "%.60s: which command? See postkasse help %.60s", words[0],
		               words[0]);
	return err_set(info, E_INVALID, "unknown command: %.60s %.60s", words[0], words[1]);
}

static int check_options(const struct cli *cli, struct errinfo *info)
{
	unsigned odd = cli->given & ~(cli->command->options | CLI_COMMON);
	for (int i = 0; i < CLI_OPTION_COUNT; i++)
		if ((odd & 1u << i) != 0)
			return err_set(info, E_INVALID, "%s has no option %s", cli->command->name,
			               cli_options[i].name);
	return 0;
}

static int check_arguments(const struct cli *cli, int count, struct errinfo *info)
{
	const struct cli_command *command = cli->command;
	if (cli_given(cli, CLI_OPTION_HELP) || (count >= command->least && count <= command->most))
		return 0;
	return err_set(info, E_INVALID, "%s: too %s arguments; usage: postkasse %s%s%s", command->name,
	               count < command->least ? "few" : "many", command->name,
	               command->arguments[0] == '\0' ? "" : " ", command->arguments);
}

/* Known before the words are read, so that what is wrong with them is said as it was asked for. */
static bool asks_for_json(int argc, char *const *argv)
{
	for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++)
		if (strcmp(argv[at], cli_options[CLI_OPTION_JSON].name) == 0)
			return true;
	return false;
}

int cli_parse(struct cli *cli, int argc, char *const *argv, struct errinfo *info)
{
	const char *words[CLI_ARGUMENTS_MAX + 2];
	int count = 0, used = 0;
	bool options = true;
	cli->json = asks_for_json(argc, argv);
	int rc = check_words(argc, argv, info);
	if (rc != 0)
		return rc;
	for (int at = 1; at < argc; at++) {
		if (options && strcmp(argv[at], "--") == 0) {
			options = false;
		} else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
			rc = take_option(cli, argc, argv, &at, info);
			if (rc != 0)
				return rc;
		} else {
			if (count < (int)ARRAY_LEN(words)) /* with more no command is content */
				words[count] = argv[at];
			count++;
		}
	}
	cli->json = cli_given(cli, CLI_OPTION_JSON);
	if (count == 0 && cli_given(cli, CLI_OPTION_HELP))
		words[count++] = "help";
	if (count == 0 && cli_given(cli, CLI_OPTION_VERSION))
		words[count++] = "version";
	if (count == 0)
		return err_set(info, E_INVALID, "which command? See postkasse help");
	/* "postkasse domain --help" asks about the group. */
	if (count == 1 && cli_given(cli, CLI_OPTION_HELP) && is_group(str_from(words[0]))) {
		words[1] = words[0];
		words[0] = "help";
		count = 2;
		cli->given &= ~CLI_BIT(HELP);
	}
	rc = find_command(words, count, &cli->command, &used, info);
	if (rc == 0)
		rc = check_options(cli, info);
	if (rc == 0)
		rc = check_arguments(cli, count - used, info);
	if (rc != 0)
		return rc;
	for (int i = used; i < count && i - used < CLI_ARGUMENTS_MAX; i++)
		cli->arguments[i - used] = words[i];
	return 0;
}
