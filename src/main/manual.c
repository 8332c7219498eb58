#include "main/manual.h"

#include <string.h>

#include "base/config.h"

enum { LINE_MAX_COLUMN = 76 };

static const char *const type_names[] = {
	[CONFIG_BOOL] = "yes | no",     [CONFIG_NUMBER] = "number", [CONFIG_SIZE] = "size",
	[CONFIG_DURATION] = "duration", [CONFIG_TEXT] = "text",     [CONFIG_PATH] = "path",
	[CONFIG_LIST] = "words",        [CONFIG_CHOICE] = "word",
};

/* A backslash starts an escape, a dot or quote at the start of a line a macro. */
static void add_word(struct buf *out, struct str word, bool starts_line)
{
	if (starts_line && (word.ptr[0] == '.' || word.ptr[0] == '\''))
		buf_add_text(out, "\\&");
	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] == '\\')
			buf_add_text(out, "\\e");
		else if (word.ptr[i] == '-')
			buf_add_text(out, "\\-");
		else
			buf_add_byte(out, word.ptr[i]);
}

void manual_text(struct buf *out, struct str text)
{
	size_t column = 0;
	bool ended = false;
	while (text.len > 0) {
		ptrdiff_t blank = str_find_byte(text, ' ');
		struct str word = blank < 0 ? text : str_slice(text, 0, (size_t)blank);
		text = blank < 0 ? (struct str){NULL, 0} : str_from_byte(text, (size_t)blank + 1);
		if (word.len == 0)
			continue;
		bool breaks = ended || column + 1 + word.len > LINE_MAX_COLUMN;
		if (column > 0)
			buf_add_byte(out, breaks ? '\n' : ' ');
		column = (column > 0 && !breaks ? column + 1 : 0) + word.len;
		add_word(out, word, column == word.len);
		ended = word.ptr[word.len - 1] == '.' || word.ptr[word.len - 1] == ';';
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
	manual_text(out, str_from(option->sentence));
	add_range(out, option);
	if (option->reload == CONFIG_RESTARTS)
		buf_add_text(out, "\nA change waits for the next start.");
	if (option->standard[0] == '\0') {
		buf_add_text(out, "\nThe default is empty.\n");
	} else {
		buf_add_text(out, "\nThe default is\n.Ql ");
		manual_text(out, str_from(option->standard));
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

bool manual_fill(struct buf *out, struct str page, const struct manual_mark *marks, size_t count)
{
	bool found = false;
	while (page.len > 0) {
		ptrdiff_t end = str_find_byte(page, '\n');
		struct str line = end < 0 ? page : str_slice(page, 0, (size_t)end + 1);
		page = str_from_byte(page, line.len);
		size_t i = 0;
		while (i < count && !str_eq(str_trim(line), str_from(marks[i].line)))
			i++;
		if (i < count)
			marks[i].section(out);
		else
			buf_add_str(out, line);
		found = found || i < count;
	}
	return found && !out->failed;
}
