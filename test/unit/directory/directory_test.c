#include "fixture.h"
#include "../db/locks.h"

static void domains(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{"example.test", 0},
		{"Example.TEST.", E_EXISTS},
		{"second.example", 0},
		{"blåbær.test", 0},
		{"xn--blbr-roah.test", E_EXISTS},
		{"bad_name.test", E_INVALID},
		{"-x.test", E_INVALID},
		{"", E_INVALID},
		{"192.0.2.1", E_INVALID},
		{"[192.0.2.1]", E_INVALID},
		{"a..b", E_INVALID},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(domain_add(f, cases[i].name), cases[i].error);

	Pk__ListRequest list = PK__LIST_REQUEST__INIT;
	Pk__DomainListReply *page;
	assert_int_equal(
		ask(f, f->cli, METHOD(DOMAIN_LIST), &list, &pk__domain_list_reply__descriptor, &page), 0);
	assert_int_equal(page->n_domains, 3);
	assert_string_equal(page->domains[0]->name, "example.test");
	assert_false(page->more);
	drop(page);

	Pk__DomainRequest remove = PK__DOMAIN_REQUEST__INIT;
	Pk__DomainReply *removed;
	remove.name = (char *)(uintptr_t) "example.test";
	assert_int_equal(alias_add(f, "hello@example.test"), 0);
	assert_int_equal(
		ask(f, f->cli, METHOD(DOMAIN_REMOVE), &remove, &pk__domain_reply__descriptor, &removed),
		E_BUSY);
	remove.name = (char *)(uintptr_t) "second.example";
	assert_int_equal(
		ask(f, f->cli, METHOD(DOMAIN_REMOVE), &remove, &pk__domain_reply__descriptor, &removed), 0);
	drop(removed);
	assert_int_equal(
		ask(f, f->cli, METHOD(DOMAIN_REMOVE), &remove, &pk__domain_reply__descriptor, &removed),
		E_NOT_FOUND);
}

static void aliases(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *address;
		int error;
	} cases[] = {
		{"hello@example.test", 0},
		{"HELLO@Example.test", E_EXISTS},
		{"\"hello\"@example.test", E_EXISTS},
		{"hello+tag@example.test", E_INVALID},
		{"hello@elsewhere.test", E_NOT_FOUND},
		{"rød.grød@example.test", 0},
		{"RØD.GRØD@example.test", E_EXISTS},
		{"a b@example.test", E_INVALID},
		{"zero\xe2\x80\x8bwidth@example.test", E_INVALID},
		{"nobody", E_INVALID},
	};
	assert_int_equal(domain_add(f, "example.test"), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(alias_add(f, cases[i].address), cases[i].error);
}

/* More than fit one page, listed page by page, in order and each once. */
static void pages(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 2 * LIST_PAGE + 7 };
	struct db_stmt *q;
	assert_int_equal(domain_add(f, "example.test"), 0);
	assert_int_equal(db_begin(f->directory->db, &f->info), 0);
	for (int i = 0; i < COUNT; i++) {
		char local[16];
		snprintf(local, sizeof(local), "a%05d", i);
		q = db_query(f->directory->db, "INSERT INTO alias (domain, local, created, quota_bytes)"
		                               " VALUES ('example.test', $1, '', 0)");
		db_bind_text(q, 1, str_from(local));
		assert_int_equal(db_run(q, &f->info), 0);
	}
	assert_int_equal(db_commit(f->directory->db, &f->info), 0);

	static const char *const domains_asked[] = {"", "example.test"};
	for (size_t k = 0; k < ARRAY_LEN(domains_asked); k++) {
		char after[64] = "", expected[64];
		int seen = 0;
		bool more = true;
		while (more) {
			Pk__ListRequest list = PK__LIST_REQUEST__INIT;
			Pk__AliasListReply *page;
			list.domain = (char *)(uintptr_t)domains_asked[k];
			list.after = after;
			assert_int_equal(
				ask(f, f->cli, METHOD(ALIAS_LIST), &list, &pk__alias_list_reply__descriptor, &page),
				0);
			for (size_t i = 0; i < page->n_aliases; i++) {
				snprintf(expected, sizeof(expected), "a%05d@example.test", seen++);
				assert_string_equal(page->aliases[i]->address, expected);
			}
			more = page->more;
			strcpy(after, expected);
			drop(page);
		}
		assert_int_equal(seen, COUNT);
	}
}

