#ifndef POSTKASSE_TEST_MAIL_GRAMMAR_H
#define POSTKASSE_TEST_MAIL_GRAMMAR_H

/*
 * An independent check of what src/mail says about a message: ENVELOPE, BODYSTRUCTURE and BODY against
 * the grammar of RFC 9051 section 9, the part tree against the bytes of the message. Written apart
 * from the code under test and sharing nothing with it but the headers; recursive, for it only ever
 * sees depths that the scanner has bounded.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unicode/ustring.h>

#include "base/must.h"
#include "imap/structure.h"
#include "mail/describe.h"

struct grammar {
	const char *p;
	const char *end;
	const Pk__Description *description; /* bodies are compared with its parts; may be NULL */
	size_t bodies;
	bool extensible;
	const char *why; /* the first failure */
};

static inline bool grammar_fail(struct grammar *g, const char *why)
{
	if (g->why == NULL)
		g->why = why;
	return false;
}

static inline bool grammar_byte(struct grammar *g, char c)
{
	if (g->p == g->end || *g->p != c)
		return grammar_fail(g, "a byte is missing");
	g->p++;
	return true;
}

static inline bool grammar_next_is(const struct grammar *g, const char *text)
{
	size_t len = strlen(text);
	return (size_t)(g->end - g->p) >= len && memcmp(g->p, text, len) == 0;
}

static inline bool grammar_nil(struct grammar *g)
{
	if (!grammar_next_is(g, "NIL"))
		return false;
	g->p += 3;
	return true;
}

/* number: 1*DIGIT below 2^32, without superfluous zeros */
static inline bool grammar_number(struct grammar *g, uint64_t *ret)
{
	const char *start = g->p;
	*ret = 0;
	while (g->p < g->end && *g->p >= '0' && *g->p <= '9' && g->p - start < 11)
		*ret = *ret * 10 + (uint64_t)(*g->p++ - '0');
	if (g->p == start || *ret > UINT32_MAX || (g->p - start > 1 && *start == '0'))
		return grammar_fail(g, "not a number");
	return true;
}

static inline bool grammar_quoted(struct grammar *g)
{
	g->p++;
	while (g->p < g->end && *g->p != '"') {
		if (*g->p == '\\') {
			g->p++;
			if (g->p == g->end || (*g->p != '"' && *g->p != '\\'))
				return grammar_fail(g, "bad escape");
		}
		if (*g->p == '\0' || *g->p == '\r' || *g->p == '\n' || (unsigned char)*g->p >= 0x80)
			return grammar_fail(g, "byte that a quoted string may not have");
		g->p++;
	}
	return grammar_byte(g, '"');
}

static inline bool grammar_literal(struct grammar *g)
{
	uint64_t len;
	g->p++;
	if (!grammar_number(g, &len) || !grammar_byte(g, '}') || !grammar_byte(g, '\r') ||
	    !grammar_byte(g, '\n'))
		return false;
	if ((uint64_t)(g->end - g->p) < len)
		return grammar_fail(g, "literal longer than the text");
	if (memchr(g->p, '\0', (size_t)len) != NULL)
		return grammar_fail(g, "NUL in a literal");
	g->p += len;
	return true;
}

static inline bool grammar_string(struct grammar *g)
{
	if (g->p < g->end && *g->p == '"')
		return grammar_quoted(g);
	if (g->p < g->end && *g->p == '{')
		return grammar_literal(g);
	return grammar_fail(g, "not a string");
}

static inline bool grammar_nstring(struct grammar *g)
{
	return grammar_nil(g) || grammar_string(g);
}

