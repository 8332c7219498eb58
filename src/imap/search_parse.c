#include <string.h>

#include "imap/search.h"
#include "mail/fold.h"

enum frame_kind { FRAME_TOP, FRAME_LIST, FRAME_NOT, FRAME_OR };

/* A key whose children are being read. */
struct frame {
	enum frame_kind kind;
	Pk__SearchKey *key;
	size_t room; /* children that key->keys holds */
};

struct builder {
	struct imap_parse *in;
	const struct view *folder;
	struct search *search;
	struct frame stack[SEARCH_DEPTH_MAX];
	size_t depth;
	size_t keys;
};

static Pk__SearchKey *new_key(struct builder *b, Pk__SearchKey__Type type)
{
	Pk__SearchKey *key = NULL;
	if (b->keys++ < SEARCH_KEYS_MAX)
		key = arena_alloc(b->in->arena, sizeof(*key));
	if (key == NULL) {
		imap_parse_fail(b->in, "Search too large");
		return NULL;
	}
	pk__search_key__init(key);
	key->type = type;
	return key;
}

/* ---------------------------------------------------------------- leaves */

enum argument {
	TAKES_NOTHING,
	TAKES_TEXT,    /* astring, folded */
	TAKES_KEYWORD, /* flag-keyword */
	TAKES_DATE,
	TAKES_NUMBER,
	TAKES_INTERVAL, /* nz-number (RFC 5032 section 3) */
	TAKES_HEADER,   /* header-fld-name SP astring */
	TAKES_MODSEQ,   /* [entry] number */
	TAKES_UIDS,
	TAKES_RECENT, /* nothing; the folder knows which */
};

static const struct leaf {
	struct str name;
	Pk__SearchKey__Type type;
	enum argument takes;
	int64_t number;
} leaves[] = {
	/* clang-format off */
	{STR("ALL"), PK__SEARCH_KEY__TYPE__ALL, TAKES_NOTHING, 0},
	{STR("ANSWERED"), PK__SEARCH_KEY__TYPE__FLAGS_SET, TAKES_NOTHING, PK__FLAG__FLAG_ANSWERED},
	{STR("BCC"), PK__SEARCH_KEY__TYPE__BCC, TAKES_TEXT, 0},
	{STR("BEFORE"), PK__SEARCH_KEY__TYPE__BEFORE, TAKES_DATE, 0},
	{STR("BODY"), PK__SEARCH_KEY__TYPE__BODY, TAKES_TEXT, 0},
	{STR("CC"), PK__SEARCH_KEY__TYPE__CC, TAKES_TEXT, 0},
	{STR("DELETED"), PK__SEARCH_KEY__TYPE__FLAGS_SET, TAKES_NOTHING, PK__FLAG__FLAG_DELETED},
	{STR("DRAFT"), PK__SEARCH_KEY__TYPE__FLAGS_SET, TAKES_NOTHING, PK__FLAG__FLAG_DRAFT},
	{STR("FLAGGED"), PK__SEARCH_KEY__TYPE__FLAGS_SET, TAKES_NOTHING, PK__FLAG__FLAG_FLAGGED},
	{STR("FROM"), PK__SEARCH_KEY__TYPE__FROM, TAKES_TEXT, 0},
	{STR("HEADER"), PK__SEARCH_KEY__TYPE__HEADER, TAKES_HEADER, 0},
	{STR("KEYWORD"), PK__SEARCH_KEY__TYPE__KEYWORD, TAKES_KEYWORD, 0},
	{STR("LARGER"), PK__SEARCH_KEY__TYPE__LARGER, TAKES_NUMBER, 0},
	{STR("MODSEQ"), PK__SEARCH_KEY__TYPE__MODSEQ, TAKES_MODSEQ, 0},
	{STR("OLDER"), PK__SEARCH_KEY__TYPE__OLDER, TAKES_INTERVAL, 0},
	{STR("ON"), PK__SEARCH_KEY__TYPE__ON, TAKES_DATE, 0},
	{STR("RECENT"), PK__SEARCH_KEY__TYPE__UIDS, TAKES_RECENT, 0},
	{STR("SAVEDATESUPPORTED"), PK__SEARCH_KEY__TYPE__ALL, TAKES_NOTHING, 0},
	{STR("SAVEDBEFORE"), PK__SEARCH_KEY__TYPE__SAVEDBEFORE, TAKES_DATE, 0},
	{STR("SAVEDON"), PK__SEARCH_KEY__TYPE__SAVEDON, TAKES_DATE, 0},
	{STR("SAVEDSINCE"), PK__SEARCH_KEY__TYPE__SAVEDSINCE, TAKES_DATE, 0},
	{STR("SEEN"), PK__SEARCH_KEY__TYPE__FLAGS_SET, TAKES_NOTHING, PK__FLAG__FLAG_SEEN},
	{STR("SENTBEFORE"), PK__SEARCH_KEY__TYPE__SENTBEFORE, TAKES_DATE, 0},
	{STR("SENTON"), PK__SEARCH_KEY__TYPE__SENTON, TAKES_DATE, 0},
	{STR("SENTSINCE"), PK__SEARCH_KEY__TYPE__SENTSINCE, TAKES_DATE, 0},
	{STR("SINCE"), PK__SEARCH_KEY__TYPE__SINCE, TAKES_DATE, 0},
	{STR("SMALLER"), PK__SEARCH_KEY__TYPE__SMALLER, TAKES_NUMBER, 0},
	{STR("SUBJECT"), PK__SEARCH_KEY__TYPE__SUBJECT, TAKES_TEXT, 0},
	{STR("TEXT"), PK__SEARCH_KEY__TYPE__TEXT, TAKES_TEXT, 0},
	{STR("TO"), PK__SEARCH_KEY__TYPE__TO, TAKES_TEXT, 0},
	{STR("UID"), PK__SEARCH_KEY__TYPE__UIDS, TAKES_UIDS, 0},
	{STR("UNANSWERED"), PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, TAKES_NOTHING, PK__FLAG__FLAG_ANSWERED},
	{STR("UNDELETED"), PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, TAKES_NOTHING, PK__FLAG__FLAG_DELETED},
	{STR("UNDRAFT"), PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, TAKES_NOTHING, PK__FLAG__FLAG_DRAFT},
	{STR("UNFLAGGED"), PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, TAKES_NOTHING, PK__FLAG__FLAG_FLAGGED},
	{STR("UNKEYWORD"), PK__SEARCH_KEY__TYPE__UNKEYWORD, TAKES_KEYWORD, 0},
	{STR("UNSEEN"), PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, TAKES_NOTHING, PK__FLAG__FLAG_SEEN},
	{STR("YOUNGER"), PK__SEARCH_KEY__TYPE__YOUNGER, TAKES_INTERVAL, 0},
	/* clang-format on */
};

