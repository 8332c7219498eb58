#include "mail/charset.h"

#include <string.h>
#include <unicode/ucnv.h>

#include "base/utf8.h"

enum {
	CHARSET_NAME_MAX = 60,
	CHUNK = 4096,
	PIVOT = 1024, /* UTF-16 units between the two converters */
};

static const struct str replacement = {"\xef\xbf\xbd", 3};

/* Appends what fits, whole characters of it. */
static void add_cut(struct buf *out, struct str valid)
{
	if (out->failed)
		return;
	struct str fits = utf8_cut(valid, out->max - out->len);
	buf_add_str(out, fits);
	if (fits.len < valid.len)
		out->failed = true;
}

static void add_utf8(struct buf *out, struct str s)
{
	while (s.len > 0 && !out->failed) {
		size_t len = utf8_valid_length(s);
		add_cut(out, STR_OF(s.ptr, len));
		s = str_from_byte(s, len);
		if (s.len == 0)
			break;
		if (s.ptr[0] != '\0')
			add_cut(out, replacement);
		s = str_from_byte(s, 1);
	}
}

/* Leaves out NUL, which any character set can give; what is bad is U+FFFD by ICU's standard rule. */
static void add_converted(struct buf *out, char *bytes, size_t len)
{
	const char *nul;
	while (len > 0 && (nul = memchr(bytes, '\0', len)) != NULL) {
		size_t before = (size_t)(nul - bytes);
		add_cut(out, STR_OF(bytes, before));
		bytes += before + 1;
		len -= before + 1;
	}
	add_cut(out, STR_OF(bytes, len));
}

static void convert(struct buf *out, struct str bytes, UConverter *from, UConverter *to)
{
	UChar pivot[PIVOT];
	UChar *pivot_source = pivot, *pivot_target = pivot;
	struct cursor c = cursor_of(bytes);
	const char *source = c.p;
	bool reset = true;
	while (!out->failed) {
		char chunk[CHUNK];
		char *target = chunk;
		UErrorCode error = U_ZERO_ERROR;
		ucnv_convertEx(to, from, &target, chunk + sizeof(chunk), &source, c.end, pivot,
		               &pivot_source, &pivot_target, pivot + PIVOT, reset, true, &error);
		reset = false;
		add_converted(out, chunk, (size_t)(target - chunk));
		if (error != U_BUFFER_OVERFLOW_ERROR)
			break;
	}
}

static bool is_utf8_name(struct str name)
{
	return str_eq_nocase(name, STR("utf-8")) || str_eq_nocase(name, STR("utf8"));
}

static bool is_ascii_name(struct str name)
{
	return name.len == 0 || str_eq_nocase(name, STR("us-ascii")) ||
	       str_eq_nocase(name, STR("ascii"));
}

/* Only names out of ICU's table of aliases: for others ucnv_open() would look for a file. */
static UConverter *open_converter(struct str name)
{
	char text[CHARSET_NAME_MAX + 1];
	if (name.len == 0 || name.len > CHARSET_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.ptr[i]) && strchr("-_.:+()", name.ptr[i]) == NULL)
			return NULL;
		text[i] = name.ptr[i];
	}
	text[name.len] = '\0';
	if (memchr(name.ptr, '\0', name.len) != NULL)
		return NULL;
	/* Mail says iso-8859-1 and means Windows-1252, which is a superset but for control characters;
	 * likewise gb2312 and gb18030 (WHATWG Encoding section 4.2). */
	const char *better = text;
	if (str_eq_nocase(name, STR("iso-8859-1")) || str_eq_nocase(name, STR("latin1")))
		better = "windows-1252";
	else if (str_eq_nocase(name, STR("gb2312")) || str_eq_nocase(name, STR("gbk")))
		better = "gb18030";
	UErrorCode error = U_ZERO_ERROR;
	if (ucnv_countAliases(better, &error) == 0 || U_FAILURE(error))
		return NULL;
	error = U_ZERO_ERROR;
	UConverter *converter = ucnv_open(better, &error);
	return U_FAILURE(error) ? NULL : converter;
}

static int convert_with(struct buf *out, struct str bytes, struct str charset)
{
	UConverter *from = open_converter(charset);
	UErrorCode error = U_ZERO_ERROR;
	UConverter *to = from == NULL ? NULL : ucnv_open("UTF-8", &error);
	if (to != NULL && U_SUCCESS(error))
		convert(out, bytes, from, to);
	int result = to == NULL || U_FAILURE(error) ? E_UNSUPPORTED : out->failed ? E_TOO_LARGE : 0;
	ucnv_close(from);
	ucnv_close(to);
	return result;
}

static void add_ascii(struct buf *out, struct str bytes)
{
	while (bytes.len > 0 && !out->failed) {
		size_t len = utf8_ascii_length(bytes);
		add_utf8(out, STR_OF(bytes.ptr, len));
		bytes = str_from_byte(bytes, len);
		if (bytes.len > 0)
			add_cut(out, replacement);
		bytes = str_from_byte(bytes, 1);
	}
}

int mail_to_utf8(struct buf *out, struct str bytes, struct str charset)
{
	if (is_utf8_name(charset))
		add_utf8(out, bytes);
	else if (is_ascii_name(charset))
		add_ascii(out, bytes);
	else
		return convert_with(out, bytes, charset);
	return out->failed ? E_TOO_LARGE : 0;
}

/* Character sets in which a text of ASCII bytes is just that: no shifting, no wide units. */
static bool extends_ascii(struct str charset)
{
	static const struct str prefixes[] = {
		{"utf-8", 5}, {"iso-8859-", 9}, {"windows-125", 11}, {"koi8-", 5}, {"gb", 2},
		{"big5", 4},  {"euc-", 4},      {"utf8", 4},         {"latin", 5},
	};
	if (is_ascii_name(charset))
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (str_starts_nocase(charset, prefixes[i]))
			return true;
	}
	return false;
}

void mail_to_utf8_lenient(struct buf *out, struct str bytes, struct str charset)
{
	if (is_utf8_name(charset) && utf8_valid(bytes)) {
		add_cut(out, bytes);
		return;
	}
	if (extends_ascii(charset) && utf8_ascii_length(bytes) == bytes.len) {
		add_utf8(out, bytes);
		return;
	}
	if (!is_ascii_name(charset) && !is_utf8_name(charset) &&
	    convert_with(out, bytes, charset) != E_UNSUPPORTED)
		return;
	if (is_utf8_name(charset) || utf8_valid(bytes) ||
	    convert_with(out, bytes, STR("windows-1252")) == E_UNSUPPORTED)
		add_utf8(out, bytes);
}

void mail_blank_controls(struct buf *b, size_t start)
{
	for (size_t i = start; i < b->len; i++) {
		if ((unsigned char)b->ptr[i] < ' ' || b->ptr[i] == 127)
			b->ptr[i] = ' ';
	}
}
