#include "base/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

enum {
	CONFIG_FILE_MAX = 1024 * 1024, /* of text, whatever it comes from */
	CONFIG_VALUE_MAX = 4000,       /* of one value */
};

struct config_value {
	char *text; /* owned; as config_parse would read it */
	int64_t number;
};

struct config {
	size_t count;
	struct config_value values[]; /* in the order of the table */
};

static const struct config_option *option_find(struct str name, size_t *ret_index)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	for (size_t i = 0; i < count; i++) {
		if (str_eq(name, str_from(options[i].name))) {
			*ret_index = i;
			return &options[i];
		}
	}
	return NULL;
}

/* number = 1*DIGIT unit, where scale is what the unit stands for. */
static bool scaled_number(struct str text, struct str *ret_unit, uint64_t *ret)
{
	struct cursor c = cursor_of(text);
	if (!cursor_u64(&c, INT64_MAX, ret))
		return false;
	*ret_unit = cursor_rest(&c);
	return true;
}

static bool multiply(uint64_t number, uint64_t factor, int64_t *ret)
{
	uint64_t product;
	if (__builtin_mul_overflow(number, factor, &product) || product > INT64_MAX)
		return false;
	*ret = (int64_t)product;
	return true;
}

static bool parse_size(struct str text, int64_t *ret)
{
	static const char units[] = "KMGT";
	struct str unit;
	uint64_t number;
	if (!scaled_number(text, &unit, &number) || unit.len > 1)
		return false;
	uint64_t factor = 1;
	if (unit.len == 1) {
		const char *at = strchr(units, ascii_upper(unit.ptr[0]));
		if (at == NULL || *at == '\0')
			return false;
		factor = UINT64_C(1) << (10 * (at - units + 1));
	}
	return multiply(number, factor, ret);
}

static bool parse_duration(struct str text, int64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	struct str unit;
	uint64_t number;
	if (!scaled_number(text, &unit, &number))
		return false;
	if (unit.len == 0 && number == 0) {
		*ret = 0;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_eq(unit, str_from(units[i].unit)))
			return multiply(number, units[i].ms, ret);
	return false;
}

static bool parse_plain_number(struct str text, int64_t *ret)
{
	uint64_t number;
	if (!str_to_u64(text, INT64_MAX, &number))
		return false;
	*ret = (int64_t)number;
	return true;
}

static bool parse_bool(struct str text, int64_t *ret)
{
	*ret = str_eq(text, STR("yes"));
	return *ret != 0 || str_eq(text, STR("no"));
}

/* The next word of a list from *position on; words are separated by blanks or commas. */
static bool next_word(struct str text, size_t *position, struct str *ret)
{
	size_t start = *position;
	while (start < text.len &&
	       (text.ptr[start] == ' ' || text.ptr[start] == '\t' || text.ptr[start] == ','))
		start++;
	size_t end = start;
	while (end < text.len && text.ptr[end] != ' ' && text.ptr[end] != '\t' && text.ptr[end] != ',')
		end++;
	*position = end;
	*ret = str_slice(text, start, end - start);
	return end > start;
}

static bool is_choice(const char *choices, struct str text)
{
	size_t position = 0;
	struct str word;
	while (next_word(str_from(choices), &position, &word))
		if (str_eq(word, text))
			return true;
	return false;
}

/* What a value of each type has to look like, for messages. */
static const char *const type_hints[] = {
	[CONFIG_BOOL] = "yes or no",
	[CONFIG_NUMBER] = "a whole number",
	[CONFIG_SIZE] = "bytes such as 4096, 64K, 50M or 10G",
	[CONFIG_DURATION] = "a time such as 250ms, 30s, 5m, 12h or 5d",
	[CONFIG_TEXT] = "text",
	[CONFIG_PATH] = "a path that begins with /",
	[CONFIG_LIST] = "words separated by blanks or commas",
	[CONFIG_CHOICE] = "one word of a list",
};

static bool parse_by_type(const struct config_option *option, struct str text, int64_t *ret)
{
	*ret = 0;
	switch (option->type) {
	case CONFIG_BOOL:
		return parse_bool(text, ret);
	case CONFIG_NUMBER:
		return parse_plain_number(text, ret);
	case CONFIG_SIZE:
		return parse_size(text, ret);
	case CONFIG_DURATION:
		return parse_duration(text, ret);
	case CONFIG_PATH:
		return text.len == 0 || (text.ptr[0] == '/' && text.len < PATH_MAX);
	case CONFIG_CHOICE:
		return is_choice(option->choices, text);
	case CONFIG_TEXT:
	case CONFIG_LIST:
		return true;
	}
	return false;
}

