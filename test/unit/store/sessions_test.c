#include "harness.h"

#include "store/schema.h"

/* Who may ask for what, sessions, keys, limits, and what harms only one mailbox. */

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static const char hello[] = "From: a@example.test\r\nSubject: Hello\r\n\r\nHello, world.\r\n";

static int error_of(struct harness *h, struct link *link, uint32_t method,
                    const ProtobufCMessage *body)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	struct errinfo info = {0};
	return try_call(h, link, method, body, STR(""), &reply, &info);
}

static void test_roles(void **state)
{
	struct harness *h = *state;
	struct link *smtp = harness_connect(h, "smtp"), *imap = harness_connect(h, "imap");
	Pk__Empty empty = PK__EMPTY__INIT;
	for (uint32_t method = 1; method <= PK__STORE_METHOD__STORE_STATISTICS; method++) {
		bool deliver = method == PK__STORE_METHOD__STORE_DELIVER;
		bool administration = method >= PK__STORE_METHOD__STORE_CREATE;
		int as_smtp = error_of(h, smtp, method, &empty.base);
		int as_imap = error_of(h, imap, method, &empty.base);
		assert_int_equal(as_smtp, deliver ? E_INVALID : E_DENIED);
		if (deliver || administration)
			assert_int_equal(as_imap, E_DENIED);
		else
			assert_true(as_imap == E_STALE || as_imap == E_INVALID);
	}
	assert_int_equal(error_of(h, imap, 0, &empty.base), E_UNSUPPORTED);
	assert_int_equal(error_of(h, imap, 9999, &empty.base), E_UNSUPPORTED);
	link_free(smtp);
	link_free(imap);
}

/* A session is its peer's, and ends with it. */
static void test_other_peers_session(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	struct link *one = harness_connect(h, "imap"), *two = harness_connect(h, "imap");
	int error;
	Pk__OpenReply *open = try_open(h, one, &owner, &error);
	assert_int_equal(error, 0);
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = open->session;
	FREE(open);
	uint32_t list = PK__STORE_METHOD__STORE_FOLDER_LIST;
	assert_int_equal(error_of(h, one, list, &request.base), 0);
	assert_int_equal(error_of(h, two, list, &request.base), E_STALE);
	link_free(one);
	Pk__StatisticsReply *statistics;
	Pk__Empty empty = PK__EMPTY__INIT;
	uint32_t sessions = 1;
	for (int i = 0; i < 100 && sessions > 0; i++) {
		statistics = CALL(h, STATISTICS, empty, statistics_reply, &error);
		sessions = statistics->sessions;
		FREE(statistics);
		loop_run_once(h->loop, 10);
	}
	assert_int_equal(sessions, 0);
	assert_int_equal(error_of(h, two, list, &request.base), E_STALE);
	link_free(two);
	owner_done(&owner);
}

static void test_session_of_an_earlier_store(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = open_session(h, &owner);
	harness_restart(h);
	assert_int_equal(error_of(h, h->link, PK__STORE_METHOD__STORE_FOLDER_LIST, &request.base),
	                 E_STALE);
	owner_done(&owner);
}

static void test_wrong_secrets(void **state)
{
	struct harness *h = *state;
	struct owner owner, other;
	create_mailbox(h, &owner);
	create_mailbox(h, &other);
	h->log.level = LOG_LEVEL_ERROR + 1;             /* what follows is logged as an error */
	for (int running = 0; running < 2; running++) { /* first closed, then open */
		int error;
		struct owner wrong = owner;
		wrong.secret.bytes[3] ^= 1;
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_DENIED);
		/* Right, but for another service than the link's. */
		assert_null(try_open_for(h, h->link, &owner, "imap", &error));
		assert_int_equal(error, E_DENIED);
		wrong = owner;
		wrong.record = other.record;
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_DENIED);
		wrong.secret = other.secret; /* of another mailbox, complete */
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_DENIED);
		wrong = owner;
		wrong.record.len = 0;
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_DENIED);
		wrong = owner;
		wrong.public_key[0] ^= 1;
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_CORRUPT);
		wrong = owner;
		memcpy(wrong.mailbox, "../../../../etc/passwd..", 24);
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_INVALID);
		/* A record that is another data key's. */
		struct buf record BUF_AUTO;
		buf_init(&record, KEY_RECORD_MAX);
		struct data_key key = owner.key;
		key.key.bytes[0] ^= 1;
		key_record_seal(&record, str_from(owner.mailbox), &owner.secret, &key, NULL);
		wrong = owner;
		wrong.record = record;
		assert_null(try_open(h, h->link, &wrong, &error));
		assert_int_equal(error, E_STALE);
		open_session(h, &owner);
	}
	owner_done(&owner);
	owner_done(&other);
}

