#include "harness.h"

/* Bit-exact: what comes out of BODY[] is what came in, whatever a message is made of. */

enum { BIG = 700 * 1024 };

static void fill_random(struct buf *to, size_t size, unsigned seed)
{
	srand(seed);
	for (size_t i = 0; i < size; i++)
		buf_add_byte(to, (char)rand());
}

static const char head[] = "From: a@example.test\r\nContent-Type: multipart/mixed\r\n\r\n";

struct shape {
	const char *name;
	size_t size, line;
	const char *end, *tail;
	bool decoded; /* whether it is kept decoded */
};

static const struct shape shapes[] = {
	{"usual", 200 * 1024, 76, "\r\n", "\r\n--x--\r\n", true},
	{"line feeds", 200 * 1024, 76, "\n", "\n--x--\n", true},
	{"no newline at the end", 50 * 1024 + 1, 72, "\r\n", "", true},
	{"one line", 60 * 1024 + 2, 0, "", "\r\n", true},
	{"short lines", 20 * 1024, 4, "\r\n", "\r\n\r\n\r\n", true},
	{"several pieces", BIG, 76, "\r\n", "\r\n", true},
	{"exactly one piece", 256 * 1024 - 1, 76, "\r\n", "\r\n", true},
	{"one byte more than a piece", 256 * 1024, 76, "\r\n", "\r\n", true},
	{"two pieces, one line", 2 * (256 * 1024 - 1), 0, "", "", true},
	{"garbage after the padding", 20 * 1024 + 1, 76, "\r\n", "\r\n$$$ garbage\r\n\0\1", true},
};

static void build(const struct shape *shape, unsigned seed, struct buf *raw, size_t *ret_body)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, BIG + 1);
	fill_random(&bytes, shape->size, seed);
	buf_add_text(raw, head);
	*ret_body = raw->len;
	base64_encode(raw, buf_str(&bytes), shape->line, str_from(shape->end));
	buf_add_text(raw, shape->tail);
}

static int64_t ask(struct harness *h, struct owner *owner, const char *sql)
{
	harness_restart(h); /* closes the file */
	char path[200];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner->mailbox,
	         owner->mailbox);
	struct db *db;
	struct errinfo info;
	assert_int_equal(db_open(&db, path, &owner->key, 0, &info), 0);
	struct db_stmt *q = db_query(db, sql);
	assert_int_equal(db_step(q, &info), DB_ROW);
	int64_t value = db_int(q, 0);
	db_reset(q);
	db_close(db);
	return value;
}

static void test_shapes(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint64_t folder = folder_id(h, session, "INBOX");
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 4 * BIG);
		size_t body;
		build(&shapes[i], (unsigned)i, &raw, &body);
		struct described d;
		describe(&d, buf_str(&raw));
		describe_attachment(&d, body, raw.len - body, PK__PART__ENCODING__BASE64);
		uint32_t uid = append(h, session, "INBOX", buf_str(&raw), &d);
		assert_body(h, session, folder, uid, buf_str(&raw));
	}
	assert_sound(h, &owner, ARRAY_LEN(shapes));
	assert_int_equal(ask(h, &owner, "SELECT count(*) FROM cut WHERE line_size > 0"),
	                 ARRAY_LEN(shapes));
	owner_done(&owner);
}

/* Bytes that only look like base64, or lie where the description says so, stay as they came. */
static void test_irregular(void **state)
{
	static const char *const bodies[] = {
		"QUJDRA==QUJDRA==\r\n", "QUJD\r\nREVG\nSElK\r\n",
		"Q U J D\r\n",          "QUJDRB==\r\n",
		"\r\n\r\nQUJD\r\n",     "--x\r\n",
		"\tQUJD\r\n",           "QUJD=\r\n",
	};
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint64_t folder = folder_id(h, session, "INBOX");
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 1024 * 1024);
		buf_add_text(&raw, head);
		size_t body = raw.len;
		for (int n = 0; n < 1000; n++)
			buf_add_text(&raw, bodies[(i + (n == 500)) % ARRAY_LEN(bodies)]);
		struct described d;
		describe(&d, buf_str(&raw));
		describe_attachment(&d, body, raw.len - body, PK__PART__ENCODING__BASE64);
		uint32_t uid = append(h, session, "INBOX", buf_str(&raw), &d);
		assert_body(h, session, folder, uid, buf_str(&raw));
	}
	assert_sound(h, &owner, ARRAY_LEN(bodies));
	owner_done(&owner);
}