static bool has_range(enum config_type type)
{
	return type == CONFIG_NUMBER || type == CONFIG_SIZE || type == CONFIG_DURATION;
}

static bool has_control_byte(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* where: "postkasse.conf:12", or the name of an environment variable. */
static int value_set(struct config *config, size_t index, const char *where, struct str text,
                     struct errinfo *info)
{
	size_t count;
	const struct config_option *option = &config_options(&count)[index];
	int64_t number;
	if (text.len > CONFIG_VALUE_MAX)
		return err_set(info, E_INVALID, "%s: the value of %s is longer than %d bytes", where,
		               option->name, CONFIG_VALUE_MAX);
	if (has_control_byte(text))
		return err_set(info, E_INVALID, "%s: the value of %s holds a control character", where,
		               option->name);
	if (!parse_by_type(option, text, &number)) {
		if (option->type == CONFIG_CHOICE)
			return err_set(info, E_INVALID, "%s: %s must be one of: %s", where, option->name,
			               option->choices);
		return err_set(info, E_INVALID, "%s: %s must be %s", where, option->name,
		               type_hints[option->type]);
	}
	if (has_range(option->type) && (number < option->min || number > option->max)) {
		char min[CONFIG_NUMBER_SIZE], max[CONFIG_NUMBER_SIZE];
		config_format_number(option->type, option->min, min);
		config_format_number(option->type, option->max, max);
		return err_set(info, E_INVALID, "%s: %s must be from %s to %s", where, option->name, min,
		               max);
	}
	free(config->values[index].text);
	config->values[index] = (struct config_value){str_dup(text), number};
	return 0;
}

void config_format_number(enum config_type type, int64_t number, char ret[CONFIG_NUMBER_SIZE])
{
	static const struct {
		int64_t factor;
		const char *unit;
	} sizes[] = {{INT64_C(1) << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}},
	  durations[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	struct buf text BUF_AUTO;
	buf_init(&text, CONFIG_NUMBER_SIZE);
	int64_t factor = 1;
	const char *unit = "";
	for (size_t i = 0; i < ARRAY_LEN(sizes) && number > 0; i++) {
		int64_t candidate = type == CONFIG_SIZE ? sizes[i].factor : durations[i].factor;
		if (type != CONFIG_NUMBER && number % candidate == 0) {
			factor = candidate;
			unit = type == CONFIG_SIZE ? sizes[i].unit : durations[i].unit;
			break;
		}
	}
	buf_add_u64(&text, (uint64_t)(number / factor));
	buf_add_text(&text, unit);
	buf_add_byte(&text, '\0');
	memcpy(ret, text.ptr, text.len);
}

struct config *config_new(void)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	struct config *config = mem_new(sizeof(*config) + count * sizeof(config->values[0]));
	config->count = count;
	for (size_t i = 0; i < count; i++) {
		struct errinfo info;
		int error = value_set(config, i, "default", str_from(options[i].standard), &info);
		must(error == 0);
	}
	return config;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->count; i++)
		free(config->values[i].text);
	free(config);
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_';
}

/* line = [name *WSP "=" *WSP value], or a comment; seen holds the line that set each option. */
static int parse_line(struct config *config, const char *where, struct str line, size_t number,
                      size_t *seen, struct errinfo *info)
{
	struct str name, value;
	size_t index;
	line = str_trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return 0;
	struct cursor c = cursor_of(line);
	if (!cursor_span(&c, is_name_byte, &name))
		return err_set(info, E_INVALID, "%s: expected \"name = value\"", where);
	while (cursor_byte(&c, ' ') || cursor_byte(&c, '\t'))
		;
	if (!cursor_byte(&c, '='))
		return err_set(info, E_INVALID, "%s: expected \"name = value\"", where);
	value = str_trim(cursor_rest(&c));
	if (option_find(name, &index) == NULL)
		return err_set(info, E_INVALID, "%s: there is no option \"%.*s\"", where,
		               STR_ARG(str_slice(name, 0, 60)));
	if (seen[index] != 0)
		return err_set(info, E_INVALID, "%s: %.*s is set a second time, first on line %zu", where,
		               STR_ARG(name), seen[index]);
	seen[index] = number;
	return value_set(config, index, where, value, info);
}