static bool set_ranges(struct builder *b, Pk__SearchKey *key, const struct seq_range *ranges,
                       size_t count)
{
	key->uids = imap_uid_ranges(b->in->arena, ranges, count);
	key->n_uids = count;
	return key->uids != NULL || imap_parse_fail(b->in, "Command too long");
}

/* A set of UIDs or message numbers; numbers that do not exist match nothing. */
static bool set_key(struct builder *b, Pk__SearchKey *key, bool uid)
{
	struct seqset set;
	if (!imap_sequence_set(b->in, &set))
		return false;
	uint32_t messages = uidmap_messages(&b->folder->map);
	seqset_normalize(&set, uid ? uidmap_highest_uid(&b->folder->map) : messages);
	while (!uid && set.count > 0 && set.ranges[set.count - 1].last > messages) {
		struct seq_range *top = &set.ranges[set.count - 1];
		top->last = messages;
		if (top->first > messages)
			set.count--;
	}
	int error = imap_folder_uids(b->folder, &set, uid, b->in->arena, &key->uids, &key->n_uids);
	return error == 0 || imap_parse_fail(b->in, "Command too long");
}

/* As the store keeps its search texts (mail/fold.h). */
static bool folded(struct builder *b, char **ret)
{
	struct str text;
	if (!imap_astring(b->in, &text))
		return imap_parse_fail(b->in, "Expected a string to search for");
	struct buf out BUF_AUTO;
	buf_init(&out, SEARCH_TEXT_MAX);
	mail_search_form(&out, text);
	if (out.failed)
		return imap_parse_fail(b->in, "String to search for is too long");
	struct str copy = arena_str(b->in->arena, buf_str(&out));
	*ret = (char *)copy.ptr;
	return copy.ptr != NULL || imap_parse_fail(b->in, "Command too long");
}

static bool header_argument(struct builder *b, Pk__SearchKey *key)
{
	struct str field;
	if (!imap_astring(b->in, &field) || !imap_space(b->in))
		return imap_parse_fail(b->in, "Expected a header field and a string");
	for (size_t i = 0; i < field.len; i++)
		((char *)field.ptr)[i] = ascii_lower(field.ptr[i]);
	key->field = (char *)field.ptr;
	return folded(b, &key->text);
}

/* "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer: which entry makes no difference,
 * a message has one modseq. */
static bool modseq_argument(struct builder *b, Pk__SearchKey *key)
{
	struct str entry, type;
	uint64_t n;
	if (cursor_peek(&b->in->c) == '"' && (!imap_quoted(b->in, &entry) || !imap_space(b->in) ||
	                                      !imap_atom(b->in, &type) || !imap_space(b->in)))
		return imap_parse_fail(b->in, "Expected an entry of MODSEQ");
	if (!imap_number(b->in, INT64_MAX, &n))
		return imap_parse_fail(b->in, "Expected a modseq");
	key->number = (int64_t)n;
	b->search->modseq = true;
	return true;
}

