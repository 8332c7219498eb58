#ifndef POSTKASSE_MAIN_CLI_JSON_H
#define POSTKASSE_MAIN_CLI_JSON_H

/*
 * Writes JSON (RFC 8259) into a buffer: commas, indentation and escapes are this file's business.
 * Names and values alternate inside an object; nesting is bounded. Bytes that are not UTF-8 become
 * U+FFFD, so that the result always parses.
 */

#include "base/str.h"

enum { JSON_DEPTH_MAX = 8 };

struct json {
	struct buf *out; /* borrowed */
	int depth;
	bool filled[JSON_DEPTH_MAX + 1]; /* something stands at this level already */
	bool named;                      /* a name was written, its value is due */
};

void json_init(struct json *json, struct buf *out);
/* The name of the next value inside an object; NULL-safe values follow. */
void json_name(struct json *json, const char *name);
void json_object(struct json *json);
void json_object_end(struct json *json);
void json_array(struct json *json);
void json_array_end(struct json *json);
void json_str(struct json *json, struct str text);
void json_number(struct json *json, uint64_t number);
void json_signed(struct json *json, int64_t number);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* name and value at once */
void json_text_field(struct json *json, const char *name, const char *text);
/* null when the text is empty */
void json_date_field(struct json *json, const char *name, const char *text);
void json_number_field(struct json *json, const char *name, uint64_t number);
void json_bool_field(struct json *json, const char *name, bool value);

#endif
