/* Memory is as good as a disk here, and quicker. */
#define HARNESS_ROOT "/dev/shm"
#include "harness.h"
#include "../db/locks.h"

#include <dlfcn.h>

/*
 * What the requests of a login ask of the system, counted: it is the same on every machine and under any
 * load, as a time is not.
 */

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

static atomic_uint looks, agreements;

/* In the place of the C library's. */
int stat(const char *restrict path, struct stat *restrict ret)
{
	atomic_fetch_add(&looks, 1);
	return fstatat(AT_FDCWD, path, ret, 0);
}

/* In the place of libsodium's: what makes a key of X25519 usable. */
int crypto_scalarmult_base(unsigned char *ret, const unsigned char *secret);
int crypto_scalarmult_base(unsigned char *ret, const unsigned char *secret)
{
	union {
		void *found;
		int (*call)(unsigned char *ret, const unsigned char *secret);
	} real = {.found = dlsym(RTLD_NEXT, "crypto_scalarmult_base")};
	assert_non_null(real.found);
	atomic_fetch_add(&agreements, 1);
	return real.call(ret, secret);
}

static void count_anew(void)
{
	looks = agreements = 0;
	locks_count();
}

/* The file and its log are looked at once, and read under one lock. */
static void assert_one_read(void)
{
	assert_int_equal(looks, 2);
	assert_int_equal(locks_taken, 1);
	assert_int_equal(agreements, 0);
}

static void test_login(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	create_mailbox(h, &owner);
	uint64_t session = open_session(h, &owner);
	append(h, session, "INBOX", STR("Subject: One\r\n\r\nOne.\r\n"), NULL);
	FREE(select_folder(h, session, "INBOX")); /* the first one changes what is \Recent */
	close_session(h, session);
	count_anew();
	session = open_session(h, &owner);
	assert_one_read();
	count_anew();
	FREE(select_folder(h, session, "INBOX"));
	assert_one_read();
	owner_done(&owner);
}

/* Mail that waits is opened with the key that nothing else needs. */
static void test_login_with_mail(void **state)
{
	struct harness *h = *state;
	struct owner owner;
	bool sealed;
	create_mailbox(h, &owner);
	harness_restart(h);
	assert_int_equal(deliver_to(h, &owner, STR("Subject: One\r\n\r\nOne.\r\n"), "delivery00000001",
	                            NULL, &sealed),
	                 0);
	assert_true(sealed);
	count_anew();
	uint64_t session = open_session(h, &owner);
	assert_int_equal(agreements, 1);
	close_session(h, session);
	assert_sound(h, &owner, 1);
	owner_done(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_login),
		TEST(test_login_with_mail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
