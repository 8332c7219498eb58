#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/wire.h"
#include "store/check.h"
#include "store/pack.h"
#include "store/section.h"
#include "store/uids.h"

/* The small pure parts: checks, runs of UIDs, sections, compression. */

/* ---------------------------------------------------------------- checks */

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool valid;
	} vectors[] = {
		{"", true},
		{"abc \x7f", true},
		{"\xc3\xa6\xe2\x82\xac\xf0\x9f\x98\x80", true},
		{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true},
		{"\x80", false},
		{"\xc0\x80", false},
		{"\xc1\xbf", false},
		{"\xe0\x9f\xbf", false},
		{"\xed\xa0\x80", false},
		{"\xf0\x8f\xbf\xbf", false},
		{"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false},
		{"\xc3", false},
		{"\xe2\x82", false},
		{"a\xc3z", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		if (utf8_valid(str_from(vectors[i].text)) != vectors[i].valid)
			fail_msg("vector %zu", i);
	assert_false(utf8_valid(STR("a\0b")));
	assert_true(str_eq(text_field("ab\xc3\xa6", 3), STR("ab")));
	assert_true(str_eq(text_field("ab\xc3\xa6", 4), STR("ab\xc3\xa6")));
	assert_int_equal(text_field("ab\xc3", 10).len, 0);
}

static void test_keywords(void **state)
{
	(void)state;
	char long_name[KEYWORD_SIZE_MAX + 2];
	memset(long_name, 'k', sizeof(long_name));
	long_name[KEYWORD_SIZE_MAX + 1] = '\0';
	char *good[] = {(char[]){"$Forwarded"}, (char[]){"a-b_c.d"}};
	char *bad[] = {(char[]){"$Forwarded"}, long_name};
	assert_int_equal(keywords_check(good, 2, NULL), 0);
	assert_int_equal(keywords_check(bad, 2, NULL), E_INVALID);
	assert_int_equal(keywords_check(good, KEYWORDS_PER_MESSAGE + 1, NULL), E_LIMIT);
}

static ProtobufCBinaryData empty_messages(struct buf *out, const char *field, size_t count)
{
	buf_init(out, 1 << 20);
	for (size_t i = 0; i < count; i++)
		buf_add(out, field, 2);
	return (ProtobufCBinaryData){out->len, (uint8_t *)out->ptr};
}

/* Structures are kept as they are, but not what their reader could not unpack: a value of a list and a
 * message count one each. */
static void test_structures(void **state)
{
	static const char body[] = "\x0a\0", from[] = "\x1a\0", garbage[] = "\x0a\x01";
	static const struct {
		const char *body, *from;
		size_t count;
		int error;
	} cases[] = {
		{body, from, 0, 0},
		{body, from, 1, 0},
		{body, from, WIRE_ITEMS_MANY / 2, 0},
		{body, from, WIRE_ITEMS_MANY / 2 + 1, E_INVALID},
		{garbage, from, 1, E_INVALID},
		{body, garbage, 1, E_INVALID},
	};
	(void)state;
	Pk__Part part = PK__PART__INIT, *parts = &part;
	Pk__Description description = PK__DESCRIPTION__INIT;
	description.parts = &parts;
	description.n_parts = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf bodies BUF_AUTO, addresses BUF_AUTO;
		description.body_structure = empty_messages(&bodies, cases[i].body, cases[i].count);
		description.envelope = (ProtobufCBinaryData){0};
		if (cases[i].from != garbage)
			assert_int_equal(description_check(&description, 0, NULL), cases[i].error);
		description.envelope = empty_messages(&addresses, cases[i].from, cases[i].count);
		if (cases[i].body != garbage)
			description.body_structure = (ProtobufCBinaryData){0};
		assert_int_equal(description_check(&description, 0, NULL), cases[i].error);
	}
}

static void test_search_depth(void **state)
{
	(void)state;
	/* key { keys { keys { ... } } }, each level two bytes around the one before. */
	for (int depth = 1; depth < 100; depth++) {
		struct buf body BUF_AUTO;
		buf_init(&body, 10000);
		for (int i = 0; i < depth; i++) {
			char level[300];
			size_t len = body.len;
			memcpy(level, body.ptr == NULL ? "" : body.ptr, len);
			buf_clear(&body);
			buf_add_byte(&body, i == depth - 1 ? 3 << 3 | 2 : 6 << 3 | 2);
			if (len > 127) {
				buf_add_byte(&body, (char)((len & 127) | 128));
				buf_add_byte(&body, (char)(len >> 7));
			} else {
				buf_add_byte(&body, (char)len);
			}
			buf_add(&body, level, len);
		}
		assert_int_equal(search_depth_ok(buf_str(&body)), depth < 50);
	}
	static const char *const broken[] = {"\x1a\x05", "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	                                     "\x1b", "\x08",
	                                     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		assert_false(search_depth_ok(str_from(broken[i])));
	assert_true(search_depth_ok(STR("")));
	assert_true(search_depth_ok(STR("\x08\x05\x11"
	                                "12345678"
	                                "\x1d"
	                                "1234")));
}

/* ---------------------------------------------------------------- UIDs */

static void test_runs(void **state)
{
	(void)state;
	static const struct {
		uint32_t in[8];
		size_t count;
		uint32_t out[8];
		size_t merged;
	} vectors[] = {
		{{0}, 0, {0}, 0},
		{{5, 5}, 1, {5, 5}, 1},
		{{1, 3, 4, 6}, 2, {1, 6}, 1},
		{{4, 6, 1, 3}, 2, {1, 6}, 1},
		{{1, 3, 5, 6}, 2, {1, 3, 5, 6}, 2},
		{{1, 10, 2, 3, 5, 20}, 3, {1, 20}, 1},
		{{7, UINT32_MAX, 1, 2, 9, 9}, 3, {1, 2, 7, UINT32_MAX}, 2},
		{{1, UINT32_MAX, 5, UINT32_MAX}, 2, {1, UINT32_MAX}, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		Pk__UidRange ranges[4], *pointers[4];
		for (size_t k = 0; k < vectors[i].count; k++) {
			pk__uid_range__init(&ranges[k]);
			ranges[k].first = vectors[i].in[2 * k];
			ranges[k].last = vectors[i].in[2 * k + 1];
			pointers[k] = &ranges[k];
		}
		struct uid_runs runs UID_RUNS_AUTO = {0};
		assert_int_equal(uid_runs_from(&runs, pointers, vectors[i].count, NULL), 0);
		assert_int_equal(runs.count, vectors[i].merged);
		for (size_t k = 0; k < runs.count; k++) {
			assert_int_equal(runs.items[k].first, vectors[i].out[2 * k]);
			assert_int_equal(runs.items[k].last, vectors[i].out[2 * k + 1]);
			assert_true(uid_runs_have(&runs, runs.items[k].first));
			assert_true(uid_runs_have(&runs, runs.items[k].last));
			assert_int_equal(uid_runs_have(&runs, runs.items[k].first - 1), false);
		}
	}
	Pk__UidRange bad = PK__UID_RANGE__INIT, *pointer = &bad;
	struct uid_runs runs UID_RUNS_AUTO = {0};
	assert_int_equal(uid_runs_from(&runs, &pointer, 1, NULL), E_INVALID);
	bad.first = 3;
	bad.last = 2;
	assert_int_equal(uid_runs_from(&runs, &pointer, 1, NULL), E_INVALID);
}

static void test_runs_add(void **state)
{
	(void)state;
	struct uid_runs runs UID_RUNS_AUTO = {0};
	static const uint32_t uids[] = {1, 2, 3, 5, 4, 5, UINT32_MAX, 1};
	for (size_t i = 0; i < ARRAY_LEN(uids); i++)
		uid_runs_add(&runs, uids[i]);
	static const uint32_t wanted[] = {1, 3, 5, 5, 4, 5, UINT32_MAX, UINT32_MAX, 1, 1};
	assert_int_equal(runs.count, ARRAY_LEN(wanted) / 2);
	for (size_t i = 0; i < runs.count; i++) {
		assert_int_equal(runs.items[i].first, wanted[2 * i]);
		assert_int_equal(runs.items[i].last, wanted[2 * i + 1]);
	}
}

/* ---------------------------------------------------------------- sections */

struct tree {
	Pk__Description description;
	Pk__Part parts[10];
	Pk__Part *pointers[10];
};

static void add_part(struct tree *tree, uint32_t parent, Pk__Part__Kind kind, uint64_t at)
{
	Pk__Part *part = &tree->parts[tree->description.n_parts];
	pk__part__init(part);
	part->parent = parent;
	part->kind = kind;
	static char rfc822[] = "message/rfc822";
	if (kind == PK__PART__KIND__MESSAGE)
		part->media_type = rfc822;
	part->header_offset = at;
	part->header_size = 10;
	part->body_offset = at + 10;
	part->body_size = 50;
	tree->pointers[tree->description.n_parts++] = part;
	tree->description.parts = tree->pointers;
}

/* A multipart of a text, a message with a multipart of two inside, a message with one text inside. */
static void build_tree(struct tree *tree)
{
	memset(tree, 0, sizeof(*tree));
	pk__description__init(&tree->description);
	add_part(tree, 0, PK__PART__KIND__MULTIPART, 0);
	add_part(tree, 1, PK__PART__KIND__LEAF, 100);      /* 1 */
	add_part(tree, 1, PK__PART__KIND__MESSAGE, 200);   /* 2 */
	add_part(tree, 3, PK__PART__KIND__MULTIPART, 300); /* 2's message */
	add_part(tree, 4, PK__PART__KIND__LEAF, 400);      /* 2.1 */
	add_part(tree, 4, PK__PART__KIND__LEAF, 500);      /* 2.2 */
	add_part(tree, 1, PK__PART__KIND__MESSAGE, 600);   /* 3 */
	add_part(tree, 7, PK__PART__KIND__LEAF, 700);      /* 3's message, and 3.1 */
}

static void test_sections(void **state)
{
	(void)state;
	enum { ALL, HEADER, TEXT, MIME };
	static const struct {
		uint32_t path[4];
		size_t len;
		int what;
		int offset; /* -1: missing */
		uint64_t size;
	} vectors[] = {
		{{0}, 0, ALL, 0, 1000},     {{0}, 0, HEADER, 0, 10},    {{0}, 0, TEXT, 10, 990},
		{{0}, 0, MIME, -1, 0},      {{1}, 1, ALL, 110, 50},     {{1}, 1, MIME, 100, 10},
		{{1}, 1, HEADER, -1, 0},    {{1}, 1, TEXT, -1, 0},      {{2}, 1, ALL, 210, 50},
		{{2}, 1, HEADER, 300, 10},  {{2}, 1, TEXT, 310, 50},    {{2}, 1, MIME, 200, 10},
		{{2, 1}, 2, ALL, 410, 50},  {{2, 2}, 2, MIME, 500, 10}, {{2, 3}, 2, ALL, -1, 0},
		{{3, 1}, 2, ALL, 710, 50},  {{3, 1}, 2, MIME, 700, 10}, {{3, 2}, 2, ALL, -1, 0},
		{{3, 1, 1}, 3, ALL, -1, 0}, {{4}, 1, ALL, -1, 0},       {{0, 1}, 2, ALL, -1, 0},
		{{1, 1}, 2, ALL, -1, 0},    {{2, 1, 1}, 3, ALL, -1, 0}, {{4294967295}, 1, ALL, -1, 0},
	};
	struct tree tree;
	build_tree(&tree);
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		Pk__Section section = PK__SECTION__INIT;
		uint32_t path[4];
		memcpy(path, vectors[i].path, sizeof(path));
		section.path = path;
		section.n_path = vectors[i].len;
		section.what = (Pk__Section__What)vectors[i].what;
		struct section_place place = section_find(&section, &tree.description, 1000, 10);
		if (place.missing != (vectors[i].offset < 0))
			fail_msg("vector %zu", i);
		if (place.missing)
			continue;
		assert_int_equal(place.offset, vectors[i].offset);
		assert_int_equal(place.size, vectors[i].size);
	}
	/* A message of one part is its own part 1. */
	struct tree single = {0};
	pk__description__init(&single.description);
	add_part(&single, 0, PK__PART__KIND__LEAF, 0);
	Pk__Section section = PK__SECTION__INIT;
	uint32_t one = 1;
	section.path = &one;
	section.n_path = 1;
	assert_int_equal(section_find(&section, &single.description, 60, 10).offset, 10);
}

/* A message/global has a body and a header of its own and nothing inside, as BODYSTRUCTURE shows it. */
static void test_global(void **state)
{
	(void)state;
	static char global[] = "message/global";
	static const struct {
		uint32_t path[3];
		size_t len;
		Pk__Section__What what;
		bool missing;
	} vectors[] = {
		{{2}, 1, PK__SECTION__WHAT__ALL, false},    {{2}, 1, PK__SECTION__WHAT__MIME, false},
		{{2}, 1, PK__SECTION__WHAT__HEADER, true},  {{2}, 1, PK__SECTION__WHAT__TEXT, true},
		{{2, 1}, 2, PK__SECTION__WHAT__ALL, true},  {{2, 1, 1}, 3, PK__SECTION__WHAT__ALL, true},
		{{3, 1}, 2, PK__SECTION__WHAT__ALL, false}, {{3}, 1, PK__SECTION__WHAT__TEXT, false},
	};
	struct tree tree;
	build_tree(&tree);
	tree.parts[2].media_type = global;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		Pk__Section section = PK__SECTION__INIT;
		uint32_t path[3];
		memcpy(path, vectors[i].path, sizeof(path));
		section.path = path;
		section.n_path = vectors[i].len;
		section.what = vectors[i].what;
		struct section_place place = section_find(&section, &tree.description, 1000, 10);
		if (place.missing != vectors[i].missing)
			fail_msg("vector %zu", i);
	}
}

static void test_partials(void **state)
{
	(void)state;
	static const struct {
		uint64_t offset, length, wanted_offset, wanted_size;
	} vectors[] = {
		{0, 0, 0, 100},   {10, 0, 10, 90},         {10, 20, 10, 20},       {90, 20, 90, 10},
		{100, 1, 100, 0}, {UINT64_MAX, 1, 100, 0}, {1, UINT64_MAX, 1, 99},
	};
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		Pk__Section section = PK__SECTION__INIT;
		section.offset = vectors[i].offset;
		section.length = vectors[i].length;
		struct section_place place = section_find(&section, NULL, 100, 1000);
		assert_int_equal(place.offset, vectors[i].wanted_offset);
		assert_int_equal(place.size, vectors[i].wanted_size);
	}
}

