#include "harness.h"

/* Flags, keywords, changes, search, copy, move, expunge. */

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static const char hello[] = "From: a@example.test\r\nSubject: Hello\r\n\r\nHello, world.\r\n";

struct mail {
	struct harness *h;
	struct owner owner;
	uint64_t session, folder;
};

static void mail_new(struct mail *m, struct harness *h, int messages)
{
	m->h = h;
	create_mailbox(h, &m->owner);
	m->session = open_session(h, &m->owner);
	for (int i = 0; i < messages; i++)
		append(h, m->session, "INBOX", str_from(hello), NULL);
	m->folder = folder_id(h, m->session, "INBOX");
}

static void mail_done(struct mail *m)
{
	owner_done(&m->owner);
}

/* Runs as "1:3,5". */
static void runs_text(Pk__UidRange **runs, size_t count, char ret[200])
{
	ret[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(ret);
		snprintf(ret + len, 200 - len, "%s%u", i > 0 ? "," : "", runs[i]->first);
		len = strlen(ret);
		if (runs[i]->last != runs[i]->first)
			snprintf(ret + len, 200 - len, ":%u", runs[i]->last);
	}
}

#define ASSERT_RUNS(runs, count, wanted)     \
	do {                                     \
		char found_[200];                    \
		runs_text(runs, count, found_);      \
		assert_string_equal(found_, wanted); \
	} while (0)

static Pk__StoreReply *try_store(struct mail *m, uint32_t first, uint32_t last,
                                 Pk__StoreRequest__Operation operation, uint32_t flags,
                                 const char *keyword, uint64_t unchanged_since, int *ret_error)
{
	Pk__StoreRequest request = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	char *keywords[] = {text_from(keyword)};
	range.first = first;
	range.last = last;
	request.session = m->session;
	request.folder = m->folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.operation = operation;
	request.flags = flags;
	request.keywords = keywords;
	request.n_keywords = keyword != NULL;
	request.has_unchanged_since = unchanged_since > 0;
	request.unchanged_since = unchanged_since;
	return CALL(m->h, STORE, request, store_reply, ret_error);
}

static uint64_t store(struct mail *m, uint32_t first, uint32_t last,
                      Pk__StoreRequest__Operation operation, uint32_t flags, const char *keyword)
{
	int error;
	Pk__StoreReply *reply = try_store(m, first, last, operation, flags, keyword, 0, &error);
	assert_int_equal(error, 0);
	uint64_t modseq = reply->highest_modseq;
	FREE(reply);
	return modseq;
}

#define ADD     PK__STORE_REQUEST__OPERATION__ADD
#define REMOVE  PK__STORE_REQUEST__OPERATION__REMOVE
#define REPLACE PK__STORE_REQUEST__OPERATION__REPLACE
#define SEEN    PK__FLAG__FLAG_SEEN
#define DELETED PK__FLAG__FLAG_DELETED
#define FLAGGED PK__FLAG__FLAG_FLAGGED

static Pk__FolderStatusReply *status(struct mail *m, const char *name)
{
	Pk__FolderNameRequest request = PK__FOLDER_NAME_REQUEST__INIT;
	request.session = m->session;
	request.name = text_from(name);
	int error;
	Pk__FolderStatusReply *reply = CALL(m->h, FOLDER_STATUS, request, folder_status_reply, &error);
	assert_int_equal(error, 0);
	return reply;
}

static Pk__ChangesReply *changes(struct mail *m, uint64_t since, bool claim)
{
	Pk__ChangesRequest request = PK__CHANGES_REQUEST__INIT;
	request.session = m->session;
	request.folder = m->folder;
	request.since_modseq = since;
	request.claim_recent = claim;
	int error;
	Pk__ChangesReply *reply = CALL(m->h, CHANGES, request, changes_reply, &error);
	assert_int_equal(error, 0);
	return reply;
}

static Pk__ExpungeReply *expunge(struct mail *m, uint32_t first, uint32_t last)
{
	Pk__ExpungeRequest request = PK__EXPUNGE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = first;
	range.last = last;
	request.session = m->session;
	request.folder = m->folder;
	request.all = first == 0;
	request.uids = ranges;
	request.n_uids = first != 0;
	int error;
	Pk__ExpungeReply *reply = CALL(m->h, EXPUNGE, request, expunge_reply, &error);
	assert_int_equal(error, 0);
	return reply;
}