static void resolving(void **state)
{
	struct fixture *f = *state;
	Pk__ResolveReply *reply;
	Pk__PasswordReply *password;
	assert_int_equal(domain_add(f, "example.test"), 0);
	assert_int_equal(alias_add(f, "hello@example.test"), 0);

	/* Without a password there is an alias, and nothing to seal with. */
	assert_int_equal(resolve(f, "hello@example.test", &reply), 0);
	assert_int_equal(reply->kind, PK__RESOLVE_REPLY__KIND__MAILBOX);
	assert_int_equal(reply->public_key.len, 0);
	drop(reply);
	assert_int_equal(password_create(f, "hello@example.test", KIND_MAILBOX, NULL, &password), 0);
	assert_int_equal(publish(f, password, 'p'), 0);

	static const struct {
		const char *address;
		int kind;
	} cases[] = {
		{"hello@example.test", PK__RESOLVE_REPLY__KIND__MAILBOX},
		{"HeLLo+list@EXAMPLE.test", PK__RESOLVE_REPLY__KIND__MAILBOX},
		{"\"hello\"@example.test.", PK__RESOLVE_REPLY__KIND__MAILBOX},
		{"other@example.test", PK__RESOLVE_REPLY__KIND__UNKNOWN},
		{"+hello@example.test", PK__RESOLVE_REPLY__KIND__UNKNOWN},
		{"a\x01@example.test", PK__RESOLVE_REPLY__KIND__UNKNOWN},
		{"hello@example.org", PK__RESOLVE_REPLY__KIND__FOREIGN},
		{"hello@[192.0.2.1]", PK__RESOLVE_REPLY__KIND__FOREIGN},
		{"", PK__RESOLVE_REPLY__KIND__FOREIGN},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(resolve(f, cases[i].address, &reply), 0);
		assert_int_equal(reply->kind, cases[i].kind);
		if (cases[i].kind == PK__RESOLVE_REPLY__KIND__MAILBOX) {
			assert_string_equal(reply->mailbox, password->mailbox);
			assert_int_equal(reply->public_key.len, 32);
			assert_true(reply->quota_bytes > 0);
		}
		drop(reply);
	}
	drop(password);
}

/* Who may ask what, and what nobody may. */
static void roles(void **state)
{
	struct fixture *f = *state;
	Pk__DomainRequest request = PK__DOMAIN_REQUEST__INIT;
	Pk__LoginRequest login = PK__LOGIN_REQUEST__INIT;
	void *reply;
	for (uint32_t method = METHOD(DOMAIN_ADD); method <= METHOD(REMOVED_DONE); method++)
		assert_int_equal(ask(f, f->imap, method, &request, &pk__domain_reply__descriptor, &reply),
		                 E_DENIED);
	assert_int_equal(ask(f, f->cli, 49, &request, &pk__domain_reply__descriptor, &reply),
	                 E_UNSUPPORTED);
	login.service = (char *)(uintptr_t) "cli";
	assert_int_equal(ask(f, f->imap, METHOD(LOGIN), &login, &pk__login_reply__descriptor, &reply),
	                 E_DENIED);
	login.service = (char *)(uintptr_t) "telnet";
	assert_int_equal(ask(f, f->imap, METHOD(LOGIN), &login, &pk__login_reply__descriptor, &reply),
	                 E_INVALID);
}

/* A process that was taken over logs nobody in for what it does not serve. */
static void services(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"imap", "pop3", "smtp", "cli"};
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct link *link = connect_as(f, names[i]);
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			Pk__LoginReply *reply;
			int rc = login_over(f, link, first->address, field_bytes(&first->password), names[k],
			                    "192.0.2.1", &reply);
			assert_int_equal(rc, i == k ? 0 : E_DENIED);
			drop(reply);
		}
		link_free(link);
	}
	drop(first);
}

static void passwords(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	Pk__PasswordReply *first = make_mailbox(f, address), *app, *recovery, *none;
	assert_int_equal(login_for(f, first, "imap"), 0);
	assert_int_equal(login_for(f, first, "cli"), 0);

	/* Nobody gets another one without a current one. */
	assert_int_equal(password_create(f, address, KIND_APP, NULL, &none), E_DENIED);
	assert_int_equal(password_create(f, address, KIND_MAILBOX, NULL, &none), E_DENIED);

	assert_int_equal(password_create(f, address, KIND_APP, first, &app), 0);
	assert_memory_equal(app->mailbox_secret.data, first->mailbox_secret.data, KEY_SIZE);
	assert_int_equal(login_for(f, app, "imap"), 0);
	assert_int_equal(password_create(f, address, KIND_RECOVERY, app, &recovery), 0);
	assert_int_equal(login_for(f, recovery, "imap"), E_DENIED);
	assert_int_equal(login_for(f, recovery, "cli"), 0);
	restart(f);
	assert_int_equal(login_for(f, app, "smtp"), 0);
	assert_int_equal(login_for(f, recovery, "cli"), 0);

	Pk__PasswordRevokeRequest revoke = PK__PASSWORD_REVOKE_REQUEST__INIT;
	Pk__PasswordListReply *list;
	revoke.address = first->address;
	revoke.slot = first->slot;
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_REVOKE), &revoke,
	                     &pk__password_list_reply__descriptor, &list),
	                 E_DENIED);
	revoke.slot = app->slot;
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_REVOKE), &revoke,
	                     &pk__password_list_reply__descriptor, &list),
	                 0);
	assert_int_equal(list->n_passwords, 2);
	drop(list);
	assert_int_equal(login_for(f, app, "imap"), E_DENIED);
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_REVOKE), &revoke,
	                     &pk__password_list_reply__descriptor, &list),
	                 E_NOT_FOUND);
	drop(first);
	drop(app);
	drop(recovery);
}