/* ---------------------------------------------------------------- compression */

static void test_pack(void **state)
{
	(void)state;
	struct pack_tables *tables = pack_tables_new();
	struct packer *packer = packer_new(tables);
	srand(3);
	for (int round = 0; round < 200; round++) {
		struct buf plain BUF_AUTO, frame BUF_AUTO, again BUF_AUTO;
		buf_init(&plain, 1000000);
		buf_init(&frame, 2000000);
		buf_init(&again, 1000000);
		for (int i = rand() % (round % 10 == 0 ? 300000 : 3000); i > 0; i--)
			buf_add_byte(&plain, (char)(round % 2 == 0 ? rand() : 'a' + rand() % 4));
		assert_true(pack(packer, (enum pack_kind)(round % 3), buf_str(&plain), &frame));
		assert_int_equal(unpack(packer, buf_str(&frame), plain.len, &again, NULL), 0);
		assert_true(str_eq(buf_str(&again), buf_str(&plain)));
		if (plain.len > 0)
			assert_int_equal(unpack(packer, buf_str(&frame), plain.len - 1, &again, NULL),
			                 E_CORRUPT);
		assert_int_equal(
			unpack(packer, str_slice(buf_str(&frame), 0, frame.len / 2), plain.len, &again, NULL),
			E_CORRUPT);
		if (frame.len > 20) {
			frame.ptr[rand() % 4] ^= 1; /* the magic number */
			assert_int_equal(unpack(packer, buf_str(&frame), plain.len, &again, NULL), E_CORRUPT);
		}
		assert_int_equal(again.len, plain.len);
	}
	packer_free(packer);
	pack_tables_free(tables);
}

