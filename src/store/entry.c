#include "store/entry.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "store/check.h"

/* ---------------------------------------------------------------- dates */

void date_text(int64_t seconds, char ret[ISO8601_SIZE])
{
	int64_t limit = INT64_C(253402300799); /* the end of year 9999 */
	if (seconds > limit)
		seconds = limit;
	if (seconds < -limit)
		seconds = -limit;
	iso8601_format(seconds * 1000000, ret);
}

int64_t date_seconds(struct str text)
{
	int64_t us;
	if (!iso8601_parse(text, &us))
		return 0;
	return us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000);
}

/* ---------------------------------------------------------------- finding */

bool uid_walk_rest(const struct uid_walk *walk, uint32_t *ret_first, uint32_t *ret_last)
{
	if (walk->run >= walk->uids.count)
		return false;
	const Pk__UidRange *run = &walk->uids.items[walk->run];
	*ret_first = walk->uid == 0 ? run->first : walk->uid;
	*ret_last = run->last;
	return true;
}

void uid_walk_next_run(struct uid_walk *walk)
{
	walk->run++;
	walk->uid = 0;
}

/* The lowest UID of a range, by one of the queries that have the same parameters. */
static int lowest_uid(struct db_stmt *q, int64_t folder, uint32_t first, uint32_t last,
                      uint32_t *ret, struct errinfo *info)
{
	db_bind_int(q, 1, folder);
	db_bind_int(q, 2, first);
	db_bind_int(q, 3, last);
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	*ret = rc == DB_ROW ? (uint32_t)db_int(q, 0) : 0;
	db_reset(q);
	return 0;
}

#define LOWEST_UID(from) \
	"SELECT min(uid) FROM entry " from " WHERE folder=?1 AND uid BETWEEN ?2 AND ?3"

int uid_walk_pass_over(struct uid_walk *walk, struct db *db, int64_t folder, uint32_t *ret_uid,
                       struct errinfo *info)
{
	uint32_t first, last;
	*ret_uid = 0;
	if (!uid_walk_rest(walk, &first, &last))
		return 0;
	int rc = lowest_uid(db_query(db, LOWEST_UID("")), folder, first, last, ret_uid, info);
	if (db_is_damage(rc))
		rc = lowest_uid(db_query(db, LOWEST_UID("INDEXED BY entry_modseq")), folder, first, last,
		                ret_uid, info);
	if (db_is_damage(rc))
		rc = lowest_uid(db_query(db, LOWEST_UID("INDEXED BY entry_message")), folder, first, last,
		                ret_uid, info);
	if (rc == 0 && *ret_uid != 0)
		walk->uid = *ret_uid + 1;
	return rc;
}

static int add_uids(struct db_stmt *q, int64_t folder, uint64_t since, struct uid_runs *ret,
                    struct errinfo *info)
{
	int rc;
	ret->count = 0;
	db_bind_int(q, 1, folder);
	db_bind_int(q, 2, (int64_t)since);
	while ((rc = db_step(q, info)) == DB_ROW)
		uid_runs_add(ret, (uint32_t)db_int(q, 0));
	return rc;
}

int entry_uids(struct db *db, int64_t folder, uint64_t since, struct uid_runs *ret,
               struct errinfo *info)
{
	db_read_end(db); /* in which damage was met: nothing more can be read there */
	int rc = add_uids(db_query(db, "SELECT uid FROM entry INDEXED BY entry_modseq"
	                               " WHERE folder=?1 AND modseq>?2 ORDER BY uid"),
	                  folder, since, ret, info);
	/* The other one does not know when. */
	if (db_is_damage(rc) && since == 0)
		rc = add_uids(db_query(db, "SELECT uid FROM entry INDEXED BY entry_message"
		                           " WHERE folder=?1 AND ?2=0 ORDER BY uid"),
		              folder, since, ret, info);
	return rc;
}

/* ---------------------------------------------------------------- keywords */

int keywords_count(struct db *db, int64_t *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM keyword");
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	*ret = db_int(q, 0);
	db_reset(q);
	return 0;
}

static int add_keyword(struct db *db, struct str name, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "INSERT INTO keyword (name) VALUES (?1)");
	db_bind_text(q, 1, name);
	return db_run(q, info);
}