static void scopes(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test"), *app;
	Pk__PasswordCreateRequest request = PK__PASSWORD_CREATE_REQUEST__INIT;
	char imap[] = "imap", telnet[] = "telnet", cli[] = "cli", *words[] = {imap};
	request.address = first->address;
	request.kind = KIND_APP;
	request.current = first->password;
	request.label = (char *)(uintptr_t) "phone";
	request.scopes = words;
	request.n_scopes = 1;
	assert_int_equal(
		ask(f, f->cli, METHOD(PASSWORD_CREATE), &request, &pk__password_reply__descriptor, &app),
		0);
	assert_int_equal(login_for(f, app, "imap"), 0);
	assert_int_equal(login_for(f, app, "smtp"), E_DENIED);
	assert_int_equal(login_for(f, app, "pop3"), E_DENIED);
	drop(app);
	char *const bad[] = {telnet, cli};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		words[0] = bad[i];
		assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_CREATE), &request,
		                     &pk__password_reply__descriptor, &app),
		                 E_INVALID);
	}
	words[0] = imap;
	static const char *const labels[] = {"two\nlines", "bad \xff", "bell \x07"};
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		request.label = (char *)(uintptr_t)labels[i];
		assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_CREATE), &request,
		                     &pk__password_reply__descriptor, &app),
		                 E_INVALID);
	}
	request.label = (char *)(uintptr_t) "Bærbar, stue";
	assert_int_equal(
		ask(f, f->cli, METHOD(PASSWORD_CREATE), &request, &pk__password_reply__descriptor, &app),
		0);
	drop(app);
	drop(first);
}

/* Both passwords work until the new one is confirmed, or used; then only the new one. */
static void change_of_mailbox_password(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	struct buf record BUF_AUTO;
	Pk__PasswordReply *old = make_mailbox(f, address), *new, *newer, *none;
	assert_int_equal(password_create(f, address, KIND_MAILBOX, old, &new), 0);
	assert_true(new->rekey);
	assert_false(new->first);
	assert_int_equal(login_for(f, old, "imap"), 0);
	assert_int_equal(confirm(f, new), 0);
	assert_int_equal(login_for(f, old, "imap"), E_DENIED);
	assert_int_equal(login_for(f, new, "imap"), 0);
	assert_int_equal(confirm(f, new), 0);

	/* No second change before the file has the key of the first. */
	assert_int_equal(password_create(f, address, KIND_MAILBOX, new, &none), E_BUSY);
	buf_init(&record, KEY_RECORD_MAX);
	record_after_rekey(new, &record);
	assert_int_equal(record_set(f, new, &record), 0);
	assert_int_equal(record_set(f, new, &record), 0); /* repeated */
	assert_int_equal(password_create(f, address, KIND_MAILBOX, new, &newer), 0);

	/* Used but not confirmed: that will do too, once it is written down. */
	assert_int_equal(login_for(f, newer, "imap"), 0);
	assert_int_equal(login_for(f, new, "imap"), 0);
	slots_flush(f->directory, false);
	assert_int_equal(login_for(f, new, "imap"), E_DENIED);
	assert_int_equal(login_for(f, newer, "imap"), 0);
	drop(old);
	drop(new);
	drop(newer);
}

/* A change whose reply nobody saw: the old password can make another one. */
static void change_that_nobody_saw(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	struct buf record BUF_AUTO;
	Pk__PasswordReply *old = make_mailbox(f, address), *lost, *new;
	assert_int_equal(password_create(f, address, KIND_MAILBOX, old, &lost), 0);
	buf_init(&record, KEY_RECORD_MAX);
	record_after_rekey(lost, &record); /* the owner's next login finished the re-key */
	assert_int_equal(record_set(f, lost, &record), 0);
	assert_int_equal(login_for(f, old, "imap"), 0);
	assert_int_equal(password_create(f, address, KIND_MAILBOX, old, &new), 0);
	assert_int_equal(confirm(f, new), 0);
	assert_int_equal(login_for(f, lost, "imap"), E_DENIED);
	assert_int_equal(login_for(f, old, "imap"), E_DENIED);
	assert_int_equal(login_for(f, new, "imap"), 0);
	drop(old);
	drop(lost);
	drop(new);
}

static void recovery_code(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	Pk__PasswordReply *first = make_mailbox(f, address), *one, *two, *new;
	assert_int_equal(password_create(f, address, KIND_RECOVERY, first, &one), 0);
	assert_int_equal(password_create(f, address, KIND_RECOVERY, first, &two), 0);
	assert_int_equal(confirm(f, two), 0);
	assert_int_equal(login_for(f, one, "cli"), E_DENIED);
	/* It takes the place of a lost mailbox password. */
	assert_int_equal(password_create(f, address, KIND_MAILBOX, two, &new), 0);
	assert_int_equal(confirm(f, new), 0);
	assert_int_equal(login_for(f, new, "imap"), 0);
	assert_int_equal(login_for(f, first, "imap"), E_DENIED);
	drop(first);
	drop(one);
	drop(two);
	drop(new);
}