static Pk__CopyReply *copy(struct mail *m, uint32_t first, uint32_t last, const char *to, bool move,
                           int *ret_error)
{
	Pk__CopyRequest request = PK__COPY_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = first;
	range.last = last;
	request.session = m->session;
	request.folder = m->folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.to = text_from(to);
	request.move = move;
	return CALL(m->h, COPY, request, copy_reply, ret_error);
}

/* ---------------------------------------------------------------- flags */

static void test_flags(void **state)
{
	struct mail m;
	mail_new(&m, *state, 5);
	int error;
	uint64_t first = store(&m, 1, 3, ADD, SEEN, "$Forwarded");
	Pk__StoreReply *reply = try_store(&m, 2, 9, ADD, FLAGGED, "zebra", 0, &error);
	assert_int_equal(reply->n_changed, 4);
	assert_int_equal(reply->changed[0]->uid, 2);
	assert_int_equal(reply->changed[0]->flags, SEEN | FLAGGED);
	assert_int_equal(reply->changed[0]->n_keywords, 2);
	assert_string_equal(reply->changed[0]->keywords[0], "$Forwarded");
	assert_string_equal(reply->changed[0]->keywords[1], "zebra");
	assert_int_equal(reply->changed[3]->n_keywords, 1);
	assert_int_equal(reply->highest_modseq, first + 1);
	FREE(reply);
	/* Keywords are of any case, and kept as they first came. */
	reply = try_store(&m, 2, 2, REMOVE, SEEN, "$FORWARDED", 0, &error);
	assert_int_equal(reply->changed[0]->flags, FLAGGED);
	assert_int_equal(reply->changed[0]->n_keywords, 1);
	FREE(reply);
	/* What changes nothing takes no modseq. */
	uint64_t before = store(&m, 1, 1, ADD, SEEN, NULL);
	assert_int_equal(store(&m, 1, 1, ADD, SEEN, NULL), before);
	reply = try_store(&m, 1, 5, REPLACE, 0, NULL, 0, &error);
	assert_int_equal(reply->n_changed, 5);
	assert_int_equal(reply->changed[4]->flags, 0);
	assert_int_equal(reply->changed[4]->n_keywords, 0);
	FREE(reply);
	assert_null(try_store(&m, 1, 5, ADD, 32, NULL, 0, &error));
	assert_int_equal(error, E_INVALID);
	static const char *const bad[] = {"", "a b", "\\Seen", "a(", "b%", "\xc3\xa6"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(try_store(&m, 1, 5, ADD, 0, bad[i], 0, &error));
		assert_int_equal(error, E_INVALID);
	}
	assert_sound(m.h, &m.owner, 5);
	mail_done(&m);
}

static void test_unchanged_since(void **state)
{
	struct mail m;
	mail_new(&m, *state, 4);
	uint64_t modseq = store(&m, 2, 3, ADD, SEEN, NULL);
	int error;
	Pk__StoreReply *reply = try_store(&m, 1, 4, ADD, FLAGGED, NULL, modseq - 1, &error);
	assert_int_equal(reply->n_changed, 2);
	ASSERT_RUNS(reply->modified, reply->n_modified, "2:3");
	FREE(reply);
	mail_done(&m);
}

static void test_counters(void **state)
{
	struct mail m;
	mail_new(&m, *state, 4);
	store(&m, 1, 2, ADD, SEEN | DELETED, NULL);
	Pk__FolderStatusReply *s = status(&m, "INBOX");
	assert_int_equal(s->messages, 4);
	assert_int_equal(s->unseen, 2);
	assert_int_equal(s->deleted, 2);
	assert_int_equal(s->size, 4 * (sizeof(hello) - 1));
	assert_int_equal(s->recent, 0);
	FREE(s);
	append(m.h, m.session, "INBOX", str_from(hello), NULL);
	s = status(&m, "inbox");
	assert_int_equal(s->recent, 1);
	FREE(s);
	mail_done(&m);
}

