#include "mail/charset.h"

#include <string.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>

#include "base/utf8.h"
#include "mail/charset_label.h"

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

/* ---------------------------------------------------------------- shifting */

/* The length of the shift sequence that text begins with, or 0: SO, SI, and the designations of ISO 2022,
 * ESC, intermediate bytes, a final one. */
static size_t iso_shift(struct str text)
{
	enum { ESC = 0x1b, SO = 0x0e, SI = 0x0f, DESIGNATION_MAX = 4 };
	if (text.len == 0)
		return 0;
	if (text.ptr[0] == SO || text.ptr[0] == SI)
		return 1;
	if (text.ptr[0] != ESC || text.len < 3 || text.ptr[1] < 0x20 || text.ptr[1] > 0x2f)
		return 0;
	for (size_t i = 2; i < text.len && i < DESIGNATION_MAX; i++) {
		if (text.ptr[i] >= 0x30 && text.ptr[i] <= 0x7e)
			return i + 1;
		if (text.ptr[i] < 0x20)
			break;
	}
	return 0;
}

static size_t hz_shift(struct str text)
{
	bool shifts = text.len >= 2 && text.ptr[0] == '~' && (text.ptr[1] == '{' || text.ptr[1] == '}');
	return shifts ? 2 : 0;
}

/* Text that was put together from pieces shifts back and at once shifts again. ICU takes that for an
 * attack and writes U+FFFD there; the first of two such shifts means nothing and is left out. Where SO
 * shifts (ISO-2022-KR and -CN) a designation only prepares that, and stays. */
static void add_without_empty_shifts(struct buf *out, struct str bytes, bool hz)
{
	size_t start = 0, i = 0;
	bool uses_so = str_find_byte(bytes, 0x0e) >= 0;
	while (i < bytes.len) {
		struct str rest = str_from_byte(bytes, i);
		size_t len = hz ? hz_shift(rest) : iso_shift(rest);
		struct str after = str_from_byte(rest, len);
		size_t next = len == 0 ? 0 : hz ? hz_shift(after) : iso_shift(after);
		bool prepares = uses_so && (len != 1 || next != 1);
		if (next > 0 && !prepares) {
			buf_add_str(out, str_slice(bytes, start, i - start));
			start = i + len;
		}
		i += len > 0 ? len : 1;
	}
	buf_add_str(out, str_from_byte(bytes, start));
}

/* ---------------------------------------------------------------- ISO-8859-16 */

/* From 0xa0 on; below, a byte is the character of its number. */
static const char latin10[][sizeof("\u20ac")] = {
	"\u00a0", "\u0104", "\u0105", "\u0141", "\u20ac", "\u201e", "\u0160", "\u00a7", "\u0161",
	"\u00a9", "\u0218", "\u00ab", "\u0179", "\u00ad", "\u017a", "\u017b", "\u00b0", "\u00b1",
	"\u010c", "\u0142", "\u017d", "\u201d", "\u00b6", "\u00b7", "\u017e", "\u010d", "\u0219",
	"\u00bb", "\u0152", "\u0153", "\u0178", "\u017c", "\u00c0", "\u00c1", "\u00c2", "\u0102",
	"\u00c4", "\u0106", "\u00c6", "\u00c7", "\u00c8", "\u00c9", "\u00ca", "\u00cb", "\u00cc",
	"\u00cd", "\u00ce", "\u00cf", "\u0110", "\u0143", "\u00d2", "\u00d3", "\u00d4", "\u0150",
	"\u00d6", "\u015a", "\u0170", "\u00d9", "\u00da", "\u00db", "\u00dc", "\u0118", "\u021a",
	"\u00df", "\u00e0", "\u00e1", "\u00e2", "\u0103", "\u00e4", "\u0107", "\u00e6", "\u00e7",
	"\u00e8", "\u00e9", "\u00ea", "\u00eb", "\u00ec", "\u00ed", "\u00ee", "\u00ef", "\u0111",
	"\u0144", "\u00f2", "\u00f3", "\u00f4", "\u0151", "\u00f6", "\u015b", "\u0171", "\u00f9",
	"\u00fa", "\u00fb", "\u00fc", "\u0119", "\u021b", "\u00ff",
};

static void add_latin10(struct buf *out, struct str bytes)
{
	while (bytes.len > 0 && !out->failed) {
		unsigned char c = (unsigned char)bytes.ptr[0];
		char control[] = {'\xc2', (char)c};
		size_t len = utf8_ascii_length(bytes);
		if (len > 0)
			add_utf8(out, STR_OF(bytes.ptr, len));
		else if (c < 0xa0)
			add_cut(out, STR_OF(control, sizeof(control)));
		else
			add_cut(out, str_from(latin10[c - 0xa0]));
		bytes = str_from_byte(bytes, len > 0 ? len : 1);
	}
}

