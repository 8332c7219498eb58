#include "mail/subject.h"

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_white(struct cursor *c)
{
	while (c->p < c->end && is_white(*c->p))
		c->p++;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP */
static bool subject_blob(struct cursor *c)
{
	struct cursor at = *c;
	if (!cursor_byte(&at, '['))
		return false;
	while (at.p < at.end && *at.p != '[' && *at.p != ']')
		at.p++;
	if (!cursor_byte(&at, ']'))
		return false;
	skip_white(&at);
	*c = at;
	return true;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool subject_refwd(struct cursor *c)
{
	struct cursor at = *c;
	if (!cursor_text_nocase(&at, STR("re")) && !cursor_text_nocase(&at, STR("fwd")) &&
	    !cursor_text_nocase(&at, STR("fw")))
		return false;
	skip_white(&at);
	subject_blob(&at);
	if (!cursor_byte(&at, ':'))
		return false;
	*c = at;
	return true;
}

/* subj-trailer = "(fwd)" / WSP, as often as it is there */
static struct str without_trailer(struct str s)
{
	while (true) {
		while (s.len > 0 && is_white(s.ptr[s.len - 1]))
			s.len--;
		if (!str_ends_nocase(s, STR("(fwd)")))
			return s;
		s.len -= 5;
	}
}

/* subj-leader and then a subj-blob, as often as they are there: steps 3 to 5. A run of blobs is read
 * once: if no subj-refwd follows it, none follows any rest of it. */
static struct str without_leader(struct str s)
{
	struct cursor c = cursor_of(s);
	while (true) {
		skip_white(&c);
		struct cursor at = c, last = c;
		while (subject_blob(&at))
			if (!cursor_at_end(&at))
				last = at;
		if (subject_refwd(&at)) {
			c = at;
			continue;
		}
		/* A blob goes only if something is left then. */
		return STR_OF(last.p, cursor_left(&last));
	}
}

static void add_collapsed(struct buf *out, struct str s)
{
	bool white = false;
	for (size_t i = 0; i < s.len; i++) {
		if (is_white(s.ptr[i])) {
			white = true;
			continue;
		}
		if (white)
			buf_add_byte(out, ' ');
		white = false;
		buf_add_byte(out, s.ptr[i]);
	}
}

void mail_base_subject(struct buf *out, struct str decoded)
{
	struct str s = decoded;
	while (true) {
		s = without_leader(without_trailer(s));
		/* subj-fwd = "[fwd:" ... "]" is unwrapped, then all begins anew: step 6 */
		if (!str_starts_nocase(s, STR("[fwd:")) || s.ptr[s.len - 1] != ']')
			break;
		s = str_slice(s, 5, s.len - 6);
	}
	add_collapsed(out, s);
}

bool mail_message_id_next(struct cursor *c, struct str *ret)
{
	while (true) {
		while (c->p < c->end && *c->p != '<')
			c->p++;
		if (!cursor_byte(c, '<'))
			return false;
		const char *start = c->p;
		while (c->p < c->end && *c->p != '>' && *c->p != '<')
			c->p++;
		*ret = str_trim(STR_OF(start, c->p - start));
		if (cursor_byte(c, '>') && ret->len > 0)
			return true;
	}
}
