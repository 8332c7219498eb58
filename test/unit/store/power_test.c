/* The disk is not what is tested: memory is as good, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"
#include "../db/power.h"

/*
 * The power is cut: after each answer, before each write and sync, and after a sync that failed. What somebody
 * was told is still so: messages and their UIDs, flags, modseqs, folders, subscriptions. No UID and no modseq
 * that was seen is given to anything else.
 */

enum { FOLDERS_MAX = 12, ROWS_MAX = 24, NUMBERS = 16 };

/* All that a client can see. */
struct view {
	struct {
		uint64_t id;
		char name[40];
		bool subscribed;
		uint32_t uid_validity, uid_next;
		uint64_t modseq;
		struct {
			uint32_t uid, flags, keywords;
			uint64_t modseq;
			uint32_t number;
		} rows[ROWS_MAX];
		size_t row_count;
	} folders[FOLDERS_MAX];
	size_t folder_count;
};

struct work {
	struct harness *h;
	struct owner *owner;
	uint64_t session;
	int error;             /* of the step */
	const char *step;      /* its name */
	struct view *seen;     /* what was told last */
	bool waiting[NUMBERS]; /* mail for an owner who is away: acknowledged, and not seen yet */
	bool repeats;          /* a step is done again after an error, so mail may be there twice */
};

/* ---------------------------------------------------------------- messages */

static void text_of(uint32_t number, char ret[200])
{
	snprintf(ret, 200, "Message-ID: <%u@example.test>\r\nSubject: number %u\r\n\r\nText %u.\r\n",
	         number, number, number);
}

static uint32_t number_of(const Pk__FetchRow *row)
{
	assert_int_equal(row->n_sections, 1);
	const Pk__SectionData *data = row->sections[0];
	for (uint32_t number = 0; number < NUMBERS; number++) {
		char raw[200];
		text_of(number, raw);
		if (data->data.len == strlen(raw) && memcmp(data->data.data, raw, strlen(raw)) == 0)
			return number;
	}
	fail_msg("a message that nobody sent");
	return 0;
}

/* ---------------------------------------------------------------- looking */

static void look_into(struct work *work, struct view *view, const Pk__Folder *folder)
{
	size_t at = view->folder_count++;
	assert_true(at < FOLDERS_MAX);
	Pk__FolderNameRequest request = PK__FOLDER_NAME_REQUEST__INIT;
	request.session = work->session;
	request.name = folder->name;
	int error;
	Pk__FolderStatusReply *status = CALL(work->h, FOLDER_STATUS, request, folder_status_reply,
	                                     &error);
	assert_int_equal(error, 0);
	view->folders[at].id = status->folder;
	view->folders[at].subscribed = folder->subscribed;
	view->folders[at].uid_validity = status->uid_validity;
	view->folders[at].uid_next = status->uid_next;
	view->folders[at].modseq = status->highest_modseq;
	snprintf(view->folders[at].name, sizeof(view->folders[at].name), "%s", folder->name);
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	uint32_t items = PK__FETCH_ITEM__FETCH_FLAGS;
	assert_int_equal(
		fetch_uids(work->h, work->session, status->folder, 1, UINT32_MAX, items, &section, f), 0);
	assert_true(f->count <= ROWS_MAX);
	assert_int_equal(f->count, status->messages);
	for (size_t i = 0; i < f->count; i++) {
		const Pk__FetchRow *row = f->rows[i];
		uint32_t number = number_of(row);
		view->folders[at].rows[i].uid = row->uid;
		view->folders[at].rows[i].flags = row->flags;
		view->folders[at].rows[i].keywords = (uint32_t)row->n_keywords;
		view->folders[at].rows[i].modseq = row->modseq;
		view->folders[at].rows[i].number = number;
		work->waiting[number] = false;
		assert_true(row->uid < status->uid_next);
		assert_true(row->modseq <= status->highest_modseq);
	}
	view->folders[at].row_count = f->count;
	fetched_done(f);
	free(f);
	FREE(status);
}

