#include "net/wire.h"

#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "directory.pb-c.h"
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
	assert_false(wire_within(&pk__description__descriptor, parts, 1000 * 1000));
	assert_false(wire_within(&pk__description__descriptor, str_slice(parts, 0, 20002), 20001));
	assert_true(wire_within(&pk__description__descriptor, str_slice(parts, 0, 20000), 20000));
	assert_false(wire_within(&pk__search_key__descriptor, repeat(&keys, STR("\x32\x00"), 7 * MB),
	                         1000 * 1000));
	assert_false(
		wire_within(&pk__part__descriptor, repeat(&scalars, STR("\x08\x01"), 7 * MB), 1000 * 1000));
	assert_false(wire_within(&pk__part__descriptor, repeat(&unknown, STR("\xf8\x07\x01"), 5 * MB),
	                         1000 * 1000));
	/* A packed list counts by its bytes. */
	assert_true(wire_within(&pk__changed_event__descriptor, STR("\x0a\x03\x01\x02\x03"), 3));
	assert_false(wire_within(&pk__changed_event__descriptor, STR("\x0a\x03\x01\x02\x03"), 2));
}

/* What only costs time: a field that is no list's again and again, and fields that nobody knows. */
static void what_repeats(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		struct str piece;
		size_t fit, items_max;
	} cases[] = {
		{&pk__fetch_request__descriptor, STR("\x08\x01"), 7, WIRE_ITEMS_MANY},
		{&pk__session_request__descriptor, STR("\x08\x01"), 1, WIRE_ITEMS_FEW},
		{&pk__mailbox_request__descriptor, STR("\x0a\x01x"), 1, WIRE_ITEMS_FEW},
		{&pk__append_request__descriptor, STR("\x3a\x00"), 7, WIRE_ITEMS_MANY},
		{&pk__session_request__descriptor, STR("\xf8\x07\x01"), 1000, WIRE_ITEMS_FEW},
		{&pk__fetch_request__descriptor, STR("\xfa\x07\x01x"), 1000, WIRE_ITEMS_FEW},
		/* And of those that are lists there may be as many as there may be. */
		{&pk__fetch_request__descriptor, STR("\x1a\x00"), 500, WIRE_ITEMS_FEW},
		{&pk__store_request__descriptor, STR("\x32\x00"), 1000, WIRE_ITEMS_FEW},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf all BUF_AUTO;
		struct str bytes = repeat(&all, cases[i].piece, cases[i].fit + 1);
		assert_false(wire_within(cases[i].type, bytes, cases[i].items_max));
		bytes.len -= cases[i].piece.len;
		assert_true(wire_within(cases[i].type, bytes, cases[i].items_max));
	}
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
	assert_null(link_unpack(&pk__description__descriptor, two, 3));
	ProtobufCMessage *message = link_unpack(&pk__description__descriptor, two, 4);
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

struct taken {
	size_t now, most;
	ProtobufCAllocator allocator;
};

static void *take(void *data, size_t size)
{
	struct taken *taken = data;
	size_t *piece = mem_grow(NULL, 1, size + 16);
	*piece = size + 32; /* with what the C library notes */
	taken->now += *piece;
	if (taken->now > taken->most)
		taken->most = taken->now;
	return (char *)piece + 16;
}

static void give(void *data, void *ptr)
{
	struct taken *taken = data;
	if (ptr == NULL)
		return;
	char *piece = (char *)ptr - 16;
	taken->now -= *(size_t *)(void *)piece;
	free(piece);
}