/* Copies the name as the mailbox has it into ret. */
static int canonical_keyword(struct db *db, struct str name, struct buf *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT name FROM keyword WHERE name=?1");
	db_bind_text(q, 1, name);
	int rc = db_step(q, info);
	if (rc == DB_ROW) {
		buf_add_str(ret, db_text(q, 0));
		db_reset(q);
		return 0;
	}
	if (rc < 0)
		return rc;
	buf_add_str(ret, name);
	return add_keyword(db, name, info);
}

/* ---------------------------------------------------------------- room for keywords */

/* Names in lower case, as they are compared. */
static void set_add(struct map *set, struct str name)
{
	struct buf lower BUF_AUTO;
	buf_init(&lower, KEYWORD_SIZE_MAX);
	for (size_t i = 0; i < name.len; i++)
		buf_add_byte(&lower, ascii_lower(name.ptr[i]));
	if (!lower.failed)
		map_put(set, buf_str(&lower), set);
}

static bool set_has(const struct map *set, struct str name)
{
	struct buf lower BUF_AUTO;
	buf_init(&lower, KEYWORD_SIZE_MAX);
	for (size_t i = 0; i < name.len; i++)
		buf_add_byte(&lower, ascii_lower(name.ptr[i]));
	return map_get(set, buf_str(&lower)) != NULL;
}

/* Entries that have the same keywords are looked at once. */
static int used_keywords(struct db *db, struct map *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT DISTINCT keywords FROM entry WHERE keywords <> ''");
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		struct str keywords = db_text(q, 0), name;
		while (keywords_next(&keywords, &name))
			set_add(ret, name);
	}
	return rc;
}

static int delete_unused(struct db *db, const struct map *used, struct errinfo *info)
{
	struct names all NAMES_AUTO = {0};
	int rc = keywords_all(db, &all, info);
	for (size_t i = 0; i < all.count && rc == 0; i++) {
		if (set_has(used, str_from(all.items[i])))
			continue;
		struct db_stmt *q = db_query(db, "DELETE FROM keyword WHERE name=?1");
		db_bind_text(q, 1, str_from(all.items[i]));
		rc = db_run(q, info);
	}
	return rc;
}

int keywords_tidy(struct db *db, char *const *keep, size_t count, struct errinfo *info)
{
	struct map *used = map_new();
	int rc = used_keywords(db, used, info);
	for (size_t i = 0; i < count; i++)
		set_add(used, str_from(keep[i]));
	if (rc == 0)
		rc = delete_unused(db, used, info);
	map_free(used);
	return rc;
}

int keywords_full(struct db *db, bool *ret, struct errinfo *info)
{
	int64_t count;
	int rc = keywords_count(db, &count, info);
	*ret = false;
	if (rc != 0 || count < KEYWORDS_MAX)
		return rc;
	struct map *used = map_new();
	rc = used_keywords(db, used, info);
	*ret = map_count(used) >= KEYWORDS_MAX;
	map_free(used);
	return rc;
}

static int count_unknown(struct db *db, char *const *keywords, size_t count, int64_t *ret,
                         struct errinfo *info)
{
	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		struct db_stmt *q = db_query(db, "SELECT 1 FROM keyword WHERE name=?1");
		db_bind_text(q, 1, str_from(keywords[i]));
		int rc = db_step(q, info);
		if (rc < 0)
			return rc;
		*ret += rc != DB_ROW;
		db_reset(q);
	}
	return 0;
}

/* Makes room for those that are new, before any is made: none of them is in an entry yet. */
static int make_room(struct db *db, char *const *keywords, size_t count, struct errinfo *info)
{
	int64_t known = 0, unknown = 0;
	if (count == 0)
		return 0;
	int rc = keywords_count(db, &known, info);
	if (rc != 0 || known + (int64_t)count <= KEYWORDS_MAX)
		return rc;
	rc = count_unknown(db, keywords, count, &unknown, info);
	if (rc != 0 || known + unknown <= KEYWORDS_MAX)
		return rc;
	rc = keywords_tidy(db, keywords, count, info);
	if (rc == 0)
		rc = keywords_count(db, &known, info);
	if (rc == 0 && known + unknown > KEYWORDS_MAX)
		rc = err_set(info, E_LIMIT, "the mailbox has too many keywords");
	return rc;
}