static struct view *look(struct work *work)
{
	struct view *view = mem_new(sizeof(*view));
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = work->session;
	int error;
	Pk__FolderListReply *list = CALL(work->h, FOLDER_LIST, request, folder_list_reply, &error);
	assert_int_equal(error, 0);
	for (size_t i = 0; i < list->n_folders; i++)
		if (!list->folders[i]->missing)
			look_into(work, view, list->folders[i]);
	FREE(list);
	return view;
}

static void same_rows(const struct work *work, const struct view *a, size_t i, const struct view *b,
                      size_t k, bool exact)
{
	size_t at = 0;
	for (size_t row = 0; row < a->folders[i].row_count; row++) {
		const __typeof__(a->folders[i].rows[0]) *one = &a->folders[i].rows[row], *two = NULL;
		while (at < b->folders[k].row_count && b->folders[k].rows[at].uid < one->uid)
			at++;
		if (at < b->folders[k].row_count && b->folders[k].rows[at].uid == one->uid)
			two = &b->folders[k].rows[at];
		if (two == NULL && exact)
			fail_msg("%s: UID %u of %s is missing", work->step, one->uid, a->folders[i].name);
		if (two != NULL && two->number != one->number)
			fail_msg("%s: UID %u of %s is another message now", work->step, one->uid,
			         a->folders[i].name);
		if (two != NULL && exact && memcmp(one, two, sizeof(*one)) != 0)
			fail_msg("%s: UID %u of %s has other flags now", work->step, one->uid,
			         a->folders[i].name);
		/* A change that nobody was told of has a modseq that nobody was told of. */
		if (two != NULL && two->modseq <= a->folders[i].modseq &&
		    (two->flags != one->flags || two->keywords != one->keywords))
			fail_msg("%s: UID %u of %s changed with a modseq that was told before", work->step,
			         one->uid, a->folders[i].name);
	}
	if (exact && a->folders[i].row_count != b->folders[k].row_count)
		fail_msg("%s: %s has other messages now", work->step, a->folders[i].name);
}

/* What was told is so. exact: and nothing else is; else a step that had no answer may be done or not. */
static void compare(const struct work *work, const struct view *told, const struct view *found,
                    bool exact)
{
	for (size_t i = 0; i < told->folder_count; i++) {
		size_t k = 0;
		while (k < found->folder_count && found->folders[k].id != told->folders[i].id)
			k++;
		if (k == found->folder_count) {
			if (exact || told->folders[i].row_count > 1)
				fail_msg("%s: %s is missing", work->step, told->folders[i].name);
			continue;
		}
		if (found->folders[k].uid_validity != told->folders[i].uid_validity ||
		    found->folders[k].uid_next < told->folders[i].uid_next)
			fail_msg("%s: UIDNEXT of %s was %u and is %u", work->step, told->folders[i].name,
			         told->folders[i].uid_next, found->folders[k].uid_next);
		if (found->folders[k].modseq < told->folders[i].modseq)
			fail_msg("%s: HIGHESTMODSEQ of %s has gone back", work->step, told->folders[i].name);
		if (exact && (strcmp(found->folders[k].name, told->folders[i].name) != 0 ||
		              found->folders[k].subscribed != told->folders[i].subscribed))
			fail_msg("%s: %s is %s now", work->step, told->folders[i].name, found->folders[k].name);
		same_rows(work, told, i, found, k, exact);
	}
	if (exact && told->folder_count != found->folder_count)
		fail_msg("%s: there are other folders now", work->step);
}

/* ---------------------------------------------------------------- steps */

static uint64_t id_of(struct work *work, const char *name)
{
	for (size_t i = 0; i < work->seen->folder_count; i++)
		if (strcmp(work->seen->folders[i].name, name) == 0)
			return work->seen->folders[i].id;
	fail_msg("%s: there is no %s", work->step, name);
	return 0;
}

/* The at-th of its messages. */
static uint32_t uid_of(struct work *work, const char *name, size_t at)
{
	uint64_t id = id_of(work, name);
	for (size_t i = 0; i < work->seen->folder_count; i++)
		if (work->seen->folders[i].id == id && at < work->seen->folders[i].row_count)
			return work->seen->folders[i].rows[at].uid;
	return UINT32_MAX;
}

