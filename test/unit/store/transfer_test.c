#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/codec.h"
#include "base/mem.h"
#include "store/transfer.h"

static const struct {
	const char *text;
	long encoded; /* -1: irregular */
	const char *decoded;
} vectors[] = {
	{"", -1, ""},
	{"QUJD", 4, "ABC"},
	{"QUJD\r\n", 4, "ABC"},
	{"QUJD\n\n\n", 4, "ABC"},
	{"QUJDRA==", 8, "ABCD"},
	{"QUJDRA==\r\n", 8, "ABCD"},
	{"QUJDREU=\r\n", 8, "ABCDE"},
	{"QUJD\r\nREVG\r\n", 10, "ABCDEF"},
	{"QUJD\nREVG\n", 9, "ABCDEF"},
	{"QUJD\nREVG", 9, "ABCDEF"},
	{"QUJD\r\nREU=\r\n", 10, "ABCDE"},
	{"QUJD\r\nREU=\r\ngarbage", 10, "ABCDE"},
	{"QUJD\nREVG\r\nSElK\n", 9, "ABCDEF"},           /* line ends mixed: the beginning counts */
	{"QUJDREVG\nREVG\nQUJDREVG\n", 13, "ABCDEFDEF"}, /* a short line ends it */
	{"QUJDRB==", -1, ""},  /* unused bits set: it would not come out the same */
	{"QUJDRA=", 4, "ABC"}, /* padding cut off */
	{"QQ==", 4, "A"},
	{"QQ==QQ==", 4, "A"}, /* something after the padding */
	{"Q", -1, ""},
	{"QU", -1, ""},
	{"QUJ", -1, ""},
	{"====", -1, ""},
	{"\r\nQUJD\r\n", -1, ""},
	{" QUJD\r\n", -1, ""},
	{"QU JD\r\n", -1, ""},
	{"QUJD\r\r\n", 4, "ABC"},
	{"-_-_", -1, ""}, /* another alphabet */
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct str text = str_from(vectors[i].text);
		struct buf out BUF_AUTO;
		buf_init(&out, 1000);
		buf_add_text(&out, "before");
		struct base64_shape shape;
		bool read = base64_lines_read(text, &shape, &out);
		if (read != (vectors[i].encoded >= 0))
			fail_msg("vector %zu", i);
		if (!read) {
			assert_int_equal(out.len, 6);
			continue;
		}
		assert_int_equal(shape.encoded_size, vectors[i].encoded);
		struct str decoded = str_from_byte(buf_str(&out), 6);
		assert_true(str_eq(decoded, str_from(vectors[i].decoded)));
	}
}

/* Writes the whole in steps of random size, the source in pieces of piece bytes. */
static void write_in_steps(const struct base64_shape *shape, struct str source, size_t piece,
                           struct buf *out)
{
	uint64_t at = 0;
	while (at < shape->encoded_size) {
		char to[400];
		size_t room = (size_t)rand() % sizeof(to) + 1;
		uint64_t from = base64_lines_source(shape, at);
		assert_int_equal(from % 3, 0);
		size_t start = (size_t)from / piece * piece;
		struct str part = str_slice(source, start, piece);
		bool is_end = start + piece >= source.len;
		size_t n = base64_lines_write(shape, at, part, start, is_end, to, room);
		assert_true(n > 0 && n <= room);
		buf_add(out, to, n);
		at += n;
	}
}

static void test_round_trips(void **state)
{
	(void)state;
	static const char *const ends[] = {"\r\n", "\n"};
	srand(4711);
	for (int round = 0; round < 3000; round++) {
		size_t size = (size_t)rand() % 700 + 1, line = ((size_t)rand() % 30 + 1) * 4;
		struct buf plain BUF_AUTO, text BUF_AUTO, decoded BUF_AUTO, again BUF_AUTO;
		buf_init(&plain, 1000);
		buf_init(&text, 10000);
		buf_init(&decoded, 10000);
		buf_init(&again, 10000);
		for (size_t i = 0; i < size; i++)
			buf_add_byte(&plain, (char)rand());
		base64_encode(&text, buf_str(&plain), line, str_from(ends[rand() % 2]));
		struct base64_shape shape;
		assert_true(base64_lines_read(buf_str(&text), &shape, &decoded));
		assert_int_equal(shape.encoded_size, text.len);
		assert_true(str_eq(buf_str(&decoded), buf_str(&plain)));
		write_in_steps(&shape, buf_str(&decoded), ((size_t)rand() % 60 + 1) * 3, &again);
		assert_true(str_eq(buf_str(&again), buf_str(&text)));
	}
}

/* Whatever the damage: what is decoded gives the same bytes again, or nothing is decoded. */
static void test_damaged(void **state)
{
	(void)state;
	srand(1147);
	size_t kept = 0;
	for (int round = 0; round < 20000; round++) {
		struct buf text BUF_AUTO, plain BUF_AUTO, decoded BUF_AUTO, again BUF_AUTO;
		buf_init(&text, 10000);
		buf_init(&plain, 1000);
		buf_init(&decoded, 10000);
		buf_init(&again, 10000);
		for (int i = rand() % 200; i >= 0; i--)
			buf_add_byte(&plain, (char)rand());
		base64_encode(&text, buf_str(&plain), (size_t)(rand() % 20 + 1) * 4, STR("\r\n"));
		for (int damage = rand() % 3; damage >= 0; damage--)
			text.ptr[(size_t)rand() % text.len] = "=\n\r A/\0\xff"[rand() % 8];
		text.len -= (size_t)rand() % 3 % text.len;
		struct base64_shape shape;
		if (!base64_lines_read(buf_str(&text), &shape, &decoded))
			continue;
		kept++;
		assert_true(shape.encoded_size <= text.len);
		write_in_steps(&shape, buf_str(&decoded), 30000, &again);
		assert_true(str_eq(buf_str(&again), str_slice(buf_str(&text), 0, again.len)));
		assert_int_equal(again.len, shape.encoded_size);
	}
	assert_true(kept > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
