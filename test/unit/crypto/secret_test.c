#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"

static int setup(void **state)
{
	(void)state;
	struct errinfo info;
	return crypto_init(&info);
}

static void keeps_bytes(void **state)
{
	(void)state;
	unsigned char bytes[4096];
	for (size_t len = 1; len <= sizeof(bytes); len = len * 3 + 1) {
		random_bytes(bytes, len);
		struct secret *secret = secret_new(bytes, len);
		assert_non_null(secret);
		assert_int_equal(secret_len(secret), len);
		const unsigned char *outer = secret_open(secret);
		const unsigned char *inner = secret_open(secret);
		assert_ptr_equal(outer, inner);
		secret_close(secret);
		assert_memory_equal(outer, bytes, len); /* still open once */
		secret_close(secret);
		secret_free(secret);
	}
	secret_free(NULL);
}

/* Whether a child process that runs act is killed by a signal for a bad access. */
static bool child_faults(void (*act)(volatile unsigned char *), const unsigned char *bytes)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		act((volatile unsigned char *)(uintptr_t)bytes);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

static void act_read(volatile unsigned char *bytes)
{
	(void)bytes[0];
}

static void act_write(volatile unsigned char *bytes)
{
	bytes[0] = 1;
}

static void act_read_past(volatile unsigned char *bytes)
{
	(void)bytes[32];
}

static void is_out_of_reach_while_closed(void **state)
{
	(void)state;
	struct key32 key KEY32_AUTO;
	key32_random(&key);
	struct secret *secret = secret_new(key.bytes, sizeof(key.bytes));
	assert_non_null(secret);
	const unsigned char *bytes = secret_open(secret);
	assert_false(child_faults(act_read, bytes));
	assert_true(child_faults(act_write, bytes));
	assert_true(child_faults(act_read_past, bytes));
	secret_close(secret);
	assert_true(child_faults(act_read, bytes));
	secret_free(secret);
}

static void vault_gives_back(void **state)
{
	(void)state;
	struct vault *vault = vault_new();
	struct vault *other = vault_new();
	struct key32 key, back;
	struct vaulted a, b;
	key32_random(&key);
	vault_put(vault, &key, &a);
	vault_put(vault, &key, &b);
	assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
	assert_true(vault_get(vault, &a, &back));
	assert_true(key32_eq(&key, &back));
	assert_true(vault_get(vault, &b, &back));
	assert_true(key32_eq(&key, &back));
	assert_false(vault_get(other, &a, &back));
	for (size_t i = 0; i < sizeof(a.bytes); i++) {
		a.bytes[i] ^= 0x10;
		assert_false(vault_get(vault, &a, &back));
		a.bytes[i] ^= 0x10;
	}
	vault_free(vault);
	vault_free(other);
	vault_free(NULL);
}

static void *use_vault(void *arg)
{
	struct vault *vault = arg;
	for (int i = 0; i < 500; i++) {
		struct key32 key, back;
		struct vaulted vaulted;
		key32_random(&key);
		vault_put(vault, &key, &vaulted);
		if (!vault_get(vault, &vaulted, &back) || !key32_eq(&key, &back))
			return (void *)1;
	}
	return NULL;
}

static void vault_serves_threads(void **state)
{
	(void)state;
	struct vault *vault = vault_new();
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_vault, vault), 0);
	for (int i = 0; i < 4; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	vault_free(vault);
}

static void small_helpers(void **state)
{
	(void)state;
	struct key32 a, b;
	key32_random(&a);
	b = a;
	assert_true(key32_eq(&a, &b));
	b.bytes[31] ^= 1;
	assert_false(key32_eq(&a, &b));
	assert_true(equal_constant_time("abc", "abc", 3));
	assert_false(equal_constant_time("abc", "abd", 3));
	assert_true(equal_constant_time("a", "b", 0));
	key32_wipe(&a);
	for (size_t i = 0; i < sizeof(a.bytes); i++)
		assert_int_equal(a.bytes[i], 0);
	wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_bytes),      cmocka_unit_test(is_out_of_reach_while_closed),
		cmocka_unit_test(vault_gives_back), cmocka_unit_test(vault_serves_threads),
		cmocka_unit_test(small_helpers),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
