#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "store/check.h"
#include "store/entry.h"
#include "store/message.h"
#include "store/request.h"

/*
 * SEARCH: the folder is walked once, each message judged by the whole tree of keys, cheap keys
 * first. Texts are matched as substrings of the stored, folded search text (RFC 9051 section 6.4.4:
 * no words, no limits), unpacked only when a key gets that far.
 */

enum {
	SEARCH_KEYS_MAX = 1000,
	SEARCH_TEXT_MAX = 64 * 1024 * 1024,
	EMAIL_ID_BYTES = 15,
	UTF8_MAX = 4, /* bytes of a character */
	DAY = 24 * 60 * 60,
};

struct search {
	struct uid_walk walk; /* within which the key's answer can be yes */
	bool needs_message;
	int64_t now;
	struct uid_runs found;
	uint64_t highest_modseq, first_modseq, last_modseq;
	/* The message that is being judged. */
	struct request *request;
	struct db_stmt *row;
	bool has_texts;
	bool collapsed; /* blanks in them are as in a query */
	struct buf header, body;
	struct buf addresses; /* scratch */
	int error;
	uint64_t unreadable; /* messages that could not be judged */
};

static void search_free(void *state)
{
	struct search *search = state;
	uid_runs_done(&search->walk.uids);
	uid_runs_done(&search->found);
	buf_done(&search->header);
	buf_done(&search->body);
	buf_done(&search->addresses);
	free(search);
}

/* ---------------------------------------------------------------- the tree, looked at once */

/* What judging a key costs, in rough steps: 0 the entry, 1 the message row, 2 its search text. */
static int own_cost(const Pk__SearchKey *key)
{
	switch (key->type) {
	case PK__SEARCH_KEY__TYPE__HEADER:
	case PK__SEARCH_KEY__TYPE__SUBJECT:
	case PK__SEARCH_KEY__TYPE__BODY:
	case PK__SEARCH_KEY__TYPE__TEXT:
		return 2;
	case PK__SEARCH_KEY__TYPE__FROM:
	case PK__SEARCH_KEY__TYPE__TO:
	case PK__SEARCH_KEY__TYPE__CC:
	case PK__SEARCH_KEY__TYPE__BCC:
	case PK__SEARCH_KEY__TYPE__SENTBEFORE:
	case PK__SEARCH_KEY__TYPE__SENTON:
	case PK__SEARCH_KEY__TYPE__SENTSINCE:
	case PK__SEARCH_KEY__TYPE__EMAILID:
	case PK__SEARCH_KEY__TYPE__THREADID:
		return 1;
	default:
		return 0;
	}
}

static int key_cost(const Pk__SearchKey *key)
{
	int cost = own_cost(key);
	for (size_t i = 0; i < key->n_keys; i++) {
		int below = key_cost(key->keys[i]);
		cost = below > cost ? below : cost;
	}
	return cost;
}

static int compare_cost(const void *a, const void *b)
{
	return key_cost(*(Pk__SearchKey *const *)a) - key_cost(*(Pk__SearchKey *const *)b);
}

/* Counts keys, puts cheap ones first, brings UID sets into order. Depth was checked before. */
static int prepare_key(Pk__SearchKey *key, int *left, struct errinfo *info)
{
	if (--*left < 0)
		return err_set(info, E_LIMIT, "too many search keys");
	if (key->type == PK__SEARCH_KEY__TYPE__NOT && key->n_keys != 1)
		return err_set(info, E_INVALID, "NOT takes one search key");
	for (size_t i = 0; i < key->n_keys; i++) {
		int rc = prepare_key(key->keys[i], left, info);
		if (rc != 0)
			return rc;
	}
	if (key->n_keys > 1)
		qsort(key->keys, key->n_keys, sizeof(Pk__SearchKey *), compare_cost);
	if (key->type != PK__SEARCH_KEY__TYPE__UIDS)
		return 0;
	struct uid_runs runs UID_RUNS_AUTO = {0};
	int rc = uid_runs_from(&runs, key->uids, key->n_uids, info);
	for (size_t i = 0; i < runs.count && rc == 0; i++) {
		key->uids[i]->first = runs.items[i].first;
		key->uids[i]->last = runs.items[i].last;
	}
	/* What was merged away is an empty run at the end, which holds nothing. */
	for (size_t i = runs.count; i < key->n_uids && rc == 0; i++) {
		key->uids[i]->first = UINT32_MAX;
		key->uids[i]->last = UINT32_MAX;
	}
	return rc;
}

