#include "smtp/data.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

struct vector {
	struct str input;
	struct str message; /* when it is fine */
	size_t rest;        /* bytes of input behind the end; SIZE_MAX: no end in there */
	enum smtp_data_fault fault;
};

#define NO_END SIZE_MAX

static const struct vector vectors[] = {
	{STR(".\r\n"), STR(""), 0, SMTP_DATA_FINE},
	{STR("a\r\n.\r\n"), STR("a\r\n"), 0, SMTP_DATA_FINE},
	{STR("a\r\n.\r\nQUIT\r\n"), STR("a\r\n"), 6, SMTP_DATA_FINE},
	{STR("..\r\n.\r\n"), STR(".\r\n"), 0, SMTP_DATA_FINE},
	{STR("a\r\n..b\r\n...\r\n.\r\n"), STR("a\r\n.b\r\n..\r\n"), 0, SMTP_DATA_FINE},
	{STR(".a\r\n.\r\n"), STR("a\r\n"), 0, SMTP_DATA_FINE},
	{STR("a.\r\n.b.\r\n.\r\n"), STR("a.\r\nb.\r\n"), 0, SMTP_DATA_FINE},
	{STR("\r\n\r\n.\r\n"), STR("\r\n\r\n"), 0, SMTP_DATA_FINE},
	{STR("a\0b\xff\r\n.\r\n"), STR("a\0b\xff\r\n"), 0, SMTP_DATA_FINE},
	{STR("a\r\n"), STR("a\r\n"), NO_END, SMTP_DATA_FINE},
	{STR("a\r\n."), STR("a\r\n"), NO_END, SMTP_DATA_FINE},
	{STR("a\r\n.\r"), STR("a\r\n"), NO_END, SMTP_DATA_FINE},
	{STR(""), STR(""), NO_END, SMTP_DATA_FINE},
	/* Every way to end a message that somebody else might take for one. */
	{STR("a\n.\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\n.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r\n.\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r.\rb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r\n.\rb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r\n\r.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r\r\n.\r\nb"), STR(""), 1, SMTP_DATA_BARE},
	{STR("a\r\n.\r\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\r\n.\n.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\n\n.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("\n.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("\r.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("a\0\n.\r\nMAIL FROM:<x@y.test>\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR(".\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
	{STR("..\r.\r\nb\r\n.\r\n"), STR(""), 0, SMTP_DATA_BARE},
};

static size_t feed_pieces(struct smtp_data *data, struct str input, const size_t *cuts,
                          size_t cut_count, struct buf *out, bool *ret_end)
{
	size_t from = 0;

	*ret_end = false;
	for (size_t i = 0; i <= cut_count && !*ret_end; i++) {
		size_t to = i < cut_count ? cuts[i] : input.len;
		char *piece MEM_AUTO = malloc(to - from + 1); /* so that a look past the end is found */

		memcpy(piece, input.ptr + from, to - from);
		from += smtp_data_feed(data, STR_OF(piece, to - from), out, ret_end);
	}
	return from;
}

static void check(const struct vector *v, const size_t *cuts, size_t cut_count)
{
	struct smtp_data data;
	struct buf out BUF_AUTO;
	bool end;
	size_t taken;

	buf_init(&out, 10000);
	smtp_data_init(&data);
	taken = feed_pieces(&data, v->input, cuts, cut_count, &out, &end);
	assert_int_equal(data.fault, v->fault);
	assert_int_equal(end, v->rest != NO_END);
	assert_int_equal(taken, v->rest == NO_END ? v->input.len : v->input.len - v->rest);
	if (v->fault == SMTP_DATA_FINE)
		assert_true(str_eq(buf_str(&out), v->message));
}

static void whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		check(&vectors[i], NULL, 0);
}

static void cut_once_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		for (size_t cut = 0; cut <= vectors[i].input.len; cut++)
			check(&vectors[i], &cut, 1);
}

static void cut_twice_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		for (size_t a = 0; a <= vectors[i].input.len; a++)
			for (size_t b = a; b <= vectors[i].input.len; b++)
				check(&vectors[i], (size_t[]){a, b}, 2);
	}
}