static bool keyword_argument(struct builder *b, Pk__SearchKey *key)
{
	struct str name;
	if (!imap_atom(b->in, &name))
		return imap_parse_fail(b->in, "Expected a keyword");
	key->text = (char *)name.ptr;
	return true;
}

static bool number_argument(struct builder *b, Pk__SearchKey *key)
{
	uint64_t n;
	if (!imap_number(b->in, INT64_MAX, &n))
		return imap_parse_fail(b->in, "Expected a number");
	key->number = (int64_t)n;
	return true;
}

static bool argument(struct builder *b, Pk__SearchKey *key, enum argument takes)
{
	if (takes == TAKES_NOTHING)
		return true;
	if (takes == TAKES_RECENT)
		return set_ranges(b, key, b->folder->recent.ranges, b->folder->recent.count);
	if (!imap_space(b->in))
		return imap_parse_fail(b->in, "A search key lacks its argument");
	switch (takes) {
	case TAKES_TEXT:
		return folded(b, &key->text);
	case TAKES_KEYWORD:
		return keyword_argument(b, key);
	case TAKES_DATE:
		return imap_date(b->in, &key->number);
	case TAKES_HEADER:
		return header_argument(b, key);
	case TAKES_MODSEQ:
		return modseq_argument(b, key);
	case TAKES_UIDS:
		return set_key(b, key, true);
	case TAKES_INTERVAL:
		return number_argument(b, key) &&
		       (key->number > 0 || imap_parse_fail(b->in, "Expected a number of seconds"));
	default:
		return number_argument(b, key);
	}
}

static Pk__SearchKey *leaf(struct builder *b)
{
	int first = cursor_peek(&b->in->c);
	if (first == '*' || (first >= '0' && first <= '9')) {
		Pk__SearchKey *key = new_key(b, PK__SEARCH_KEY__TYPE__UIDS);
		return key != NULL && set_key(b, key, false) ? key : NULL;
	}
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		if (!imap_word(b->in, leaves[i].name))
			continue;
		Pk__SearchKey *key = new_key(b, leaves[i].type);
		if (key == NULL)
			return NULL;
		key->number = leaves[i].number;
		return argument(b, key, leaves[i].takes) ? key : NULL;
	}
	imap_parse_fail(b->in, "Unknown search key");
	return NULL;
}

/* ---------------------------------------------------------------- the tree */

static bool push(struct builder *b, enum frame_kind kind, Pk__SearchKey__Type type)
{
	if (b->depth == SEARCH_DEPTH_MAX)
		return imap_parse_fail(b->in, "Search nested too deeply");
	Pk__SearchKey *key = new_key(b, type);
	if (key == NULL)
		return false;
	b->stack[b->depth++] = (struct frame){kind, key, 0};
	return true;
}

static bool add_child(struct builder *b, struct frame *frame, Pk__SearchKey *child)
{
	Pk__SearchKey *key = frame->key;
	if (key->n_keys == frame->room) {
		size_t room = frame->room == 0 ? 4 : frame->room * 2;
		Pk__SearchKey **keys = arena_array(b->in->arena, room, sizeof(*keys));
		if (keys == NULL)
			return imap_parse_fail(b->in, "Search too large");
		if (key->n_keys > 0)
			memcpy(keys, key->keys, key->n_keys * sizeof(*keys));
		key->keys = keys;
		frame->room = room;
	}
	key->keys[key->n_keys++] = child;
	return true;
}

/* Puts a complete key where it belongs, and what that completes as well. */
static bool add(struct builder *b, Pk__SearchKey *child)
{
	for (;;) {
		struct frame *top = &b->stack[b->depth - 1];
		if (!add_child(b, top, child))
			return false;
		size_t wanted = top->kind == FRAME_NOT ? 1 : top->kind == FRAME_OR ? 2 : SIZE_MAX;
		if (top->key->n_keys < wanted)
			return true;
		child = top->key;
		b->depth--;
	}
}

/* NEW is RECENT UNSEEN, OLD is NOT RECENT: two keys each. */
static bool recent_combination(struct builder *b, bool new)
{
	Pk__SearchKey *recent = new_key(b, PK__SEARCH_KEY__TYPE__UIDS);
	Pk__SearchKey *outer = new_key(b, new ? PK__SEARCH_KEY__TYPE__AND : PK__SEARCH_KEY__TYPE__NOT);
	if (recent == NULL || outer == NULL || !argument(b, recent, TAKES_RECENT))
		return false;
	struct frame frame = {FRAME_LIST, outer, 0};
	if (!add_child(b, &frame, recent))
		return false;
	if (new) {
		Pk__SearchKey *unseen = new_key(b, PK__SEARCH_KEY__TYPE__FLAGS_CLEAR);
		if (unseen == NULL || !add_child(b, &frame, unseen))
			return false;
		unseen->number = PK__FLAG__FLAG_SEEN;
	}
	return add(b, outer);
}

