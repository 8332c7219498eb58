/* Memory is as good as a disk here, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"

/*
 * Each page of a mailbox file is damaged in turn. A message that lies elsewhere is given, whole; an answer
 * that says OK is complete; one large message is never begun that cannot be finished.
 */

enum { MESSAGES = 24, LARGE = 3, PAGE = 4096, FILE_MAX = 8 * 1024 * 1024, COSTS_MAX = 12 };

static void text_of(unsigned number, struct buf *ret)
{
	size_t size = number < LARGE ? 300 * 1024 : 700;
	unsigned random = number;
	buf_clear(ret);
	buf_addf(ret, "Subject: number %u\r\n\r\nfindme ", number);
	while (ret->len < size) {
		random = random * 1664525 + 1013904223;
		buf_addf(ret, "%06x%s", random >> 8, ret->len % 7 == 0 ? "\r\n" : "");
	}
}

struct outcome {
	int error;
	unsigned count;
	bool cut; /* in the middle of a message */
};

static void fetch_all(struct harness *h, uint64_t session, uint64_t folder, struct outcome *ret)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 1024 * 1024);
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	*ret = (struct outcome){0};
	ret->error = fetch_uids(h, session, folder, 1, UINT32_MAX, PK__FETCH_ITEM__FETCH_ENVELOPE,
	                        &section, f);
	size_t at = 0;
	bool seen[MESSAGES + 1] = {0};
	for (size_t i = 0; i < f->count; i++) {
		const Pk__FetchRow *row = f->rows[i];
		ret->cut = row->more;
		if (row->more)
			continue;
		assert_in_range(row->uid, 1, MESSAGES);
		assert_false(seen[row->uid]);
		seen[row->uid] = true;
		text_of(row->uid - 1, &text);
		assert_true(f->body.len - at >= text.len);
		assert_memory_equal(f->body.ptr + at, text.ptr, text.len);
		at += text.len;
		ret->count++;
	}
	fetched_done(f);
	free(f);
}

static unsigned search_all(struct harness *h, uint64_t session, uint64_t folder, int *ret_error,
                           uint64_t *ret_unreadable)
{
	Pk__SearchRequest request = PK__SEARCH_REQUEST__INIT;
	Pk__SearchKey key = PK__SEARCH_KEY__INIT;
	key.type = PK__SEARCH_KEY__TYPE__BODY;
	key.text = text_from("findme");
	request.session = session;
	request.folder = folder;
	request.key = &key;
	Pk__SearchReply *reply = CALL(h, SEARCH, request, search_reply, ret_error);
	unsigned count = 0;
	*ret_unreadable = 0;
	if (reply == NULL)
		return 0;
	for (size_t i = 0; i < reply->n_uids; i++)
		count += reply->uids[i]->last - reply->uids[i]->first + 1;
	*ret_unreadable = reply->unreadable;
	FREE(reply);
	return count;
}

static void page_flip(const char *path, size_t page)
{
	char byte;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(page * PAGE + 1000)), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(page * PAGE + 1000)), 1);
	close(fd);
}

/* False when the mailbox does not open at all. */
static bool damage_page(struct harness *h, struct owner *owner, uint64_t folder, unsigned *ret_lost)
{
	int error;
	harness_up(h);
	Pk__OpenReply *opened = try_open(h, h->link, owner, &error);
	if (opened == NULL) {
		assert_int_equal(error, E_CORRUPT);
		harness_down(h);
		return false;
	}
	uint64_t session = opened->session, unreadable;
	FREE(opened);
	struct outcome outcome;
	fetch_all(h, session, folder, &outcome);
	assert_false(outcome.cut);
	*ret_lost = MESSAGES - outcome.count;
	assert_int_equal(outcome.error, *ret_lost > 0 ? E_CORRUPT : 0);
	unsigned found = search_all(h, session, folder, &error, &unreadable);
	if (error == 0)
		assert_int_equal(found + unreadable, MESSAGES);
	else
		assert_int_equal(error, E_CORRUPT);
	close_session(h, session);
	harness_down(h);
	return true;
}

static void test_each_page(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct buf text BUF_AUTO, original BUF_AUTO;
	buf_init(&text, 1024 * 1024);
	buf_init(&original, FILE_MAX);
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	for (unsigned number = 0; number < MESSAGES; number++) {
		text_of(number, &text);
		append(h, session, "INBOX", buf_str(&text), NULL);
	}
	close_session(h, session);
	harness_down(h);
	h->log.level = LOG_LEVEL_ERROR + 1;
	char path[200];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner.mailbox,
	         owner.mailbox);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	size_t pages = (size_t)st.st_size / PAGE;
	unsigned closed = 0, costly = 0, harmed = 0;
	for (size_t page = 0; page < pages; page += page < 60 ? 1 : 3) {
		unsigned lost = 0;
		page_flip(path, page);
		if (!damage_page(h, &owner, folder, &lost))
			closed++;
		costly += lost > COSTS_MAX;
		harmed += lost > 0;
		page_flip(path, page);
	}
	print_message("%zu pages: %u keep the mailbox closed, %u cost more than their rows, %u some\n",
	              pages, closed, costly, harmed);
	assert_true(closed <= 6);
	assert_true(costly <= 8);
	assert_true(harmed > 20);
	harness_up(h);
	owner_done(&owner);
}