int config_parse(struct config *config, const char *file, struct str text, struct errinfo *info)
{
	if (text.len > CONFIG_FILE_MAX)
		return err_set(info, E_TOO_LARGE, "%s: longer than %d bytes", file, CONFIG_FILE_MAX);
	size_t *seen MEM_AUTO = mem_new_array(config->count, sizeof(*seen));
	for (size_t number = 1; text.len > 0; number++) {
		ptrdiff_t end = str_find_byte(text, '\n');
		struct str line = end < 0 ? text : str_slice(text, 0, (size_t)end);
		struct buf where BUF_AUTO;
		buf_init(&where, PATH_MAX + 32);
		buf_addf(&where, "%s:%zu", file, number);
		buf_add_byte(&where, '\0');
		int error = parse_line(config, where.failed ? "configuration" : where.ptr, line, number,
		                       seen, info);
		if (error != 0)
			return error;
		text = end < 0 ? (struct str){NULL, 0} : str_from_byte(text, (size_t)end + 1);
	}
	return 0;
}

int config_parse_environment(struct config *config, char *const *environment, struct errinfo *info)
{
	const struct str prefix = STR("POSTKASSE_");
	for (; *environment != NULL; environment++) {
		struct str entry = str_from(*environment);
		ptrdiff_t equals = str_find_byte(entry, '=');
		if (equals < 0 || !str_starts(entry, prefix))
			continue;
		struct str variable = str_slice(entry, 0, (size_t)equals);
		struct str upper = str_from_byte(variable, prefix.len);
		char where[128], name[128];
		size_t len = upper.len < sizeof(name) ? upper.len : sizeof(name) - 1;
		for (size_t i = 0; i < len; i++) {
			/* Only the upper-case spelling names an option. */
			name[i] = upper.ptr[i] >= 'a' && upper.ptr[i] <= 'z' ? '?' : ascii_lower(upper.ptr[i]);
		}
		len = variable.len < sizeof(where) ? variable.len : sizeof(where) - 1;
		memcpy(where, variable.ptr, len);
		where[len] = '\0';
		size_t index;
		if (upper.len >= sizeof(name) || option_find(STR_OF(name, upper.len), &index) == NULL)
			return err_set(info, E_INVALID, "environment: there is no option for %s", where);
		int error = value_set(config, index, where,
		                      str_trim(str_from_byte(entry, (size_t)equals + 1)), info);
		if (error != 0)
			return error;
	}
	return 0;
}

void config_print(const struct config *config, struct buf *out)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	for (size_t i = 0; i < config->count; i++)
		buf_addf(out, "%s = %s\n", options[i].name, config->values[i].text);
}

static const struct config_value *value_get(const struct config *config, const char *name,
                                            enum config_type *ret_type)
{
	size_t index;
	const struct config_option *option = option_find(str_from(name), &index);
	must(option != NULL);
	*ret_type = option->type;
	return &config->values[index];
}

/* "10G" and "10240M" are the same, and so are lists that differ in blanks. */
static bool same_value(const struct config_option *option, const struct config_value *a,
                       const struct config_value *b)
{
	size_t a_position = 0, b_position = 0;
	struct str a_word, b_word;
	if (option->type != CONFIG_LIST)
		return a->number == b->number && (has_range(option->type) || strcmp(a->text, b->text) == 0);
	for (;;) {
		bool more = next_word(str_from(a->text), &a_position, &a_word);
		if (more != next_word(str_from(b->text), &b_position, &b_word))
			return false;
		if (!more || !str_eq(a_word, b_word))
			return !more;
	}
}

void config_keep_fixed(struct config *config, const struct config *running,
                       void (*changed)(void *ctx, const char *name), void *ctx)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	for (size_t i = 0; i < count; i++) {
		struct config_value *value = &config->values[i];
		const struct config_value *old = &running->values[i];
		if (options[i].reload != CONFIG_RESTARTS || same_value(&options[i], value, old))
			continue;
		free(value->text);
		*value = (struct config_value){str_dup(str_from(old->text)), old->number};
		if (changed != NULL)
			changed(ctx, options[i].name);
	}
}

bool config_bool(const struct config *config, const char *name)
{
	enum config_type type;
	const struct config_value *value = value_get(config, name, &type);
	must(type == CONFIG_BOOL);
	return value->number != 0;
}

int64_t config_number(const struct config *config, const char *name)
{
	enum config_type type;
	const struct config_value *value = value_get(config, name, &type);
	must(has_range(type));
	return value->number;
}

const char *config_text(const struct config *config, const char *name)
{
	enum config_type type;
	const struct config_value *value = value_get(config, name, &type);
	must(type == CONFIG_TEXT || type == CONFIG_PATH || type == CONFIG_CHOICE);
	return value->text;
}

bool config_list_next(const struct config *config, const char *name, size_t *position,
                      struct str *ret_word)
{
	enum config_type type;
	const struct config_value *value = value_get(config, name, &type);
	must(type == CONFIG_LIST);
	return next_word(str_from(value->text), position, ret_word);
}