/* A first password that was never published is void, and its mailbox is to be removed. */
static void creation_interrupted(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	Pk__PasswordReply *lost, *first, *none;
	Pk__ListRequest list = PK__LIST_REQUEST__INIT;
	Pk__RemovedListReply *removed;
	assert_int_equal(domain_add(f, "example.test"), 0);
	assert_int_equal(alias_add(f, address), 0);
	assert_int_equal(password_create(f, address, KIND_APP, NULL, &none), E_NOT_FOUND);
	assert_int_equal(password_create(f, address, KIND_MAILBOX, NULL, &lost), 0);
	assert_int_equal(login_for(f, lost, "imap"), E_UNAVAILABLE);
	restart(f);
	assert_int_equal(password_create(f, address, KIND_MAILBOX, NULL, &first), 0);
	assert_true(first->first);
	assert_string_not_equal(first->mailbox, lost->mailbox);
	assert_int_equal(publish(f, lost, 'p'), E_NOT_FOUND);
	assert_int_equal(publish(f, first, 'p'), 0);
	assert_int_equal(publish(f, first, 'p'), 0);
	assert_int_equal(publish(f, first, 'q'), E_EXISTS);
	assert_int_equal(
		ask(f, f->cli, METHOD(REMOVED_LIST), &list, &pk__removed_list_reply__descriptor, &removed),
		0);
	assert_int_equal(removed->n_mailboxes, 1);
	assert_string_equal(removed->mailboxes[0]->mailbox, lost->mailbox);
	Pk__RemovedMailbox done = PK__REMOVED_MAILBOX__INIT;
	done.mailbox = lost->mailbox;
	drop(removed);
	assert_int_equal(
		ask(f, f->cli, METHOD(REMOVED_DONE), &done, &pk__removed_list_reply__descriptor, &removed),
		0);
	assert_int_equal(removed->n_mailboxes, 0);
	drop(removed);
	drop(lost);
	drop(first);
}

static void removal_of_an_alias(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	Pk__ListRequest list = PK__LIST_REQUEST__INIT;
	Pk__AliasReply *alias;
	Pk__RemovedListReply *removed;
	request.address = (char *)(uintptr_t) "hello+tag@example.test";
	assert_int_equal(
		ask(f, f->cli, METHOD(ALIAS_REMOVE), &request, &pk__alias_reply__descriptor, &alias),
		E_NOT_FOUND);
	request.address = first->address;
	assert_int_equal(
		ask(f, f->cli, METHOD(ALIAS_REMOVE), &request, &pk__alias_reply__descriptor, &alias), 0);
	assert_string_equal(alias->mailbox, first->mailbox);
	drop(alias);
	assert_int_equal(login_for(f, first, "imap"), E_DENIED);
	assert_int_equal(
		ask(f, f->cli, METHOD(REMOVED_LIST), &list, &pk__removed_list_reply__descriptor, &removed),
		0);
	assert_int_equal(removed->n_mailboxes, 1);
	assert_string_equal(removed->mailboxes[0]->mailbox, first->mailbox);
	drop(removed);
	/* The address may come back, as another mailbox. */
	Pk__PasswordReply *again = make_mailbox(f, "hello@example.test");
	assert_string_not_equal(again->mailbox, first->mailbox);
	drop(first);
	drop(again);
}

static void key_records(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test"), *new;
	Pk__KeyRecordRequest request = PK__KEY_RECORD_REQUEST__INIT;
	Pk__KeyRecordReply *reply;
	struct data_key key DATA_KEY_AUTO;
	struct key32 secret KEY32_AUTO;
	struct buf record BUF_AUTO;
	unsigned char wrong[KEY_SIZE] = {1};

	request.mailbox = first->mailbox;
	request.mailbox_secret = first->mailbox_secret;
	assert_int_equal(
		ask(f, f->imap, METHOD(KEY_RECORD), &request, &pk__key_record_reply__descriptor, &reply),
		0);
	assert_true(str_eq(field_bytes(&reply->key_record), field_bytes(&first->key_record)));
	drop(reply);
	request.mailbox_secret = field_make(wrong, sizeof(wrong));
	assert_int_equal(
		ask(f, f->imap, METHOD(KEY_RECORD), &request, &pk__key_record_reply__descriptor, &reply),
		E_DENIED);
	request.mailbox_secret.len = 31;
	assert_int_equal(
		ask(f, f->imap, METHOD(KEY_RECORD), &request, &pk__key_record_reply__descriptor, &reply),
		E_DENIED);
	request.mailbox = (char *)(uintptr_t) "000000000000000000000000";
	assert_int_equal(
		ask(f, f->imap, METHOD(KEY_RECORD), &request, &pk__key_record_reply__descriptor, &reply),
		E_NOT_FOUND);

	/* A front that makes up a key of its own would lock the owner out. */
	memcpy(secret.bytes, first->mailbox_secret.data, KEY_SIZE);
	data_key_derive(STR("something else"), wrong, &key);
	buf_init(&record, KEY_RECORD_MAX);
	key_record_seal(&record, str_from(first->mailbox), &secret, &key, NULL);
	assert_int_equal(record_set(f, first, &record), E_DENIED);

	/* Made from a record that is not there any more. */
	assert_int_equal(password_create(f, "hello@example.test", KIND_MAILBOX, first, &new), 0);
	assert_int_equal(record_set(f, first, &record), E_STALE);
	drop(first);
	drop(new);
}

/* A login that is under way, and what it ended with. */
struct pending {
	struct buf body;
	bool done;
	int error;
};