/* UIDs that the answer lies within: those of the key itself, or of a key that must hold. */
static int restrict_uids(const Pk__SearchKey *key, struct uid_runs *ret, struct errinfo *info)
{
	const Pk__SearchKey *uids = key->type == PK__SEARCH_KEY__TYPE__UIDS ? key : NULL;
	for (size_t i = 0; key->type == PK__SEARCH_KEY__TYPE__AND && i < key->n_keys; i++)
		if (key->keys[i]->type == PK__SEARCH_KEY__TYPE__UIDS)
			uids = key->keys[i];
	if (uids != NULL)
		return uid_runs_from(ret, uids->uids, uids->n_uids, info);
	uid_runs_add_run(ret, 1, UINT32_MAX);
	return 0;
}

static int search_new(struct request *request)
{
	const Pk__SearchRequest *message = (const Pk__SearchRequest *)request->message;
	struct search *search = mem_new(sizeof(*search));
	request->state = search;
	request->state_free = search_free;
	search->request = request;
	buf_init(&search->header, SEARCH_TEXT_MAX);
	buf_init(&search->body, SEARCH_TEXT_MAX);
	buf_init(&search->addresses, SEARCH_TEXT_MAX);
	search->now = clock_realtime_us() / 1000000;
	if (message->key == NULL)
		return err_set(&request->info, E_INVALID, "a search without a key");
	int left = SEARCH_KEYS_MAX;
	struct folder folder;
	int rc = folder_get(request->mailbox->db, (int64_t)message->folder, &folder, &request->info);
	if (rc == 0)
		rc = prepare_key(message->key, &left, &request->info);
	if (rc == 0)
		rc = restrict_uids(message->key, &search->walk.uids, &request->info);
	if (rc == 0)
		search->needs_message = key_cost(message->key) > 0;
	return rc;
}

/* ---------------------------------------------------------------- texts */

static bool contains(struct str text, const char *pattern)
{
	size_t len = strlen(pattern);
	return len == 0 || (text.len >= len && memmem(text.ptr, text.len, pattern, len) != NULL);
}

static int load_texts(struct search *search)
{
	struct request *request = search->request;
	struct db_stmt *q = db_query(request->mailbox->db,
	                             "SELECT header, body FROM search_text WHERE message=?1");
	buf_clear(&search->header);
	buf_clear(&search->body);
	search->collapsed = false;
	db_bind_int(q, 1, db_int(search->row, 7));
	int rc = db_step(q, &request->info);
	if (rc != DB_ROW)
		return rc < 0 ? rc : err_set(&request->info, E_CORRUPT, "a message has no search text");
	rc = unpack(request->packer, db_blob(q, 0), SEARCH_TEXT_MAX, &search->header, &request->info);
	if (rc == 0)
		rc = unpack(request->packer, db_blob(q, 1), SEARCH_TEXT_MAX, &search->body, &request->info);
	db_reset(q);
	return rc;
}

/* False when the texts cannot be had; search->error then says why. */
static bool need_texts(struct search *search)
{
	if (!search->has_texts && search->error == 0)
		search->error = load_texts(search);
	search->has_texts = search->error == 0;
	return search->has_texts;
}

/* A line "field: value" whose value contains the pattern. */
static bool header_has(struct str header, const char *field, const char *pattern)
{
	struct str name = str_from(field);
	while (header.len > 0) {
		ptrdiff_t end = str_find_byte(header, '\n');
		struct str line = end < 0 ? header : str_slice(header, 0, (size_t)end);
		if (line.len > name.len && line.ptr[name.len] == ':' && str_starts(line, name) &&
		    contains(str_trim(str_from_byte(line, name.len + 1)), pattern))
			return true;
		header = str_from_byte(header, line.len + 1);
	}
	return false;
}

/* ---------------------------------------------------------------- judging */

static int64_t day_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY : -((-seconds + DAY - 1) / DAY);
}

/* The three kinds of comparison that dates come in: before, on, since. */
static bool compare_day(int kind, int64_t day, int64_t wanted)
{
	return kind == 0 ? day < wanted : kind == 1 ? day == wanted : day >= wanted;
}

/* The day that stands in Date:, in the zone of its sender (RFC 9051: "disregarding time and
 * timezone"). */