/* "(" 1*address ")" / nil, with groups that begin and end */
static inline bool grammar_addresses(struct grammar *g)
{
	bool in_group = false;
	if (grammar_nil(g))
		return true;
	if (!grammar_byte(g, '('))
		return false;
	do {
		bool has_mailbox, has_host;
		if (!grammar_byte(g, '(') || !grammar_nstring(g) || !grammar_byte(g, ' ') ||
		    !grammar_nstring(g) || !grammar_byte(g, ' '))
			return false;
		has_mailbox = !grammar_next_is(g, "NIL");
		if (!grammar_nstring(g) || !grammar_byte(g, ' '))
			return false;
		has_host = !grammar_next_is(g, "NIL");
		if (!grammar_nstring(g) || !grammar_byte(g, ')'))
			return false;
		if (!has_host && has_mailbox == in_group)
			return grammar_fail(g, "groups do not pair");
		if (has_host && !has_mailbox)
			return grammar_fail(g, "host without mailbox");
		if (!has_host)
			in_group = has_mailbox;
	} while (g->p < g->end && *g->p == '(');
	if (in_group)
		return grammar_fail(g, "group without end");
	return grammar_byte(g, ')');
}

static inline bool grammar_envelope(struct grammar *g)
{
	if (!grammar_byte(g, '(') || !grammar_nstring(g) || !grammar_byte(g, ' ') ||
	    !grammar_nstring(g))
		return false;
	for (int i = 0; i < 6; i++)
		if (!grammar_byte(g, ' ') || !grammar_addresses(g))
			return false;
	return grammar_byte(g, ' ') && grammar_nstring(g) && grammar_byte(g, ' ') &&
	       grammar_nstring(g) && grammar_byte(g, ')');
}