static void test_sessions_max(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t last = 0;
	for (unsigned i = 0; i < h->options.limits.sessions_max; i++)
		last = open_session(h, &owner);
	int error;
	assert_null(try_open(h, h->link, &owner, &error));
	assert_int_equal(error, E_LIMIT);
	close_session(h, last);
	open_session(h, &owner);
	owner_done(&owner);
}

/* Keys go after the linger; from then on mail is sealed. Sessions keep them, but not the handles. */
/* From here on time is the test's. */
static void up_in_held_time(struct harness *h)
{
	harness_down(h);
	loop_hold_time(h->loop);
	harness_up(h);
}

static uint32_t mailboxes_open(struct harness *h)
{
	Pk__Empty empty = PK__EMPTY__INIT;
	int error;
	Pk__StatisticsReply *statistics = CALL(h, STATISTICS, empty, statistics_reply, &error);
	uint32_t open = statistics->mailboxes_open;
	FREE(statistics);
	return open;
}

static bool is_sealed(struct harness *h, const struct owner *owner, const char *id)
{
	bool sealed = false;
	assert_int_equal(deliver_to(h, owner, str_from(hello), id, NULL, &sealed), 0);
	return sealed;
}

static void test_linger(void **state)
{
	struct harness *h = *state;
	h->options.limits.linger_ms = 60 * 1000;
	h->options.limits.handle_idle_ms = 600 * 1000;
	up_in_held_time(h);
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	loop_advance(h->loop, 599 * 1000);
	assert_int_equal(mailboxes_open(h), 1);
	loop_advance(h->loop, 2 * 1000);
	WAIT_FOR(h, mailboxes_open(h) == 0);
	assert_false(is_sealed(h, &owner, "0123456789abcdef"));
	assert_body(h, session, folder, 1, str_from(hello));
	close_session(h, session);
	/* However much comes in meanwhile. */
	for (int i = 0; i < 59; i++) {
		char id[17];
		snprintf(id, sizeof(id), "linger%010d", i);
		assert_false(is_sealed(h, &owner, id));
		loop_advance(h->loop, 1000);
	}
	loop_advance(h->loop, 2 * 1000);
	assert_true(is_sealed(h, &owner, "lingers no more.."));
	owner_done(&owner);
}

/* Somebody who opens and opens without the right secret, several times at once. */
struct pest {
	struct link *link;
	Pk__OpenRequest request;
	unsigned under_way, refused;
	bool over;
};

static void pester(struct pest *pest);

static void on_refused(void *ctx, int error, struct str text, struct str body)
{
	struct pest *pest = ctx;
	(void)text;
	(void)body;
	assert_int_equal(error, E_DENIED);
	pest->under_way--;
	pest->refused++;
	pester(pest);
}

static void pester(struct pest *pest)
{
	while (!pest->over && pest->under_way < 8) {
		struct link_request request = {.method = PK__STORE_METHOD__STORE_OPEN,
		                               .body = &pest->request.base,
		                               .ctx = pest,
		                               .reply = on_refused};
		pest->under_way++;
		link_call(pest->link, &request);
	}
}