static void pending_done(void *ctx, int error, struct str text, struct str body)
{
	struct pending *pending = ctx;
	(void)text;
	(void)body;
	pending->done = true;
	pending->error = error;
}

static struct link_call *guess(struct fixture *f, struct link *link, const char *address,
                               const char *remote, struct pending *pending)
{
	Pk__LoginRequest login = PK__LOGIN_REQUEST__INIT;
	login.address = (char *)(uintptr_t)address;
	login.password = field_make("wrong", 5);
	login.service = (char *)(uintptr_t) "imap";
	login.remote = (char *)(uintptr_t)remote;
	struct link_request request = {.method = METHOD(LOGIN),
	                               .body = &login.base,
	                               .kind = LINK_IDEMPOTENT,
	                               .ctx = pending,
	                               .reply = pending_done};
	(void)f;
	*pending = (struct pending){0};
	return link_call(link, &request);
}

static int right_login(struct fixture *f, const Pk__PasswordReply *password, const char *remote)
{
	Pk__LoginReply *reply;
	int rc = login_with(f, password->address, field_bytes(&password->password), "imap", remote,
	                    &reply);
	drop(reply);
	return rc;
}

/* Wrong logins get their answers later and later; a right one gets its own while those wait, from the
 * same network and for the same mailbox; and neither waits for anything else. */
static void wrong_logins_are_slowed_down(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	Pk__LoginReply *reply;
	struct pending late, others[REFUSALS_PER_NETWORK + 4];
	/* Also under another form of the address. */
	static const char *const names[] = {"hello@example.test", "HELLO+x@example.test"};
	for (int i = 0; i < 3; i++)
		assert_int_equal(login_with(f, names[i % 2], STR("wrong"), "imap", "192.0.2.7", &reply),
		                 E_DENIED);
	(void)guess(f, f->imap, "hello@example.test", "192.0.2.7", &late);
	assert_int_equal(right_login(f, first, "192.0.2.8"), 0);
	assert_false(late.done);
	assert_int_equal(right_login(f, first, "192.0.2.7"), 0);
	assert_false(late.done);
	while (!late.done)
		loop_run_once(f->loop, 100);
	assert_int_equal(late.error, E_DENIED);
	/* Addresses that do not exist are treated alike, so that it tells nothing. The number of those
	 * that wait is bounded: more are refused at once. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			login_with(f, "nobody@example.test", STR("wrong"), "imap", "192.0.2.9", &reply),
			E_DENIED);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		(void)guess(f, f->imap, "nobody@example.test", "192.0.2.9", &others[i]);
	assert_int_equal(right_login(f, first, "192.0.2.9"), 0);
	size_t refused = 0;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		refused += others[i].done && others[i].error == E_LIMIT;
	assert_int_equal(refused, ARRAY_LEN(others) - REFUSALS_PER_NETWORK);
	assert_int_equal(refusals_count(f->directory->refusals), REFUSALS_PER_NETWORK);
	/* The command line is never slowed down. */
	for (int i = 0; i < 11; i++)
		assert_int_equal(login_with(f, "nobody@example.test", STR("wrong"), "cli", "", &reply),
		                 E_DENIED);
	assert_int_equal(refusals_count(f->directory->refusals), REFUSALS_PER_NETWORK);
	drop(first);
	restart(f); /* with answers still held back */
}

/* A front that goes, or gives up, leaves nothing behind. */
static void refusals_that_nobody_waits_for(void **state)
{
	struct fixture *f = *state;
	Pk__LoginReply *reply;
	struct pending late[2];
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			login_with(f, "nobody@example.test", STR("wrong"), "imap", "192.0.2.7", &reply),
			E_DENIED);
	struct link *other = connect_as(f, "imap");
	(void)guess(f, other, "nobody@example.test", "192.0.2.7", &late[0]);
	struct link_call *call = guess(f, f->imap, "nobody@example.test", "192.0.2.7", &late[1]);
	while (refusals_count(f->directory->refusals) < 2)
		loop_run_once(f->loop, 100);
	link_call_cancel(call);
	link_free(other);
	assert_true(late[0].done);
	while (refusals_count(f->directory->refusals) > 0)
		loop_run_once(f->loop, 100);
	assert_false(late[1].done);
}

static int forget(struct fixture *f, struct link *link, const char *which,
                  Pk__FailureListReply **ret)
{
	Pk__FailureForgetRequest request = PK__FAILURE_FORGET_REQUEST__INIT;
	request.which = (char *)(uintptr_t)which;
	return ask(f, link, METHOD(FAILURE_FORGET), &request, &pk__failure_list_reply__descriptor, ret);
}

