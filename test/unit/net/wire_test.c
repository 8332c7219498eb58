#include "net/wire.h"

#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "mail.pb-c.h"
#include "net/link.h"
#include "store.pb-c.h"

enum { MB = 1024 * 1024 };

static bool append_within(struct str body, size_t items_max)
{
	return wire_within(&pk__append_request__descriptor, body, items_max);
}

static void what_is_sent(void **state)
{
	(void)state;
	enum { PARTS = 10000 };
	static Pk__Part parts[PARTS];
	static Pk__Part *pointers[PARTS];
	Pk__Description description = PK__DESCRIPTION__INIT;
	Pk__AppendRequest request = PK__APPEND_REQUEST__INIT;
	char *keywords[] = {(char *)"$Label1", (char *)"x"};
	struct buf body BUF_AUTO;
	buf_init(&body, 16 * MB);
	for (size_t i = 0; i < PARTS; i++) {
		pk__part__init(&parts[i]);
		parts[i].parent = 1;
		parts[i].header_offset = parts[i].body_offset = 1000000 + i;
		parts[i].header_size = parts[i].body_size = parts[i].lines = 100;
		parts[i].media_type = (char *)"application/octet-stream";
		parts[i].file_name = (char *)"a-rather-long-name.bin";
		pointers[i] = &parts[i];
	}
	description.parts = pointers;
	description.n_parts = PARTS;
	request.description = &description;
	request.keywords = keywords;
	request.n_keywords = 2;
	request.name = (char *)"INBOX";
	link_pack(&body, &request.base);
	/* Parts: each a value of a list and a message; the description; keywords. */
	assert_true(append_within(buf_str(&body), 2 * PARTS + 3));
	assert_false(append_within(buf_str(&body), 2 * PARTS + 2));
	assert_false(append_within(str_slice(buf_str(&body), 0, body.len - 1), 100000));
	/* Strings cost their own bytes. */
	description.search_text.len = 14 * MB;
	description.search_text.data = (uint8_t *)mem_new(14 * MB);
	buf_clear(&body);
	link_pack(&body, &request.base);
	assert_true(append_within(buf_str(&body), 2 * PARTS + 3));
	free(description.search_text.data);
}

static struct str repeat(struct buf *out, struct str piece, size_t count)
{
	buf_init(out, 16 * MB);
	for (size_t i = 0; i < count; i++)
		buf_add_str(out, piece);
	return buf_str(out);
}

/* Empty parts of a description, empty keys of a search, one scalar again and again, fields that nobody
 * knows: each would take hundreds of megabytes. */
static void what_grows(void **state)
{
	(void)state;
	struct buf many BUF_AUTO, keys BUF_AUTO, scalars BUF_AUTO, unknown BUF_AUTO;
	struct str parts = repeat(&many, STR("\x0a\x00"), 7 * MB);
	assert_false(wire_within(&pk__description__descriptor, parts, SIZE_MAX));
	assert_false(wire_within(&pk__description__descriptor, str_slice(parts, 0, 20002), 20001));
	assert_true(wire_within(&pk__description__descriptor, str_slice(parts, 0, 20000), 20000));
	assert_false(
		wire_within(&pk__search_key__descriptor, repeat(&keys, STR("\x32\x00"), 7 * MB), SIZE_MAX));
	assert_false(
		wire_within(&pk__part__descriptor, repeat(&scalars, STR("\x08\x01"), 7 * MB), SIZE_MAX));
	assert_false(wire_within(&pk__part__descriptor, repeat(&unknown, STR("\xf8\x07\x01"), 5 * MB),
	                         SIZE_MAX));
	/* A packed list counts by its bytes. */
	assert_true(wire_within(&pk__changed_event__descriptor, STR("\x0a\x03\x01\x02\x03"), 3));
	assert_false(wire_within(&pk__changed_event__descriptor, STR("\x0a\x03\x01\x02\x03"), 2));
}

