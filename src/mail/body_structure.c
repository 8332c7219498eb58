#include "mail/body_structure.h"

#include "mail/envelope.h"
#include "mail/param.h"

enum {
	LANGUAGES_MAX = 32,
	PARAMETER_COST = 16, /* of one besides its texts */
	LANGUAGE_COST = 16,
};

/* Words of the structure itself cost nothing: they are short, and never left out. */
static ProtobufCBinaryData word_of(struct str word)
{
	return (ProtobufCBinaryData){word.len, (uint8_t *)(uintptr_t)word.ptr};
}

/* body-fld-param, continuations put together */
static void add_params(struct mail_builder *b, struct cursor *c, ProtobufCBinaryData **ret,
                       size_t *ret_count)
{
	struct mail_params params;
	struct buf name BUF_AUTO, value BUF_AUTO;
	buf_init(&name, MAIL_BUILD_BUDGET);
	buf_init(&value, MAIL_BUILD_BUDGET);
	mail_params_read(c, &params);
	ProtobufCBinaryData *out = params.count == 0
	                               ? NULL
	                               : arena_array(b->arena, 2 * params.count, sizeof(*out));
	b->full |= params.count > 0 && out == NULL;
	size_t position = 0, count = 0;
	while (out != NULL && mail_params_next(&params, &position, &name, &value)) {
		if (name.len + value.len + PARAMETER_COST > b->budget) {
			b->cut = true;
			break;
		}
		mail_build_charge(b, PARAMETER_COST);
		mail_build_bytes(b, buf_str(&name), &out[count++]);
		mail_build_bytes(b, buf_str(&value), &out[count++]);
	}
	*ret = out;
	*ret_count = count;
}

static void add_charset(struct mail_builder *b, const char *charset, Pk__Body *ret)
{
	ret->parameters = arena_array(b->arena, 2, sizeof(*ret->parameters));
	b->full |= ret->parameters == NULL;
	if (ret->parameters == NULL)
		return;
	ret->parameters[0] = word_of(STR("charset"));
	ret->parameters[1] = word_of(str_from(charset));
	ret->n_parameters = 2;
}

static void add_type(struct mail_builder *b, const struct mail_part *part, Pk__Body *ret)
{
	struct str type, subtype;
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_TYPE]);
	ret->has_type = ret->has_subtype = true;
	ret->type = word_of(part->type);
	ret->subtype = word_of(part->subtype);
	if (part->params_are_written && mail_content_type(&c, &type, &subtype))
		add_params(b, &c, &ret->parameters, &ret->n_parameters);
	else if (str_eq(part->type, STR("text")))
		add_charset(b, "us-ascii", ret); /* RFC 2045 section 5.2 */
}

static void add_disposition(struct mail_builder *b, struct str value, Pk__Body *ret)
{
	struct cursor c = cursor_of(value);
	struct str token = STR("attachment"); /* what a value of parameters only must mean */
	if (str_trim(value).len == 0 || (!mail_content_token(&c, &token) && cursor_peek(&c) != ';') ||
	    !mail_build_charge(b, token.len))
		return;
	ret->has_disposition = true;
	ret->disposition = word_of(token);
	add_params(b, &c, &ret->disposition_parameters, &ret->n_disposition_parameters);
}

static void add_languages(struct mail_builder *b, struct str value, Pk__Body *ret)
{
	struct cursor c = cursor_of(value);
	struct str tags[LANGUAGES_MAX];
	size_t count = 0;
	while (count < LANGUAGES_MAX && mail_content_token(&c, &tags[count])) {
		count += mail_build_charge(b, tags[count].len + LANGUAGE_COST);
		mail_skip_cfws(&c);
		if (!cursor_byte(&c, ','))
			break;
	}
	ret->languages = count == 0 ? NULL : arena_array(b->arena, count, sizeof(*ret->languages));
	b->full |= count > 0 && ret->languages == NULL;
	ret->n_languages = b->full ? 0 : count;
	for (size_t i = 0; i < ret->n_languages; i++)
		ret->languages[i] = word_of(tags[i]);
}

/* body-fld-enc: never NIL. One that is not known is named too, whatever it is. */
static ProtobufCBinaryData encoding(struct mail_builder *b, const struct mail_part *part)
{
	struct cursor c = cursor_of(part->field[MAIL_FIELD_CONTENT_TRANSFER_ENCODING]);
	struct str token;
	bool known = part->encoding != PK__PART__ENCODING__OTHER;
	if (!mail_content_token(&c, &token) || (!known && !mail_build_charge(b, token.len)))
		token = STR("7bit");
	return word_of(token);
}

static void add_body(struct mail_builder *b, struct str raw, const struct mail_part *part,
                     Pk__Body *ret)
{
	const struct str *field = part->field;
	pk__body__init(ret);
	ret->has_parent = part->parent > 0;
	ret->parent = part->parent;
	ret->has_kind = part->kind != PK__PART__KIND__LEAF;
	ret->kind = part->kind;
	add_type(b, part, ret);
	if (part->kind != PK__PART__KIND__MULTIPART) {
		ret->has_id = mail_build_field(b, field[MAIL_FIELD_CONTENT_ID], &ret->id);
		ret->has_description = mail_build_field(b, field[MAIL_FIELD_CONTENT_DESCRIPTION],
		                                        &ret->description);
		ret->has_encoding = ret->has_size = ret->has_lines = true;
		ret->encoding = encoding(b, part);
		ret->size = part->body_size;
		ret->lines = part->lines;
		ret->has_md5 = mail_build_field(b, field[MAIL_FIELD_CONTENT_MD5], &ret->md5);
	}
	add_disposition(b, field[MAIL_FIELD_CONTENT_DISPOSITION], ret);
	add_languages(b, field[MAIL_FIELD_CONTENT_LANGUAGE], ret);
	ret->has_location = mail_build_field(b, field[MAIL_FIELD_CONTENT_LOCATION], &ret->location);
	if (part->kind != PK__PART__KIND__MESSAGE)
		return;
	ret->envelope = arena_alloc(b->arena, sizeof(*ret->envelope));
	b->full |= ret->envelope == NULL;
	if (ret->envelope != NULL)
		mail_envelope_build(b, raw, part + 1, ret->envelope); /* preorder: its only child */
}

void mail_body_structure_build(struct mail_builder *b, struct str raw, const struct mail_tree *tree,
                               Pk__BodyStructure *ret)
{
	pk__body_structure__init(ret);
	Pk__Body *bodies = arena_array(b->arena, tree->count, sizeof(*bodies));
	ret->bodies = arena_array(b->arena, tree->count, sizeof(*ret->bodies));
	b->full |= bodies == NULL || ret->bodies == NULL;
	for (size_t i = 0; i < tree->count && !b->full; i++) {
		add_body(b, raw, &tree->parts[i], &bodies[i]);
		ret->bodies[ret->n_bodies++] = &bodies[i];
	}
}
