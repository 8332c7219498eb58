/* A small volume of our own is mounted there. */
#define FIXTURE_ROOT "/dev/shm"
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "db/ballast.h"

/*
 * The directory's file on a volume without a byte left. What only reads goes on, what cannot be written says so
 * and leaves nothing half done; with ballast whatever takes something away goes on, too, and a start.
 */

#define ADDRESS "hello@example.test"

/* Somebody else takes all that is left. */
static void others_fill(const struct fixture *f)
{
	char path[100], block[4096] = {1};
	struct statvfs volume;
	snprintf(path, sizeof(path), "%s/others", f->folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (statvfs(f->folder, &volume) == 0 && volume.f_bavail > 0)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

static void others_gone(const struct fixture *f)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/others", f->folder);
	assert_int_equal(unlink(path), 0);
}

static void start_with_ballast(struct fixture *f, const char *line)
{
	stop(f);
	assert_int_equal(config_parse(f->config, "test", str_from(line), &f->info), 0);
	start(f);
}

static uint64_t ballast(const struct fixture *f)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/ballast", f->folder);
	return ballast_bytes(path);
}

/* All that a command could have changed. */
static void look(struct fixture *f, struct buf *ret)
{
	static const struct {
		uint32_t method;
		const ProtobufCMessageDescriptor *reply;
	} lists[] = {
		{METHOD(DOMAIN_LIST), &pk__domain_list_reply__descriptor},
		{METHOD(ALIAS_LIST), &pk__alias_list_reply__descriptor},
		{METHOD(REMOVED_LIST), &pk__removed_list_reply__descriptor},
	};
	Pk__ListRequest list = PK__LIST_REQUEST__INIT;
	Pk__AliasRequest alias = PK__ALIAS_REQUEST__INIT;
	Pk__PasswordListReply *passwords;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		ProtobufCMessage *reply;
		assert_int_equal(ask(f, f->cli, lists[i].method, &list, lists[i].reply, &reply), 0);
		link_pack(ret, reply);
		drop(reply);
	}
	alias.address = (char *)(uintptr_t)ADDRESS;
	if (ask(f, f->cli, METHOD(PASSWORD_LIST), &alias, &pk__password_list_reply__descriptor,
	        &passwords) == 0)
		link_pack(ret, &passwords->base);
	drop(passwords);
	assert_false(ret->failed);
}

struct tried {
	struct fixture *f;
	const Pk__PasswordReply *password;
};

static int try_domain(const struct tried *tried)
{
	return domain_add(tried->f, "other.test");
}

static int try_alias(const struct tried *tried)
{
	return alias_add(tried->f, "new@example.test");
}

static int try_app_password(const struct tried *tried)
{
	Pk__PasswordReply *reply;
	int rc = password_create(tried->f, ADDRESS, KIND_APP, tried->password, &reply);
	drop(reply);
	return rc;
}

static int try_disable(const struct tried *tried)
{
	return alias_disable(tried->f, ADDRESS, true);
}

static int try_enable(const struct tried *tried)
{
	return alias_disable(tried->f, ADDRESS, false);
}

static int try_state(const struct tried *tried)
{
	uint64_t before = state_get(tried->f, tried->password->mailbox);
	int rc = state_set(tried->f, tried->password->mailbox, before + 1);
	struct errinfo info = tried->f->info;
	assert_int_equal(state_get(tried->f, tried->password->mailbox), before + (rc == 0 ? 1 : 0));
	tried->f->info = info;
	return rc;
}

static int try_remove(const struct tried *tried)
{
	return alias_remove(tried->f, ADDRESS);
}

static const struct {
	int (*run)(const struct tried *tried);
	bool grows;  /* ballast is not for it */
	bool hidden; /* look does not show it */
} commands[] = {
	{try_domain, true, false},   {try_alias, true, false},   {try_app_password, false, false},
	{try_disable, false, false}, {try_enable, false, false}, {try_state, false, true},
	{try_remove, false, false},
};

static void test_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	start_with_ballast(f, "disk_ballast = 0\n");
	struct tried tried = {f, make_mailbox(f, ADDRESS)};
	Pk__ResolveReply *found;
	assert_int_equal(ballast(f), 0);
	others_fill(f);
	assert_int_equal(login_for(f, tried.password, "imap"), 0);
	assert_int_equal(resolve(f, ADDRESS, &found), 0);
	assert_int_equal(found->kind, PK__RESOLVE_REPLY__KIND__MAILBOX);
	drop(found);
	others_gone(f);
	slots_flush(f->directory, false);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct buf before BUF_AUTO, after BUF_AUTO;
		buf_init(&before, LINK_MESSAGE_MAX);
		buf_init(&after, LINK_MESSAGE_MAX);
		look(f, &before);
		others_fill(f);
		assert_int_equal(commands[i].run(&tried), E_NO_SPACE);
		assert_string_equal(f->info.text, "no space is left on the volume of the directory");
		look(f, &after);
		assert_true(str_eq(buf_str(&before), buf_str(&after)));
		others_gone(f);
		assert_int_equal(commands[i].run(&tried), 0);
		buf_clear(&after);
		look(f, &after);
		assert_int_equal(str_eq(buf_str(&before), buf_str(&after)), commands[i].hidden);
	}
	drop((Pk__PasswordReply *)(uintptr_t)tried.password);
}

static void test_with_ballast(void **state)
{
	struct fixture *f = *state;
	start_with_ballast(f, "disk_ballast = 16M\n");
	struct tried tried = {f, make_mailbox(f, ADDRESS)};
	uint64_t whole = ballast(f);
	assert_int_equal(whole, 256 * 1024); /* a 32nd */
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		others_fill(f);
		uint64_t before = ballast(f);
		assert_int_equal(commands[i].run(&tried), commands[i].grows ? E_NO_SPACE : 0);
		assert_true(commands[i].grows ? ballast(f) == before : ballast(f) < before);
		others_gone(f);
		restart(f);
		assert_int_equal(ballast(f), whole);
	}
	/* It starts, too. */
	stop(f);
	others_fill(f);
	start(f);
	assert_true(ballast(f) < whole);
	others_gone(f);
	drop((Pk__PasswordReply *)(uintptr_t)tried.password);
}

/* A new password was used, which ends the old one: that is written as soon as it can be. */
static void test_use_is_remembered(void **state)
{
	struct fixture *f = *state;
	Pk__PasswordReply *new;
	start_with_ballast(f, "disk_ballast = 0\n");
	Pk__PasswordReply *old = make_mailbox(f, ADDRESS);
	assert_int_equal(password_create(f, ADDRESS, KIND_MAILBOX, old, &new), 0);
	others_fill(f);
	assert_int_equal(login_for(f, new, "imap"), 0);
	slots_flush(f->directory, false);
	assert_int_equal(login_for(f, old, "imap"), 0);
	others_gone(f);
	slots_flush(f->directory, false);
	assert_int_equal(login_for(f, old, "imap"), E_DENIED);
	assert_int_equal(login_for(f, new, "imap"), 0);
	drop(old);
	drop(new);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int mount_volume(void **state)
{
	(void)state;
	int flags = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	assert_int_equal(unshare(flags), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("volume", FIXTURE_ROOT, "tmpfs", 0, "size=8m"), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_all_or_nothing), TEST(test_with_ballast),
	                                   TEST(test_use_is_remembered)};
	return cmocka_run_group_tests(tests, mount_volume, NULL);
}