/* Who has no secret keeps no key in memory, however often he asks. */
static void test_failing_opens_keep_no_key(void **state)
{
	struct harness *h = *state;
	h->options.limits.linger_ms = 30 * 1000;
	up_in_held_time(h);
	struct owner owner;
	create_mailbox(h, &owner);
	struct key32 wrong;
	key32_random(&wrong);
	struct pest pest = {.link = h->link, .request = PK__OPEN_REQUEST__INIT};
	pest.request.mailbox = owner.mailbox;
	pest.request.mailbox_secret = bytes_from(wrong.bytes, KEY_SIZE);
	pest.request.key_record = bytes_from(owner.record.ptr, owner.record.len);
	pest.request.service = text_from("imap");
	close_session(h, open_session(h, &owner));
	pester(&pest);
	for (unsigned i = 0; i < 29; i++) { /* no key goes sooner than it should */
		char id[17];
		snprintf(id, sizeof(id), "pester%010u", i);
		assert_false(is_sealed(h, &owner, id));
		WAIT_FOR(h, pest.refused > i);
		loop_advance(h->loop, 1000);
	}
	loop_advance(h->loop, 2 * 1000);
	assert_true(is_sealed(h, &owner, "pestered no more."));
	pest.over = true;
	WAIT_FOR(h, pest.under_way == 0);
	owner_done(&owner);
}

/* ---------------------------------------------------------------- keys */

static void change_key(struct owner *owner, struct data_key *next)
{
	random_bytes(next->salt, sizeof(next->salt));
	key32_random(&next->key);
	buf_clear(&owner->record);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, &owner->key, next);
}

/* A change of the password while a session is live, then logins with records old and new. */
static void test_rekey_under_a_session(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	append(h, session, "INBOX", str_from(hello), NULL);
	struct buf old BUF_AUTO;
	buf_init(&old, KEY_RECORD_MAX);
	buf_add_str(&old, buf_str(&owner.record));
	struct data_key next;
	change_key(&owner, &next);
	Pk__RekeyRequest request = PK__REKEY_REQUEST__INIT;
	request.mailbox = owner.mailbox;
	request.mailbox_secret = bytes_from(owner.secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner.record.ptr, owner.record.len);
	int error;
	Pk__RekeyReply *reply = CALL(h, REKEY, request, rekey_reply, &error);
	assert_int_equal(error, 0);
	struct data_key found, none;
	bool has_next;
	struct str record = STR_OF(reply->key_record.data, reply->key_record.len);
	assert_int_equal(
		key_record_open(record, str_from(owner.mailbox), &owner.secret, &found, &none, &has_next),
		0);
	assert_false(has_next);
	assert_true(key32_eq(&found.key, &next.key));
	FREE(reply);
	/* The session has not noticed. */
	assert_body(h, session, folder, 1, str_from(hello));
	append(h, session, "INBOX", str_from(hello), NULL);
	struct owner stale = owner;
	stale.record = old;
	assert_null(try_open(h, h->link, &stale, &error));
	assert_int_equal(error, E_STALE);
	/* A front that only knows the record with both is given the new one. */
	harness_restart(h);
	Pk__OpenReply *open = try_open(h, h->link, &owner, &error);
	assert_int_equal(error, 0);
	assert_true(open->key_record.len > 0);
	FREE(open);
	assert_sound(h, &owner, 2);
	owner_done(&owner);
}

/* A change that was cut short is finished behind the next login. */
static void test_rekey_in_the_background(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	struct data_key next;
	change_key(&owner, &next);
	harness_restart(h);
	int error;
	Pk__OpenReply *open = try_open(h, h->link, &owner, &error);
	assert_int_equal(error, 0);
	assert_int_equal(open->key_record.len, 0);
	uint64_t session = open->session;
	FREE(open);
	append(h, session, "INBOX", str_from(hello), NULL);
	bool done = false;
	for (int i = 0; i < 500 && !done; i++) {
		loop_run_once(h->loop, 10);
		open = try_open(h, h->link, &owner, &error);
		assert_int_equal(error, 0);
		done = open->key_record.len > 0;
		close_session(h, open->session);
		FREE(open);
	}
	assert_true(done);
	assert_body(h, session, folder_id(h, session, "INBOX"), 1, str_from(hello));
	owner_done(&owner);
}

/* Something that does not compress, another text for each number. */
static void noise(struct buf *ret, unsigned number, size_t len)
{
	buf_init(ret, len + 1000);
	buf_addf(ret, "From: a@example.org\r\nSubject: %u\r\n\r\n", number);
	while (ret->len < len) {
		unsigned char bytes[900];
		random_bytes(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] |= 0x80;
		buf_add(ret, bytes, sizeof(bytes));
		buf_add_str(ret, STR("\r\n"));
	}
}