/* Random bytes with random cuts, described as anything. */
static void test_random_cuts(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint64_t folder = folder_id(h, session, "INBOX");
	enum { ROUNDS = 60 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 4 * BIG);
		fill_random(&raw, 1 + (size_t)round * 2000, round);
		if (round % 3 == 0)
			memset(raw.ptr, round % 2 == 0 ? 'A' : '\0', raw.len);
		struct described d;
		describe(&d, buf_str(&raw));
		for (int part = 0; part < 2; part++) {
			size_t offset = (size_t)rand() % raw.len;
			describe_attachment(&d, offset, (size_t)rand() % (raw.len - offset + 1),
			                    (Pk__Part__Encoding)(rand() % 3));
		}
		uint32_t uid = append(h, session, "INBOX", buf_str(&raw), &d);
		assert_body(h, session, folder, uid, buf_str(&raw));
	}
	assert_sound(h, &owner, ROUNDS);
	owner_done(&owner);
}

static void test_empty_and_large(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint64_t folder = folder_id(h, session, "INBOX");
	assert_int_equal(append(h, session, "INBOX", STR(""), NULL), 1);
	assert_body(h, session, folder, 1, STR(""));
	struct buf raw BUF_AUTO;
	buf_init(&raw, 64 * 1024 * 1024);
	buf_add_text(&raw, head);
	for (int i = 0; raw.len < 20 * 1024 * 1024; i++)
		buf_addf(&raw, "line %d of a long message\r\n", i);
	struct described d;
	describe(&d, buf_str(&raw));
	d.description.search_text.len = 1000;
	assert_int_equal(append(h, session, "INBOX", buf_str(&raw), &d), 2);
	assert_body(h, session, folder, 2, buf_str(&raw));
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

/* The same bytes in two encodings, in two messages and twice in one: kept once. */
static void test_shared(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	for (size_t i = 0; i < 4; i++) {
		struct shape shape = {"", 100 * 1024, 76, i % 2 == 0 ? "\r\n" : "\n", "\r\n", true};
		struct buf raw BUF_AUTO;
		buf_init(&raw, 4 * BIG);
		size_t body;
		build(&shape, 99, &raw, &body);
		struct described d;
		describe(&d, buf_str(&raw));
		describe_attachment(&d, body, raw.len - body, PK__PART__ENCODING__BASE64);
		append(h, session, "INBOX", buf_str(&raw), &d);
	}
	close_session(h, session);
	assert_int_equal(ask(h, &owner, "SELECT count(*) FROM attachment"), 1);
	assert_int_equal(ask(h, &owner, "SELECT size FROM attachment"), 100 * 1024);
	assert_int_equal(ask(h, &owner, "SELECT count(*) FROM cut"), 4);
	assert_sound(h, &owner, 4);
	owner_done(&owner);
}

/* Partials of every kind come from the right place. */
static void test_partials(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	uint64_t folder = folder_id(h, session, "INBOX");
	struct buf raw BUF_AUTO;
	buf_init(&raw, 4 * BIG);
	size_t body;
	build(&shapes[5], 5, &raw, &body);
	struct described d;
	describe(&d, buf_str(&raw));
	describe_attachment(&d, body, raw.len - body, PK__PART__ENCODING__BASE64);
	append(h, session, "INBOX", buf_str(&raw), &d);
	srand(11);
	for (int round = 0; round < 200; round++) {
		Pk__Section section = PK__SECTION__INIT;
		section.offset = (uint64_t)rand() % (raw.len + 100);
		section.length = round % 2 == 0 ? (uint64_t)rand() % 3000 + 1
		                                : (uint64_t)rand() % raw.len + 1;
		struct fetched *f = mem_new(sizeof(*f));
		assert_int_equal(fetch_uids(h, session, folder, 1, 1, 0, &section, f), 0);
		struct str wanted = str_slice(buf_str(&raw), (size_t)section.offset,
		                              (size_t)section.length);
		assert_true(str_eq(buf_str(&f->body), wanted));
		assert_int_equal(f->rows[0]->sections[0]->total, wanted.len);
		assert_false(f->rows[f->count - 1]->more);
		fetched_done(f);
		free(f);
	}
	owner_done(&owner);
}

/* Lies about offsets are refused, and nothing is kept of them. */
static void test_descriptions_that_lie(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	struct str raw = str_from(head);
	for (int lie = 0; lie < 6; lie++) {
		struct described d;
		describe(&d, raw);
		describe_attachment(&d, 0, raw.len, PK__PART__ENCODING__BASE64);
		switch (lie) {
		case 0:
			d.parts[1].body_size = raw.len + 1;
			break;
		case 1:
			d.parts[1].body_offset = UINT64_MAX;
			break;
		case 2:
			d.parts[0].header_size = raw.len + 1;
			break;
		case 3:
			d.parts[1].parent = 0;
			break;
		case 4:
			d.parts[1].parent = 7;
			break;
		default:
			d.description.n_parts = 0;
		}
		int error;
		assert_null(try_append(h, session, "INBOX", raw, &d, NULL, &error));
		assert_int_equal(error, E_INVALID);
	}
	assert_sound(h, &owner, 0);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shapes),
		TEST(test_irregular),
		TEST(test_random_cuts),
		TEST(test_empty_and_large),
		TEST(test_shared),
		TEST(test_partials),
		TEST(test_descriptions_that_lie),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