/* One key, or the beginning of one that has others inside. *ret_opened: a key must follow, after a
 * space (NOT, OR) or at once (a list). */
static bool key_start(struct builder *b, bool *ret_opened)
{
	struct imap_parse *in = b->in;
	*ret_opened = true;
	if (cursor_byte(&in->c, '('))
		return push(b, FRAME_LIST, PK__SEARCH_KEY__TYPE__AND);
	if (imap_word(in, STR("NOT")))
		return push(b, FRAME_NOT, PK__SEARCH_KEY__TYPE__NOT) && imap_space(in);
	if (imap_word(in, STR("OR")))
		return push(b, FRAME_OR, PK__SEARCH_KEY__TYPE__OR) && imap_space(in);
	*ret_opened = false;
	if (imap_word(in, STR("NEW")))
		return recent_combination(b, true);
	if (imap_word(in, STR("OLD")))
		return recent_combination(b, false);
	Pk__SearchKey *key = leaf(b);
	return key != NULL && add(b, key);
}

/* After a key: closes lists; true when another key follows. */
static bool key_end(struct builder *b, bool *ret_more)
{
	while (b->stack[b->depth - 1].kind == FRAME_LIST && cursor_byte(&b->in->c, ')')) {
		Pk__SearchKey *list = b->stack[--b->depth].key;
		if (!add(b, list))
			return false;
	}
	*ret_more = imap_space(b->in);
	if (*ret_more || b->depth == 1)
		return true;
	return imap_parse_fail(b->in, b->stack[b->depth - 1].kind == FRAME_LIST
	                                  ? "List of search keys without an end"
	                                  : "A search key lacks its argument");
}

static bool keys(struct builder *b)
{
	if (!push(b, FRAME_TOP, PK__SEARCH_KEY__TYPE__AND))
		return false;
	bool more = true;
	while (more) {
		bool opened;
		if (!key_start(b, &opened))
			return false;
		if (!opened && !key_end(b, &more))
			return false;
	}
	b->search->key = b->stack[0].key;
	return true;
}

/* ---------------------------------------------------------------- before the keys */

/* search-return-opts = SP "RETURN" SP "(" [option *(SP option)] ")"; none means ALL */
static bool return_options(struct imap_parse *in, struct search *ret)
{
	static const struct {
		struct str name;
		unsigned bit;
	} options[] = {
		{STR("MIN"), SEARCH_RETURN_MIN},
		{STR("MAX"), SEARCH_RETURN_MAX},
		{STR("COUNT"), SEARCH_RETURN_COUNT},
		{STR("ALL"), SEARCH_RETURN_ALL},
	};
	ret->extended = true;
	if (!imap_space(in) || !cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of options");
	bool end = cursor_byte(&in->c, ')');
	while (!end) {
		size_t i = 0;
		while (i < sizeof(options) / sizeof(options[0]) && !imap_word(in, options[i].name))
			i++;
		if (i == sizeof(options) / sizeof(options[0]))
			return imap_parse_fail(in, "Unknown return option");
		ret->returns |= options[i].bit;
		end = cursor_byte(&in->c, ')');
		if (!end && !imap_space(in))
			return false;
	}
	if (ret->returns == 0)
		ret->returns = SEARCH_RETURN_ALL;
	return imap_space(in);
}

static bool charset(struct imap_parse *in, struct search *ret)
{
	struct str name;
	if (!imap_space(in) || !imap_astring(in, &name) || !imap_space(in))
		return imap_parse_fail(in, "Expected a charset");
	ret->bad_charset = !str_eq_nocase(name, STR("UTF-8")) && !str_eq_nocase(name, STR("US-ASCII"));
	return true;
}

bool search_parse(struct imap_parse *in, const struct view *folder, struct search *ret)
{
	*ret = (struct search){0};
	if (!imap_space(in))
		return imap_parse_fail(in, "Expected a search key");
	if (imap_word(in, STR("RETURN")) && !return_options(in, ret))
		return false;
	if (imap_word(in, STR("CHARSET")) && !charset(in, ret))
		return false;
	if (ret->bad_charset) {
		cursor_rest(&in->c); /* what the rest means depends on the charset */
		return true;
	}
	struct builder b = {.in = in, .folder = folder, .search = ret};
	return keys(&b);
}
