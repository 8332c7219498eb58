#include "main/manual.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"

enum { MANUAL_MAX = 1024 * 1024, LINE_SIZE = 1024 };

static const char *const type_names[] = {
	[CONFIG_BOOL] = "yes | no",     [CONFIG_NUMBER] = "number", [CONFIG_SIZE] = "size",
	[CONFIG_DURATION] = "duration", [CONFIG_TEXT] = "text",     [CONFIG_PATH] = "path",
	[CONFIG_LIST] = "words",        [CONFIG_CHOICE] = "word",
};

/* Text inside mdoc: a backslash starts an escape, a dot or quote at the start of a line a macro. */
static void add_text(struct buf *out, struct str text)
{
	if (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '\''))
		buf_add_text(out, "\\&");
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			buf_add_text(out, "\\e");
		else if (text.ptr[i] == '-')
			buf_add_text(out, "\\-");
		else
			buf_add_byte(out, text.ptr[i]);
	}
}

static void add_range(struct buf *out, const struct config_option *option)
{
	char min[CONFIG_NUMBER_SIZE], max[CONFIG_NUMBER_SIZE];
	if (option->type == CONFIG_CHOICE)
		buf_addf(out, "\nOne of: %s.", option->choices);
	if (option->type != CONFIG_NUMBER && option->type != CONFIG_SIZE &&
	    option->type != CONFIG_DURATION)
		return;
	config_format_number(option->type, option->min, min);
	config_format_number(option->type, option->max, max);
	buf_addf(out, "\nFrom %s to %s.", min, max);
}

static void add_option(struct buf *out, const struct config_option *option)
{
	buf_addf(out, ".It Ic %s No = Ar %s\n", option->name, type_names[option->type]);
	add_text(out, str_from(option->sentence));
	add_range(out, option);
	if (option->standard[0] == '\0') {
		buf_add_text(out, "\nThe default is empty.\n");
	} else {
		buf_add_text(out, "\nThe default is\n.Ql ");
		add_text(out, str_from(option->standard));
		buf_add_text(out, " .\n");
	}
}

void manual_options(struct buf *out)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || strcmp(options[i].section, options[i - 1].section) != 0;
		bool last = i + 1 == count || strcmp(options[i].section, options[i + 1].section) != 0;
		if (first)
			buf_addf(out, ".Ss %s\n.Bl -tag -width Ds\n", options[i].section);
		add_option(out, &options[i]);
		if (last)
			buf_add_text(out, ".El\n");
	}
}

int manual_print(FILE *from, FILE *to)
{
	char line[LINE_SIZE];
	bool found = false;
	while (fgets(line, sizeof(line), from) != NULL) {
		if (strcmp(line, "@OPTIONS@\n") != 0) {
			fputs(line, to);
			continue;
		}
		struct buf options BUF_AUTO;
		buf_init(&options, MANUAL_MAX);
		manual_options(&options);
		fwrite(options.ptr, 1, options.len, to);
		found = true;
	}
	if (!found)
		fputs("postkasse: the page has no line @OPTIONS@\n", stderr);
	return found && fflush(to) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
