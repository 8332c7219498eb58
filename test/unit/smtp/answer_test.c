#include "smtp/answer.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void answers(void **state)
{
	static const struct {
		int error;
		int results[3];
		size_t targets;
		uint16_t code;
		const char *enhanced;
	} table[] = {
		{0, {0}, 1, 250, "2.0.0"},
		{0, {0, 0, 0}, 3, 250, "2.0.0"},
		{0, {E_QUOTA}, 1, 452, "4.2.2"},
		{0, {E_NOT_FOUND}, 1, 451, "4.3.0"},
		{0, {E_TOO_LARGE, E_TOO_LARGE}, 2, 552, "5.3.4"},
		{0, {E_INVALID, E_TOO_LARGE}, 2, 552, "5.3.4"},
		/* one has it, one refuses for good: come again and be told at RCPT */
		{0, {0, E_INVALID}, 2, 451, "4.3.0"},
		{0, {E_INVALID, 0, 0}, 3, 451, "4.3.0"},
		{0, {0, E_QUOTA}, 2, 452, "4.2.2"},
		{0, {E_INVALID, E_QUOTA, E_TOO_LARGE}, 3, 452, "4.2.2"},
		{0, {0, E_BUSY, E_NO_SPACE}, 3, 450, "4.2.0"},
		{0, {0, E_NO_SPACE}, 2, 452, "4.3.1"},
		{0, {12345}, 1, 451, "4.3.0"},
		{0, {-12345}, 1, 451, "4.3.0"},
		{E_UNAVAILABLE, {0}, 1, 451, "4.3.0"},
		{E_TIMEOUT, {0}, 2, 451, "4.3.0"},
		{E_CANCELLED, {0}, 1, 451, "4.3.0"},
		{E_TOO_LARGE, {0}, 1, 552, "5.3.4"},
		{E_NOT_FOUND, {0}, 1, 451, "4.3.0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;
		Pk__DeliverReply__Result results[3], *pointers[3];
		const struct smtp_reply *got;

		for (size_t n = 0; n < 3; n++) {
			pk__deliver_reply__result__init(&results[n]);
			results[n].error = table[i].results[n];
			pointers[n] = &results[n];
		}
		reply.results = pointers;
		reply.n_results = table[i].targets;
		got = smtp_reply(smtp_answer(table[i].error, &reply, table[i].targets));
		if (got->code != table[i].code || strcmp(got->enhanced, table[i].enhanced) != 0)
			fail_msg("row %zu: %u %s", i, got->code, got->enhanced);
	}
}

/* A store that answers about more or fewer mailboxes than it was asked for is not believed. */
static void faulty_store(void **state)
{
	Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;

	(void)state;
	assert_int_equal(smtp_answer(0, NULL, 1), SMTP_REPLY_TRY_LATER);
	assert_int_equal(smtp_answer(0, &reply, 1), SMTP_REPLY_TRY_LATER);
}

/* A refusal is never logged as "ok". */
static void reasons(void **state)
{
	Pk__DeliverReply__Result fine = PK__DELIVER_REPLY__RESULT__INIT, full = fine, away = fine;
	Pk__DeliverReply__Result *results[] = {&fine, &full, &away};
	Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;

	(void)state;
	full.error = E_QUOTA;
	away.error = E_UNAVAILABLE;
	reply.results = results;
	reply.n_results = 3;
	assert_int_equal(smtp_answer_reason(0, &reply), E_QUOTA);
	assert_int_equal(smtp_answer_reason(E_TIMEOUT, NULL), E_TIMEOUT);
	assert_int_equal(smtp_answer_reason(0, NULL), E_INTERNAL);
	reply.n_results = 1;
	assert_int_equal(smtp_answer_reason(0, &reply), E_INTERNAL);
}

/* Codes and their enhanced form tell the same class; only the greeting's kind has none. */
static void table(void **state)
{
	(void)state;
	for (int id = SMTP_REPLY_NONE + 1; id < SMTP_REPLY_COUNT; id++) {
		const struct smtp_reply *reply = smtp_reply((enum smtp_reply_id)id);

		assert_non_null(reply->text);
		assert_in_range(reply->code, 200, 559);
		if (id == SMTP_REPLY_SEND_DATA)
			assert_null(reply->enhanced);
		else
			assert_int_equal(reply->enhanced[0] - '0', reply->code / 100);
	}
	for (int error = E_LAST - 2; error <= 1; error++) {
		enum smtp_reply_id id = smtp_reply_of_error(error);

		assert_int_equal(id == SMTP_REPLY_ACCEPTED, error == 0);
	}
}

static void written(void **state)
{
	struct buf out BUF_AUTO;

	(void)state;
	buf_init(&out, 1000);
	smtp_reply_write(&out, SMTP_REPLY_ACCEPTED, STR("abc"));
	smtp_reply_write(&out, SMTP_REPLY_SEND_DATA, STR(""));
	assert_true(str_eq(buf_str(&out), STR("250 2.0.0 Delivered as abc\r\n"
	                                      "354 End with <CR><LF>.<CR><LF>\r\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers), cmocka_unit_test(faulty_store), cmocka_unit_test(reasons),
		cmocka_unit_test(table),   cmocka_unit_test(written),
	};

	return cmocka_run_group_tests_name("smtp answer", tests, NULL, NULL);
}