static bool copy_there(struct harness *h, const struct owner *owner)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite.rekey", h->dir, owner->mailbox,
	         owner->mailbox);
	return access(path, F_OK) == 0;
}

/* Mail comes, is read, changed and removed while the file gets another key: nobody waits for the whole
 * of it, and nothing of it is missing afterwards. */
static void test_rekey_while_mail_comes(void **state)
{
	enum { OLD = 25, SIZE = 2000000 };
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	struct buf first;
	noise(&first, 0, SIZE);
	append(h, session, "INBOX", buf_str(&first), NULL);
	for (unsigned i = 1; i < OLD; i++) {
		struct buf raw BUF_AUTO;
		noise(&raw, i, SIZE);
		append(h, session, "INBOX", buf_str(&raw), NULL);
	}
	struct data_key next;
	change_key(&owner, &next);
	int error;
	FREE(try_open(h, h->link, &owner, &error));
	assert_int_equal(error, 0);
	WAIT_FOR(h, copy_there(h, &owner));
	unsigned meanwhile = 0, added = 0;
	for (; meanwhile < 10000 && copy_there(h, &owner); meanwhile++) {
		struct buf raw BUF_AUTO;
		noise(&raw, 1000 + meanwhile, meanwhile % 8 == 3 ? 100000 : 500);
		uint32_t uid = append(h, session, "INBOX", buf_str(&raw), NULL);
		added++;
		assert_body(h, session, folder, uid, buf_str(&raw));
	}
	assert_true(meanwhile >= 2); /* between its steps */
	assert_false(copy_there(h, &owner));
	assert_body(h, session, folder, 1, buf_str(&first));
	append(h, session, "INBOX", str_from(hello), NULL);
	assert_sound(h, &owner, OLD + added + 1);
	harness_restart(h);
	owner.key = next;
	buf_clear(&owner.record);
	key_record_seal(&owner.record, str_from(owner.mailbox), &owner.secret, &owner.key, NULL);
	session = open_session(h, &owner);
	assert_body(h, session, folder, 1, buf_str(&first));
	assert_sound(h, &owner, OLD + added + 1);
	buf_done(&first);
	owner_done(&owner);
}

static void test_create_again(void **state)
{
	struct harness *h = *state;
	struct owner owner, thief;
	create_mailbox(h, &owner);
	owner_new(&thief);
	memcpy(thief.mailbox, owner.mailbox, sizeof(thief.mailbox));
	buf_clear(&thief.record);
	key_record_seal(&thief.record, str_from(thief.mailbox), &thief.secret, &thief.key, NULL);
	assert_int_equal(try_create(h, &thief), E_EXISTS);
	harness_restart(h);
	assert_int_equal(try_create(h, &thief), E_EXISTS);
	assert_int_equal(try_create(h, &owner), 0);
	owner_done(&owner);
	owner_done(&thief);
}

static void test_remove(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	request.mailbox = owner.mailbox;
	int error;
	FREE(CALL(h, REMOVE, request, empty, &error));
	assert_int_equal(error, 0);
	WAIT_FOR(h, h->closed_events == 1);
	Pk__SessionRequest list = PK__SESSION_REQUEST__INIT;
	list.session = session;
	assert_int_equal(error_of(h, h->link, PK__STORE_METHOD__STORE_FOLDER_LIST, &list.base),
	                 E_STALE);
	assert_null(try_open(h, h->link, &owner, &error));
	assert_int_equal(error, E_IO);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, NULL), E_IO);
	FREE(CALL(h, REMOVE, request, empty, &error)); /* again: nothing to do */
	assert_int_equal(error, 0);
	owner_done(&owner);
}

/* What the directory has a mailbox of must be there: while it is not (a volume that is not mounted, a
 * restore under way) everything fails for now and nothing new is made. */