static void append_number(struct work *work, uint32_t number)
{
	char raw[200];
	text_of(number, raw);
	FREE(try_append(work->h, work->session, "INBOX", str_from(raw), NULL, NULL, &work->error));
}

static void step_append(struct work *work)
{
	append_number(work, 4);
}

static void deliver_number(struct work *work, uint32_t number)
{
	char raw[200], id[17];
	text_of(number, raw);
	snprintf(id, sizeof(id), "delivery%08u", number);
	work->error = deliver_to(work->h, work->owner, str_from(raw), id, NULL, NULL);
	if (work->error == 0 && !power.off)
		work->waiting[number] = true;
}

static void step_deliver(struct work *work)
{
	deliver_number(work, 5);
}

static void store_flags(struct work *work, uint32_t uid, uint32_t flags, const char *keyword)
{
	Pk__StoreRequest request = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	char *keywords[] = {text_from(keyword)};
	range.first = range.last = uid;
	request.session = work->session;
	request.folder = id_of(work, "INBOX");
	request.uids = ranges;
	request.n_uids = 1;
	request.operation = PK__STORE_REQUEST__OPERATION__ADD;
	request.flags = flags;
	request.keywords = keywords;
	request.n_keywords = keyword != NULL;
	FREE(CALL(work->h, STORE, request, store_reply, &work->error));
}

static void step_flag(struct work *work)
{
	store_flags(work, uid_of(work, "INBOX", 0), PK__FLAG__FLAG_FLAGGED, NULL);
}

static void step_keyword(struct work *work)
{
	store_flags(work, uid_of(work, "INBOX", 1), 0, "$Forwarded");
}

static void step_seen(struct work *work)
{
	Pk__FetchRequest request = PK__FETCH_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = range.last = uid_of(work, "INBOX", 2);
	request.session = work->session;
	request.folder = id_of(work, "INBOX");
	request.uids = ranges;
	request.n_uids = 1;
	request.mark_seen = true;
	struct fetched *f = mem_new(sizeof(*f));
	work->error = fetch_rows(work->h, &request, f);
	fetched_done(f);
	free(f);
}

static void copy_to(struct work *work, const char *to, uint32_t first, uint32_t last, bool move)
{
	Pk__CopyRequest request = PK__COPY_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = first;
	range.last = last;
	request.session = work->session;
	request.folder = id_of(work, "INBOX");
	request.uids = ranges;
	request.n_uids = 1;
	request.to = text_from(to);
	request.move = move;
	FREE(CALL(work->h, COPY, request, copy_reply, &work->error));
}

static void step_copy(struct work *work)
{
	copy_to(work, "Archive", uid_of(work, "INBOX", 0), uid_of(work, "INBOX", 1), false);
}

static void step_move(struct work *work)
{
	uint32_t uid = uid_of(work, "INBOX", 1);
	copy_to(work, "Archive", uid, uid, true);
}

static void step_expunge(struct work *work)
{
	store_flags(work, uid_of(work, "INBOX", 0), PK__FLAG__FLAG_DELETED, NULL);
	if (work->error != 0)
		return;
	Pk__ExpungeRequest request = PK__EXPUNGE_REQUEST__INIT;
	request.session = work->session;
	request.folder = id_of(work, "INBOX");
	request.all = true;
	FREE(CALL(work->h, EXPUNGE, request, expunge_reply, &work->error));
}

/* Done before by a step that was answered with an error: that is no error. */
static void done_is_fine(struct work *work)
{
	if (work->repeats && (work->error == E_EXISTS || work->error == E_NOT_FOUND))
		work->error = 0;
}

static void step_create(struct work *work)
{
	Pk__FolderCreateRequest request = PK__FOLDER_CREATE_REQUEST__INIT;
	request.session = work->session;
	request.name = text_from("Made");
	FREE(CALL(work->h, FOLDER_CREATE, request, folder_reply, &work->error));
	done_is_fine(work);
}

static void step_copy_to_made(struct work *work)
{
	uint32_t uid = uid_of(work, "INBOX", 0);
	copy_to(work, "Made", uid, uid, false);
}