static bool sent_matches(struct search *search, const Pk__SearchKey *key)
{
	if (db_is_null(search->row, 12))
		return false;
	int64_t seconds = date_seconds(db_text(search->row, 12)) + db_int(search->row, 13) * 60;
	return compare_day((int)(key->type - PK__SEARCH_KEY__TYPE__SENTBEFORE), day_of(seconds),
	                   key->number);
}

static bool id_matches(struct search *search, const Pk__SearchKey *key)
{
	struct str wanted = str_from(key->text);
	if (key->type == PK__SEARCH_KEY__TYPE__EMAILID) {
		char text[2 * EMAIL_ID_BYTES + 2] = "M";
		struct str digest = db_blob(search->row, 14);
		if (digest.len >= EMAIL_ID_BYTES)
			hex_encode(digest.ptr, EMAIL_ID_BYTES, text + 1);
		return str_eq(wanted, str_from(text));
	}
	uint64_t number;
	return str_starts(wanted, STR("T")) &&
	       str_to_u64(str_from_byte(wanted, 1), INT64_MAX, &number) &&
	       (int64_t)number == db_int(search->row, 15);
}

/* What came with version 1 of the schema, which stored it with its blanks and addresses as written. */
static bool is_first_version(const struct search *search)
{
	return db_int(search->row, 16) > 0;
}

/* A tab is a blank, several are one. */
static void collapse_blanks(struct buf *text)
{
	size_t len = 0;
	for (size_t i = 0; i < text->len; i++) {
		char c = text->ptr[i] == '\t' ? ' ' : text->ptr[i];
		if (c != ' ' || len == 0 || text->ptr[len - 1] != ' ')
			text->ptr[len++] = c;
	}
	text->len = len;
}

/* Without quotes, comments and the blanks around "@" and ".". */
static void squeeze_addresses(struct str text, struct buf *out)
{
	size_t depth = 0;
	buf_clear(out);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth > 0 || c == '"')
			continue;
		else if (c != '@' && c != '.')
			buf_add_byte(out, c);
		else {
			while (out->len > 0 && out->ptr[out->len - 1] == ' ')
				out->len--;
			buf_add_byte(out, c);
			while (i + 1 < text.len && (text.ptr[i + 1] == ' ' || text.ptr[i + 1] == '\t'))
				i++;
		}
	}
}

/* FROM, TO, CC and BCC, by the columns that are made for them; a list that was too long for its column
 * is in the header. */
static bool addresses_match(struct search *search, const Pk__SearchKey *key)
{
	static const char *const fields[] = {"from", "to", "cc", "bcc"};
	unsigned which = (unsigned)(key->type - PK__SEARCH_KEY__TYPE__FROM);
	struct str text = db_text(search->row, 8 + (int)which);
	if (contains(text, key->text))
		return true;
	if (text.len + UTF8_MAX > TEXT_FIELD_MAX && need_texts(search) &&
	    header_has(buf_str(&search->header), fields[which], key->text))
		return true;
	if (!is_first_version(search))
		return false;
	squeeze_addresses(text, &search->addresses);
	collapse_blanks(&search->addresses);
	return contains(buf_str(&search->addresses), key->text);
}

static bool judge_text(const struct search *search, const Pk__SearchKey *key)
{
	struct str header = buf_str(&search->header), body = buf_str(&search->body);
	switch (key->type) {
	case PK__SEARCH_KEY__TYPE__HEADER:
		return header_has(header, key->field, key->text);
	case PK__SEARCH_KEY__TYPE__SUBJECT:
		return header_has(header, "subject", key->text);
	case PK__SEARCH_KEY__TYPE__BODY:
		return contains(body, key->text);
	default: /* TEXT */
		return contains(header, key->text) || contains(body, key->text);
	}
}

static bool text_matches(struct search *search, const Pk__SearchKey *key)
{
	if (!need_texts(search))
		return false;
	if (judge_text(search, key))
		return true;
	/* Only a query with a blank can be hidden by blanks. */
	if (search->collapsed || !is_first_version(search) || strchr(key->text, ' ') == NULL)
		return false;
	collapse_blanks(&search->header);
	collapse_blanks(&search->body);
	search->collapsed = true;
	return judge_text(search, key);
}

