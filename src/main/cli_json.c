#include "main/cli_json.h"

#include <unicode/utf8.h>

#include "base/must.h"
#include "base/utf8.h"

void json_init(struct json *json, struct buf *out)
{
	*json = (struct json){.out = out};
}

static void new_line(struct json *json)
{
	buf_add_byte(json->out, '\n');
	for (int i = 0; i < json->depth; i++)
		buf_add_text(json->out, "  ");
}

/* Before a value or a name: the comma and the line break that belong there. */
static void before(struct json *json)
{
	if (json->named) {
		json->named = false;
		return;
	}
	if (json->filled[json->depth])
		buf_add_byte(json->out, ',');
	if (json->depth > 0)
		new_line(json);
	json->filled[json->depth] = true;
}

static void add_code_point(struct buf *out, const uint8_t *bytes, int32_t from, int32_t to,
                           UChar32 c)
{
	if (c < 0)
		buf_add_text(out, "\\ufffd");
	else if (c == '"' || c == '\\')
		buf_addf(out, "\\%c", (char)c);
	else if (c == '\n')
		buf_add_text(out, "\\n");
	else if (utf8_hides((uint32_t)c))
		buf_addf(out, "\\u%04x", (unsigned)c);
	else
		buf_add(out, bytes + from, (size_t)(to - from));
}

static void add_string(struct json *json, struct str text)
{
	const uint8_t *bytes = (const uint8_t *)text.ptr;
	int32_t at = 0, len = text.len > INT32_MAX ? INT32_MAX : (int32_t)text.len;
	buf_add_byte(json->out, '"');
	while (at < len) {
		int32_t from = at;
		UChar32 c;
		U8_NEXT(bytes, at, len, c);
		add_code_point(json->out, bytes, from, at, c);
	}
	buf_add_byte(json->out, '"');
}

void json_name(struct json *json, const char *name)
{
	must(!json->named && json->depth > 0);
	before(json);
	add_string(json, str_from(name));
	buf_add_text(json->out, ": ");
	json->named = true;
}

static void open_level(struct json *json, char bracket)
{
	must(json->depth < JSON_DEPTH_MAX);
	before(json);
	buf_add_byte(json->out, bracket);
	json->depth++;
	json->filled[json->depth] = false;
}

static void close_level(struct json *json, char bracket)
{
	must(json->depth > 0 && !json->named);
	bool filled = json->filled[json->depth];
	json->depth--;
	if (filled)
		new_line(json);
	buf_add_byte(json->out, bracket);
	if (json->depth == 0)
		buf_add_byte(json->out, '\n');
}

void json_object(struct json *json)
{
	open_level(json, '{');
}

void json_object_end(struct json *json)
{
	close_level(json, '}');
}

void json_array(struct json *json)
{
	open_level(json, '[');
}

void json_array_end(struct json *json)
{
	close_level(json, ']');
}

void json_str(struct json *json, struct str text)
{
	before(json);
	add_string(json, text);
}

void json_number(struct json *json, uint64_t number)
{
	before(json);
	buf_add_u64(json->out, number);
}

void json_signed(struct json *json, int64_t number)
{
	before(json);
	buf_addf(json->out, "%lld", (long long)number);
}

void json_bool(struct json *json, bool value)
{
	before(json);
	buf_add_text(json->out, value ? "true" : "false");
}

void json_null(struct json *json)
{
	before(json);
	buf_add_text(json->out, "null");
}

void json_text_field(struct json *json, const char *name, const char *text)
{
	json_name(json, name);
	json_str(json, text == NULL ? STR("") : str_from(text));
}

void json_date_field(struct json *json, const char *name, const char *text)
{
	json_name(json, name);
	if (text == NULL || text[0] == '\0')
		json_null(json);
	else
		json_str(json, str_from(text));
}

void json_number_field(struct json *json, const char *name, uint64_t number)
{
	json_name(json, name);
	json_number(json, number);
}

void json_bool_field(struct json *json, const char *name, bool value)
{
	json_name(json, name);
	json_bool(json, value);
}