static void step_rename(struct work *work)
{
	Pk__FolderRenameRequest request = PK__FOLDER_RENAME_REQUEST__INIT;
	request.session = work->session;
	request.from = text_from("Made");
	request.to = text_from("Renamed");
	FREE(CALL(work->h, FOLDER_RENAME, request, empty, &work->error));
	done_is_fine(work);
}

static void step_subscribe(struct work *work)
{
	Pk__FolderSubscribeRequest request = PK__FOLDER_SUBSCRIBE_REQUEST__INIT;
	request.session = work->session;
	request.name = text_from("Renamed");
	request.subscribed = true;
	FREE(CALL(work->h, FOLDER_SUBSCRIBE, request, empty, &work->error));
}

static void step_delete(struct work *work)
{
	Pk__FolderNameRequest request = PK__FOLDER_NAME_REQUEST__INIT;
	request.session = work->session;
	request.name = text_from("Renamed");
	FREE(CALL(work->h, FOLDER_DELETE, request, empty, &work->error));
	done_is_fine(work);
}

/* The owner goes, and the store, so that nobody has the key. */
static void leave(struct work *work)
{
	if (work->session == 0)
		return;
	close_session(work->h, work->session);
	harness_restart(work->h);
	work->session = 0;
}

static void step_sealed(struct work *work)
{
	leave(work);
	deliver_number(work, 6);
}

static void step_sealed_again(struct work *work)
{
	deliver_number(work, 7);
}

static void step_return(struct work *work)
{
	int error;
	Pk__OpenReply *reply = try_open(work->h, work->h->link, work->owner, &error);
	work->error = error;
	if (error != 0)
		return;
	work->session = reply->session;
	FREE(reply);
}

static const struct step {
	const char *name;
	void (*run)(struct work *work);
	bool away; /* nobody can look afterwards */
} steps[] = {
	{"APPEND", step_append, false},
	{"DELIVER", step_deliver, false},
	{"STORE", step_flag, false},
	{"STORE keyword", step_keyword, false},
	{"FETCH", step_seen, false},
	{"COPY", step_copy, false},
	{"MOVE", step_move, false},
	{"CREATE", step_create, false},
	{"COPY into a new folder", step_copy_to_made, false},
	{"EXPUNGE", step_expunge, false},
	{"RENAME", step_rename, false},
	{"SUBSCRIBE", step_subscribe, false},
	{"DELETE", step_delete, false},
	{"DELIVER sealed", step_sealed, true},
	{"DELIVER sealed again", step_sealed_again, true},
	{"OPEN", step_return, false},
};

/* ---------------------------------------------------------------- a run */

static void work_begin(struct work *work, struct harness *h, struct owner *owner)
{
	*work = (struct work){.h = h, .owner = owner, .step = "before"};
	create_mailbox(h, owner);
	work->session = open_session(h, owner);
	for (uint32_t number = 0; number < 4; number++)
		append_number(work, number);
	close_session(h, work->session);
	harness_down(h);
	power_start(h->dir);
	harness_up(h);
	step_return(work);
	work->seen = look(work);
}

/* Does a step, again if it must; false once the power is off. */
static bool run_step(struct work *work, const struct step *step)
{
	work->step = step->name;
	for (int i = 0; i < 5; i++) {
		step->run(work);
		if (power.off)
			return false;
		if (work->error == 0)
			break;
		assert_true(work->error == E_IO || work->error == E_NO_SPACE);
		work->repeats = true;
	}
	assert_int_equal(work->error, 0);
	if (step->away)
		return true;
	struct view *view = look(work);
	if (power.off) {
		free(view);
		return false;
	}
	free(work->seen);
	work->seen = view;
	return true;
}

