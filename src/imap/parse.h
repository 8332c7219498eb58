#ifndef POSTKASSE_IMAP_PARSE_H
#define POSTKASSE_IMAP_PARSE_H

/*
 * The grammar of command arguments (RFC 9051 section 9) over one complete command, literals
 * included: small functions named after the rule they implement. Each returns false and leaves the
 * position alone when the rule does not match; the first that knows better leaves a sentence in
 * error, which becomes the text of the tagged BAD. Results are copies in the command's arena with a
 * NUL behind them, because they go on into protobuf strings; none contains a NUL itself.
 */

#include "base/arena.h"
#include "base/str.h"
#include "imap/seqset.h"

enum {
	IMAP_KEYWORD_MAX = 128,       /* bytes of one flag keyword */
	IMAP_KEYWORDS_MAX = 64,       /* in one command */
	IMAP_MAILBOX_NAME_MAX = 1024, /* bytes of UTF-8 */
};

struct imap_parse {
	struct cursor c;
	struct arena *arena; /* borrowed */
	const char *error;   /* a sentence, static; NULL: plain syntax error */
	bool refused;        /* the syntax is fine, what it names cannot be: NO instead of BAD */
};

/* Remembers why, unless a reason is known already; always false. */
static inline bool imap_parse_fail(struct imap_parse *in, const char *error)
{
	if (in->error == NULL)
		in->error = error;
	return false;
}

/* As imap_parse_fail, for what is well-formed. */
static inline bool imap_parse_refuse(struct imap_parse *in, const char *error)
{
	in->refused = in->error == NULL;
	return imap_parse_fail(in, error);
}

/* SP */
bool imap_space(struct imap_parse *in);
/* True at the end of the command. */
bool imap_end(struct imap_parse *in);
/* The word as given, in any case, followed by something that cannot belong to an atom. */
bool imap_word(struct imap_parse *in, struct str word);

/* tag, atom, quoted, literal, string as the RFC names them. */
bool imap_tag(struct imap_parse *in, struct str *ret);
bool imap_atom(struct imap_parse *in, struct str *ret);
bool imap_quoted(struct imap_parse *in, struct str *ret);
bool imap_literal(struct imap_parse *in, struct str *ret);
bool imap_string(struct imap_parse *in, struct str *ret);
/* ret->ptr is NULL for NIL. */
bool imap_nstring(struct imap_parse *in, struct str *ret);
/* 1*ASTRING-CHAR / string */
bool imap_astring(struct imap_parse *in, struct str *ret);
/* "{123}", "{123+}", "~{123}" and its CRLF, without the bytes that it announces. */
bool imap_literal_header(struct imap_parse *in, uint64_t *ret_size);

/* number, nz-number up to max. */
bool imap_number(struct imap_parse *in, uint64_t max, uint64_t *ret);
bool imap_nz_number(struct imap_parse *in, uint64_t max, uint64_t *ret);
/* sequence-set as it was written: seqset_normalize is yet to be called. */
bool imap_sequence_set(struct imap_parse *in, struct seqset *ret);

/* A mailbox name in modified UTF-7 or UTF-8; comes back in UTF-8, with INBOX (or INBOX as the first
 * level) in upper case. */
bool imap_mailbox(struct imap_parse *in, struct str *ret);
/* The pattern of LIST: as a mailbox name, with list wildcards allowed in an atom; may be empty. */
bool imap_list_mailbox(struct imap_parse *in, struct str *ret);

struct imap_flags {
	uint32_t bits; /* set of enum Flag of store.proto */
	char **keywords;
	size_t keyword_count;
};
/* "(" [flag *(SP flag)] ")" */
bool imap_flag_list(struct imap_parse *in, struct imap_flags *ret);
/* A list, or flags without parentheses as STORE allows them. */
bool imap_store_flags(struct imap_parse *in, struct imap_flags *ret);

/* date-time in quotes: seconds since 1970 UTC. */
bool imap_date_time(struct imap_parse *in, int64_t *ret_seconds);
/* date, with or without quotes: days since 1970. */
bool imap_date(struct imap_parse *in, int64_t *ret_days);

#endif
