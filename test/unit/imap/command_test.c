#include "imap/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_table(void **state)
{
	(void)state;
	size_t count;
	const struct imap_command *const *commands = imap_commands(&count);
	assert_true(count > 30);
	for (size_t i = 0; i < count; i++) {
		const struct imap_command *command = commands[i];
		if (i > 0)
			assert_true(strcmp(commands[i - 1]->name, command->name) < 0);
		assert_ptr_equal(imap_command_find(str_from(command->name)), command);
		assert_int_not_equal(command->states & IMAP_ANY_STATE, 0);
		assert_int_equal(command->states & ~(unsigned)IMAP_ANY_STATE, 0);
		assert_non_null(command->start);
		assert_int_equal(strncmp(command->rfc, "RFC ", 4), 0);
		/* The UID forms, and only they, take UIDs. */
		assert_int_equal((command->effects & IMAP_UID) != 0,
		                 strncmp(command->name, "UID ", 4) == 0);
	}
}

/* RFC 9051 section 7.5.1: message numbers must not change during these. */
static void test_no_expunge_while_numbers_count(void **state)
{
	(void)state;
	static const char *const names[] = {"FETCH", "STORE", "SEARCH"};
	for (size_t i = 0; i < 3; i++) {
		const struct imap_command *command = imap_command_find(str_from(names[i]));
		assert_int_equal(command->effects & IMAP_MAY_EXPUNGE, 0);
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(imap_command_find(STR("noop")), &imap_cmd_noop);
	assert_ptr_equal(imap_command_find(STR("uid fetch")), &imap_cmd_uid_fetch);
	assert_null(imap_command_find(STR("")));
	assert_null(imap_command_find(STR("NOO")));
	assert_null(imap_command_find(STR("NOOPS")));
	assert_null(imap_command_find(STR("UID NOOP")));
	assert_null(imap_command_find(STR("ZZZ")));
}

static void test_every_error_has_a_response(void **state)
{
	(void)state;
	for (int error = E_INVALID; error >= E_LAST; error--) {
		for (int failure = IMAP_FAILED_COMMAND; failure <= IMAP_FAILED_TARGET; failure++) {
			const struct imap_response *response = imap_response_for(error,
			                                                         (enum imap_failure)failure);
			assert_int_not_equal(response->status, IMAP_OK);
			assert_non_null(response->text);
		}
	}
	assert_string_equal(imap_response_for(E_NOT_FOUND, IMAP_FAILED_TARGET)->code, "TRYCREATE");
	assert_string_equal(imap_response_for(E_DENIED, IMAP_FAILED_LOGIN)->code,
	                    "AUTHENTICATIONFAILED");
	assert_string_equal(imap_response_for(-1000, IMAP_FAILED_COMMAND)->code, "SERVERBUG");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_no_expunge_while_numbers_count),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_every_error_has_a_response),
	};
	return cmocka_run_group_tests_name("imap/command", tests, NULL, NULL);
}