static void test_mark_seen(void **state)
{
	struct mail m;
	mail_new(&m, *state, 3);
	Pk__FetchRequest request = PK__FETCH_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = 2;
	range.last = 2;
	request.session = m.session;
	request.folder = m.folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.mark_seen = true;
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_rows(m.h, &request, f), 0);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->rows[0]->flags, SEEN);
	fetched_done(f);
	free(f);
	Pk__FolderStatusReply *s = status(&m, "INBOX");
	assert_int_equal(s->unseen, 2);
	FREE(s);
	assert_sound(m.h, &m.owner, 3);
	mail_done(&m);
}

/* ---------------------------------------------------------------- changes */

static void test_changes(void **state)
{
	struct mail m;
	mail_new(&m, *state, 4);
	Pk__ChangesReply *c = changes(&m, 0, false);
	uint64_t known = c->highest_modseq;
	assert_int_equal(c->n_changed, 4);
	FREE(c);
	store(&m, 2, 2, ADD, DELETED, "fresh");
	FREE(expunge(&m, 0, 0));
	append(m.h, m.session, "INBOX", str_from(hello), NULL);
	store(&m, 4, 4, ADD, FLAGGED, NULL);
	c = changes(&m, known, true);
	assert_int_equal(c->n_changed, 2);
	assert_int_equal(c->changed[0]->uid, 4);
	assert_int_equal(c->changed[1]->uid, 5);
	ASSERT_RUNS(c->expunged, c->n_expunged, "2");
	assert_int_equal(c->uid_next, 6);
	assert_int_equal(c->recent_from, 5);
	assert_int_equal(c->n_keywords, 1); /* there is a new one */
	known = c->highest_modseq;
	FREE(c);
	c = changes(&m, known, true);
	assert_int_equal(c->n_changed + c->n_expunged + c->n_keywords, 0);
	assert_int_equal(c->recent_from, 0);
	assert_int_equal(c->highest_modseq, known);
	FREE(c);
	/* From before the first record, whatever is not there was expunged. */
	c = changes(&m, 0, false);
	ASSERT_RUNS(c->expunged, c->n_expunged, "2");
	FREE(c);
	mail_done(&m);
}

/* Only the other session is told, except of what the reply does not say. */
static void test_events(void **state)
{
	struct mail m;
	mail_new(&m, *state, 2);
	uint64_t other = open_session(m.h, &m.owner);
	FREE(select_folder(m.h, other, "INBOX"));
	m.h->changed_events = 0;
	uint64_t modseq = store(&m, 1, 1, ADD, SEEN, NULL);
	WAIT_FOR(m.h, m.h->changed_events == 1);
	assert_int_equal(m.h->changed_sessions, 1);
	assert_int_equal(m.h->changed_folder, m.folder);
	assert_int_equal(m.h->changed_modseq, modseq);
	append(m.h, m.session, "INBOX", str_from(hello), NULL);
	WAIT_FOR(m.h, m.h->changed_events == 2);
	assert_int_equal(m.h->changed_sessions, 2);
	append(m.h, m.session, "Drafts", str_from(hello), NULL); /* nobody looks at it */
	Pk__SessionRequest unselect = PK__SESSION_REQUEST__INIT;
	unselect.session = other;
	int error;
	FREE(CALL(m.h, UNSELECT, unselect, empty, &error));
	store(&m, 1, 1, REMOVE, SEEN, NULL);
	assert_int_equal(m.h->changed_events, 2);
	mail_done(&m);
}

/* ---------------------------------------------------------------- many keywords */

enum { KEYWORDS_MAX = 1000, AT_ONCE = 50 };

/* Gives message uid the AT_ONCE keywords that begin with number from. Returns the error. */
static int set_keywords(struct mail *m, uint32_t uid, int from)
{
	char texts[AT_ONCE][16], *keywords[AT_ONCE];
	Pk__StoreRequest request = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	int error;
	for (int i = 0; i < AT_ONCE; i++) {
		snprintf(texts[i], sizeof(texts[i]), "word%d", from + i);
		keywords[i] = texts[i];
	}
	range.first = range.last = uid;
	request.session = m->session;
	request.folder = m->folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.operation = PK__STORE_REQUEST__OPERATION__REPLACE;
	request.keywords = keywords;
	request.n_keywords = AT_ONCE;
	Pk__StoreReply *reply = CALL(m->h, STORE, request, store_reply, &error);
	if (reply != NULL)
		FREE(reply);
	return error;
}

