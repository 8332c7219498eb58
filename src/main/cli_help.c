#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/cli_internal.h"
#include "main/manual.h"

enum { MANUAL_MAX = 1024 * 1024 };

static bool in_group(const struct cli_command *command, const char *group)
{
	size_t len = strlen(group);
	return strncmp(command->name, group, len) == 0 &&
	       (command->name[len] == '\0' || command->name[len] == ' ');
}

size_t cli_help_list(struct buf *out, const char *group)
{
	size_t count = 0;
	if (group == NULL)
		buf_add_text(out, "Usage: postkasse [--config FILE] COMMAND [ARGUMENT...]\n\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		if (group != NULL && !in_group(command, group))
			continue;
		size_t before = out->len;
		buf_addf(out, "  %s %s", command->name, command->arguments);
		while (out->len - before < 32)
			buf_add_byte(out, ' ');
		buf_addf(out, " %s\n", command->sentence);
		count++;
	}
	if (group == NULL)
		buf_add_text(out, "\n\"postkasse help COMMAND\" tells more about one of them.\n");
	return count;
}

void cli_help_command(struct buf *out, const struct cli_command *command)
{
	buf_addf(out, "Usage: postkasse %s%s%s [OPTION...]\n\n%s\n\nOptions:\n", command->name,
	         command->arguments[0] == '\0' ? "" : " ", command->arguments, command->sentence);
	for (int i = 0; i < CLI_OPTION_COUNT; i++) {
		if (((command->options | CLI_COMMON) & 1u << i) == 0)
			continue;
		size_t before = out->len;
		buf_addf(out, "  %s %s", cli_options[i].name,
		         cli_options[i].value == NULL ? "" : cli_options[i].value);
		while (out->len - before < 24)
			buf_add_byte(out, ' ');
		buf_addf(out, " %s\n", cli_options[i].sentence);
	}
}

/* ---------------------------------------------------------------- postkasse(1), in mdoc */

static void add_option(struct buf *out, const struct cli_option_info *option)
{
	buf_add_text(out, "Fl ");
	manual_text(out, str_from(option->name + 1)); /* the macro brings one of the dashes */
	if (option->value != NULL)
		buf_addf(out, " Ar %s", option->value);
	buf_add_byte(out, '\n');
}

static void commands_section(struct buf *out)
{
	buf_add_text(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		buf_addf(out, ".It Ic %s", command->name);
		if (command->arguments[0] != '\0')
			buf_addf(out, " Ar %s", command->arguments);
		buf_add_byte(out, '\n');
		for (int k = 0; k < CLI_OPTION_COUNT; k++) {
			if ((command->options & 1u << k) == 0)
				continue;
			buf_add_text(out, ".Op ");
			add_option(out, &cli_options[k]);
		}
		if (command->options != 0)
			buf_add_text(out, ".Pp\n");
		manual_text(out, str_from(command->sentence));
		buf_add_byte(out, '\n');
	}
	buf_add_text(out, ".El\n");
}

static void options_section(struct buf *out)
{
	buf_add_text(out, ".Sh OPTIONS\n.Bl -tag -width Ds\n");
	for (int i = 0; i < CLI_OPTION_COUNT; i++) {
		buf_add_text(out, ".It ");
		add_option(out, &cli_options[i]);
		manual_text(out, str_from(cli_options[i].sentence));
		buf_add_byte(out, '\n');
	}
	buf_add_text(out, ".El\n");
}

static const struct {
	enum cli_exit code;
	const char *meaning;
} exits[] = {
	{CLI_OK, "done"},
	{CLI_FAILED, "anything without a code of its own;\nmailbox verify: the mailbox is damaged;\n"
                 "status: something is wrong"},
	{CLI_USAGE, "wrong arguments"},
	{CLI_DATA, "a malformed address, domain or value"},
	{CLI_NOT_FOUND, "no such domain, alias, password or mailbox"},
	{CLI_UNAVAILABLE, "the service does not answer, or is busy with the same thing"},
	{CLI_SOFTWARE, "a fault of the program"},
	{CLI_EXISTS, "it is there already"},
	{CLI_IO, "reading or writing failed, or what is stored is damaged"},
	{CLI_TRY_LATER, "a limit was reached; later it may pass"},
	{CLI_UNSUPPORTED, "a file of a newer version, or nothing that this host does"},
	{CLI_DENIED, "a wrong password, or not allowed"},
	{CLI_CONFIG, "the configuration, or a file that it names, is wrong"},
};

void cli_help_manual(struct buf *out)
{
	commands_section(out);
	options_section(out);
	buf_add_text(out, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		buf_addf(out, ".It %d\n%s\n", (int)exits[i].code, exits[i].meaning);
	buf_add_text(out, ".El\n");
}

/* Fills in a manual page from standard input, for the build. */
static int print_manual(struct cli *cli, struct errinfo *info)
{
	static const struct manual_mark marks[] = {{"@COMMANDS@", cli_help_manual},
	                                           {"@OPTIONS@", manual_options}};
	struct buf page BUF_AUTO;
	char piece[4096];
	ssize_t len;
	buf_init(&page, MANUAL_MAX);
	while ((len = read(cli->input, piece, sizeof(piece))) > 0)
		buf_add(&page, piece, (size_t)len);
	if (len < 0 || page.failed || !manual_fill(cli->out, buf_str(&page), marks, ARRAY_LEN(marks)))
		return err_set(info, E_INVALID,
		               "standard input is no page with a line @COMMANDS@ or @OPTIONS@");
	return 0;
}

/* ---------------------------------------------------------------- completion */

static void add_option_names(struct buf *out, unsigned options)
{
	for (int i = 0; i < CLI_OPTION_COUNT; i++)
		if ((options & 1u << i) != 0)
			buf_addf(out, " %s", cli_options[i].name);
}

/* The words that may follow word, each once. */
static void add_second_words(struct buf *out, const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i < cli_command_count; i++)
		if (strncmp(cli_commands[i].name, word, len) == 0 && cli_commands[i].name[len] == ' ')
			buf_addf(out, " %s", cli_commands[i].name + len + 1);
}