static void slowed_down_is_listed_and_lifted(void **state)
{
	struct fixture *f = *state;
	Pk__LoginReply *login;
	Pk__FailureListReply *list;
	Pk__ListRequest all = PK__LIST_REQUEST__INIT;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			login_with(f, "Nobody@example.test", STR("wrong"), "imap", "2001:db8::1", &login),
			E_DENIED);
		assert_int_equal(login_with(f, "\xff", STR("wrong"), "imap", "2001:db8::1", &login),
		                 E_DENIED);
	}
	assert_int_equal(
		ask(f, f->cli, METHOD(FAILURE_LIST), &all, &pk__failure_list_reply__descriptor, &list), 0);
	assert_int_equal(list->n_failures, 2);
	assert_string_equal(list->failures[0]->address, "nobody@example.test");
	assert_string_equal(list->failures[0]->network, "2001:db8::/64");
	assert_int_equal(list->failures[0]->count, 3);
	assert_int_equal(list->failures[0]->delay_ms, FAILURES_DELAY_FIRST_MS);
	assert_string_equal(list->failures[1]->address, "?");
	drop(list);
	assert_int_equal(forget(f, f->imap, "nobody@example.test", &list), E_DENIED);
	assert_int_equal(forget(f, f->cli, "NOBODY@example.test", &list), 0);
	assert_int_equal(list->forgotten, 1);
	assert_int_equal(list->n_failures, 1);
	drop(list);
	assert_int_equal(forget(f, f->cli, "2001:db8::99", &list), 0);
	assert_int_equal(list->forgotten, 2);
	assert_int_equal(list->n_failures, 0);
	drop(list);
}

static void statistics(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	Pk__LoginReply *login;
	Pk__DirectoryStatistics *figures;
	Pk__ListRequest all = PK__LIST_REQUEST__INIT;
	assert_int_equal(alias_add(f, "two@example.test"), 0);
	assert_int_equal(login_for(f, first, "imap"), 0);
	assert_int_equal(login_with(f, "two@example.test", STR("wrong"), "imap", "192.0.2.7", &login),
	                 E_DENIED);
	assert_int_equal(
		ask(f, f->cli, METHOD(STATISTICS), &all, &pk__directory_statistics__descriptor, &figures),
		0);
	assert_int_equal(figures->domains, 1);
	assert_int_equal(figures->aliases, 2);
	assert_int_equal(figures->mailboxes, 1);
	assert_int_equal(figures->quota_bytes, 2 * config_number(f->config, "quota"));
	assert_int_equal(figures->logins, 1);
	assert_int_equal(figures->logins_refused, 1);
	assert_int_equal(figures->n_peers, 2);
	assert_string_equal(figures->peers[0]->role, "cli");
	assert_string_equal(figures->peers[1]->role, "imap");
	assert_string_equal(figures->peers[1]->address, "");
	drop(figures);
	drop(first);
}

static int scram_start(struct fixture *f, const char *address, Pk__ScramStartReply **ret)
{
	Pk__ScramStartRequest request = PK__SCRAM_START_REQUEST__INIT;
	request.address = (char *)(uintptr_t)address;
	request.remote = (char *)(uintptr_t) "192.0.2.1";
	return ask(f, f->imap, METHOD(SCRAM_START), &request, &pk__scram_start_reply__descriptor, ret);
}

/* ClientProof as RFC 5802 section 3 has it, from the password. */
static void make_proof(struct str password, const Pk__ScramStartReply *start, struct str message,
                       unsigned char ret[KEY_SIZE])
{
	struct key32 salted KEY32_AUTO;
	unsigned char client_key[KEY_SIZE], stored_key[KEY_SIZE], signature[KEY_SIZE];
	pbkdf2_sha256(password, field_bytes(&start->salt), start->iterations, &salted);
	hmac_sha256(salted.bytes, KEY_SIZE, STR("Client Key"), client_key);
	sha256(STR_OF(client_key, KEY_SIZE), stored_key);
	hmac_sha256(stored_key, KEY_SIZE, message, signature);
	for (size_t i = 0; i < KEY_SIZE; i++)
		ret[i] = client_key[i] ^ signature[i];
}

static int scram_finish(struct fixture *f, const char *address, struct str message,
                        const unsigned char *proof, size_t proof_len, Pk__LoginReply **ret)
{
	Pk__ScramFinishRequest request = PK__SCRAM_FINISH_REQUEST__INIT;
	request.address = (char *)(uintptr_t)address;
	request.auth_message = field_make(message.ptr, message.len);
	request.proof = field_make(proof, proof_len);
	request.service = (char *)(uintptr_t) "imap";
	request.remote = (char *)(uintptr_t) "192.0.2.1";
	return ask(f, f->imap, METHOD(SCRAM_FINISH), &request, &pk__login_reply__descriptor, ret);
}