static bool keywords_are_full(struct mail *m, size_t *ret_count)
{
	Pk__SelectReply *reply = select_folder(m->h, m->session, "INBOX");
	bool full = reply->keywords_full;
	*ret_count = reply->n_keywords;
	FREE(reply);
	return full;
}

/* Keywords that no message has any more make room for others; without any of those it is said that there
 * is none. */
static void test_many_keywords(void **state)
{
	struct mail m;
	size_t count;
	mail_new(&m, *state, KEYWORDS_MAX / AT_ONCE + 1);
	for (int from = 0; from < 3 * KEYWORDS_MAX; from += AT_ONCE)
		assert_int_equal(set_keywords(&m, 1, from), 0);
	assert_false(keywords_are_full(&m, &count));
	assert_in_range(count, AT_ONCE, KEYWORDS_MAX);
	for (uint32_t uid = 1; uid <= KEYWORDS_MAX / AT_ONCE; uid++)
		assert_int_equal(set_keywords(&m, uid, (int)uid * AT_ONCE), 0);
	assert_true(keywords_are_full(&m, &count));
	assert_int_equal(count, KEYWORDS_MAX);
	assert_int_equal(set_keywords(&m, KEYWORDS_MAX / AT_ONCE + 1, 5000), E_LIMIT);
	assert_int_equal(set_keywords(&m, KEYWORDS_MAX / AT_ONCE + 1, AT_ONCE),
	                 0); /* old ones are fine */
	assert_int_equal(set_keywords(&m, 2, AT_ONCE), 0);
	assert_false(keywords_are_full(&m, &count));
	assert_int_equal(set_keywords(&m, KEYWORDS_MAX / AT_ONCE + 1, 5000), 0);
	mail_done(&m);
}

/* ---------------------------------------------------------------- expunge, copy, move */

static void test_expunge(void **state)
{
	struct mail m;
	mail_new(&m, *state, 6);
	store(&m, 2, 4, ADD, DELETED, NULL);
	store(&m, 6, 6, ADD, DELETED, NULL);
	Pk__ExpungeReply *e = expunge(&m, 3, 5);
	ASSERT_RUNS(e->expunged, e->n_expunged, "3:4");
	FREE(e);
	e = expunge(&m, 0, 0);
	ASSERT_RUNS(e->expunged, e->n_expunged, "2,6");
	uint64_t modseq = e->highest_modseq;
	FREE(e);
	e = expunge(&m, 0, 0);
	assert_int_equal(e->n_expunged, 0);
	assert_int_equal(e->highest_modseq, modseq);
	FREE(e);
	/* UID 6 is not given again. */
	assert_int_equal(append(m.h, m.session, "INBOX", str_from(hello), NULL), 7);
	harness_restart(m.h);
	assert_sound(m.h, &m.owner, 3);
	mail_done(&m);
}

/* Asked twice under one id: done once, answered twice. */
static void test_copy_repeated(void **state)
{
	struct mail m;
	mail_new(&m, *state, 5);
	for (int move = 0; move <= 1; move++) {
		unsigned char id[16] = {(unsigned char)(move + 1)};
		Pk__CopyRequest request = PK__COPY_REQUEST__INIT;
		Pk__UidRange first = PK__UID_RANGE__INIT, second = PK__UID_RANGE__INIT,
					 *ranges[] = {&first, &second};
		first.first = first.last = 1;
		second.first = 3;
		second.last = 9;
		request.session = m.session;
		request.folder = m.folder;
		request.uids = ranges;
		request.n_uids = 2;
		request.to = text_from("Trash");
		request.move = move == 1;
		request.copy_id = (ProtobufCBinaryData){sizeof(id), id};
		for (int round = 0; round < 2; round++) {
			int error;
			Pk__CopyReply *reply = CALL(m.h, COPY, request, copy_reply, &error);
			assert_int_equal(error, 0);
			ASSERT_RUNS(reply->source, reply->n_source, "1,3:5");
			ASSERT_RUNS(reply->target, reply->n_target, move == 0 ? "1:4" : "5:8");
			FREE(reply);
		}
		request.copy_id.len = 15;
		int error;
		assert_null(CALL(m.h, COPY, request, copy_reply, &error));
		assert_int_equal(error, E_INVALID);
	}
	Pk__SelectReply *trash = select_folder(m.h, m.session, "Trash");
	ASSERT_RUNS(trash->uids, trash->n_uids, "1:8");
	FREE(trash);
	mail_done(&m);
}