static void test_missing(void **state)
{
	struct harness *h = *state;
	struct owner owner, other;
	char path[128], away[160], marker[160];
	create_mailbox(h, &owner);
	harness_restart(h);
	snprintf(path, sizeof(path), "%s/mailboxes", h->dir);
	snprintf(away, sizeof(away), "%s/away", h->dir);
	snprintf(marker, sizeof(marker), "%s/" STORE_FOLDER_MARKER, path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* where the volume was mounted */

	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, NULL), E_IO);
	int error;
	assert_null(try_open(h, h->link, &owner, &error));
	assert_int_equal(error, E_IO);
	Pk__VerifyRequest verify = PK__VERIFY_REQUEST__INIT;
	verify.mailbox = owner.mailbox;
	verify.mailbox_secret = bytes_from(owner.secret.bytes, KEY_SIZE);
	verify.key_record = bytes_from(owner.record.ptr, owner.record.len);
	assert_null(CALL(h, VERIFY, verify, verify_reply, &error));
	assert_int_equal(error, E_IO);
	Pk__MailboxRequest request = PK__MAILBOX_REQUEST__INIT;
	request.mailbox = owner.mailbox;
	FREE(CALL(h, REMOVE, request, empty, &error));
	assert_int_equal(error, E_IO);
	owner_new(&other);
	assert_int_equal(try_create(h, &other), E_IO);
	/* A mailbox that is not there is not there on a volume that is, either. */
	assert_int_equal(close(open(marker, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, NULL), E_IO);
	assert_int_equal(unlink(marker), 0);

	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(away, path), 0);
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", NULL, NULL), 0);
	close_session(h, open_session(h, &owner));
	assert_sound(h, &owner, 1);
	owner_done(&owner);
	owner_done(&other);
}

/* ---------------------------------------------------------------- mail */

static void test_append_id(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	for (int i = 0; i < 3; i++) {
		int error;
		Pk__AppendReply *reply = try_append(h, session, "INBOX", str_from(hello), NULL,
		                                    "abcdefghijklmnop", &error);
		assert_int_equal(error, 0);
		assert_int_equal(reply->uid, 1);
		FREE(reply);
	}
	int error;
	assert_null(try_append(h, session, "nowhere", str_from(hello), NULL, NULL, &error));
	assert_int_equal(error, E_NOT_FOUND);
	assert_sound(h, &owner, 1);
	owner_done(&owner);
}

static int deliver_with_quota(struct harness *h, struct owner *owner, const char *id,
                              uint64_t quota)
{
	struct described d;
	describe(&d, str_from(hello));
	Pk__DeliverRequest request = PK__DELIVER_REQUEST__INIT;
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	target.mailbox = owner->mailbox;
	target.public_key = bytes_from(owner->public_key, SEAL_PUBLIC_SIZE);
	target.delivery_id = bytes_from(id, 16);
	target.quota_bytes = quota;
	request.targets = targets;
	request.n_targets = 1;
	request.description = &d.description;
	int error;
	Pk__DeliverReply *reply = call_on(h, h->link, PK__STORE_METHOD__STORE_DELIVER, &request.base,
	                                  str_from(hello), &pk__deliver_reply__descriptor, &error);
	assert_int_equal(error, 0);
	error = reply->results[0]->error;
	FREE(reply);
	return error;
}

static void test_quota(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t size = sizeof(hello) - 1;
	open_session(h, &owner);
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000001", 2 * size), 0);
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000002", 2 * size), 0);
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000003", 2 * size), E_QUOTA);
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000002", 2 * size), 0); /* a repeat */
	harness_restart(h);
	/* Away, what is on the disk counts. */
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000004", size), E_QUOTA);
	assert_int_equal(deliver_with_quota(h, &owner, "quota-0000000005", 1024 * 1024 * 1024), 0);
	open_session(h, &owner);
	assert_sound(h, &owner, 3);
	owner_done(&owner);
}