/* After the cut: what was told is so, and what comes now is new. exact: the cut came after an answer. */
static void work_end(struct work *work, bool exact)
{
	struct view *told = mem_new(sizeof(*told));
	*told = *work->seen;
	harness_down(work->h);
	power_back();
	harness_up(work->h);
	bool waited[NUMBERS];
	memcpy(waited, work->waiting, sizeof(waited));
	step_return(work);
	assert_int_equal(work->error, 0);
	free(work->seen);
	work->seen = look(work);
	bool away = false;
	for (uint32_t number = 0; number < NUMBERS; number++) {
		away = away || waited[number];
		if (work->waiting[number])
			fail_msg("%s: mail that waited is missing", work->step);
	}
	compare(work, told, work->seen, exact && !away);
	append_number(work, 8);
	assert_int_equal(work->error, 0);
	store_flags(work, uid_of(work, "INBOX", 0), PK__FLAG__FLAG_ANSWERED, NULL);
	copy_to(work, "Archive", 1, UINT32_MAX, false);
	assert_int_equal(work->error, 0);
	free(work->seen);
	work->seen = look(work);
	compare(work, told, work->seen, false);
	close_session(work->h, work->session);
	assert_verified(work->h, work->owner);
	free(told);
	free(work->seen);
	owner_done(work->owner);
}

/* ---------------------------------------------------------------- tests */

static void test_after_each_answer(void **state)
{
	for (size_t last = 0; last < ARRAY_LEN(steps); last++) {
		struct work work;
		struct owner owner;
		work_begin(&work, *state, &owner);
		for (size_t i = 0; i <= last; i++)
			assert_true(run_step(&work, &steps[i]));
		power.tear = TEAR_ALL_LOST;
		power_cut();
		work_end(&work, true);
	}
}

static int count_in_all(struct harness *h, const int *counter)
{
	struct work work;
	struct owner owner;
	work_begin(&work, h, &owner);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_true(run_step(&work, &steps[i]));
	int count = *counter;
	power_cut();
	work_end(&work, true);
	return count;
}

static void test_before_each_change(void **state)
{
	static const enum tear tears[] = {TEAR_ALL_LOST, TEAR_SOME, TEAR_SOME, TEAR_ALL_KEPT};
	int count = count_in_all(*state, &power.changes);
	assert_true(count > 100);
	/* With another way to tear each time. */
	for (int at = 1; at <= count; at += power_step(19)) {
		struct work work;
		struct owner owner;
		work_begin(&work, *state, &owner);
		power.tear = tears[at % (int)ARRAY_LEN(tears)];
		power.random = (uint32_t)at;
		power.cut_at = at;
		for (size_t i = 0; i < ARRAY_LEN(steps) && run_step(&work, &steps[i]); i++)
			;
		power_cut();
		work_end(&work, false);
	}
	print_message("%d changes of the disk\n", count);
}

/* The kernel says once that a sync has failed, and then that all is well. */
static void test_after_a_sync_that_failed(void **state)
{
	int count = count_in_all(*state, &power.syncs);
	assert_true(count > (int)ARRAY_LEN(steps));
	for (int at = 1; at <= count; at += power_step(5)) {
		struct work work;
		struct owner owner;
		work_begin(&work, *state, &owner);
		power.tear = TEAR_ALL_LOST;
		power.error = at % 2 == 0 ? EIO : ENOSPC;
		power.fail_at = at;
		for (size_t i = 0; i < ARRAY_LEN(steps); i++)
			assert_true(run_step(&work, &steps[i]));
		power_cut();
		work_end(&work, true);
	}
	print_message("%d syncs\n", count);
}

/* A mailbox that was made is there, also when it was asked for again after a sync had failed. */
static void test_a_mailbox_is_made(void **state)
{
	struct harness *h = *state;
	int count = 1000;
	for (int at = 0; at <= count; at++) {
		struct owner owner;
		harness_down(h);
		power_start(h->dir);
		harness_up(h);
		power.error = EIO;
		power.fail_at = at;
		owner_new(&owner);
		int error = try_create(h, &owner);
		assert_true(error == 0 || (error == E_IO && at > 0));
		for (int i = 0; i < 3 && error != 0; i++)
			error = try_create(h, &owner);
		assert_int_equal(error, 0);
		if (at == 0)
			count = power.syncs;
		power.tear = TEAR_ALL_LOST;
		power_cut();
		harness_down(h);
		power_back();
		harness_up(h);
		close_session(h, open_session(h, &owner));
		owner_done(&owner);
	}
	assert_in_range(count, 5, 100);
}