/* Calls each for the first word of every group of commands, once. */
static void each_first_word(struct buf *out, void (*each)(struct buf *out, const char *word))
{
	const char *last = "";
	for (size_t i = 0; i < cli_command_count; i++) {
		char word[32] = "";
		size_t len = strcspn(cli_commands[i].name, " ");
		if (strncmp(cli_commands[i].name, last, len) == 0 && last[len] != '\0')
			continue;
		last = cli_commands[i].name;
		memcpy(word, last, len < sizeof(word) ? len : sizeof(word) - 1);
		each(out, word);
	}
}

static void add_first_word(struct buf *out, const char *word)
{
	buf_addf(out, " %s", word);
}

static void add_group_case(struct buf *out, const char *word)
{
	size_t before = out->len;
	buf_addf(out, "\t%s) words=\"", word);
	size_t start = out->len;
	add_second_words(out, word);
	if (out->len == start)
		out->len = before;
	else
		buf_add_text(out, "\" ;;\n");
}

void cli_completion_bash(struct buf *out)
{
	buf_add_text(out,
	             "# bash completion of postkasse, printed by: postkasse completion bash\n"
	             "_postkasse()\n{\n"
	             "\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
	             "\tlocal command=() words='' options='' i\n"
	             "\tCOMPREPLY=()\n"
	             "\tcase $previous in\n"
	             "\t--config|--current-file)\n"
	             "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	             "\t\treturn ;;\n"
	             "\tesac\n"
	             "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	             "\t\tcase ${COMP_WORDS[i]} in\n");
	buf_add_text(out, "\t\t");
	bool first = true;
	for (int i = 0; i < CLI_OPTION_COUNT; i++) {
		if (cli_options[i].value == NULL)
			continue;
		buf_addf(out, "%s%s", first ? "" : "|", cli_options[i].name);
		first = false;
	}
	buf_add_text(out, ") i=$((i + 1)) ;;\n"
	                  "\t\t-*) ;;\n"
	                  "\t\t*) command+=(\"${COMP_WORDS[i]}\") ;;\n"
	                  "\t\tesac\n"
	                  "\tdone\n"
	                  "\tcase ${#command[@]} in\n"
	                  "\t0) words='");
	each_first_word(out, add_first_word);
	buf_add_text(out, "' ;;\n\t1) case ${command[0]} in\n");
	each_first_word(out, add_group_case);
	buf_add_text(out, "\tesac ;;\n\tesac\n\tcase \"${command[*]:0:2}\" in\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		buf_addf(out, "\t'%s'*) options=\"", cli_commands[i].name);
		add_option_names(out, cli_commands[i].options | CLI_COMMON);
		buf_add_text(out, "\" ;;\n");
	}
	buf_add_text(out, "\t*) options='");
	add_option_names(out, CLI_COMMON);
	buf_add_text(out, "' ;;\n"
	                  "\tesac\n"
	                  "\tif [[ $current == -* ]]; then\n"
	                  "\t\twords=$options\n"
	                  "\tfi\n"
	                  "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
	                  "}\n"
	                  "complete -F _postkasse postkasse\n");
}

/* ---------------------------------------------------------------- commands */

int cli_completion(struct cli *cli, struct errinfo *info)
{
	(void)info;
	cli_completion_bash(cli->out);
	return 0;
}

int cli_help(struct cli *cli, struct errinfo *info)
{
	struct buf name BUF_AUTO;
	buf_init(&name, 256);
	if (cli->arguments[0] == NULL) {
		(void)cli_help_list(cli->out, NULL);
		return 0;
	}
	buf_addf(&name, "%s%s%s", cli->arguments[0], cli->arguments[1] == NULL ? "" : " ",
	         cli->arguments[1] == NULL ? "" : cli->arguments[1]);
	if (str_eq(buf_str(&name), STR("manual"))) /* for the build */
		return print_manual(cli, info);
	for (size_t i = 0; i < cli_command_count; i++) {
		if (str_eq(buf_str(&name), str_from(cli_commands[i].name))) {
			cli_help_command(cli->out, &cli_commands[i]);
			return 0;
		}
	}
	buf_add_byte(&name, '\0');
	if (!name.failed && cli_help_list(cli->out, name.ptr) > 0)
		return 0;
	return cli_usage_failed(err_set(info, E_INVALID, "unknown command: %.120s", name.ptr), info);
}

int cli_version(struct cli *cli, struct errinfo *info)
{
	(void)info;
	if (!cli->json) {
		buf_add_text(cli->out, "postkasse " POSTKASSE_VERSION "\n");
		return 0;
	}
	json_object(&cli->writer);
	json_text_field(&cli->writer, "version", POSTKASSE_VERSION);
	json_object_end(&cli->writer);
	return 0;
}