/* ---------------------------------------------------------------- ICU */

/* In GBK, which is read as its superset gb18030, 0x80 alone is the euro sign. */
static void substitute(const void *ctx, UConverterToUnicodeArgs *args, const char *bytes,
                       int32_t length, UConverterCallbackReason reason, UErrorCode *error)
{
	static const UChar euro = 0x20ac;
	if (reason > UCNV_IRREGULAR || length != 1 || (unsigned char)bytes[0] != 0x80) {
		UCNV_TO_U_CALLBACK_SUBSTITUTE(ctx, args, bytes, length, reason, error);
		return;
	}
	*error = U_ZERO_ERROR;
	ucnv_cbToUWriteUChars(args, &euro, 1, 0, error);
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

/* Only names out of ICU's table of aliases: for others ucnv_open() would look for a file. */
static bool icu_name(struct str name, char ret[CHARSET_NAME_MAX + 1])
{
	if (name.len == 0 || name.len > CHARSET_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.ptr[i]) &&
		    (name.ptr[i] == '\0' || strchr("-_.:+()", name.ptr[i]) == NULL))
			return false;
		ret[i] = name.ptr[i];
	}
	ret[name.len] = '\0';
	UErrorCode error = U_ZERO_ERROR;
	return ucnv_countAliases(ret, &error) > 0 && U_SUCCESS(error);
}

static UConverter *open_converter(struct str name, const struct mail_charset *charset)
{
	char text[CHARSET_NAME_MAX + 1];
	const char *converter_name = charset->converter;
	if (converter_name == NULL && !icu_name(name, text))
		return NULL;
	UErrorCode error = U_ZERO_ERROR;
	UConverter *converter = ucnv_open(converter_name == NULL ? text : converter_name, &error);
	if (U_FAILURE(error))
		return NULL;
	if (converter_name != NULL && strcmp(converter_name, "gb18030") == 0)
		ucnv_setToUCallBack(converter, substitute, NULL, NULL, NULL, &error);
	return converter;
}

static int convert_with(struct buf *out, struct str bytes, struct str name)
{
	const struct mail_charset charset = mail_charset_find(name);
	if (charset.kind == MAIL_CHARSET_LATIN10) {
		add_latin10(out, bytes);
		return out->failed ? E_TOO_LARGE : 0;
	}
	struct buf plain BUF_AUTO;
	buf_init(&plain, bytes.len);
	UConverter *from = open_converter(name, &charset);
	UErrorCode error = U_ZERO_ERROR;
	UConverter *to = from == NULL ? NULL : ucnv_open("UTF-8", &error);
	if (to != NULL && U_SUCCESS(error)) {
		if (charset.kind == MAIL_CHARSET_SHIFTS && strcmp(charset.converter, "UTF-7") != 0) {
			add_without_empty_shifts(&plain, bytes, strcmp(charset.converter, "HZ") == 0);
			bytes = buf_str(&plain);
		}
		convert(out, bytes, from, to);
	}
	int result = to == NULL || U_FAILURE(error) ? E_UNSUPPORTED : out->failed ? E_TOO_LARGE : 0;
	ucnv_close(from);
	ucnv_close(to);
	return result;
}

/* ---------------------------------------------------------------- both */

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
	switch (mail_charset_find(charset).kind) {
	case MAIL_CHARSET_UTF8:
		add_utf8(out, bytes);
		break;
	case MAIL_CHARSET_ASCII:
		add_ascii(out, bytes);
		break;
	default:
		return convert_with(out, bytes, charset);
	}
	return out->failed ? E_TOO_LARGE : 0;
}

void mail_to_utf8_lenient(struct buf *out, struct str bytes, struct str charset)
{
	enum mail_charset_kind kind = mail_charset_find(charset).kind;
	if (kind == MAIL_CHARSET_UTF8 && utf8_valid(bytes)) {
		add_cut(out, bytes);
		return;
	}
	bool extends = kind == MAIL_CHARSET_EXTENDS || kind == MAIL_CHARSET_ASCII;
	if (extends && utf8_ascii_length(bytes) == bytes.len) {
		add_utf8(out, bytes);
		return;
	}
	bool converted = kind != MAIL_CHARSET_ASCII && kind != MAIL_CHARSET_UTF8;
	if (converted && convert_with(out, bytes, charset) != E_UNSUPPORTED)
		return;
	if (kind == MAIL_CHARSET_UTF8 || utf8_valid(bytes) ||
	    convert_with(out, bytes, STR("windows-1252")) == E_UNSUPPORTED)
		add_utf8(out, bytes);
}

void mail_blank_controls(struct buf *b, size_t start)
{
	for (size_t i = start; i < b->len; i++)
		if ((unsigned char)b->ptr[i] < ' ' || b->ptr[i] == 127)
			b->ptr[i] = ' ';
}
