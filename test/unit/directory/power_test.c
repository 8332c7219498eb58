/* The disk is not what is tested: memory is as good, and quicker. */
#define FIXTURE_ROOT "/dev/shm"
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#define UNUSED __attribute__((unused))
#include "../db/power.h"

/*
 * The power is cut before each write and sync of a life of two aliases, and a sync fails. What was told as done
 * is done, what was not is done whole or not at all, and the directory starts again each time.
 */

#define ADDRESS "hello@example.test"
#define OTHER   "other@example.test"

enum { MODSEQ = 7 };

struct life {
	struct fixture *f;
	Pk__PasswordReply *first, *new;
};

static int add_domain(struct life *life)
{
	return domain_add(life->f, "example.test");
}

static int add_alias(struct life *life)
{
	return alias_add(life->f, ADDRESS);
}

static int give_password(struct life *life)
{
	return password_create(life->f, ADDRESS, KIND_MAILBOX, NULL, &life->first);
}

static int publish_first(struct life *life)
{
	return publish(life->f, life->first, 'p');
}

static int tell_state(struct life *life)
{
	return state_set(life->f, life->first->mailbox, MODSEQ);
}

static int give_another(struct life *life)
{
	return password_create(life->f, ADDRESS, KIND_MAILBOX, life->first, &life->new);
}

static int confirm_it(struct life *life)
{
	return confirm(life->f, life->new);
}

static int disable(struct life *life)
{
	return alias_disable(life->f, ADDRESS, true);
}

static int enable(struct life *life)
{
	return alias_disable(life->f, ADDRESS, false);
}

static int add_other(struct life *life)
{
	return alias_add(life->f, OTHER);
}

static int remove_other(struct life *life)
{
	return alias_remove(life->f, OTHER);
}

enum {
	DOMAIN,
	ALIAS,
	PASSWORD,
	PUBLISHED,
	STATE,
	ANOTHER,
	CONFIRMED,
	DISABLED,
	ENABLED,
	OTHER_THERE,
	OTHER_GONE,
	STEPS
};
static int (*const steps[STEPS])(struct life *life) = {
	add_domain, add_alias, give_password, publish_first, tell_state,   give_another,
	confirm_it, disable,   enable,        add_other,     remove_other,
};

static void begin(struct life *life, struct fixture *f)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	*life = (struct life){.f = f};
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		char path[160];
		snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
		(void)unlink(path);
	}
	start(f);
	stop(f);
	power_start(f->folder);
	start(f);
}

/* How many steps were told as done while there was power. */
static int live(struct life *life)
{
	for (int i = 0; i < STEPS; i++)
		if (steps[i](life) != 0 || power.off)
			return i;
	return STEPS;
}

/* A login that must work, or may as well be refused because the alias is disabled. */
static void check_login(struct life *life, int done)
{
	const Pk__PasswordReply *password = done >= CONFIRMED ? life->new : life->first;
	int error = login_for(life->f, password, "imap");
	if (done == DISABLED || done == ENABLED)
		assert_true(error == 0 || error == E_DENIED);
	else
		assert_int_equal(error, 0);
	if (done > CONFIRMED)
		assert_int_equal(login_for(life->f, life->first, "imap"), E_DENIED);
}

/* done of the steps were told; the next one may have come to its end or not. */
static void check(struct life *life, int done)
{
	if (done > DOMAIN)
		assert_int_equal(domain_add(life->f, "example.test"), E_EXISTS);
	if (done > ALIAS)
		assert_int_equal(alias_add(life->f, ADDRESS), E_EXISTS);
	if (done > PUBLISHED)
		check_login(life, done);
	if (done > STATE) { /* told without a sync: it may be behind */
		uint64_t modseq = state_get(life->f, life->first->mailbox);
		assert_true(modseq == 0 || modseq == MODSEQ);
	}
	if (done == OTHER_GONE)
		assert_true(alias_add(life->f, OTHER) == 0 || alias_remove(life->f, OTHER) == 0);
	if (done > OTHER_GONE)
		assert_int_equal(alias_add(life->f, OTHER), 0);
}

static void end(struct life *life, int done)
{
	power_cut();
	stop(life->f);
	power_back();
	start(life->f);
	check(life, done);
	stop(life->f);
	drop(life->first);
	drop(life->new);
}

static void count_all(struct fixture *f, int *ret_changes, int *ret_syncs)
{
	struct life life;
	begin(&life, f);
	assert_int_equal(live(&life), STEPS);
	*ret_changes = power.changes;
	*ret_syncs = power.syncs;
	end(&life, STEPS);
}

static void without_ballast(struct fixture *f)
{
	stop(f);
	assert_int_equal(config_parse(f->config, "test", STR("disk_ballast = 0\n"), &f->info), 0);
}

static void before_each_change(void **state)
{
	static const enum tear tears[] = {TEAR_ALL_LOST, TEAR_SOME, TEAR_SOME, TEAR_ALL_KEPT};
	struct fixture *f = *state;
	int changes, syncs;
	without_ballast(f);
	count_all(f, &changes, &syncs);
	assert_true(changes > 2 * STEPS);
	for (int at = 1; at <= changes; at += power_step(5)) {
		struct life life;
		begin(&life, f);
		power.tear = tears[at % (int)ARRAY_LEN(tears)];
		power.random = (uint32_t)at;
		power.cut_at = at;
		end(&life, live(&life));
	}
	print_message("%d changes of the disk\n", changes);
}

/* The kernel says once that a sync has failed, and then that all is well. */
static void after_a_sync_that_failed(void **state)
{
	struct fixture *f = *state;
	int changes, syncs;
	without_ballast(f);
	count_all(f, &changes, &syncs);
	assert_true(syncs >= STEPS - 1);
	for (int at = 1; at <= syncs; at++) {
		struct life life;
		begin(&life, f);
		power.tear = TEAR_ALL_LOST;
		power.error = EIO;
		power.fail_at = at;
		end(&life, live(&life));
	}
	print_message("%d syncs\n", syncs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_each_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_sync_that_failed, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