/* Several recipients, one of them impossible, each with its own result. */
static void test_several_targets(void **state)
{
	struct harness *h = *state;
	struct owner open, away, nobody;
	create_mailbox(h, &open);
	create_mailbox(h, &away);
	owner_new(&nobody);
	harness_restart(h);
	uint64_t session = open_session(h, &open);
	struct described d;
	describe(&d, str_from(hello));
	Pk__DeliverRequest request = PK__DELIVER_REQUEST__INIT;
	Pk__DeliverTarget targets[5], *pointers[5];
	const struct owner *owners[] = {&open, &away, &nobody, &open, &away};
	for (size_t i = 0; i < 5; i++) {
		pk__deliver_target__init(&targets[i]);
		targets[i].mailbox = text_from(owners[i]->mailbox);
		targets[i].public_key = bytes_from(owners[i]->public_key, SEAL_PUBLIC_SIZE);
		targets[i].delivery_id = bytes_from(i < 3 ? "0123456789abcdef" : "0123456789abcdeX", 16);
		targets[i].folder = text_from(i == 3 ? "Junk" : "");
		pointers[i] = &targets[i];
	}
	targets[4].delivery_id.len = 15;
	request.targets = pointers;
	request.n_targets = 5;
	request.description = &d.description;
	int error;
	Pk__DeliverReply *reply = call_on(h, h->link, PK__STORE_METHOD__STORE_DELIVER, &request.base,
	                                  str_from(hello), &pk__deliver_reply__descriptor, &error);
	assert_int_equal(error, 0);
	static const int wanted[] = {0, 0, E_IO, 0, E_INVALID};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(reply->results[i]->error, wanted[i]);
	assert_false(reply->results[0]->sealed);
	assert_true(reply->results[1]->sealed);
	FREE(reply);
	assert_body(h, session, folder_id(h, session, "Junk"), 1, str_from(hello));
	request.n_targets = 0;
	assert_null(CALL(h, DELIVER, request, deliver_reply, &error));
	assert_int_equal(error, E_INVALID);
	owner_done(&open);
	owner_done(&away);
	owner_done(&nobody);
}

/* A file that was overwritten harms its own mailbox only, and mail for it is kept. */
static void test_damaged_mailbox(void **state)
{
	struct harness *h = *state;
	struct owner broken, whole;
	create_mailbox(h, &broken);
	create_mailbox(h, &whole);
	harness_restart(h);
	h->log.level = LOG_LEVEL_ERROR + 1;
	char path[200];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, broken.mailbox,
	         broken.mailbox);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 8192 + 100; at < st.st_size; at += 4096)
		assert_int_equal(write(fd, "", 0) + pwrite(fd, "damage", 6, at), 6);
	close(fd);
	int error;
	Pk__OpenReply *reply = try_open(h, h->link, &broken, &error);
	assert_null(reply);
	assert_int_equal(error, E_CORRUPT);
	uint64_t session = open_session(h, &whole);
	assert_int_equal(append(h, session, "INBOX", str_from(hello), NULL), 1);
	bool sealed = false;
	assert_int_equal(deliver_to(h, &broken, str_from(hello), "0123456789abcdef", NULL, &sealed), 0);
	assert_true(sealed);
	owner_done(&broken);
	owner_done(&whole);
}

static void change_file(struct harness *h, struct owner *owner, const char *sql)
{
	harness_down(h);
	char path[200];
	snprintf(path, sizeof(path), "%s/mailboxes/%.2s/%s.sqlite", h->dir, owner->mailbox,
	         owner->mailbox);
	struct db *db;
	struct errinfo info;
	assert_int_equal(db_open(&db, path, &owner->key, 0, &info), 0);
	assert_int_equal(db_exec(db, sql, &info), 0);
	db_close(db);
	harness_up(h);
}

/* A file of a later version is left alone; one whose tables or counters are not as they should be is
 * found out. */