static void test_copy_and_move(void **state)
{
	struct mail m;
	mail_new(&m, *state, 5);
	store(&m, 2, 2, ADD, FLAGGED, "kept");
	int error;
	Pk__CopyReply *c = copy(&m, 2, 3, "Archive", false, &error);
	assert_int_equal(error, 0);
	ASSERT_RUNS(c->source, c->n_source, "2:3");
	ASSERT_RUNS(c->target, c->n_target, "1:2");
	FREE(c);
	c = copy(&m, 1, 4294967295, "archive", false, &error);
	assert_int_equal(error, E_NOT_FOUND);
	assert_null(c);
	c = copy(&m, 3, 4294967295, "Archive", true, &error);
	ASSERT_RUNS(c->source, c->n_source, "3:5");
	ASSERT_RUNS(c->target, c->n_target, "3:5");
	FREE(c);
	/* Into itself: new entries, once each. */
	c = copy(&m, 1, 4294967295, "INBOX", false, &error);
	ASSERT_RUNS(c->source, c->n_source, "1:2");
	ASSERT_RUNS(c->target, c->n_target, "6:7");
	FREE(c);
	c = copy(&m, 1, 1, "INBOX", true, &error);
	ASSERT_RUNS(c->target, c->n_target, "8");
	FREE(c);
	c = copy(&m, 100, 200, "Archive", true, &error);
	assert_int_equal(error, 0);
	assert_int_equal(c->n_source, 0);
	FREE(c);
	assert_sound(m.h, &m.owner, 5); /* copies share their message */
	uint64_t archive = folder_id(m.h, m.session, "Archive");
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(m.h, m.session, archive, 1, 1, 0, NULL, f), 0);
	assert_int_equal(f->rows[0]->flags, FLAGGED);
	assert_string_equal(f->rows[0]->keywords[0], "kept");
	fetched_done(f);
	free(f);
	/* The last entry takes the message along. */
	m.folder = archive;
	store(&m, 3, 5, ADD, DELETED, NULL);
	FREE(expunge(&m, 0, 0));
	harness_restart(m.h);
	assert_sound(m.h, &m.owner, 3); /* one of them was copied before it was moved */
	mail_done(&m);
}

/* ---------------------------------------------------------------- search */

static void add_key(Pk__SearchKey *key, Pk__SearchKey__Type type, const char *text, int64_t number)
{
	pk__search_key__init(key);
	key->type = type;
	key->text = text_from(text);
	key->number = number;
}

static void assert_search(struct mail *m, Pk__SearchKey *key, const char *wanted)
{
	Pk__SearchRequest request = PK__SEARCH_REQUEST__INIT;
	request.session = m->session;
	request.folder = m->folder;
	request.key = key;
	int error;
	Pk__SearchReply *reply = CALL(m->h, SEARCH, request, search_reply, &error);
	assert_int_equal(error, 0);
	ASSERT_RUNS(reply->uids, reply->n_uids, wanted);
	FREE(reply);
}

static void append_described(struct mail *m, const char *raw, const char *from, int64_t sent)
{
	struct described d;
	describe(&d, str_from(raw));
	d.description.from = text_from(from);
	d.description.has_sent_date = sent != 0;
	d.description.sent_date = sent;
	d.description.sent_zone = 120;
	append(m->h, m->session, "INBOX", str_from(raw), &d);
}