/* ---------------------------------------------------------------- entries */

enum { ENTRIES = 250 };

static const char hello[] = "Subject: Hello\r\n\r\nHello, world.\r\n";

/* What SELECT, CHANGES and FETCH of flags say there is. */
struct counts {
	unsigned selected, changed, fetched;
	uint32_t uid_next;
	uint64_t modseq;
};

/* An error, or all that can be had. */
static int count_entries(struct harness *h, uint64_t session, struct counts *ret)
{
	Pk__SelectRequest select = PK__SELECT_REQUEST__INIT;
	Pk__ChangesRequest changes = PK__CHANGES_REQUEST__INIT;
	int error;
	select.session = changes.session = session;
	select.name = text_from("INBOX");
	select.read_only = true;
	Pk__SelectReply *selected = CALL(h, SELECT, select, select_reply, &error);
	*ret = (struct counts){0};
	if (selected == NULL)
		return error;
	for (size_t i = 0; i < selected->n_uids; i++)
		ret->selected += selected->uids[i]->last - selected->uids[i]->first + 1;
	ret->uid_next = selected->uid_next;
	ret->modseq = selected->highest_modseq;
	changes.folder = selected->folder;
	changes.since_modseq = 1;
	FREE(selected);
	Pk__ChangesReply *changed = CALL(h, CHANGES, changes, changes_reply, &error);
	if (changed == NULL)
		return error;
	ret->changed = (unsigned)changed->n_changed;
	FREE(changed);
	struct fetched *f = mem_new(sizeof(*f));
	error = fetch_uids(h, session, changes.folder, 1, UINT32_MAX, PK__FETCH_ITEM__FETCH_FLAGS, NULL,
	                   f);
	ret->fetched = (unsigned)f->count;
	fetched_done(f);
	free(f);
	assert_int_equal(error, ret->fetched < ret->selected ? E_CORRUPT : 0);
	return 0;
}

/* What comes then is seen, with a UID of its own, by who has the folder selected, too. False: it cannot come. */
static bool more_comes(struct harness *h, uint64_t session, const struct counts *before)
{
	struct counts after;
	int error;
	Pk__AppendReply *reply = try_append(h, session, "INBOX", str_from(hello), NULL, NULL, &error);
	bool came = reply != NULL;
	if (came) {
		assert_int_equal(reply->uid, ENTRIES + 1);
		FREE(reply);
	} else {
		assert_int_equal(error, E_CORRUPT);
	}
	assert_int_equal(count_entries(h, session, &after), 0);
	assert_int_equal(after.selected, before->selected + came);
	assert_int_equal(after.changed, before->changed + came);
	assert_int_equal(after.fetched, before->fetched + came);
	assert_int_equal(after.uid_next, before->uid_next + came);
	return came;
}

static void restore(const char *path, const struct buf *bytes)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->ptr, bytes->len), bytes->len);
	close(fd);
}

/* A page of entries: the folder is there with all its UIDs, the entries of other pages are given, what comes
 * is seen. */
static void test_pages_of_entries(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct buf original BUF_AUTO;
	buf_init(&original, FILE_MAX);
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	for (unsigned number = 0; number < ENTRIES; number++)
		append(h, session, "INBOX", str_from(hello), NULL);
	close_session(h, session);
	harness_down(h);
	h->log.level = LOG_LEVEL_ERROR + 1;
	char path[200];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner.mailbox,
	         owner.mailbox);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	original.len = (size_t)read(fd, buf_reserve(&original, FILE_MAX), FILE_MAX);
	close(fd);
	unsigned closed = 0, refused = 0, leaves = 0, trees = 0, full = 0;
	for (size_t page = 1; page < original.len / PAGE; page++) {
		struct counts counts;
		int error;
		page_flip(path, page);
		harness_up(h);
		Pk__OpenReply *opened = try_open(h, h->link, &owner, &error);
		closed += opened == NULL;
		error = opened == NULL ? error : count_entries(h, opened->session, &counts);
		refused += opened != NULL && error != 0;
		if (error == 0)
			assert_int_equal(counts.selected, ENTRIES);
		if (error == 0 && counts.fetched < ENTRIES) {
			assert_int_equal(counts.changed, counts.fetched);
			assert_int_equal(counts.uid_next, ENTRIES + 1);
			leaves += counts.fetched > 0;
			trees += counts.fetched == 0;
			full += !more_comes(h, opened->session, &counts);
		}
		if (opened != NULL)
			FREE(opened);
		harness_down(h);
		restore(path, &original);
	}
	print_message("%zu pages: %u keep the mailbox closed, %u the folder; %u cost some entries, %u "
	              "all, and %u of "
	              "these take no more\n",
	              original.len / PAGE, closed, refused, leaves, trees, full);
	assert_true(leaves >= 4);
	assert_in_range(trees, 0, 1);
	assert_in_range(full, 1, 2);
	assert_in_range(refused, 0, 4); /* the tables of folders and keywords */
	harness_up(h);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_each_page), TEST(test_pages_of_entries)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
