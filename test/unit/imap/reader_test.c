#include "imap/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

enum { LINE_MAX_HERE = 100, LITERAL_MAX_HERE = 20 };

/* Runs input through a reader in pieces and writes what happened: "C[text]" a command, "L3" a literal
 * taken, "D[bytes]" a diverted one, "R[text]" a refusal, "F" a flood. A literal of 7 bytes is
 * diverted, one above the limit refused. */
static void run(struct str input, size_t (*piece)(size_t left), struct buf *out)
{
	struct imap_reader reader;
	imap_reader_init(&reader, LINE_MAX_HERE, IMAP_TEXT_MAX);
	char *held = mem_new(input.len + 1);
	size_t held_len = 0, given = 0;
	bool flood = false;
	while (!flood && (given < input.len || held_len > 0)) {
		size_t more = given < input.len ? piece(input.len - given) : 0;
		memcpy(held + held_len, input.ptr + given, more);
		held_len += more;
		given += more;
		enum imap_read event;
		size_t used = imap_reader_feed(&reader, STR_OF(held, held_len), &event);
		memmove(held, held + used, held_len - used);
		held_len -= used;
		if (event == IMAP_READ_MORE) {
			assert_int_equal(held_len, 0);
		} else if (event == IMAP_READ_COMMAND) {
			buf_addf(out, "C[%.*s]", STR_ARG(buf_str(&reader.text)));
			imap_reader_reset(&reader);
			assert_true(imap_reader_idle(&reader));
		} else if (event == IMAP_READ_DIVERTED) {
			size_t take = held_len < reader.literal_left ? held_len : (size_t)reader.literal_left;
			buf_addf(out, "%.*s", (int)take, held);
			imap_reader_diverted(&reader, take);
			memmove(held, held + take, held_len - take);
			held_len -= take;
		} else if (event == IMAP_READ_REFUSED) {
			buf_addf(out, "R[%.*s]", (int)(reader.text.len < 4 ? reader.text.len : 4),
			         reader.text.ptr);
			imap_reader_reset(&reader);
		} else if (event == IMAP_READ_FLOOD) {
			buf_add_text(out, "F");
			flood = true;
		} else if (reader.literal_size == 7) {
			buf_add_text(out, "D");
			imap_reader_divert(&reader);
		} else if (reader.literal_size <= LITERAL_MAX_HERE) {
			buf_addf(out, "%c%d", reader.synchronizing ? 'l' : 'L', (int)reader.literal_size);
			imap_reader_take(&reader);
		} else if (reader.synchronizing) {
			buf_add_text(out, "X");
			imap_reader_reset(&reader);
		} else {
			imap_reader_skip(&reader, 0);
		}
	}
	imap_reader_done(&reader);
	free(held);
}

static size_t whole(size_t left)
{
	return left;
}

static size_t one(size_t left)
{
	(void)left;
	return 1;
}

static size_t some(size_t left)
{
	size_t n = 1 + (size_t)rand() % 9;
	return n < left ? n : left;
}