static void byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		size_t cuts[100];

		for (size_t n = 0; n < vectors[i].input.len; n++)
			cuts[n] = n;
		check(&vectors[i], cuts, vectors[i].input.len);
	}
}

/* A message made of hard bytes, stuffed by the book, comes out as it went in; cut at random. */
static void round_trip(void **state)
{
	static const char *const pieces[] = {
		"\r\n", ".", "..", "\r\n.", "a", "\0", "text of some length", "\r\n\r\n", "\xff"};
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buf message BUF_AUTO, wire BUF_AUTO, out BUF_AUTO;
		struct smtp_data data;
		size_t from = 0;
		bool end = false, start = true;

		buf_init(&message, 10000);
		buf_init(&wire, 20000);
		buf_init(&out, 10000);
		for (int i = rand_r(&seed) % 40; i > 0; i--) {
			size_t n = (size_t)rand_r(&seed) % ARRAY_LEN(pieces);

			buf_add(&message, pieces[n], n == 5 ? 1 : strlen(pieces[n]));
		}
		buf_add_text(&message, "\r\n");
		for (size_t i = 0; i < message.len; i++) {
			if (start && message.ptr[i] == '.')
				buf_add_byte(&wire, '.');
			buf_add_byte(&wire, message.ptr[i]);
			start = message.ptr[i] == '\n';
		}
		buf_add_text(&wire, ".\r\n");
		smtp_data_init(&data);
		while (from < wire.len) {
			size_t len = 1 + (size_t)rand_r(&seed) % 30;

			assert_false(end);
			from += smtp_data_feed(&data, str_slice(buf_str(&wire), from, len), &out, &end);
		}
		assert_true(end);
		assert_int_equal(data.fault, SMTP_DATA_FINE);
		assert_true(str_eq(buf_str(&out), buf_str(&message)));
	}
}

static void too_large(void **state)
{
	struct smtp_data data;
	struct buf out BUF_AUTO;
	struct str input = STR("12345678\r\n.\r\nrest");
	bool end;

	(void)state;
	buf_init(&out, 9);
	smtp_data_init(&data);
	assert_int_equal(smtp_data_feed(&data, input, &out, &end), input.len - 4);
	assert_true(end);
	assert_int_equal(data.fault, SMTP_DATA_TOO_LARGE);
}

static void chunks(void **state)
{
	static const struct {
		struct str input;
		enum smtp_data_fault fault;
	} table[] = {
		{STR(""), SMTP_DATA_FINE},
		{STR("a\r\n.\r\n..\r\n"), SMTP_DATA_FINE},
		{STR("no end of line"), SMTP_DATA_FINE},
		{STR("a\nb"), SMTP_DATA_BARE},
		{STR("a\rb"), SMTP_DATA_BARE},
		{STR("a\r\r\n"), SMTP_DATA_BARE},
		{STR("a\r"), SMTP_DATA_BARE},
		{STR("\n"), SMTP_DATA_BARE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		for (size_t cut = 0; cut <= table[i].input.len; cut++) {
			struct smtp_data data;
			struct buf out BUF_AUTO;

			buf_init(&out, 100);
			smtp_data_init(&data);
			smtp_data_feed_chunk(&data, str_slice(table[i].input, 0, cut), &out);
			smtp_data_feed_chunk(&data, str_from_byte(table[i].input, cut), &out);
			smtp_data_end_chunks(&data);
			assert_int_equal(data.fault, table[i].fault);
			if (data.fault == SMTP_DATA_FINE)
				assert_true(str_eq(buf_str(&out), table[i].input));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(cut_once_everywhere),
		cmocka_unit_test(cut_twice_everywhere),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(too_large),
		cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests_name("smtp data", tests, NULL, NULL);
}
