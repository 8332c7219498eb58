#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * Killed before or after the nth fdatasync of a life of one alias: made, given its first password,
 * published, given another one, confirmed, re-keyed. Whatever the moment, a password that its owner
 * has seen opens the mailbox, and what was told as done is done.
 */

/* This program's own, in front of libc's: SQLite calls it. */
static int syncs_until_death;
static bool death_after;

int fdatasync(int fd)
{
	bool last = syncs_until_death > 0 && --syncs_until_death == 0;
	if (last && !death_after)
		(void)raise(SIGKILL);
	int rc = (int)syscall(SYS_fdatasync, fd);
	if (last)
		(void)raise(SIGKILL);
	return rc;
}

#define ADDRESS "hello@example.test"

/* What the child says it has done, in order. */
enum step { STEP_ALIAS = 1, STEP_FIRST, STEP_PUBLISHED, STEP_NEW, STEP_CONFIRMED, STEP_REKEYED };

struct news {
	enum step step;
	char password[PASSWORD_MAX];
	size_t password_len;
	char mailbox[MAILBOX_ID_SIZE + 1];
	unsigned char secret[KEY_SIZE];
};

static void tell(int fd, enum step step, const Pk__PasswordReply *password)
{
	struct news news = {.step = step};
	if (password != NULL) {
		memcpy(news.password, password->password.data, password->password.len);
		news.password_len = password->password.len;
		strcpy(news.mailbox, password->mailbox);
		memcpy(news.secret, password->mailbox_secret.data, KEY_SIZE);
	}
	assert_int_equal(write(fd, &news, sizeof(news)), sizeof(news));
}

static void live(struct fixture *f, int fd)
{
	Pk__PasswordReply *first, *new;
	struct buf record BUF_AUTO;
	buf_init(&record, KEY_RECORD_MAX);
	start(f);
	assert_int_equal(domain_add(f, "example.test"), 0);
	assert_int_equal(alias_add(f, ADDRESS), 0);
	tell(fd, STEP_ALIAS, NULL);
	assert_int_equal(password_create(f, ADDRESS, KIND_MAILBOX, NULL, &first), 0);
	tell(fd, STEP_FIRST, first);
	assert_int_equal(publish(f, first, 'p'), 0);
	tell(fd, STEP_PUBLISHED, first);
	assert_int_equal(password_create(f, ADDRESS, KIND_MAILBOX, first, &new), 0);
	tell(fd, STEP_NEW, new);
	assert_int_equal(confirm(f, new), 0);
	tell(fd, STEP_CONFIRMED, new);
	record_after_rekey(new, &record);
	assert_int_equal(record_set(f, new, &record), 0);
	tell(fd, STEP_REKEYED, new);
	stop(f);
	drop(first);
	drop(new);
}

/* Logs in; when that works it must be with the right secret, and that must open the key record. */
static bool works(struct fixture *f, const struct news *news)
{
	Pk__LoginReply *reply;
	int rc = login_with(f, ADDRESS, STR_OF(news->password, news->password_len), "cli", "", &reply);
	assert_true(rc == 0 || rc == E_DENIED);
	if (rc != 0)
		return false;
	struct key32 secret KEY32_AUTO;
	struct data_key current DATA_KEY_AUTO, next DATA_KEY_AUTO;
	bool has_next;
	assert_memory_equal(reply->mailbox_secret.data, news->secret, KEY_SIZE);
	memcpy(secret.bytes, reply->mailbox_secret.data, KEY_SIZE);
	assert_int_equal(key_record_open(field_bytes(&reply->key_record), str_from(reply->mailbox),
	                                 &secret, &current, &next, &has_next),
	                 0);
	drop(reply);
	return true;
}

/* The command line given again, as after any interruption; ends with a password that works. */
static void go_on(struct fixture *f, const struct news *seen, enum step last)
{
	Pk__PasswordReply *password;
	(void)domain_add(f, "example.test");
	(void)alias_add(f, ADDRESS);
	Pk__AliasRequest request = PK__ALIAS_REQUEST__INIT;
	Pk__PasswordListReply *list;
	request.address = (char *)(uintptr_t)ADDRESS;
	assert_int_equal(ask(f, f->cli, METHOD(PASSWORD_LIST), &request,
	                     &pk__password_list_reply__descriptor, &list),
	                 0);
	/* Published perhaps just before the death; but then it was seen before that. */
	assert_true(!list->ready || last >= STEP_FIRST);
	if (list->ready)
		assert_true(works(f, seen));
	else {
		assert_int_equal(password_create(f, ADDRESS, KIND_MAILBOX, NULL, &password), 0);
		assert_int_equal(publish(f, password, 'p'), 0);
		assert_int_equal(login_for(f, password, "imap"), 0);
		drop(password);
	}
	drop(list);
}

static void check(struct fixture *f, int fd)
{
	struct news news[STEP_REKEYED + 1] = {0};
	enum step last = 0;
	struct news one;
	while (read(fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		news[one.step] = one;
		last = one.step;
	}
	start(f);
	if (last >= STEP_ALIAS)
		assert_int_equal(alias_add(f, ADDRESS), E_EXISTS);
	if (last >= STEP_CONFIRMED) {
		assert_true(works(f, &news[STEP_NEW]));
		assert_false(works(f, &news[STEP_PUBLISHED]));
	} else if (last >= STEP_NEW) {
		/* Confirmed perhaps, without our knowing: the new one works in any case. */
		assert_true(works(f, &news[STEP_NEW]));
	} else if (last >= STEP_PUBLISHED) {
		/* The new one perhaps exists, unseen: the old one works. */
		assert_true(works(f, &news[STEP_PUBLISHED]));
	}
	if (last < STEP_NEW)
		go_on(f, &news[STEP_FIRST], last);
	assert_int_equal(db_integrity_check(f->directory->db, &(struct buf){.max = 1000}, &f->info), 0);
	stop(f);
}

/* True when the child came to its end alive. */
static bool round_of(int nth, bool after)
{
	void *state;
	int pipe_ends[2], status;
	assert_int_equal(set_up(&state), 0);
	struct fixture *f = state;
	stop(f);
	unlink(f->path);
	assert_int_equal(pipe(pipe_ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(pipe_ends[0]);
		death_after = after;
		syncs_until_death = nth;
		live(f, pipe_ends[1]);
		_exit(0);
	}
	close(pipe_ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	bool alive = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!alive)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check(f, pipe_ends[0]);
	close(pipe_ends[0]);
	assert_int_equal(tear_down(&state), 0);
	return alive;
}

static void killed_before(void **state)
{
	int nth = 1;
	(void)state;
	while (!round_of(nth, false))
		nth++;
	assert_true(nth > 7); /* each of the seven changes is synced on its own */
}

static void killed_after(void **state)
{
	int nth = 1;
	(void)state;
	while (!round_of(nth, true))
		nth++;
	assert_true(nth > 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_before),
		cmocka_unit_test(killed_after),
	};
	return cmocka_run_group_tests_name("directory/crash", tests, NULL, NULL);
}
