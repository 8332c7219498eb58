#include "smtp/trace.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void check(const struct smtp_trace *trace, const char *want)
{
	struct buf out BUF_AUTO;

	buf_init(&out, 4096);
	smtp_trace_write(trace, &out);
	if (!str_eq(buf_str(&out), str_from(want)))
		fail_msg("got:\n%.*swant:\n%s", STR_ARG(buf_str(&out)), want);
}

static void headers(void **state)
{
	struct smtp_trace trace = {
		.reverse_path = STR("sender@remote.test"),
		.helo = STR("mail.remote.test"),
		.remote = STR("192.0.2.7"),
		.hostname = STR("mx.example.test"),
		.id = STR("0123456789abcdef"),
		.recipient = STR("hello@example.test"),
		.esmtp = true,
		.seconds = 1795478400,
	};

	(void)state;
	check(&trace, "Return-Path: <sender@remote.test>\r\n"
	              "Received: from mail.remote.test ([192.0.2.7])\r\n"
	              "\tby mx.example.test (postkasse) with ESMTP id 0123456789abcdef\r\n"
	              "\tfor <hello@example.test>;\r\n"
	              "\tTue, 24 Nov 2026 00:00:00 +0000\r\n");
	trace.reverse_path = STR("");
	trace.remote = STR("2001:db8::1");
	trace.recipient = STR("");
	trace.tls_version = STR("TLSv1.3");
	trace.tls_cipher = STR("TLS_AES_256_GCM_SHA384");
	trace.utf8 = true;
	trace.seconds = 0;
	check(&trace, "Return-Path: <>\r\n"
	              "Received: from mail.remote.test ([IPv6:2001:db8::1])\r\n"
	              "\tby mx.example.test (postkasse) with UTF8SMTPS id 0123456789abcdef\r\n"
	              "\t(TLSv1.3 TLS_AES_256_GCM_SHA384);\r\n"
	              "\tThu, 01 Jan 1970 00:00:00 +0000\r\n");
}

static void protocols(void **state)
{
	(void)state;
	assert_string_equal(smtp_trace_protocol(false, false, false), "SMTP");
	assert_string_equal(smtp_trace_protocol(true, false, false), "ESMTP");
	assert_string_equal(smtp_trace_protocol(true, false, true), "ESMTPS");
	assert_string_equal(smtp_trace_protocol(true, true, false), "UTF8SMTP");
	assert_string_equal(smtp_trace_protocol(true, true, true), "UTF8SMTPS");
}

static void counting(void **state)
{
	static const struct {
		const char *message;
		size_t count;
	} table[] = {
		{"", 0},
		{"Received: a", 1},
		{"Received: a\r\nSubject: b\r\nRECEIVED: c\r\n\r\nReceived: body\r\n", 2},
		{"Subject: Received: a\r\n Received: folded\r\nReceived-SPF: no\r\n", 0},
		{"\r\nReceived: body\r\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(smtp_trace_count(str_from(table[i].message)), table[i].count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(protocols),
		cmocka_unit_test(counting),
	};

	return cmocka_run_group_tests_name("smtp trace", tests, NULL, NULL);
}