/* The same as before, or E_IO once. */
static int again(struct harness *h, struct owner *owner,
                 int (*ask)(struct harness *, struct owner *))
{
	int error = ask(h, owner);
	for (int i = 0; i < 3 && error == E_IO; i++) {
		harness_restart(h); /* nothing that is in memory may help */
		error = ask(h, owner);
	}
	return error;
}

static int try_remove(struct harness *h, struct owner *owner)
{
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	int error;
	FREE(CALL(h, REMOVE, request, empty, &error));
	return error;
}

static void main_path(const struct harness *h, const struct owner *owner, char ret[128])
{
	snprintf(ret, 128, "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner->mailbox, owner->mailbox);
}

/* As cp leaves it: written, and no more. */
static void put_in_place(struct harness *h, struct owner *owner)
{
	char path[128];
	main_path(h, owner, path);
	struct stat st;
	int fd = open(path, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	char *bytes MEM_AUTO = mem_new((size_t)st.st_size);
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	assert_int_equal(unlink(path), 0);
	char *end = strrchr(path, '/');
	*end = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY); /* what was here is gone for good */
	(void)!fsync(fd);
	close(fd);
	*end = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	close(fd);
}

static void has_two_keys(struct harness *h, struct owner *owner)
{
	(void)h;
	struct data_key next DATA_KEY_AUTO = {0};
	random_bytes(next.salt, sizeof(next.salt));
	key32_random(&next.key);
	buf_clear(&owner->record);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, &owner->key, &next);
}

/* Asks with each sync failing in turn, once with none; looks after the cut. */
static void fail_each_sync(struct harness *h, void (*prepare)(struct harness *, struct owner *),
                           int (*ask)(struct harness *, struct owner *),
                           void (*look_after)(struct harness *, struct owner *))
{
	int count = 1000;
	for (int at = 0; at <= count; at++) {
		struct owner owner;
		create_mailbox(h, &owner);
		harness_down(h);
		power_start(h->dir);
		prepare(h, &owner);
		harness_up(h);
		power.error = EIO;
		power.fail_at = at;
		assert_int_equal(again(h, &owner, ask), 0);
		if (at == 0)
			count = power.syncs;
		power.tear = TEAR_ALL_LOST;
		power_cut();
		harness_down(h);
		power_back();
		harness_up(h);
		look_after(h, &owner);
		owner_done(&owner);
	}
	assert_in_range(count, 1, 100);
}

static void opens(struct harness *h, struct owner *owner)
{
	close_session(h, open_session(h, owner));
	assert_verified(h, owner);
}

static void is_gone(struct harness *h, struct owner *owner)
{
	char path[128];
	main_path(h, owner, path);
	assert_int_equal(access(path, F_OK), -1);
}

/* The record that came of it opens the file that is there. */
static void test_a_key_is_changed(void **state)
{
	fail_each_sync(*state, has_two_keys, try_rekey, opens);
}

static void test_a_mailbox_is_removed(void **state)
{
	fail_each_sync(*state, has_two_keys, try_remove, is_gone);
}

static int try_attach(struct harness *h, struct owner *owner)
{
	Pk__AttachRequest request = PK__ATTACH_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.password = bytes_from(owner->password, strlen(owner->password));
	int error;
	FREE(CALL(h, ATTACH, request, attach_reply, &error));
	/* What the kernel could not write it has forgotten: the file is to be put there again. */
	if (error == E_IO)
		put_in_place(h, owner);
	return error;
}

static void test_a_mailbox_is_attached(void **state)
{
	fail_each_sync(*state, put_in_place, try_attach, opens);
}

/* ---------------------------------------------------------------- one sync for many */

enum { AT_ONCE = 10 };

struct answers {
	int ok, failed, error;
};

static void on_stored(void *ctx, int error, struct str text, struct str body)
{
	struct answers *answers = ctx;
	(void)text;
	(void)body;
	answers->ok += error == 0;
	answers->failed += error != 0;
	if (error != 0)
		answers->error = error;
}

