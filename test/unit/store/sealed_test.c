/*
 * What waits on disk outlives the version that wrote it: rows as earlier versions sealed them arrive, those of a
 * later one stay where they are until somebody can read them.
 */

#include "harness.h"

#include "crypto/seal.h"
#include "sealed.pb-c.h"
#include "store/pack.h"
#include "store/server.h"
#include "store/temporary.h"

static const char hello[] = "Subject: hello\r\n\r\nHello\r\n";

struct file {
	char path[200];
	struct data_key key;
};

static void temporary_file(struct harness *h, const struct owner *owner, struct file *ret)
{
	snprintf(ret->path, sizeof(ret->path), "%s/temporary/%.2s/%s.sqlite", h->dir, owner->mailbox,
	         owner->mailbox);
	memset(&ret->key, 0, sizeof(ret->key));
	store_temporary_key(h->store, str_from(owner->mailbox), &ret->key.key);
}

static void seal_row(const struct owner *owner, const char *id, const ProtobufCMessage *head,
                     struct str raw, struct buf *out)
{
	struct pack_tables *tables = pack_tables_new();
	struct packer *packer = packer_new(tables);
	struct seal_sender sender;
	struct buf plain BUF_AUTO, packed BUF_AUTO, context BUF_AUTO;
	buf_init(&plain, 100000);
	buf_init(&packed, 100000);
	buf_init(&context, 100);
	buf_add(&plain, "\0\0\0\0", SEALED_LENGTH_SIZE);
	link_pack(&plain, head);
	plain.ptr[0] = (char)((plain.len - SEALED_LENGTH_SIZE) & 0xff);
	plain.ptr[1] = (char)((plain.len - SEALED_LENGTH_SIZE) >> 8);
	buf_add_str(&plain, raw);
	assert_true(pack(packer, PACK_FAST, buf_str(&plain), &packed));
	buf_addf(&context, "%s%s", owner->mailbox, id);
	assert_int_equal(seal_sender_init(&sender, owner->public_key), 0);
	assert_int_equal(seal_with(&sender, buf_str(&context), buf_str(&packed), out), 0);
	seal_sender_wipe(&sender);
	packer_free(packer);
	pack_tables_free(tables);
}

static void put_row(const struct file *file, const struct owner *owner, const char *id,
                    const ProtobufCMessage *head, struct str raw)
{
	struct errinfo info;
	struct db *db;
	struct buf sealed BUF_AUTO;
	buf_init(&sealed, 100000);
	seal_row(owner, id, head, raw, &sealed);
	assert_int_equal(db_open(&db, file->path, &file->key, 0, &info), 0);
	struct db_stmt *q = db_query(
		db, "INSERT INTO sealed (delivery, size, created, data) VALUES (?1, ?2, '', ?3)");
	db_bind_blob(q, 1, str_from(id));
	db_bind_int(q, 2, (int64_t)raw.len);
	db_bind_blob(q, 3, buf_str(&sealed));
	assert_int_equal(db_run(q, &info), 0);
	db_close(db);
}

/* Mail for an owner who is away, among it what another version has sealed. */
static void put_among_others(struct harness *h, struct owner *owner, const ProtobufCMessage *head)
{
	struct file file;
	bool sealed;
	create_mailbox(h, owner);
	harness_restart(h);
	assert_int_equal(deliver_to(h, owner, str_from(hello), "one, of this one", NULL, &sealed), 0);
	assert_true(sealed);
	temporary_file(h, owner, &file);
	harness_down(h);
	put_row(&file, owner, "two, of another.", head, str_from(hello));
	harness_up(h);
	assert_int_equal(deliver_to(h, owner, str_from(hello), "three, likewise.", NULL, &sealed), 0);
}

static void of_an_earlier_version(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct described described;
	Pk__AppendRequest head = PK__APPEND_REQUEST__INIT;
	describe(&described, str_from(hello));
	head.name = (char *)(uintptr_t) "";
	head.internal_date = 1577880000;
	head.description = &described.description;
	put_among_others(h, &owner, &head.base);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	for (uint32_t uid = 1; uid <= 3; uid++)
		assert_body(h, session, folder, uid, str_from(hello));
	assert_sound(h, &owner, 3);
	owner_done(&owner);
}

static void of_a_later_version(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	struct file file;
	struct described described;
	Pk__SealedMail head = PK__SEALED_MAIL__INIT;
	describe(&described, str_from(hello));
	head.folder = (char *)(uintptr_t) "";
	head.version = SEALED_VERSION + 1;
	head.description = &described.description;
	h->log.level = LOG_LEVEL_ERROR + 1;
	put_among_others(h, &owner, &head.base);
	temporary_file(h, &owner, &file);
	uint64_t session = open_session(h, &owner), folder = folder_id(h, session, "INBOX");
	assert_body(h, session, folder, 1, str_from(hello));
	assert_int_equal(access(file.path, F_OK), 0);
	harness_restart(h);
	session = open_session(h, &owner);
	assert_int_equal(access(file.path, F_OK), 0);
	/* The later version has been here: its row is one that can be read. */
	struct errinfo info;
	struct db *db;
	harness_down(h);
	assert_int_equal(db_open(&db, file.path, &file.key, 0, &info), 0);
	assert_int_equal(db_exec(db,
	                         "DELETE FROM sealed WHERE delivery = 'two, of another.'"
	                         " OR delivery = CAST('two, of another.' AS BLOB)",
	                         &info),
	                 0);
	db_close(db);
	harness_up(h);
	session = open_session(h, &owner);
	folder = folder_id(h, session, "INBOX");
	assert_body(h, session, folder, 2, str_from(hello));
	WAIT_FOR(h, access(file.path, F_OK) != 0);
	owner_done(&owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_an_earlier_version),
		TEST(of_a_later_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