/* Whatever a core answers: either nothing is taken for it, or no more than was said. */
static void what_it_costs(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		struct str piece;
		size_t limit;
	} cases[] = {
		{&pk__select_reply__descriptor, STR("\x3a\x00"), WIRE_ITEMS_MESSAGES},
		{&pk__select_reply__descriptor, STR("\x3a\x04\x08\x01\x10\x01"), WIRE_ITEMS_MANY},
		{&pk__select_reply__descriptor, STR("\x42\x00"), WIRE_ITEMS_MANY},
		{&pk__select_reply__descriptor, STR("\x08\x01"), WIRE_ITEMS_MANY},
		{&pk__select_reply__descriptor, STR("\xf8\x07\x01"), WIRE_ITEMS_MANY},
		{&pk__changes_reply__descriptor, STR("\x1a\x00"), WIRE_ITEMS_MANY},
		{&pk__store_reply__descriptor, STR("\x0a\x02\x22\x00"), WIRE_ITEMS_MANY},
		{&pk__folder_list_reply__descriptor, STR("\x0a\x00"), WIRE_ITEMS_MANY},
		{&pk__fetch_chunk__descriptor, STR("\x0a\x00"), WIRE_ITEMS_MANY},
		{&pk__fetch_chunk__descriptor, STR("\x0a\x02\x72\x00"), WIRE_ITEMS_MANY},
		{&pk__changed_event__descriptor, STR("\x08\x01"), WIRE_ITEMS_MANY},
		{&pk__changed_event__descriptor, STR("\x0a\x04\x01\x01\x01\x01"), WIRE_ITEMS_MANY},
		{&pk__deliver_reply__descriptor, STR("\x0a\x00"), WIRE_ITEMS_MANY},
		{&pk__resolve_reply__descriptor, STR("\x08\x01"), WIRE_ITEMS_FEW},
		{&pk__resolve_reply__descriptor, STR("\x12\x00"), WIRE_ITEMS_FEW},
		{&pk__login_reply__descriptor, STR("\xfa\x07\x00"), WIRE_ITEMS_FEW},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf all BUF_AUTO;
		struct str bytes = repeat(&all, cases[i].piece, 5 * MB / cases[i].piece.len);
		size_t memory_max = cases[i].limit * WIRE_ITEM_MEMORY;
		if (memory_max < WIRE_MEMORY_MAX)
			memory_max = WIRE_MEMORY_MAX;
		/* The whole is refused before anything is taken; the most that passes costs what was said. */
		struct taken taken = {.allocator = {take, give, &taken}};
		assert_null(wire_unpack(cases[i].type, bytes, cases[i].limit, &taken.allocator));
		assert_int_equal(taken.most, 0);
		size_t fits = 0, too_many = bytes.len / cases[i].piece.len;
		while (too_many - fits > too_many / 16 + 1) {
			size_t middle = fits + (too_many - fits) / 2;
			bool within = wire_within(
				cases[i].type, str_slice(bytes, 0, middle * cases[i].piece.len), cases[i].limit);
			*(within ? &fits : &too_many) = middle;
		}
		ProtobufCMessage *message = wire_unpack(cases[i].type,
		                                        str_slice(bytes, 0, fits * cases[i].piece.len),
		                                        cases[i].limit, &taken.allocator);
		assert_non_null(message);
		assert_true(fits > 0 && taken.most <= memory_max + fits * cases[i].piece.len);
		protobuf_c_message_free_unpacked(message, &taken.allocator);
		assert_int_equal(taken.now, 0);
	}
}

/* Every second message of a folder of 1.2 millions: a SELECT that a real store answers. */
static void what_is_large_and_real(void **state)
{
	enum { RUNS = 600 * 1000 };
	(void)state;
	struct buf body BUF_AUTO;
	buf_init(&body, 16 * MB);
	for (uint32_t i = 0; i < RUNS; i++) {
		char piece[14] = {0x3a, 8, 0x08};
		uint32_t uid = (1U << 21) + 2 * i;
		for (int at = 0; at < 2; at++) {
			char *to = piece + 2 + 5 * at;
			to[0] = at == 0 ? 0x08 : 0x10;
			to[1] = (char)(0x80 | (uid & 0x7f));
			to[2] = (char)(0x80 | (uid >> 7 & 0x7f));
			to[3] = (char)(0x80 | (uid >> 14 & 0x7f));
			to[4] = (char)(uid >> 21);
		}
		piece[1] = 10;
		buf_add(&body, piece, 12);
	}
	ProtobufCMessage *message = link_unpack(&pk__select_reply__descriptor, buf_str(&body),
	                                        WIRE_ITEMS_MESSAGES);
	assert_non_null(message);
	assert_int_equal(((Pk__SelectReply *)message)->n_uids, RUNS);
	protobuf_c_message_free_unpacked(message, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_field),     cmocka_unit_test(what_is_sent),
		cmocka_unit_test(what_grows),    cmocka_unit_test(what_repeats),
		cmocka_unit_test(what_nests),    cmocka_unit_test(what_is_broken),
		cmocka_unit_test(what_it_costs), cmocka_unit_test(what_is_large_and_real),
	};
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