/* The dictionary is what makes small mail small; its number is what frames name. */
static void test_dictionary(void **state)
{
	(void)state;
	static const char mail[] =
		"Return-Path: <bounce@example.org>\r\nReceived: from mail.example.org (mail.example.org "
		"[192.0.2.1])\r\n\tby mx.example.test with ESMTPS id 4711\r\n\tfor <you@example.test>; "
		"Mon, 23 "
		"Nov 2026 10:00:00 +0000\r\nFrom: A Person <person@example.org>\r\nTo: you@example.test\r\n"
		"Subject: the meeting\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\nThanks for the report, see you tomorrow.\r\n";
	assert_int_equal(pack_dictionary().len, 32768);
	assert_memory_equal(pack_dictionary().ptr, "\x37\xa4\x30\xec\1\0\0\0", 8);
	struct pack_tables *tables = pack_tables_new();
	struct packer *packer = packer_new(tables);
	struct buf with BUF_AUTO, without BUF_AUTO;
	buf_init(&with, 10000);
	buf_init(&without, 10000);
	assert_true(pack(packer, PACK_TEXT, str_from(mail), &with));
	assert_true(pack(packer, PACK_DATA, str_from(mail), &without));
	assert_true(with.len * 3 < without.len * 2);
	packer_free(packer);
	pack_tables_free(tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),       cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_structures), cmocka_unit_test(test_search_depth),
		cmocka_unit_test(test_runs),       cmocka_unit_test(test_runs_add),
		cmocka_unit_test(test_sections),   cmocka_unit_test(test_global),
		cmocka_unit_test(test_partials),   cmocka_unit_test(test_pack),
		cmocka_unit_test(test_dictionary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