static bool has_uid(const Pk__SearchKey *key, uint32_t uid)
{
	size_t low = 0, high = key->n_uids;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (key->uids[middle]->last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < key->n_uids && key->uids[low]->first <= uid;
}

/* What the entry alone decides; the columns of query_run. */
static bool entry_matches(struct search *search, const Pk__SearchKey *key)
{
	struct db_stmt *row = search->row;
	uint32_t uid = (uint32_t)db_int(row, 0);
	uint64_t flags = (uint64_t)db_int(row, 2);
	uint64_t wanted = (uint64_t)key->number;
	switch (key->type) {
	case PK__SEARCH_KEY__TYPE__ALL:
		return true;
	case PK__SEARCH_KEY__TYPE__UIDS:
		return has_uid(key, uid);
	case PK__SEARCH_KEY__TYPE__FLAGS_SET:
		return (flags & wanted) == wanted;
	case PK__SEARCH_KEY__TYPE__FLAGS_CLEAR:
		return (flags & wanted) == 0;
	case PK__SEARCH_KEY__TYPE__KEYWORD:
		return keywords_have(db_text(row, 3), str_from(key->text));
	case PK__SEARCH_KEY__TYPE__UNKEYWORD:
		return !keywords_have(db_text(row, 3), str_from(key->text));
	case PK__SEARCH_KEY__TYPE__RECENT:
		return key->number > 0 && (int64_t)uid >= key->number;
	case PK__SEARCH_KEY__TYPE__OLD:
		return key->number <= 0 || (int64_t)uid < key->number;
	case PK__SEARCH_KEY__TYPE__BEFORE:
	case PK__SEARCH_KEY__TYPE__ON:
	case PK__SEARCH_KEY__TYPE__SINCE:
		return compare_day((int)(key->type - PK__SEARCH_KEY__TYPE__BEFORE),
		                   day_of(date_seconds(db_text(row, 4))), key->number);
	case PK__SEARCH_KEY__TYPE__LARGER:
		return db_int(row, 5) > key->number;
	case PK__SEARCH_KEY__TYPE__SMALLER:
		return db_int(row, 5) < key->number;
	case PK__SEARCH_KEY__TYPE__MODSEQ:
		return (uint64_t)db_int(row, 1) >= wanted;
	case PK__SEARCH_KEY__TYPE__YOUNGER:
		return search->now - date_seconds(db_text(row, 4)) <= key->number;
	case PK__SEARCH_KEY__TYPE__OLDER:
		return search->now - date_seconds(db_text(row, 4)) >= key->number;
	case PK__SEARCH_KEY__TYPE__SAVEDBEFORE:
	case PK__SEARCH_KEY__TYPE__SAVEDON:
	case PK__SEARCH_KEY__TYPE__SAVEDSINCE:
		return compare_day((int)(key->type - PK__SEARCH_KEY__TYPE__SAVEDBEFORE),
		                   day_of(date_seconds(db_text(row, 6))), key->number);
	default:
		search->error = err_set(&search->request->info, E_UNSUPPORTED, "no such search key");
		return false;
	}
}

static bool matches(struct search *search, const Pk__SearchKey *key)
{
	bool is_or = key->type == PK__SEARCH_KEY__TYPE__OR;
	switch (key->type) {
	case PK__SEARCH_KEY__TYPE__NOT:
		return !matches(search, key->keys[0]);
	case PK__SEARCH_KEY__TYPE__AND:
	case PK__SEARCH_KEY__TYPE__OR:
		for (size_t i = 0; i < key->n_keys; i++)
			if (matches(search, key->keys[i]) == is_or)
				return is_or;
		return !is_or;
	case PK__SEARCH_KEY__TYPE__FROM:
	case PK__SEARCH_KEY__TYPE__TO:
	case PK__SEARCH_KEY__TYPE__CC:
	case PK__SEARCH_KEY__TYPE__BCC:
		return addresses_match(search, key);
	case PK__SEARCH_KEY__TYPE__SENTBEFORE:
	case PK__SEARCH_KEY__TYPE__SENTON:
	case PK__SEARCH_KEY__TYPE__SENTSINCE:
		return sent_matches(search, key);
	case PK__SEARCH_KEY__TYPE__EMAILID:
	case PK__SEARCH_KEY__TYPE__THREADID:
		return id_matches(search, key);
	default:
		return own_cost(key) == 2 ? text_matches(search, key) : entry_matches(search, key);
	}
}

/* ---------------------------------------------------------------- the walk */

#define ENTRY_COLUMNS "uid, modseq, flags, keywords, internal_date, e.size, save_date, e.message"
#define ENTRY_WHERE   "e.folder=?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid"

static struct db_stmt *query_run(struct search *search)
{
	struct db *db = search->request->mailbox->db;
	const Pk__SearchRequest *message = (const Pk__SearchRequest *)search->request->message;
	struct db_stmt *q = search->needs_message
	                        ? db_query(db, "SELECT " ENTRY_COLUMNS
	                                       ", m.\"from\", m.\"to\", m.cc, m.bcc,"
	                                       " m.sent_date, m.sent_zone, m.digest, m.thread,"
	                                       " length(m.rendered_body_structure)"
	                                       " FROM entry e CROSS JOIN message m ON m.id = e.message"
	                                       " WHERE " ENTRY_WHERE)
	                        : db_query(db,
	                                   "SELECT " ENTRY_COLUMNS " FROM entry e WHERE " ENTRY_WHERE);
	uint32_t first = 0, last = 0;
	(void)uid_walk_rest(&search->walk, &first, &last);
	db_bind_int(q, 1, (int64_t)message->folder);
	db_bind_int(q, 2, first);
	db_bind_int(q, 3, last);
	return q;
}

/* A row that cannot even be stepped to. */
static int pass_over_next(struct search *search, bool *ret_end)
{
	struct request *request = search->request;
	const Pk__SearchRequest *message = (const Pk__SearchRequest *)request->message;
	uint32_t uid;
	int rc = uid_walk_pass_over(&search->walk, request->mailbox->db, (int64_t)message->folder, &uid,
	                            &request->info);
	*ret_end = rc == 0 && uid == 0;
	search->unreadable += rc == 0 && uid != 0;
	return rc;
}

static int search_run_rows(struct search *search, const Pk__SearchKey *key, bool *ret_end)
{
	struct request *request = search->request;
	int rc;
	*ret_end = false;
	search->row = query_run(search);
	for (unsigned n = 1; (rc = db_step(search->row, &request->info)) == DB_ROW; n++) {
		search->has_texts = false;
		uint32_t uid = (uint32_t)db_int(search->row, 0);
		uint64_t modseq = (uint64_t)db_int(search->row, 1);
		bool found = matches(search, key);
		search->walk.uid = uid + 1;
		bool damaged = db_is_damage(search->error); /* one cannot be judged, the others can */
		if (damaged) {
			search->unreadable++;
			search->error = 0;
			found = false;
		}
		if (found && search->error == 0) {
			uid_runs_add(&search->found, uid);
			if (search->first_modseq == 0)
				search->first_modseq = modseq;
			search->last_modseq = modseq;
			if (modseq > search->highest_modseq)
				search->highest_modseq = modseq;
		}
		/* After a damaged page the walk itself fails at the next row, which is sound: it begins anew. */
		if (search->error != 0 || damaged || (n % 16 == 0 && request_slice_over(request))) {
			db_reset(search->row);
			return search->error;
		}
	}
	*ret_end = rc == 0;
	return db_is_damage(rc) ? pass_over_next(search, ret_end) : rc;
}

static int search_run(struct request *request)
{
	const Pk__SearchRequest *message = (const Pk__SearchRequest *)request->message;
	int rc = request->state == NULL ? search_new(request) : 0;
	struct search *search = request->state;
	while (rc == 0 && search->walk.run < search->walk.uids.count && !request_slice_over(request)) {
		bool end;
		rc = search_run_rows(search, message->key, &end);
		if (end)
			uid_walk_next_run(&search->walk);
	}
	if (rc != 0)
		return rc;
	if (search->walk.run < search->walk.uids.count)
		return REQUEST_AGAIN;
	Pk__SearchReply reply = PK__SEARCH_REPLY__INIT;
	reply.uids = uid_runs_pointers(&search->found);
	reply.n_uids = search->found.count;
	reply.highest_modseq = search->highest_modseq;
	reply.first_modseq = search->first_modseq;
	reply.last_modseq = search->last_modseq;
	reply.unreadable = search->unreadable;
	return request_reply(request, &reply.base);
}

static const char *search_check(struct str body)
{
	return search_depth_ok(body) ? NULL : "search keys nested too deeply";
}

const struct method store_method_search = {
	.core.number = PK__STORE_METHOD__STORE_SEARCH,
	.core.name = "search",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__search_request__descriptor,
	.core.items_max = REQUEST_UIDS_MAX,
	.core.aside = true,
	.core.check = search_check,
	.scope = METHOD_SESSION,
	.run = search_run,
};