static inline bool grammar_params(struct grammar *g)
{
	if (grammar_nil(g))
		return true;
	if (!grammar_byte(g, '('))
		return false;
	while (true) {
		if (!grammar_string(g) || !grammar_byte(g, ' ') || !grammar_string(g))
			return false;
		if (g->p < g->end && *g->p == ')')
			return grammar_byte(g, ')');
		if (!grammar_byte(g, ' '))
			return false;
	}
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static inline bool grammar_extension(struct grammar *g)
{
	if (!grammar_byte(g, ' '))
		return false;
	if (!grammar_nil(g) && (!grammar_byte(g, '(') || !grammar_string(g) || !grammar_byte(g, ' ') ||
	                        !grammar_params(g) || !grammar_byte(g, ')')))
		return false;
	if (!grammar_byte(g, ' '))
		return false;
	if (g->p < g->end && *g->p == '(') {
		g->p++;
		while (grammar_string(g) && g->p < g->end && *g->p == ' ')
			g->p++;
		if (!grammar_byte(g, ')'))
			return false;
	} else if (!grammar_nstring(g)) {
		return false;
	}
	return grammar_byte(g, ' ') && grammar_nstring(g);
}

static inline const Pk__Part *grammar_part(const struct grammar *g, size_t index)
{
	if (g->description == NULL || index >= g->description->n_parts)
		return NULL;
	return g->description->parts[index];
}

static inline bool grammar_body(struct grammar *g, int depth);

/* The parts inside of the last one, which BODYSTRUCTURE does not show */
static inline void grammar_pass_over_children(struct grammar *g)
{
	size_t outer = g->bodies;
	while (g->bodies < g->description->n_parts && g->description->parts[g->bodies]->parent >= outer)
		g->bodies++;
}

static inline bool grammar_multipart(struct grammar *g, int depth, const Pk__Part *part)
{
	if (part != NULL && part->kind != PK__PART__KIND__MULTIPART)
		return grammar_fail(g, "a multipart that is none in the tree");
	do {
		if (!grammar_body(g, depth + 1))
			return false;
	} while (g->p < g->end && *g->p == '(');
	if (!grammar_byte(g, ' ') || !grammar_string(g))
		return false;
	if (g->extensible && (!grammar_byte(g, ' ') || !grammar_params(g) || !grammar_extension(g)))
		return false;
	return grammar_byte(g, ')');
}

static inline bool grammar_single(struct grammar *g, int depth, const Pk__Part *part)
{
	bool is_text = grammar_next_is(g, "\"text\" ");
	bool is_message = grammar_next_is(g, "\"message\" \"rfc822\" ");
	bool is_global = part != NULL && part->kind == PK__PART__KIND__MESSAGE &&
	                 grammar_next_is(g, "\"message\" \"global\" ");
	uint64_t size, lines = 0;
	if (part != NULL && (is_message || is_global) != (part->kind == PK__PART__KIND__MESSAGE))
		return grammar_fail(g, "kind differs from the tree");
	if (is_global)
		grammar_pass_over_children(g);
	if (!grammar_string(g) || !grammar_byte(g, ' ') || !grammar_string(g) ||
	    !grammar_byte(g, ' ') || !grammar_params(g) || !grammar_byte(g, ' ') ||
	    !grammar_nstring(g) || !grammar_byte(g, ' ') || !grammar_nstring(g) ||
	    !grammar_byte(g, ' ') || !grammar_string(g) || !grammar_byte(g, ' ') ||
	    !grammar_number(g, &size))
		return false;
	if (is_message && (!grammar_byte(g, ' ') || !grammar_envelope(g) || !grammar_byte(g, ' ') ||
	                   !grammar_body(g, depth + 1)))
		return false;
	if ((is_text || is_message) && (!grammar_byte(g, ' ') || !grammar_number(g, &lines)))
		return false;
	if (part != NULL &&
	    (size != part->body_size || ((is_text || is_message) && lines != part->lines)))
		return grammar_fail(g, "size or lines differ from the tree");
	if (g->extensible && (!grammar_byte(g, ' ') || !grammar_nstring(g) || !grammar_extension(g)))
		return false;
	return grammar_byte(g, ')');
}

static inline bool grammar_body(struct grammar *g, int depth)
{
	const Pk__Part *part = grammar_part(g, g->bodies++);
	if (depth > MAIL_DEPTH_MAX + 1)
		return grammar_fail(g, "too deep");
	if (!grammar_byte(g, '('))
		return false;
	if (g->p < g->end && *g->p == '(')
		return grammar_multipart(g, depth, part);
	return grammar_single(g, depth, part);
}

/* NULL, or what is wrong with a rendered body. */
static inline const char *check_body(struct str text, bool extensible, const Pk__Description *d)
{
	struct grammar g = {
		.p = text.ptr, .end = text.ptr + text.len, .description = d, .extensible = extensible};
	if (!grammar_body(&g, 0))
		return g.why;
	if (g.p != g.end)
		return "bytes after the body";
	return d != NULL && g.bodies != d->n_parts ? "more or fewer bodies than parts" : NULL;
}

static inline const char *check_envelope(struct str text)
{
	struct grammar g = {.p = text.ptr, .end = text.ptr + text.len};
	if (!grammar_envelope(&g))
		return g.why;
	return g.p == g.end ? NULL : "bytes after the envelope";
}

/* Valid UTF-8 without NUL, as ICU sees it. */
static inline bool check_utf8(const char *ptr, size_t len)
{
	UErrorCode error = U_ZERO_ERROR;
	int32_t units;
	u_strFromUTF8(NULL, 0, &units, ptr, (int32_t)len, &error);
	return (error == U_BUFFER_OVERFLOW_ERROR || U_SUCCESS(error)) &&
	       (len == 0 || memchr(ptr, '\0', len) == NULL);
}

static inline const char *check_part(struct str raw, const Pk__Description *d, size_t i,
                                     const uint64_t *ends)
{
	const Pk__Part *part = d->parts[i];
	uint64_t end = part->body_offset + part->body_size;
	if (part->header_offset + part->header_size != part->body_offset || end > raw.len)
		return "offsets do not add up";
	uint32_t lines = 0;
	for (uint64_t at = part->body_offset; at < end; at++)
		lines += raw.ptr[at] == '\n';
	if (lines != part->lines)
		return "lines are miscounted";
	if (i == 0)
		return part->parent == 0 && part->header_offset == 0 && end == raw.len
		           ? NULL
		           : "the root is not the message";
	if (part->parent == 0 || part->parent > i)
		return "not in preorder";
	const Pk__Part *parent = d->parts[part->parent - 1];
	if (parent->kind == PK__PART__KIND__LEAF)
		return "child of a leaf";
	if (part->header_offset < parent->body_offset || end > parent->body_offset + parent->body_size)
		return "child outside of its parent";
	if (part->header_offset < ends[part->parent - 1])
		return "siblings overlap";
	if (part->attachment && part->kind != PK__PART__KIND__LEAF)
		return "attachment that is no leaf";
	return NULL;
}

static inline const char *check_tree(struct str raw, const Pk__Description *d)
{
	static uint64_t ends[MAIL_PARTS_MAX]; /* of the last child of each part so far */
	static uint32_t children[MAIL_PARTS_MAX];
	if (d->n_parts < 1 || d->n_parts > MAIL_PARTS_MAX)
		return "number of parts";
	memset(ends, 0, sizeof(ends));
	memset(children, 0, sizeof(children));
	for (size_t i = 0; i < d->n_parts; i++) {
		const Pk__Part *part = d->parts[i];
		const char *why = check_part(raw, d, i, ends);
		if (why != NULL)
			return why;
		if (i > 0) {
			ends[part->parent - 1] = part->body_offset + part->body_size;
			children[part->parent - 1]++;
		}
		if (!check_utf8(part->media_type, strlen(part->media_type)) ||
		    !check_utf8(part->file_name, strlen(part->file_name)))
			return "part text is not UTF-8";
	}
	for (size_t i = 0; i < d->n_parts; i++) {
		Pk__Part__Kind kind = d->parts[i]->kind;
		if ((kind == PK__PART__KIND__LEAF && children[i] != 0) ||
		    (kind == PK__PART__KIND__MESSAGE && children[i] != 1) ||
		    (kind == PK__PART__KIND__MULTIPART && children[i] == 0))
			return "number of children";
	}
	return NULL;
}

/* ENVELOPE, and BODYSTRUCTURE or BODY, as the IMAP front writes them from what it is given. */
static inline void render_envelope(struct buf *out, const Pk__Description *d)
{
	Pk__Envelope *envelope = pk__envelope__unpack(NULL, d->envelope.len, d->envelope.data);
	must(envelope != NULL);
	imap_write_envelope(out, envelope);
	pk__envelope__free_unpacked(envelope, NULL);
}

static inline bool render_structure(struct buf *out, const Pk__Description *d, bool extended)
{
	Pk__BodyStructure *structure = pk__body_structure__unpack(NULL, d->body_structure.len,
	                                                          d->body_structure.data);
	must(structure != NULL);
	bool good = imap_write_body_structure(out, structure, extended);
	pk__body_structure__free_unpacked(structure, NULL);
	return good;
}

static inline const char *check_rendered(const Pk__Description *d)
{
	struct buf out BUF_AUTO;
	buf_init(&out, MAIL_SIZE_MAX);
	render_envelope(&out, d);
	const char *why = check_envelope(buf_str(&out));
	for (int extended = 0; why == NULL && extended < 2; extended++) {
		buf_clear(&out);
		if (!render_structure(&out, d, extended == 1))
			why = "bodies that are no tree";
		else
			why = check_body(buf_str(&out), extended == 1, d);
	}
	return why;
}

/* NULL, or what is wrong with the description of raw. */
static inline const char *check_description(struct str raw, const Pk__Description *d)
{
	const char *why = check_tree(raw, d);
	if (why == NULL)
		why = check_rendered(d);
	const char *texts[] = {d->subject,   d->base_subject, d->message_id, d->in_reply_to,
	                       d->from,      d->to,           d->cc,         d->bcc,
	                       d->sort_from, d->sort_to,      d->sort_cc,    d->preview};
	for (size_t i = 0; why == NULL && i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!check_utf8(texts[i], strlen(texts[i])))
			why = "text is not UTF-8";
	for (size_t i = 0; why == NULL && i < d->n_references; i++)
		if (!check_utf8(d->references[i], strlen(d->references[i])))
			why = "reference is not UTF-8";
	if (why == NULL && (!check_utf8((const char *)d->search_text.data, d->search_text.len) ||
	                    !check_utf8((const char *)d->search_header.data, d->search_header.len)))
		why = "search text is not UTF-8";
	if (why == NULL && pk__description__get_packed_size(d) > MAIL_DESCRIPTION_MAX)
		why = "too large for the link";
	if (why == NULL && strlen(d->preview) > 800)
		why = "long preview";
	return why;
}

#endif
