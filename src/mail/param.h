#ifndef POSTKASSE_MAIL_PARAM_H
#define POSTKASSE_MAIL_PARAM_H

/*
 * Content-Type and Content-Disposition: the value and its parameters, RFC 2045 section 5.1, with
 * continuations and character sets by RFC 2231. Tolerant: values that should have been quoted,
 * missing semicolons, quoted strings without an end. Parsing copies nothing; what is returned
 * borrows from the field.
 */

#include "base/str.h"

enum {
	MAIL_PARAMS_MAX = 64, /* of one field; further ones are passed over */
};

struct mail_param {
	struct str name;  /* as written, without the "*0*" of RFC 2231 */
	struct str value; /* as written, without the quotes: escapes and folds inside if quoted */
	bool quoted;
	bool extended; /* value is percent-encoded, the first section begins with charset'language' */
	int section;   /* number of the continuation, or -1 */
};

struct mail_params {
	struct mail_param list[MAIL_PARAMS_MAX];
	size_t count;
};

/* token = 1*<any CHAR except SPACE, CTLs or tspecials> */
bool mail_token(struct cursor *c, struct str *ret);
/* Comments (nested ones too), blanks and line ends. */
void mail_skip_cfws(struct cursor *c);

/* "type/subtype", returned as written; false if it is malformed, which counts as text/plain. The
 * cursor is left at the parameters. */
bool mail_content_type(struct cursor *c, struct str *ret_type, struct str *ret_subtype);
/* The token of Content-Disposition or Content-Transfer-Encoding. */
bool mail_content_token(struct cursor *c, struct str *ret);
/* All parameters up to the end of the value. */
void mail_params_read(struct cursor *c, struct mail_params *ret);

/* Appends the bytes of one value: escapes removed, line ends and NUL removed. */
void mail_param_text(struct buf *out, const struct mail_param *param);

/* One parameter as RFC 2231 section 6 wants it in BODYSTRUCTURE: continuations put together. Walks
 * with *position from 0; ret_name gets a "*" at its end if the value has a character set and percent
 * signs. Replaces the content of both buffers. */
bool mail_params_next(const struct mail_params *params, size_t *position, struct buf *ret_name,
                      struct buf *ret_value);

/* Appends the bytes of a parameter whose character set does not matter: percent signs decoded, no more.
 * Where it is given in both forms the plain one counts, which every reader understands. False if there is
 * none. */
bool mail_params_bytes(const struct mail_params *params, struct str name, struct buf *out);

/* Appends the value of a parameter as UTF-8, by RFC 2231, or by RFC 2047, which RFC 2231 forbids there
 * and everybody sends. False if there is none. */
bool mail_params_decode(const struct mail_params *params, struct str name, struct buf *out);

#endif