static void scram(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test"), *app;
	Pk__ScramStartReply *start, *again;
	Pk__LoginReply *reply;
	unsigned char proof[KEY_SIZE];
	const Pk__PasswordReply *each[2];
	assert_int_equal(password_create(f, "hello@example.test", KIND_APP, first, &app), 0);
	each[0] = first;
	each[1] = app;
	assert_int_equal(scram_start(f, "Hello@Example.test", &start), 0);
	assert_int_equal(start->iterations, SLOT_ITERATIONS);
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		make_proof(field_bytes(&each[i]->password), start, STR("auth message"), proof);
		assert_int_equal(
			scram_finish(f, "hello@example.test", STR("auth message"), proof, KEY_SIZE, &reply), 0);
		assert_memory_equal(reply->mailbox_secret.data, first->mailbox_secret.data, KEY_SIZE);
		assert_int_equal(reply->server_signature.len, KEY_SIZE);
		assert_int_equal(reply->slot, each[i]->slot);
		drop(reply);
		/* Over anything else it is no proof. */
		assert_int_equal(
			scram_finish(f, "hello@example.test", STR("auth messagf"), proof, KEY_SIZE, &reply),
			E_DENIED);
		assert_int_equal(
			scram_finish(f, "hello@example.test", STR("auth message"), proof, KEY_SIZE - 1, &reply),
			E_INVALID);
	}
	drop(start);

	/* Nobody there: a salt like any other, the same each time, also after a restart. */
	assert_int_equal(scram_start(f, "nobody@example.test", &start), 0);
	assert_int_equal(start->salt.len, SLOT_SALT_SIZE);
	assert_int_equal(start->iterations, SLOT_ITERATIONS);
	restart(f);
	assert_int_equal(scram_start(f, "NOBODY@example.test", &again), 0);
	assert_memory_equal(start->salt.data, again->salt.data, SLOT_SALT_SIZE);
	drop(again);
	assert_int_equal(scram_start(f, "somebody@example.test", &again), 0);
	assert_memory_not_equal(start->salt.data, again->salt.data, SLOT_SALT_SIZE);
	drop(again);
	make_proof(field_bytes(&first->password), start, STR("auth message"), proof);
	assert_int_equal(
		scram_finish(f, "nobody@example.test", STR("auth message"), proof, KEY_SIZE, &reply),
		E_DENIED);
	drop(start);
	drop(first);
	drop(app);
}

static void last_used(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	Pk__PasswordListReply *list;
	request.address = first->address;
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_LIST), &request,
	                     &pk__password_list_reply__descriptor, &list),
	                 0);
	assert_int_equal(list->n_passwords, 1);
	assert_true(list->ready);
	assert_string_equal(list->passwords[0]->last_used, "");
	assert_int_equal(list->passwords[0]->n_scopes, 4);
	drop(list);
	assert_int_equal(login_for(f, first, "imap"), 0);
	restart(f); /* written at the latest at the end */
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_LIST), &request,
	                     &pk__password_list_reply__descriptor, &list),
	                 0);
	assert_int_equal(strlen(list->passwords[0]->last_used), DATE_SIZE - 1);
	drop(list);
	drop(first);
}

/* Whatever it asks of the file. */
static void a_request_is_one_read(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test");
	Pk__ResolveReply *reply;
	assert_int_equal(login_for(f, first, "imap"), 0);
	locks_count();
	assert_int_equal(login_for(f, first, "imap"), 0);
	assert_int_equal(locks_taken, 1);
	locks_count();
	assert_int_equal(resolve(f, "hello@example.test", &reply), 0);
	assert_int_equal(locks_taken, 1);
	drop(reply);
	drop(first);
}

static void too_many_passwords(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "hello@example.test"), *app;
	for (int i = 1; i < SLOTS_MAX; i++) {
		assert_int_equal(password_create(f, "hello@example.test", KIND_APP, first, &app), 0);
		drop(app);
	}
	assert_int_equal(password_create(f, "hello@example.test", KIND_APP, first, &app), E_LIMIT);
	assert_int_equal(login_for(f, first, "imap"), 0);
	drop(first);
}

/* The file opens with no other host key, and says nothing in clear. */
static void file_is_encrypted(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *first = make_mailbox(f, "canary@example.test");
	unsigned char other[KEY_SIZE] = {7};
	char wal[160];
	stop(f);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	const char *const paths[] = {f->path, wal};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		FILE *file = fopen(paths[i], "rb");
		char *bytes = mem_new(1 << 20);
		size_t len = file == NULL ? 0 : fread(bytes, 1, 1 << 20, file);
		assert_true(i > 0 || len > 4096);
		assert_int_equal(str_find(STR_OF(bytes, len), STR("canary")), -1);
		assert_int_equal(str_find(STR_OF(bytes, len), STR("CREATE")), -1);
		if (file != NULL)
			fclose(file);
		free(bytes);
	}
	struct secret *right = f->host_key;
	struct loop *loop = loop_new();
	f->host_key = secret_new(other, sizeof(other));
	assert_int_equal(
		directory_new(&f->directory, loop, NULL, f->path, f->config, f->host_key, &f->info),
		E_DENIED);
	loop_free(loop);
	secret_free(f->host_key);
	f->host_key = right;
	start(f);
	assert_int_equal(login_for(f, first, "imap"), 0);
	drop(first);
}

/* ---------------------------------------------------------------- what is revoked */

struct told {
	int events;
	char mailbox[MAILBOX_ID_SIZE + 1];
	uint64_t slot; /* 0: all of it */
};

static void told_event(void *ctx, uint32_t method, struct str body)
{
	struct told *told = ctx;
	assert_int_equal(method, METHOD(EVENT_REVOKED));
	Pk__RevokedEvent *event = (Pk__RevokedEvent *)link_unpack(&pk__revoked_event__descriptor, body,
	                                                          WIRE_ITEMS_MANY);
	assert_non_null(event);
	assert_int_equal(strlen(event->mailbox), MAILBOX_ID_SIZE);
	strcpy(told->mailbox, event->mailbox);
	assert_int_equal(event->n_slots, event->all ? 0 : 1);
	told->slot = event->all ? 0 : event->slots[0];
	told->events++;
	drop(event);
}

