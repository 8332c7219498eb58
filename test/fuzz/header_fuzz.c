/* A header: fields, encoded words, parameters, folding, subjects, identifiers. */

#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/html.h"
#include "mail/param.h"
#include "mail/subject.h"
#include "mail/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ensure(bool condition)
{
	if (!condition)
		abort();
}

static void check_params(struct str value, struct buf *out)
{
	struct mail_params params;
	struct str type, subtype;
	struct buf name BUF_AUTO, text BUF_AUTO;
	struct cursor c = cursor_of(value);
	size_t position = 0;
	buf_init(&name, value.len + 16);
	buf_init(&text, value.len * 3 + 16);
	mail_content_type(&c, &type, &subtype);
	mail_params_read(&c, &params);
	ensure(params.count <= MAIL_PARAMS_MAX);
	while (mail_params_next(&params, &position, &name, &text))
		ensure(name.len > 0 && !name.failed && !text.failed);
	buf_clear(out);
	mail_params_decode(&params, STR("name"), out);
	ensure(utf8_valid(buf_str(out)));
}

static void check_text(struct str value, struct buf *decoded)
{
	struct buf folded BUF_AUTO, again BUF_AUTO, other BUF_AUTO;
	buf_init(&folded, decoded->max * 4);
	buf_init(&again, decoded->max * 4);
	buf_init(&other, decoded->max);
	buf_clear(decoded);
	mail_words_decode(decoded, value);
	ensure(utf8_valid(buf_str(decoded)));
	mail_fold(&folded, buf_str(decoded));
	mail_fold(&again, buf_str(&folded));
	ensure(utf8_valid(buf_str(&folded)) && str_eq(buf_str(&folded), buf_str(&again)));
	mail_base_subject(&other, buf_str(decoded));
	ensure(utf8_valid(buf_str(&other)) && other.len <= decoded->len);
	buf_clear(&other);
	mail_html_text(&other, buf_str(decoded));
	ensure(utf8_valid(buf_str(&other)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str header = STR_OF(data, size);
	struct buf scratch BUF_AUTO, out BUF_AUTO;
	buf_init(&scratch, size);
	buf_init(&out, size * 12 + 1000);
	struct cursor c = cursor_of(header);
	struct mail_field field;
	struct str id;
	size_t sum = 0;
	while (mail_header_next(&c, &field)) {
		sum += field.raw.len;
		ensure(field.raw.len > 0 && field.value.len <= field.raw.len);
		struct str value = mail_unfold(field.value, &scratch);
		ensure(value.len == 0 ||
		       (str_find_byte(value, '\n') < 0 && str_find_byte(value, '\r') < 0));
		check_text(value, &out);
		check_params(field.value, &out);
		for (struct cursor ids = cursor_of(field.value); mail_message_id_next(&ids, &id);)
			ensure(id.len > 0);
	}
	ensure(sum <= header.len);
	return 0;
}