static void test_search(void **state)
{
	enum { DAY = 24 * 60 * 60 };
	struct mail m;
	mail_new(&m, *state, 0);
	append_described(&m, "subject: first\r\nx-odd: \r\n\r\nneedle in hay\r\n", "anna <a@b.test>",
	                 100 * DAY - 3600);
	append_described(&m, "subject: second needle\r\n\r\nhay only\r\n", "bert <b@b.test>",
	                 100 * DAY + 3600);
	append_described(&m, "subject: third\r\n\r\nneed le\r\n", "anna too <c@b.test>", 0);
	store(&m, 2, 3, ADD, SEEN, "work");
	const struct {
		Pk__SearchKey__Type type;
		const char *text;
		int64_t number;
		const char *wanted;
	} keys[] = {
		{PK__SEARCH_KEY__TYPE__ALL, "", 0, "1:3"},
		{PK__SEARCH_KEY__TYPE__TEXT, "needle", 0, "1:2"},
		{PK__SEARCH_KEY__TYPE__BODY, "needle", 0, "1"},
		{PK__SEARCH_KEY__TYPE__BODY, "", 0, "1:3"},
		{PK__SEARCH_KEY__TYPE__SUBJECT, "ir", 0, "1,3"},
		{PK__SEARCH_KEY__TYPE__FROM, "anna", 0, "1,3"},
		{PK__SEARCH_KEY__TYPE__TO, "anna", 0, ""},
		{PK__SEARCH_KEY__TYPE__FLAGS_SET, "", SEEN, "2:3"},
		{PK__SEARCH_KEY__TYPE__FLAGS_CLEAR, "", SEEN, "1"},
		{PK__SEARCH_KEY__TYPE__KEYWORD, "WORK", 0, "2:3"},
		{PK__SEARCH_KEY__TYPE__UNKEYWORD, "work", 0, "1"},
		{PK__SEARCH_KEY__TYPE__KEYWORD, "wor", 0, ""},
		{PK__SEARCH_KEY__TYPE__SENTON, "", 100, "1:2"}, /* in the zone of the sender */
		{PK__SEARCH_KEY__TYPE__SENTBEFORE, "", 100, ""},
		{PK__SEARCH_KEY__TYPE__SENTSINCE, "", 100, "1:2"},
		{PK__SEARCH_KEY__TYPE__ON, "", 1700000000 / DAY, "1:3"},
		{PK__SEARCH_KEY__TYPE__BEFORE, "", 1700000000 / DAY, ""},
		{PK__SEARCH_KEY__TYPE__SINCE, "", 1700000000 / DAY + 1, ""},
		{PK__SEARCH_KEY__TYPE__LARGER, "", 35, "1:2"},
		{PK__SEARCH_KEY__TYPE__SMALLER, "", 36, "3"},
		{PK__SEARCH_KEY__TYPE__OLDER, "", 1000, "1:3"},
		{PK__SEARCH_KEY__TYPE__YOUNGER, "", 1000, ""},
		{PK__SEARCH_KEY__TYPE__SAVEDSINCE, "", 20000, "1:3"},
		{PK__SEARCH_KEY__TYPE__RECENT, "", 2, "2:3"},
		{PK__SEARCH_KEY__TYPE__OLD, "", 2, "1"},
		{PK__SEARCH_KEY__TYPE__EMAILID, "Mabc", 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		Pk__SearchKey key;
		add_key(&key, keys[i].type, keys[i].text, keys[i].number);
		assert_search(&m, &key, keys[i].wanted);
	}
	Pk__SearchKey header, not, needle, tree, *below[2] = {&needle, &not }, *negated[] = {&header};
	add_key(&header, PK__SEARCH_KEY__TYPE__HEADER, "", 0);
	header.field = text_from("x-odd");
	assert_search(&m, &header, "1"); /* present, though empty */
	header.text = text_from("first");
	header.field = text_from("subject");
	add_key(&needle, PK__SEARCH_KEY__TYPE__TEXT, "needle", 0);
	add_key(&not, PK__SEARCH_KEY__TYPE__NOT, "", 0);
	not .keys = negated;
	not .n_keys = 1;
	add_key(&tree, PK__SEARCH_KEY__TYPE__AND, "", 0);
	tree.keys = below;
	tree.n_keys = 2;
	assert_search(&m, &tree, "2");
	tree.type = PK__SEARCH_KEY__TYPE__OR;
	assert_search(&m, &tree, "1:3");
	Pk__UidRange two = PK__UID_RANGE__INIT, far = PK__UID_RANGE__INIT, *uids[] = {&far, &two, &two};
	two.first = two.last = 2;
	far.first = 3;
	far.last = UINT32_MAX;
	Pk__SearchKey set;
	add_key(&set, PK__SEARCH_KEY__TYPE__UIDS, "", 0);
	set.uids = uids;
	set.n_uids = 3;
	assert_search(&m, &set, "2:3");
	mail_done(&m);
}

static void append_as_before(struct mail *m, const char *raw, const char *from)
{
	struct described d;
	describe(&d, str_from(raw));
	d.description.from = text_from(from);
	d.description.envelope = d.description.body_structure = (ProtobufCBinaryData){0};
	d.description.rendered_body_structure = bytes_from("(x)", 3);
	append(m->h, m->session, "INBOX", str_from(raw), &d);
}

/* Mail of the first version, whose texts have their blanks and addresses as written, is found too; and a
 * list of addresses that is too long for its column. */
static void test_search_before(void **state)
{
	struct mail m;
	mail_new(&m, *state, 0);
	append_as_before(&m, "subject: file after parsing\theaders\r\n\r\ntwo  \tblanks\r\n",
	                 "user-from@ domain.test");
	append_as_before(&m, "subject: x\r\n\r\ntwo\r\n", "\"user-from\"@domain.test");
	append_as_before(&m, "subject: x\r\n\r\nx\r\n", "a <user-from @ domain . test>");
	append_as_before(&m, "subject: x\r\n\r\nx\r\n", "a  b <user-from@(c(d))domain.test>, c");
	struct described d;
	char *many MEM_AUTO = mem_new(80001);
	memset(many, 'x', 80000);
	describe(&d, STR("to: many@x, last@domain.test\r\n\r\nfive\r\n"));
	d.description.to = many;
	append(m.h, m.session, "INBOX", STR("to: many@x, last@domain.test\r\n\r\nfive\r\n"), &d);
	const struct {
		Pk__SearchKey__Type type;
		const char *text, *wanted;
	} keys[] = {
		{PK__SEARCH_KEY__TYPE__SUBJECT, "parsing headers", "1"},
		{PK__SEARCH_KEY__TYPE__TEXT, "after parsing headers", "1"},
		{PK__SEARCH_KEY__TYPE__BODY, "two blanks", "1"},
		{PK__SEARCH_KEY__TYPE__BODY, "two", "1:2"},
		{PK__SEARCH_KEY__TYPE__FROM, "user-from@domain.test", "1:4"},
		{PK__SEARCH_KEY__TYPE__FROM, "a <user-from@domain.test>", "3"},
		{PK__SEARCH_KEY__TYPE__FROM, "a b <user-from@domain.test>, c", "4"},
		{PK__SEARCH_KEY__TYPE__FROM, "from@domain.example", ""},
		{PK__SEARCH_KEY__TYPE__TO, "last@domain.test", "5"},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		Pk__SearchKey key;
		add_key(&key, keys[i].type, keys[i].text, 0);
		assert_search(&m, &key, keys[i].wanted);
	}
	/* What one key makes of the texts the next one has to do with. */
	Pk__SearchKey both, parts[2], *pointers[] = {&parts[0], &parts[1]};
	add_key(&both, PK__SEARCH_KEY__TYPE__AND, "", 0);
	add_key(&parts[0], PK__SEARCH_KEY__TYPE__SUBJECT, "parsing headers", 0);
	add_key(&parts[1], PK__SEARCH_KEY__TYPE__BODY, "two blanks", 0);
	both.keys = pointers;
	both.n_keys = 2;
	assert_search(&m, &both, "1");
	mail_done(&m);
}

static void test_search_refused(void **state)
{
	struct mail m;
	mail_new(&m, *state, 1);
	enum { DEPTH = 60 };
	Pk__SearchKey keys[DEPTH], *pointers[DEPTH];
	for (int i = 0; i < DEPTH; i++) {
		add_key(&keys[i], PK__SEARCH_KEY__TYPE__NOT, "", 0);
		pointers[i] = &keys[i];
		if (i > 0) {
			keys[i - 1].keys = &pointers[i];
			keys[i - 1].n_keys = 1;
		}
	}
	keys[DEPTH - 1].type = PK__SEARCH_KEY__TYPE__ALL;
	Pk__SearchRequest request = PK__SEARCH_REQUEST__INIT;
	request.session = m.session;
	request.folder = m.folder;
	request.key = &keys[0];
	int error;
	assert_null(CALL(m.h, SEARCH, request, search_reply, &error));
	assert_int_equal(error, E_INVALID);
	request.key = &keys[20];
	FREE(CALL(m.h, SEARCH, request, search_reply, &error));
	assert_int_equal(error, 0);
	keys[DEPTH - 1].type = (Pk__SearchKey__Type)99;
	assert_null(CALL(m.h, SEARCH, request, search_reply, &error));
	assert_int_equal(error, E_UNSUPPORTED);
	keys[DEPTH - 1].type = PK__SEARCH_KEY__TYPE__NOT; /* of nothing */
	assert_null(CALL(m.h, SEARCH, request, search_reply, &error));
	assert_int_equal(error, E_INVALID);
	request.key = NULL;
	assert_null(CALL(m.h, SEARCH, request, search_reply, &error));
	assert_int_equal(error, E_INVALID);
	mail_done(&m);
}

/* ---------------------------------------------------------------- fetch */

static void test_fetch_items(void **state)
{
	struct mail m;
	mail_new(&m, *state, 0);
	struct described d;
	describe(&d, str_from(hello));
	d.description.preview = text_from("Hello, world.");
	d.description.message_id = text_from("one@example.test");
	append(m.h, m.session, "INBOX", str_from(hello), &d);
	describe(&d, str_from(hello));
	d.description.message_id = text_from("two@example.test");
	d.description.in_reply_to = text_from("one@example.test");
	append(m.h, m.session, "INBOX", str_from(hello), &d);
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(m.h, m.session, m.folder, 1, UINT32_MAX, 511, NULL, f), 0);
	assert_int_equal(f->count, 2);
	const Pk__FetchRow *row = f->rows[0];
	assert_int_equal(row->internal_date, 1700000000);
	assert_int_equal(row->size, sizeof(hello) - 1);
	assert_int_equal(row->envelope.len, 5);
	assert_int_equal(row->body_structure.len, 15);
	assert_true(row->save_date > 1700000000);
	assert_string_equal(row->preview, "Hello, world.");
	assert_int_equal(strlen(row->email_id), 31);
	assert_string_equal(row->email_id, f->rows[1]->email_id); /* the same bytes */
	assert_string_equal(row->thread_id, f->rows[1]->thread_id);
	Pk__Description *parts = pk__description__unpack(NULL, row->parts.len, row->parts.data);
	assert_non_null(parts);
	assert_int_equal(parts->n_parts, 1);
	pk__description__free_unpacked(parts, NULL);
	fetched_done(f);
	free(f);
	mail_done(&m);
}