static int change_slot(struct fixture *f, uint32_t method, const char *address, uint64_t slot)
{
	Pk__PasswordRevokeRequest request = PK__PASSWORD_REVOKE_REQUEST__INIT;
	Pk__PasswordListReply *reply;
	request.address = (char *)(uintptr_t)address;
	request.slot = slot;
	int rc = ask(f, f->cli, method, &request, &pk__password_list_reply__descriptor, &reply);
	drop(reply);
	return rc;
}

static void assert_told(struct fixture *f, struct told *told, const Pk__PasswordReply *password,
                        uint64_t slot)
{
	for (int i = 0; i < 1000 && told->events == 0; i++)
		loop_run_once(f->loop, 10);
	assert_int_equal(told->events, 1);
	assert_string_equal(told->mailbox, password->mailbox);
	assert_int_equal(told->slot, slot);
	told->events = 0;
}

/* Whether a session that logged in with that slot may go on. */
static bool holds(struct fixture *f, const char *mailbox, uint64_t slot)
{
	Pk__SessionLogin login = PK__SESSION_LOGIN__INIT, *logins[] = {&login};
	Pk__SessionCheckRequest request = PK__SESSION_CHECK_REQUEST__INIT;
	Pk__SessionCheckReply *reply;
	login.mailbox = (char *)(uintptr_t)mailbox;
	login.slot = slot;
	request.logins = logins;
	request.n_logins = 1;
	assert_int_equal(ask(f, f->imap, METHOD(SESSION_CHECK), &request,
	                     &pk__session_check_reply__descriptor, &reply),
	                 0);
	bool revoked = reply->n_revoked == 1;
	drop(reply);
	return !revoked;
}

/* Each way in which a login ends is told to fronts, once, and known to who asks later. */
static void revocations(void **state)
{
	struct fixture *f = *state;
	const char *address = "hello@example.test";
	Pk__PasswordReply *first = make_mailbox(f, address), *app, *recovery, *second;
	struct told told = {0};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	link_server_add_fd(core_server_link(f->server), pair[1], NULL);
	struct link *front = link_new_fd(f->loop, NULL, pair[0], "imap",
	                                 &(struct link_handlers){.ctx = &told, .event = told_event});
	assert_int_equal(password_create(f, address, KIND_APP, first, &app), 0);
	assert_int_equal(password_create(f, address, KIND_RECOVERY, first, &recovery), 0);
	assert_true(holds(f, app->mailbox, app->slot) && holds(f, app->mailbox, first->slot));
	assert_false(holds(f, app->mailbox, 77) || holds(f, "no such mailbox", app->slot));

	assert_int_equal(change_slot(f, METHOD(PASSWORD_REVOKE), address, 77), E_NOT_FOUND);
	assert_int_equal(change_slot(f, METHOD(PASSWORD_REVOKE), address, first->slot), E_DENIED);
	assert_int_equal(change_slot(f, METHOD(PASSWORD_REVOKE), address, app->slot), 0);
	assert_told(f, &told, app, app->slot);
	assert_false(holds(f, app->mailbox, app->slot));

	/* The old one holds until the new one is confirmed, or used. */
	assert_int_equal(password_create(f, address, KIND_MAILBOX, first, &second), 0);
	assert_true(holds(f, app->mailbox, first->slot));
	assert_int_equal(change_slot(f, METHOD(PASSWORD_CONFIRM), address, second->slot), 0);
	assert_told(f, &told, first, first->slot);
	assert_false(holds(f, app->mailbox, first->slot));
	assert_true(holds(f, app->mailbox, second->slot));
	drop(app);
	assert_int_equal(password_create(f, address, KIND_RECOVERY, second, &app), 0);
	assert_int_equal(login_for(f, app, "cli"), 0);
	slots_flush(f->directory, false);
	assert_told(f, &told, recovery, recovery->slot);

	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	Pk__AliasReply *reply;
	request.address = (char *)(uintptr_t)address;
	assert_int_equal(
		ask(f, f->cli, METHOD(ALIAS_REMOVE), &request, &pk__alias_reply__descriptor, &reply), 0);
	drop(reply);
	assert_told(f, &told, first, 0);
	assert_false(holds(f, first->mailbox, second->slot));
	link_free(front);
	drop(first);
	drop(second);
	drop(app);
	drop(recovery);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(domains),
		TEST(aliases),
		TEST(pages),
		TEST(resolving),
		TEST(roles),
		TEST(services),
		TEST(passwords),
		TEST(scopes),
		TEST(change_of_mailbox_password),
		TEST(change_that_nobody_saw),
		TEST(recovery_code),
		TEST(creation_interrupted),
		TEST(removal_of_an_alias),
		TEST(key_records),
		TEST(wrong_logins_are_slowed_down),
		TEST(refusals_that_nobody_waits_for),
		TEST(slowed_down_is_listed_and_lifted),
		TEST(statistics),
		TEST(scram),
		TEST(last_used),
		TEST(a_request_is_one_read),
		TEST(too_many_passwords),
		TEST(file_is_encrypted),
		TEST(revocations),
	};
	return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