#define TEN   "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static const struct {
	const char *input, *events;
} cases[] = {
	{"a NOOP\r\n", "C[a NOOP]"},
	{"a NOOP\n", "C[a NOOP]"},
	{"\r\n", "C[]"},
	{"a NOOP\r\nb LOGOUT\r\n", "C[a NOOP]C[b LOGOUT]"},
	{"a X {3}\r\nabc\r\n", "l3C[a X {3}\r\nabc]"},
	{"a X {3+}\r\nabc d\r\n", "L3C[a X {3+}\r\nabc d]"},
	{"a X {0}\r\n\r\n", "l0C[a X {0}\r\n]"},
	{"a X {0+}\r\n {2+}\r\nhi\r\n", "L0L2C[a X {0+}\r\n {2+}\r\nhi]"},
	{"a X ~{3}\r\nabc\r\n", "l3C[a X ~{3}\r\nabc]"},
	/* a literal whose bytes look like announcements and line ends */
	{"a X {5}\r\n{9}\r\n\r\n", "l5C[a X {5}\r\n{9}\r\n]"},
	{"a X {1}\r\n{5}\r\n", "l1C[a X {1}\r\n{5}]"},
	{"a X {3}\r\nx{1}\r\nb NOOP\r\n", "l3C[a X {3}\r\nx{1}]C[b NOOP]"},
	/* not announcements */
	{"a X {}\r\n", "C[a X {}]"},
	{"a X {3-}\r\n", "C[a X {3-}]"},
	{"a X {3} \r\n", "C[a X {3} ]"},
	{"a X 3}\r\n", "C[a X 3}]"},
	{"a X {+}\r\n", "C[a X {+}]"},
	/* diverted */
	{"a X {7}\r\n1\r\n{33}\r\n", "D1\r\n{33}C[a X {7}\r\n]"},
	{"a X {7+}\r\n1234567\r\nb NOOP\r\n", "D1234567C[a X {7+}\r\n]C[b NOOP]"},
	{"a X {7}\r\n1234567 {2}\r\nhi\r\n", "D1234567l2C[a X {7}\r\n {2}\r\nhi]"},
	/* refused: bytes of the literal and of what follows are never commands */
	{"a X {30}\r\nb NOOP\r\n", "XC[b NOOP]"},
	{"a X {24+}\r\nz NOOP\r\nz NOOP\r\nz NOOP\r\n\r\nb NOOP\r\n", "R[a X ]C[b NOOP]"},
	{"a X {24+}\r\nz NOOP\r\nz NOOP\r\nz NOOP\r\n {8+}\r\nz NOOP\r\n\r\nb NOOP\r\n",
     "R[a X ]C[b NOOP]"},
	{"a X {24+}\r\nz NOOP\r\nz NOOP\r\nz NOOP\r\n {8}\r\nb NOOP\r\n", "R[a X ]C[b NOOP]"},
	{"a X {18446744073709551616+}\r\nb NOOP\r\n", ""},
	{"a X {18446744073709551616}\r\nb NOOP\r\n", "XC[b NOOP]"},
	/* too long a line, with and without a literal behind it */
	{"a X " FIFTY FIFTY "\r\nb NOOP\r\n", "R[a X ]C[b NOOP]"},
	{"a X " FIFTY FIFTY " {8+}\r\nz NOOP\r\n\r\nb NOOP\r\n", "R[a X ]C[b NOOP]"},
	{"a X " FIFTY FIFTY " {8}\r\nb NOOP\r\n", "R[a X ]C[b NOOP]"},
	{"a X " FIFTY FIFTY " {0000000000000000000000000000000000000008+}\r\nz NOOP\r\n", "F"},
};

/* Refusals keep less of the text when they come in smaller pieces; what happens is the same. */
static void check(size_t (*piece)(size_t left))
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		run(str_from(cases[i].input), piece, &out);
		buf_add_byte(&out, '\0');
		if (str_find(str_from(cases[i].events), STR("R[")) < 0)
			assert_string_equal(out.ptr, cases[i].events);
		else
			assert_true(str_ends_nocase(STR_OF(out.ptr, out.len - 1), STR("C[b NOOP]")));
	}
}

static void test_whole(void **state)
{
	(void)state;
	check(whole);
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	check(one);
}

static void test_random_pieces(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 200; round++)
		check(some);
}

static void test_flood(void **state)
{
	(void)state;
	struct imap_reader reader;
	imap_reader_init(&reader, LINE_MAX_HERE, IMAP_TEXT_MAX);
	char block[4096];
	memset(block, 'x', sizeof(block));
	enum imap_read event = IMAP_READ_MORE;
	size_t fed = 0;
	while (event == IMAP_READ_MORE && fed < 2 * IMAP_SKIP_MAX)
		fed += imap_reader_feed(&reader, STR_OF(block, sizeof(block)), &event);
	assert_int_equal(event, IMAP_READ_FLOOD);
	assert_true(reader.text.cap <= 2 * LINE_MAX_HERE + sizeof(block));
	imap_reader_done(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_random_pieces),
		cmocka_unit_test(test_flood),
	};
	return cmocka_run_group_tests_name("imap/reader", tests, NULL, NULL);
}