/* More than a chunk, in order, none twice. */
static void test_fetch_many(void **state)
{
	struct mail m;
	enum { COUNT = 1500 };
	mail_new(&m, *state, 0);
	char big[20000];
	memset(big, 'x', sizeof(big));
	big[0] = 0x12; /* a subject, with a length of two bytes */
	for (int i = 0; i < COUNT; i++) {
		struct described d;
		describe(&d, str_from(hello));
		int size = i * 7919 % 700;
		big[1] = (char)(0x80 | (size & 0x7f));
		big[2] = (char)(size >> 7);
		d.description.envelope = bytes_from(big, 3 + (size_t)size);
		append(m.h, m.session, "INBOX", str_from(hello), &d);
	}
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(m.h, m.session, m.folder, 1, UINT32_MAX, 15, NULL, f), 0);
	assert_int_equal(f->count, COUNT);
	assert_true(f->chunks > 1);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(f->rows[i]->uid, i + 1);
		assert_int_equal(f->rows[i]->envelope.len, 3 + i * 7919 % 700);
	}
	fetched_done(f);
	free(f);
	mail_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flags),         TEST(test_unchanged_since), TEST(test_counters),
		TEST(test_mark_seen),     TEST(test_changes),         TEST(test_events),
		TEST(test_many_keywords), TEST(test_expunge),         TEST(test_copy_repeated),
		TEST(test_copy_and_move), TEST(test_search),          TEST(test_search_refused),
		TEST(test_search_before), TEST(test_fetch_items),     TEST(test_fetch_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