static void test_other_schemas(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	append(h, open_session(h, &owner), "INBOX", str_from(hello), NULL);
	h->log.level = LOG_LEVEL_ERROR + 1;
	int error;
	char version[60];
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", schema_mailbox_version() + 1);
	change_file(h, &owner, version);
	assert_null(try_open(h, h->link, &owner, &error));
	assert_int_equal(error, E_UNSUPPORTED);
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", schema_mailbox_version());
	change_file(h, &owner, version);
	open_session(h, &owner);
	assert_sound(h, &owner, 1);
	static const char *const changes[][2] = {
		{"DROP INDEX entry_modseq", "CREATE INDEX entry_modseq ON entry (folder, modseq)"},
		{"UPDATE folder SET unseen = unseen + 1", "UPDATE folder SET unseen = unseen - 1"},
		{"UPDATE message SET digest = zeroblob(32)", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		change_file(h, &owner, changes[i][0]);
		Pk__VerifyRequest request = PK__VERIFY_REQUEST__INIT;
		request.mailbox = owner.mailbox;
		request.mailbox_secret = bytes_from(owner.secret.bytes, KEY_SIZE);
		request.key_record = bytes_from(owner.record.ptr, owner.record.len);
		request.deep = true;
		Pk__VerifyReply *reply = CALL(h, VERIFY, request, verify_reply, &error);
		assert_int_equal(error, 0);
		assert_false(reply->ok);
		assert_true(reply->n_findings > 0);
		assert_int_equal(reply->damaged, i == 2);
		FREE(reply);
		if (changes[i][1] != NULL)
			change_file(h, &owner, changes[i][1]);
	}
	owner_done(&owner);
}

static void describe_as_before(struct described *d)
{
	describe(d, str_from(hello));
	d->description.envelope = d->description.body_structure = (ProtobufCBinaryData){0};
	d->description.rendered_envelope = bytes_from("(NIL)", 5);
	d->description.rendered_body_structure = bytes_from("(\"text\")", 8);
}

/* A mailbox of version 1, a front of that time, and mail that one sealed: what they have of a message is
 * text, which is handed on as such; what comes now is handed on as structures. */
static void test_first_version(void **state)
{
	/* From the newest version down. */
	static const char undo[] = "ALTER TABLE message DROP COLUMN body_structure;"
							   "ALTER TABLE message DROP COLUMN envelope;"
							   "ALTER TABLE message RENAME COLUMN rendered_envelope TO envelope;"
							   "ALTER TABLE message RENAME COLUMN rendered_body_structure"
							   " TO body_structure;"
							   "ALTER TABLE meta DROP COLUMN generation;"
							   "ALTER TABLE meta DROP COLUMN modseq_gone;"
							   "ALTER TABLE meta DROP COLUMN uids_gone;"
							   "DROP TABLE copied;"
							   "DROP TABLE taken;"
							   "PRAGMA user_version = 1;";
	struct harness *h = *state;
	struct owner owner;
	struct described before;
	create_mailbox(h, &owner);
	describe_as_before(&before);
	append(h, open_session(h, &owner), "INBOX", str_from(hello), &before);
	change_file(h, &owner, undo);
	bool sealed;
	assert_int_equal(deliver_to(h, &owner, str_from(hello), "0123456789abcdef", &before, &sealed),
	                 0);
	assert_true(sealed);
	uint64_t session = open_session(h, &owner);
	append(h, session, "INBOX", str_from(hello), &before);
	append(h, session, "INBOX", str_from(hello), NULL);
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(
		fetch_uids(h, session, folder_id(h, session, "INBOX"), 1, UINT32_MAX,
	               PK__FETCH_ITEM__FETCH_ENVELOPE | PK__FETCH_ITEM__FETCH_BODY_STRUCTURE, NULL, f),
		0);
	assert_int_equal(f->count, 4);
	for (size_t i = 0; i < f->count; i++) {
		const Pk__FetchRow *row = f->rows[i];
		bool is_old = i < 3;
		assert_int_equal(row->rendered_envelope.len, is_old ? 5 : 0);
		assert_int_equal(row->rendered_body_structure.len, is_old ? 8 : 0);
		assert_int_equal(row->envelope.len, is_old ? 0 : 5);
		assert_int_equal(row->body_structure.len, is_old ? 0 : 15);
	}
	fetched_done(f);
	free(f);
	assert_sound(h, &owner, 4);
	owner_done(&owner);
}

/* Many at once for one mailbox: one transaction holds several, each is answered, none is lost. */
struct many {
	int pending, failed;
};

static void on_reply(void *ctx, int error, struct str text, struct str body)
{
	(void)text;
	(void)body;
	struct many *many = ctx;
	many->pending--;
	many->failed += error != 0;
}

static void test_many_at_once(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	enum { COUNT = 300 };
	struct many many = {0};
	struct described d;
	describe(&d, str_from(hello));
	for (int i = 0; i < COUNT; i++) {
		Pk__AppendRequest request = PK__APPEND_REQUEST__INIT;
		request.session = session;
		request.name = text_from(i % 50 == 7 ? "nowhere" : i % 3 == 0 ? "Archive" : "INBOX");
		request.description = &d.description;
		struct link_request call = {.method = PK__STORE_METHOD__STORE_APPEND,
		                            .body = &request.base,
		                            .kind = LINK_ONCE,
		                            .upload = str_from(hello),
		                            .ctx = &many,
		                            .reply = on_reply};
		many.pending++;
		(void)link_call(h->link, &call);
	}
	WAIT_FOR(h, many.pending == 0);
	assert_int_equal(many.failed, COUNT / 50);
	assert_sound(h, &owner, COUNT - COUNT / 50);
	owner_done(&owner);
}

/* A front that takes nothing more: the stream waits, others go on, its end leaves nothing behind. */
static void never_grant(void *ctx, struct link_call *call, struct str body)
{
	(void)call;
	*(size_t *)ctx += body.len;
}

static void ignore_reply(void *ctx, int error, struct str text, struct str body)
{
	(void)ctx;
	(void)error;
	(void)text;
	(void)body;
}

static void test_stream_without_credit(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	struct buf raw BUF_AUTO;
	buf_init(&raw, 8 * 1024 * 1024);
	buf_add_text(&raw, "A: b\r\n\r\n");
	while (raw.len < 4 * 1024 * 1024)
		buf_addf(&raw, "%zu\r\n", raw.len);
	struct described d;
	describe(&d, buf_str(&raw));
	d.description.search_text.len = 0;
	append(h, session, "INBOX", buf_str(&raw), &d);
	Pk__FetchRequest request = PK__FETCH_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	Pk__Section section = PK__SECTION__INIT, *sections[] = {&section};
	range.first = range.last = 1;
	request.session = session;
	request.folder = folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.sections = sections;
	request.n_sections = 1;
	size_t got = 0;
	struct link_request call = {.method = PK__STORE_METHOD__STORE_FETCH,
	                            .body = &request.base,
	                            .kind = LINK_ONCE,
	                            .credit = 300 * 1024,
	                            .ctx = &got,
	                            .chunk = never_grant,
	                            .reply = ignore_reply};
	struct link_call *stream = link_call(h->link, &call);
	WAIT_FOR(h, got >= 300 * 1024);
	assert_true(got < 300 * 1024 + 2 * LINK_PIECE_MAX);
	/* The turn is free, and the message stays whole though it is expunged in the middle. */
	Pk__StoreRequest flags = PK__STORE_REQUEST__INIT;
	flags.session = session;
	flags.folder = folder;
	flags.uids = ranges;
	flags.n_uids = 1;
	flags.operation = PK__STORE_REQUEST__OPERATION__ADD;
	flags.flags = PK__FLAG__FLAG_DELETED;
	int error;
	FREE(CALL(h, STORE, flags, store_reply, &error));
	assert_int_equal(error, 0);
	Pk__ExpungeRequest expunge = PK__EXPUNGE_REQUEST__INIT;
	expunge.session = session;
	expunge.folder = folder;
	expunge.all = true;
	FREE(CALL(h, EXPUNGE, expunge, expunge_reply, &error));
	assert_int_equal(error, 0);
	size_t before = got;
	link_call_grant(stream, 8 * 1024 * 1024);
	WAIT_FOR(h, got >= raw.len);
	assert_true(got > before);
	/* And one that is given up. */
	append(h, session, "INBOX", buf_str(&raw), &d);
	range.first = range.last = 2;
	got = 0;
	stream = link_call(h->link, &call);
	WAIT_FOR(h, got >= 300 * 1024);
	link_call_cancel(stream);
	harness_restart(h);
	assert_sound(h, &owner, 1);
	owner_done(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_roles),
		TEST(test_other_peers_session),
		TEST(test_session_of_an_earlier_store),
		TEST(test_wrong_secrets),
		TEST(test_sessions_max),
		TEST(test_linger),
		TEST(test_failing_opens_keep_no_key),
		TEST(test_rekey_under_a_session),
		TEST(test_rekey_in_the_background),
		TEST(test_rekey_while_mail_comes),
		TEST(test_create_again),
		TEST(test_remove),
		TEST(test_missing),
		TEST(test_append_id),
		TEST(test_quota),
		TEST(test_several_targets),
		TEST(test_damaged_mailbox),
		TEST(test_other_schemas),
		TEST(test_first_version),
		TEST(test_many_at_once),
		TEST(test_stream_without_credit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