static int compare_strs(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

int keywords_intern(struct db *db, char *const *keywords, size_t count, struct buf *ret,
                    struct errinfo *info)
{
	struct str sorted[KEYWORDS_PER_MESSAGE];
	struct buf names BUF_AUTO;
	buf_init(&names, KEYWORDS_PER_MESSAGE * KEYWORD_SIZE_MAX);
	buf_reserve(&names, KEYWORDS_PER_MESSAGE * KEYWORD_SIZE_MAX); /* so that pointers stay */
	int rc = keywords_check(keywords, count, info);
	if (rc == 0)
		rc = make_room(db, keywords, count, info);
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t start = names.len;
		rc = canonical_keyword(db, str_from(keywords[i]), &names, info);
		sorted[i] = str_from_byte(buf_str(&names), start);
	}
	if (rc != 0)
		return rc;
	qsort(sorted, count, sizeof(sorted[0]), compare_strs);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && str_eq(sorted[i], sorted[i - 1]))
			continue;
		if (ret->len > 0)
			buf_add_byte(ret, ' ');
		buf_add_str(ret, sorted[i]);
	}
	return 0;
}

bool keywords_next(struct str *keywords, struct str *ret_name)
{
	if (keywords->len == 0)
		return false;
	ptrdiff_t blank = str_find_byte(*keywords, ' ');
	*ret_name = blank < 0 ? *keywords : str_slice(*keywords, 0, (size_t)blank);
	*keywords = str_from_byte(*keywords, blank < 0 ? keywords->len : (size_t)blank + 1);
	return true;
}

bool keywords_have(struct str keywords, struct str name)
{
	struct str item;
	while (keywords_next(&keywords, &item))
		if (str_eq_nocase(item, name))
			return true;
	return false;
}

void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){0};
}

int keywords_all(struct db *db, struct names *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT name FROM keyword ORDER BY id");
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		ret->items = mem_grow(ret->items, ret->count + 1, sizeof(char *));
		ret->items[ret->count++] = str_dup(db_text(q, 0));
	}
	return rc;
}

/* ---------------------------------------------------------------- entries */

int entry_add(struct db *db, struct folder *folder, struct entry *entry, struct errinfo *info)
{
	if (folder->uid_next > UID_LAST)
		return err_set(info, E_LIMIT, "the folder has no UID left");
	entry->uid = folder->uid_next++;
	folder_count(folder, entry->flags, entry->size, 1);
	struct db_stmt *q = db_query(
		db,
		"INSERT INTO entry (folder, uid, message, flags, modseq, size, internal_date, save_date,"
		" keywords) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, entry->uid);
	db_bind_int(q, 3, entry->message);
	db_bind_int(q, 4, entry->flags);
	db_bind_int(q, 5, (int64_t)folder->modseq);
	db_bind_int(q, 6, entry->size);
	db_bind_text(q, 7, entry->internal_date);
	db_bind_text(q, 8, entry->save_date);
	db_bind_text(q, 9, entry->keywords);
	return db_run(q, info);
}

int entry_remove(struct mailbox *mailbox, struct folder *folder, const struct entry *entry,
                 struct errinfo *info)
{
	folder_count(folder, entry->flags, entry->size, -1);
	struct db_stmt *q = db_query(mailbox->db, "DELETE FROM entry WHERE folder=?1 AND uid=?2");
	db_bind_int(q, 1, folder->id);
	db_bind_int(q, 2, entry->uid);
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(mailbox->db, "INSERT OR IGNORE INTO garbage (message)"
	                          " SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM entry WHERE message=?1)");
	db_bind_int(q, 1, entry->message);
	mailbox->needs_care = true;
	return db_run(q, info);
}

int expunged_add(struct db *db, const struct folder *folder, const struct uid_runs *uids,
                 struct errinfo *info)
{
	for (size_t i = 0; i < uids->count; i++) {
		struct db_stmt *q = db_query(db,
		                             "INSERT INTO expunged (folder, modseq, uid_first, uid_last)"
		                             " VALUES (?1, ?2, ?3, ?4)");
		db_bind_int(q, 1, folder->id);
		db_bind_int(q, 2, (int64_t)folder->modseq);
		db_bind_int(q, 3, uids->items[i].first);
		db_bind_int(q, 4, uids->items[i].last);
		int rc = db_run(q, info);
		if (rc != 0)
			return rc;
	}
	return 0;
}