static void what_nests(void **state)
{
	(void)state;
	for (size_t depth = 1; depth < 100; depth++) {
		struct buf body BUF_AUTO;
		buf_init(&body, 10000);
		for (size_t i = 0; i < depth; i++) {
			struct buf outer;
			buf_init(&outer, 10000);
			buf_add_byte(&outer, 0x32);
			buf_add_byte(&outer, (char)(0x80 | (body.len & 0x7f)));
			buf_add_byte(&outer, (char)(body.len >> 7));
			buf_add_str(&outer, buf_str(&body));
			buf_done(&body);
			body = outer;
		}
		assert_int_equal(wire_within(&pk__search_key__descriptor, buf_str(&body), 1000),
		                 depth < WIRE_DEPTH_MAX);
	}
}

static void what_is_broken(void **state)
{
	(void)state;
	static const struct str broken[] = {
		STR("\x0a"),                             /* no length */
		STR("\x0a\x05xx"),                       /* too short */
		STR("\x0a\xff\xff\xff\xff\xff\xff\x01"), /* a length beyond all */
		STR("\x08"),                             /* no number */
		STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		STR("\x0b"),     /* a group */
		STR("\x0f"),     /* no wire type */
		STR("\x09\x01"), /* a cut number */
		STR("\xff"),
	};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		assert_false(wire_within(&pk__part__descriptor, broken[i], 1000));
	assert_true(wire_within(&pk__part__descriptor, STR(""), 0));
	struct str two = STR("\x0a\x00\x0a\x00");
	assert_null(link_unpack_request(&pk__description__descriptor, two, 3));
	ProtobufCMessage *message = link_unpack_request(&pk__description__descriptor, two, 4);
	assert_non_null(message);
	protobuf_c_message_free_unpacked(message, NULL);
}

/* What comes out of these bytes, and which of them are no field. */
static void one_field(void **state)
{
	static const struct {
		struct str bytes;
		struct wire_field field; /* number 0: none */
	} cases[] = {
		{STR("\x08\x01"), {1, WIRE_VARINT, 1, STR("")}},
		{STR("\x08\xac\x02"), {1, WIRE_VARINT, 300, STR("")}},
		{STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	     {1, WIRE_VARINT, UINT64_MAX, STR("")}},
		{STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), {0}}, /* more than 64 bits */
		{STR("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), {0}},
		{STR("\x08\x80"), {0}},
		{STR("\x08"), {0}},
		{STR("\x12\x02"
	         "ab"),
	     {2, WIRE_BYTES, 2, STR("ab")}},
		{STR("\x12\x00"), {2, WIRE_BYTES, 0, STR("")}},
		{STR("\x12\x03"
	         "ab"),
	     {0}},
		{STR("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
	         "ab"),
	     {0}},
		{STR("\x19"
	         "12345678"),
	     {3, WIRE_FIXED64, 0, STR("")}},
		{STR("\x19"
	         "1234567"),
	     {0}},
		{STR("\x1d"
	         "1234"),
	     {3, WIRE_FIXED32, 0, STR("")}},
		{STR("\x1d"
	         "123"),
	     {0}},
		{STR("\xf8\xff\xff\xff\x0f\x05"), {(1 << 29) - 1, WIRE_VARINT, 5, STR("")}},
		{STR("\xf8\xff\xff\xff\x1f\x05"), {0}}, /* a number of 30 bits */
		{STR("\x00\x01"), {0}},                 /* field 0 */
		{STR("\x0b\x0c"), {0}},                 /* a group */
		{STR("\x0e\x01"), {0}},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor c = cursor_of(cases[i].bytes);
		struct wire_field read, want = cases[i].field;
		assert_int_equal(wire_next(&c, &read), want.number != 0);
		if (want.number == 0)
			continue;
		assert_true(cursor_at_end(&c));
		assert_int_equal(read.number, want.number);
		assert_int_equal(read.type, want.type);
		assert_int_equal(read.value, want.value);
		assert_true(str_eq(read.bytes, want.bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_field),      cmocka_unit_test(what_is_sent),
		cmocka_unit_test(what_grows),     cmocka_unit_test(what_nests),
		cmocka_unit_test(what_is_broken),
	};
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