/* A keyword of its own on the first message, without waiting for the answer. */
static void start_store(struct work *work, int number, struct answers *answers)
{
	char keyword[20];
	char *keywords[] = {keyword};
	snprintf(keyword, sizeof(keyword), "$keyword%d", number);
	Pk__StoreRequest request = PK__STORE_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	range.first = range.last = uid_of(work, "INBOX", 0);
	request.session = work->session;
	request.folder = id_of(work, "INBOX");
	request.uids = ranges;
	request.n_uids = 1;
	request.keywords = keywords;
	request.n_keywords = 1;
	struct link_request call = {.method = PK__STORE_METHOD__STORE_STORE,
	                            .body = &request.base,
	                            .kind = LINK_ONCE,
	                            .ctx = answers,
	                            .reply = on_stored};
	(void)link_call(work->h->link, &call);
}

/* The first one's sync waits in the disk until all others are in line behind it. */
static void store_at_once(struct work *work, struct answers *first, struct answers *others)
{
	step_flag(work); /* the first sync of a log is another */
	assert_int_equal(work->error, 0);
	power_slow(true);
	start_store(work, 0, first);
	WAIT_FOR(work->h, power_waiting() == 1);
	for (int i = 1; i < AT_ONCE; i++)
		start_store(work, i, others);
	/* The loop answers this itself, in its turn: what came before is in line. */
	Pk__Empty nothing = PK__EMPTY__INIT;
	int error;
	FREE(CALL(work->h, STATISTICS, nothing, statistics_reply, &error));
	assert_int_equal(error, 0);
	assert_int_equal(first->ok + first->failed + others->ok + others->failed, 0);
}

static void test_changes_share_a_sync(void **state)
{
	struct work work;
	struct owner owner;
	struct answers first = {0}, others = {0};
	work_begin(&work, *state, &owner);
	store_at_once(&work, &first, &others);
	int before = power.syncs;
	power_slow(false);
	WAIT_FOR(work.h, first.ok + others.ok == AT_ONCE);
	/* Two, unless this machine is so busy that the others' slice was over before they had begun. */
	assert_in_range(power.syncs - before, 2, AT_ONCE / 2);
	free(work.seen);
	work.seen = look(&work);
	power.tear = TEAR_ALL_LOST;
	power_cut();
	work_end(&work, true);
}

/* Nobody who shares a sync is told that all is well when it fails; and what is seen then stays. */
static void test_a_shared_sync_fails(void **state)
{
	for (int which = 1; which <= 2; which++) {
		struct work work;
		struct owner owner;
		struct answers first = {0}, others = {0};
		work_begin(&work, *state, &owner);
		FREE(select_folder(work.h, work.session, "INBOX"));
		store_at_once(&work, &first, &others);
		work.h->changed_events = 0;
		power.error = EIO;
		power.fail_at = power.syncs + which;
		power_slow(false);
		WAIT_FOR(work.h, first.ok + first.failed + others.ok + others.failed == AT_ONCE);
		assert_int_equal(first.failed, which == 1);
		assert_int_equal(which == 1 ? first.error : others.error, E_IO);
		assert_true(which == 1 || others.failed >= 2);
		WAIT_FOR(work.h,
		         work.h->changed_events > 0); /* of its own change, which has no good answer */
		work.repeats = true;
		free(work.seen);
		work.seen = look(&work);
		power.tear = TEAR_ALL_LOST;
		power_cut();
		work_end(&work, true);
	}
}

static int setup(void **state)
{
	int rc = harness_setup(state);
	struct harness *h = *state;
	h->log.fd = memfd_create("log", MFD_CLOEXEC);
	return rc;
}

static int teardown(void **state)
{
	struct harness *h = *state;
	power_slow(false);
	power_stop();
	if (h->store == NULL)
		harness_up(h); /* a test that failed left it so */
	close(h->log.fd);
	return harness_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_after_each_answer),        TEST(test_before_each_change),
		TEST(test_after_a_sync_that_failed), TEST(test_a_mailbox_is_made),
		TEST(test_a_key_is_changed),         TEST(test_a_mailbox_is_removed),
		TEST(test_a_mailbox_is_attached),    TEST(test_changes_share_a_sync),
		TEST(test_a_shared_sync_fails)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
